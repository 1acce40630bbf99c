"""Places inside an answer, as `Pagination` names them: where the next position stands, and how to put one there.

A path is dotted (`paging.next.after`). A step may choose an element of an array by one of its fields
(`link[relation=next].url`); `@odata.nextLink` is one name, and so is any key at the top that holds dots.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

Chosen = tuple[str, str]
"""(field, value) of the element of an array that is meant."""

_STEP = re.compile(r"\[(\w+)=([^\]]*)\]|\[(\d*)\]|(@odata\.\w+|[^.\[\]]+)")


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[str | int | Chosen, ...]:
    return tuple(
        (field, wanted) if field else name if name else int(index or 0)
        for field, wanted, index, name in _STEP.findall(path)
    )


def read_place(body: Any, path: str) -> Any:
    """What stands at `path`, or None."""
    if isinstance(body, dict) and path in body:
        return body[path]
    node = body
    for step in _steps(path):
        if isinstance(step, str):
            node = node.get(step) if isinstance(node, dict) else None
        elif not isinstance(node, list):
            return None
        elif isinstance(step, int):
            node = node[step] if step < len(node) else None
        else:
            node = _element(node, step)
        if node is None:
            return None
    return node


def write_place(body: dict[str, Any], path: str, value: Any) -> None:
    """Puts `value` at `path`, making what is missing on the way.

    None for a place that chooses an element takes the element away: it says that there is none.
    """
    node: Any = body
    steps = _steps(path)
    for number, step in enumerate(steps):
        is_last = number == len(steps) - 1
        if isinstance(step, str):
            if not isinstance(node, dict):
                return
            if is_last:
                node[step] = value
                return
            wanted: type = dict if isinstance(steps[number + 1], str) else list
            if not isinstance(node.get(step), wanted):
                node[step] = wanted()
            node = node[step]
        elif isinstance(step, int):
            return
        else:
            field, name = step
            if value is None:
                node[:] = [one for one in node if not (isinstance(one, dict) and one.get(field) == name)]
                return
            found = _element(node, step)
            if found is None:
                found = {field: name}
                node.append(found)
            node = found


def _element(nodes: list[Any], step: Chosen) -> Any:
    field, wanted = step
    return next((one for one in nodes if isinstance(one, dict) and one.get(field) == wanted), None)
