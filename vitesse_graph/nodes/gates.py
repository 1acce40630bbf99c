"""The gates between the steps: each does nothing but ask a person, and route.

LangGraph runs a node again from its start when it resumes, so nothing here has an effect before the
answer: the proposal is made from the state, the answer becomes an update. Where the run goes on stands in
`next_step`, which the edges in `graph.py` read; so a state edited by hand goes on from there too. A
gate that goes on waiting leaves `next_step` alone: it is the gate's own name.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from vitesse_graph.errors import InputError, MappingError
from vitesse_graph.nodes.documents import open_pair
from vitesse_graph.nodes.proposals import build_proposal
from vitesse_graph.nodes.step import context_of, emit, thread_id_of
from vitesse_graph.services import get_services
from vitesse_graph.state.context import VitesseContext
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.state.review import (
    DECISIONS,
    DeployParameters,
    DiscoveryEdit,
    EndpointEdit,
    GateName,
    GuardianEdit,
    IngestParameters,
    MapParameters,
    MappingEdit,
    ReviewDecision,
    ReviewRecord,
    TestParameters,
)
from vitesse_graph.state.whiteboard import SharedWhiteboardState, StepError, log_entry, now_iso

Update = dict[str, Any]


def needs_person(gate: GateName, state: SharedWhiteboardState, context: VitesseContext) -> bool:
    """Whether the run stops here.

    While an integration heals, only the last gate asks, and only about repairs that go beyond what
    `heal_approval` lets through unasked.
    """
    if state.healing is not None and state.healing.outcome == "open":
        return gate == "review_guardian" and state.healing.needs_approval
    if context.approvals == "every_step":
        return True
    return context.approvals == "before_deploy" and gate == "review_guardian"


def _already_decided(gate: GateName, state: SharedWhiteboardState) -> bool:
    """A person chose other APIs or endpoints here and the step has run again for just that."""
    last = state.reviews[-1] if state.reviews else None
    return last is not None and last.gate == gate and last.type in ("approve", "edit")


def _ask(gate: GateName, state: SharedWhiteboardState, runtime: Runtime[VitesseContext]) -> ReviewDecision:
    emit(runtime, gate, "awaiting_approval")
    return interrupt(build_proposal(gate, state), response_schema=DECISIONS[gate])


def _stale(gate: GateName, decision: ReviewDecision, state: SharedWhiteboardState) -> Update | None:
    """For an answer that names another gate: what to note. A repeat of an old answer notes nothing."""
    if decision.gate is None or decision.gate == gate:
        return None
    before = next((r for r in reversed(state.reviews) if r.gate == decision.gate), None)
    if before is not None and before.digest == decision.digest():
        return {"review_error": None}
    was = f"it was already answered ({before.type})" if before else "it is not waiting"
    return {"review_error": f"the answer was for {decision.gate}, but {was}; this is {gate}"}


def _record(gate: GateName, decision: ReviewDecision, context: VitesseContext) -> Update:
    record = ReviewRecord(
        gate=gate,
        type=decision.type,
        digest=decision.digest(),
        by=decision.by or context.actor or None,
        at=now_iso(),
        interrupt_id=decision.interrupt_id,
        comment=decision.comment,
    )
    by = f" by {record.by}" if record.by else ""
    return {
        "reviews": [record.dump()],
        "review_error": None,
        **log_entry(gate, f"{decision.type}{by}"),
    }


async def _failed(integration_id: str, error: StepError) -> Update:
    """The end of a run at a gate, on the whiteboard and in the list of integrations (as often as it runs)."""
    services = await get_services()
    await services.registry.save_integration(integration_id, status="failed", next_step=error.retry)
    return {"status": "failed", "next_step": error.retry, "errors": [error.dump()]}


async def _rejected(gate: GateName, decision: ReviewDecision, retry: str, integration_id: str) -> Update:
    said = f": {decision.comment}" if decision.comment else ""
    error = StepError(
        step=gate, kind="Rejected", message=f"a person rejected the proposal{said}", retry=retry, at=now_iso()
    )
    return await _failed(integration_id, error)


def _given(parameters: Any) -> Update:
    """Parameters as channels: only what was said."""
    if parameters is None:
        return {}
    said: Update = parameters.model_dump(mode="json", exclude_unset=True)
    return said


def _with_specs(state: SharedWhiteboardState, parameters: IngestParameters | DiscoveryEdit) -> Update:
    """Other locations for the two specifications, put where ingest reads them."""
    said = _given(parameters)
    found = state.discovered_apis
    if found is None or not said:
        return {}
    update = {}
    for role in ("source", "dest"):
        location = said.get(f"{role}_spec_url") or said.get(role)
        result = getattr(found, role)
        if location and result is not None:
            update[role] = result.model_copy(
                update={
                    "spec_url": location,
                    "source": "given",
                    "confidence_score": 1.0,
                    "why": "given by a person",
                }
            )
    return {"discovered_apis": found.model_copy(update=update).dump()} if update else {}


async def review_discovery(state: SharedWhiteboardState, runtime: Runtime[VitesseContext]) -> Update:
    """Are these the two APIs?"""
    gate: Literal["review_discovery"] = "review_discovery"
    context = context_of(runtime)
    if not needs_person(gate, state, context) or _already_decided(gate, state):
        return {"next_step": "ingest"}
    decision = _ask(gate, state, runtime)
    if (noted := _stale(gate, decision, state)) is not None:
        return noted
    record = _record(gate, decision, context)
    if decision.type == "reject":
        return {**record, **await _rejected(gate, decision, "discovery", thread_id_of(runtime, state))}
    if decision.type == "retry":
        return {**record, "next_step": "discovery"}
    update = {**record, "next_step": "ingest"}
    if isinstance(decision.edited, DiscoveryEdit):
        # Other APIs by name have to be looked up: discovery does that, with the request changed.
        return {**record, **_given(decision.edited), "next_step": "discovery"}
    if isinstance(decision.parameters, IngestParameters):
        update |= _with_specs(state, decision.parameters)
        given = _given(decision.parameters)
        update |= {name: given[name] for name in ("source_overlay", "dest_overlay") if name in given}
    return update


async def review_ingest(state: SharedWhiteboardState, runtime: Runtime[VitesseContext]) -> Update:
    """Are these the endpoints, and is what was guessed right?"""
    gate: Literal["review_ingest"] = "review_ingest"
    context = context_of(runtime)
    if not needs_person(gate, state, context) or _already_decided(gate, state):
        return {"next_step": "map"}
    decision = _ask(gate, state, runtime)
    if (noted := _stale(gate, decision, state)) is not None:
        return noted
    record = _record(gate, decision, context)
    if decision.type == "reject":
        return {**record, **await _rejected(gate, decision, "ingest", thread_id_of(runtime, state))}
    said = _given(decision.edited if isinstance(decision.edited, EndpointEdit) else None)
    if isinstance(decision.parameters, MapParameters):
        said |= _given(decision.parameters)
    if decision.type == "retry":
        return {**record, **said, "next_step": "ingest"}
    if _other_endpoints(state, said) or "source_overlay" in said or "dest_overlay" in said:
        # The shapes of other endpoints (or of a corrected document) have to be read before they can be mapped.
        return {**record, **said, "next_step": "ingest"}
    return {**record, **said, "next_step": "map"}


def _other_endpoints(state: SharedWhiteboardState, said: Update) -> bool:
    source = state.source_api_spec.source if state.source_api_spec else None
    dest = state.dest_api_spec.dest if state.dest_api_spec else None
    wished_source, wished_dest = said.get("source_endpoint"), said.get("dest_endpoint")
    return bool(
        (wished_source and (source is None or wished_source != source.endpoint.key))
        or (wished_dest and (dest is None or wished_dest != dest.endpoint.key))
    )


async def edited_mapping(state: SharedWhiteboardState, edit: MappingEdit | GuardianEdit) -> MappingLogic:
    """The mapping with a person's rows, checked against both whole schemas (read from the cache; the
    whiteboard's are excerpts). Raises InputError, one line, when a row cannot be."""
    from vitesse_graph.mapping import apply_edit

    pair = await open_pair(await get_services(), state)
    try:
        return await asyncio.to_thread(
            apply_edit,
            state.mapping_logic or MappingLogic(),
            edit.transformations or [],
            pair.source_shape.record_schema,
            pair.dest_shape.request_schema,
        )
    except MappingError as error:
        raise InputError(str(error)) from error


