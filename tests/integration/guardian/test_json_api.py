"""Updates that repeat the record's id in their body (JSON:API): read from the document, sent by the runtime."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "unit" / "guardian"))

from pair import BEARER, SOURCE_SHAPE, row, source_api

from vitesse_graph.database import database_url
from vitesse_graph.guardian import AppTarget, TwinReport, run_guardian, run_twin, shadow_records
from vitesse_graph.guardian import Call as HttpCall
from vitesse_graph.http import AddressPolicy
from vitesse_graph.runtime import run_sync
from vitesse_graph.runtime.store import Store
from vitesse_graph.sandbox import create_sandbox, serve
from vitesse_graph.settings import Settings
from vitesse_graph.specs import SpecDocument, load_document
from vitesse_graph.state.definition import Call, DestSide, IntegrationDefinition, SourceSide, SyncReport
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.synthetic import TYPICAL

ATTRIBUTES = {"type": "object", "properties": {"email": {"type": "string"}, "first_name": {"type": "string"}}}
TYPE = {"type": "string", "enum": ["profile"]}


def _document(*required: str) -> dict[str, Any]:
    data = {
        "type": "object",
        "required": list(required),
        "properties": {"type": TYPE, "id": {"type": "string"}, "attributes": ATTRIBUTES},
    }
    return {"type": "object", "required": ["data"], "properties": {"data": data}}


def _media(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/vnd.api+json": {"schema": schema}}}


NEW, CHANGED, SHOWN = _document("type", "attributes"), _document("type", "id", "attributes"), _document("id")
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
SPEC = {
    "openapi": "3.0.3",
    "info": {"title": "Profiles", "version": "1"},
    "paths": {
        "/profiles": {
            "post": {
                "requestBody": {"required": True, **_media(NEW)},
                "responses": {"201": {"description": "made", **_media(SHOWN)}},
            }
        },
        "/profiles/{id}": {
            "patch": {
                "parameters": [ID],
                "requestBody": {"required": True, **_media(CHANGED)},
                "responses": {"200": {"description": "changed", **_media(SHOWN)}},
            }
        },
    },
}
MAPPING = MappingLogic(
    transformations=[
        row("mail", "data.attributes.email"),
        row("first_name", "data.attributes.first_name"),
        row([], "data.type", "constant", value="profile"),
    ]
)


@pytest.fixture
async def profiles(tmp_path: Path) -> SpecDocument:
    file = tmp_path / "profiles.json"
    file.write_text(json.dumps(SPEC), "utf-8")
    return await load_document(str(file), settings=Settings(VITESSE_DATA_DIR=tmp_path))


async def test_where_an_update_repeats_the_id_is_read_and_tried(profiles: SpecDocument) -> None:
    shape = profiles.dest_shape("POST /profiles")
    assert shape.update_id_at == "data.id"
    records = shadow_records(SOURCE_SHAPE, sample_size=40)
    seeded = {"GET /contacts": [record.value for record in records]}
    results = await run_guardian(
        source=AppTarget(create_sandbox(source_api(), seed_records=seeded), BEARER),
        dest=AppTarget(create_sandbox(profiles)),
        source_shape=SOURCE_SHAPE,
        dest_shape=shape,
        mapping=MAPPING,
        synthetic=records,
        sample_size=40,
    )
    assert results.endpoint_coverage == 1.0
    assert results.passed


@pytest.mark.parametrize(("update_id_at", "is_right"), [("data.id", True), (None, False)])
async def test_the_runtime_repeats_it_and_the_twin_tells_when_it_does_not(
    profiles: SpecDocument, data_dir: Path, update_id_at: str | None, is_right: bool
) -> None:
    values = [record.value for record in shadow_records(SOURCE_SHAPE, sample_size=30, mix=TYPICAL)]
    source = create_sandbox(source_api(), seed_records={"GET /contacts": values}, require_auth=False)
    dest = create_sandbox(profiles, records=0)
    urls, tasks = [], []
    for app in (source, dest):
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        tasks.append(asyncio.create_task(serve(app, on_ready=ready.set_result)))
        urls.append(await asyncio.wait_for(ready, 10))
    paging = SOURCE_SHAPE.endpoint.pagination
    assert paging is not None
    made = IntegrationDefinition(
        integration_id=f"json-api-{update_id_at}",
        source=SourceSide(
            api_name="contacts", base_url=urls[0], id_field="id", pagination=paging, read=Call(method="GET", path="/contacts"),
        ),
        dest=DestSide(
            api_name="profiles", base_url=urls[1], id_at="data.id", envelope="data.attributes",
            create=Call(method="POST", path="/profiles", content_type="application/vnd.api+json"),
            update=Call(method="PATCH", path="/profiles/{id}", content_type="application/vnd.api+json"),
            update_id_param="id", update_id_at=update_id_at,
        ),
        mapping=MAPPING,
    )  # fmt: skip
    settings = Settings(data_dir=data_dir, database_url=None, postgres_server=None, _env_file=None)
    async with Store(lambda: database_url(settings), patience_seconds=30) as store:

        async def sync() -> SyncReport:
            return await run_sync(made, full=True, store=store, policy=AddressPolicy(allow_loopback=True))

        report: TwinReport = await run_twin(
            source=source, dest=dest, source_shape=SOURCE_SHAPE, dest_shape=profiles.dest_shape("POST /profiles"),
            mapping=MAPPING, sync=sync,
        )  # fmt: skip
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert report.passed is is_right, report.differences


async def test_what_is_sent_as_attributes_is_shown_as_attributes(profiles: SpecDocument) -> None:
    target = AppTarget(create_sandbox(profiles))
    kind = "application/vnd.api+json"
    attributes = {"email": "ada@example.com", "first_name": "Ada"}
    body = {"data": {"type": "profile", "attributes": attributes}}
    made = (await target.call(HttpCall("POST", "/profiles", body=body, content_type=kind))).value()
    assert made["data"]["attributes"] == attributes
    body["data"] |= {"id": made["data"]["id"], "attributes": {"first_name": "Augusta"}}
    path = f"/profiles/{made['data']['id']}"
    changed = (await target.call(HttpCall("PATCH", path, body=body, content_type=kind))).value()
    assert changed["data"]["attributes"] == {"email": "ada@example.com", "first_name": "Augusta"}
    assert changed["data"]["id"] == made["data"]["id"]


async def test_an_update_whose_path_names_no_record_names_it_in_its_body(tmp_path: Path) -> None:
    pet = {
        "type": "object",
        "required": ["name"],
        "properties": {"id": {"type": "integer"}, "name": {"type": "string"}},
    }
    media = {"content": {"application/json": {"schema": pet}}}
    one = {
        "requestBody": {"required": True, **media},
        "responses": {"200": {"description": "ok", **media}},
    }
    spec = {
        "openapi": "3.0.3",
        "info": {"title": "Pets", "version": "1"},
        "paths": {"/pet": {"post": one, "put": one}},
    }
    file = tmp_path / "pets.json"
    file.write_text(json.dumps(spec), "utf-8")
    document = await load_document(str(file), settings=Settings(VITESSE_DATA_DIR=tmp_path))
    shape = document.dest_shape("POST /pet")
    assert (shape.update and shape.update.key, shape.update_id_at, shape.update_id_is_number) == (
        "PUT /pet", "id", True,
    )  # fmt: skip
