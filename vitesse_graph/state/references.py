"""References to secrets: what state may hold instead of a secret."""

from __future__ import annotations

import re

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
        raise ValueError(f"{what} must name a secret, never hold one: env:NAME, file:PATH or secret:ID (or none)")
    return value.strip()
