"""What a new mapping would write differently from the live one, shown without any value. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from vitesse_graph.state.base import Model
from vitesse_graph.state.jsontypes import JsonObject
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.transforms import compile_mapping


class FieldDifference(Model):
    """One destination field over all records; counts of records."""

    dest_field: str
    changed: int = 0
    """Both write a value, and another one."""
    retyped: int = 0
    """Of those, another JSON type."""
    emptied: int = 0
    """The live mapping wrote a value, the new one none."""
    filled: int = 0
    """The other way round."""


class OutputDifferences(Model):
    """`same` records give the same body. Records that one of the two cannot transform are counted apart."""

    records: int = 0
    same: int = 0
    failed_before: int = 0
    failed_now: int = 0
    mended: int = 0
    """Failed with the live mapping, good with the new one."""
    broken: int = 0
    """Good with the live mapping, failed with the new one."""
    fields: list[FieldDifference] = Field(default_factory=list)

    @property
    def is_same(self) -> bool:
        return self.same == self.records

    def render(self) -> str:
        """Markdown, one line per destination field that differs."""
        lines = [f"{self.same} of {self.records} records give the same result."]
        if self.mended:
            lines.append(f"{self.mended} that failed would be written.")
        if self.broken:
            lines.append(f"{self.broken} that were written would fail.")
        for one in self.fields:
            counts = [
                f"{count} {word}"
                for count, word in (
                    (one.changed - one.retyped, "other values"),
                    (one.retyped, "of another type"),
                    (one.emptied, "empty now"),
                    (one.filled, "filled now"),
                )
                if count
            ]
            lines.append(f"- `{one.dest_field}`: {', '.join(counts)}")
        return "\n".join(lines)


def compare_outputs(
    old: MappingLogic,
    new: MappingLogic,
    records: Sequence[JsonObject],
    *,
    new_records: Sequence[JsonObject] | None = None,
) -> OutputDifferences:
    """Both mappings over the same records, field by field.

    After a rename the records themselves differ: give `records` as they were for the old mapping and
    `new_records`, the same ones in the same order, as they are now. Raises MappingError when a
    mapping cannot be compiled, ValueError when the two lists differ in length.
    """
    later = records if new_records is None else new_records
    apply_old, apply_new = compile_mapping(old).apply, compile_mapping(new).apply
    differences = OutputDifferences(records=len(records))
    fields: dict[str, Counter[str]] = {}
    for before, now in zip(records, later, strict=True):
        a, b = apply_old(before), apply_new(now)
        differences.failed_before += not a.ok
        differences.failed_now += not b.ok
        differences.mended += b.ok and not a.ok
        differences.broken += a.ok and not b.ok
        if a.body == b.body and a.ok == b.ok:
            differences.same += 1
        elif a.ok and b.ok:
            _count(a.body, b.body, fields)
    differences.fields = [
        FieldDifference(dest_field=path, **counts) for path, counts in sorted(fields.items())
    ]
    return differences


def _count(old: JsonObject, new: JsonObject, fields: dict[str, Counter[str]]) -> None:
    a, b = dict(_leaves(old, "")), dict(_leaves(new, ""))
    for path in a.keys() | b.keys():
        x, y = a.get(path), b.get(path)
        if x == y:
            continue
        counts = fields.setdefault(path, Counter())
        if _is_empty(y):
            counts["emptied"] += 1
        elif _is_empty(x):
            counts["filled"] += 1
        else:
            counts["changed"] += 1
            counts["retyped"] += type(x) is not type(y)


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _leaves(node: Any, path: str) -> list[tuple[str, Any]]:
    """Values by path; an array is one value unless it holds objects."""
    if isinstance(node, dict):
        return [
            leaf
            for name, value in node.items()
            for leaf in _leaves(value, f"{path}.{name}" if path else name)
        ]
    if isinstance(node, list) and node and all(isinstance(element, dict) for element in node):
        found: dict[str, list[Any]] = {}
        for element in node:
            for name, value in _leaves(element, f"{path}[]"):
                found.setdefault(name, []).append(value)
        return list(found.items())
    return [(path, node)]
