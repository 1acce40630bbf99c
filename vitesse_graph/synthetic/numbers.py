"""Generators for numbers: plausible for the field's meaning, inside its bounds, then the edges."""

from __future__ import annotations

import math
import re
from typing import Any

from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.synthetic.draw import NOW, Draw, Generate, Profile
from vitesse_graph.synthetic.meaning import Meaning, meaning_of, words

# Meaning → (lowest, highest, decimals) of typical values.
_RANGES: dict[Meaning, tuple[float, float, int]] = {
    "id": (100_000, 999_999_999, 0),
    "minor_amount": (100, 250_000, 0),
    "amount": (1, 2_500, 2),
    "percent": (0, 30, 1),
    "quantity": (1, 40, 0),
    "latitude": (-60, 60, 6),
    "longitude": (-170, 170, 6),
    "age": (18, 80, 0),
    "year": (2010, 2026, 0),
}
_PLAIN = (0.0, 1_000.0, 2)
# What names say beyond that; the first that fits.
_NAMED: tuple[tuple[re.Pattern[str], tuple[float, float, int]], ...] = (
    (re.compile(r"(^|_)(bytes|file_?size|size|space(_used|_amount)?)(_|$)"), (1_000, 50_000_000, 0)),
    (re.compile(r"(^|_)(error_|status_)?code$"), (100, 9_999, 0)),
    (re.compile(r"(^|_)(number|no|sequence|position|index|rank|order)$"), (1, 5_000, 0)),
    (re.compile(r"(^|_)(version|revision|priority|level|attempt|attempts)$"), (1, 12, 0)),
    (re.compile(r"(^|_)(days|weeks|months)(_|$)"), (1, 60, 0)),
    (re.compile(r"(^|_)(rating|score|stars)$"), (1, 5, 1)),
    (re.compile(r"(^|_)(weight|height|width|depth|length)$"), (1, 120, 1)),
)
# Numbers of things and places in an order: never below zero, whatever the contract forgot to say.
_COUNTED = re.compile(
    r"count|number|(^|_)(num|no|times|total|size|bytes|length|version|revision|position|index|rank|order|days|weeks|"
    r"months|years|hours|minutes|seconds|duration|level|priority|attempts?|retries|limit|page|code|width|height|depth|"
    r"weight|age|capacity|rating|score|stars|port|segments?)(_|$)"
)


def number_generator(name: str, parent: str, schema: JsonSchema, whole: bool, profile: Profile) -> Generate:
    """The generator of one integer (`whole`) or number field."""
    low, high = bounds(schema, whole)
    step = schema.get("multipleOf")
    step = step if isinstance(step, int | float) and step > 0 else None
    meaning = meaning_of(name, schema, parent)
    usual = _moment(meaning, name) if low is None and high is None and step is None else None
    if usual is None:
        usual = _between(*_span(meaning, name, low, high), whole=whole, step=step)
    if profile == "typical":
        return usual
    extremes = _extremes(meaning, name, low, high, whole, step, profile)
    if not extremes:
        return usual
    count, typical = len(extremes), usual

    def generate(draw: Draw) -> Any:
        if draw.random() < 0.3:
            return extremes[int(draw.random() * count)]
        return typical(draw)

    return generate


def bounds(schema: JsonSchema, whole: bool) -> tuple[float | None, float | None]:
    """(lowest, highest) allowed value, exclusive bounds moved inside; None where there is no bound."""
    nudge = 1 if whole else 0.01
    low, high = _number(schema.get("minimum")), _number(schema.get("maximum"))
    above, below = _number(schema.get("exclusiveMinimum")), _number(schema.get("exclusiveMaximum"))
    if above is not None:
        low = above + nudge if low is None else max(low, above + nudge)
    if below is not None:
        high = below - nudge if high is None else min(high, below - nudge)
    if whole:
        low = math.ceil(low) if low is not None else None
        high = math.floor(high) if high is not None else None
    return low, high


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _moment(meaning: Meaning, name: str) -> Generate | None:
    if meaning not in ("unix_seconds", "unix_milliseconds"):
        return None
    factor = 1000 if meaning == "unix_milliseconds" else 1
    later = any(word in words(name) for word in ("updat", "modif", "last", "end", "expir", "due"))

    def generate(draw: Draw) -> int:
        return (draw.created + (int(draw.random() * (NOW - draw.created)) if later else 0)) * factor

    return generate


def _span(meaning: Meaning, name: str, low: float | None, high: float | None) -> tuple[float, float, int]:
    """A typical range that lies within the bounds."""
    plain = words(name)
    said = next((span for pattern, span in _NAMED if pattern.search(plain)), None)
    if meaning not in ("plain", "quantity", "id"):
        said = None
    lowest, highest, decimals = said or _RANGES.get(meaning, _PLAIN)
    if meaning in ("unix_seconds", "unix_milliseconds"):
        lowest, highest, decimals = NOW - 86_400 * 700, NOW, 0
    if low is not None and (lowest < low or lowest > (high if high is not None else lowest)):
        lowest = low
    if high is not None and highest > high:
        highest = high
    if low is None and lowest > highest:
        lowest = highest - 100
    if highest < lowest:
        highest = lowest + 100 if high is None else max(high, lowest)
    return lowest, highest, decimals


def _between(lowest: float, highest: float, decimals: int, *, whole: bool, step: float | None) -> Generate:
    width = highest - lowest
    if step is not None:
        first = math.ceil(lowest / step)
        count = max(1, math.floor(highest / step) - first + 1)
        if whole and float(step).is_integer():
            return lambda draw: int((first + int(draw.random() * count)) * step)
        places = max(0, -math.floor(math.log10(step))) + 1
        return lambda draw: round((first + int(draw.random() * count)) * step, places)
    # A number that counts is whole, unless its bounds lie between two whole ones.
    if whole or (decimals == 0 and float(lowest).is_integer() and width >= 1):
        base, span = int(lowest), int(width) + 1
        return lambda draw: base + int(draw.random() * span)
    return lambda draw: round(lowest + draw.random() * width, decimals or 2)


def _extremes(
    meaning: Meaning,
    name: str,
    low: float | None,
    high: float | None,
    whole: bool,
    step: float | None,
    profile: Profile,
) -> list[float]:
    if profile == "boundary" and meaning in ("id", "unix_seconds", "unix_milliseconds"):
        return []  # a boundary record stays a plausible one: nothing happened in 1970
    wanted: list[float] = []
    if low is not None:
        wanted.append(low)
    if high is not None:
        wanted.append(high)
    wanted += [0, 1] if whole else [0, 0.01, 1]
    may_be_below = meaning not in ("unix_seconds", "unix_milliseconds", "id", "age", "year", "quantity")
    if profile == "boundary" and meaning not in ("amount", "minor_amount") and _COUNTED.search(words(name)):
        may_be_below = False
    if low is None and may_be_below:
        wanted += [-1, -1_999] if whole else [-0.01, -19.99]
    if profile == "adversarial":
        wanted += [2**31 - 1, 2**53 - 1, -(2**31)] if whole else [1e-9, 1e15, 0.1 + 0.2]
    return [
        value
        for value in dict.fromkeys(wanted)
        if (low is None or value >= low)
        and (high is None or value <= high)
        and (step is None or math.isclose(value / step, round(value / step), abs_tol=1e-9))
    ]
