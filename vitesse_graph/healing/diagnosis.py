"""From a report, the drift and a few probes to a named cause, its evidence and what to do. Pure.

The clues are gathered (`clues`), added up by cause and side, and what one cause explains is taken
from the others: an API that is away also times out. What remains strong beside the main cause is
told in `detail["also"]`, since two things can break at once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from vitesse_graph.healing.clues import (
    WITNESSES,
    Clue,
    ClueSide,
    Facts,
    drift_clues,
    gather_readings,
    probe_clues,
)
from vitesse_graph.healing.findings import findings_of
from vitesse_graph.healing.impact import Side
from vitesse_graph.healing.probes import Probe
from vitesse_graph.healing.profiles import Shift
from vitesse_graph.healing.reading import Conclusion, reading_clues
from vitesse_graph.state.definition import RuntimeStatus
from vitesse_graph.state.health import Diagnosis, DriftItem, HealStrategy, HealthReport, RootCause
from vitesse_graph.state.mapping import MappingLogic

MIN_CONFIDENCE = 0.4
"""Under it the cause is `unknown`: a person sees the evidence."""
ALSO_CONFIDENCE = 0.6

# In order of likelihood of success and cost; what stands last is a person.
STRATEGIES: dict[RootCause, tuple[HealStrategy, ...]] = {
    "auth_expired": ("refresh_auth", "ask_a_person"),
    "permission_lost": ("ask_a_person",),
    "source_schema_changed": ("refresh_schema", "remap_fields", "ask_a_person"),
    "dest_schema_changed": ("refresh_schema", "remap_fields", "ask_a_person"),
    "endpoint_moved": ("switch_endpoint", "refresh_schema", "ask_a_person"),
    "base_url_changed": ("switch_endpoint", "refresh_schema", "ask_a_person"),
    "rate_limit_lowered": ("throttle", "wait_and_retry", "ask_a_person"),
    "outage": ("wait_and_retry", "ask_a_person"),
    "slow": ("throttle", "wait_and_retry", "ask_a_person"),
    "data_quality": ("ask_a_person",),
    "own_fault": ("wait_and_retry", "ask_a_person"),
    "unknown": ("wait_and_retry", "ask_a_person"),
}
# What is away or closed cannot be judged further, so it is told first when two causes are as strong.
_ORDER: tuple[RootCause, ...] = (
    "own_fault",
    "base_url_changed",
    "endpoint_moved",
    "auth_expired",
    "permission_lost",
    "outage",
    "rate_limit_lowered",
    "source_schema_changed",
    "dest_schema_changed",
    "slow",
    "data_quality",
    "unknown",
)
# A cause (row) that stands makes these weaker on the same side: it explains them.
_EXPLAINS: dict[RootCause, tuple[RootCause, ...]] = {
    "outage": ("slow", "rate_limit_lowered", "base_url_changed", "dest_schema_changed", "endpoint_moved"),
    "base_url_changed": ("outage", "slow", "endpoint_moved", "source_schema_changed", "dest_schema_changed"),
    "endpoint_moved": ("outage", "source_schema_changed", "dest_schema_changed", "data_quality"),
    "auth_expired": ("permission_lost", "source_schema_changed", "dest_schema_changed", "endpoint_moved"),
    "permission_lost": ("auth_expired", "endpoint_moved", "source_schema_changed", "dest_schema_changed"),
    "rate_limit_lowered": ("outage", "slow"),
    "slow": ("outage", "rate_limit_lowered"),
    "source_schema_changed": ("data_quality", "dest_schema_changed"),
    "dest_schema_changed": ("data_quality",),
}
_BY_PROOF: frozenset[RootCause] = frozenset({"source_schema_changed", "dest_schema_changed"})


def diagnose(
    report: HealthReport,
    *,
    drift: Sequence[DriftItem] = (),
    probes: Sequence[Probe] = (),
    history: Sequence[RuntimeStatus] = (),
    shifts: Sequence[Shift] = (),
    mapping: MappingLogic | None = None,
    names: dict[str, Side] | None = None,
    conclusion: Conclusion | None = None,
) -> Diagnosis:
    """The most likely cause, and the strategies that follow from it, best first.

    `drift` is the comparison of the specifications (the report's own is used as well); `history`
    earlier statuses of a healthy runtime, oldest first, for what is usual; `shifts` changes in kind
    of the records' values. `names` maps API names to sides, `mapping` gives the fields that errors
    may name; both only sharpen the reading of error texts. `conclusion` is what a language model read:
    it counts where a probe saw the same.
    """
    all_drift = list({item.model_dump_json(): item for item in (*report.drift, *drift)}.values())
    fields = [row.dest_field for row in mapping.transformations] if mapping else []
    facts = Facts(
        report=report,
        drift=all_drift,
        probes=probes,
        history=history,
        shifts=shifts,
        readings=gather_readings(report, names or {}, fields),
    )
    clues = [clue for witness in WITNESSES for clue in witness(facts)]
    # what was read back was asked of the live API, as probes are
    read_back = [item for item in all_drift if item.kind == "field_ignored"]
    seen = [*probe_clues(facts), *drift_clues(replace(facts, drift=read_back))]
    agreeing = reading_clues(conclusion, seen)
    clues += agreeing
    cases = _explained(_cases(clues), clues)
    ranked = sorted(cases.items(), key=lambda case: (-round(case[1], 1), _ORDER.index(case[0][0]), -case[1]))
    observed = [*all_drift, *(item for probe in probes for item in probe.drift)]
    findings = findings_of(observed, mapping) if mapping else []
    if not ranked or ranked[0][1] < MIN_CONFIDENCE:
        evidence = [clue.text for clue in clues] or ["nothing is wrong that can be seen from here"]
        return Diagnosis(
            cause="unknown",
            evidence=list(dict.fromkeys(evidence)),
            strategies=list(STRATEGIES["unknown"]),
            findings=findings,
        )
    (cause, side), confidence = ranked[0]
    also = [case for case in ranked[1:] if case[1] >= ALSO_CONFIDENCE and case[0][0] != cause]
    return Diagnosis(
        cause=cause,
        side=side,
        confidence=round(confidence, 2),
        evidence=_evidence(clues, cause, side),
        strategies=_strategies(cause, [other for (other, _), _ in also]),
        findings=findings,
        detail={
            **_detail(clues, cause, side, probes),
            **({"also": [_also(case) for case in also]} if also else {}),
            **({"reading_counts": True} if agreeing else {}),
        },
    )


Case = tuple[RootCause, ClueSide]


def _cases(clues: Collection[Clue]) -> dict[Case, float]:
    """The strength of each cause on each side; clues that name no side join the stronger one."""
    cases: dict[Case, list[float]] = {}
    for clue in clues:
        if clue.side != "both":
            cases.setdefault((clue.cause, clue.side), []).append(clue.weight)
    for clue in clues:
        if clue.side == "both":
            known = [case for case in cases if case[0] == clue.cause]
            for case in known or [(clue.cause, clue.side)]:
                cases.setdefault(case, []).append(clue.weight)
    # The tenth sign of one kind adds nothing: the best four are heard.
    return {
        case: 1 - prod(1 - weight for weight in sorted(weights, reverse=True)[:4])
        for case, weights in cases.items()
    }


def _explained(cases: dict[Case, float], clues: Collection[Clue]) -> dict[Case, float]:
    """The cases with what a stronger one explains taken down; what is proven by drift stands."""
    proven = {(clue.cause, clue.side) for clue in clues if clue.cause in _BY_PROOF and clue.weight >= 0.7}
    left = dict(cases)
    for (cause, side), strength in sorted(cases.items(), key=lambda case: -case[1]):
        if left[(cause, side)] < strength:
            continue
        for other in _EXPLAINS.get(cause, ()):
            for case in [(other, side), (other, "both"), (other, "dest")]:
                is_same_side = case[1] in (side, "both") or (cause, other) == (
                    "source_schema_changed",
                    "dest_schema_changed",
                )
                if case in left and case not in proven and is_same_side and cases[case] <= strength:
                    left[case] = cases[case] * (1 - 0.8 * strength)
    return left


def _evidence(clues: Collection[Clue], cause: RootCause, side: ClueSide) -> list[str]:
    own = [clue for clue in clues if clue.cause == cause and clue.side in (side, "both")]
    own.sort(key=lambda clue: -clue.weight)
    return list(dict.fromkeys(clue.text for clue in own))[:8]


def _strategies(cause: RootCause, also: Collection[RootCause]) -> list[HealStrategy]:
    """Those of the cause, then those of what else is wrong; a person last. What is away is waited for:
    nothing else is tried while an outage lasts."""
    if cause == "outage":
        return list(STRATEGIES["outage"])
    merged = [strategy for one in (cause, *also) if one != "outage" for strategy in STRATEGIES[one]]
    tried = [strategy for strategy in dict.fromkeys(merged) if strategy != "ask_a_person"]
    return [*tried, "ask_a_person"]


def _detail(
    clues: Collection[Clue], cause: RootCause, side: ClueSide, probes: Collection[Probe]
) -> dict[str, Any]:
    detail: dict[str, Any] = {}
    for clue in sorted(clues, key=lambda clue: clue.weight):
        if clue.cause == cause and clue.side == side:
            detail.update({name: value for name, value in clue.detail.items() if value is not None})
    waits = [
        probe.retry_after_seconds for probe in probes if probe.side == side and probe.retry_after_seconds
    ]
    if waits:
        detail["retry_after_seconds"] = max(waits)
    return detail


def _also(case: tuple[Case, float]) -> dict[str, Any]:
    (cause, side), confidence = case
    return {"cause": cause, "side": side, "confidence": round(confidence, 2)}