async def review_map(state: SharedWhiteboardState, runtime: Runtime[VitesseContext]) -> Update:
    """Are these the right fields? Rows may be edited here."""
    gate: Literal["review_map"] = "review_map"
    context = context_of(runtime)
    if not needs_person(gate, state, context):
        return {"next_step": "guardian"}
    decision = _ask(gate, state, runtime)
    if (noted := _stale(gate, decision, state)) is not None:
        return noted
    record = _record(gate, decision, context)
    if decision.type == "reject":
        return {**record, **await _rejected(gate, decision, "map", thread_id_of(runtime, state))}
    said = _given(decision.parameters if isinstance(decision.parameters, TestParameters) else None)
    if decision.type == "retry":
        return {**record, **said, "next_step": "map"}
    update = {**record, **said, "next_step": "guardian"}
    if isinstance(decision.edited, MappingEdit):
        try:
            update["mapping_logic"] = (await edited_mapping(state, decision.edited)).dump()
        except InputError as error:
            return {"review_error": str(error)}
    return update


async def review_guardian(state: SharedWhiteboardState, runtime: Runtime[VitesseContext]) -> Update:
    """May it be deployed? What did not pass cannot be approved, only edited, retried or rejected."""
    gate: Literal["review_guardian"] = "review_guardian"
    context = context_of(runtime)
    has_passed = state.test_results is not None and state.test_results.passed
    is_healing = state.healing is not None and state.healing.outcome == "open"
    if not has_passed and is_healing:
        return {"next_step": "heal"}
    if not needs_person(gate, state, context):
        if has_passed:
            return {"next_step": "deploy"}
        return await _not_passed(state, thread_id_of(runtime, state))
    decision = _ask(gate, state, runtime)
    if (noted := _stale(gate, decision, state)) is not None:
        return noted
    if not context.may_deploy:
        # A server checks roles when it accepts a run; this run may have waited since, behind another.
        return {"review_error": "an answer to this gate takes the role approver"}
    if decision.type == "approve" and not has_passed:
        refused = (
            f"health {state.health_score or 0:.0f} has not passed, so it cannot be approved: "
            "edit the rows (edited.transformations), retry or reject"
        )
        return {"review_error": refused}
    record = _record(gate, decision, context)
    if decision.type == "reject":
        if is_healing and state.healing is not None:
            said = f": {decision.comment}" if decision.comment else ""
            log = [*state.healing.log, f"a person rejected the repair{said}"]
            return {
                **record,
                "healing": state.healing.evolve(is_rejected=True, log=log).dump(),
                "next_step": "heal",
            }
        return {**record, **await _rejected(gate, decision, "guardian", thread_id_of(runtime, state))}
    if decision.type == "retry":
        return {**record, "retry_count": 0, "next_step": "guardian"}
    return await _approved(gate, decision, state, record, has_passed)


