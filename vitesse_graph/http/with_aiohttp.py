"""The guard under aiohttp: a connector, and a session that keeps credentials at home."""

from __future__ import annotations

import socket
from contextvars import ContextVar
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from vitesse_graph.http.hops import HARMLESS_HEADERS, MAX_REDIRECTS, check_hop
from vitesse_graph.http.policy import AddressPolicy, origin_of

_home: ContextVar[tuple[str, str, int] | None] = ContextVar("vitesse_home", default=None)
"""Where the request in hand began. aiohttp follows redirects inside one task, so one variable serves."""


class GuardedResolver(AbstractResolver):
    """Resolves through the policy; aiohttp connects to exactly what is returned here."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self._policy.resolve(host, port)
        ]

    async def close(self) -> None:
        return None


class GuardedConnector(aiohttp.TCPConnector):
    """Checks in `connect` what skips the resolver: literal addresses."""

    def __init__(self, policy: AddressPolicy, **options: Any) -> None:
        super().__init__(resolver=GuardedResolver(policy), **options)
        self._policy = policy

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
        self._policy.check_url(str(req.url))
        return await super().connect(req, traces, timeout)


def make_connector(policy: AddressPolicy, **options: Any) -> aiohttp.TCPConnector:
    """See `vitesse_graph.http.guarded_connector`."""
    if "resolver" in options:
        raise TypeError("guarded_connector takes no 'resolver': it would go around the guard")
    return GuardedConnector(policy, **options)


def make_session(policy: AddressPolicy, **options: Any) -> aiohttp.ClientSession:
    """See `vitesse_graph.http.guarded_session`."""

    async def begin(_session: Any, _context: Any, params: aiohttp.TraceRequestStartParams) -> None:
        _home.set(origin_of(str(params.url)))

    async def stay_home(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        url = str(request.url)
        home = _home.get()
        if home is not None and check_hop(policy, home, url, has_body=bool(request.body)):
            for name in [name for name in request.headers if name.lower() not in HARMLESS_HEADERS]:
                del request.headers[name]
        return await handler(request)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(begin)
    connector = make_connector(policy, **options.pop("connector_options", {}))
    options["trust_env"] = False
    options["trace_configs"] = [*options.pop("trace_configs", ()), trace]
    options["middlewares"] = (*options.pop("middlewares", ()), stay_home)
    return aiohttp.ClientSession(connector=connector, **options)


__all__ = ["MAX_REDIRECTS", "GuardedConnector", "GuardedResolver", "make_connector", "make_session"]
