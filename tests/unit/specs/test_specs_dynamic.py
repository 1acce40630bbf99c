"""`$dynamicRef`: the generics of OpenAPI 3.1."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vitesse_graph.specs.cache import build
from vitesse_graph.specs.document import SpecDocument


def _document(schemas: dict[str, Any], answer: Any) -> SpecDocument:
    answers = {"200": {"description": "", "content": {"application/json": {"schema": answer}}}}
    tree = {
        "openapi": "3.1.0",
        "info": {"title": "Generic", "version": "1"},
        "paths": {"/users": {"get": {"responses": answers}}},
        "components": {"schemas": schemas},
    }
    return build(json.dumps(tree).encode(), "https://api.example/openapi.json", "d")


PAGE = {
    "$id": "https://api.example/page",
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": {"$dynamicRef": "#T"}},
        "next_cursor": {"type": "string"},
    },
    "$defs": {"T": {"$dynamicAnchor": "T", "not": {}}},
}
USER = {"type": "object", "properties": {"id": {"type": "string"}, "email": {"type": "string"}}}
ORDER = {"type": "object", "properties": {"id": {"type": "string"}, "total": {"type": "number"}}}


def _page_of(name: str, ref: str = "#/components/schemas/Page") -> dict[str, Any]:
    return {"$defs": {"T": {"$dynamicAnchor": "T", "$ref": f"#/components/schemas/{name}"}}, "$ref": ref}


@pytest.mark.parametrize("ref", ["#/components/schemas/Page", "https://api.example/page"])
def test_each_use_of_a_generic_page_has_records_of_its_own(ref: str) -> None:
    schemas = {"Page": PAGE, "User": USER, "Order": ORDER, "Orders": _page_of("Order", ref)}
    shape = _document(schemas, _page_of("User", ref)).source_shape("GET /users")
    assert shape.items_at == "items"
    assert list(shape.record_schema["properties"]) == ["id", "email"]
    orders = _document(schemas, {"$ref": "#/components/schemas/Orders"}).source_shape("GET /users")
    assert list(orders.record_schema["properties"]) == ["id", "total"]


def test_what_nobody_binds_means_the_anchor_where_it_stands() -> None:
    tree = {
        "$dynamicAnchor": "node",
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "children": {"type": "array", "items": {"$dynamicRef": "#node"}},
        },
    }
    shape = _document(
        {"Tree": tree}, {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}
    ).source_shape("GET /users")
    assert list(shape.record_schema["properties"]) == ["id", "children"]
    assert shape.record_schema["properties"]["children"]["items"]["type"] == "object"


def test_a_schema_that_extends_a_recursive_one_recurs_as_itself() -> None:
    tree = {
        "$dynamicAnchor": "node",
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$dynamicRef": "#node"}}},
    }
    named = {
        "$dynamicAnchor": "node",
        "$ref": "#/components/schemas/Tree",
        "properties": {"name": {"type": "string"}},
    }
    document = _document(
        {"Tree": tree, "Named": named}, {"type": "array", "items": {"$ref": "#/components/schemas/Named"}}
    )
    detail = document.operation("GET /users").responses[0].content[0].json_schema
    assert "name" in json.dumps(detail)
    assert "$dynamicRef" not in json.dumps(detail)
    record = document.source_shape("GET /users").record_schema
    assert set(record["properties"]) == {"children", "name"}


def test_a_reference_that_binds_nothing_known_costs_only_itself() -> None:
    shape = _document(
        {"User": USER},
        {"type": "array", "items": {"properties": {"id": {"type": "string"}, "x": {"$dynamicRef": "#gone"}}}},
    ).source_shape("GET /users")
    assert shape.id_field == "id"
