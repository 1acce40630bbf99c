"""Integrations: create, list, look at, describe, take down."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from vitesse_graph.api import credentials
from vitesse_graph.api.answers import Answer, answer, of_outcome, of_row
from vitesse_graph.api.bodies import CreateIntegration, UpdateIntegration
from vitesse_graph.api.care import checked_care
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
from vitesse_graph.api.redo import settle
from vitesse_graph.api.routes.mapping import change_rows
from vitesse_graph.api.service import new_integration_id
from vitesse_graph.deployers import DeployerFactory
from vitesse_graph.errors import NotFoundError
from vitesse_graph.registry import IntegrationRow
from vitesse_graph.runtime.schedule import trigger_for

router = APIRouter(route_class=Door, tags=["integrations"])
StatusFilter = Literal["discovering", "mapping", "testing", "deploying", "active", "failed"]
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"model": Answer, "description": "Accepted (`Prefer: respond-async`); follow `data.events`."}
}


async def _request_of(
    api: Api, caller: Principal, body: CreateIntegration, integration_id: str
) -> dict[str, Any]:
    """The run's input: locations checked, credentials encrypted."""
    places = {"source": body.place("source"), "dest": body.place("dest")}
    for place in places.values():
        credentials.ensure_location_allowed(place, caller)
    request: dict[str, Any] = {
        "user_intent": body.user_intent,
        **places,
        "source_endpoint": body.source_endpoint,
        "dest_endpoint": body.dest_endpoint,
        "source_overlay": body.source_overlay,
        "dest_overlay": body.dest_overlay,
        "source_params": body.source_params,
        "dest_params": body.dest_params,
        "deployment_target": body.deployment_target,
    }
    for side, given in (("source_auth", body.source_auth), ("dest_auth", body.dest_auth)):
        request[side] = await credentials.keep(
            given, caller, api.vault, integration_id=integration_id, purpose=side
        )
    return {name: value for name, value in request.items() if value is not None}


@router.post(
    "/integrations",
    summary="Create an integration and find both APIs",
    status_code=201,
    response_model=Answer,
    responses={**ACCEPTED, **problems(400, 409, 413, 502, 504)},
    dependencies=[Depends(document_headers)],
)
async def create(request: Request, api: ApiDep, caller: Caller, body: CreateIntegration) -> JSONResponse:
    """Runs discovery, then waits: `ingest` goes on. Credentials are encrypted at once."""
    caller.ensure("approver" if body.approvals == "none" else "operator")
    body.ensure_something_to_go_by()
    if body.deployment_target:
        await asyncio.to_thread(DeployerFactory.ensure_installed, body.deployment_target)
    integration_id = new_integration_id()
    order = api.order(request, caller, integration_id, "create", {})
    answered = await api.acceptance.replay(order)
    if answered is not None:
        return answered
    given = await _request_of(api, caller, body, integration_id)
    await api.registry.save_integration(
        integration_id,
        user_intent=body.user_intent,
        status="discovering",
        next_step="discovery",
        created_by=caller.id,
        tenant=caller.tenant,
    )
    if body.metadata:
        kept = await checked_care(body.metadata, caller, api.vault, integration_id=integration_id)
        await api.registry.save_metadata(integration_id, kept)
    context = context_for(caller, body.approvals)

    async def work() -> tuple[int, dict[str, Any]]:
        outcome = await api.service.start(
            given, integration_id=integration_id, context=context, on_event=api.publisher(integration_id)
        )
        status, said = settle(outcome)
        return (201 if status == 200 else status), said

    order_body = {"request": given, "context": {"approvals": body.approvals}}
    return await api.acceptance.take(
        api.order(request, caller, integration_id, "create", order_body),
        work,
        undo=lambda: api.registry.delete_integration(integration_id),
    )


def _listed(row: IntegrationRow) -> dict[str, Any]:
    return row.model_dump(mode="json", exclude={"tenant"})


@router.get(
    "/integrations",
    summary="List integrations, the newest first",
    response_model=Answer,
    responses=problems(),
)
async def list_all(
    api: ApiDep,
    caller: Caller,
    status: Annotated[StatusFilter | None, Query(description="Only those with this status.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
) -> dict[str, Any]:
    rows, total = await api.registry.integrations(
        status=status, limit=limit, offset=offset, tenant=caller.tenant
    )
    return answer(
        {
            "integrations": [_listed(row) for row in rows],
            "total": total,
            "limit": limit,
            "offset": offset,
            "has_more": offset + len(rows) < total,
        }
    )


@router.get(
    "/integrations/{integration_id}",
    summary="Where an integration stands",
    response_model=Answer,
    responses=problems(404),
)
async def look(api: ApiDep, caller: Caller, integration_id: IntegrationId) -> dict[str, Any]:
    """Status, what every step made, what waits for an answer, and what to call next."""
    row = await api.row(integration_id, caller)
    outcome = await api.service.find(integration_id)
    if outcome is None:
        return of_row(row, is_running=api.progress.is_running(integration_id))
    return of_outcome(outcome, row)


@router.put(
    "/integrations/{integration_id}",
    summary="Change metadata, sync frequency, or rows of the mapping by hand",
    response_model=Answer,
    responses={**ACCEPTED, **problems(400, 404, 409, 413)},
    dependencies=[Depends(document_headers)],
)
async def update(
    request: Request, api: ApiDep, caller: Caller, integration_id: IntegrationId, body: UpdateIntegration
) -> JSONResponse:
    """Changed rows make a new mapping version, which waits to be tested; what is deployed goes on."""
    await api.own_row(integration_id, caller)
    body.ensure_one_way()
    if body.sync_frequency:
        trigger_for(body.sync_frequency)  # says what is wrong with it
    given = await checked_care(body.metadata or {}, caller, api.vault, integration_id=integration_id)
    order = api.order(request, caller, integration_id, "update", {})
    answered = await api.acceptance.replay(order)
    if answered is not None:
        return answered

    async def work() -> tuple[int, dict[str, Any]]:
        described = dict(given)
        if body.sync_frequency is not None:
            await api.service.set_schedule(integration_id, body.sync_frequency or None)
            described["sync_frequency"] = body.sync_frequency or None
        if described:
            await api.registry.save_metadata(integration_id, described)
        if body.transformations is not None or body.rollback_to is not None:
            await change_rows(api, caller, integration_id, body)
        row = await api.registry.integration(integration_id)
        outcome = await api.service.find(integration_id)
        return 200, of_row(row, is_running=False) if outcome is None else of_outcome(outcome, row)

    return await api.acceptance.take(order, work)


@router.delete(
    "/integrations/{integration_id}",
    summary="Undeploy and forget",
    response_model=Answer,
    responses={**ACCEPTED, **problems(404, 409, 502)},
    dependencies=[Depends(document_headers)],
)
async def delete(
    request: Request, api: ApiDep, caller: Caller, integration_id: IntegrationId
) -> JSONResponse:
    """Takes down the workload, its sandboxes, the thread and the stored credentials; the audit log stays."""
    row = await api.own_row(integration_id, caller)
    if row.service_url:
        caller.ensure("approver" if row.created_by != caller.id else "operator")
    order = api.order(request, caller, integration_id, "delete", {})
    answered = await api.acceptance.replay(order)
    if answered is not None:
        return answered

    async def work() -> tuple[int, dict[str, Any]]:
        try:
            await api.service.delete(integration_id)
        except NotFoundError:
            await api.registry.delete_integration(integration_id)
        return 200, answer({"deleted": True}, integration_id=integration_id, current_step="delete")

    return await api.acceptance.take(order, work)


__all__ = ["ACCEPTED", "router"]
