"""heal: find out why a deployed integration fails, and route to what mends it.

The repair is a candidate on the whiteboard. What is deployed keeps running as it is until `deploy`
applies something that the guardian has passed; when nothing helps, or a person says no, the
whiteboard goes back to what is deployed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from langgraph.runtime import Runtime

from vitesse_graph.errors import ConflictError
from vitesse_graph.nodes.episode import adopting, close, new_episode, policy_for, restored, tell_story
from vitesse_graph.nodes.evidence import gather_evidence
from vitesse_graph.nodes.reading import read_texts, told_of
from vitesse_graph.nodes.renewal import hand_over, renew, said, sides_of, verdict_of
from vitesse_graph.nodes.step import StepClock, context_of, emit, thread_id_of
from vitesse_graph.nodes.telling import tell
from vitesse_graph.nodes.workload import pause_workload, replay_dead_letters
from vitesse_graph.services import Services, get_services
from vitesse_graph.state.context import VitesseContext
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.deployment import Deployment
from vitesse_graph.state.health import HealingEpisode, HealStrategy, HealthReport, RootCause
from vitesse_graph.state.whiteboard import SharedWhiteboardState, log_entry

if TYPE_CHECKING:
    from vitesse_graph.healing import AlertEvent, HealPolicy

Destination = Literal["ingest", "map", "guardian", "__end__"]
END: Literal["__end__"] = "__end__"
WRITES_WRONG_DATA: frozenset[RootCause] = frozenset({"data_quality"})
"""Causes under which the live version would go on writing values that are wrong: it is paused."""
_TOLD: dict[str, AlertEvent] = {
    "healed": "heal.succeeded",
    "waiting": "heal.waiting",
    "needs_person": "heal.needs_person",
    "gave_up": "heal.gave_up",
    "rejected": "heal.gave_up",
}


async def _open_episode(
    services: Services,
    state: SharedWhiteboardState,
    live: SharedWhiteboardState,
    definition: IntegrationDefinition,
    policy: HealPolicy,
) -> HealingEpisode:
    """Looks at both sides and names the cause."""
    from vitesse_graph.healing import diagnose

    report = state.health_report or HealthReport()
    evidence = await gather_evidence(services, live.model_copy(update={"healing": state.healing}), definition)
    reading = await read_texts(services, report, evidence)
    diagnosis = diagnose(
        report,
        drift=evidence.drift,
        probes=evidence.probes,
        history=evidence.history,
        mapping=definition.mapping,
        names=evidence.names,
        conclusion=reading.conclusion if reading is not None else None,
    )
    lines, cost = told_of(reading, diagnosis, evidence) if reading is not None else ([], {})
    diagnosis = adopting(diagnosis, [*evidence.drift, *report.drift], policy)
    episode = new_episode(state.healing, report, diagnosis, evidence)
    episode.log += lines
    episode.language_model = cost
    return episode


def _switched(state: SharedWhiteboardState, role: str, url: str) -> dict[str, Any]:
    """The whiteboard with another address, as the diagnosis found it."""
    spec = state.dest_api_spec if role == "dest" else state.source_api_spec
    if spec is None:
        return {}
    dumped = spec.model_copy(update={"base_url": url}).dump()
    shape = dumped.get(role)
    if shape and shape["endpoint"].get("base_url"):
        shape["endpoint"]["base_url"] = url
    return {f"{role}_api_spec": dumped}


def _route(
    strategy: HealStrategy, live: SharedWhiteboardState, episode: HealingEpisode
) -> tuple[Destination, dict[str, Any]]:
    """Where a strategy goes on, and what it changes on the way."""
    findings = [finding.dump() for finding in episode.diagnosis.findings]
    detail = episode.diagnosis.detail
    role = "dest" if episode.diagnosis.side == "dest" else "source"
    spec = live.dest_api_spec if role == "dest" else live.source_api_spec
    if strategy == "switch_endpoint" and (endpoint := detail.get("endpoint")):
        before = spec.chosen(role) if spec is not None else None  # type: ignore[arg-type]
        episode.moves = [f"{role}: {before.key if before is not None else '?'} → {endpoint}"]
        return "ingest", {f"{role}_endpoint": str(endpoint), "findings": findings}
    if strategy == "switch_endpoint" and (url := detail.get("base_url")):
        episode.moves = [f"{role}: {spec.base_url if spec is not None else '?'} → {url}"]
        return "guardian", _switched(live, role, str(url))
    if strategy == "refresh_schema":
        return "ingest", {"findings": findings}
    if strategy == "remap_fields":
        return "map", {"findings": findings}
    return END, {}


def _asks(episode: HealingEpisode, policy: HealPolicy) -> bool:
    """For what the map step does not see: another address by itself."""
    from vitesse_graph.healing import needs_approval
    from vitesse_graph.healing.repair import RepairChange

    return needs_approval(RepairChange(addresses=episode.moves), policy)


async def _refresh_auth(
    services: Services,
    state: SharedWhiteboardState,
    episode: HealingEpisode,
    kept: dict[str, Any],
    policy: HealPolicy,
    actor: str,
) -> tuple[HealStrategy | None, Deployment | None]:
    """Renews and tries the credential. Where it is accepted and something else is wrong besides, that is
    next. The second of the answer is the deployment that was given a credential anew."""
    from vitesse_graph.healing import choose_strategy

    definition = IntegrationDefinition.model_validate(kept["definition"])
    deployment, anew = state.deployment, None
    episode.tried.append("refresh_auth")
    episode.log.append("tried: refresh_auth")
    found = [await renew(services, deployment, definition, side) for side in sides_of(episode.diagnosis)]
    episode.log += [said(one, definition) for one, _ in found]
    episode.diagnosis.detail["credential"] = verdict = verdict_of([one for one, _ in found])
    if verdict != "accepted":
        return "refresh_auth", None
    if any(is_old for _, is_old in found):
        deployment = anew = await hand_over(services, state, definition, kept["whiteboard"], actor=actor)
        episode.log.append(f"deployed: version {anew.version}, the same with the fresh credential")
    also = [one for one in episode.diagnosis.detail.get("also", []) if one["cause"] != "auth_expired"]
    if also or episode.diagnosis.cause != "auth_expired":
        return choose_strategy(episode.diagnosis, episode.tried, policy), anew
    if deployment is not None:
        replayed = await replay_dead_letters(deployment)
        if replayed is not None:
            episode.log.append(
                f"replayed: {replayed['written']} of {replayed['retried']} dead letters written"
            )
    return "refresh_auth", anew


async def heal(state: SharedWhiteboardState, runtime: Runtime[VitesseContext]) -> dict[str, Any]:
    """Reads: `health_report` and what is deployed. Writes: `healing`, and what the strategy changes."""
    from vitesse_graph.healing import choose_strategy

    clock, context = StepClock(), context_of(runtime)
    services = await get_services()
    integration_id = thread_id_of(runtime, state)
    emit(runtime, "heal", "started")
    kept = await services.registry.latest_version(integration_id)
    if kept is None:
        raise ConflictError(f"{integration_id} is not deployed, so there is nothing to heal")
    back = restored(kept["whiteboard"])
    live = SharedWhiteboardState.model_validate({**state.model_dump(mode="json"), **back})
    policy = await policy_for(services, integration_id, context)
    episode = state.healing
    if episode is None or episode.outcome != "open" or state.health_report is not None:
        episode = await _open_episode(
            services, state, live, IntegrationDefinition.model_validate(kept["definition"]), policy
        )
        summary = f"{episode.log[0]}; {episode.log[1]}"
        await tell(services, integration_id, "heal.started", summary, "\n".join(episode.log[2:]))
    elif not episode.is_rejected:
        episode.log.append(f"the repair by {episode.tried[-1] if episode.tried else 'nothing'} did not pass")
    anew: Deployment | None = None
    strategy = None if episode.is_rejected else choose_strategy(episode.diagnosis, episode.tried, policy)
    if strategy == "refresh_auth":
        strategy, anew = await _refresh_auth(services, state, episode, kept, policy, context.actor)
    goto: Destination = END
    changes: dict[str, Any] = {}
    if strategy is not None and strategy not in episode.tried:
        episode.tried.append(strategy)
        episode.log.append(f"tried: {strategy}")
        episode.moves = []
        goto, changes = _route(strategy, live, episode)
        episode.needs_approval = _asks(episode, policy)
    update: dict[str, Any] = {
        **back,
        "health_report": None,
        "retry_count": 0,
        "best_attempt": None,
        "deployment_plan": None,
        **({"deployment": anew.dump()} if anew is not None else {}),
        **changes,
    }
    if goto == END:
        update |= {**await _end(services, integration_id, state, episode, strategy), "findings": []}
        await tell_story(services, integration_id, episode, actor=context.actor)
    else:
        update |= {"status": "mapping", "next_step": goto}
    await services.registry.save_integration(
        integration_id,
        status=update["status"],
        next_step=update["next_step"],
        health_score=back.get("health_score"),
    )
    await services.registry.audit(
        integration_id,
        "heal",
        actor=context.actor,
        outcome=episode.outcome if goto == END else str(strategy),
        detail={"cause": episode.diagnosis.cause, "log": episode.log[-8:]},
    )
    summary = episode.log[-1]
    emit(runtime, "heal", "finished", summary=summary, seconds=clock.seconds)
    return {**update, "healing": episode.dump(), **log_entry("heal", summary, clock.seconds)}


async def _end(
    services: Services,
    integration_id: str,
    state: SharedWhiteboardState,
    episode: HealingEpisode,
    strategy: HealStrategy | None,
) -> dict[str, Any]:
    """Ends an episode that repaired nothing; a version that would write wrong data is paused."""
    closing = close(episode, strategy)
    cause = episode.diagnosis.cause
    is_wrong = cause in WRITES_WRONG_DATA and episode.outcome in ("needs_person", "gave_up")
    if is_wrong and state.deployment is not None:
        reason = f"{cause}: {'; '.join(episode.diagnosis.evidence[:2])}"
        is_paused = await pause_workload(state.deployment, reason)
        episode.log.append(
            "paused, since it would write wrong data: `vitesse unpause` lets it go on"
            if is_paused
            else "it should be paused, since it would write wrong data, but the runtime does not answer"
        )
    await tell(services, integration_id, _TOLD[episode.outcome], episode.log[-1], "\n".join(episode.log[:-1]))
    return closing
