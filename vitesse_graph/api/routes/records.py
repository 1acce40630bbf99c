"""Records: what would become of them, what became of them, and those that could not be written."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.responses import JSONResponse

from vitesse_graph.api import bodies
from vitesse_graph.api.answers import Answer, answer
from vitesse_graph.api.doors import (
    ApiDep,
    Caller,
    Door,
    IntegrationId,
    document_headers,
    problems,
)

router = APIRouter(route_class=Door, tags=["records"])
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"model": Answer, "description": "Accepted (`Prefer: respond-async`); follow `data.events`."}
}


@router.post(
    "/integrations/{integration_id}/preview",
    summary="What a sync would do with the first records",
    response_model=Answer,
    responses=problems(400, 404, 409, 413, 502),
)
async def preview(
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    body: Annotated[bodies.Preview | None, Body()] = None,
) -> dict[str, Any]:
    """Reads real records and shows field by field what would be created, updated or skipped; writes nothing."""
    await api.own_row(integration_id, caller)
    limit = (body or bodies.Preview()).limit
    shown = await api.service.call_runtime(integration_id, "POST", "/preview", {"limit": limit})
    return answer({"preview": shown}, status="active", integration_id=integration_id)


@router.get(
    "/integrations/{integration_id}/runs",
    summary="The syncs that ran, the newest first",
    response_model=Answer,
    responses=problems(404, 409, 502),
)
async def runs(
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    limit: Annotated[int, Query(ge=1, le=500)] = 20,
) -> dict[str, Any]:
    """Each with its counts, versions and who approved."""
    await api.row(integration_id, caller)
    found = await api.service.call_runtime(integration_id, "GET", f"/runs?limit={limit}")
    return answer(found, integration_id=integration_id)


@router.get(
    "/integrations/{integration_id}/explain",
    summary="What happened to one record",
    response_model=Answer,
    responses=problems(404, 409, 502),
)
async def explain(
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    key: Annotated[
        str,
        Query(
            min_length=1,
            max_length=1_000,
            pattern=r"^[^\x00]+$",
            description="The record's source key, or its id at the destination.",
            examples=["4711"],
        ),
    ],
) -> dict[str, Any]:
    """Run, page, mapping version, specification versions, who approved, and each step of the transformation."""
    await api.row(integration_id, caller)
    told = await api.service.call_runtime(integration_id, "GET", f"/explain/{quote(key, safe='')}")
    return answer({"record": told}, integration_id=integration_id)


@router.get(
    "/integrations/{integration_id}/dead-letters",
    summary="Records that could not be written, and why",
    response_model=Answer,
    responses=problems(404, 409, 502),
)
async def dead_letters(
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    status: Annotated[
        Literal["open", "resolved", "dropped", "all"], Query(description="What became of them.")
    ] = "open",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    after: Annotated[
        int, Query(ge=0, le=bodies.MAX_ID, description="Only those with a greater id: the next page.")
    ] = 0,
) -> dict[str, Any]:
    """The oldest first. The records themselves (`payload`) are shown to whoever may change the integration."""
    row = await api.row(integration_id, caller)
    path = f"/dead-letters?status={status}&limit={limit}&after={after}"
    found = await api.service.call_runtime(integration_id, "GET", path)
    if not caller.may_change(row):
        for letter in found["dead_letters"]:
            letter.pop("payload", None)
    return answer(found, integration_id=integration_id)


async def _letters(
    request: Request, api: ApiDep, caller: Caller, integration_id: str, verb: str, ids: list[int] | str
) -> JSONResponse:
    await api.own_row(integration_id, caller)
    await api.service.deployment(integration_id)
    asked = {"ids": None if ids == "all" else ids}
    order = api.order(request, caller, integration_id, f"{verb}_dead_letters", {"ids": ids})
    answered = await api.acceptance.replay(order)
    if answered is not None:
        return answered

    async def work() -> tuple[int, dict[str, Any]]:
        ended = await api.service.call_runtime(integration_id, "POST", f"/dead-letters/{verb}", asked)
        return 200, answer(ended, status="active", integration_id=integration_id)

    return await api.acceptance.take(order, work)


@router.post(
    "/integrations/{integration_id}/dead-letters/retry",
    summary="Try dead letters again, with the mapping as it is now",
    response_model=Answer,
    responses={**_ACCEPTED, **problems(404, 409, 413, 502)},
    dependencies=[Depends(document_headers)],
)
async def retry(
    request: Request,
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    body: Annotated[bodies.RetryLetters | None, Body()] = None,
) -> JSONResponse:
    """`retried` = `written` + `failed`; a record too large to be kept is tried by the run that next reads it."""
    ids = (body or bodies.RetryLetters()).ids
    return await _letters(request, api, caller, integration_id, "retry", ids)


@router.post(
    "/integrations/{integration_id}/dead-letters/drop",
    summary="Decide that dead letters need not be written",
    response_model=Answer,
    responses={**_ACCEPTED, **problems(404, 409, 413, 502)},
    dependencies=[Depends(document_headers)],
)
async def drop(
    request: Request, api: ApiDep, caller: Caller, integration_id: IntegrationId, body: bodies.DropLetters
) -> JSONResponse:
    """A record that changes later at the source is tried again."""
    return await _letters(request, api, caller, integration_id, "drop", body.ids)
