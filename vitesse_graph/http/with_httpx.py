"""The guard under httpx.

Each connection resolves its name through the policy and connects to an address that was checked;
TLS still speaks to the name. Redirects pass the same door, hop by hop.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from vitesse_graph.errors import RefusedAddress
from vitesse_graph.http.hops import HARMLESS_HEADERS, MAX_REDIRECTS, check_hop
from vitesse_graph.http.policy import AddressPolicy, origin_of

_HOME = "vitesse.home"
_FORBIDDEN_OPTIONS = ("transport", "proxy", "mounts")


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses instead of to names."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            addresses = await self._policy.resolve(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} does not resolve") from error
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise RefusedAddress("refused to call a unix socket")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class GuardedTransport(httpx.AsyncHTTPTransport):
    def __init__(
        self, policy: AddressPolicy, *, verify: Any, cert: Any, http2: bool, limits: httpx.Limits
    ) -> None:
        self._policy = policy
        # httpx has no public way to hand a network backend to its pool; httpcore has. The
        # parent's __init__ would only build another pool (and load the certificates twice).
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(verify=verify, cert=cert, trust_env=False),
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            http2=http2,
            network_backend=PinnedBackend(policy),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._policy.check_url(str(request.url))
        return await super().handle_async_request(request)


def make_client(policy: AddressPolicy, **options: Any) -> httpx.AsyncClient:
    """See `vitesse_graph.http.guarded_httpx`."""
    for name in _FORBIDDEN_OPTIONS:
        if options.get(name) is not None:
            raise TypeError(f"guarded_httpx takes no {name!r}: it would go around the guard")
    options.pop("trust_env", None)
    transport = GuardedTransport(
        policy,
        verify=options.pop("verify", True),
        cert=options.pop("cert", None),
        http2=options.pop("http2", False),
        limits=options.pop("limits", httpx.Limits(max_connections=100, max_keepalive_connections=20)),
    )

    async def stay_home(request: httpx.Request) -> None:
        """Runs for every hop: httpx carries `extensions` from a request to its redirect."""
        url = str(request.url)
        home = request.extensions.setdefault(_HOME, origin_of(url))
        has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
        if check_hop(policy, home, url, has_body=has_body):
            for name in [name for name in request.headers if name.lower() not in HARMLESS_HEADERS]:
                del request.headers[name]

    hooks = dict(options.pop("event_hooks", None) or {})
    hooks["request"] = [*hooks.get("request", []), stay_home]
    options.setdefault("timeout", 30.0)
    options.setdefault("max_redirects", MAX_REDIRECTS)
    return httpx.AsyncClient(transport=transport, trust_env=False, event_hooks=hooks, **options)
