"""After a repair went live: what failed is tried again, what was learned is kept, the story is told."""

from __future__ import annotations

from typing import Any

from vitesse_graph.nodes.episode import LEARNED_KEPT, minutes_of, tell_story
from vitesse_graph.nodes.experience import remember_renames
from vitesse_graph.nodes.telling import tell
from vitesse_graph.nodes.workload import replay_dead_letters
from vitesse_graph.services import Services
from vitesse_graph.state.deployment import Deployment
from vitesse_graph.state.health import HealingEpisode
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.state.whiteboard import SharedWhiteboardState, now_iso

SURE = 0.8


def learned_renames(episode: HealingEpisode, state: SharedWhiteboardState) -> list[dict[str, Any]]:
    """Which field of which API has which name now: what the repair followed and the guardian proved. Pure."""
    names = {
        "source": state.source_api_spec.api_name if state.source_api_spec else "",
        "dest": state.dest_api_spec.api_name if state.dest_api_spec else "",
    }
    used = _paths(state.mapping_logic)
    found = [
        {"kind": "rename", "api": names[item.side], "side": item.side, "was": item.path, "is": item.new_path}
        for item in episode.drift
        if item.kind == "field_renamed" and item.new_path and item.new_path in used[item.side]
    ]
    return found[:LEARNED_KEPT]


def _paths(mapping: MappingLogic | None) -> dict[str, set[str]]:
    rows = mapping.transformations if mapping is not None else []
    source = {
        path
        for row in rows
        for path in ([row.source_field] if isinstance(row.source_field, str) else row.source_field)
    }
    return {"source": source, "dest": {row.dest_field for row in rows}}


async def after_deploying(
    services: Services,
    integration_id: str,
    state: SharedWhiteboardState,
    deployment: Deployment,
    *,
    actor: str,
) -> dict[str, Any]:
    """The whiteboard's update when this deployment ends an episode; {} for any other deployment."""
    episode = state.healing
    if episode is None or episode.ended_at is not None:
        return {}
    if episode.outcome == "rolled_back":
        return await _rolled_back(services, integration_id, episode, deployment, actor)
    if episode.outcome != "open":
        return {}
    episode.outcome = "healed"
    episode.log.append(f"deployed: version {deployment.version}")
    replayed = await replay_dead_letters(deployment)
    episode.log.append(
        "dead letters wait in the ledger: the runtime was busy"
        if replayed is None
        else f"replayed: {replayed['written']} of {replayed['retried']} dead letters written"
    )
    episode.learned = learned_renames(episode, state)
    episode.log += [f"learned: {one['api']} renamed {one['was']} to {one['is']}" for one in episode.learned]
    episode.ended_at = now_iso()
    await remember_renames(services, episode.learned)
    await services.registry.forget_profile(integration_id)
    await tell_story(
        services, integration_id, episode, actor=actor, version=deployment.version, replayed=replayed or {}
    )
    minutes = minutes_of(episode)
    summary = f"{episode.diagnosis.cause} ({episode.diagnosis.side}) mended in {minutes} minutes: version {deployment.version}"
    await tell(services, integration_id, "heal.succeeded", summary, "\n".join(episode.log))
    learned = state
    for pattern in episode.learned:
        learned = learned.model_copy(update=learned.add_learned_pattern(pattern))
    return {"healing": episode.dump(), "learned_patterns": learned.learned_patterns}


async def _rolled_back(
    services: Services, integration_id: str, episode: HealingEpisode, deployment: Deployment, actor: str
) -> dict[str, Any]:
    episode.log.append(f"rolled back: what ran before the repair runs again as version {deployment.version}")
    episode.ended_at = now_iso()
    await services.registry.forget_profile(integration_id)
    await tell_story(services, integration_id, episode, actor=actor, version=deployment.version)
    await tell(services, integration_id, "heal.rolled_back", episode.log[-1], "\n".join(episode.log[:-1]))
    return {"healing": episode.dump()}
