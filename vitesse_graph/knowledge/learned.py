"""What finished integrations teach: which field fed which, and how it changed. Never a value.

Each row of a mapping that a person approved and the guardian passed becomes a pattern, weighted by
how its integrations fared. A row that fails loses weight twice as fast as success gave it; below
`FORGET_BELOW` it is forgotten, so a wrong pattern cannot stay.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import Field
from rapidfuzz.fuzz import token_set_ratio

from vitesse_graph.errors import UpstreamError
from vitesse_graph.knowledge.documents import Document
from vitesse_graph.knowledge.manager import KnowledgeDBManager
from vitesse_graph.knowledge.words import terms
from vitesse_graph.state.base import Model
from vitesse_graph.state.mapping import MappingLogic, Transformation

Outcome = Literal["success", "failure"]
FAILURE_WEIGHS = 2.0
FORGET_BELOW = 0.35
MIN_TRUST = 0.5
"""Patterns of less weight are kept on trial: counted, not offered."""
_SAFE_KEYS = frozenset(
    {
        *("on_null", "on_error", "empty", "combine", "reduce", "separator", "unique"),
        *("to", "decimals", "rounding", "decimal_separator", "thousands_separator", "invert"),
        *("function", "currency", "factor", "zone", "timezone", "format", "region", "part", "parts", "index"),
        *("max_length", "length", "limit", "unit", "side", "scale", "field"),
    }
)
"""Keys of a transform's configuration that say how a value changes. Everything else (tables of
values, constants, defaults, expressions) may hold a customer's data and is left behind."""


class LearnedPattern(Model):
    """One row's worth of experience. Paths only; `weight` 0..1 is the chance that it is right."""

    source_api: str = ""
    dest_api: str = ""
    source_resource: str = ""
    dest_resource: str = ""
    source_fields: list[str] = Field(default_factory=list)
    dest_field: str = ""
    transform_type: str = "direct"
    transform_config: dict[str, Any] = Field(default_factory=dict)
    is_complete: bool = True
    """False where parts of the transform's configuration were left behind: the pairing holds, the
    transform has to be worked out again."""
    successes: int = 0
    failures: int = 0
    weight: float = 0.5
    why: str = ""
    """Why it was offered: same pair, or similar names."""

    @property
    def key(self) -> str:
        """Same pair, same fields, same transform: one pattern."""
        sides = (self.source_api, self.source_resource, "+".join(sorted(self.source_fields)))
        other = (self.dest_api, self.dest_resource, self.dest_field, self.transform_type)
        return "learned:" + "|".join((*sides, *other)).casefold()


def weigh(successes: int, failures: int) -> float:
    """The rule of succession with failures counted double: 1 success 0.67, 1 failure 0.25."""
    return round((successes + 1) / (successes + FAILURE_WEIGHS * failures + 2), 4)


