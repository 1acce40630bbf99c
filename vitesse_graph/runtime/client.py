"""One API over HTTP: its pacer, breaker, credentials and time limits around aiohttp.

`send` makes one attempt and says what became of it; `read` repeats until there is an answer. Whether a
write may be repeated is the writer's to decide: only it knows how to find out what became of it.
"""

from __future__ import annotations

import asyncio
import io
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import aiohttp
from yarl import URL

from vitesse_graph.errors import RefusedAddress, UpstreamError
from vitesse_graph.runtime.auth import Authenticator, Credentials
from vitesse_graph.runtime.breaker import Breaker
from vitesse_graph.runtime.classify import Verdict, retry_after_seconds, summary, verdict_of
from vitesse_graph.runtime.http2 import Broken, Http2, NotSent
from vitesse_graph.runtime.limiter import Limiter
from vitesse_graph.runtime.secrets import Redactor
from vitesse_graph.state.definition import Call, Side

MAX_RESPONSE_BYTES = 512 * 1024 * 1024
_STREAMED_BYTES = 1 << 20
"""From here on a body is sent piece by piece, so that other requests get their turn."""
_BASE_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 20.0


@dataclass(slots=True)  # one for each request: a frozen one takes four times as long to make
class Answer:
    """One attempt's end. `status` 0: no answer came; then `verdict` is `busy` (surely not sent) or `unknown`."""

    status: int
    verdict: Verdict
    headers: Mapping[str, str]
    body: bytes
    detail: str = ""


class Watched(Protocol):
    """Who wants to know whether a request was surely not processed, whatever ends the waiting for it."""

    is_untaken: bool


