"""The sandbox itself: an ASGI application that behaves as the specification says.

Order of a request: faults → routing → credential → parameters → body → the operation's effect →
the answer. Nothing is compiled before it is asked for, so that a specification of a thousand
operations starts at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson

from vitesse_graph.errors import InputError, NotFoundError
from vitesse_graph.sandbox import drift as drifting
from vitesse_graph.sandbox.auth import credential_names, is_authorised
from vitesse_graph.sandbox.bodies import BadBody
from vitesse_graph.sandbox.effects import Effects
from vitesse_graph.sandbox.faults import Fault, Faults, parse_faults
from vitesse_graph.sandbox.holdings import Holdings
from vitesse_graph.sandbox.replies import Reply, refuse
from vitesse_graph.sandbox.requests import Request, check_request
from vitesse_graph.sandbox.routing import Router, in_question
from vitesse_graph.state.api_spec import Endpoint
from vitesse_graph.state.ports import SpecReader

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CONTROL = "/__vitesse__/"
MAX_BODY_BYTES = 32_000_000


@dataclass(slots=True)
class Stats:
    """What a sandbox was asked: requests by `METHOD /path` (as declared) and answers by status."""

    requests: int = 0
    by_operation: Counter[str] = field(default_factory=Counter)
    by_status: Counter[int] = field(default_factory=Counter)


@dataclass(slots=True)
class _Asked:
    """One request, before it is known which operation it is for."""

    path: str
    query: list[tuple[str, str]]
    query_text: str
    headers: Mapping[str, str]
    body: bytes | None
    origin: str
    rules: list[drifting.DriftRule]


class Sandbox:
    """An ASGI application. Besides serving, it tells what it holds and was asked: `stats`, `records`."""

    def __init__(
        self,
        reader: SpecReader,
        *,
        seed: int = 0,
        records: int = 50,
        faults: Faults | None = None,
        require_auth: bool = True,
        seed_records: Mapping[str, list[dict[str, Any]]] | None = None,
        control: bool = False,
    ) -> None:
        self.spec = reader.spec
        self.faults = faults or Faults()
        self.stats = Stats()
        self._require_auth = require_auth
        self._control = control
        self._router = Router(self.spec.endpoints, self.spec.base_url)
        self.holdings = Holdings(reader, seed=seed, records=records, seed_records=dict(seed_records or {}))
        self.effects = Effects(self.holdings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        body = await _read(receive)
        if self._control and scope["path"].startswith(CONTROL):
            await _send(send, self._controlled(scope, body))
            return
        self.stats.requests += 1
        number = self.stats.requests
        hits = self.faults.hits(number, f"{scope['method']} {scope['path']}")
        await self._serve(scope, body, receive, send, hits, number)

    async def _serve(
        self, scope: Scope, body: bytes | None, receive: Receive, send: Send, hits: list[Fault], number: int
    ) -> None:
        for fault in hits:
            if fault.kind == "slow":
                await asyncio.sleep(fault.amount)
            elif fault.kind == "dropped":
                await _drop(receive, send)
                return
        rules = self.faults.drifted(number) if self.faults.drift else []
        failing = next((fault for fault in hits if fault.status is not None), None)
        reply = self.handle(scope, body, failing, rules)
        self.stats.by_status[reply.status] += 1
        if any(fault.kind == "lost" for fault in hits):
            await _drop(receive, send)
            return
        if any(fault.kind == "malformed" for fault in hits) and reply.body:
            reply.body = reply.body[: max(1, len(reply.body) // 2)]
        await _send(send, reply, is_head=scope["method"] == "HEAD")

    def handle(
        self, scope: Scope, body: bytes | None, failing: Fault | None, rules: list[drifting.DriftRule]
    ) -> Reply:
        """The answer to one request, and its effect. Synchronous: no two requests interleave."""
        method, path = scope["method"].upper(), scope.get("raw_path", b"").decode("latin-1") or scope["path"]
        path = path.split("?", 1)[0]
        if rules:
            moved = drifting.moved_path(rules, path)
            if moved is None:
                return Reply.error(404, "there is nothing at this path any more")
            path = moved
        match = self._router.match(method, path)
        if match is None:
            self.stats.by_operation[f"{method} (no such path)"] += 1
            return Reply.error(404, "no operation of this API has this path")
        if match.endpoint is None:
            self.stats.by_operation[f"{method} (no such method)"] += 1
            reply = Reply.error(405, f"this path knows {', '.join(match.allowed)}")
            reply.headers.append(("allow", ", ".join(match.allowed)))
            return reply
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        text = scope.get("query_string", b"").decode("latin-1")
        asked = _Asked(
            path, parse_qsl(text, keep_blank_values=True), text, headers, body, _origin(scope, headers), rules
        )
        first, *others = in_question(match, asked.query)
        endpoint = first[0]
        reply, fit = self._try(asked, *first, failing)
        for other in others:
            if fit == _FITS:
                break
            tried, better = self._try(asked, *other, failing)
            if better > fit:
                reply, endpoint, fit = tried, other[0], better
        self.stats.by_operation[endpoint.key] += 1
        return reply

    def _try(
        self, asked: _Asked, endpoint: Endpoint, params: dict[str, str], failing: Fault | None
    ) -> tuple[Reply, int]:
        """The answer, and how well the request fits this operation: nothing changes where it does not."""
        try:
            operation = self.holdings.operation(endpoint.key)
        except NotFoundError:
            return Reply.error(501, "this operation of the specification cannot be read"), 0
        if failing is not None:
            refused = refuse(operation, failing.status or 500, _FAULT_TEXT)
            return self._failure(refused, failing), _FITS
        if self._require_auth and not is_authorised(
            operation.detail, self.spec, asked.headers, dict(asked.query)
        ):
            return refuse(operation, 401, "a credential is required"), 0
        if asked.body is None:
            return refuse(operation, 413, "the body is too large"), _FITS
        request = Request(
            operation=operation, path=asked.path, params=params, query=asked.query, query_text=asked.query_text,
            headers=asked.headers, raw_body=asked.body, origin=asked.origin, rules=asked.rules,
            credentials=credential_names(operation.detail, self.spec),
        )  # fmt: skip
        try:
            problem = check_request(request, self.holdings.has_id)
        except BadBody as error:
            return refuse(operation, operation.refusal_status, str(error)), _FITS_BUT_BODY
        if problem is not None:
            status = problem.status or operation.refusal_status
            return refuse(operation, status, problem.text), _FITS_BUT_BODY * problem.is_of_body
        return self.effects.perform(request), _FITS

    @staticmethod
    def _failure(reply: Reply, fault: Fault) -> Reply:
        if fault.status in (429, 503):
            reply.headers.append(("retry-after", f"{fault.amount:g}"))
        return reply

    # control and inspection

    def records(self, key_or_path: str) -> list[dict[str, Any]]:
        """The records that an endpoint (`GET /v1/customers`) or a collection's path works on."""
        return [entry.record for entry in self.holdings.entries(key_or_path)]

    def shown(self, key: str) -> list[Any]:
        """The records as a list (`GET /v1/customers`) shows them: what a client that reads them all sees."""
        return self.holdings.shown(key)

    def sent(self, key_or_path: str) -> list[Any]:
        """The bodies that clients wrote there, as they were last written."""
        return [entry.sent for entry in self.holdings.entries(key_or_path) if entry.sent is not None]

    def change(self, key_or_path: str, position: int, changes: dict[str, Any]) -> None:
        """Changes the record at a position of `records`, as somebody else at that API would: no request, no trace.

        Its time of change is set where it has one. Raises NotFoundError, IndexError.
        """
        self.holdings.change(key_or_path, position, changes)

    def set_faults(self, faults: Faults, *, from_now: bool = True) -> None:
        """Changes what goes wrong; schedules count from the next request on."""
        self.faults = faults.shifted(self.stats.requests) if from_now else faults

    def statistics(self) -> dict[str, Any]:
        """Requests and records as plain JSON."""
        return {
            "requests": self.stats.requests,
            "by_operation": dict(self.stats.by_operation),
            "by_status": {str(status): count for status, count in self.stats.by_status.items()},
            "records": self.holdings.counts(),
        }

    def _controlled(self, scope: Scope, body: bytes | None) -> Reply:
        name = scope["path"][len(CONTROL) :]
        if name == "stats" and scope["method"] == "GET":
            return Reply.json(200, self.statistics())
        if name == "faults" and scope["method"] == "POST":
            try:
                self.set_faults(parse_faults(_fault_text(body or b""), seed=self.faults.seed))
            except InputError as error:
                return Reply.error(422, str(error))
            return Reply.json(200, {"faults": len(self.faults.faults), "drift": len(self.faults.drift)})
        if name == "health":
            return Reply.json(200, {"status": "ok"})
        return Reply.error(404, "control knows GET stats, POST faults and GET health")


