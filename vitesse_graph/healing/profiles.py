"""How the values of records are spread, and whether that changed in kind. Pure.

What no schema can find: values that still validate and are wrong (cents for units, one value for
all, a field that is suddenly empty). A profile keeps figures only, never a value.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from statistics import median
from typing import Any

from pydantic import Field

from vitesse_graph.healing.shapes import MAX_DEPTH
from vitesse_graph.state.base import Model
from vitesse_graph.state.jsontypes import JsonObject

MIN_PROFILE_RECORDS = 20
_TENFOLD = 0.85
"""In powers of ten; a little under one, since samples differ."""
# A leading zero or plus sign makes a number of a text that is none: a postal code, a phone number.
_DECIMAL = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,9})?")


class FieldProfile(Model):
    """How one field's values are spread, without any of the values.

    `scale` is the middle of log10 of the numbers' sizes (numbers in texts count), `length` that of
    the texts; `patterns` counts what texts are made of (`9-9`, `A@a.a`), the commonest few.
    """

    present: float = 0.0
    null: float = 0.0
    distinct: float = 0.0
    scale: float | None = None
    spread: float = 0.0
    """How far apart the middle eight tenths of those sizes lie."""
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
        spread=_spread(sizes) if is_numeric and sizes else 0.0,
        has_fractions=sum(1 for n in numbers if n % 1) / len(numbers) if is_numeric else 0.0,
        negative=sum(1 for n in numbers if n < 0) / len(numbers) if is_numeric else 0.0,
        length=median(map(len, texts)) if texts else None,
        patterns={key: seen / len(texts) for key, seen in patterns.most_common(8)}
        if len(texts) >= 10
        else {},
    )


def _spread(sizes: list[float]) -> float:
    ordered = sorted(sizes)
    return ordered[int(0.9 * (len(ordered) - 1))] - ordered[int(0.1 * (len(ordered) - 1))]


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return float(value)
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
            shifts += [
                Shift(path=path, kind=kind, detail=detail) for kind, detail in _shifts(old, new, now.records)
            ]
    return shifts


def _shifts(old: FieldProfile, new: FieldProfile, records: int) -> Iterable[tuple[str, str]]:
    if new.null - old.null >= 0.3:
        yield "emptied", f"empty in {new.null:.0%} of the records, was {old.null:.0%}"
    if old.distinct >= 0.2 and new.distinct <= max(0.02, 1.5 / records) and new.null < 1.0:
        yield "constant", "nearly all records have the same value"
    if old.scale is not None and new.scale is not None:
        moved = abs(new.scale - old.scale)
        if moved >= max(_TENFOLD, 0.6 * old.spread + 0.3):
            direction = "larger" if new.scale > old.scale else "smaller"
            yield "rescaled", f"its numbers are {10**moved:.0f} times {direction}"
    if new.negative - old.negative >= 0.3:
        yield "sign", f"{new.negative:.0%} of its numbers are negative, were {old.negative:.0%}"
    if old.patterns and new.patterns and old.scale is None:
        shared = sum(min(share, new.patterns.get(key, 0.0)) for key, share in old.patterns.items())
        known = min(sum(old.patterns.values()), sum(new.patterns.values()))
        # only where the texts had few forms: names and notes have as many forms as values
        if known >= 0.8 and shared <= 0.3:
            yield "reformatted", "its texts are written in another form"
