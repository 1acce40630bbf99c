"""The steps of an integration: each answers a gate, and may be called again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request
from fastapi.responses import JSONResponse

from vitesse_graph.api import bodies, credentials
from vitesse_graph.api.answers import Answer, current_step
from vitesse_graph.api.doors import (
    Api,
    ApiDep,
    Caller,
    Door,
    IntegrationId,
    context_for,
    document_headers,
    problems,
)
from vitesse_graph.api.principals import Principal
from vitesse_graph.api.problems import Refusal
from vitesse_graph.api.redo import settle
from vitesse_graph.api.service import Outcome, parse_decision
from vitesse_graph.api.steps import STEPS, endpoint_of, ensure_callable, next_call
from vitesse_graph.errors import ConflictError, InputError

router = APIRouter(route_class=Door, tags=["steps"])
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"model": Answer, "description": "Accepted (`Prefer: respond-async`); follow `data.events`."}
}
_STEP: dict[str, Any] = {
    "response_model": Answer,
    "responses": {**_ACCEPTED, **problems(400, 404, 409, 413, 502, 504)},
    "dependencies": [Depends(document_headers)],
}


async def _run_step(
    request: Request,
    api: Api,
    caller: Principal,
    integration_id: str,
    name: str,
    parameters: dict[str, Any],
) -> JSONResponse:
    """One step, through the table in `vitesse_graph.api.steps`."""
    await api.own_row(integration_id, caller)
    step = STEPS[name]
    caller.ensure_answers(step.gate)
    kept = {"parameters": parameters}
    order = api.order(request, caller, integration_id, name, kept)
    answered = await api.acceptance.replay(order)
    if answered is not None:
        return answered
    seen = await _ensure_in_order(api, integration_id, name)

    async def work() -> tuple[int, dict[str, Any]]:
        outcome = await api.service.step(
            integration_id,
            name,
            parameters,
            context=context_for(caller),
            on_event=api.publisher(integration_id),
            seen=seen,
        )
        return settle(outcome)

    return await api.acceptance.take(order, work)


async def _ensure_in_order(api: Api, integration_id: str, name: str) -> Outcome:
    """Where the integration stands. Raises a 409 that names the step to call instead, before anything
    is accepted."""
    outcome = await api.service.find(integration_id)
    if outcome is None:
        raise Refusal(409, f"{name} comes later: {integration_id} is being started")
    state, gate = outcome.state, outcome.waiting.gate if outcome.waiting else None
    try:
        ensure_callable(STEPS[name], state, gate, outcome.is_unfinished)
    except ConflictError as error:
        following = next_call(state, gate, outcome.is_unfinished)
        raise Refusal(
            409,
            str(error),
            current_step=current_step(outcome),
            next_step=following,
            next_endpoint=endpoint_of(integration_id, following),
        ) from error
    return outcome


def _said(body: Any) -> dict[str, Any]:
    said: dict[str, Any] = body.model_dump(mode="json", exclude_unset=True)
    return said


@router.post("/integrations/{integration_id}/ingest", summary="Read both specifications", **_STEP)
async def ingest(
    request: Request,
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    body: Annotated[bodies.Ingest | None, Body()] = None,
) -> JSONResponse:
    """Approves what discovery found, or names other specifications; then status `mapping`."""
    said = body or bodies.Ingest()
    for location in (said.source_spec_url, said.dest_spec_url):
        credentials.ensure_location_allowed(location, caller)
    return await _run_step(request, api, caller, integration_id, "ingest", _said(said))


@router.post("/integrations/{integration_id}/map", summary="Map the fields", **_STEP)
async def map_fields(
    request: Request,
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    body: Annotated[bodies.Map | None, Body()] = None,
) -> JSONResponse:
    """Approves the endpoints, or names others, with wishes for single fields; then status `testing`."""
    return await _run_step(request, api, caller, integration_id, "map", _said(body or bodies.Map()))


@router.post("/integrations/{integration_id}/test", summary="Prove the mapping with shadow calls", **_STEP)
async def prove(
    request: Request,
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    body: Annotated[bodies.Test | None, Body()] = None,
) -> JSONResponse:
    """Approves the mapping and tests it; status `deploying` when health reaches 70, else `testing`."""
    said = body or bodies.Test()
    if said.shadow_mode == "live" and said.skip_destructive:
        raise InputError("shadow_mode live writes to the real destination: it needs skip_destructive false")
    # With what was left out as well: what an earlier call asked for does not hold for this one.
    parameters = said.model_dump()
    return await _run_step(request, api, caller, integration_id, "test", parameters)


@router.post("/integrations/{integration_id}/deploy", summary="Deploy the tested mapping", **_STEP)
async def deploy(
    request: Request,
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    body: Annotated[bodies.Deploy | None, Body()] = None,
) -> JSONResponse:
    """Approves the test and starts the workload; then status `active`. Takes the role approver."""
    parameters = (body or bodies.Deploy()).model_dump()
    return await _run_step(request, api, caller, integration_id, "deploy", parameters)


@router.post("/integrations/{integration_id}/review", summary="Answer whatever gate waits", **_STEP)
async def review(
    request: Request,
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    body: bodies.Review,
) -> JSONResponse:
    """approve, edit (with the edited proposal), retry (with parameters) or reject.

    The same answer twice changes nothing; a different second answer is a 409.
    """
    await api.own_row(integration_id, caller)
    outcome = await api.service.look(integration_id)
    gate = body.gate or (outcome.waiting.gate if outcome.waiting else None)
    caller.ensure_answers(gate or "review_guardian")
    said = body.model_dump(mode="json", exclude_none=True) | {"by": caller.id}
    if gate is not None:
        parse_decision(gate, said)
        said["gate"] = gate
    if outcome.waiting is not None and outcome.waiting.gate == gate:
        said.setdefault("interrupt_id", outcome.waiting.interrupt_id)
    edited = said.get("edited")
    for location in (edited.get("source"), edited.get("dest")) if isinstance(edited, dict) else ():
        credentials.ensure_location_allowed(location, caller)
    order = api.order(request, caller, integration_id, "review", {"decision": said})
    answered = await api.acceptance.replay(order)
    if answered is not None:
        return answered

    async def work() -> tuple[int, dict[str, Any]]:
        after = await api.service.answer(
            integration_id,
            said,
            context=context_for(caller),
            on_event=api.publisher(integration_id),
            seen=outcome,
        )
        return settle(after)

    return await api.acceptance.take(order, work)


@router.post("/integrations/{integration_id}/resume", summary="Go on after a failed step or a crash", **_STEP)
async def resume(
    request: Request,
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    body: Annotated[bodies.Resume | None, Body()] = None,
) -> JSONResponse:
    """Runs on where it stopped, with better input where there is some; a waiting gate is left waiting."""
    row = await api.own_row(integration_id, caller)
    order = api.order(request, caller, integration_id, "resume", {})
    answered = await api.acceptance.replay(order)
    if answered is not None:
        return answered
    better = await _better(api, caller, integration_id, body or bodies.Resume())

    async def work() -> tuple[int, dict[str, Any]]:
        context, on_event = context_for(caller), api.publisher(integration_id)
        if await api.service.find(integration_id) is None:
            given = {"user_intent": row.user_intent, **better}
            return settle(
                await api.service.start(
                    given, integration_id=integration_id, context=context, on_event=on_event
                )
            )
        return settle(
            await api.service.resume(integration_id, better=better, context=context, on_event=on_event)
        )

    return await api.acceptance.take(order, work)


async def _better(api: Api, caller: Principal, integration_id: str, body: bodies.Resume) -> dict[str, Any]:
    """The better input as the graph takes it."""
    given: dict[str, Any] = {
        "user_intent": body.user_intent,
        "source": body.source_api_url,
        "dest": body.dest_api_url,
        "source_endpoint": body.source_endpoint,
        "dest_endpoint": body.dest_endpoint,
        "source_params": body.source_params,
        "dest_params": body.dest_params,
    }
    for location in (body.source_api_url, body.dest_api_url):
        credentials.ensure_location_allowed(location, caller)
    for side, credential in (("source_auth", body.source_auth), ("dest_auth", body.dest_auth)):
        given[side] = await credentials.keep(
            credential, caller, api.vault, integration_id=integration_id, purpose=side
        )
    return {name: value for name, value in given.items() if value is not None}
