"""Making a value keep a contract while losing as little of it as possible."""

from __future__ import annotations

import copy
from typing import Any

from vitesse_graph.synthetic import Contract

_ROUNDS = 12
_MISSING = object()


def mend(value: Any, contract: Contract, spare: Any) -> Any:
    """`value` with its broken parts taken from `spare` (a value that keeps the contract) or left out.

    Returns `value` itself where nothing is wrong, else a copy; `spare` where mending does not help.
    """
    if contract.is_valid(value):
        return value
    mended = copy.deepcopy(value)
    for _ in range(_ROUNDS):
        problems = contract.problems(mended, 10)
        if not problems:
            return mended
        for problem in problems:
            if not problem.pointer:
                return copy.deepcopy(spare)
            _replace(mended, problem.pointer, _look(spare, problem.pointer))
    return mended if contract.is_valid(mended) else copy.deepcopy(spare)


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
