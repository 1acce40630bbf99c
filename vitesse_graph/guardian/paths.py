"""Field paths as mappings write them: `a.b`, `a[].b`, `Contacts[0].ContactID`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_PART = re.compile(r"\[\d*\*?\]")


@lru_cache(maxsize=8192)
def steps(path: str) -> tuple[str, ...]:
    """`a[].b` as (`a`, `[]`, `b`)."""
    out: list[str] = []
    for part in path.split(".") if path else []:
        name, _, rest = part.partition("[")
        if name:
            out.append(name)
        out += ["[]"] * rest.count("]")
    return tuple(out)


@lru_cache(maxsize=8192)
def plain(path: str) -> str:
    """The path with array positions forgotten and trailing `[]` dropped: how fields are compared."""
    text = _PART.sub("[]", path.removeprefix("$."))
    while text.endswith("[]"):
        text = text[:-2]
    return text


def read(value: Any, path: str) -> Any:
    """The first value at a path, None where it is missing. `""` is the value itself."""
    return next(iter(every(value, path)), None)


def every(value: Any, path: str) -> Iterator[Any]:
    """All values at a path; array steps fan out, missing ones give nothing."""
    level = [value]
    for step in steps(path):
        if step == "[]":
            level = [item for node in level if isinstance(node, list) for item in node]
        else:
            level = [node[step] for node in level if isinstance(node, dict) and step in node]
    yield from level


def has_value(value: Any, path: str) -> bool:
    """Whether anything that is not null or empty stands at a path."""
    found = steps(path)
    if "[]" in found:
        return any(one not in _EMPTY for one in every(value, path))
    return _straight(value, found) not in _EMPTY


def is_filled(value: Any, path: str) -> bool:
    """Whether anything that is not null stands at a path."""
    found = steps(path)
    if "[]" in found:
        return any(one is not None for one in every(value, path))
    return _straight(value, found) is not None


_EMPTY: tuple[Any, ...] = (None, "", [], {})


def _straight(value: Any, names: tuple[str, ...]) -> Any:
    """The one value at a path without lists: asked several times for every field of every record."""
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
