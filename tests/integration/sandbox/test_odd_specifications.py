"""Oddities that vendors publish, each small: the sandbox serves them, and its answers keep the contract."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from vitesse_graph.guardian import Answer, AppTarget, Call
from vitesse_graph.guardian.targets import encode_body
from vitesse_graph.sandbox import Sandbox, create_sandbox
from vitesse_graph.settings import Settings
from vitesse_graph.specs import load_document
from vitesse_graph.synthetic import Contract, Draw, RecordGenerator

ERROR = {
    "type": "object",
    "required": ["status", "title"],
    "properties": {
        "status": {"type": "integer"},
        "title": {"type": "string"},
        "detail": {"type": "string"},
    },
}
SCHEMAS: dict[str, Any] = {
    # requires its parent, which requires its own …, until there is none
    "Folder": {
        "type": "object",
        "required": ["id", "name", "parent"],
        "properties": {
            "id": {"type": "string"},
            "name": {"type": "string", "minLength": 1},
            "parent": {"oneOf": [{"$ref": "#/components/schemas/Folder"}, {"type": "null"}]},
            "inner": {"type": "array", "items": {"$ref": "#/components/schemas/Folder"}},
        },
    },
    # … and one where the vendor forgot to say so: no finite value keeps it as it is written
    "Loop": {
        "type": "object",
        "required": ["id", "other", "text"],
        "properties": {
            "id": {"type": "string"},
            "text": {"type": "string"},
            "other": {"allOf": [{"$ref": "#/components/schemas/Pool"}]},
        },
    },
    "Pool": {
        "type": "object",
        "required": ["loops"],
        "properties": {
            "loops": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Loop"}}
        },
    },
    "Animal": {
        "oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
        "discriminator": {"propertyName": "kind"},
    },
    "Base": {
        "type": "object",
        "required": ["kind", "id"],
        "properties": {
            "kind": {"type": "string"},
            "id": {"type": "string"},
            "code": {"type": "string", "enum": [f"C{number:05}" for number in range(6_000)]},
        },
    },
    "Cat": {
        "allOf": [
            {"$ref": "#/components/schemas/Base"},
            {
                "type": "object",
                "required": ["lives"],
                "properties": {
                    "kind": {"const": "cat"},
                    "lives": {"type": "integer", "minimum": 1, "maximum": 9},
                },
            },
        ]
    },
    "Dog": {
        "allOf": [
            {"$ref": "#/components/schemas/Base"},
            {
                "type": "object",
                "required": ["bark"],
                "properties": {
                    "kind": {"const": "dog"},
                    "bark": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                },
            },
            {"not": {"required": ["lives"]}},
        ],
        "unevaluatedProperties": False,
    },
    "User": {
        "type": "object",
        "required": ["login", "password", "phone", "level"],
        "additionalProperties": False,
        "properties": {
            "id": {"type": ["integer", "null"], "readOnly": True},
            "login": {"type": "string", "pattern": r"^[\p{L}][\p{L}\p{N}_]{2,20}$"},
            "password": {
                # look-aheads need an engine that backtracks: read, and passed over
                "allOf": [
                    {"type": "string", "pattern": r"^(?=.*[A-Z])(?=.*\d)(?=.*[^A-Za-z0-9]).{8,64}$"},
                    {"writeOnly": True},
                ]
            },
            "phone": {"type": "string", "pattern": r"^\+[1-9]\d{1,14}$"},
            "level": {
                "type": "integer",
                "multipleOf": 7,
                "exclusiveMinimum": 0,
                "exclusiveMaximum": 100,
            },
            "pair": {
                "type": "array",
                "prefixItems": [{"type": "string"}, {"type": "integer"}],
                "items": False,
                "minItems": 2,
            },
        },
    },
}


def _collection(name: str) -> dict[str, Any]:
    one = {"$ref": f"#/components/schemas/{name}"}
    page = {
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": {"type": "array", "items": one},
            "next": {"type": ["string", "null"]},
        },
    }
    cursor = {"name": "cursor", "in": "query", "schema": {"type": "string"}}
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 20}}
    refused = {"description": "no", "content": {"application/problem+json": {"schema": ERROR}}}
    return {
        f"/{name}": {
            "get": {
                "parameters": [cursor, limit],
                "responses": {
                    "200": {
                        "description": "ok",
                        "content": {"application/vnd.odd+json; version=2": {"schema": page}},
                    },
                    "4XX": refused,
                },
            },
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {"application/vnd.odd+json": {"schema": one}},
                },
                "responses": {
                    "201": {"description": "ok", "content": {"application/json": {"schema": one}}},
                    "4XX": refused,
                },
            },
        },
        f"/{name}/{{id}}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {
                "responses": {"200": {"description": "ok", "content": {"application/json": {"schema": one}}}}
            },
        },
    }


ODD = {
    "openapi": "3.1.0",
    "info": {"title": "Odd", "version": "1"},
    "servers": [{"url": "https://{region}.odd.example/v2", "variables": {"region": {"default": "eu"}}}],
    "components": {"schemas": SCHEMAS},
    "paths": {
        **_collection("Folder"),
        **_collection("Loop"),
        **_collection("Animal"),
        **_collection("User"),
        "/bytes": {
            "post": {
                "requestBody": {"required": True, "content": {"application/octet-stream": {}}},
                "responses": {"200": {"description": "ok", "content": {"application/zip": {}}}},
            }
        },
        "/anything": {
            "post": {
                "requestBody": {"content": {"application/json": {}}},
                "responses": {"200": {"description": "ok", "content": {"application/json": {}}}},
            },
            "get": {"responses": {"default": {"description": "nothing is said at all"}}},
        },
        "/upload": {
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {
                        "multipart/form-data": {
                            "schema": {
                                "type": "object",
                                "required": ["file", "name"],
                                "properties": {
                                    "file": {"type": "string", "format": "binary"},
                                    "name": {"type": "string", "maxLength": 4},
                                    "tags": {"type": "object"},
                                    "ids": {"type": "array", "items": {"type": "integer"}},
                                },
                            }
                        }
                    },
                },
                "responses": {"204": {"description": "taken"}, "400": {"description": "refused"}},
            }
        },
    },
}
SWAGGER = {
    "swagger": "2.0",
    "info": {"title": "Legacy Shop", "version": "1"},
    "host": "shop.example.com",
    "basePath": "/api/v1",
    "schemes": ["https"],
    "consumes": ["application/x-www-form-urlencoded"],
    "produces": ["application/json", "text/xml"],
    "securityDefinitions": {"key": {"type": "apiKey", "name": "api_key", "in": "query"}},
    "security": [{"key": []}],
    "paths": {
        "/orders.json": {
            "post": {
                "parameters": [
                    {
                        "name": "email",
                        "in": "formData",
                        "type": "string",
                        "required": True,
                        "pattern": r"^[a-z0-9]+(\.[a-z0-9]+)*@[a-z0-9]+\.(com|org)$",
                    },
                    {
                        "name": "amount",
                        "in": "formData",
                        "type": "number",
                        "required": True,
                        "minimum": 0,
                        "exclusiveMinimum": True,
                    },
                    {"name": "paid", "in": "formData", "type": "boolean"},
                ],
                "responses": {
                    "201": {"description": "made", "schema": {"$ref": "#/definitions/Order"}},
                    "422": {"description": "bad", "schema": {"$ref": "#/definitions/Errors"}},
                },
            }
        },
        "/orders/{id}/invoice": {
            "get": {
                "produces": ["application/pdf"],
                "parameters": [{"name": "id", "in": "path", "required": True, "type": "integer"}],
                "responses": {"200": {"description": "the paper", "schema": {"type": "file"}}},
            }
        },
    },
    "definitions": {
        "Order": {
            "type": "object",
            "required": ["id", "email"],
            "properties": {
                "id": {"type": "integer", "format": "int64", "readOnly": True},
                "email": {"type": "string"},
                "amount": {"type": "number"},
                "paid": {"type": "boolean"},
            },
        },
        "Errors": {
            "type": "object",
            "required": ["errors"],
            "properties": {
                "errors": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["status", "message"],
                        "properties": {"status": {"type": "string"}, "message": {"type": "string"}},
                    },
                }
            },
        },
    },
}


async def opened(document: dict[str, Any], folder: Path) -> tuple[Sandbox, AppTarget]:
    file = folder / "spec.json"
    file.write_text(json.dumps(document), "utf-8")
    read = await load_document(str(file), settings=Settings(VITESSE_DATA_DIR=folder))
    app = create_sandbox(read, records=12)
    return app, AppTarget(app, read.spec.auth)


def broken(app: Sandbox, key: str, answer: Answer) -> list[Any]:
    success = app.holdings.operation(key).success
    assert answer.status == success.status, answer.raw[:300]
    return list(Contract(success.schema, "response").problems(answer.value())) if success.is_json else []


@pytest.mark.parametrize("name", ["Folder", "Loop", "Animal", "User"])
async def test_records_of_odd_schemas_are_made_sent_listed_and_read(name: str, tmp_path: Path) -> None:
    app, target = await opened(ODD, tmp_path)
    listed = await target.call(Call("GET", f"/{name}", {"limit": "20"}))
    assert broken(app, f"GET /{name}", listed) == []
    assert len(listed.value()["items"]) == 12
    generator = RecordGenerator(app.holdings.operation(f"POST /{name}").body_schema, direction="request")
    for seed in range(6):
        body = generator.draw(Draw(random.Random(seed)), minimal=seed % 2 == 0)
        made = await target.call(Call("POST", f"/{name}", body=body, content_type="application/vnd.odd+json"))
        assert broken(app, f"POST /{name}", made) == []
    refused = await target.call(
        Call("POST", f"/{name}", body={"id": 5}, content_type="application/vnd.odd+json")
    )
    assert refused.status == 400
    assert refused.value()["status"] == 400


async def test_what_is_write_only_is_taken_and_never_shown(tmp_path: Path) -> None:
    app, target = await opened(ODD, tmp_path)
    generator = RecordGenerator(app.holdings.operation("POST /User").body_schema, direction="request")
    body = {**generator.draw(Draw(random.Random(1))), "password": "Secret#2026x"}
    made = await target.call(Call("POST", "/User", body=body, content_type="application/vnd.odd+json"))
    assert made.status == 201
    listed = await target.call(Call("GET", "/User", {"limit": "20"}))
    assert b"password" not in made.raw + listed.raw


async def test_an_id_that_the_client_may_choose_is_kept_and_found_again(tmp_path: Path) -> None:
    _, target = await opened(ODD, tmp_path)
    kind = "application/vnd.odd+json"
    body = {"id": "mine", "kind": "cat", "lives": 3}
    made = await target.call(Call("POST", "/Animal", body=body, content_type=kind))
    assert made.value()["id"] == "mine"
    assert (await target.call(Call("GET", "/Animal/mine"))).value()["lives"] == 3
    again = await target.call(Call("POST", "/Animal", body={**body, "lives": 4}, content_type=kind))
    assert (again.status, again.value()["lives"]) == (201, 4)


async def test_bytes_parts_and_bodies_without_any_schema_are_taken(tmp_path: Path) -> None:
    app, target = await opened(ODD, tmp_path)
    sent = await target.call(Call("POST", "/bytes", body={"any": 1}, content_type="application/octet-stream"))
    assert (sent.status, sent.headers["content-type"]) == (200, "application/zip")
    assert (await target.call(Call("POST", "/anything", body=[1, {"x": None}]))).status == 200
    assert (await target.call(Call("GET", "/anything"))).status == 200
    for name, status in (("abcd", 204), ("too long", 400)):
        assert await post_parts(app, {"file": "\x00\x01", "name": name}) == status


async def post_parts(app: Sandbox, parts: dict[str, str]) -> int:
    """A multipart form as a browser sends it; the status of the answer."""
    text = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in parts.items()
    )
    return (await post_raw(app, f"{text}--x--\r\n".encode())).status or 0


async def post_raw(
    app: Sandbox, body: bytes, content_type: str = "multipart/form-data; boundary=x"
) -> Answer:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", content_type.encode())]
    scope = {"type": "http", "method": "POST", "path": "/upload", "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    return Answer(sent[0]["status"], sent[1]["body"])


async def test_a_file_with_a_name_and_nested_values_travel_in_parts(tmp_path: Path) -> None:
    _, target = await opened(ODD, tmp_path)
    call = Call("POST", "/upload", body={"file": "\x00\x01", "name": "abcd", "tags": {"a": [1, {"b": 2}]}, "ids": [1, 2]},
                content_type="multipart/form-data", files=("file",))  # fmt: skip
    body, content_type = encode_body(call)
    assert b'filename="file.bin"' in body
    assert content_type.startswith("multipart/form-data; boundary=")
    assert (await target.call(call)).status == 204
    for wrong in ({"name": "abcd"}, {"file": "x", "name": "abcd", "ids": ["a"]}, {}):
        call = Call("POST", "/upload", body=wrong, content_type="multipart/form-data", files=("file",))
        assert (await target.call(call)).status == 400, wrong


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"name=abcd", "multipart/form-data; boundary=x"),
        (b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\ncut", "multipart/form-data; boundary=x"),
        (b"--x--\r\n", "multipart/form-data"),
    ],
)
async def test_parts_that_cannot_be_read_are_refused(body: bytes, content_type: str, tmp_path: Path) -> None:
    app, _ = await opened(ODD, tmp_path)
    assert (await post_raw(app, body, content_type)).status == 400


async def test_forms_of_swagger_2_are_held_to_their_patterns_and_bounds(tmp_path: Path) -> None:
    app, target = await opened(SWAGGER, tmp_path)
    operation = app.holdings.operation("POST /orders.json")
    generator = RecordGenerator(operation.body_schema, direction="request")
    form = "application/x-www-form-urlencoded"
    for seed in range(5):
        body = generator.draw(Draw(random.Random(seed)))
        made = await target.call(Call("POST", "/api/v1/orders.json", body=body, content_type=form))
        assert broken(app, "POST /orders.json", made) == []
    for wrong in ({"email": "a..b@x.com", "amount": 1}, {"email": "a@x.com", "amount": 0}):
        refused = await target.call(Call("POST", "/orders.json", body=wrong, content_type=form))
        assert refused.status == 422
        assert refused.value()["errors"][0]["status"] == "422"
    paper = await target.call(Call("GET", "/orders/1/invoice"))
    assert (paper.status, paper.headers["content-type"]) == (200, "application/pdf")
