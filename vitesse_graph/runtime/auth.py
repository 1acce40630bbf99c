"""From an `AuthScheme` and a credential to what is put on every request.

A credential is text: the secret itself; `user:password` for basic; or a JSON object, where keys are
header names, or `username`/`password`, or an OAuth2 grant (`client_id`, `client_secret`,
`refresh_token`, `access_token`, `token_url`, `scope`). OAuth2 grants live in `oauth.py`.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any, Protocol

from vitesse_graph.errors import InputError
from vitesse_graph.runtime.secrets import Redactor, SecretResolver, resolve_secret
from vitesse_graph.state.api_spec import AuthScheme
from vitesse_graph.state.definition import Side

DUMMY_CREDENTIAL = "sandbox-dummy-credential"
"""What a sandbox is shown where no credential was given: it checks the form, not the value."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What goes on a request: headers and query parameters."""

    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)


class Authenticator(Protocol):
    """Gives the credentials for the next request."""

    @property
    def current(self) -> Credentials | None:
        """The credentials without waiting, or None when `fetch` must be awaited first."""
        ...

    async def fetch(self) -> Credentials:
        """Credentials that are good now. Raises UpstreamError when none can be had."""
        ...

    async def renew(self, refused: Credentials) -> bool:
        """After a 401 on `refused`: True when there are other credentials to try."""
        ...


class StaticAuth:
    """A credential that does not change while the process lives."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    @property
    def current(self) -> Credentials | None:
        return self._credentials

    async def fetch(self) -> Credentials:
        return self._credentials

    async def renew(self, refused: Credentials) -> bool:
        return False


def read_credential(side: Side, *, redactor: Redactor, resolver: SecretResolver | None = None) -> str | None:
    """The side's credential as text, known to the redactor; None for an open API.

    A sandbox without a reference gets a dummy. Raises InputError when a live API that wants a
    credential has no reference.
    """
    if side.auth_ref is not None:
        text = resolve_secret(side.auth_ref, resolver=resolver)
        redactor.add(*_secret_words(text))
        return text
    if side.auth.type in ("none", "mutual_tls"):
        return None
    if side.environment == "sandbox":
        return DUMMY_CREDENTIAL
    raise InputError(
        f"{side.api_name} wants {side.auth.type} credentials and the definition has no auth_ref for it"
    )


def _secret_words(text: str) -> list[str]:
    grant = as_grant(text)
    words = [text]
    if grant is not None:
        names = ("username", "client_id", "token_url", "scope", "grant_type", "expires_at", "shop")
        words += [str(value) for key, value in grant.items() if key not in names]
    elif ":" in text:
        words += [text.partition(":")[2], base64.b64encode(text.encode()).decode()]
    return words


def as_grant(text: str) -> dict[str, Any] | None:
    """The credential's JSON object, or None when it is plain text."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def build_credentials(scheme: AuthScheme, text: str | None) -> Credentials:
    """Headers and query of a credential that is not an OAuth2 grant. Raises InputError when parts lack."""
    if text is None or scheme.type in ("none", "mutual_tls"):
        return Credentials()
    grant = as_grant(text)
    if scheme.type == "basic":
        return Credentials(headers={"Authorization": _basic(text, grant)})
    if scheme.type == "api_key" and scheme.headers:
        return _named(scheme, text, grant)
    token = text if grant is None else str(grant.get("access_token") or grant.get("token") or "")
    if not token:
        raise InputError("the credential is a JSON object without access_token or token")
    if scheme.headers:
        return _named(scheme, token, None)
    return Credentials(headers={"Authorization": f"Bearer {token}"})


def _basic(text: str, grant: dict[str, Any] | None) -> str:
    if grant is not None:
        text = f"{grant.get('username', '')}:{grant.get('password', '')}"
    elif ":" not in text:
        text += ":"  # an API key as the user name, as Stripe and others take it
    return "Basic " + base64.b64encode(text.encode()).decode()


def _named(scheme: AuthScheme, text: str, grant: dict[str, Any] | None) -> Credentials:
    credentials = Credentials()
    cookies: list[str] = []
    for header in scheme.headers:
        value = text if grant is None else grant.get(header.name)
        if value is None:
            raise InputError(f"the credential has no value for {header.name}")
        text_value = f"{header.prefix}{value}"
        if header.location == "query":
            credentials.query[header.name] = text_value
        elif header.location == "cookie":
            cookies.append(f"{header.name}={text_value}")
        else:
            credentials.headers[header.name] = text_value
    if cookies:
        credentials.headers["Cookie"] = "; ".join(cookies)
    return credentials
