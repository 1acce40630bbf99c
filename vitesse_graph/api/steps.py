"""The REST steps as a table: which gate each answers, and what running it anew makes invalid. Pure.

A step may be called as soon as its gate has been reached, and again at any time after. Called again,
the thread goes back to that gate: a new checkpoint in which everything the step and those after it
had made is taken out. The history keeps it all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vitesse_graph.errors import ConflictError
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.state.review import GateName, ReviewRecord
from vitesse_graph.state.whiteboard import SharedWhiteboardState, Status, now_iso

PREFIX = "/api/v1/vitesse"

ORDER = (
    "discovery", "review_discovery", "ingest", "review_ingest", "map", "review_map",
    "guardian", "review_guardian", "deploy", "end",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Step:
    """`name` as the address has it; `gate` it answers; `after`: the node whose work the gate shows."""

    name: str
    gate: GateName
    after: str
    status_before: Status


STEPS: dict[str, Step] = {
    step.name: step
    for step in (
        Step(name="ingest", gate="review_discovery", after="discovery", status_before="discovering"),
        Step(name="map", gate="review_ingest", after="ingest", status_before="mapping"),
        Step(name="test", gate="review_map", after="map", status_before="testing"),
        Step(name="deploy", gate="review_guardian", after="guardian", status_before="deploying"),
    )
}
OF_GATE: dict[str, str] = {step.gate: step.name for step in STEPS.values()}
OF_NODE: dict[str, str] = {
    "discovery": "resume",
    "ingest": "ingest",
    "map": "map",
    "guardian": "test",
    "deploy": "deploy",
    "heal": "heal",
}
"""By which call a step that failed is tried again."""


def place_of(state: SharedWhiteboardState, waiting: str | None) -> int:
    """How far the thread has come, as an index of `ORDER`."""
    if waiting is not None:
        return ORDER.index(waiting)
    if state.status == "active" or state.next_step == "heal":
        return ORDER.index("end")
    at = state.next_step or "discovery"
    if at == "ingest" and state.status == "failed" and _was_ingested(state):
        # Only the endpoints that were named for mapping could not be had: others may be named.
        at = "review_ingest"
    return ORDER.index(at) if at in ORDER else 0


def next_call(state: SharedWhiteboardState, waiting: str | None, is_unfinished: bool) -> str | None:
    """The last part of the address to call next: a step's name, `resume`, `sync`."""
    if waiting is not None:
        has_failed = waiting == "review_guardian" and not _has_passed(state)
        return "map" if has_failed else OF_GATE.get(waiting)
    if state.status == "active":
        return "sync"
    if state.status == "failed":
        if state.next_step == "ingest" and _was_ingested(state):
            return "map"
        return OF_NODE.get(state.next_step or "discovery", "resume")
    return "resume" if is_unfinished else OF_GATE.get(state.next_step or "", "resume")


def endpoint_of(integration_id: str, call: str | None) -> str | None:
    """The whole address of a call."""
    return None if call is None else f"{PREFIX}/integrations/{integration_id}/{call}"


def _was_ingested(state: SharedWhiteboardState) -> bool:
    source, dest = state.source_api_spec, state.dest_api_spec
    return bool(source and source.source and dest and dest.dest)


def _named_what_is_not_there(state: SharedWhiteboardState) -> bool:
    """Whether the last failure was that an API has no such endpoint; the wish would fail again."""
    last = state.errors[-1] if state.errors and state.status == "failed" else None
    return last is not None and last.step == "ingest" and last.kind == "NotFoundError"


def _has_passed(state: SharedWhiteboardState) -> bool:
    return state.test_results is not None and state.test_results.passed


def ensure_callable(
    step: Step, state: SharedWhiteboardState, waiting: str | None, is_unfinished: bool
) -> None:
    """Raises ConflictError when the step's gate was not reached yet, or must not be approved."""
    wanted = next_call(state, waiting, is_unfinished)
    if place_of(state, waiting) < ORDER.index(step.gate):
        raise ConflictError(f"{step.name} comes later: call {wanted} first (status {state.status})")
    if step.name == "deploy" and not _has_passed(state):
        health = "was not tested" if state.health_score is None else f"has health {state.health_score:.0f}"
        raise ConflictError(
            f"the mapping {health} and did not pass, so it cannot be deployed: change it and test it again"
        )


def rewound(step: Step, state: SharedWhiteboardState, by: str) -> dict[str, Any]:
    """The update that takes a thread back to a step's gate; the person's own rows of the mapping stay.

    What is deployed goes on running, and stays known, until a new version replaces it.
    """
    update: dict[str, Any] = {
        "status": step.status_before,
        "next_step": step.gate,
        "review_error": None,
        "health_report": None,
        "retry_count": 0,
        # The gate asks again, whoever answered it before.
        "reviews": [
            ReviewRecord(
                gate=step.gate, type="retry", digest="", by=by or None, at=now_iso(), comment="run anew"
            ).dump()
        ],
    }
    if step.name != "deploy":
        update |= {
            "test_results": None,
            "health_score": None,
            "best_attempt": None,
            "deployment_plan": None,
            "findings": [],
        }
    if step.name in ("ingest", "map"):
        update["mapping_logic"] = _by_hand(state.mapping_logic)
        if _named_what_is_not_there(state):
            update |= {"source_endpoint": None, "dest_endpoint": None}
    if step.name == "ingest":
        update |= {"source_api_spec": None, "dest_api_spec": None}
    if state.healing is not None and state.healing.outcome == "open":
        update["healing"] = state.healing.evolve(
            outcome="needs_person", ended_at=now_iso(), log=[*state.healing.log, "a person took over"]
        ).dump()
    return update


def _by_hand(mapping: MappingLogic | None) -> dict[str, Any] | None:
    """The mapping without what was found: its number goes on growing, and what a person decided survives."""
    if mapping is None:
        return None
    rows = [row for row in mapping.transformations if row.origin in ("person", "hint")]
    return mapping.evolve(
        transformations=[row.model_dump() for row in rows],
        questions=[],
        unmapped_dest=[],
        unmapped_source=[],
        notes=[],
        confidence=1.0 if rows else 0.0,
    ).dump()
