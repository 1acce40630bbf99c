r"""Field paths: `a.b` nests, `a[].b` goes into arrays, `a\.b` is one name with a dot in it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from vitesse_graph.errors import MappingError

_SEGMENT = re.compile(r"((?:\\.|[^.\\\[\]])+)((?:\[(?:\*|\d*)\])*)(?:\.|$)", re.DOTALL)
MAX_STEPS = 32


class Step(NamedTuple):
    """One step: into the property `name`, or (name None) into every element of an array."""

    name: str | None

    @property
    def is_array(self) -> bool:
        return self.name is None


INTO_ARRAY = Step(None)


@lru_cache(maxsize=65536)
def parse_path(path: str) -> tuple[Step, ...]:
    """The steps of a path. `$.` in front is dropped, `[0]` and `[*]` read as `[]`.

    Raises MappingError for an empty path, an empty name or more than 32 steps.
    """
    text = path[2:] if path.startswith("$.") else path
    steps: list[Step] = []
    at = 0
    while at < len(text):
        found = _SEGMENT.match(text, at)
        if found is None:
            raise MappingError(f"'{path}' is not a field path: write a.b for nesting and a[].b for arrays")
        steps.append(Step(re.sub(r"\\(.)", r"\1", found[1])))
        steps += [INTO_ARRAY] * found[2].count("[")
        at = found.end()
    if not steps or text.endswith("."):
        raise MappingError(f"'{path}' is not a field path: it names no field")
    if len(steps) > MAX_STEPS:
        raise MappingError(f"'{path[:80]}…' has more than {MAX_STEPS} steps")
    return tuple(steps)


def format_path(steps: tuple[Step, ...]) -> str:
    """The steps as a path, the reverse of `parse_path`."""
    text = ""
    for step in steps:
        if step.name is None:
            text += "[]"
        else:
            text += ("." if text else "") + escape_name(step.name)
    return text


def escape_name(name: str) -> str:
    """A property name as it stands in a path: dots, brackets and backslashes are escaped."""
    return re.sub(r"([.\\\[\]])", r"\\\1", name)


def without_last_array(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The path of the array itself where it ends in `[]`: `tags[]` → `tags`."""
    while steps and steps[-1].is_array:
        steps = steps[:-1]
    return steps


def array_prefixes(steps: tuple[Step, ...]) -> list[tuple[Step, ...]]:
    """Every prefix that ends in `[]`, the outermost first."""
    return [steps[: at + 1] for at, step in enumerate(steps) if step.is_array]
