"""Where a thread has been, and the way back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from vitesse_graph.api.answers import Answer, answer, of_outcome
from vitesse_graph.api.bodies import Restore
from vitesse_graph.api.doors import (
    ApiDep,
    Caller,
    Door,
    IntegrationId,
    context_for,
    document_headers,
    problems,
)

router = APIRouter(route_class=Door, tags=["history"])


@router.get(
    "/integrations/{integration_id}/history",
    summary="The thread's checkpoints, the newest first",
    response_model=Answer,
    responses=problems(404),
)
async def history(
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[
        str | None, Query(pattern=r"^[0-9a-fA-F-]{1,64}$", description="Only those before this checkpoint.")
    ] = None,
) -> dict[str, Any]:
    await api.row(integration_id, caller)
    entries = await api.service.history(integration_id, limit=limit, before=before)
    return answer(
        {"checkpoints": [entry.dump() for entry in entries], "count": len(entries)},
        integration_id=integration_id,
    )


@router.post(
    "/integrations/{integration_id}/restore",
    summary="Make an earlier checkpoint the newest",
    response_model=Answer,
    responses={
        202: {"model": Answer, "description": "Accepted (`Prefer: respond-async`); follow `data.events`."},
        **problems(404, 409, 413),
    },
    dependencies=[Depends(document_headers)],
)
async def restore(
    request: Request, api: ApiDep, caller: Caller, integration_id: IntegrationId, body: Restore
) -> JSONResponse:
    """Nothing is lost: the history keeps what came after. What is deployed stays deployed."""
    await api.own_row(integration_id, caller)
    order = api.order(request, caller, integration_id, "restore", body.model_dump())
    answered = await api.acceptance.replay(order)
    if answered is not None:
        return answered

    async def work() -> tuple[int, dict[str, Any]]:
        outcome = await api.service.restore(
            integration_id,
            body.checkpoint_id,
            context=context_for(caller),
            on_event=api.publisher(integration_id),
        )
        return 200, of_outcome(outcome)

    return await api.acceptance.take(order, work)