async def _approved(
    gate: Literal["review_guardian"],
    decision: ReviewDecision,
    state: SharedWhiteboardState,
    record: Update,
    has_passed: bool,
) -> Update:
    wishes: Update = {}
    if isinstance(decision.edited, GuardianEdit):
        if decision.edited.transformations is not None:
            try:
                mapping = await edited_mapping(state, decision.edited)
            except InputError as error:
                return {"review_error": str(error)}
            return {**record, "mapping_logic": mapping.dump(), "retry_count": 0, "next_step": "guardian"}
        wishes |= _given(decision.edited)
    if isinstance(decision.parameters, DeployParameters):
        wishes |= _given(decision.parameters)
    if not has_passed:
        return {"review_error": "only edited rows can change a test that did not pass"}
    update = {**record, "next_step": "deploy"}
    if wishes:
        before = state.deployment_config.dump() if state.deployment_config else {}
        update["deployment_config"] = {**before, **wishes}
    return update


async def _not_passed(state: SharedWhiteboardState, integration_id: str) -> Update:
    results = state.test_results
    reasons = "; ".join(results.hard_fails[:3]) if results and results.hard_fails else ""
    message = (
        f"health {state.health_score or 0:.0f} did not pass after {state.retry_count} attempts"
        f"{': ' + reasons if reasons else ''}; edit the mapping or give hints, then run again"
    )
    error = StepError(step="guardian", kind="NotPassed", message=message, retry="map", at=now_iso())
    return {**await _failed(integration_id, error), "retry_count": 0, **log_entry("guardian", message)}