class NeedsReauth(UpstreamError):
    """The API refuses the credential, and renewing it did not help: a person must act."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=401, is_transient=False)


def backoff_seconds(attempt: int, asked: float | None, rng: random.Random) -> float:
    """Full jitter over a doubling span; what the answer asked for wins."""
    if asked is not None:
        return asked + rng.uniform(0.0, 0.05 * asked + 0.01)
    span: float = min(_BASE_WAIT_SECONDS * 2.0**attempt, _LONGEST_WAIT_SECONDS)
    return rng.uniform(0.5, 1.0) * span


class ApiClient:
    """Calls to one side of an integration."""

    def __init__(
        self,
        side: Side,
        session: aiohttp.ClientSession,
        authenticator: Authenticator,
        limiter: Limiter,
        *,
        redactor: Redactor,
        patience_seconds: float = 120.0,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
        http2: Http2 | None = None,
    ) -> None:
        self.name = side.api_name
        self._http2 = http2
        self._timeout_seconds = side.timeout_seconds
        self.limiter = limiter
        self.breaker = Breaker(clock)
        self.redactor = redactor
        self.patience_seconds = patience_seconds
        self.rng = rng or random.Random()
        self.clock = clock
        self.latencies_ms: list[float] = []
        self._session = session
        self._authenticator = authenticator
        self._base = side.base_url.rstrip("/")
        self.origin = URL(self._base).origin()
        self._timeout = aiohttp.ClientTimeout(
            total=side.timeout_seconds, connect=min(10.0, side.timeout_seconds)
        )

    def url_of(self, call: Call, path_params: Mapping[str, str] | None = None) -> URL:
        """The call's URL with its path parameters and fixed query filled in."""
        path = call.path
        for name, value in {**call.path_params, **(path_params or {})}.items():
            path = path.replace("{" + name + "}", quote(str(value), safe=""))
        url = URL(self._base + path, encoded=True)
        return url.extend_query(call.query) if call.query else url

    async def send(
        self,
        method: str,
        url: URL,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        watched: Watched | None = None,
    ) -> Answer:
        """One attempt (two when a 401 was met and the credential could be renewed).

        `watched.is_untaken` is off while an attempt is under way, and stays off after one whose end is
        not surely that nothing was processed.

        Raises NeedsReauth for a 401 that stays, RefusedAddress when the guard forbids the address.
        """
        answer = None
        for _ in range(2):
            if self.breaker.is_open:
                await self._let_breaker_rest()
            credentials = self._authenticator.current or await self._authenticator.fetch()
            if self.limiter.is_limited:
                await self.limiter.take()
            full = headers or {}
            if credentials.headers:
                full = {**full, **credentials.headers}
            target = url.update_query(credentials.query) if credentials.query else url
            was_untaken = watched is not None and watched.is_untaken
            if watched is not None:
                watched.is_untaken = False
            answer = await self._once(method, target, body, full)
            if watched is not None:
                watched.is_untaken = was_untaken and answer.verdict in ("limited", "busy", "auth")
            if answer.verdict != "auth":
                return answer
            if not await self._authenticator.renew(credentials):
                break
        raise NeedsReauth(f"{self.name} refused the credential (HTTP 401); renew it and sync again")

    async def renew(self) -> bool:
        """Asks for other credentials than those in use, though they may still be good; False where there are
        no others to be had.

        Raises NeedsReauth when the grant is dead, UpstreamError when that cannot be found out.
        """
        return await self._authenticator.renew(await self._authenticator.fetch())

    async def credentials(self) -> Credentials:
        """What the next request would carry. Raises as `renew` does."""
        return self._authenticator.current or await self._authenticator.fetch()

    async def _let_breaker_rest(self) -> None:
        while True:
            wait = self.breaker.wait_seconds()
            if wait <= 0:
                return
            await asyncio.sleep(wait)

    async def _once(self, method: str, url: URL, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        started = self.clock()
        http2 = self._http2
        if http2 is not None and http2.takes(url):
            try:
                status, told, content = await http2.call(
                    method,
                    url,
                    body,
                    headers,
                    timeout_seconds=self._timeout_seconds,
                    max_bytes=MAX_RESPONSE_BYTES,
                )
            except (TimeoutError, OSError) as error:
                return self._no_answer(error)
            return self._answered(status, told, content, started)
        data = body if body is None or len(body) < _STREAMED_BYTES else io.BytesIO(body)
        try:
            async with self._session.request(
                method, url, data=data, headers=headers, timeout=self._timeout, allow_redirects=False
            ) as response:
                status, answer_headers = response.status, response.headers
                small = (response.content_length or MAX_RESPONSE_BYTES) < MAX_RESPONSE_BYTES
                content = await (response.read() if small else self._read_bounded(response))
        except RefusedAddress:
            raise
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            return self._no_answer(error)
        return self._answered(status, answer_headers, content, started)

    def _answered(self, status: int, headers: Mapping[str, str], content: bytes, started: float) -> Answer:
        self.latencies_ms.append((self.clock() - started) * 1000.0)
        verdict = verdict_of(status)
        if verdict in ("unknown", "busy"):
            self.breaker.failure()
        else:
            self.breaker.success()
        self.limiter.answered(status, headers)
        return Answer(status, verdict, headers, content)

    def _no_answer(self, error: Exception) -> Answer:
        refused = _refused_address(error)
        if refused is not None:
            raise refused from error
        if not isinstance(error, Broken) or error.is_news:
            self.breaker.failure()
        never_sent = isinstance(error, (aiohttp.ClientConnectorError, NotSent))
        return Answer(0, "busy" if never_sent else "unknown", {}, b"", type(error).__name__)

    async def _read_bounded(self, response: aiohttp.ClientResponse) -> bytes:
        """A body of unknown or great length, cut off where it would no longer fit in memory."""
        parts: list[bytes] = []
        size = 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > MAX_RESPONSE_BYTES:
                raise UpstreamError(
                    f"{self.name} answered with more than {MAX_RESPONSE_BYTES // 2**20} MB; use smaller pages",
                    is_transient=False,
                )
            parts.append(part)
        return b"".join(parts)

    async def read(
        self, method: str, url: URL, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Repeats a harmless call until it is answered for good (2xx or a refusal).

        Raises UpstreamError when the side stays away longer than `patience_seconds`.
        """
        started = self.clock()
        attempt = 0
        while True:
            answer = await self.send(method, url, body=body, headers=headers)
            if answer.verdict not in ("limited", "busy", "unknown"):
                return answer
            attempt += 1
            await self.hold_on(answer, attempt, started)

    async def hold_on(self, answer: Answer, attempt: int, started: float) -> None:
        """Waits before the next attempt. Raises UpstreamError when patience is at an end."""
        if self.clock() - started > self.patience_seconds:
            raise UpstreamError(f"{self.name} did not answer: {self.describe(answer)}", status=answer.status)
        asked = retry_after_seconds(answer.headers)
        if answer.verdict == "limited" and self.limiter.is_limited:
            return  # the pacer holds the next attempt back
        await asyncio.sleep(backoff_seconds(attempt, asked, self.rng))

    def describe(self, answer: Answer) -> str:
        """The answer in one line, secrets removed: `HTTP 422 (email: is taken)`."""
        if answer.status == 0:
            return f"no answer ({answer.detail})"
        words = _words(answer.body)
        return self.redactor(f"HTTP {answer.status}" + (f" ({words})" if words else ""))


def _refused_address(error: BaseException) -> RefusedAddress | None:
    """Our own guard's refusal, which aiohttp may have wrapped."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, RefusedAddress):
            return seen
        inner: Any = getattr(seen, "os_error", None)
        seen = inner if isinstance(inner, BaseException) and inner is not seen else seen.__cause__
    return None


def _words(body: bytes) -> str:
    import orjson

    if not body:
        return ""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""  # a page for people; its text says nothing to the next step
    text = summary(value)
    return "" if text == "no message" else text
