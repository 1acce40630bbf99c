"""What records in truth look like, against what the specification says, and against their own past. Pure.

A vendor may change its answers before, or without, changing its document. `observe_drift` compares
records with the schema; `profile_records` and `compare_profiles` compare records of today with
records of a good day, which finds what no schema can: values that still validate and are wrong.
Nothing here keeps or tells a record's value.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from statistics import median
from typing import Any

from pydantic import Field

from vitesse_graph.healing.impact import FieldChange, Side, touched_rows
from vitesse_graph.healing.renames import find_renames, translate
from vitesse_graph.healing.schema_diff import make_item, sort_items
from vitesse_graph.healing.shapes import MAX_DEPTH, FieldShape, flatten_schema
from vitesse_graph.state.base import Model
from vitesse_graph.state.health import DriftItem
from vitesse_graph.state.jsontypes import JsonObject, JsonSchema
from vitesse_graph.state.mapping import MappingLogic

MIN_RECORDS = 3
"""With fewer, that a field is absent says nothing."""
MIN_PROFILE_RECORDS = 20
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


class FieldProfile(Model):
    """How one field's values are spread, without any of the values.

    `scale` is the middle of log10 of the numbers' sizes (numbers in texts count), `length` that of
    the texts; `patterns` counts what texts are made of (`9-9`, `A@a.a`), the commonest few.
    """

    present: float = 0.0
    null: float = 0.0
    distinct: float = 0.0
    scale: float | None = None
    has_fractions: float = 0.0
    negative: float = 0.0
    length: float | None = None
    patterns: dict[str, float] = Field(default_factory=dict)


class RecordProfile(Model):
    """A good day's records in figures: small enough to be kept beside an integration."""

    records: int = 0
    fields: dict[str, FieldProfile] = Field(default_factory=dict)


class Shift(Model):
    """One field whose values changed in kind though each is still valid. `detail` names no value."""

    path: str
    kind: str
    detail: str


def profile_records(records: Collection[JsonObject]) -> RecordProfile:
    """The figures of these records; what lies inside arrays is left out."""
    values: dict[str, list[Any]] = {}
    for record in records:
        _gather(record, "", values, 0)
    count = len(records)
    return RecordProfile(
        records=count, fields={path: _profile(found, count) for path, found in values.items()}
    )


def _gather(node: Mapping[str, Any], path: str, values: dict[str, list[Any]], depth: int) -> None:
    for name, value in node.items():
        child = f"{path}.{name}" if path else str(name)
        if isinstance(value, dict) and depth < MAX_DEPTH:
            _gather(value, child, values, depth + 1)
        else:
            values.setdefault(child, []).append(value)


def _profile(values: list[Any], count: int) -> FieldProfile:
    real = [value for value in values if value is not None and value != "" and value != []]
    numbers = [number for number in map(_number, real) if number is not None]
    is_numeric = len(numbers) >= 0.9 * len(real) > 0
    texts = [value for value in real if isinstance(value, str)]
    sizes = [math.log10(abs(number)) for number in numbers if number]
    patterns = Counter(map(_pattern, texts))
    return FieldProfile(
        present=len(values) / count,
        null=(len(values) - len(real)) / len(values),
        distinct=len({str(value) for value in real}) / len(real) if real else 0.0,
        scale=median(sizes) if is_numeric and sizes else None,
        has_fractions=sum(1 for n in numbers if n % 1) / len(numbers) if is_numeric else 0.0,
        negative=sum(1 for n in numbers if n < 0) / len(numbers) if is_numeric else 0.0,
        length=median(map(len, texts)) if texts else None,
        patterns={key: seen / len(texts) for key, seen in patterns.most_common(8)} if texts else {},
    )


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, str) and len(value) <= 40:
        try:
            number = float(value)
        except ValueError:
            return None
        return number if math.isfinite(number) else None
    return None


def _pattern(text: str) -> str:
    """What a text is made of: digits 9, letters a, others as they are, runs once; at most 24 long."""
    kinds = "".join(
        "9" if c.isdigit() else "a" if c.isalpha() else " " if c.isspace() else c for c in text[:80]
    )
    return re.sub(r"(.)\1+", r"\1", kinds)[:24]


def compare_profiles(before: RecordProfile, now: RecordProfile) -> list[Shift]:
    """What changed in kind, field by field; [] when either has fewer than twenty records."""
    if min(before.records, now.records) < MIN_PROFILE_RECORDS:
        return []
    shifts = []
    for path, old in before.fields.items():
        new = now.fields.get(path)
        if new is not None:
            shifts += [Shift(path=path, kind=kind, detail=detail) for kind, detail in _shifts(old, new)]
    return shifts


def _shifts(old: FieldProfile, new: FieldProfile) -> Iterable[tuple[str, str]]:
    if new.null - old.null >= 0.3:
        yield "emptied", f"empty in {new.null:.0%} of the records, was {old.null:.0%}"
    if old.distinct >= 0.2 and new.distinct <= 0.02 and new.null < 1.0:
        yield "constant", "nearly all records have the same value"
    if old.scale is not None and new.scale is not None and abs(new.scale - old.scale) >= 0.85:
        yield (
            "rescaled",
            f"its numbers are {10 ** abs(new.scale - old.scale):.0f} times {'larger' if new.scale > old.scale else 'smaller'}",
        )
    if new.negative - old.negative >= 0.3:
        yield "sign", f"{new.negative:.0%} of its numbers are negative, were {old.negative:.0%}"
    if old.patterns and new.patterns:
        shared = sum(min(share, new.patterns.get(key, 0.0)) for key, share in old.patterns.items())
        known = min(sum(old.patterns.values()), sum(new.patterns.values()))
        # only where the texts had few forms: names and notes have as many forms as values
        if known >= 0.8 and shared <= 0.3:
            yield "reformatted", "its texts are written in another form"
