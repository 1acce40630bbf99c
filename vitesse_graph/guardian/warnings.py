"""Things that do not fail a run but that a person should know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vitesse_graph.guardian.calls import CallBook
from vitesse_graph.guardian.verdict import Rows, Tally
from vitesse_graph.state.mapping import MappingLogic

_SLOW_P95_MS = 2_000
_LOW_CONFIDENCE = 0.5
_NEAR_LIMIT = 0.2


def _never(key: str, made: int) -> str:
    if made:
        return f"{key} never succeeded ({made} calls)"
    return f"{key} was not tried: no record was there that it could be tried on"


def warnings_of(tally: Tally, book: CallBook, mapping: MappingLogic, planned: Sequence[str]) -> list[str]:
    """One line each: refused records, slow endpoints, rate limits met or near, operations that never worked,
    doubtful and empty fields."""
    found: list[str] = []
    outcomes = Counter((tally.outcome(trial), trial.profile == "adversarial") for trial in tally.trials)
    ordinary, odd = outcomes[("refused", False)], outcomes[("refused", True)]
    if ordinary:
        found.append(
            f"{ordinary} of {tally.ordinary} ordinary records were rightly refused: a value was missing or out of bounds"
        )
    if odd:
        found.append(f"{odd} adversarial records were refused, each with a stated reason")
    for stats in book.latency():
        if stats.p95_ms > _SLOW_P95_MS:
            found.append(f"{stats.endpoint} is slow: p95 {stats.p95_ms:.0f} ms")
    limited = sum(count for (_, kind), count in book.kinds.items() if kind == "rate_limit")
    if limited:
        found.append(f"{limited} calls met a rate limit")
    for side, left in book.headroom.items():
        if left <= _NEAR_LIMIT:
            name = "source" if side == "source" else "destination"
            found.append(f"the {name} was near its rate limit: {left:.0%} of it was left")
    found += [_never(key, book.by_endpoint[key]) for key in planned if key not in book.good_endpoints]
    for row in mapping.transformations:
        if row.confidence < _LOW_CONFIDENCE:
            found.append(f"{row.dest_field} is mapped with low confidence ({row.confidence:.2f})")
    for path, field in tally.fields.items():
        row_of = tally.rows.by_dest.get(path)
        if row_of is not None and tally.ordinary and not field.filled and Rows.sources(row_of):
            found.append(f"{row_of.dest_field} was empty in every record")
    return found
