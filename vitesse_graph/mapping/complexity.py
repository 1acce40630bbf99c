"""How involved a mapping is, 1 to 10."""

from __future__ import annotations

from vitesse_graph.state.mapping import MappingLogic

_EFFORT = {
    "direct": 0.0,
    "mapping": 0.25,
    "stringify": 0.5,
    "parse": 0.5,
    "parse_bool": 0.75,
    "collect": 1.0,
    "custom": 1.5,
}


def complexity_score(mapping: MappingLogic) -> float:
    """1 + 3 × effort + 3 × structure + 2 × doubt + 1 × open questions, at most 10, one decimal.

    effort: mean effort of the rows' transforms (direct 0 … custom 1.5), as a share of the most;
    structure: share of rows that join several fields or go through arrays on either side;
    doubt: 1 − mean confidence; open questions: required fields that nothing feeds, each counting
    a third, at most 1. Size adds up to 1: a hundred rows or more.
    """
    rows = mapping.transformations
    if not rows:
        return 1.0 + min(len(mapping.questions) / 3, 1.0)
    effort = sum(_EFFORT[r.transform_type] for r in rows) / len(rows) / max(_EFFORT.values())
    structured = sum(
        "[]" in r.dest_field or len(r.source_field) > 1
        if isinstance(r.source_field, list)
        else "[]" in r.dest_field or "[]" in r.source_field
        for r in rows
    )
    doubt = 1 - sum(r.confidence for r in rows) / len(rows)
    open_questions = min(sum(q.required for q in mapping.questions) / 3, 1.0)
    size = min(len(rows) / 100, 1.0)
    score = 1 + 3 * effort + 3 * structured / len(rows) + 2 * doubt + open_questions + size
    return round(min(score, 10.0), 1)
