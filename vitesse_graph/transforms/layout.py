"""The destination body as a tree, and which source array each of its arrays follows.

Arrays are aligned from the inside: in `lines[].amount` → `Invoices[].LineItems[].UnitAmount` the
line items follow the lines, and `Invoices[]`, left over, holds exactly one element. Where rows
under one destination array come from different source arrays, most rows win (the shorter path
when equal); the others are reduced to one value, the same for each element. A row with `reduce`
has no vote. An array that every row of the mapping goes through, and into which at
least half of the rows put single values, is an envelope and holds one element.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from vitesse_graph.errors import MappingError
from vitesse_graph.transforms.paths import Step, array_prefixes, format_path
from vitesse_graph.transforms.plan import Row

Steps = tuple[Step, ...]


@dataclass(slots=True)
class Node:
    """An object of the destination body: its fields and the objects and arrays in it."""

    at: Steps
    rows: dict[str, Row] = field(default_factory=dict)
    objects: dict[str, Node] = field(default_factory=dict)
    arrays: dict[str, Node] = field(default_factory=dict)
    """Name of the array → its element."""
    driver: Steps | None = None
    """For an array's element: the source array (ending in `[]`) that gives one element each."""


def lay_out(rows: list[Row]) -> Node:
    """The tree. Raises MappingError where two rows fill the same place or one lies inside another."""
    drivers = elect_drivers(rows)
    root = Node(())
    for row in rows:
        _place(root, row, drivers)
    return root


def _place(root: Node, row: Row, drivers: dict[Steps, Steps]) -> None:
    node = root
    steps = row.dest
    at = 0
    while at < len(steps) - 1:
        name = steps[at].name
        if name is None:
            raise MappingError(f"{row.name}: the body itself cannot be an array")
        into_array = steps[at + 1].is_array
        at += 2 if into_array else 1
        places = node.arrays if into_array else node.objects
        if name in node.rows or name in (node.objects if into_array else node.arrays):
            raise MappingError(f"{row.name}: '{format_path(steps[:at])}' is filled as a whole by another row")
        if name not in places:
            places[name] = Node(steps[:at], driver=drivers.get(steps[:at]))
        node = places[name]
    leaf = steps[-1].name
    if leaf is None:
        raise MappingError(f"{row.name}: names no field")
    if leaf in node.rows or leaf in node.objects or leaf in node.arrays:
        raise MappingError(f"{row.name}: two rows fill this field, or a part of it")
    node.rows[leaf] = row


def elect_drivers(rows: list[Row]) -> dict[Steps, Steps]:
    """For each destination array that follows a source array: which one."""
    envelopes = _envelopes(rows)
    votes: dict[Steps, Counter[Steps]] = {}
    for row in rows:
        if row.explicit_reduce or row.is_constant or row.whole_record:
            continue
        targets = [a for a in array_prefixes(row.dest) if a not in envelopes]
        for source in _distinct_array_sources(row):
            arrays = array_prefixes(source)
            pairs = zip(reversed(targets), reversed(arrays), strict=False)
            for target, array in pairs:
                votes.setdefault(target, Counter())[array] += 1
    drivers: dict[Steps, Steps] = {}
    for target in sorted(votes, key=len):
        taken = set(drivers.values())
        free = {a: n for a, n in votes[target].items() if a not in taken or not _inside(target, a, drivers)}
        if free:
            drivers[target] = min(free, key=lambda a: (-free[a], len(a), format_path(a)))
    return drivers


def _inside(target: Steps, array: Steps, drivers: dict[Steps, Steps]) -> bool:
    """Whether an enclosing destination array follows this very source array already."""
    return any(drivers.get(outer) == array for outer in array_prefixes(target[:-1]))


def _distinct_array_sources(row: Row) -> list[Steps]:
    """The row's sources that lie in arrays; where the row collects, its own innermost is not offered.

    `tags[].name` → `labels` (a list) needs no destination array for `tags[]`; what lies outside it
    is aligned as usual.
    """
    found: dict[Steps, Steps] = {}
    for source in row.sources:
        arrays = array_prefixes(source)
        if row.as_list and arrays:
            source = arrays[-1][:-1]
            arrays = arrays[:-1]
        if arrays:
            found[arrays[-1]] = source
    return list(found.values())


def _envelopes(rows: list[Row]) -> set[Steps]:
    real = [row for row in rows if not row.is_constant]
    if not real:
        return set()
    shared = set(array_prefixes(real[0].dest))
    for row in real[1:]:
        shared &= set(array_prefixes(row.dest))
    balance: Counter[Steps] = Counter()
    for row in real:
        innermost = array_prefixes(row.dest)[-1:]
        from_array = any(len(array_prefixes(source)) > row.as_list for source in row.sources)
        if innermost and not (from_array and row.explicit_reduce):
            balance[innermost[0]] += -1 if from_array else 1
    return {array for array in shared if array in balance and balance[array] >= 0}
