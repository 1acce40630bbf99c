"""What may be kept as an overlay: corrections to a vendor's document, small enough for the whiteboard."""

from __future__ import annotations

import json
from typing import Any

MAX_OVERLAY_BYTES = 16_000
"""As JSON. It travels with every checkpoint; larger corrections belong into a copy of the document."""


def ensure_overlay(value: Any, what: str) -> dict[str, Any] | None:
    """The overlay itself, None for empty; ValueError for what is none (its actions are checked when applied)."""
    if value is None or value == {}:
        return None
    if not isinstance(value, dict) or "overlay" not in value or not isinstance(value.get("actions"), list):
        raise ValueError(f"{what} is no OpenAPI Overlay: it needs `overlay` (1.0.0) and a list of `actions`")
    size = len(json.dumps(value))
    if size > MAX_OVERLAY_BYTES:
        raise ValueError(
            f"{what} has {size} bytes, over the fixed limit of {MAX_OVERLAY_BYTES}; "
            "correct a copy of the document instead"
        )
    return value
