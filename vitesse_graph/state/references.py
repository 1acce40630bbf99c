"""References to secrets: what state may hold instead of a secret."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

NO_CREDENTIAL = "none"
"""In place of a reference: the API is open and is to be called as it is."""
REFERENCE = re.compile(r"^(none|env:[A-Za-z_][A-Za-z0-9_]*|file:\S+|secret:[A-Za-z0-9_-]+)$")


def ensure_reference(value: str | None, what: str) -> str | None:
    """The reference itself, None for empty; ValueError (without the value) for anything else.

    What looks like no reference is most likely the secret itself: it must go no further.
    """
    if value is None or not value.strip():
        return None
    if REFERENCE.match(value.strip()) is None:
        raise ValueError(
            f"{what} must name a secret, never hold one: env:NAME, file:PATH or secret:ID (or none)"
        )
    return value.strip()


_SECRET_NAME = re.compile(
    r"(^|[_.-])(api[_-]?key|key|token|secret|sig|signature|password|auth)$", re.IGNORECASE
)


def ensure_no_credential_in(address: str | None, what: str) -> str | None:
    """The address itself; ValueError (without it) when it carries a credential.

    An address is kept on the whiteboard and shown to people: a user name, a password or a parameter
    named like a secret has no place in it.
    """
    if not address or "://" not in address:
        return address
    parts = urlsplit(address)
    names = [name for name, _ in parse_qsl(parts.query)]
    if parts.username or parts.password or any(_SECRET_NAME.search(name) for name in names):
        raise ValueError(
            f"{what} carries a credential in its address; save the document to a file and give that, "
            "or publish it where none is needed"
        )
    return address
