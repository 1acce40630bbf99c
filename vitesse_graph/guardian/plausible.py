"""Values that keep the contract and are wrong all the same: what the fields' meanings give away.

Contracts often say no more than "a string". Names and descriptions say more: a field for emails
receives something without an @, a time lies in 1970, cents arrive where units are wanted. Such
things are findings; they do not lower the health score, since a name is weaker evidence than a
contract.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

from vitesse_graph.guardian.paths import every, plain
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.state.mapping import Finding, Transformation
from vitesse_graph.synthetic import Meaning, meaning_of
from vitesse_graph.synthetic.schemas import at_path, flatten, types_of

_KEPT = 40
_ENOUGH = 5
_PLAUSIBLE_SHARE = 0.4
_YEARS = (1985, 2100)
_FACTORS = {"minor_to_major": ("minor_amount", "amount"), "major_to_minor": ("amount", "minor_amount")}
_SCALING = frozenset(("scale", "sum", "count", "number_in_text"))


def _is_moment(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        seconds = value / 1000 if value > 10**11 else value
        return 473_385_600 <= seconds <= 4_102_444_800  # 1985 … 2100
    try:
        return _YEARS[0] <= datetime.fromisoformat(str(value)).year <= _YEARS[1]
    except ValueError:
        return bool(re.search(r"(19|20)\d\d", str(value)))


_CHECKS: dict[Meaning, Callable[[Any], bool]] = {
    "email": lambda value: bool(re.fullmatch(r"[^@\s]+@[^@\s]+", str(value))),
    "url": lambda value: bool(
        re.match(r"([a-z][a-z0-9+.-]*:)?//|www\.|/|[\w-]+(\.[\w-]+)+", str(value), re.IGNORECASE)
    ),
    "phone": lambda value: bool(re.fullmatch(r"[+(]?[\d\s().x#/+-]{4,}", str(value))),
    "currency": lambda value: bool(re.fullmatch(r"[A-Za-z]{3}", str(value))),
    "country_code": lambda value: bool(re.fullmatch(r"[A-Za-z]{2,3}", str(value))),
    "ipv4": lambda value: bool(re.fullmatch(r"[\d.]{7,15}|[0-9a-fA-F:]{3,}", str(value))),
    "moment": _is_moment,
    "day": _is_moment,
    "unix_seconds": _is_moment,
    "unix_milliseconds": _is_moment,
}
_WORDS: dict[Meaning, str] = {
    "email": "email addresses", "url": "web addresses", "phone": "phone numbers", "currency": "currency codes",
    "country_code": "country codes", "ipv4": "IP addresses", "moment": "plausible times", "day": "plausible days",
    "unix_seconds": "plausible times", "unix_milliseconds": "plausible times",
}  # fmt: skip


class Plausibility:
    """Looks at a few typical values of each destination field, and at units on both sides."""

    def __init__(
        self, rows: list[Transformation], source_schema: JsonSchema, dest_schema: JsonSchema
    ) -> None:
        self._rows = [row for row in rows if row.source_field != []]
        self._source, self._dest = source_schema, dest_schema
        self._meanings = {row.dest_field: _meaning_at(dest_schema, row.dest_field) for row in self._rows}
        self._checked = [row.dest_field for row in self._rows if self._meanings[row.dest_field] in _CHECKS]
        self._values: dict[str, list[Any]] = defaultdict(list)

    def look_at(self, body: Any) -> None:
        """Keeps the values of one typical record's body, up to forty for each field."""
        for path in self._checked:
            kept = self._values[path]
            if len(kept) < _KEPT:
                kept += [
                    value
                    for value in every(body, path)
                    if isinstance(value, str | int | float) and value != ""
                ]

    def findings(self, known: set[str]) -> list[Finding]:
        """What is not plausible; fields in `known` already have a finding."""
        found = []
        for row in self._rows:
            if plain(row.dest_field) in known:
                continue
            finding = self._by_value(row) or self._by_unit(row) or self._by_kind(row)
            if finding is not None:
                found.append(finding)
        return found

    def _by_value(self, row: Transformation) -> Finding | None:
        values = self._values.get(row.dest_field, [])
        meaning = self._meanings[row.dest_field]
        if meaning not in _CHECKS or len(values) < _ENOUGH:
            return None
        share = sum(map(_CHECKS[meaning], values)) / len(values)
        if share >= _PLAUSIBLE_SHARE:
            return None
        return Finding(
            kind="dest_rejects_value", dest_field=row.dest_field, source_field=_first(row), share=round(1 - share, 3),
            detail=f"{row.dest_field} wants {_WORDS[meaning]}, and most values are none", hint={"meaning": meaning},
        )  # fmt: skip

    def _by_unit(self, row: Transformation) -> Finding | None:
        source = _first(row)
        if source is None or isinstance(row.source_field, list):
            return None
        given, wanted = _meaning_at(self._source, source), self._meanings[row.dest_field]
        pair = (given, wanted)
        if not set(pair) <= {"minor_amount", "amount"}:
            return None
        function = row.transform_config.get("function")
        if (
            row.transform_config.get("steps")
            or row.transform_config.get("expression")
            or function in _SCALING
        ):
            return None
        expected = next((name for name, ends in _FACTORS.items() if ends == pair), None)
        if function == expected or (expected is None and function not in _FACTORS):
            return None
        words = {"minor_amount": "minor units (cents)", "amount": "whole units"}
        return Finding(
            kind="dest_rejects_value", dest_field=row.dest_field, source_field=source,
            detail=f"{source} holds {words[given]} and {row.dest_field} wants {words[wanted]}: the amounts are a "
            "hundred times off",
            hint={"unit": wanted},
        )  # fmt: skip

    def _by_kind(self, row: Transformation) -> Finding | None:
        """Money where a number of things is wanted, or the other way round: as numbers both keep the contract."""
        source = _first(row)
        if source is None or isinstance(row.source_field, list):
            return None
        config = row.transform_config
        if config.get("steps") or config.get("expression") or config.get("function") in _SCALING:
            return None
        given, wanted = _meaning_at(self._source, source), self._meanings[row.dest_field]
        if {given, wanted} not in ({"quantity", "amount"}, {"quantity", "minor_amount"}):
            return None
        words = {"quantity": "a number of things"}
        return Finding(
            kind="dest_rejects_value", dest_field=row.dest_field, source_field=source, hint={"meaning": wanted},
            detail=f"{source} holds {words.get(given, 'amounts of money')} and {row.dest_field} wants "
            f"{words.get(wanted, 'amounts of money')}",
        )  # fmt: skip


def _first(row: Transformation) -> str | None:
    if isinstance(row.source_field, str):
        return row.source_field
    return row.source_field[0] if row.source_field else None


def _meaning_at(schema: JsonSchema, path: str) -> Meaning:
    flat = flatten(at_path(schema, path.removesuffix("[]"), schema) or {}, schema)
    parts = path.replace("[]", "").split(".")
    if "object" in types_of(flat) or "enum" in flat:
        return "plain"
    return meaning_of(parts[-1], flat, parts[-2] if len(parts) > 1 else "")
