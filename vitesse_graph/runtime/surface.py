"""The runtime's HTTP surface."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from vitesse_graph.errors import ConflictError, InputError, NotFoundError, UpstreamError, VitesseError
from vitesse_graph.runtime.engine import SyncRequest
from vitesse_graph.runtime.service import RuntimeService
from vitesse_graph.state.definition import SyncReport

_log = logging.getLogger(__name__)
_MOST_ID = 2**63 - 1
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(service: RuntimeService) -> web.Application:
    """The application over an open (or opening) service."""
    surface = _Surface(service)
    app = web.Application(middlewares=[surface.errors], client_max_size=1 << 20)
    app.add_routes(
        [
            web.get("/health", surface.health),
            web.get("/ready", surface.ready),
            web.get("/status", surface.status),
            web.get("/metrics", surface.metrics),
            web.post("/sync", surface.sync),
            web.post("/preview", surface.preview),
            web.get("/dead-letters", surface.dead_letters),
            web.post("/dead-letters/retry", surface.retry_dead_letters),
            web.post("/dead-letters/drop", surface.drop_dead_letters),
            web.get("/explain/{key:.+}", surface.explain),
            web.get("/runs", surface.runs),
            web.get("/records/recent", surface.recent),
            web.post("/pause", surface.pause),
            web.post("/resume", surface.resume),
            web.post("/unpause", surface.resume),  # as REST and the command call it
            web.post("/auth/refresh", surface.refresh_auth),
        ]
    )
    return app


def answer_of(report: SyncReport) -> dict[str, Any]:
    """A report under the names that `POST /sync` answers with; the report itself stands beside them."""
    return {
        "records_synced": report.written + report.unchanged + report.deleted,
        "fetched_from_source": report.fetched,
        "transformed": report.fetched - report.filtered - report.quarantined,
        "pushed_to_dest": report.written + report.deleted,
        "skipped": report.unchanged + report.filtered,
        "failed": report.quarantined,
        "sync_duration_seconds": report.duration_seconds,
        **report.dump(),
    }


class _Surface:
    def __init__(self, service: RuntimeService) -> None:
        self._service = service

    @web.middleware
    async def errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Errors as `{"error": one line}` with the status that fits."""
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _json({"error": error.reason}, error.status)
        except VitesseError as error:
            return _json({"error": self._service.redactor(str(error))}, _status_of(error))
        except Exception:  # noqa: BLE001 - the service must survive; the trace goes to the log
            _log.exception("%s %s broke", request.method, request.path)
            return _json({"error": "the runtime met an error of its own; its log has the details"}, 500)

    async def health(self, request: web.Request) -> web.Response:
        return _json({"status": "ok", "integration_id": self._service.definition.integration_id})

    async def ready(self, request: web.Request) -> web.Response:
        is_ready = self._service.is_ready
        return _json({"ready": is_ready}, 200 if is_ready else 503)

    async def status(self, request: web.Request) -> web.Response:
        return _json((await self._service.status()).dump())

    async def metrics(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self._service.metrics.text(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def sync(self, request: web.Request) -> web.Response:
        asked = await _body(request)
        order = SyncRequest(
            full=_flag(asked, "full"),
            dry_run=_flag(asked, "dry_run"),
            since=_text(asked, "since"),
            until=_text(asked, "until"),
            even_if_held=_flag(asked, "force"),
        )
        return _json(answer_of(await self._service.sync(order)))

    async def preview(self, request: web.Request) -> web.Response:
        from vitesse_graph.runtime.previews import preview

        limit = _number(await _body(request), "limit", 20)
        return _json((await preview(self._service.engine, limit=max(1, min(limit, 500)))).dump())

    async def dead_letters(self, request: web.Request) -> web.Response:
        from vitesse_graph.runtime.dead_letters import list_dead_letters

        query = dict(request.query)
        status = query.get("status", "open")
        if status not in ("open", "resolved", "dropped", "all"):
            raise InputError("status must be open, resolved, dropped or all")
        found = await list_dead_letters(
            self._service.store,
            self._service.definition.integration_id,
            status=None if status == "all" else status,
            limit=max(1, min(_number(query, "limit", 100), 1000)),
            after=max(0, min(_number(query, "after", 0), _MOST_ID)),
        )
        return _json({"dead_letters": found, "count": len(found)})

    async def retry_dead_letters(self, request: web.Request) -> web.Response:
        body = await _body(request)
        with_unknown = _flag({"unknown": True, **body}, "unknown")
        return _json(await self._service.retry_dead_letters(_ids(body), with_unknown=with_unknown))

    async def drop_dead_letters(self, request: web.Request) -> web.Response:
        from vitesse_graph.runtime.dead_letters import drop_dead_letters

        service, ids = self._service, _ids(await _body(request))
        return _json(
            {"dropped": await drop_dead_letters(service.store, service.definition.integration_id, ids)}
        )

    async def explain(self, request: web.Request) -> web.Response:
        from vitesse_graph.runtime.provenance import explain

        service, key = self._service, request.match_info["key"]
        return _json(await explain(service.store, service.definition.integration_id, key))

    async def runs(self, request: web.Request) -> web.Response:
        limit = max(1, min(_number(dict(request.query), "limit", 20), 500))
        values = {"id": self._service.definition.integration_id, "limit": limit}
        return _json({"runs": await self._service.store.records("runs", values)})

    async def recent(self, request: web.Request) -> web.Response:
        from vitesse_graph.runtime.dead_letters import recent_records

        limit = max(1, min(_number(dict(request.query), "limit", 20), 500))
        found = await recent_records(
            self._service.store, self._service.definition.integration_id, limit=limit
        )
        return _json(found)

    async def pause(self, request: web.Request) -> web.Response:
        await self._service.pause(_text(await _body(request), "reason") or "paused by a person")
        return _json({"paused": True})

    async def resume(self, request: web.Request) -> web.Response:
        await self._service.resume()
        return _json({"paused": False})

    async def refresh_auth(self, request: web.Request) -> web.Response:
        side = _text(await _body(request), "side")
        if side not in ("source", "dest"):
            raise InputError('side must be "source" or "dest"')
        return _json((await self._service.refresh_auth("dest" if side == "dest" else "source")).dump())


def _status_of(error: VitesseError) -> int:
    for kind, status in ((NotFoundError, 404), (ConflictError, 409), (InputError, 422), (UpstreamError, 502)):
        if isinstance(error, kind):
            return status
    return 503


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS),
        status=status,
        content_type="application/json",
    )


async def _body(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    if not raw:
        return {}
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InputError("the request body is no JSON") from error
    if not isinstance(value, dict):
        raise InputError("the request body must be a JSON object")
    return value


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise InputError(f"{name} must be true or false")
    return value


def _text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise InputError(f"{name} must be a text")
    return value


def _number(body: dict[str, Any], name: str, default: int) -> int:
    value = body.get(name, default)
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be a whole number") from error


def _ids(body: dict[str, Any]) -> list[int] | None:
    ids = body.get("ids")
    if ids is None:
        return None
    if not isinstance(ids, list) or not all(type(i) is int and 0 < i <= _MOST_ID for i in ids):
        raise InputError("ids must be a list of dead letter ids")
    return ids
