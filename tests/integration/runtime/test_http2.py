"""HTTP/2 against a real TLS server that offers it: the same promises, the same guard, one connection."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from yarl import URL

from tests.integration.runtime.apis import person
from tests.integration.runtime.definitions import definition
from vitesse_graph.errors import RefusedAddress
from vitesse_graph.http import AddressPolicy
from vitesse_graph.runtime.connect import Options
from vitesse_graph.runtime.engine import SyncEngine
from vitesse_graph.runtime.http2 import Http2, NotSent, open_http2
from vitesse_graph.runtime.store import Store
from vitesse_graph.state.definition import SyncReport

pytest.importorskip("pyreqwest", reason="the extra `http2` is not installed")
NAME = "shop.test"
"""No resolver knows it: who reaches it went to the address that the policy gave."""
ADDRESS = "127.0.0.2"


class Names(AddressPolicy):
    """Knows one name more."""

    async def resolve(self, host: str, port: int) -> list[str]:
        if host != NAME:
            return await super().resolve(host, port)
        self.check_address(host, port, ADDRESS)
        return [ADDRESS]


class World:
    """A source and a destination in one; counts versions and connections."""

    def __init__(self) -> None:
        self.people: list[dict[str, Any]] = []
        self.contacts: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, dict[str, Any]] = {}
        self.versions: Counter[str] = Counter()
        self.connections: set[Any] = set()
        self.posts = itertools.count(1)
        self.before: Callable[[Request, int], Response | None] = lambda request, number: None
        self.app = Starlette(
            routes=[
                Route("/people", self._list),
                Route("/contacts", self._create, methods=["POST"]),
                Route("/moved", lambda r: Response(status_code=302, headers={"Location": "/people"})),
                Route("/wait", self._wait),
                Route("/large", lambda r: Response(b"x" * 3_000_000)),
            ]
        )

    def _saw(self, request: Request) -> None:
        self.versions[request.scope["http_version"]] += 1
        self.connections.add(request.client)

    async def _list(self, request: Request) -> Response:
        self._saw(request)
        start, limit = (int(request.query_params.get(n, d)) for n, d in (("cursor", 0), ("limit", 50)))
        following = str(start + limit) if start + limit < len(self.people) else None
        return JSONResponse({"people": self.people[start : start + limit], "next": following})

    async def _create(self, request: Request) -> Response:
        self._saw(request)
        body, key = await request.json(), request.headers["idempotency-key"]
        if key not in self.keys:
            instead = self.before(request, next(self.posts))
            if instead is not None:
                return instead
            self.keys[key] = self.contacts[f"c{len(self.contacts)}"] = {
                **body,
                "id": f"c{len(self.contacts)}",
            }
        return JSONResponse(self.keys[key], 201)

    async def _wait(self, request: Request) -> Response:
        await asyncio.sleep(5)
        return Response()

    @property
    def emails(self) -> Counter[str]:
        return Counter(contact["email"] for contact in self.contacts.values())


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """Trusted by this process, through the variable that OpenSSL and the client know."""
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return made


@pytest.fixture
def start(authority: trustme.CA, tmp_path: Path) -> Any:
    @asynccontextmanager
    async def started(world: World, **options: Any) -> AsyncIterator[str]:
        cert = authority.issue_cert(NAME)
        cert.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
        (tmp_path / "cert.pem").write_bytes(b"".join(part.bytes() for part in cert.cert_chain_pems))
        with socket.socket() as found:
            found.bind((ADDRESS, 0))
            port = found.getsockname()[1]
        config = Config.from_mapping(
            bind=[f"{ADDRESS}:{port}"],
            certfile=str(tmp_path / "cert.pem"),
            keyfile=str(tmp_path / "key.pem"),
            errorlog=None,
            graceful_timeout=0.2,
            **options,
        )
        # who is cut off in the middle, or goes away, is no error of the test's
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        stop = asyncio.Event()
        serving = asyncio.create_task(hypercorn_serve(world.app, config, shutdown_trigger=stop.wait))  # type: ignore[arg-type]
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection(ADDRESS, port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.02)
        try:
            yield f"https://{NAME}:{port}"
        finally:
            stop.set()
            with contextlib.suppress(OSError):  # a client that closes in the middle of TLS's goodbye
                await serving

    return started


POLICY = Names(allow_loopback=True)


async def sync(url: str, name: str, store: Store) -> SyncReport:
    options = Options(patience_seconds=10)
    return await SyncEngine(definition(url, name), store, policy=POLICY, options=options).run()


async def test_everything_goes_over_one_connection_for_each_side(start: Any, store: Store, name: str) -> None:
    world = World()
    world.people = [person(n) for n in range(300)]
    async with start(world) as url:
        report = await sync(url, name, store)
        assert (report.status, report.created) == ("completed", 300)
        assert (await sync(url, name, store)).unchanged == 300
    assert world.emails == {p["email"]: 1 for p in world.people}
    assert set(world.versions) == {"2"}
    assert len(world.connections) <= 4  # two sides, two runs


@asynccontextmanager
async def cut_line(port: int, every_bytes: int) -> AsyncIterator[tuple[int, list[int]]]:
    """A line to this port that is cut whenever so many bytes have come from the caller; its port, the cuts."""
    cuts: list[int] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: float) -> None:
        carried = 0
        while carried < most and (part := await reader.read(1024)):
            writer.write(part)
            await writer.drain()
            carried += len(part)
        if carried >= most:
            cuts.append(carried)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(ADDRESS, port)
        ways = [
            asyncio.create_task(carry(reader, back, every_bytes)),
            asyncio.create_task(carry(there, writer, float("inf"))),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for task in ways:
            task.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        writer.transport.abort()
        back.transport.abort()

    server = await asyncio.start_server(connect, ADDRESS, 0)
    async with server:
        yield server.sockets[0].getsockname()[1], cuts


async def test_lines_that_are_cut_under_way_double_nothing(start: Any, store: Store, name: str) -> None:
    world = World()
    world.people = [person(n) for n in range(300)]
    async with start(world) as url, cut_line(URL(url).port or 0, 8_000) as (port, cuts):
        report = await sync(f"https://{NAME}:{port}", name, store)
        assert (report.status, report.quarantined) == ("completed", 0)
        assert len(cuts) > 3
    assert world.emails == {p["email"]: 1 for p in world.people}
    assert set(world.versions) == {"2"}


async def test_refusals_and_limits_are_understood_as_ever(start: Any, store: Store, name: str) -> None:
    world = World()
    world.people = [person(n) for n in range(60)]

    def before(request: Request, number: int) -> Response | None:
        if number == 10:
            return JSONResponse({"errors": [{"message": "is taken"}]}, 422)
        return Response(status_code=429, headers={"Retry-After": "1"}) if 20 <= number < 24 else None

    world.before = before
    async with start(world) as url:
        report = await sync(url, name, store)
    assert (report.status, report.created, report.quarantined) == ("completed", 59, 1)
    assert max(world.emails.values()) == 1


async def test_the_address_that_was_checked_is_the_one_that_is_called(start: Any) -> None:
    world = World()
    async with start(world) as url:
        with pytest.raises(RefusedAddress):
            await open_http2(Names(), url, connections=2)
        client = await open_http2(POLICY, url, connections=2)
        assert client is not None
        headers = {"Accept": "application/json"}

        async def call(path: str, **options: Any) -> tuple[int, Any, bytes]:
            limits = {"timeout_seconds": 5.0, "max_bytes": 4_000_000, **options}
            return await client.call("GET", URL(url + path), None, headers, **limits)

        assert (await call("/people"))[0] == 200
        assert (await call("/moved"))[0] == 302  # a redirect leads nowhere
        assert len((await call("/large"))[2]) == 3_000_000
        with pytest.raises(Exception, match="smaller pages"):
            await call("/large", max_bytes=1_000_000)
        with pytest.raises(TimeoutError):
            await call("/wait", timeout_seconds=0.2)
        before = len(world.connections)
        assert (await call("/people"))[0] == 200
        assert len(world.connections) == before + 1  # the line may hang: another was opened
        for path in ("/contacts/..", "/contacts/%2E%2e"):
            assert not client.takes(URL(url + path, encoded=True))  # the client would call another path
        assert not client.takes(URL("https://other.test/people"))
        await client.close()


async def test_a_name_that_leads_elsewhere_later_is_checked_again(start: Any) -> None:
    now = [0.0]
    world = World()
    async with start(world) as url:
        client = Http2(POLICY, URL(url), ADDRESS, connections=2, connect_seconds=2.0, clock=lambda: now[0])
        limits = {"timeout_seconds": 5.0, "max_bytes": 1_000_000}
        assert (await client.call("GET", URL(url + "/people"), None, {}, **limits))[0] == 200
        client._policy = Names()  # what was allowed is not any more
        now[0] += 61
        with pytest.raises(RefusedAddress):
            await client.call("GET", URL(url + "/people"), None, {}, **limits)
        await client.close()


async def test_who_is_not_there_was_sent_nothing(authority: trustme.CA) -> None:
    url = URL(f"https://{NAME}:9")
    client = Http2(POLICY, url, ADDRESS, connections=2, connect_seconds=2.0)
    with pytest.raises(NotSent):
        await client.call("POST", url, b"{}", {}, timeout_seconds=3.0, max_bytes=1_000)
    await client.close()


async def test_who_offers_no_http2_or_cannot_be_trusted_is_called_as_before(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start(World(), alpn_protocols=["http/1.1"]) as url:
        assert await open_http2(POLICY, url, connections=2) is None
    async with start(World()) as url:
        stranger = trustme.CA()
        stranger.cert_pem.write_to_path(str(tmp_path / "other.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
        assert await open_http2(POLICY, url, connections=2) is None
    assert await open_http2(POLICY, "http://127.0.0.1:9", connections=2) is None