def _safe_config(config: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The parts of a configuration that hold no data, and whether that is all of it."""
    kept: dict[str, Any] = {}
    for key, value in config.items():
        if key == "params" and isinstance(value, dict):
            kept[key], complete = _safe_config(value)
            if not complete:
                return kept, False
        elif key in _SAFE_KEYS and isinstance(value, str | int | float | bool) and len(str(value)) <= 40:
            kept[key] = value
    return kept, len(kept) == len(config)


def patterns_of(
    mapping: MappingLogic,
    *,
    source_api: str,
    dest_api: str,
    source_resource: str = "",
    dest_resource: str = "",
) -> list[LearnedPattern]:
    """The rows of a mapping as patterns; constants (no source field) teach nothing that is not data."""
    found = []
    for row in mapping.transformations:
        fields = [row.source_field] if isinstance(row.source_field, str) else list(row.source_field)
        if fields and all(fields):
            config, is_complete = _safe_config(row.transform_config)
            found.append(
                LearnedPattern(
                    source_api=source_api,
                    dest_api=dest_api,
                    source_resource=source_resource,
                    dest_resource=dest_resource,
                    source_fields=fields,
                    dest_field=row.dest_field,
                    transform_type=row.transform_type,
                    transform_config=config,
                    is_complete=is_complete,
                )
            )
    return found


def _words(paths: Iterable[str]) -> str:
    return " ".join(word for path in paths for word in terms(re.sub(r"[.\[\]]+", " ", path)))


def _document(pattern: LearnedPattern) -> Document:
    source, dest = ", ".join(pattern.source_fields), pattern.dest_field
    return Document(
        key=pattern.key,
        kind="learned",
        title=f"{pattern.source_api} {source} to {pattern.dest_api} {dest}",
        text=f"{_words(pattern.source_fields)} feeds {_words([dest])} by {pattern.transform_type}.",
        source="a finished integration",
        meta={**pattern.dump(), "api": [pattern.source_api.casefold(), pattern.dest_api.casefold()]},
    )


def _alike(one: str, other: str) -> float:
    """How alike two paths are in their last words, 0..1."""
    tail_one, tail_other = _words([one.rsplit(".", 1)[-1]]), _words([other.rsplit(".", 1)[-1]])
    whole = token_set_ratio(_words([one]), _words([other])) / 100
    tails = token_set_ratio(tail_one, tail_other) / 100 if tail_one and tail_other else whole
    return 0.6 * tails + 0.4 * whole


class PatternMemory:
    """Learned patterns in the collection `mapping_patterns`. Writers of one process take turns."""

    def __init__(self, knowledge: KnowledgeDBManager) -> None:
        self._knowledge = knowledge
        self._turn = asyncio.Lock()

    async def record_outcome(self, patterns: Sequence[LearnedPattern], outcome: Outcome) -> int:
        """Counts an outcome for each pattern; returns how many are held afterwards.

        Success teaches; failure weakens what is known and forgets what is no longer credible. A
        failure of an unknown pattern is remembered as well, so that it is not offered soon.
        Raises UpstreamError when the store is away.
        """
        if not patterns:
            return 0
        async with self._turn:
            keys = [pattern.key for pattern in patterns]
            held = await self._knowledge.get("mapping_patterns", keys)
            keep, forget = [], []
            for pattern in patterns:
                old = held.get(pattern.key)
                known = LearnedPattern.model_validate(old.meta) if old is not None else pattern
                successes = known.successes + (outcome == "success")
                failures = known.failures + (outcome == "failure")
                weight = weigh(successes, failures)
                if weight < FORGET_BELOW and failures >= 2:
                    forget.append(pattern.key)
                    continue
                keep.append(_document(known.evolve(successes=successes, failures=failures, weight=weight)))
            await self._knowledge.add_documents("mapping_patterns", keep)
            await self._knowledge.delete("mapping_patterns", forget)
            return len(keep)

    async def learn(
        self,
        mapping: MappingLogic,
        outcome: Outcome = "success",
        *,
        source_api: str,
        dest_api: str,
        source_resource: str = "",
        dest_resource: str = "",
    ) -> int:
        """`record_outcome` for every row of a mapping."""
        rows = patterns_of(
            mapping,
            source_api=source_api,
            dest_api=dest_api,
            source_resource=source_resource,
            dest_resource=dest_resource,
        )
        return await self.record_outcome(rows, outcome)

    async def find_relevant_patterns(
        self,
        source_fields: Sequence[str],
        dest_fields: Sequence[str],
        *,
        source_api: str = "",
        dest_api: str = "",
        limit: int = 50,
    ) -> list[LearnedPattern]:
        """Trusted patterns whose fields exist on both sides, the weightiest first; [] when the store is away.

        The same pair of APIs counts fully; another pair counts by how alike the names are, and
        never above 0.8. At most one pattern per destination field and source.
        """
        offered: dict[tuple[str, str], LearnedPattern] = {}
        try:
            async for document in self._knowledge.documents("mapping_patterns", where={"kind": "learned"}):
                pattern = LearnedPattern.model_validate(document.meta)
                fitted = _fit(pattern, source_fields, dest_fields, source_api, dest_api)
                if fitted is None:
                    continue
                place = ("+".join(fitted.source_fields), fitted.dest_field)
                if place not in offered or fitted.weight > offered[place].weight:
                    offered[place] = fitted
        except UpstreamError:
            return []
        return sorted(offered.values(), key=lambda p: (-p.weight, p.dest_field))[:limit]


def _nearest(path: str, options: Sequence[str], *, exact_only: bool) -> tuple[str, float] | None:
    if path in options:
        return path, 1.0
    if exact_only or not options:
        return None
    score, best = max((_alike(path, option), option) for option in options)
    return (best, score) if score >= 0.9 else None


def _fit(
    pattern: LearnedPattern,
    source_fields: Sequence[str],
    dest_fields: Sequence[str],
    source_api: str,
    dest_api: str,
) -> LearnedPattern | None:
    """The pattern in the words of these two records, or None where it does not apply."""
    if pattern.weight < MIN_TRUST:
        return None
    same_pair = bool(source_api) and (
        (source_api.casefold(), dest_api.casefold())
        == (pattern.source_api.casefold(), pattern.dest_api.casefold())
    )
    dest = _nearest(pattern.dest_field, dest_fields, exact_only=same_pair)
    sources = [_nearest(path, source_fields, exact_only=same_pair) for path in pattern.source_fields]
    if dest is None or not all(sources):
        return None
    found = [hit for hit in sources if hit is not None]
    nearness = min([dest[1], *(score for _, score in found)])
    weight = pattern.weight if same_pair else min(0.8, pattern.weight * nearness)
    if weight < MIN_TRUST:
        return None
    times = f"{pattern.successes} of {pattern.successes + pattern.failures} integrations"
    why = (
        f"worked in {times} of the same pair"
        if same_pair
        else f"worked in {times} between {pattern.source_api} and {pattern.dest_api}"
    )
    return pattern.evolve(
        source_fields=[path for path, _ in found], dest_field=dest[0], weight=round(weight, 4), why=why
    )


def as_transformation(pattern: LearnedPattern) -> Transformation | None:
    """A row that `map` can take as a proposal of origin `pattern`; None where the pattern is not complete."""
    if not pattern.is_complete:
        return None
    fields: str | list[str] = (
        pattern.source_fields[0] if len(pattern.source_fields) == 1 else pattern.source_fields
    )
    return Transformation.model_validate(
        {
            "source_field": fields,
            "dest_field": pattern.dest_field,
            "transform_type": pattern.transform_type,
            "transform_config": pattern.transform_config,
            "confidence": pattern.weight,
            "reason": pattern.why,
            "origin": "pattern",
        }
    )


def improve(mapping: MappingLogic, patterns: Sequence[LearnedPattern]) -> MappingLogic:
    """A mapping with what experience knows better; pure.

    A pattern fills a destination field that is empty, replaces a row that is less sure than the
    pattern is, and confirms a row that agrees (its confidence rises to the pattern's weight). Rows
    of a person or a hint stay as they are. Patterns must come from `find_relevant_patterns` for
    these two records: their fields exist.
    """
    rows = {row.dest_field: row for row in mapping.transformations}
    for pattern in sorted(patterns, key=lambda p: p.weight):
        known = rows.get(pattern.dest_field)
        if known is not None and known.origin in {"person", "hint"}:
            continue
        fields = (
            [known.source_field]
            if known and isinstance(known.source_field, str)
            else known and known.source_field
        )
        if known is not None and fields == pattern.source_fields:
            rows[pattern.dest_field] = known.evolve(
                confidence=max(known.confidence, pattern.weight),
                reason=f"{known.reason}; {pattern.why}".strip("; "),
            )
            continue
        proposed = as_transformation(pattern)
        if proposed is not None and (known is None or known.confidence < pattern.weight):
            rows[pattern.dest_field] = proposed.evolve(required=known.required if known else False)
    filled = list(rows.values())
    used = {
        field
        for row in filled
        for field in ([row.source_field] if isinstance(row.source_field, str) else row.source_field)
    }
    return mapping.evolve(
        transformations=[row.dump() for row in filled],
        questions=[q.dump() for q in mapping.questions if not q.is_answered_by(rows)],
        unmapped_dest=[path for path in mapping.unmapped_dest if path not in rows],
        unmapped_source=[path for path in mapping.unmapped_source if path not in used],
        confidence=round(sum(row.confidence for row in filled) / len(filled), 4) if filled else 0.0,
    )
