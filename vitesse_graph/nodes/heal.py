"""heal: find out why a deployed integration fails, and route to what mends it.

The repair is a candidate on the whiteboard. What is deployed keeps running as it is until `deploy`
applies something that the guardian has passed; when nothing helps, the whiteboard goes back to what
is deployed.
"""

from __future__ import annotations

from typing import Any, Literal

from langgraph.runtime import Runtime

from vitesse_graph.errors import ConflictError
from vitesse_graph.nodes.evidence import Evidence, gather_evidence
from vitesse_graph.nodes.step import StepClock, context_of, emit, thread_id_of
from vitesse_graph.services import get_services
from vitesse_graph.state.context import VitesseContext
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.health import HealingEpisode, HealStrategy, HealthReport
from vitesse_graph.state.whiteboard import SharedWhiteboardState, StepError, log_entry, now_iso

Destination = Literal["ingest", "map", "guardian", "__end__"]
LIVE_CHANNELS = ("source_api_spec", "dest_api_spec", "mapping_logic", "source_endpoint", "dest_endpoint")
"""What a repair may change, and what is put back when it fails."""
DRIFT_ON_WHITEBOARD = 30
END: Literal["__end__"] = "__end__"

_WAITING: dict[HealStrategy, str] = {
    "refresh_auth": "the credential must be renewed: put a fresh one where its reference points, then sync",
    "throttle": "the API allows fewer calls now; the runtime's limiter follows what it answers",
    "wait_and_retry": "the other side is down; the runtime retries by itself and nothing is re-mapped",
}


def live_whiteboard(state: SharedWhiteboardState) -> dict[str, Any]:
    """The channels that describe what is deployed, as `deploy` keeps them with each version."""
    dumped = state.model_dump(mode="json", include=set(LIVE_CHANNELS))
    return {name: dumped[name] for name in LIVE_CHANNELS}


async def _open_episode(
    state: SharedWhiteboardState, definition: IntegrationDefinition
) -> tuple[HealingEpisode, Evidence]:
    from vitesse_graph.healing import diagnose

    services = await get_services()
    report = state.health_report or HealthReport()
    evidence = await gather_evidence(services, state, definition)
    diagnosis = diagnose(
        report, drift=evidence.drift, probes=evidence.probes, mapping=definition.mapping, names=evidence.names
    )
    before = state.healing.number if state.healing is not None else 0
    episode = HealingEpisode(
        number=before + 1,
        report=report,
        diagnosis=diagnosis,
        drift=evidence.drift[:DRIFT_ON_WHITEBOARD],
        started_at=now_iso(),
        log=[
            f"noticed: {report.reason}"
            + (f", health {report.health:.0f}" if report.health is not None else ""),
            f"diagnosed: {diagnosis.cause} ({diagnosis.side}), confidence {diagnosis.confidence:.2f}",
            *(f"evidence: {line}" for line in [*diagnosis.evidence, *evidence.notes][:6]),
        ],
    )
    return episode, evidence


def _switched(state: SharedWhiteboardState, episode: HealingEpisode) -> dict[str, Any]:
    """The whiteboard with another address or endpoint, as the diagnosis found it."""
    detail, side = episode.diagnosis.detail, episode.diagnosis.side
    role = "dest" if side == "dest" else "source"
    spec = state.dest_api_spec if role == "dest" else state.source_api_spec
    if spec is None:
        return {}
    if url := detail.get("base_url"):
        return {f"{role}_api_spec": spec.model_copy(update={"base_url": str(url)}).dump()}
    return {}


def _route(
    strategy: HealStrategy, state: SharedWhiteboardState, episode: HealingEpisode
) -> tuple[Destination, dict[str, Any]]:
    """Where a strategy goes on, and what it changes on the way."""
    findings = [finding.dump() for finding in episode.diagnosis.findings]
    endpoint = episode.diagnosis.detail.get("endpoint")
    if strategy == "switch_endpoint" and endpoint:
        role = "dest" if episode.diagnosis.side == "dest" else "source"
        return "ingest", {f"{role}_endpoint": str(endpoint), "findings": findings}
    if strategy == "switch_endpoint":
        return "guardian", _switched(state, episode)
    if strategy == "refresh_schema":
        return "ingest", {"findings": findings}
    if strategy == "remap_fields":
        return "map", {"findings": findings}
    return END, {}


async def heal(state: SharedWhiteboardState, runtime: Runtime[VitesseContext]) -> dict[str, Any]:
    """Reads: `health_report` and what is deployed. Writes: `healing`, and what the strategy changes."""
    from vitesse_graph.healing import choose_strategy

    clock = StepClock()
    services = await get_services()
    integration_id = thread_id_of(runtime, state)
    emit(runtime, "heal", "started")
    live = await services.registry.latest_version(integration_id)
    if live is None:
        raise ConflictError(f"{integration_id} is not deployed, so there is nothing to heal")
    definition = IntegrationDefinition.model_validate(live["definition"])
    is_open = state.healing is not None and state.healing.outcome == "open" and state.health_report is None
    if is_open and state.healing is not None:
        episode = state.healing
        episode.log.append(f"the repair by {episode.tried[-1] if episode.tried else 'nothing'} did not pass")
    else:
        episode, _ = await _open_episode(state, definition)
    strategy = choose_strategy(episode.diagnosis, episode.tried)
    restored = {name: live["whiteboard"].get(name) for name in LIVE_CHANNELS}
    if strategy is not None:
        episode.tried.append(strategy)
        episode.log.append(f"tried: {strategy}")
    goto, changes = _route(strategy, state, episode) if strategy else (END, {})
    update: dict[str, Any] = {
        **restored,
        "health_report": None,
        "retry_count": 0,
        "best_attempt": None,
        **changes,
    }
    if goto == END:
        closing = _close(episode, strategy)
        await services.registry.save_integration(
            integration_id, status=closing["status"], next_step=closing["next_step"]
        )
        update |= {**closing, "findings": []}
    else:
        update |= {"status": "mapping", "next_step": goto}
        await services.registry.save_integration(integration_id, status="mapping", next_step=goto)
    await services.registry.audit(
        integration_id,
        "heal",
        actor=context_of(runtime).actor,
        outcome=episode.outcome if goto == END else str(strategy),
        detail={"cause": episode.diagnosis.cause, "log": episode.log[-8:]},
    )
    summary = episode.log[-1]
    emit(runtime, "heal", "finished", summary=summary, seconds=clock.seconds)
    return {**update, "healing": episode.dump(), **log_entry("heal", summary, clock.seconds)}


def _close(episode: HealingEpisode, strategy: HealStrategy | None) -> dict[str, Any]:
    """The end of an episode without a repair. The live definition was never touched."""
    episode.ended_at = now_iso()
    if strategy in _WAITING:
        episode.outcome = "waiting"
        episode.log.append(_WAITING[strategy])
        return {"status": "active", "next_step": None}
    episode.outcome = "needs_person" if strategy == "ask_a_person" else "gave_up"
    episode.log.append("nothing safe is left to try: a person must decide; what is deployed was not changed")
    error = StepError(
        step="heal",
        kind="NotHealed",
        message=f"{episode.diagnosis.cause} ({episode.diagnosis.side}) could not be repaired: "
        + "; ".join(episode.diagnosis.evidence[:2]),
        retry="heal",
        at=now_iso(),
    )
    return {"status": "failed", "next_step": "heal", "errors": [error.dump()]}
