"""What heal looks at before it judges: both specifications as they are now, and a few live probes."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from vitesse_graph.errors import VitesseError
from vitesse_graph.nodes.documents import open_pair
from vitesse_graph.services import Services
from vitesse_graph.state.api_spec import ApiSpec
from vitesse_graph.state.definition import IntegrationDefinition, RuntimeStatus, Side
from vitesse_graph.state.health import DriftItem, HealingEpisode
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.state.whiteboard import SharedWhiteboardState

if TYPE_CHECKING:
    from vitesse_graph.healing import Credential, Probe, RecordProfile

Role = Literal["source", "dest"]


@dataclass(kw_only=True)
class Evidence:
    """Drift of the documents, answers to probes, and what could not be looked at."""

    drift: list[DriftItem] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    history: list[RuntimeStatus] = field(default_factory=list)
    """Statuses of good times, as the monitor keeps them."""
    notes: list[str] = field(default_factory=list)
    names: dict[str, Role] = field(default_factory=dict)
    descriptions: list[str] = field(default_factory=list)
    """What documents that changed say of themselves now."""

    @property
    def observed(self) -> list[DriftItem]:
        """What the probed records showed that touches the mapping."""
        return [item for probe in self.probes for item in probe.drift if item.severity != "safe"]


async def _drift_of(
    services: Services,
    role: Role,
    spec: ApiSpec | None,
    definition: IntegrationDefinition,
    evidence: Evidence,
) -> None:
    """Compares the document that was deployed with the one that is published now."""
    from vitesse_graph.healing import diff_specs

    endpoint = spec.chosen(role) if spec is not None else None
    if spec is None or endpoint is None:
        return
    evidence.names[spec.api_name] = role
    try:
        old = await services.open_document(spec)
        new = await services.load_document(spec.spec_url, spec.overlay)
    except VitesseError as error:
        evidence.notes.append(f"the specification of {spec.api_name} cannot be read now: {error}")
        return
    if new.digest == old.digest:
        return
    evidence.descriptions.append(new.spec.description)
    evidence.drift += await asyncio.to_thread(
        diff_specs, old, new, mapping=definition.mapping, key=endpoint.key, side=role
    )


async def _record_schema(services: Services, state: SharedWhiteboardState) -> JsonSchema | None:
    try:
        pair = await open_pair(services, state)
    except VitesseError:
        return None
    return pair.source_shape.record_schema


async def _credentials(
    services: Services, definition: IntegrationDefinition, evidence: Evidence
) -> dict[Role, Credential]:
    """What the runtime's own calls carry: of an OAuth2 grant the token that all its processes share."""
    from vitesse_graph.healing import Credential
    from vitesse_graph.http import AddressPolicy
    from vitesse_graph.runtime import open_store
    from vitesse_graph.runtime.connect import current_credentials
    from vitesse_graph.runtime.secrets import Redactor

    found: dict[Role, Credential] = {}
    sides: tuple[tuple[Role, Side], ...] = (("source", definition.source), ("dest", definition.dest))
    policy, words = AddressPolicy.from_settings(services.settings), Redactor()
    async with AsyncExitStack() as stack:
        has_grants = any(side.auth.type in ("oauth2", "openid") for _, side in sides)
        store = await stack.enter_async_context(open_store(services.settings)) if has_grants else None
        for role, side in sides:
            try:
                made = await current_credentials(
                    side, policy=policy, redactor=words, store=store, resolver=services.read_secret
                )
            except VitesseError as error:
                evidence.notes.append(words(f"probing {side.api_name} without a credential: {error}"))
                continue
            found[role] = Credential(headers=made.headers, query=made.query)
    return found


async def _ask(
    services: Services,
    state: SharedWhiteboardState,
    definition: IntegrationDefinition,
    evidence: Evidence,
    profile: RecordProfile | None,
) -> None:
    """A few live questions to both sides."""
    from vitesse_graph.healing import plan_probes, probe
    from vitesse_graph.http import AddressPolicy, guarded_httpx

    targets = plan_probes(
        definition,
        credentials=await _credentials(services, definition, evidence),
        source_schema=await _record_schema(services, state),
        profile=profile,
        drift=evidence.drift,
    )
    async with guarded_httpx(AddressPolicy.from_settings(services.settings)) as client:
        evidence.probes = await probe(client, targets)


async def _compare_documents(
    services: Services, state: SharedWhiteboardState, definition: IntegrationDefinition, evidence: Evidence
) -> None:
    await asyncio.gather(
        _drift_of(services, "source", state.source_api_spec, definition, evidence),
        _drift_of(services, "dest", state.dest_api_spec, definition, evidence),
    )


async def gather_evidence(
    services: Services, state: SharedWhiteboardState, definition: IntegrationDefinition
) -> Evidence:
    """Looks at both sides at once. What cannot be seen is a note, never an error."""
    from vitesse_graph.healing import MonitorState, RecordProfile, with_ignored

    evidence = Evidence()
    kept = await services.registry.monitor_memory(definition.integration_id)
    if kept.get("state"):
        memory = MonitorState.model_validate(kept["state"])
        evidence.history, evidence.drift = memory.history, with_ignored([], memory.fates)
    profile = RecordProfile.model_validate(kept["profile"]) if kept.get("profile") else None
    await _compare_documents(services, state, definition, evidence)
    await _ask(services, state, definition, evidence, profile)
    return evidence


async def live_state(
    services: Services, integration_id: str
) -> tuple[SharedWhiteboardState, IntegrationDefinition] | None:
    """What is deployed: its whiteboard's channels and its definition; None when nothing is."""
    live = await services.registry.latest_version(integration_id)
    if live is None:
        return None
    return (
        SharedWhiteboardState.model_validate(live["whiteboard"]),
        IntegrationDefinition.model_validate(live["definition"]),
    )


async def look_ahead(services: Services, integration_id: str, *, healing: HealingEpisode | None) -> Evidence:
    """What the monitor sees without any failure: both documents as published now, a few records, and how
    their values are spread against those of a good day. `healing`: the thread's last episode.

    The first look of a healthy integration is what later ones are compared with.
    """
    from vitesse_graph.healing import MonitorState, RecordProfile, with_ignored

    found, evidence = await live_state(services, integration_id), Evidence()
    if found is None:
        return evidence
    state, definition = found
    state = state.model_copy(update={"healing": healing})
    kept = await services.registry.monitor_memory(integration_id)
    profile = RecordProfile.model_validate(kept["profile"]) if kept.get("profile") else None
    if kept.get("state"):
        evidence.drift = with_ignored([], MonitorState.model_validate(kept["state"]).fates)
    await _compare_documents(services, state, definition, evidence)
    await _ask(services, state, definition, evidence, profile)
    read = next((p for p in evidence.probes if p.kind == "read" and p.is_well), None)
    if profile is None and read is not None and read.profile is not None and not evidence.observed:
        await services.registry.save_monitor_memory(integration_id, profile=read.profile.dump())
    return evidence
