"""deploy: the definition becomes a running workload; a finished repair becomes the live version."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from vitesse_graph.errors import MappingError
from vitesse_graph.nodes.aftermath import after_deploying
from vitesse_graph.nodes.definition import build_definition
from vitesse_graph.nodes.documents import OpenedPair, open_pair
from vitesse_graph.nodes.episode import live_whiteboard
from vitesse_graph.nodes.experience import learn_from
from vitesse_graph.nodes.sandboxes import start_sandboxes
from vitesse_graph.nodes.step import StepClock, context_of, emit, thread_id_of
from vitesse_graph.services import Services, get_services
from vitesse_graph.state.context import VitesseContext
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.deployment import DeploymentConfig
from vitesse_graph.state.whiteboard import SharedWhiteboardState, log_entry

DEFAULT_TARGET = "process"


async def _alerts(services: Services, integration_id: str) -> dict[str, Any]:
    """Where the runtime itself tells of paused and failed runs: as the integration's owner said."""
    from vitesse_graph.healing import alerts_of

    target = alerts_of((await services.registry.integration(integration_id)).metadata)
    if target is None:
        return {}
    return {
        "alert_webhook": target.webhook,
        "alert_secret_ref": target.secret_ref,
        "alert_format": target.format,
    }


async def next_definition(
    services: Services, state: SharedWhiteboardState, pair: OpenedPair, base_urls: dict[str, str]
) -> IntegrationDefinition:
    """The definition with its version: the live one's own when nothing differs, else the next."""
    live = await services.registry.latest_version(state.workflow_id)
    version = int(live["version"]) if live else 1
    source_operation, dest_operation = await pair.operations()
    definition = build_definition(
        state,
        pair.source_shape,
        pair.dest_shape,
        version=version,
        base_urls=base_urls,
        batch_size=services.settings.batch_size,
        source_operation=source_operation,
        dest_operation=dest_operation,
    ).model_copy(update=await _alerts(services, state.workflow_id))
    if (
        live is None
        or IntegrationDefinition.model_validate(live["definition"]).digest() == definition.digest()
    ):
        return definition
    return definition.model_copy(update={"version": version + 1})


def _wishes(state: SharedWhiteboardState) -> DeploymentConfig | None:
    """A person's; a repair does not wait for a run of the version that it repairs."""
    episode = state.healing
    if episode is None or episode.ended_at is not None:
        return state.deployment_config
    return (state.deployment_config or DeploymentConfig()).model_copy(update={"finish_run": False})


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
    live = await services.registry.latest_version(integration_id)
    deployment = await deployer.deploy(definition, _wishes(state))
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
    if live is None or int(live["version"]) != definition.version:
        await learn_from(services, pair, state)
    ended = await after_deploying(
        services, integration_id, state, deployment, actor=context_of(runtime).actor
    )
    return {
        "deployment": deployment.dump(),
        "status": "active",
        "next_step": None,
        "findings": [],
        **ended,
        **state.record_agent_contribution("deploy", summary),
        **log_entry("deploy", summary, clock.seconds),
    }
