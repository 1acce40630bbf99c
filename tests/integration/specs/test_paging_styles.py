"""What ingest tells of a list is enough to read it: over real HTTP, against servers that page as the vendors do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web

from tests.vendor_styles import VendorStyle, vendor_styles
from vitesse_graph.http import AddressPolicy
from vitesse_graph.runtime.auth import Credentials, StaticAuth
from vitesse_graph.runtime.client import ApiClient
from vitesse_graph.runtime.connect import open_session
from vitesse_graph.runtime.fields import at
from vitesse_graph.runtime.limiter import Limiter
from vitesse_graph.runtime.reader import SourceReader
from vitesse_graph.runtime.secrets import Redactor
from vitesse_graph.sandbox import create_sandbox
from vitesse_graph.sandbox.serving import serve
from vitesse_graph.state.api_spec import Pagination, SourceShape
from vitesse_graph.state.definition import Call, SourceSide

STYLES = {style.title: style for style in vendor_styles()}
TOTAL, SIZE = 25, 10
BASIC = "Basic dTpw"


@asynccontextmanager
async def _client(side: SourceSide) -> AsyncIterator[ApiClient]:
    async with open_session(AddressPolicy(allow_loopback=True), 2) as session:
        credentials = Credentials(headers={"X-Token": "t"})
        limiter = Limiter(None, asyncio.get_running_loop().time)
        yield ApiClient(
            side, session, StaticAuth(credentials), limiter, redactor=Redactor(), patience_seconds=3.0
        )


def _required(style: VendorStyle) -> dict[str, str]:
    parameters = style.document().operation(style.key).parameters
    return {
        p.name: "x"
        for p in parameters
        if p.required and p.location == "query" and p.json_schema.get("type") == "string"
    }


async def _read(style: VendorStyle, url: str, pagination: Pagination | None = None) -> list[Any]:
    """Every record, as the deployed runtime reads them."""
    shape: SourceShape = style.document().source_shape(style.key)
    paging = pagination or shape.endpoint.pagination
    assert paging is not None
    headers = {name: value or "x" for name, value in shape.endpoint.required_headers.items()}
    names = [part[1:-1] for part in shape.endpoint.path.split("/") if part.startswith("{")]
    call = Call(
        method=shape.endpoint.method,
        path=shape.endpoint.path,
        headers=headers,
        query=_required(style),
        path_params=dict.fromkeys(names, "1"),
    )
    side = SourceSide(
        api_name=style.title, base_url=url, read=call, pagination=paging, id_field=shape.id_field
    )
    async with _client(side) as client:
        return [record async for page in SourceReader(side, client).pages() for record in page.records]


# Servers that page as the vendors do; each knows only its own vendor's way.

Handler = Callable[[web.Request, dict[str, Any]], web.StreamResponse]


def _cut(start: int, size: int = SIZE) -> tuple[list[dict[str, Any]], int | None]:
    rows = [{"id": n, "sort": [n, f"s{n}"]} for n in range(1, TOTAL + 1)][start : start + size]
    return rows, start + size if start + size < TOTAL else None


def _json(value: Any, **headers: str) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json", headers=headers)


def graph(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    rows, following = _cut(int(request.query.get("$skiptoken", 0)))
    more = {"@odata.nextLink": f"{request.url.with_query({'$skiptoken': following})}"} if following else {}
    return _json({"value": rows, **more})


def fhir(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    rows, following = _cut(int(request.query.get("page", 0)))
    links = [{"relation": "self", "url": str(request.url)}]
    links += [{"relation": "next", "url": f"/Patient?page={following}"}] if following else []
    return _json({"resourceType": "Bundle", "link": links, "entry": [{"resource": row} for row in rows]})


def paypal(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    rows, following = _cut(int(request.query.get("start", 0)))
    links = [{"rel": "self", "href": str(request.url)}]
    links += [{"rel": "next", "href": str(request.url.with_query(start=following))}] if following else []
    return _json({"events": rows, "count": len(rows), "links": links})


def notion(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    assert body["page_size"] == 100
    rows, following = _cut(int(body.get("start_cursor", "0")))
    assert "start_cursor" not in body or type(body["start_cursor"]) is str  # as it was given, no number
    cursor = str(following) if following else None
    return _json({"results": rows, "next_cursor": cursor, "has_more": cursor is not None})


def elastic(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    rows, _ = _cut(body["search_after"][0] if "search_after" in body else 0)
    hits = [{"_id": str(row["id"]), "_source": row, "sort": row["sort"]} for row in rows]
    return _json({"hits": {"total": {"value": TOTAL}, "hits": hits}})


def zendesk(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    rows, following = _cut(int(request.query.get("page[after]", 0)), int(request.query["page[size]"]) // 10)
    return _json({"tickets": rows, "meta": {"has_more": bool(following), "after_cursor": str(following)}})


def twilio(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    rows, following = _cut(int(request.query.get("PageToken", 0)))
    url = str(request.url.with_query(PageToken=following)) if following else None
    return _json({"services": rows, "meta": {"next_page_url": url}})


def salesforce(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    rows, following = _cut(int(request.query.get("at", 0)))
    more = {"nextRecordsUrl": f"/query?at={following}"} if following else {}
    return _json({"totalSize": TOTAL, "done": not following, "records": rows, **more})


def scim(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    assert int(request.query["startIndex"]) >= 1
    rows, _ = _cut(int(request.query["startIndex"]) - 1)
    return _json({"totalResults": TOTAL, "Resources": rows})


def nested(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    rows, _ = _cut((body["pagination"]["page"] - 1) * SIZE)
    return _json({"contacts": rows, "pagination": {"total_entries": TOTAL}})


def azure(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    rows, following = _cut(int(request.query.get("continuationToken", 0)))
    return _json({"value": rows}, **({"X-MS-ContinuationToken": str(following)} if following else {}))


def airtable(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    rows, following = _cut(int(request.query.get("offset", "itr0")[3:]))
    return _json({"records": rows, **({"offset": f"itr{following}"} if following else {})})


def ranged(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    unit, _, span = request.headers["Range"].partition("=")
    assert unit == "items"
    start = int(span.partition("-")[0])
    if start >= TOTAL:
        return web.Response(status=416)
    return web.Response(status=206, body=orjson.dumps(_cut(start)[0]))


def relay(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    rows, following = _cut(int(request.query.get("after", 0)))
    info = {"hasNextPage": bool(following), "endCursor": str(following)}
    return _json({"data": {"products": {"edges": [{"node": row} for row in rows], "pageInfo": info}}})


def jira(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    start = int(request.query["startAt"])
    rows, following = _cut(start)
    more = {"nextPage": f"{request.url.update_query(startAt=following)}"} if following else {}
    return _json({"isLast": not following, "startAt": start, "total": TOTAL, "values": rows, **more})


SERVERS: dict[str, tuple[Handler, str]] = {
    "OData Service for namespace microsoft.graph": (graph, "id"),
    "FHIR R4 Server": (fhir, "resource.id"),
    "Webhooks Management": (paypal, "id"),
    "Notion API": (notion, "id"),
    "Search API": (elastic, "_source.id"),
    "Ticketing API": (zendesk, "id"),
    "Twilio - Messaging": (twilio, "id"),
    "Salesforce Platform REST": (salesforce, "id"),
    "SCIM 2.0": (scim, "id"),
    "Search in a body": (nested, "id"),
    "Pages in response headers": (azure, "id"),
    "Airtable-like": (airtable, "id"),
    "Range only": (ranged, "id"),
    "Graph style gateway": (relay, "node.id"),
    "The Jira Cloud platform REST API": (jira, "id"),
}


@pytest.mark.parametrize("title", SERVERS)
async def test_every_record_is_read_once_from_a_server_that_pages_so(title: str) -> None:
    handler, id_at = SERVERS[title]
    asked = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(str(request.url))
        raw = await request.read()
        return handler(request, orjson.loads(raw) if raw else {})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        records = await _read(STYLES[title], f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()
    assert [at(record, id_at) for record in records] == list(range(1, TOTAL + 1))
    assert len(asked) >= 3


@pytest.mark.parametrize("title", STYLES)
async def test_the_sandbox_pages_as_the_vendor_does(title: str) -> None:
    style = STYLES[title]
    document = style.document()
    sandbox = create_sandbox(document, records=TOTAL, require_auth=False)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(sandbox, on_ready=ready.set_result))
    try:
        url = await ready
        paging = document.source_shape(style.key).endpoint.pagination
        assert paging is not None
        small = paging.model_copy(update={"max_page_size": 5, "default_page_size": 5})
        records = await _read(style, url, small)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    shown = sandbox.shown(style.key)
    assert len(shown) > 5
    assert records == shown
    assert sandbox.stats.requests >= 2 or not paging.page_size_param
