"""What changed between two schemas of the same record, classed for one mapping. Pure.

Completeness is held against the rules of oasdiff (its `checker/rules.go`): a property that came,
went, changed its type, format, enum, bounds, nullability, demand or read-only mark, or was
deprecated. On top of those it finds renames, which for a mapping are the one change that heals
itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vitesse_graph.healing.impact import (
    SEVERITY_ORDER,
    FieldChange,
    Side,
    is_within,
    severity_of,
    touched_rows,
)
from vitesse_graph.healing.renames import find_renames, translate
from vitesse_graph.healing.shapes import FieldShape, flatten_schema
from vitesse_graph.state.health import DriftItem, DriftKind
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.state.mapping import MappingLogic

_LOWER_BOUNDS = ("minLength", "minimum", "exclusiveMinimum", "minItems")
_UPPER_BOUNDS = ("maxLength", "maximum", "exclusiveMaximum", "maxItems")
_WIDER_FORMATS = {("int32", "int64"), ("float", "double"), ("email", "idn-email"), ("uri", "uri-reference")}


def diff_schemas(
    old_schema: JsonSchema, new_schema: JsonSchema, *, mapping: MappingLogic | None, side: Side
) -> list[DriftItem]:
    """Every difference between the two, the worst first; paths are those of the old schema.

    `side` says whether the mapping reads these records (source) or writes them (dest). With no
    mapping nothing is mapped, and all but newly required destination fields are safe.
    """
    old, new = flatten_schema(old_schema), flatten_schema(new_schema)
    rows = mapping or MappingLogic()
    renames = find_renames(old, new)
    moved = {rename.old: rename.new for rename in renames}
    items = [
        make_item(
            "field_renamed",
            side,
            rows,
            rename.old,
            new_path=rename.new,
            confidence=rename.confidence,
            detail=f"is called {rename.new} now ({rename.reason})",
        )
        for rename in renames
    ]
    for path, shape in old.items():
        new_path = translate(path, moved)
        if new_path in new:
            for kind, detail, change in _field_changes(shape, new[new_path], side):
                items.append(
                    make_item(
                        kind,
                        side,
                        rows,
                        path,
                        new_path=new_path if new_path != path else None,
                        detail=detail,
                        change=change,
                        parent=shape.parent,
                    )
                )
        elif not path.endswith("[]") and (not shape.parent or translate(shape.parent, moved) in new):
            items.append(make_item("field_removed", side, rows, path, detail="is gone"))
    items += _added(old, new, moved, side, rows)
    return sort_items(items)


def sort_items(items: list[DriftItem]) -> list[DriftItem]:
    """The worst first, then by side and path."""
    return sorted(items, key=lambda item: (SEVERITY_ORDER[item.severity], item.side, item.path, item.kind))


def _added(
    old: dict[str, FieldShape],
    new: dict[str, FieldShape],
    moved: dict[str, str],
    side: Side,
    mapping: MappingLogic,
) -> Iterator[DriftItem]:
    known = {translate(path, moved) for path in old}
    for path, shape in new.items():
        if path in known or path.endswith("[]") or (shape.parent and shape.parent not in known):
            continue
        if side == "dest" and shape.is_required and not shape.is_read_only:
            change = FieldChange(kind="field_required", is_required_throughout=shape.is_required_throughout)
            yield make_item(
                "field_required",
                side,
                mapping,
                path,
                detail="is new and required",
                change=change,
                parent=shape.parent,
            )
        else:
            yield make_item("field_added", side, mapping, path, detail="is new")


def make_item(
    kind: DriftKind,
    side: Side,
    mapping: MappingLogic,
    path: str,
    *,
    detail: str,
    new_path: str | None = None,
    confidence: float = 1.0,
    change: FieldChange | None = None,
    parent: str = "",
) -> DriftItem:
    """One difference with its class for this mapping and the destination fields it touches."""
    touched = touched_rows(mapping, side, path)
    writes_parent = bool(parent) and any(is_within(row.dest_field, parent) for row in mapping.transformations)
    severity = severity_of(side, change or FieldChange(kind=kind), touched, writes_parent=writes_parent)
    affects = list(dict.fromkeys(one.row.dest_field for one in touched))
    if not affects and severity != "safe":
        affects = [path]
    return DriftItem(
        kind=kind,
        side=side,
        severity=severity,
        path=path,
        new_path=new_path,
        confidence=confidence,
        detail=detail,
        affects=affects,
    )


FoundChange = tuple[DriftKind, str, FieldChange]


def _field_changes(old: FieldShape, new: FieldShape, side: Side) -> Iterator[FoundChange]:
    """Changes of one field that is on both sides."""
    yield from _type_change(old, new)
    yield from _format_change(old, new)
    yield from _enum_change(old, new)
    yield from _constraint_changes(old, new)
    yield from _demand_change(old, new, side)
    if new.is_deprecated and not old.is_deprecated:
        until = f", to be removed {new.sunset}" if new.sunset else ""
        yield "deprecated", f"is deprecated{until}", FieldChange(kind="deprecated")
    elif new.is_deprecated and new.sunset != old.sunset:
        yield (
            "deprecated",
            f"its removal is now set for {new.sunset or 'no day'}",
            FieldChange(kind="deprecated"),
        )
    if new.is_read_only and not old.is_read_only and side == "dest":
        change = FieldChange(kind="field_removed")
        yield "field_removed", "can no longer be written (read-only)", change


def _words(types: frozenset[str]) -> str:
    return " or ".join(sorted(types)) or "any type"


def _accepts(types: frozenset[str]) -> frozenset[str]:
    """A number takes every integer."""
    return types | {"integer"} if "number" in types else types


def _type_change(old: FieldShape, new: FieldShape) -> Iterator[FoundChange]:
    before, after = old.plain_types, new.plain_types
    if before == after:
        return
    is_widened = not after or (bool(before) and _accepts(after) >= before)
    is_narrowed = not is_widened and (not before or _accepts(before) >= after)
    yield (
        "field_retyped",
        f"was {_words(before)}, is {_words(after)} now",
        FieldChange(
            kind="field_retyped",
            is_widened=is_widened,
            is_narrowed=is_narrowed,
            is_replaced=not is_widened and not is_narrowed,
        ),
    )


def _format_change(old: FieldShape, new: FieldShape) -> Iterator[FoundChange]:
    if old.format == new.format or old.plain_types != new.plain_types:
        return
    is_widened = new.format is None or (old.format, new.format) in _WIDER_FORMATS
    is_narrowed = old.format is None or (new.format, old.format) in _WIDER_FORMATS
    yield (
        "format_changed",
        f"its format was {old.format or 'free'}, is {new.format or 'free'} now",
        FieldChange(
            kind="format_changed",
            is_widened=is_widened,
            is_narrowed=is_narrowed,
            is_replaced=not is_widened and not is_narrowed,
        ),
    )


def _enum_change(old: FieldShape, new: FieldShape) -> Iterator[FoundChange]:
    if old.enum is None and new.enum is None:
        return
    if old.enum is None:
        yield "enum_shrunk", "takes only listed values now", FieldChange(kind="enum_shrunk", is_narrowed=True)
        return
    if new.enum is None:
        yield "enum_grown", "takes any value now", FieldChange(kind="enum_grown", is_widened=True)
        return
    before, after = {_hashable(v): v for v in old.enum}, {_hashable(v): v for v in new.enum}
    grown = [str(value) for key, value in after.items() if key not in before]
    shrunk = [str(value) for key, value in before.items() if key not in after]
    if grown:
        detail = f"has new values: {_list(grown)}"
        yield "enum_grown", detail, FieldChange(kind="enum_grown", is_widened=True)
    if shrunk:
        detail = f"no longer has the values: {_list(shrunk)}"
        yield "enum_shrunk", detail, FieldChange(kind="enum_shrunk", is_narrowed=True)


def _hashable(value: Any) -> str:
    return f"{type(value).__name__}:{value}"


def _list(values: list[str], limit: int = 6) -> str:
    more = f" and {len(values) - limit} more" if len(values) > limit else ""
    return ", ".join(values[:limit]) + more


def _constraint_changes(old: FieldShape, new: FieldShape) -> Iterator[FoundChange]:
    if old.plain_types != new.plain_types:
        return
    for name in sorted(old.constraints.keys() | new.constraints.keys()):
        before, after = old.constraints.get(name), new.constraints.get(name)
        if before == after:
            continue
        is_narrowed = _is_tighter(name, before, after)
        yield (
            "constraint_changed",
            f"{name} was {'unset' if before is None else before}, is {'unset' if after is None else after} now",
            FieldChange(kind="constraint_changed", is_narrowed=is_narrowed, is_widened=not is_narrowed),
        )


def _is_tighter(name: str, before: Any, after: Any) -> bool:
    """Whether the new bound refuses something that the old one took."""
    if after is None:
        return False
    if before is None:
        return True
    try:
        if name in _LOWER_BOUNDS:
            return bool(after > before)
        if name in _UPPER_BOUNDS:
            return bool(after < before)
        if name == "multipleOf":
            # every multiple of the old step is one of the new step as well: looser
            steps = float(before) / float(after)
            return abs(steps - round(steps)) > 1e-9
    except (TypeError, ZeroDivisionError):
        return True
    return name != "uniqueItems" or after is True


def _demand_change(old: FieldShape, new: FieldShape, side: Side) -> Iterator[FoundChange]:
    """Required or optional, nullable or not: what the writer must send, what the reader may count on."""
    if old.path.endswith("[]"):
        return
    if new.is_required and not old.is_required and not new.is_read_only:
        change = FieldChange(kind="field_required", is_required_throughout=new.is_required_throughout)
        yield "field_required", "is required now", change
    elif old.is_required and not new.is_required:
        yield "field_optional", "is optional now", FieldChange(kind="field_optional")
    if old.is_nullable == new.is_nullable or old.plain_types != new.plain_types:
        return
    if new.is_nullable:
        yield "field_optional", "may be null now", FieldChange(kind="field_optional")
    else:
        yield from _no_longer_null(side)


def _no_longer_null(side: Side) -> Iterator[FoundChange]:
    if side == "dest":
        # not "required": leaving the field out stays allowed
        yield (
            "constraint_changed",
            "may no longer be null",
            FieldChange(kind="constraint_changed", is_narrowed=True),
        )
    else:
        yield "field_required", "is never null now", FieldChange(kind="field_required")
