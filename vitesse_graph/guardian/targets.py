"""Where the shadow calls of one side go, and the one place that decides whether a write may leave.

Three kinds: an ASGI application in this process (a sandbox; called without any HTTP client), a sandbox
behind a URL, and a real API behind a URL. A real API is *read-only* unless the run was started with
mode `live` and `skip_destructive=False`: `HttpTarget.call` refuses before a connection is opened.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode, urljoin, urlsplit

import orjson

from vitesse_graph.errors import RefusedAddress, UpstreamError
from vitesse_graph.http.multipart import MULTIPART, encode_multipart
from vitesse_graph.state.api_spec import AuthScheme, Endpoint, RateLimit

if TYPE_CHECKING:
    import aiohttp

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
DUMMY_SECRET = "vitesse-shadow-call"
_READ_VERBS = ("search", "get", "list", "query", "find", "filter", "sync", "lookup", "fetch", "read")
_MAX_ANSWER_BYTES = 32_000_000


class DestructiveCallError(UpstreamError):
    """A write to a real API was about to leave while writing is not allowed."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"{key} was not called: writing to a real API is off (mode live and skip_destructive=false turn it on)",
            is_transient=False,
        )


@dataclass(frozen=True, slots=True)
class Call:
    """One request, relative to the API's base. `is_read` marks a POST that only reads (a search)."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"
    url: str | None = None
    """A whole or relative URL of the same API that replaces path and query (the next page)."""
    is_read: bool = False
    auth: AuthScheme | None = None
    """Where the operation wants another credential than the API; only sandboxes are given one."""
    key: str = ""
    """`GET /v1/customers`: the operation as the specification names it, for counting."""
    files: Collection[str] = ()
    """The fields that are files, in a body of several parts."""


@dataclass(slots=True)
class Answer:
    """What came back. `status` None: nothing did; `fault` says why (`connectivity`, `timeout`, `refused`)."""

    status: int | None
    raw: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    fault: str | None = None

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    def value(self) -> Any:
        """The body as JSON, None where there is none or it is not JSON."""
        try:
            return orjson.loads(self.raw) if self.raw else None
        except orjson.JSONDecodeError:
            return None


class Target(Protocol):
    """One side of the integration as the guardian sees it."""

    is_sandbox: bool

    async def call(self, call: Call) -> Answer:
        """Makes the call. Never raises for what the other side does; raises DestructiveCallError."""
        ...

    def allow_writes(self, allowed: bool) -> None:
        """Set once by the run, before the first call. Sandboxes ignore it."""
        ...


def credential_headers(auth: AuthScheme, secret: str = DUMMY_SECRET) -> tuple[dict[str, str], dict[str, str]]:
    """(headers, query) that carry a credential of the declared kind. The default opens any sandbox."""
    import base64

    if auth.type in ("none", "mutual_tls"):
        return {}, {}
    if auth.type == "basic":
        pair = secret if ":" in secret else f"{secret}:{secret}"
        return {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}, {}
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    for one in auth.headers:
        value = one.prefix + secret
        if one.location == "query":
            query[one.name] = value
        elif one.location == "cookie":
            headers["cookie"] = "; ".join(filter(None, [headers.get("cookie"), f"{one.name}={value}"]))
        else:
            headers[one.name.lower()] = value
    if not auth.headers:
        headers["authorization"] = f"Bearer {secret}"
    return headers, query


def encode_body(call: Call) -> tuple[bytes, str]:
    """(body, content type): JSON, a form with brackets (`address[line1]`), or several parts."""
    if call.body is None:
        return b"", ""
    if call.content_type == "application/x-www-form-urlencoded":
        return urlencode(list(_pairs("", call.body))).encode(), call.content_type
    if call.content_type == MULTIPART:
        return encode_multipart(call.body, call.files)
    try:
        return orjson.dumps(call.body), call.content_type
    except TypeError:
        # Integers beyond 64 bits and lone surrogates: legal JSON that orjson refuses to write.
        return json.dumps(call.body).encode(), call.content_type


def _pairs(prefix: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        found = []
        for key, inner in value.items():
            found += _pairs(f"{prefix}[{key}]" if prefix else str(key), inner)
        return found
    if isinstance(value, list):
        found = []
        for index, inner in enumerate(value):
            found += _pairs(f"{prefix}[{index}]", inner)
        return found
    if value is None:
        return [(prefix, "")]
    return [(prefix, str(value).lower() if isinstance(value, bool) else str(value))]


class AppTarget:
    """An ASGI application in this process, always a sandbox. No sockets, no HTTP client: about 20 µs a call."""

    is_sandbox = True

    def __init__(self, app: Any, auth: AuthScheme | None = None) -> None:
        self._app = app
        headers, self._query = credential_headers(auth or AuthScheme())
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    def allow_writes(self, allowed: bool) -> None:
        """A sandbox is there to be written to."""

    async def call(self, call: Call) -> Answer:
        own, extra = credential_headers(call.auth) if call.auth is not None else ({}, {})
        path, query = _target_of(call, {**self._query, **extra})
        body, content_type = encode_body(call)
        headers = [(b"host", b"sandbox"), *(h for h in self._headers if h[0].decode() not in own)]
        headers += [(name.encode(), value.encode()) for name, value in own.items()]
        known = {name for name, _ in headers}
        given = [(name.lower().encode(), value.encode()) for name, value in call.headers.items()]
        headers += [(name, value) for name, value in given if name not in known]
        if content_type:
            headers.append((b"content-type", content_type.encode()))
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": call.method, "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": query.encode(), "headers": headers,
            "server": ("sandbox", 80), "client": ("127.0.0.1", 0), "root_path": "",
        }  # fmt: skip
        parts: list[bytes] = []
        start: dict[str, Any] = {}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        began = time.perf_counter()
        try:
            await self._app(scope, receive, send)
        except ConnectionError:
            return Answer(None, seconds=time.perf_counter() - began, fault="connectivity")
        answered = {
            name.decode().lower(): value.decode("utf-8", "replace")
            for name, value in start.get("headers", [])
        }
        return Answer(start.get("status"), b"".join(parts), answered, time.perf_counter() - began)


def _target_of(call: Call, extra: Mapping[str, str]) -> tuple[str, str]:
    """(path, query string) of a call, also when it names a URL."""
    if call.url is not None:
        parts = urlsplit(call.url)
        query = "&".join(filter(None, [parts.query, urlencode(extra)]))
        return parts.path or "/", query
    path, _, own = call.path.partition("?")
    return path, "&".join(filter(None, [own, urlencode({**call.query, **extra})]))


class Pacer:
    """At most `requests` in `per_seconds`, over all who share it. Times are monotonic seconds."""

    def __init__(self, limit: RateLimit) -> None:
        self._gap = limit.per_seconds / max(limit.requests, 1e-9)
        self._next = 0.0

    async def wait(self) -> None:
        now = time.monotonic()
        at = max(self._next, now)
        self._next = at + self._gap
        if at > now:
            await asyncio.sleep(at - now)


class HttpTarget:
    """An API behind a URL, over aiohttp.

    `headers` and `query` carry the credential. `environment` says whether this is a sandbox (writes
    are fine) or `live`. The session is the caller's (a guarded one for addresses that strangers
    name); without one, a plain one is opened for the run and closed by `close`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        environment: str = "live",
        rate_limit: RateLimit | None = None,
        timeout_seconds: float = 30.0,
        session: aiohttp.ClientSession | None = None,
        make_session: Callable[[], aiohttp.ClientSession] | None = None,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._headers = dict(headers or {})
        self._query = dict(query or {})
        self.is_sandbox = environment == "sandbox"
        self._writes = self.is_sandbox
        self._pacer = Pacer(rate_limit) if rate_limit is not None and rate_limit.requests > 0 else None
        self._timeout = timeout_seconds
        self._patience: aiohttp.ClientTimeout | None = None
        self._session = session
        self._make = make_session
        self._is_mine = session is None

    def allow_writes(self, allowed: bool) -> None:
        self._writes = self.is_sandbox or allowed

    async def close(self) -> None:
        """Closes the session that this target opened for itself."""
        if self._is_mine and self._session is not None:
            await self._session.close()
            self._session = None

    async def call(self, call: Call) -> Answer:
        # The only door to a socket: nothing below this line runs for a write that is not allowed.
        if not self._writes and not may_read(call):
            raise DestructiveCallError(call.key or f"{call.method} {call.path}")
        if self._pacer is not None:
            await self._pacer.wait()
        url = self._url(call)
        if url is None:
            return Answer(None, fault="refused")
        known = {name.lower() for name in self._headers}
        headers = {
            **self._headers,
            **{name: value for name, value in call.headers.items() if name.lower() not in known},
        }
        body, content_type = encode_body(call)
        if content_type:
            headers["content-type"] = content_type
        return await self._send(call.method, url, headers, body)

    def _url(self, call: Call) -> str | None:
        """The address to call; None for a next page on another host, where our credential does not belong."""
        if call.url is None:
            path, query = _target_of(call, self._query)
            return f"{self._base}{path}" + (f"?{query}" if query else "")
        url = urljoin(f"{self._base}/", call.url)
        return url if urlsplit(url)[:2] == urlsplit(self._base)[:2] else None

    async def _send(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        import aiohttp
        from yarl import URL

        session = await self._open()
        if self._patience is None:
            self._patience = aiohttp.ClientTimeout(total=self._timeout)
        began = time.perf_counter()
        try:
            async with session.request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=body or None,
                allow_redirects=False,
                timeout=self._patience,
            ) as response:
                raw = await response.content.read(_MAX_ANSWER_BYTES)
                while not response.content.at_eof():
                    part = await response.content.read(_MAX_ANSWER_BYTES)
                    raw = raw + part if len(raw) < _MAX_ANSWER_BYTES else raw
                # Names in any case: `headers.get("link")` finds `Link`.
                return Answer(response.status, raw, response.headers, time.perf_counter() - began)
        except TimeoutError:
            return Answer(None, seconds=time.perf_counter() - began, fault="timeout")
        except RefusedAddress:
            return Answer(None, seconds=time.perf_counter() - began, fault="refused")
        except (aiohttp.ClientError, OSError, UpstreamError):
            return Answer(None, seconds=time.perf_counter() - began, fault="connectivity")

    async def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            self._session = self._make() if self._make else aiohttp.ClientSession(trust_env=False)
        return self._session


def may_read(call: Call) -> bool:
    """Whether a call cannot change anything: a safe method, or a POST that is plainly a search.

    A POST counts only when the run marked it as its source's list operation *and* its path ends in
    a word for reading, so that a wrong guess of ingest alone never lets a write through.
    """
    if call.method.upper() in SAFE_METHODS:
        return True
    last = call.path.rstrip("/").rsplit("/", 1)[-1].lower()
    return call.is_read and call.method.upper() == "POST" and last.startswith(_READ_VERBS)


def path_of(endpoint: Endpoint, params: Mapping[str, str]) -> str:
    """The endpoint's path with its parameters filled in, percent-encoded.

    What vendors write behind a `#`, to tell operations of one path apart, never reaches a server.
    """
    path = endpoint.path.partition("#")[0]
    for name, value in params.items():
        path = path.replace("{" + name + "}", quote(value, safe=""))
    return path
