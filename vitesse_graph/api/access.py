"""From a request's headers to a principal: API key, JWT, or nobody but this machine.

The same code stands before REST and, in `langgraph_auth`, before a LangGraph server's thread API.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from vitesse_graph.api.principals import LOCAL, RANK, Principal
from vitesse_graph.api.problems import Refusal
from vitesse_graph.registry.keys import KEY_PREFIX, ApiKeys
from vitesse_graph.settings import Settings

KEY_HEADER = "x-api-key"
_VERIFIED_FOR_SECONDS = 5.0
"""How long a verified key is not asked for again: as long as a revoked one may still work."""
_LOCAL_NAMES = frozenset({"localhost", "testserver", "api"})


def is_loopback(host: str | None) -> bool:
    """Whether this is an address of this machine only. None (an in-process call) is."""
    if host is None or host in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_of(header: str) -> str:
    """The name in a Host header, without its port."""
    if header.startswith("["):
        return header.partition("]")[0].lstrip("[")
    return header.rpartition(":")[0] if header.count(":") == 1 else header


class Access:
    """Knows who calls. `keys` and `settings` are all it needs."""

    def __init__(self, keys: ApiKeys, settings: Settings, *, pages: Iterable[str] = ()) -> None:
        self._keys = keys
        allowed = (origin.strip() for origin in settings.cors_origins.split(","))
        self._pages = frozenset([*pages, *(origin for origin in allowed if origin)])
        secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else ""
        self._jwt_secret = secret
        self._verified: dict[str, tuple[float, Principal]] = {}
        self._open_until = 0.0
        self._guard = asyncio.Lock()

    async def is_open(self) -> bool:
        """Whether nobody has a key yet, so that this machine, and only it, may do everything."""
        if self._jwt_secret:
            return False
        now = time.monotonic()
        if now < self._open_until:
            return True
        async with self._guard:
            if await self._keys.any_live():
                return False
            self._open_until = now + 1.0
        return True

    async def identify(self, headers: Mapping[str, str], client: str | None) -> Principal:
        """The caller. Raises a 401 for no credential or a wrong one.

        `headers` are looked up in lower case; `client` is the caller's address.
        """
        token = headers.get(KEY_HEADER) or _bearer(headers.get("authorization", ""))
        if token:
            return await self._by_token(token)
        if await self.is_open():
            # A page in a browser could call by a name that it has pointed here: the name must be ours.
            if is_loopback(client) and is_loopback(host_of(headers.get("host", "localhost"))):
                self._ensure_own_page(headers.get("origin"))
                return LOCAL
            raise Refusal(401, "no key is configured, so only this machine may call: `vitesse serve --help`")
        raise _unauthorised("give an API key (X-API-Key) or a token (Authorization: Bearer …)")

    def _ensure_own_page(self, origin: str | None) -> None:
        """Raises a 403 when some page of the web makes the browser call."""
        if origin is None or origin in self._pages or is_loopback(urlsplit(origin).hostname or "-"):
            return
        raise Refusal(403, "a page of another origin may not call; VITESSE_CORS_ORIGINS lists those that may")

    async def _by_token(self, token: str) -> Principal:
        if token.startswith(KEY_PREFIX):
            return await self._by_key(token)
        if self._jwt_secret and token.count(".") == 2:
            return self._by_jwt(token)
        raise _unauthorised("this is no API key and no token of this server")

    async def _by_key(self, token: str) -> Principal:
        now = time.monotonic()
        known = self._verified.get(token)
        if known is not None and known[0] > now:
            return known[1]
        key = await self._keys.verify(token)
        if key is None:
            self._verified.pop(token, None)
            raise _unauthorised("the API key is unknown or was revoked")
        principal = Principal(id=f"key:{key.id}", role=key.role, tenant=key.tenant)
        if len(self._verified) > 1_000:
            self._verified.clear()
        self._verified[token] = (now + _VERIFIED_FOR_SECONDS, principal)
        return principal

    def _by_jwt(self, token: str) -> Principal:
        claims = read_jwt(token, self._jwt_secret)
        role = claims.get("role")
        subject = claims.get("sub")
        if role not in RANK or not isinstance(subject, str) or not subject:
            raise _unauthorised(
                "the token must carry `sub` and a `role` of viewer, operator, approver or admin"
            )
        return Principal(id=subject[:200], role=role, tenant=str(claims.get("tenant") or ""))

    def forget(self) -> None:
        """Drops what was verified: after a key was revoked here."""
        self._verified.clear()
        self._open_until = 0.0


def read_jwt(token: str, secret: str) -> dict[str, Any]:
    """The claims of a token signed with HS256 that has not expired. Raises a 401."""
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import OctKey

    try:
        decoded = jwt.decode(token, OctKey.import_key(secret), algorithms=["HS256"])
        jwt.JWTClaimsRegistry(leeway=30, exp={"essential": True}).validate(decoded.claims)
    except (JoseError, ValueError, TypeError) as error:
        raise _unauthorised(f"the token was refused ({type(error).__name__})") from error
    return dict(decoded.claims)


def _bearer(header: str) -> str:
    scheme, _, value = header.partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def _unauthorised(message: str) -> Refusal:
    return Refusal(401, message, headers={"WWW-Authenticate": "Bearer"})
