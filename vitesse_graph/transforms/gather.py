"""Values out of source arrays that do not go into a destination array: all, or the one that counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from vitesse_graph.transforms.numbers import to_decimal, to_json_number
from vitesse_graph.transforms.paths import Step
from vitesse_graph.transforms.text import as_text

Steps = tuple[Step, ...]
Getter = Callable[[Any], Any]


def elements(value: Any, steps: Iterable[Step]) -> list[Any]:
    """Everything that lies at these steps. An object where an array is expected counts as one element."""
    level = [value]
    for step in steps:
        name = step.name
        if name is None:
            level = [e for v in level for e in (v if isinstance(v, list) else (v,)) if e is not None]
        else:
            level = [found for v in level if isinstance(v, dict) and (found := v.get(name)) is not None]
    return level


def split_at_last_array(steps: Steps) -> tuple[Steps, Steps]:
    """Up to and with the last array step, and the names after it."""
    cut = max((at + 1 for at, step in enumerate(steps) if step.is_array), default=0)
    return steps[:cut], steps[cut:]


def make_gatherer(
    sources: list[Steps],
    *,
    as_list: bool,
    reduce: str,
    spread: bool,
    where: dict[str, Any],
    prefer: dict[str, Any],
    separator: str,
) -> Getter:
    """A function from the value where all `sources` begin to what the row's transform takes.

    One source: its value (a list when `as_list`). Several: the list of their values, taken from
    the same element of the innermost array that they share; with `as_list` a list of such lists.
    `spread`: a value that is itself a list counts as its elements.
    """
    head, tails = _common_head(sources)
    keep, rank = _matcher(where), _matcher(prefer) if prefer else None
    read = _reader(tails)
    finish = _reducer("all" if as_list else reduce, separator)

    if len(sources) == 1 and not (head or where or prefer):
        return _gather_one(read, finish, spread=as_list or spread)

    def gather(base: Any) -> Any:
        found = elements(base, head)
        if where:
            found = [e for e in found if keep(e)]
        if rank is not None:
            found = sorted(found, key=lambda e: not rank(e))
        values = [v for v in map(read, found) if v is not None]
        if as_list or spread:
            values = [inner for v in values for inner in (v if isinstance(v, list) else (v,))]
        return finish(values) if values else None

    return gather


def _gather_one(read: Getter, finish: Callable[[list[Any]], Any], *, spread: bool) -> Getter:
    """The common case without any array on the way: one field, whose own elements may be what counts."""

    def gather(base: Any) -> Any:
        value = read(base)
        if value is None:
            return None
        if not (spread and isinstance(value, list)):
            return finish([value])
        return finish(value) if value else None

    return gather


def _common_head(sources: list[Steps]) -> tuple[Steps, list[Steps]]:
    if len(sources) == 1:
        head, tail = split_at_last_array(sources[0])
        return head, [tail]
    shared = 0
    for at in range(min(map(len, sources))):
        if len({steps[at] for steps in sources}) > 1:
            break
        if sources[0][at].is_array:
            shared = at + 1
    return sources[0][:shared], [steps[shared:] for steps in sources]


def _reader(tails: list[Steps]) -> Getter:
    if len(tails) == 1:
        names = tuple(step.name for step in tails[0])

        def read_one(element: Any) -> Any:
            for name in names:
                if not isinstance(element, dict):
                    return None
                element = element.get(name)
            return element

        return read_one

    def read_all(element: Any) -> Any:
        values = [next(iter(elements(element, tail)), None) for tail in tails]
        return None if all(v is None for v in values) else _Together(values)

    return read_all


class _Together(tuple[Any, ...]):
    """Values of several fields of one element: not to be mixed up with a list in the data."""

    __slots__ = ()


def _matcher(conditions: dict[str, Any]) -> Callable[[Any], bool]:
    def matches(element: Any) -> bool:
        if not isinstance(element, dict):
            return False
        for name, wanted in conditions.items():
            found = element.get(name)
            if found != wanted and not (isinstance(wanted, list) and found in wanted):
                return False
        return True

    return matches


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, _Together) else value


def _reducer(how: str, separator: str) -> Callable[[list[Any]], Any]:
    reducers: dict[str, Callable[[list[Any]], Any]] = {
        "first": lambda values: _plain(values[0]),
        "last": lambda values: _plain(values[-1]),
        "all": lambda values: (
            [_plain(v) for v in values] if isinstance(values[0], _Together) else values.copy()
        ),
        "count": len,
        "join": lambda values: separator.join(as_text(v) for v in values),
        "sum": lambda values: to_json_number(sum(map(to_decimal, values), to_decimal(0))),
        "min": min,
        "max": max,
    }
    return reducers[how]
