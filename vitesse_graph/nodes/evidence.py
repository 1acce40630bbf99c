"""What heal looks at before it judges: both specifications as they are now, and a few live probes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from vitesse_graph.errors import VitesseError
from vitesse_graph.services import Services
from vitesse_graph.state.api_spec import ApiSpec
from vitesse_graph.state.definition import IntegrationDefinition, Side
from vitesse_graph.state.health import DriftItem
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.state.whiteboard import SharedWhiteboardState

if TYPE_CHECKING:
    from vitesse_graph.healing import Credential, Probe

Role = Literal["source", "dest"]


@dataclass(kw_only=True)
class Evidence:
    """Drift of the documents, answers to probes, and what could not be looked at."""

    drift: list[DriftItem] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    names: dict[str, Role] = field(default_factory=dict)


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
    evidence.drift += await asyncio.to_thread(
        diff_specs, old, new, mapping=definition.mapping, key=endpoint.key, side=role
    )


def _credentials(definition: IntegrationDefinition, evidence: Evidence) -> dict[Role, Credential]:
    from vitesse_graph.healing import Credential
    from vitesse_graph.runtime.auth import build_credentials, read_credential
    from vitesse_graph.runtime.secrets import Redactor

    found: dict[Role, Credential] = {}
    sides: tuple[tuple[Role, Side], ...] = (("source", definition.source), ("dest", definition.dest))
    for role, side in sides:
        try:
            made = build_credentials(side.auth, read_credential(side, redactor=Redactor()))
        except VitesseError as error:
            evidence.notes.append(f"probing {side.api_name} without a credential: {error}")
            continue
        found[role] = Credential(headers=made.headers, query=made.query)
    return found


async def _record_schema(services: Services, state: SharedWhiteboardState) -> JsonSchema | None:
    spec = state.source_api_spec
    if spec is None or spec.source is None:
        return None
    try:
        document = await services.open_document(spec)
        shape = await asyncio.to_thread(document.source_shape, spec.source.endpoint.key)
    except VitesseError:
        return None
    return shape.record_schema


async def gather_evidence(
    services: Services, state: SharedWhiteboardState, definition: IntegrationDefinition
) -> Evidence:
    """Looks at both sides at once. What cannot be seen is a note, never an error."""
    from vitesse_graph.healing import plan_probes, probe
    from vitesse_graph.http import AddressPolicy, guarded_httpx

    evidence = Evidence()
    await asyncio.gather(
        _drift_of(services, "source", state.source_api_spec, definition, evidence),
        _drift_of(services, "dest", state.dest_api_spec, definition, evidence),
    )
    targets = plan_probes(
        definition,
        credentials=_credentials(definition, evidence),
        source_schema=await _record_schema(services, state),
        drift=evidence.drift,
    )
    async with guarded_httpx(AddressPolicy.from_settings(services.settings)) as client:
        evidence.probes = await probe(client, targets)
    return evidence


async def drift_since_deployed(services: Services, integration_id: str) -> list[DriftItem]:
    """How both published documents differ from those that were deployed; [] when nothing is."""
    live = await services.registry.latest_version(integration_id)
    if live is None:
        return []
    definition = IntegrationDefinition.model_validate(live["definition"])
    state = SharedWhiteboardState.model_validate(live["whiteboard"])
    evidence = Evidence()
    await asyncio.gather(
        _drift_of(services, "source", state.source_api_spec, definition, evidence),
        _drift_of(services, "dest", state.dest_api_spec, definition, evidence),
    )
    return evidence.drift
