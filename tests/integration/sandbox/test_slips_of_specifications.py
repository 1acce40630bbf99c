"""Slips of the pen in published documents: the sandbox reads them as they are meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vitesse_graph.guardian import AppTarget, Call
from vitesse_graph.guardian.plan import fixed_for
from vitesse_graph.guardian.targets import path_of
from vitesse_graph.sandbox import Sandbox, create_sandbox
from vitesse_graph.settings import Settings
from vitesse_graph.specs import SpecDocument, load_document

OK = {"200": {"description": "ok", "content": {"application/json": {"schema": {"type": "object"}}}}}


def post(name: str, *parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An operation whose body must have the field `name`."""
    schema = {"type": "object", "required": [name], "properties": {name: {"type": "string"}}}
    return {
        "post": {
            "operationId": name,
            "parameters": list(parameters),
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
            "responses": {**OK, **more},
        }
    }


def told(schema: dict[str, Any]) -> dict[str, Any]:
    return {"400": {"description": "no", "content": {"application/json": {"schema": schema}}}}


def target_header(value: str) -> dict[str, Any]:
    return {
        "name": "X-Target",
        "in": "header",
        "required": True,
        "schema": {"type": "string", "enum": [value]},
    }


async def opened(paths: dict[str, Any], folder: Path, **more: Any) -> tuple[SpecDocument, Sandbox, AppTarget]:
    spec = {"openapi": "3.0.3", "info": {"title": "Slips", "version": "1"}, "paths": paths, **more}
    (folder / "spec.json").write_text(json.dumps(spec), "utf-8")
    document = await load_document(str(folder / "spec.json"), settings=Settings(VITESSE_DATA_DIR=folder))
    app = create_sandbox(document, records=5)
    return document, app, AppTarget(app, document.spec.auth)


async def test_operations_of_one_path_are_told_apart_by_the_request(tmp_path: Path) -> None:
    _, app, target = await opened(
        {
            "/#X-Target=One": post("one", target_header("One")),
            "/#X-Target=Two": post("two", target_header("Two")),
            "/files#share": post("link"),
            "/files#lock": post("lock"),
            "/items": post("plain"),
            "/items?action=archive": post("archive"),
        },
        tmp_path,
    )
    for path, query, headers, body, key in (
        ("/", {}, {"x-target": "Two"}, {"two": "a"}, "POST /#X-Target=Two"),
        ("/files", {}, {}, {"lock": "a"}, "POST /files#lock"),
        ("/items", {"action": "archive"}, {}, {"archive": "a"}, "POST /items?action=archive"),
        ("/items", {}, {}, {"plain": "a"}, "POST /items"),
    ):
        assert (await target.call(Call("POST", path, query, headers, body))).status == 200, key
        assert app.stats.by_operation[key] == 1
    # What fits none of them is refused by the one that it fits best.
    refused = await target.call(Call("POST", "/", {}, {"x-target": "Two"}, {"three": "a"}))
    assert refused.status == 400
    assert b"two: is required" in refused.raw


async def test_what_stands_behind_the_path_never_reaches_a_server(tmp_path: Path) -> None:
    document, _, _ = await opened({"/files/{id}#share": post("link")}, tmp_path)
    assert path_of(document.operation("POST /files/{id}#share").endpoint, {"id": "a b"}) == "/files/a%20b"


