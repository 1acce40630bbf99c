"""While `skip_destructive` is true no write reaches a real API: a real server counts what arrives."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "unit" / "guardian"))

from pair import BEARER, DEST_SHAPE, SOURCE_SHAPE, dest_api, mapping, source_api

from vitesse_graph.guardian import (
    AppTarget,
    Call,
    DestructiveCallError,
    HttpTarget,
    run_guardian,
    shadow_records,
)
from vitesse_graph.sandbox import Sandbox, create_sandbox, parse_faults, serve
from vitesse_graph.state.api_spec import RateLimit

HEADERS = {"authorization": "Bearer real-looking"}


class Real:
    """A real HTTP server in front of an application, with a count of the methods that reached it."""

    def __init__(self, app: Sandbox) -> None:
        self.app = app
        self.methods: Counter[str] = Counter()
        self.url = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.methods[scope["method"]] += 1
        await self.app(scope, receive, send)

    async def start(self) -> asyncio.Task[None]:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(serve(self, on_ready=ready.set_result))
        self.url = await asyncio.wait_for(ready, 10)
        return task


@pytest.fixture
async def real() -> AsyncIterator[tuple[Real, Real]]:
    """(source, destination) as real servers."""
    records = [record.value for record in shadow_records(SOURCE_SHAPE, sample_size=100)]
    pair = (
        Real(create_sandbox(source_api(), seed_records={"GET /contacts": records})),
        Real(create_sandbox(dest_api(), records=3)),
    )
    tasks = [await one.start() for one in pair]
    yield pair
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def judge(source: Any, dest: Any, **options: Any) -> Any:
    try:
        return await run_guardian(
            source=source,
            dest=dest,
            source_shape=SOURCE_SHAPE,
            dest_shape=DEST_SHAPE,
            mapping=mapping(),
            **options,
        )
    finally:
        for target in (source, dest, options.get("dest_read")):
            if isinstance(target, HttpTarget):
                await target.close()


async def test_live_read_reads_both_real_apis_and_writes_to_the_sandbox_only(real: tuple[Real, Real]) -> None:
    source, dest = real
    results = await judge(
        HttpTarget(source.url, headers=HEADERS),
        AppTarget(create_sandbox(dest_api()), BEARER),
        dest_read=HttpTarget(dest.url, headers=HEADERS),
        mode="live-read",
    )
    assert results.passed
    assert results.mode == "live-read"
    assert set(source.methods) == {"GET"}
    assert set(dest.methods) == {"GET"}
    assert dest.methods["GET"] == 5


async def test_a_credential_that_the_real_destination_refuses_never_passes(real: tuple[Real, Real]) -> None:
    source, dest = real
    results = await judge(
        HttpTarget(source.url, headers=HEADERS),
        AppTarget(create_sandbox(dest_api()), BEARER),
        dest_read=HttpTarget(dest.url),
        dest_list=dest_api().operation("GET /customers"),
        mode="live-read",
        threshold=0,
    )
    assert not results.passed
    critical = [(issue.kind, issue.side) for issue in results.issues if issue.critical]
    assert critical == [("auth", "dest")]
    assert set(dest.methods) == {"GET"}


async def test_an_api_that_says_how_little_is_left_is_reported_as_near_its_limit(
    real: tuple[Real, Real],
) -> None:
    class Limited(Real):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def told(message: Any) -> None:
                if message["type"] == "http.response.start":
                    left = [(b"x-ratelimit-limit", b"100"), (b"x-ratelimit-remaining", b"7")]
                    message["headers"] = [*message["headers"], *left]
                await send(message)

            await super().__call__(scope, receive, told)

    source = Limited(real[0].app)
    task = await source.start()
    results = await judge(
        HttpTarget(source.url, headers=HEADERS), AppTarget(create_sandbox(dest_api()), BEARER)
    )
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "the source was near its rate limit: 7% of it was left" in results.warnings


@pytest.mark.parametrize("mode", ["sandbox", "live-read", "live"])
async def test_with_a_real_destination_nothing_leaves_whatever_the_mode(
    real: tuple[Real, Real], mode: Any
) -> None:
    source, dest = real
    with pytest.raises(DestructiveCallError):
        await judge(HttpTarget(source.url, headers=HEADERS), HttpTarget(dest.url, headers=HEADERS), mode=mode)
    assert set(dest.methods) <= {"GET"}


async def test_turning_it_off_is_not_enough_without_the_live_mode(real: tuple[Real, Real]) -> None:
    source, dest = real
    with pytest.raises(DestructiveCallError):
        await judge(
            HttpTarget(source.url, headers=HEADERS),
            HttpTarget(dest.url, headers=HEADERS),
            mode="live-read",
            skip_destructive=False,
        )
    assert set(dest.methods) <= {"GET"}


async def test_live_writes_reach_a_real_test_account_when_both_are_asked_for(real: tuple[Real, Real]) -> None:
    source, dest = real
    results = await judge(
        HttpTarget(source.url, headers=HEADERS),
        HttpTarget(dest.url, headers=HEADERS),
        mode="live",
        skip_destructive=False,
    )
    assert results.passed
    assert dest.methods["POST"] >= 90
    assert set(source.methods) == {"GET"}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "post", "QUERY"])
async def test_every_unsafe_method_is_stopped_at_the_target(real: tuple[Real, Real], method: str) -> None:
    _, dest = real
    target = HttpTarget(dest.url, headers=HEADERS)
    with pytest.raises(DestructiveCallError):
        await target.call(Call(method, "/customers", body={"email": "a@b.example"}))
    with pytest.raises(DestructiveCallError):
        await target.call(Call(method, "/customers", body={"email": "a@b.example"}, is_read=True))
    await target.close()
    assert dest.methods == {}


async def test_a_search_by_post_may_read_only_when_marked_and_named_so(real: tuple[Real, Real]) -> None:
    _, dest = real
    target = HttpTarget(dest.url, headers=HEADERS)
    assert (await target.call(Call("POST", "/customers/search", body={}, is_read=True))).status is not None
    with pytest.raises(DestructiveCallError):
        await target.call(Call("POST", "/customers/search", body={}))
    await target.close()


async def test_a_sandbox_behind_a_url_is_written_to(real: tuple[Real, Real]) -> None:
    source, dest = real
    results = await judge(
        HttpTarget(source.url, headers=HEADERS, environment="sandbox"),
        HttpTarget(dest.url, headers=HEADERS, environment="sandbox"),
    )
    assert results.passed
    assert dest.methods["POST"] >= 90


async def test_the_declared_rate_limit_is_kept(real: tuple[Real, Real]) -> None:
    source, dest = real
    limited = HttpTarget(
        dest.url, headers=HEADERS, environment="sandbox", rate_limit=RateLimit(requests=100, per_seconds=1)
    )
    results = await judge(HttpTarget(source.url, headers=HEADERS), limited, sample_size=30)
    assert results.duration_seconds >= 0.29


async def test_a_credential_does_not_follow_a_link_to_another_host(real: tuple[Real, Real]) -> None:
    source, dest = real
    target = HttpTarget(source.url, headers=HEADERS)
    answer = await target.call(Call("GET", "/contacts", url=f"{dest.url}/customers"))
    await target.close()
    assert answer.fault == "refused"
    assert dest.methods == {}


async def test_dropped_connections_and_silence_are_told_apart(real: tuple[Real, Real]) -> None:
    source, _ = real
    # The client repeats a GET whose connection died once by itself.
    source.app.set_faults(parse_faults("dropped=1@until=2,slow=1:2@after=2"))
    target = HttpTarget(source.url, headers=HEADERS, timeout_seconds=0.3)
    faults = [(await target.call(Call("GET", "/contacts"))).fault for _ in range(2)]
    await target.close()
    assert faults == ["connectivity", "timeout"]


async def test_a_port_where_nobody_listens_is_a_critical_connectivity_issue() -> None:
    results = await judge(
        HttpTarget("http://127.0.0.1:9"), AppTarget(create_sandbox(dest_api()), BEARER), mode="live-read"
    )
    assert not results.passed
    assert [issue.kind for issue in results.issues] == ["connectivity"]
