"""Conversions that lose something, seen in the values: what was cut, rounded, left out or made the same.

A loss is no failure, and often what a person wants; it is told so that nobody finds out later.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from vitesse_graph.guardian.paths import every, plain
from vitesse_graph.state.mapping import Finding, Transformation

_LOOKS = 30
_ENOUGH = 5
_LEAST_SHARE = 0.05
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ](?!00:00(:00)?(\.0+)?(Z|[+-]00:?00)?$)\d\d:\d\d")
_DAY = re.compile(r"\d{4}-\d\d-\d\d$")


@dataclass(slots=True)
class _Seen:
    values: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    pairs: dict[str, set[str]] = field(default_factory=dict)
    """Destination values with the different source values that became each."""


class Losses:
    """Looks at the first typical records; one finding (kind `lossy`) for each row that loses something."""

    def __init__(self, rows: list[Transformation]) -> None:
        used = Counter(
            source
            for row in rows
            for source in ([row.source_field] if isinstance(row.source_field, str) else row.source_field)
        )
        # What one row leaves of a source field (the first word of a name) another may take.
        self._rows = [
            row for row in rows if isinstance(row.source_field, str) and used[row.source_field] == 1
        ]
        self._seen = {row.dest_field: _Seen() for row in self._rows}
        self._left = _LOOKS

    def look_at(self, record: Any, body: Any) -> None:
        """One typical record and what became of it."""
        if not self._left:
            return
        self._left -= 1
        for row in self._rows:
            given = [value for value in every(record, str(row.source_field)) if value not in (None, "", [])]
            made = [value for value in every(body, row.dest_field) if value not in (None, "", [])]
            if given and made:
                self._note(self._seen[row.dest_field], given, made)

    @staticmethod
    def _note(seen: _Seen, given: list[Any], made: list[Any]) -> None:
        seen.values += 1
        what = _loss(given, made)
        if what is not None:
            seen.lost[what] = seen.lost.get(what, 0) + 1
        if len(given) == len(made) == 1 and not isinstance(given[0], dict | list):
            seen.pairs.setdefault(repr(made[0]), set()).add(repr(given[0]))

    def findings(self, known: set[str]) -> list[Finding]:
        """The losses; fields in `known` already have a graver finding."""
        found = []
        for row in self._rows:
            seen = self._seen[row.dest_field]
            if plain(row.dest_field) in known or seen.values < _ENOUGH:
                continue
            finding = self._cut(row, seen) or self._merged(row, seen)
            if finding is not None:
                found.append(finding)
        return found

    @staticmethod
    def _cut(row: Transformation, seen: _Seen) -> Finding | None:
        what, count = max(seen.lost.items(), key=lambda pair: pair[1], default=("", 0))
        share = count / seen.values
        if share < _LEAST_SHARE:
            return None
        return Finding(
            kind="lossy", dest_field=row.dest_field, source_field=str(row.source_field), share=round(share, 3),
            detail=f"{row.dest_field}: {what} in {share:.0%} of the values", hint={"loss": what},
        )  # fmt: skip

    @staticmethod
    def _merged(row: Transformation, seen: _Seen) -> Finding | None:
        given = {value for values in seen.pairs.values() for value in values}
        merged = sum(len(values) for values in seen.pairs.values() if len(values) > 1)
        if len(given) < 2 or not merged:
            return None
        return Finding(
            kind="lossy", dest_field=row.dest_field, source_field=str(row.source_field),
            share=round(merged / len(given), 3), hint={"loss": "different values become the same"},
            detail=f"{row.dest_field}: {len(given)} different values become {len(seen.pairs)}",
        )  # fmt: skip


def _loss(given: list[Any], made: list[Any]) -> str | None:
    """What was lost between the values of one field; None when nothing is seen to be."""
    if len(given) > len(made) and made[0] in given:
        return "only some of the elements are kept"
    before, after = given[0], made[0]
    if isinstance(before, bool) or isinstance(after, bool):
        return None
    if isinstance(before, float | int) and isinstance(after, float | int):
        is_rounded = before != after and abs(before - after) < 1 and not math.isclose(before, after)
        return "digits are rounded away" if is_rounded else None
    if not isinstance(before, str) or not isinstance(after, str):
        return None
    if _DAY.match(after):
        return "the time of day is dropped" if _TIME.match(before) else None
    if len(after) < len(before) and len(after) > 3 and before.startswith(after.rstrip("….")):
        return "the text is cut short"
    return None
