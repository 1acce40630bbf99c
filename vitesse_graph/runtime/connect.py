"""Opening the two APIs of an integration: guarded sessions, credentials, pacers."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from vitesse_graph.runtime.auth import (
    Authenticator,
    Credentials,
    StaticAuth,
    as_grant,
    build_credentials,
    read_credential,
)
from vitesse_graph.runtime.client import ApiClient
from vitesse_graph.runtime.http2 import open_http2
from vitesse_graph.runtime.limiter import Limiter, shared_limiter
from vitesse_graph.runtime.secrets import Redactor, SecretResolver
from vitesse_graph.runtime.store import Store
from vitesse_graph.state.definition import IntegrationDefinition, Side

if TYPE_CHECKING:
    from vitesse_graph.http import AddressPolicy


@dataclass(frozen=True, slots=True)
class Options:
    """How a runner behaves, apart from what it moves."""

    batch_size: int = 100
    """Most records in one write call, where the destination takes several."""
    patience_seconds: float = 120.0
    """How long a side may stay away before the run ends as failed."""
    http2: bool = True
    """Speak HTTP/2 with hosts that offer it, where the extra `http2` is installed."""
    stop_grace_seconds: float = 20.0
    """How long writes under way may take to end when the run is stopped."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Both APIs, opened."""

    source: ApiClient
    dest: ApiClient


@asynccontextmanager
async def open_sides(
    definition: IntegrationDefinition,
    *,
    policy: AddressPolicy,
    redactor: Redactor,
    store: Store | None,
    options: Options,
    resolver: SecretResolver | None = None,
) -> AsyncIterator[Sides]:
    """Clients for both sides, closed at the end. Raises InputError for a credential that cannot be read."""
    async with AsyncExitStack() as stack:

        async def client(side: Side, connections: int) -> ApiClient:
            session = await stack.enter_async_context(open_session(policy, connections))
            credential = read_credential(side, redactor=redactor, resolver=resolver)
            auth = _authenticator(side, credential, session, store, redactor)
            limiter = _limiter(definition, side, credential, store)
            http2 = None
            if options.http2:
                http2 = await open_http2(policy, side.base_url, connections=connections)
            if http2 is not None:
                stack.push_async_callback(http2.close)
            return ApiClient(
                side,
                session,
                auth,
                limiter,
                redactor=redactor,
                patience_seconds=options.patience_seconds,
                http2=http2,
            )

        yield Sides(
            source=await client(definition.source, 4),
            dest=await client(definition.dest, definition.concurrency + 2),
        )


async def current_credentials(
    side: Side,
    *,
    policy: AddressPolicy,
    redactor: Redactor,
    store: Store | None,
    resolver: SecretResolver | None = None,
) -> Credentials:
    """What a request to this side carries now; a grant without a good token is asked for one.

    Raises InputError for a credential that cannot be read, NeedsReauth or UpstreamError for a grant.
    """
    credential = read_credential(side, redactor=redactor, resolver=resolver)
    async with open_session(policy, 1) as session:
        auth = _authenticator(side, credential, session, store, redactor)
        return auth.current or await auth.fetch()


def open_session(policy: AddressPolicy, connections: int) -> aiohttp.ClientSession:
    """A session that refuses forbidden addresses, keeps no cookies and reads no proxy settings."""
    from vitesse_graph.http.with_aiohttp import GuardedConnector

    class OnceGuardedConnector(GuardedConnector):
        """Checks an origin when it is first called: the check costs as much as a fifth of a request, and
        its result for one origin does not change. Names are checked by the resolver at every connect."""

        _checked: frozenset[tuple[Any, ...]] = frozenset()

        async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
            url = req.url
            origin = (url.scheme, url.raw_host, url.port, url.raw_user)
            if origin in self._checked:
                return await aiohttp.TCPConnector.connect(self, req, traces, timeout)
            connection = await super().connect(req, traces, timeout)
            self._checked = self._checked | {origin}
            return connection

    class NoCookies(aiohttp.DummyCookieJar):
        """Gives the same empty cookie each time: nothing is ever put into it."""

        _none: SimpleCookie = SimpleCookie()

        def filter_cookies(self, request_url: URL) -> SimpleCookie:
            return self._none

    return aiohttp.ClientSession(
        connector=OnceGuardedConnector(policy, limit=connections),
        cookie_jar=NoCookies(),
        trust_env=False,
        headers={"User-Agent": "vitesse-runtime"},
    )


def _origin(side: Side) -> str:
    return str(URL(side.base_url).origin())


def _limiter(
    definition: IntegrationDefinition, side: Side, credential: str | None, store: Store | None
) -> Limiter:
    """The pacer of this credential: one in this process, on a budget that all processes share."""
    origin = _origin(side)
    if credential is None or side.environment == "sandbox":
        return shared_limiter(origin, f"none:{definition.integration_id}", side.rate_limit)
    # Slow on purpose: the database must not help anybody to guess a short password.
    salt = b"vitesse-budget" + origin.encode()
    name = hashlib.scrypt(credential.encode(), salt=salt, n=2**12, r=8, p=1, dklen=16).hex()
    limiter = shared_limiter(origin, name, side.rate_limit)
    if store is not None:

        async def reserve(count: int, gap_seconds: float, burst: float) -> float:
            values = {"key": name, "count": count, "gap": gap_seconds, "burst": burst}
            return float((await store.rows("reserve_slots", values))[0][0])

        limiter.reserve = reserve
    return limiter


def _authenticator(
    side: Side,
    credential: str | None,
    session: aiohttp.ClientSession,
    store: Store | None,
    redactor: Redactor,
) -> Authenticator:
    grant: dict[str, Any] | None = as_grant(credential) if credential else None
    if grant is not None and side.auth.type in ("oauth2", "openid") and "client_id" in grant:
        from vitesse_graph.runtime.oauth import OAuthGrant

        return OAuthGrant(side, grant, session, store, redactor)
    return StaticAuth(build_credentials(side.auth, credential))