async def test_a_required_authorization_parameter_does_not_spoil_the_credential(tmp_path: Path) -> None:
    header = {"name": "Authorization", "in": "header", "required": True, "schema": {"type": "string"}}
    document, _, target = await opened(
        {"/orders": post("name", header)},
        tmp_path,
        components={"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        security=[{"token": []}],
    )
    operation = document.operation("POST /orders")
    fixed = fixed_for(operation.endpoint, operation, {}, invent=True)
    assert "Authorization" in fixed.headers
    assert (
        await target.call(Call("POST", "/orders", headers=fixed.headers, body={"name": "a"}))
    ).status == 200


async def test_headers_that_openapi_describes_elsewhere_are_passed_over(tmp_path: Path) -> None:
    def header(name: str, **schema: Any) -> dict[str, Any]:
        return {"name": name, "in": "header", "required": True, "schema": {"type": "string", **schema}}

    document, _, target = await opened(
        {
            "/orders": post(
                "name", header("Accept", enum=["a/b"]), header("Content-Type"), header("X-Key", format="uuid")
            )
        },
        tmp_path,
        components={"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}},
        security=[{"key": []}],
    )
    operation = document.operation("POST /orders")
    fixed = fixed_for(operation.endpoint, operation, {}, invent=True)
    assert not {"accept", "content-type"} & {name.lower() for name in fixed.headers}
    assert (
        await target.call(Call("POST", "/orders", headers=fixed.headers, body={"name": "a"}))
    ).status == 200


async def test_one_path_written_twice_with_other_names_of_its_parameters(tmp_path: Path) -> None:
    def one(name: str) -> dict[str, Any]:
        return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}

    _, app, target = await opened(
        {"/orders/{id}": post("name", one("id")), "/orders/{orderId}": post("total", one("orderId"))},
        tmp_path,
    )
    for field, key in (("name", "POST /orders/{id}"), ("total", "POST /orders/{orderId}")):
        await target.call(Call("POST", "/orders/7", body={field: "a"}))
        assert app.stats.by_operation[key] == 1


async def test_an_id_that_the_api_gave_out_is_taken_whatever_its_parameter_says(tmp_path: Path) -> None:
    record = {
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "string", "format": "uuid"}},
    }
    listed = {"type": "array", "items": record}
    ok = {"200": {"description": "ok", "content": {"application/json": {"schema": listed}}}}
    one = {"200": {"description": "ok", "content": {"application/json": {"schema": record}}}}
    id_ = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
    _, _, target = await opened(
        {
            "/orders": {"get": {"responses": ok}},
            "/orders/{id}": {"get": {"parameters": [id_], "responses": one}},
        },
        tmp_path,
    )
    identifier = (await target.call(Call("GET", "/orders"))).value()[0]["id"]
    assert (await target.call(Call("GET", f"/orders/{identifier}"))).value()["id"] == identifier
    assert (await target.call(Call("GET", "/orders/none-of-ours"))).status == 400


async def test_fields_of_a_form_that_are_listed_with_their_brackets(tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "required": ["vendor[name]", "ids[]"],
        "properties": {
            "vendor[name]": {"type": "string"},
            "ids[]": {"type": "array", "items": {"type": "integer"}},
        },
    }
    form = "application/x-www-form-urlencoded"
    operation = {"requestBody": {"required": True, "content": {form: {"schema": schema}}}, "responses": OK}
    _, app, target = await opened({"/vendors": {"post": operation}}, tmp_path)
    sent = {"vendor[name]": "Ada & Co", "ids[]": "7"}
    assert (await target.call(Call("POST", "/vendors", body=sent, content_type=form))).status == 200
    assert app.stats.by_status == {200: 1}
    assert (await target.call(Call("POST", "/vendors", body={"x": "y"}, content_type=form))).status == 400


TEXT = {"type": "string"}
KINDS = {"type": "string", "enum": ["missing_parameter", "invalid_format"]}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, {"error": {"status": 400, "message": "…"}}),
        (TEXT, "…"),
        ({"type": "object", "properties": {"errorMessage": TEXT}}, {"errorMessage": "…"}),
        (
            {
                "type": "object",
                "required": ["errors"],
                "properties": {
                    "errors": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["code", "title"],
                            "properties": {"code": {"type": "integer", "enum": [7]}, "title": TEXT},
                        },
                    }
                },
            },
            {"errors": [{"code": 7, "title": "…"}]},
        ),
        (
            {
                "type": "object",
                "properties": {"state": {"type": "array", "items": {"type": "object", "properties": {"msg": TEXT}}}},
            },
            {"state": [{"msg": "…"}]},
        ),
    ],
)  # fmt: skip
async def test_an_error_says_why_wherever_its_shape_has_room(
    schema: dict[str, Any], expected: Any, tmp_path: Path
) -> None:
    _, _, target = await opened({"/orders": post("name", **told(schema))}, tmp_path)
    refused = await target.call(Call("POST", "/orders", body={}))
    assert refused.status == 400
    assert json.loads(refused.raw.decode().replace("name: is required and missing", "…")) == expected


async def test_an_error_of_listed_words_only_is_one_of_them(tmp_path: Path) -> None:
    shape = {"type": "object", "required": ["error"], "properties": {"error": KINDS}}
    _, _, target = await opened({"/orders": post("name", **told(shape))}, tmp_path)
    assert (await target.call(Call("POST", "/orders", body={}))).value()["error"] in KINDS["enum"]