_FITS, _FITS_BUT_BODY = 2, 1
_FAULT_TEXT = "a fault was asked for"


def _fault_text(body: bytes) -> str:
    """`{"faults": "429=0.1"}` or the bare line."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")
    if isinstance(value, dict):
        value = value.get("faults", "")
    return value if isinstance(value, str) else str(value)


def _origin(scope: Scope, headers: Mapping[str, str]) -> str:
    server = scope.get("server") or ("sandbox", None)
    host = headers.get("host") or (f"{server[0]}:{server[1]}" if server[1] else str(server[0]))
    return f"{scope.get('scheme', 'http')}://{host}{scope.get('root_path', '')}"


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None when it is larger than a sandbox takes."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body if len(body) <= MAX_BODY_BYTES else None
    parts, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_BODY_BYTES:
            parts.append(part)
    return b"".join(parts) if size <= MAX_BODY_BYTES else None


async def _send(send: Send, reply: Reply, *, is_head: bool = False) -> None:
    headers = [(name.encode("latin-1"), value.encode("utf-8")) for name, value in reply.headers]
    if reply.content_type and reply.body:
        headers.append((b"content-type", reply.content_type.encode("latin-1")))
    headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if is_head else reply.body})


async def _drop(receive: Receive, send: Send) -> None:
    """Cuts the connection. Over a server: the transport is closed; in-process: ConnectionResetError."""
    cycle = getattr(receive, "__self__", None)
    transport = getattr(cycle, "transport", None)
    if transport is None:
        raise ConnectionResetError("the sandbox dropped this connection")
    transport.abort()
    # The server believes that an answer was written; nothing reaches the closed transport.
    await send({"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
