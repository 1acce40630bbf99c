"""HTTP/2, where a host offers it and `pyreqwest` is installed (extra `http2`).

The hot path is aiohttp, which speaks HTTP/1.1. Many calls over one connection cost a client written in
Rust less than half of aiohttp's CPU over TLS, and the host one connection instead of many. What is offered
is found out by one handshake (ALPN) when an API is opened; every other host is called as before.

The guard holds: the client knows one name and the one address that the policy has checked for it, follows
no redirects, reads no proxy settings, keeps no cookies. What becomes of a call is told as aiohttp would, so
that retries, limits and idempotency are the same.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict
from yarl import URL

from vitesse_graph.errors import UpstreamError

if TYPE_CHECKING:
    from pyreqwest.client import Client

    from vitesse_graph.http import AddressPolicy

_log = logging.getLogger(__name__)
_CHECK_AGAIN_SECONDS = 60.0
"""As long a checked address is believed; aiohttp's own cache of names lives for 10."""
_HANDSHAKE_SECONDS = 5.0
_ONE_END_SECONDS = 0.25
"""Calls on one connection learn of its end within moments."""
_WINDOW_BYTES = 1 << 20
"""How much may be on its way before it is acknowledged: 64 KB, the default, would slow large pages down."""
_DOTS = frozenset({".", "..", "%2e", "%2e%2e", ".%2e", "%2e."})


class NotSent(OSError):
    """No connection came about: nothing of the call reached the other side."""


class Broken(OSError):
    """The connection ended under way; nobody knows what became of the call."""

    def __init__(self, message: str, *, is_news: bool) -> None:
        super().__init__(message)
        self.is_news = is_news
        """Not for the other calls on the same connection: one end is one failure of the host."""


async def offers_http2(host: str, address: str, port: int) -> bool:
    """Whether the host takes HTTP/2 at this address. False also where nothing can be found out."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        async with asyncio.timeout(_HANDSHAKE_SECONDS):
            _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=host)
    except (OSError, ssl.SSLError, TimeoutError, ValueError):
        return False
    try:
        spoken = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        return bool(spoken == "h2")
    finally:
        writer.close()


async def open_http2(
    policy: AddressPolicy, base_url: str, *, connections: int, connect_seconds: float = 10.0
) -> Http2 | None:
    """A client for this origin, or None where HTTP/2 is not offered or not installed.

    Raises RefusedAddress when the policy forbids the address.
    """
    url = URL(base_url)
    if url.scheme != "https" or not url.raw_host or url.port is None:
        return None
    try:
        import pyreqwest.client  # noqa: F401
    except ImportError:
        return None
    policy.check_url(base_url)
    try:
        addresses = await policy.resolve(url.raw_host, url.port)
    except OSError:
        return None
    for address in addresses:
        if await offers_http2(url.raw_host, address, url.port):
            _log.info("%s offers HTTP/2", url.raw_host)
            return Http2(policy, url, address, connections=connections, connect_seconds=connect_seconds)
    return None


class Http2:
    """Calls to one origin. Belongs to one event loop; `close` when done."""

    def __init__(
        self,
        policy: AddressPolicy,
        url: URL,
        address: str,
        *,
        connections: int,
        connect_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy, self._clock = policy, clock
        self._host, self._port = url.raw_host or "", url.port or 443
        self._connections, self._connect_seconds = connections, connect_seconds
        self._address = address
        self._checked_at = clock()
        self._broke_at = float("-inf")
        self._checking = asyncio.Lock()
        self._client = self._connect_to(address)

    def takes(self, url: URL) -> bool:
        """Whether this very origin is called, by a path that the client leaves as it is."""
        is_ours = url.scheme == "https" and url.raw_host == self._host and url.port == self._port
        return is_ours and _DOTS.isdisjoint(part.lower() for part in url.raw_parts)

    async def call(
        self,
        method: str,
        url: URL,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        timeout_seconds: float,
        max_bytes: int,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """(status, headers, body). Raises NotSent when it surely was not sent, OSError when nobody knows,
        TimeoutError, UpstreamError for a body that is too large, RefusedAddress."""
        from pyreqwest.exceptions import RequestError

        client = await self._checked_client()
        request = client.request(method, str(url)).headers(dict(headers))
        if body is not None:
            request = request.body_bytes(body)
        try:
            async with request.timeout(timedelta(seconds=timeout_seconds)).build_streamed() as response:
                told: CIMultiDict[str] = CIMultiDict(response.headers.items())
                content = await self._read(response.body_reader, max_bytes)
                return response.status, told, content
        except RequestError as error:
            if _was_never_sent(error):
                self._checked_at = float("-inf")  # the name may lead elsewhere by now
                raise NotSent(type(error).__name__) from error
            if isinstance(error, TimeoutError):
                if client is self._client:
                    # it may hang for good, and all calls go through it: the next one opens another
                    self._client = self._connect_to(self._address)
                raise
            now, before = self._clock(), self._broke_at
            self._broke_at = now
            raise Broken(type(error).__name__, is_news=now - before > _ONE_END_SECONDS) from error

    async def close(self) -> None:
        """Ends the connections."""
        await self._client.close()

    async def _read(self, reader: Any, max_bytes: int) -> bytes:
        first = await reader.read_chunk()
        if first is None:
            return b""
        parts, size = [bytes(first)], len(first)
        while (part := await reader.read_chunk()) is not None:
            size += len(part)
            if size > max_bytes:
                raise UpstreamError(
                    f"{self._host} answered with more than {max_bytes // 2**20} MB; use smaller pages",
                    is_transient=False,
                )
            parts.append(bytes(part))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _checked_client(self) -> Client:
        """The client, on an address that was checked within the last minute."""
        if self._clock() - self._checked_at < _CHECK_AGAIN_SECONDS:
            return self._client
        async with self._checking:
            if self._clock() - self._checked_at >= _CHECK_AGAIN_SECONDS:
                was_unreachable = self._checked_at == float("-inf")
                try:
                    addresses = await self._policy.resolve(self._host, self._port)
                except OSError as error:
                    raise NotSent(f"{self._host} does not resolve") from error
                others = [address for address in addresses if address != self._address]
                if self._address not in addresses or (was_unreachable and others):
                    # calls under way keep the old client alive until they have ended
                    self._address = (others or addresses)[0]
                    self._client = self._connect_to(self._address)
                self._checked_at = self._clock()
        return self._client

    def _connect_to(self, address: str) -> Client:
        from pyreqwest.client import ClientBuilder

        return (
            ClientBuilder()
            .http2(True)
            .http2_initial_stream_window_size(_WINDOW_BYTES)
            .http2_initial_connection_window_size(4 * _WINDOW_BYTES)
            .resolve(self._host, address, self._port)
            .https_only(True)
            .no_proxy()
            .follow_redirects(False)
            .referer(False)
            .user_agent("vitesse-runtime")
            .max_connections(self._connections)
            .connect_timeout(timedelta(seconds=self._connect_seconds))
            .build()
        )


def _was_never_sent(error: Exception) -> bool:
    """Only where the connection never came about. The names of the errors do not tell: a connection that
    broke later is a ConnectError, and a call that took too long a ConnectTimeoutError."""
    details = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], dict) else {}
    causes = [str(cause.get("message", "")) for cause in details.get("causes") or ()]
    return "client error (Connect)" in causes
