"""The guarded HTTP client: the one way by which Vitesse calls an address that somebody else named.

Specifications, their `$ref`s, `servers[]`, token URLs, `next` links, webhooks, alternative
addresses: every such call goes through a client made here. It refuses private, loopback,
link-local and metadata addresses unless a setting allows them, connects to the very address that
was checked (so a name that changes its mind between check and connect gains nothing), and never
carries a credential to another origin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vitesse_graph.http.hops import MAX_REDIRECTS, is_inner
from vitesse_graph.http.policy import AddressPolicy, origin_of

if TYPE_CHECKING:
    import aiohttp
    import httpx

__all__ = [
    "MAX_REDIRECTS",
    "AddressPolicy",
    "guarded_connector",
    "guarded_httpx",
    "guarded_session",
    "is_inner",
    "origin_of",
]


def guarded_httpx(policy: AddressPolicy, **options: Any) -> httpx.AsyncClient:
    """An httpx client that calls only what `policy` allows. `options` go to `httpx.AsyncClient`.

    Proxies and `.netrc` of the environment are not used (a proxy would resolve names unchecked).
    A `transport`, `proxy` or `mounts` of the caller's own would go around the guard: TypeError.
    Calls raise RefusedAddress beside httpx's own errors.
    """
    from vitesse_graph.http.with_httpx import make_client  # httpx takes 60 ms to import

    return make_client(policy, **options)


def guarded_connector(policy: AddressPolicy, **options: Any) -> aiohttp.TCPConnector:
    """An aiohttp connector that connects only to what `policy` allows. `options` go to `TCPConnector`.

    Calls raise RefusedAddress beside aiohttp's own errors. Must be made inside a running loop. A
    connector cannot see headers: use `guarded_session`, or `allow_redirects=False`, where the
    session carries credentials.
    """
    from vitesse_graph.http.with_aiohttp import make_connector

    return make_connector(policy, **options)


def guarded_session(policy: AddressPolicy, **options: Any) -> aiohttp.ClientSession:
    """An aiohttp session over a guarded connector; across origins only harmless headers are sent on.

    `connector_options` go to the connector, all others to `aiohttp.ClientSession`.
    """
    from vitesse_graph.http.with_aiohttp import make_session

    return make_session(policy, **options)
