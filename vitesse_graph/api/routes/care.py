"""Looking after what is deployed: what changed at the APIs, and stopping syncs for a while."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from vitesse_graph.api.answers import Answer, answer
from vitesse_graph.api.doors import ApiDep, Caller, Door, IntegrationId, document_headers, problems

router = APIRouter(route_class=Door, tags=["running"])


@router.get(
    "/integrations/{integration_id}/drift",
    summary="How both APIs differ from what was deployed",
    response_model=Answer,
    responses=problems(404, 409, 502),
)
async def drift(api: ApiDep, caller: Caller, integration_id: IntegrationId) -> dict[str, Any]:
    """Reads both specifications again (conditionally) and a few records; changes nothing."""
    from vitesse_graph.healing import render_drift

    await api.own_row(integration_id, caller)
    await api.ensure_deployed(integration_id)
    items = await api.service.drift(integration_id)
    return answer(
        {"drift": [item.dump() for item in items], "report": render_drift(items)},
        integration_id=integration_id,
    )


async def _hold(request: Request, api: ApiDep, caller: Caller, integration_id: str, on: bool) -> JSONResponse:
    await api.own_row(integration_id, caller)
    await api.ensure_deployed(integration_id)
    order = api.order(request, caller, integration_id, "pause" if on else "unpause", {})
    answered = await api.acceptance.replay(order)
    if answered is not None:
        return answered

    async def work() -> tuple[int, dict[str, Any]]:
        if on:
            await api.service.pause(integration_id, f"paused by {caller.id}", is_audited=True)
        else:
            await api.service.unpause(integration_id, is_audited=True)
        return 200, answer({"paused": on}, integration_id=integration_id)

    return await api.acceptance.take(order, work)


@router.post(
    "/integrations/{integration_id}/pause",
    summary="No more syncs until unpause",
    response_model=Answer,
    responses=problems(404, 409, 502),
    dependencies=[Depends(document_headers)],
)
async def pause(request: Request, api: ApiDep, caller: Caller, integration_id: IntegrationId) -> JSONResponse:
    """A run under way finishes what is in flight."""
    return await _hold(request, api, caller, integration_id, True)


@router.post(
    "/integrations/{integration_id}/unpause",
    summary="Syncs may go on",
    response_model=Answer,
    responses=problems(404, 409, 502),
    dependencies=[Depends(document_headers)],
)
async def unpause(
    request: Request, api: ApiDep, caller: Caller, integration_id: IntegrationId
) -> JSONResponse:
    """Also after the monitor paused it: the records as they are now count as right from here on."""
    return await _hold(request, api, caller, integration_id, False)
