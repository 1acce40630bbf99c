"""Units in which fields count: read from the name (`weight_kg`) or the description (`in minutes`)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from vitesse_graph.mapping.conversion import Conversion, End, custom
from vitesse_graph.mapping.schema import Field
from vitesse_graph.mapping.words import split_words

_UNITS: dict[str, tuple[str, Decimal]] = {}
"""Spelling → (what it measures, how many of the smallest unit it holds)."""


def _define(measure: str, **units: tuple[str, str]) -> None:
    for factor, spellings in units.values():
        for spelling in spellings.split():
            _UNITS[spelling] = (measure, Decimal(factor))


_define(
    "duration",
    ms=("1", "ms millis millisecond milliseconds msec"),
    second=("1000", "second seconds sec secs"),
    minute=("60000", "minute minutes min mins"),
    hour=("3600000", "hour hours hr hrs"),
    day=("86400000", "day days"),
)
_define(
    "weight",
    milligram=("1", "mg milligram milligrams"),
    gram=("1000", "gram grams gm gms"),
    kilogram=("1000000", "kg kgs kilogram kilograms kilo kilos"),
    ounce=("28349.523125", "oz ounce ounces"),
    pound=("453592.37", "lb lbs pound pounds"),
)
_define(
    "length",
    millimetre=("1", "mm mms millimeter millimeters millimetre millimetres"),
    centimetre=("10", "cm cms centimeter centimeters centimetre centimetres"),
    inch=("25.4", "inch inches"),
    foot=("304.8", "ft foot feet"),
    metre=("1000", "meter meters metre metres"),
    kilometre=("1000000", "km kms kilometer kilometers kilometre kilometres"),
    mile=("1609344", "mile miles mi"),
)
_define("share", basis_point=("1", "bps"), percent=("100", "percent percentage pct"))
_FRACTION = re.compile(
    r"fraction|between 0(?:\.0)? and 1(?:\.0)?\b|\b0\.\d+\s*(?:=|means|is|for)\s*\d+ ?%|e\.g\.,? 0\.\d", re.I
)
_MEASURES = {
    "share": frozenset(("tax_rate", "discount_rate", "probability", "percent", "rate", "share")),
    "duration": frozenset(("duration", "estimate", "time", "length", "delay", "timeout", "lead_time")),
    "weight": frozenset(("weight",)),
    "length": frozenset(
        (
            "width",
            "height",
            "length",
            "depth",
            "distance",
            "odometer",
            "mileage",
            "diameter",
            "size",
            "radius",
        )
    ),
}
_MEASURED = frozenset().union(*_MEASURES.values())
_SAID = re.compile(r"\b(?:in|as|of|unit:?|units:?|\()\s*(?:the number of |whole |total )?([a-z]+)\b", re.I)


def unit_of(f: Field) -> tuple[str, Decimal] | None:
    """What the field measures and in which unit; None where nothing says so, or two things do."""
    if f.type not in ("integer", "number", "string") or f.place.format in ("date", "date-time"):
        return None
    if _FRACTION.search(f.place.description) or f.place.constraints.get("maximum") == 1:
        return ("share", Decimal(10000))
    words = split_words(f.leaf)
    named = {_UNITS[word] for word in words[-2:] if word in _UNITS and (len(words) > 1 or len(word) > 3)}
    if len(named) == 1:
        return named.pop()
    said = {_UNITS[w.lower()] for w in _SAID.findall(f.place.description[:200]) if w.lower() in _UNITS}
    return said.pop() if len(said) == 1 else None


def measures(source: End, dest: End) -> Conversion | None:
    """The same measure in another unit."""
    notions = {source.term.notion, dest.term.notion}
    if not notions & _MEASURED:
        return None
    here, there = unit_of(source.field), unit_of(dest.field)
    if here is None or there is None or here == there or here[0] != there[0]:
        return None
    if not notions & _MEASURES[here[0]]:
        return None
    factor = here[1] / there[1]
    # A whole factor or a divisor, so that 90 minutes are 1.5 hours and no thousandth less.
    params: dict[str, Any] = {"factor": str(here[1])}
    if there[1] != 1:
        params["divisor"] = str(there[1])
    if dest.field.type == "integer":
        params["decimals"] = 0
    return custom("scale", f"the same {here[0]} in another unit (× {format(factor, '.6g')})", **params)
