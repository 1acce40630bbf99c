"""What is deployed: sync, heal, logs, metrics, audit; and the events of whatever runs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from vitesse_graph.api import bodies
from vitesse_graph.api.answers import Answer, answer
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
from vitesse_graph.api.monitoring import report_of
from vitesse_graph.api.redo import settle

router = APIRouter(route_class=Door, tags=["running"])
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"model": Answer, "description": "Accepted (`Prefer: respond-async`); follow `data.events`."}
}
QUIET_SECONDS = 15
"""After so long without an event the stream says that it is still there."""


@router.post(
    "/integrations/{integration_id}/sync",
    summary="Run one sync now",
    response_model=Answer,
    responses={**_ACCEPTED, **problems(400, 404, 409, 413, 502)},
    dependencies=[Depends(document_headers)],
)
async def sync(
    request: Request,
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    body: Annotated[bodies.Sync | None, Body()] = None,
) -> JSONResponse:
    """Waits for its end; every record fetched is written, unchanged, filtered, quarantined or deleted.

    With `since` or `until` it is a backfill of that range; a 400 where the source shows no moments.
    """
    await api.own_row(integration_id, caller)
    await api.ensure_deployed(integration_id)
    said = body or bodies.Sync()
    order = api.order(request, caller, integration_id, "sync", said.model_dump())
    answered = await api.acceptance.replay(order)
    if answered is not None:
        return answered

    async def work() -> tuple[int, dict[str, Any]]:
        report = await api.service.sync(integration_id, **said.model_dump())
        return 200, answer(
            {"sync": report.dump()}, status="active", integration_id=integration_id, current_step="sync"
        )

    return await api.acceptance.take(order, work)


@router.post(
    "/integrations/{integration_id}/heal",
    summary="Diagnose, repair, prove and redeploy",
    response_model=Answer,
    responses={**_ACCEPTED, **problems(400, 404, 409, 413, 502, 504)},
    dependencies=[Depends(document_headers)],
)
async def heal(
    request: Request,
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    body: Annotated[bodies.Heal | None, Body()] = None,
) -> JSONResponse:
    """What is deployed goes on until a repair has passed; a risky one waits for `deploy` or `review`."""
    said = body or bodies.Heal()
    await api.own_row(integration_id, caller)
    if said.heal_approval == "never":
        caller.ensure("approver")
    await api.ensure_deployed(integration_id)
    context = context_for(caller, heal_approval=said.heal_approval)
    order = api.order(request, caller, integration_id, "heal", said.model_dump())
    answered = await api.acceptance.replay(order)
    if answered is not None:
        return answered

    async def work() -> tuple[int, dict[str, Any]]:
        report = await report_of(api.service, integration_id, said.reason)
        outcome = await api.service.heal(
            integration_id, report.dump(), context=context, on_event=api.publisher(integration_id)
        )
        return settle(outcome)

    return await api.acceptance.take(order, work)


@router.get(
    "/integrations/{integration_id}/logs",
    summary="The workload's last log lines",
    response_model=Answer,
    responses=problems(404, 409, 502),
)
async def logs(
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    lines: Annotated[int, Query(ge=1, le=5_000)] = 100,
) -> dict[str, Any]:
    await api.row(integration_id, caller)
    await api.ensure_deployed(integration_id)
    text = await api.service.logs(integration_id, lines)
    return answer({"lines": text.splitlines()}, integration_id=integration_id)


@router.get(
    "/integrations/{integration_id}/audit",
    summary="Who did what, with which outcome",
    response_model=Answer,
    responses=problems(404),
)
async def audit(
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> dict[str, Any]:
    await api.row(integration_id, caller)
    entries = await api.registry.audit_log(integration_id, limit=limit)
    return answer(
        {"entries": [{**entry, "at": entry["at"].isoformat()} for entry in entries]},
        integration_id=integration_id,
    )


@router.get(
    "/integrations/{integration_id}/tests",
    summary="What the guardian found, run by run, the newest first",
    response_model=Answer,
    responses=problems(404),
)
async def proofs(
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    limit: Annotated[int, Query(ge=1, le=100)] = 1,
) -> dict[str, Any]:
    """Each with its calls: endpoint, status, time, failing field; secrets redacted, bodies capped."""
    await api.row(integration_id, caller)
    runs = await api.registry.test_runs(integration_id, limit)
    return answer(
        {"runs": [{**run, "created_at": run["created_at"].isoformat()} for run in runs]},
        integration_id=integration_id,
    )


@router.get(
    "/integrations/{integration_id}/metrics",
    summary="What the deployed runtime measures",
    response_model=Answer,
    responses={
        200: {
            "description": "JSON, or the Prometheus text where `Accept: text/plain` asks for it.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **problems(404, 409, 502),
    },
)
async def metrics(request: Request, api: ApiDep, caller: Caller, integration_id: IntegrationId) -> Response:
    await api.row(integration_id, caller)
    await api.ensure_deployed(integration_id)
    if "text/plain" in request.headers.get("accept", ""):
        text = await api.service.runtime_text(integration_id, "/metrics")
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")
    status = await api.service.runtime_status(integration_id)
    return JSONResponse(answer({"runtime": status.dump()}, status="active", integration_id=integration_id))


@router.get(
    "/integrations/{integration_id}/events",
    summary="Progress as server-sent events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "One event after another; `vitesse.status` first, and last when nothing runs.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **problems(404),
    },
)
async def events(
    request: Request,
    api: ApiDep,
    caller: Caller,
    integration_id: IntegrationId,
    follow: Annotated[bool, Query(description="Stay after the run has ended.")] = False,
    last_event_id: Annotated[str | None, Header(pattern=r"^\d{1,18}$")] = None,
) -> StreamingResponse:
    """Ends when no run is under way (unless `follow`). `Last-Event-ID` gives what was missed since."""
    await api.row(integration_id, caller)
    after = int(last_event_id) if last_event_id else None
    return StreamingResponse(
        _stream(api, integration_id, follow=follow, after=after), media_type="text/event-stream"
    )


async def _status_event(api: Api, integration_id: str) -> dict[str, Any]:
    row = await api.registry.integration(integration_id)
    return {
        "status": row.status,
        "next_step": row.next_step,
        "health_score": row.health_score,
        "is_running": api.progress.is_running(integration_id)
        or await api.service.services.limiter.is_held(integration_id),
    }


def _text(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


async def _stream(api: Api, integration_id: str, *, follow: bool, after: int | None) -> AsyncIterator[str]:
    """What happens here as it happens; what happens in other processes as the read model shows it."""
    shown = await _status_event(api, integration_id)
    yield _text("vitesse.status", shown)
    if not follow and not shown["is_running"] and after is None:
        return
    quiet = 0
    async for event in api.progress.listen(integration_id, after=after):
        if event is not None:
            quiet = 0
            yield event.text()
            continue
        quiet += 1
        now = await _status_event(api, integration_id)
        if now != shown:
            shown = now
            yield _text("vitesse.status", shown)
        elif quiet % QUIET_SECONDS == 0:
            yield ": still here\n\n"
        if not follow and not shown["is_running"]:
            return
