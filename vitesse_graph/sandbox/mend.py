"""Making a value keep a contract while losing as little of it as possible."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

from vitesse_graph.synthetic import Contract
from vitesse_graph.synthetic.schemas import items_of, properties_of

_ROUNDS = 12
_MISSING = object()


def mend(value: Any, contract: Contract, spare: Any) -> Any:
    """`value` with its broken parts taken from `spare` (a value that keeps the contract) or left out.

    Returns `value` itself where nothing is wrong, else a copy; `spare` where mending does not help.
    """
    if contract.is_valid(value):
        return value
    mended = copy.deepcopy(value)
    tried: Counter[tuple[str | int, ...]] = Counter()
    for _ in range(_ROUNDS):
        problems = contract.problems(mended, 10)
        if not problems:
            return mended
        for problem in problems:
            # A place that stays wrong is given up together with what holds it, one level each time,
            # but never the whole value: a deep cut must not cost a record its other fields.
            pointer = problem.pointer[: max(1, len(problem.pointer) - tried[problem.pointer])]
            tried[problem.pointer] += 1
            if not pointer:
                return copy.deepcopy(spare)
            _replace(mended, pointer, _look(spare, pointer))
    return mended if contract.is_valid(mended) else copy.deepcopy(spare)


def declared_part(value: Any, schema: Any, root: Any) -> Any:
    """`value` with only the members that the schema names, at any depth; an object without named members
    is taken as it is."""
    if isinstance(value, list):
        items = items_of(schema, root)
        return value if items is None else [declared_part(one, items, root) for one in value]
    named = properties_of(schema, root) if isinstance(value, dict) else {}
    if not named:
        return value
    return {name: declared_part(one, named[name], root) for name, one in value.items() if name in named}


def _look(value: Any, pointer: tuple[str | int, ...]) -> Any:
    for step in pointer:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return _MISSING
    return value


def _replace(value: Any, pointer: tuple[str | int, ...], new: Any) -> None:
    node = _look(value, pointer[:-1])
    last = pointer[-1]
    if isinstance(node, dict):
        if new is _MISSING or node.get(str(last), _MISSING) == new:
            node.pop(str(last), None)
        else:
            node[str(last)] = copy.deepcopy(new)
    elif isinstance(node, list) and isinstance(last, int) and last < len(node):
        if new is _MISSING or node[last] == new:
            del node[last]
        else:
            node[last] = copy.deepcopy(new)


def merged(base: Any, over: Any) -> Any:
    """Objects merged key by key, the second winning; a key set to null is null."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return copy.deepcopy(over)
    out = dict(base)
    for key, value in over.items():
        out[key] = merged(base[key], value) if key in base else copy.deepcopy(value)
    return out
