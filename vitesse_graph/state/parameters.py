"""Values for what a call needs besides the record: checked where they come in."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

MOST_PARAMETERS, MOST_CHARACTERS = 50, 1_000


def ensure_parameters(value: Any) -> dict[str, str] | None:
    """The values by name as text; ValueError, one line, for what cannot go into an address or a header."""
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > MOST_PARAMETERS:
        raise ValueError(f'parameters are an object of at most {MOST_PARAMETERS} names: {{"owner": "acme"}}')
    return {_text("a name", name): _text(f"the value of {name}", given) for name, given in value.items()}


def _text(what: str, given: Any) -> str:
    if isinstance(given, bool):
        return str(given).lower()
    if not isinstance(given, str | int | float):
        raise ValueError(f"{what} must be text or a number")
    text = str(given)
    if len(text) > MOST_CHARACTERS or not (text.isprintable() or text == ""):
        raise ValueError(f"{what} must be at most {MOST_CHARACTERS} printable characters")
    return text


Params = Annotated[dict[str, str], BeforeValidator(ensure_parameters)]
"""Values by parameter name. Never a secret: they stand in state, plans and logs."""
