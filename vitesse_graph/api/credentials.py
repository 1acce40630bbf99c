"""Credentials in requests: encrypted before anything else is done with them.

What goes on from here is a reference. `env:` and `file:` name things of this server, so only an
admin (or the one person at this machine) may use them; a `secret:` must be the tenant's own.
"""

from __future__ import annotations

import json
from typing import Any

from vitesse_graph.api.principals import Principal
from vitesse_graph.api.problems import Refusal
from vitesse_graph.errors import InputError
from vitesse_graph.registry.vault import PREFIX, Vault
from vitesse_graph.state.references import REFERENCE, ensure_no_credential_in

_TOKEN_NAMES = ("token", "api_key", "access_token", "value", "key", "bearer", "secret")
_BESIDE = {"type", "scheme", "description"}
Credential = str | dict[str, Any]


def as_text(credential: Credential) -> str:
    """The credential as the runtime reads it: the secret, `user:password`, or a JSON object.

    Raises InputError, without the value.
    """
    if isinstance(credential, str):
        return credential.strip()
    said = {key: value for key, value in credential.items() if key not in _BESIDE and value not in (None, "")}
    if set(said) == {"username", "password"}:
        return f"{said['username']}:{said['password']}"
    if len(said) == 1:
        name, value = next(iter(said.items()))
        if name in _TOKEN_NAMES and isinstance(value, str):
            return value.strip()
    if not said or not all(isinstance(value, str | int | float | bool) for value in said.values()):
        raise InputError(
            "a credential is a reference (secret:ID), the secret itself, or an object such as "
            '{"token": …}, {"username": …, "password": …} or {"client_id": …, "client_secret": …}'
        )
    return json.dumps(said)


def reference_in(credential: Credential | None) -> str | None:
    """The reference that was given instead of a secret, if one was."""
    if isinstance(credential, dict):
        inner = credential.get("ref") or credential.get("reference")
        return inner if isinstance(inner, str) and REFERENCE.match(inner) else None
    if isinstance(credential, str) and REFERENCE.match(credential.strip()):
        return credential.strip()
    return None


async def ensure_reference_allowed(reference: str, principal: Principal, vault: Vault) -> None:
    """Raises a 403 for what is the server's, NotFoundError's likeness for another tenant's secret."""
    if reference.startswith(PREFIX):
        if not await vault.belongs_to(reference, principal.tenant):
            raise InputError(f"{reference} names no stored secret; give the credential itself")
        return
    if not principal.may("admin"):
        raise Refusal(
            403,
            "env: and file: references name secrets of the server and take the role admin; "
            "give the credential itself, it is stored encrypted",
        )


async def keep(
    credential: Credential | None, principal: Principal, vault: Vault, *, integration_id: str, purpose: str
) -> str | None:
    """The reference to go on with: the one given, or that of the secret now encrypted."""
    if credential is None or credential in ("", {}):
        return None
    reference = reference_in(credential)
    if reference is not None:
        await ensure_reference_allowed(reference, principal, vault)
        return reference
    return await vault.put(
        as_text(credential),
        tenant=principal.tenant,
        created_by=principal.id,
        integration_id=integration_id,
        purpose=purpose,
    )


def ensure_location_allowed(location: str | None, principal: Principal) -> None:
    """A file of this server may be named by an admin only; addresses and names by anyone.

    Raises InputError for an address that carries a credential: requests are kept, so it is refused
    before it is written anywhere.
    """
    try:
        ensure_no_credential_in(location, "the specification")
    except ValueError as error:
        raise InputError(str(error)) from None
    if not location or principal.may("admin"):
        return
    scheme = location.partition("://")[0].lower() if "://" in location else ""
    looks_like_file = scheme not in ("http", "https") and (
        scheme != "" or "/" in location or "\\" in location or location.startswith(("~", "."))
    )
    if looks_like_file or location.lower().startswith("file:"):
        raise Refusal(403, "files of the server take the role admin; give a URL or the API's name")
