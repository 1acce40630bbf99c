"""What records in truth look like, against what the specification says. Pure.

A vendor may change its answers before, or without, changing its document. Nothing here keeps or
tells a record's value.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from vitesse_graph.healing.impact import FieldChange, Side, touched_rows
from vitesse_graph.healing.renames import find_renames, translate
from vitesse_graph.healing.schema_diff import make_item, sort_items
from vitesse_graph.healing.shapes import MAX_DEPTH, FieldShape, flatten_schema
from vitesse_graph.state.health import DriftItem
from vitesse_graph.state.jsontypes import JsonObject, JsonSchema
from vitesse_graph.state.mapping import MappingLogic

MIN_RECORDS = 3
"""With fewer, that a field is absent says nothing."""
NOTICED_SHARE = 0.02
_SNIFFED = ("date-time", "date", "email", "uri", "uuid")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_URI = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.I)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)


@dataclass(slots=True)
class _Seen:
    """One path over all records."""

    parent: str
    position: int
    present: int = 0
    types: Counter[str] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    texts: int = 0
    outside_enum: int = 0


def observe_drift(
    record_schema: JsonSchema,
    records: Collection[JsonObject],
    *,
    mapping: MappingLogic | None = None,
    side: Side = "source",
    seen_before: Collection[str] = (),
) -> list[DriftItem]:
    """How these records differ from their schema, the worst first; [] with fewer than three records.

    `seen_before` names paths that records of a good day had: their absence counts like that of a
    required field. An optional field that was never known to be sent may be absent without a word,
    unless the mapping uses it.
    """
    if len(records) < MIN_RECORDS:
        return []
    declared = flatten_schema(record_schema)
    seen = _survey(records, declared)
    rows = mapping or MappingLogic()
    expected = {
        path: _comparable(shape)
        for path, shape in declared.items()
        if path in seen or shape.is_required or path in seen_before or _is_mapped(rows, side, path)
    }
    observed = {path: _shape(path, entry) for path, entry in seen.items()}
    renames = find_renames(expected, observed)
    moved = {rename.old: rename.new for rename in renames}
    items = [
        make_item(
            "field_renamed",
            side,
            rows,
            rename.old,
            new_path=rename.new,
            confidence=rename.confidence,
            detail=f"records have {rename.new} instead ({rename.reason})",
        )
        for rename in renames
    ]
    items += _absent(expected, seen, moved, rows, side, seen_before)
    taken = {translate(path, moved) for path in declared}
    for path, entry in seen.items():
        if path in declared:
            items += _value_changes(declared[path], entry, rows, side)
        elif path not in taken and not path.endswith("[]") and (not entry.parent or entry.parent in taken):
            items.append(
                make_item("field_added", side, rows, path, detail="is sent and not in the specification")
            )
    return sort_items(items)


def _is_mapped(mapping: MappingLogic, side: Side, path: str) -> bool:
    return bool(touched_rows(mapping, side, path))


def _absent(
    expected: Mapping[str, FieldShape],
    seen: Mapping[str, _Seen],
    moved: Mapping[str, str],
    mapping: MappingLogic,
    side: Side,
    seen_before: Collection[str],
) -> Iterable[DriftItem]:
    for path, shape in expected.items():
        if path in seen or path in moved or path.endswith("[]"):
            continue
        if shape.parent and shape.parent not in seen:
            continue
        is_owed = shape.is_required or path in seen_before
        item = make_item(
            "field_removed",
            side,
            mapping,
            path,
            confidence=0.95 if is_owed else 0.5,
            detail="is in none of the records looked at",
        )
        if not is_owed and item.severity == "breaking":
            # an optional field may be absent from a few records by chance
            item = item.evolve(severity="risky")
        yield item


def _value_changes(shape: FieldShape, entry: _Seen, mapping: MappingLogic, side: Side) -> Iterable[DriftItem]:
    values = sum(entry.types.values())
    allowed = shape.types | ({"integer"} if "number" in shape.types else set())
    foreign = Counter(
        {name: count for name, count in entry.types.items() if shape.types and name not in allowed}
    )
    nulls = foreign.pop("null", 0)
    wrong = sum(foreign.values())
    if values and wrong / values >= NOTICED_SHARE:
        detail = f"{_percent(wrong, values)} of its values are of type {_names(foreign)}, not {_names(shape.plain_types)}"
        change = FieldChange(kind="field_retyped", is_replaced=True)
        yield make_item("field_retyped", side, mapping, shape.path, detail=detail, change=change)
    if values and nulls / values >= NOTICED_SHARE:
        detail = f"{_percent(nulls, values)} of its values are null, which the specification does not allow"
        yield make_item("field_optional", side, mapping, shape.path, detail=detail)
    if shape.format in _SNIFFED and entry.texts:
        fitting = entry.formats[shape.format]
        if shape.format == "uri":
            fitting = entry.texts
        if (entry.texts - fitting) / entry.texts >= NOTICED_SHARE:
            detail = f"{_percent(entry.texts - fitting, entry.texts)} of its values are no {shape.format}"
            change = FieldChange(kind="format_changed", is_replaced=True)
            yield make_item("format_changed", side, mapping, shape.path, detail=detail, change=change)
    if entry.outside_enum:
        detail = (
            f"{_percent(entry.outside_enum, values)} of its values are not among those of the specification"
        )
        yield make_item("enum_grown", side, mapping, shape.path, detail=detail)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"


def _names(types: Iterable[str]) -> str:
    return " or ".join(sorted(types)) or "any"


def _comparable(shape: FieldShape) -> FieldShape:
    """The declared shape with only what can be seen in records as well."""
    return FieldShape(
        path=shape.path,
        parent=shape.parent,
        position=shape.position,
        types=shape.plain_types,
        format=shape.format if shape.format in _SNIFFED else None,
        is_required=shape.is_required,
    )


def _shape(path: str, entry: _Seen) -> FieldShape:
    common = entry.formats.most_common(1)
    is_uniform = bool(common) and common[0][1] >= 0.9 * max(entry.texts, 1)
    return FieldShape(
        path=path,
        parent=entry.parent,
        position=entry.position,
        types=frozenset(entry.types) - {"null"},
        format=common[0][0] if is_uniform else None,
        is_required=True,
    )


def _survey(records: Collection[JsonObject], declared: Mapping[str, FieldShape]) -> dict[str, _Seen]:
    seen: dict[str, _Seen] = {}
    enums = {
        path: {str(value) for value in shape.enum}
        for path, shape in declared.items()
        if shape.enum is not None
    }
    for record in records:
        _survey_object(record, "", seen, enums, 0)
    return seen


def _survey_object(
    node: Mapping[str, Any], path: str, seen: dict[str, _Seen], enums: Mapping[str, set[str]], depth: int
) -> None:
    if depth > MAX_DEPTH:
        return
    for position, (name, value) in enumerate(node.items()):
        child = f"{path}.{name}" if path else str(name)
        _survey_value(value, child, path, position, seen, enums, depth)


def _survey_value(
    value: Any,
    path: str,
    parent: str,
    position: int,
    seen: dict[str, _Seen],
    enums: Mapping[str, set[str]],
    depth: int,
) -> None:
    entry = seen.get(path)
    if entry is None:
        entry = seen[path] = _Seen(parent, position)
    entry.present += 1
    kind = json_type_of(value)
    entry.types[kind] += 1
    if kind == "string":
        entry.texts += 1
        sniffed = sniff_format(value)
        if sniffed:
            entry.formats[sniffed] += 1
    if (
        path in enums
        and value is not None
        and not isinstance(value, (dict, list))
        and str(value) not in enums[path]
    ):
        entry.outside_enum += 1
    if isinstance(value, dict):
        _survey_object(value, path, seen, enums, depth + 1)
    elif isinstance(value, list):
        for element in value[:50]:
            _survey_value(element, f"{path}[]", path, 0, seen, enums, depth + 1)


def json_type_of(value: Any) -> str:
    """The JSON type's name; whole numbers are `integer`, as in JSON Schema."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def sniff_format(text: str) -> str | None:
    """The format that a text has, of those that can be told apart by looking."""
    if _EMAIL.fullmatch(text):
        return "email"
    if _UUID.fullmatch(text):
        return "uuid"
    if _URI.fullmatch(text):
        return "uri"
    if len(text) >= 8 and text[:4].isdigit():
        try:
            if len(text) == 10:
                date.fromisoformat(text)
                return "date"
            datetime.fromisoformat(text)
        except ValueError:
            return None
        return "date-time" if len(text) > 10 else None
    return None
