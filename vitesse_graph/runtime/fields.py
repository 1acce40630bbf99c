"""Reaching into JSON by a dotted path: `a.b`, `a[0].b`; `[]` means the first element, as in an envelope.

A path that leads nowhere gives None: what a missing field means is for the caller to say.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

Steps = tuple[str | int, ...]

_STEP = re.compile(r"\[(\d*)\]|([^.\[\]]+)")


@lru_cache(maxsize=1024)
def steps_of(path: str | None) -> Steps:
    """The path's steps: `Contacts[0].ContactID` → ("Contacts", 0, "ContactID"); "" and None → ()."""
    if not path:
        return ()
    return tuple(int(index or 0) if name == "" else name for index, name in _STEP.findall(path))


def dig(value: Any, steps: Steps) -> Any:
    """What lies at `steps` in `value`, or None. A whole key with dots in it is tried first."""
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step] if -len(value) <= step < len(value) else None
        else:
            return None
        if value is None:
            return None
    return value


def at(value: Any, path: str | None) -> Any:
    """`dig` by the path's text."""
    return dig(value, steps_of(path))
