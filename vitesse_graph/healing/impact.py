"""What a change means for THIS mapping: which destination fields it touches, and how badly.

The same change is breaking for one integration and nothing to another: everything here asks the
rows of the mapping first. The tables at the end are the whole judgement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from vitesse_graph.state.health import DriftKind
from vitesse_graph.state.mapping import MappingLogic, Transformation

Side = Literal["source", "dest"]
Severity = Literal["breaking", "risky", "safe"]
SEVERITY_ORDER: dict[Severity, int] = {"breaking": 0, "risky": 1, "safe": 2}

_IDENTIFIER = re.compile(r"[^\W\d]\w*")


def source_paths(row: Transformation) -> Iterator[str]:
    """Every source path that a row reads, those in its selections (`where`, `prefer`) included."""
    paths = [row.source_field] if isinstance(row.source_field, str) else row.source_field
    for path in paths:
        if not path:
            continue
        yield path
        if "[]" in path:
            element = path[: path.rindex("[]") + 2]
            for chooser in ("where", "prefer"):
                for name in row.transform_config.get(chooser) or ():
                    yield f"{element}.{name}"


def _bare(path: str) -> str:
    return path.removesuffix("[]")


def is_within(path: str, container: str) -> bool:
    """Whether `path` is `container` or lies in it."""
    container = _bare(container)
    return _bare(path) == container or path.startswith((f"{container}.", f"{container}[]"))


@dataclass(frozen=True, slots=True)
class Touched:
    """One row that a change touches. `is_whole` is set where the row takes a container as it is
    and the change is somewhere inside."""

    row: Transformation
    is_whole: bool = False
    has_other_sources: bool = False


def touched_rows(mapping: MappingLogic, side: Side, path: str) -> list[Touched]:
    """The rows that read (source) or write (dest) this field, a part of it, or what it is part of."""
    touched = []
    for row in mapping.transformations:
        paths = list(source_paths(row)) if side == "source" else [row.dest_field]
        hits = [own for own in paths if is_within(own, path)]
        wholes = [own for own in paths if own not in hits and is_within(path, own)]
        if hits or wholes:
            touched.append(Touched(row, not hits, len(hits) + len(wholes) < len(paths)))
        elif side == "source" and _mentions(row, path):
            touched.append(Touched(row))
    return touched


def _mentions(row: Transformation, path: str) -> bool:
    """Whether an expression over the whole record names this field."""
    expression = row.transform_config.get("expression")
    if not isinstance(expression, str) or row.source_field:
        return False
    return _bare(path).rsplit(".", 1)[-1] in _IDENTIFIER.findall(expression)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """What the judgement asks about one change of one field."""

    kind: DriftKind
    is_widened: bool = False
    """The field now allows more than before (types, values, bounds)."""
    is_narrowed: bool = False
    is_replaced: bool = False
    """Neither wider nor narrower: something else."""
    is_required_throughout: bool = False


def severity_of(side: Side, change: FieldChange, touched: list[Touched], *, writes_parent: bool) -> Severity:
    """The class of a change for this mapping.

    `writes_parent`: the mapping writes into the field's parent, so that what the parent requires
    is required in truth.
    """
    if not touched:
        is_demanded = change.kind == "field_required" and side == "dest"
        return "breaking" if is_demanded and (change.is_required_throughout or writes_parent) else "safe"
    judge = (_SOURCE if side == "source" else _DEST).get(change.kind)
    if judge is None:
        return "safe"
    worst: Severity = min((judge(change, one) for one in touched), key=lambda s: SEVERITY_ORDER[s])
    if worst == "breaking" and all(one.is_whole for one in touched):
        # the row takes the container as it comes: what is inside may matter, or may not
        return "risky"
    return worst


def _fixed(severity: Severity) -> Callable[[FieldChange, Touched], Severity]:
    return lambda _change, _touched: severity


def _source_gone(_change: FieldChange, touched: Touched) -> Severity:
    return "risky" if touched.has_other_sources else "breaking"


def _source_retyped(change: FieldChange, touched: Touched) -> Severity:
    if change.is_narrowed:
        return "safe"
    if change.is_widened or touched.row.transform_type == "stringify":
        return "risky"
    return "breaking"


def _source_optional(_change: FieldChange, touched: Touched) -> Severity:
    return "risky" if touched.row.required else "safe"


def _source_constraint(change: FieldChange, _touched: Touched) -> Severity:
    return "safe" if change.is_narrowed else "risky"


def _dest_retyped(change: FieldChange, _touched: Touched) -> Severity:
    return "safe" if change.is_widened else "breaking"


def _dest_format(change: FieldChange, _touched: Touched) -> Severity:
    if change.is_widened:
        return "safe"
    return "risky" if change.is_narrowed else "breaking"


def _dest_constraint(change: FieldChange, _touched: Touched) -> Severity:
    return "safe" if change.is_widened else "risky"


_SOURCE: dict[DriftKind, Callable[[FieldChange, Touched], Severity]] = {
    "field_removed": _source_gone,
    "field_renamed": _source_gone,
    "field_retyped": _source_retyped,
    "field_optional": _source_optional,
    "field_required": _fixed("safe"),
    "format_changed": _fixed("risky"),
    "enum_grown": _fixed("risky"),
    "enum_shrunk": _fixed("safe"),
    "constraint_changed": _source_constraint,
    "deprecated": _fixed("risky"),
}
_DEST: dict[DriftKind, Callable[[FieldChange, Touched], Severity]] = {
    "field_removed": _fixed("breaking"),
    "field_renamed": _fixed("breaking"),
    "field_retyped": _dest_retyped,
    "field_optional": _fixed("safe"),
    "field_required": _fixed("risky"),
    "format_changed": _dest_format,
    "enum_grown": _fixed("safe"),
    "enum_shrunk": _fixed("breaking"),
    "constraint_changed": _dest_constraint,
    "field_ignored": _fixed("breaking"),
    "deprecated": _fixed("risky"),
}
