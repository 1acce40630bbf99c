"""OAuth2 grants: client credentials and refresh tokens, refreshed once for everybody.

Tokens are shared by every process that uses the credential, through the database: whoever meets an
expired token takes a lock there, looks whether another has renewed it meanwhile, and only then asks the
token endpoint. Tokens are sealed with a key derived from the credential itself, so the database alone
gives nothing away. Requests and answers of the token endpoint are built and read by authlib.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import time
from typing import Any

import aiohttp
import orjson
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_token_request
from cryptography.fernet import Fernet, InvalidToken

from vitesse_graph.errors import InputError, UpstreamError
from vitesse_graph.runtime.auth import Credentials
from vitesse_graph.runtime.client import NeedsReauth
from vitesse_graph.runtime.secrets import Redactor
from vitesse_graph.runtime.store import Connection, Store
from vitesse_graph.state.definition import Side

_log = logging.getLogger(__name__)
_EARLY_SECONDS = 60.0
_ASK_TIMES = 4
_DEFINITE = (
    "invalid_grant",
    "invalid_client",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
)

_READ = "select generation, sealed from vitesse_runtime.tokens where credential = %s"
_MAKE = "insert into vitesse_runtime.tokens (credential, sealed) values (%s, '') on conflict do nothing"
_LOCK = "select 1 from vitesse_runtime.tokens where credential = %s for update"
_WRITE = """insert into vitesse_runtime.tokens as t (credential, sealed, expires_at)
values (%s, %s, to_timestamp(%s)) on conflict (credential) do update
set sealed = excluded.sealed, expires_at = excluded.expires_at, generation = t.generation + 1, updated_at = now()"""


class OAuthGrant:
    """One grant at one token endpoint."""

    def __init__(
        self,
        side: Side,
        grant: dict[str, Any],
        session: aiohttp.ClientSession,
        store: Store | None,
        redactor: Redactor,
    ) -> None:
        url = grant.get("token_url") or side.auth.refresh_url or side.auth.token_url
        if not url:
            raise InputError(f"{side.api_name}: neither the credential nor the API names a token_url")
        self._name = side.api_name
        self._url = str(url)
        self._grant = grant
        self._scopes = side.auth.scopes
        self._session = session
        self._store = store
        self._redactor = redactor
        self._lock = asyncio.Lock()
        self._token: dict[str, Any] = {
            key: grant[key] for key in ("access_token", "refresh_token", "expires_at") if grant.get(key)
        }
        identity = f"{self._url}\0{grant['client_id']}\0{grant.get('refresh_token', '')}"
        self._credential = hashlib.sha256(identity.encode()).hexdigest()
        secret = f"{grant.get('client_secret', '')}\0{grant.get('refresh_token', '')}\0{identity}"
        key = hashlib.scrypt(secret.encode(), salt=b"vitesse-runtime-token", n=2**12, r=8, p=1, dklen=32)
        self._fernet = Fernet(base64.urlsafe_b64encode(key))
        self._current: Credentials | None = None
        self._good_until = 0.0

    @property
    def current(self) -> Credentials | None:
        return self._current if time.time() < self._good_until else None

    async def fetch(self) -> Credentials:
        async with self._lock:
            if self.current is None:
                await self._refresh(refused=None)
            assert self._current is not None
            return self._current

    async def renew(self, refused: Credentials) -> bool:
        async with self._lock:
            if self._current is not None and self._current != refused:
                return True  # another worker has renewed it while this one waited
            await self._refresh(refused=refused)
            return self._current != refused

    async def _refresh(self, *, refused: Credentials | None) -> None:
        """A token that is good, from this process, from another one, or from the token endpoint."""
        if self._store is None:
            self._take(self._token)
            if self.current is None or self._current == refused:
                self._take(await self._ask(self._token))
            return
        async with self._store.connection() as connection, connection.transaction():
            # Naming the credential is what lets a workload's own role see its row. The row is the lock: only
            # who holds the credential can name, and so take it.
            await connection.execute("select set_config('vitesse.credential', %s, true)", (self._credential,))
            await connection.execute(_MAKE.encode(), (self._credential,))
            await connection.execute(_LOCK.encode(), (self._credential,))
            kept = await self._kept(connection)
            self._take(kept or self._token)
            if self.current is not None and self._current != refused:
                return
            token = await self._ask(kept or self._token)
            sealed = self._fernet.encrypt(orjson.dumps(token))
            await connection.execute(_WRITE.encode(), (self._credential, sealed, token["expires_at"]))
            self._take(token)

    async def _kept(self, connection: Connection) -> dict[str, Any] | None:
        found = await connection.execute(_READ.encode(), (self._credential,))
        row = await found.fetchone()
        if row is None:
            return None
        try:
            token: dict[str, Any] = orjson.loads(self._fernet.decrypt(bytes(row[1])))
        except (InvalidToken, orjson.JSONDecodeError):
            return None
        return token

    def _take(self, token: dict[str, Any]) -> None:
        access = token.get("access_token")
        if not access:
            return
        self._redactor.add(str(access), *(str(token[k]) for k in ("refresh_token",) if token.get(k)))
        self._current = Credentials(headers={"Authorization": f"Bearer {access}"})
        expires_at = float(token.get("expires_at") or time.time() + 3600)
        # Refreshed before it ends, but a token that lives shorter than that is used while it lives.
        self._good_until = max(expires_at - _EARLY_SECONDS, min(expires_at, time.time() + 5.0))
        self._token = token

    async def _ask(self, token: dict[str, Any]) -> dict[str, Any]:
        """A fresh token from the endpoint. Raises NeedsReauth on a definite no, UpstreamError else."""
        refresh_token = token.get("refresh_token") or self._grant.get("refresh_token")
        if refresh_token:
            body = prepare_token_request("refresh_token", "", refresh_token=refresh_token)
        else:
            scope = self._grant.get("scope") or " ".join(self._scopes)
            body = prepare_token_request("client_credentials", "", **({"scope": scope} if scope else {}))
        method = self._grant.get("auth_method") or "client_secret_basic"
        auth = ClientAuth(str(self._grant["client_id"]), self._grant.get("client_secret"), method)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        uri, headers, body = auth.prepare("POST", self._url, headers, body)
        answer = await self._post(str(uri), headers, body)
        if not answer.get("access_token"):
            raise UpstreamError(f"the token endpoint of {self._name} answered without an access_token")
        expires_in = float(answer.get("expires_in") or 3600)
        fresh = {"access_token": answer["access_token"], "expires_at": time.time() + expires_in}
        kept = answer.get("refresh_token") or refresh_token
        _log.info("renewed the token of %s", self._name)
        return {**fresh, "refresh_token": kept} if kept else fresh

    async def _post(self, url: str, headers: dict[str, str], body: str) -> dict[str, Any]:
        said = "no answer"
        for attempt in range(_ASK_TIMES):
            try:
                async with self._session.post(
                    url,
                    data=body.encode() if isinstance(body, str) else body,
                    headers=headers,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=20),
                ) as response:
                    content = await response.read()
                    status = response.status
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                said = type(error).__name__
            else:
                answer = _object(content)
                if 200 <= status < 300:
                    return answer
                code = str(answer.get("error", ""))
                if code in _DEFINITE:
                    raise NeedsReauth(
                        f"{self._name} no longer accepts the stored grant ({code}); authorise it anew"
                    )
                said = f"HTTP {status}"
            await asyncio.sleep(0.2 * 2**attempt)
        # Whatever went wrong, the grant is kept: only a definite answer means that it is dead.
        raise UpstreamError(f"the token endpoint of {self._name} does not give a token ({said})")


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
