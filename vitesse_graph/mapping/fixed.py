"""Rows with a fixed value, for what is still empty once the sources are given out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitesse_graph.mapping.constants import Beside, constant_for, kind_in_intent, one_of_a_line, type_beside
from vitesse_graph.mapping.edit import sources_of
from vitesse_graph.state.mapping import Transformation

if TYPE_CHECKING:
    from vitesse_graph.mapping.engine import Draft

GUESSED = 0.7
"""A fixed value of less confidence is taken, and asked about."""


def add_constants(draft: Draft, intent: str) -> None:
    """Fixed values for what is still empty and has only one sensible value."""
    filled = set(draft.rows)
    beside = _filled_beside(draft)
    for target, term in zip(draft.dest.fields, draft.dest.terms, strict=True):
        if target.path in filled:
            continue
        found = constant_for(target, intent)
        if found is not None and not (target.required or _has_company(target.parent, filled)):
            continue
        neighbours = beside.get(target.parent, [])
        if found is None or found[2] < GUESSED:
            found = type_beside(target, term, neighbours) or found
        if found is None and neighbours:
            found = kind_in_intent(target, term, intent) or one_of_a_line(target, term, neighbours)
        if found is None:
            continue
        value, why, confidence = found
        draft.rows[target.path] = Transformation(
            source_field=[],
            dest_field=target.path,
            transform_type="custom",
            transform_config={"function": "constant", "params": {"value": value}},
            confidence=confidence,
            reason=why,
            required=target.required,
        )


def _filled_beside(draft: Draft) -> dict[str, list[Beside]]:
    """Object → the terms of its filled fields and of what fills them."""
    found: dict[str, list[Beside]] = {}
    for path, row in draft.rows.items():
        at = draft.dest.by_path.get(path)
        sources = [draft.source.by_path[s] for s in sources_of(row) if s in draft.source.by_path]
        if at is not None and sources:
            source = draft.source.fields[sources[-1]]
            told = (draft.dest.terms[at], draft.source.terms[sources[-1]], source.place.description)
            found.setdefault(draft.dest.fields[at].parent, []).append(told)
    return found


def _has_company(parent: str, filled: set[str]) -> bool:
    """Whether anything in the same object, or below it, is filled."""
    return not parent or any(path.startswith((parent + ".", parent + "[")) for path in filled)
