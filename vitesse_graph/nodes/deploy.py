"""deploy: the definition becomes a running workload; a finished repair becomes the live version."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from vitesse_graph.errors import MappingError
from vitesse_graph.nodes.definition import build_definition
from vitesse_graph.nodes.documents import OpenedPair, open_pair
from vitesse_graph.nodes.heal import live_whiteboard
from vitesse_graph.nodes.sandboxes import start_sandboxes
from vitesse_graph.nodes.step import StepClock, context_of, emit, thread_id_of
from vitesse_graph.services import Services, get_services
from vitesse_graph.state.context import VitesseContext
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.health import HealingEpisode
from vitesse_graph.state.whiteboard import SharedWhiteboardState, log_entry, now_iso

DEFAULT_TARGET = "process"


async def next_definition(
    services: Services, state: SharedWhiteboardState, pair: OpenedPair, base_urls: dict[str, str]
) -> IntegrationDefinition:
    """The definition with its version: the live one's own when nothing differs, else the next."""
    live = await services.registry.latest_version(state.workflow_id)
    version = int(live["version"]) if live else 1
    definition = build_definition(
        state,
        pair.source_shape,
        pair.dest_shape,
        version=version,
        base_urls=base_urls,
        batch_size=services.settings.batch_size,
    )
    if (
        live is None
        or IntegrationDefinition.model_validate(live["definition"]).digest() == definition.digest()
    ):
        return definition
    return definition.model_copy(update={"version": version + 1})


def _closed(episode: HealingEpisode | None, version: int) -> HealingEpisode | None:
    if episode is None or episode.outcome != "open":
        return None
    episode.outcome = "healed"
    episode.ended_at = now_iso()
    episode.log += ["verified by the guardian", f"deployed as version {version}"]
    return episode


async def deploy(state: SharedWhiteboardState, runtime: Runtime[VitesseContext]) -> dict[str, Any]:
    """Reads: the mapping and both specifications. Writes: `deployment`. Raises DeployError.

    Running it again does nothing new: the same definition that runs already is left alone.
    """
    clock = StepClock()
    services = await get_services()
    integration_id = thread_id_of(runtime, state)
    if state.mapping_logic is None:
        raise MappingError("there is no mapping to deploy yet: run the map step first")
    emit(runtime, "deploy", "started")
    pair = await open_pair(services, state)
    deployer = services.deployer(state.deployment_target or DEFAULT_TARGET)
    deployer.on_progress = lambda line: emit(runtime, "deploy", "progress", message=line)
    sandboxes = await start_sandboxes(services, integration_id, state, deployer)
    runtime.heartbeat()
    definition = await next_definition(
        services, state, pair, {role: box["url"] for role, box in sandboxes.items()}
    )
    deployment = await deployer.deploy(definition, state.deployment_config)
    deployment = deployment.model_copy(update={"sandboxes": sandboxes})
    await services.registry.save_version(
        integration_id, definition.version, definition.dump(), live_whiteboard(state)
    )
    where = ", ".join(f"{side} {env}" for side, env in deployment.environments.items())
    summary = f"version {definition.version} runs at {deployment.service_url} ({where})"
    await services.registry.save_integration(
        integration_id, status="active", next_step=None, service_url=deployment.service_url
    )
    await services.registry.audit(
        integration_id,
        "deploy",
        actor=context_of(runtime).actor,
        detail={"version": definition.version, "target": deployment.target, "digest": definition.digest()},
    )
    emit(runtime, "deploy", "artifact", url=deployment.service_url, version=definition.version)
    emit(runtime, "deploy", "finished", summary=summary, seconds=clock.seconds)
    episode = _closed(state.healing, definition.version)
    return {
        "deployment": deployment.dump(),
        "status": "active",
        "next_step": None,
        "findings": [],
        **({"healing": episode.dump()} if episode is not None else {}),
        **state.record_agent_contribution("deploy", summary),
        **log_entry("deploy", summary, clock.seconds),
    }
