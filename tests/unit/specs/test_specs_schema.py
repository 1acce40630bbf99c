"""Any dialect becomes JSON Schema 2020-12 that compiles; records fit where they must."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from tests.unit.specs.conftest import listing, make_document
from vitesse_graph.specs import compact_schema
from vitesse_graph.specs.bounded import BoundedWriter
from vitesse_graph.specs.findings import Findings
from vitesse_graph.specs.flatten import Flattener
from vitesse_graph.specs.keywords import is_linear_pattern
from vitesse_graph.specs.resolve import Resolver
from vitesse_graph.specs.schema import SchemaWriter


def write(schema: Any, findings: Findings | None = None, *, siblings: bool = True, **schemas: Any) -> Any:
    resolver = Resolver({"components": {"schemas": schemas}}, findings)
    return SchemaWriter(resolver, has_sibling_refs=siblings).write(schema)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "x-nullable": True}, {"type": ["string", "null"]}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        (
            {"type": "string", "enum": ["a"], "nullable": True},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        (
            {"type": "integer", "minimum": 1, "exclusiveMinimum": True},
            {"type": "integer", "exclusiveMinimum": 1},
        ),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": False}, {"type": "integer", "minimum": 1}),
        ({"type": "number", "exclusiveMaximum": 5}, {"type": "number", "exclusiveMaximum": 5}),
        ({"type": "number", "minimum": "0"}, {"type": "number", "minimum": 0}),
        ({"type": "file"}, {"type": "string", "format": "binary"}),
        ({"type": "Integer"}, {"type": "integer"}),
        ({"type": "date-time"}, {"type": "string", "format": "date-time"}),
        ({"type": "nonsense"}, {}),
        ({"type": "any"}, {}),
        ({"oneOf": [], "type": "object"}, {"type": "object"}),
        ({"enum": [], "type": "string"}, {"type": "string"}),
        ({"required": True, "type": "string"}, {"type": "string"}),
        ({"required": ["a", "a", 1]}, {"required": ["a"]}),
        ({"pattern": "^(?<=x)a(?!b)$", "type": "string"}, {"type": "string"}),
        ({"pattern": "[unclosed"}, {}),
        ({"maxLength": -1, "minLength": 2.0}, {"minLength": 2}),
        ({"example": 5, "discriminator": {}, "xml": {}, "x-internal": 1}, {"examples": [5]}),
        ({"items": [{"type": "string"}]}, {"prefixItems": [{"type": "string"}]}),
        (
            {"anyOf": [{"type": "string"}], "nullable": True},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
        ({"default": "false", "type": "boolean"}, {"default": "false", "type": "boolean"}),
        (True, {}),
        (False, {"not": {}}),
        ("string", {}),
        (None, {}),
    ],
)
def test_every_dialect_is_translated_and_faults_are_dropped(given: Any, expected: Any) -> None:
    written = write(given)
    assert written == expected
    jsonschema_rs.validator_for(written)


def test_recursion_is_kept_as_a_reference_into_its_own_definitions() -> None:
    node = {"type": "object", "properties": {"child": {"$ref": "#/components/schemas/Node"}}}
    written = write({"$ref": "#/components/schemas/Node"}, Node=node, Unused={"type": "string"})
    assert written == {
        "$ref": "#/$defs/Node",
        "$defs": {"Node": {"type": "object", "properties": {"child": {"$ref": "#/$defs/Node"}}}},
    }
    assert jsonschema_rs.validator_for(written).is_valid({"child": {"child": {}}})


def test_what_stands_beside_a_reference_counts_from_3_1_on() -> None:
    given = {"$ref": "#/components/schemas/A", "maxLength": 3, "description": "why"}
    new, old = write(given, A={"type": "string"}), write(given, siblings=False, A={"type": "string"})
    assert (new["maxLength"], new["description"]) == (3, "why")
    assert ("maxLength" in old, old["description"]) == (False, "why")


def test_a_nullable_reference_takes_null() -> None:
    written = write(
        {"$ref": "#/components/schemas/A", "nullable": True}, siblings=False, A={"type": "string"}
    )
    assert jsonschema_rs.validator_for(written).is_valid(None)


def test_definitions_of_the_same_last_name_do_not_collide() -> None:
    resolver = Resolver({"a": {"X": {"type": "string"}}, "b": {"X": {"type": "integer"}}})
    written = SchemaWriter(resolver, has_sibling_refs=True).write(
        {"properties": {"one": {"$ref": "#/a/X"}, "two": {"$ref": "#/b/X"}}}
    )
    validator = jsonschema_rs.validator_for(written)
    assert validator.is_valid({"one": "x", "two": 1})
    assert not validator.is_valid({"one": 1})


def test_a_pattern_is_kept_only_when_it_runs_in_linear_time() -> None:
    assert is_linear_pattern(r"^(a+)+$")
    assert not is_linear_pattern(r"^(?=a)b")
    assert not is_linear_pattern(r"(a)\1")


def test_a_schema_nested_beyond_sense_is_cut_with_a_warning() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(300):
        schema = {"type": "array", "items": schema}
    findings = Findings()
    jsonschema_rs.validator_for(write(schema, findings))
    assert [w.code for w in findings.list()] == ["deep_schema"]


def bounded(schema: Any, **schemas: Any) -> Any:
    return BoundedWriter(Flattener(Resolver({"components": {"schemas": schemas}}))).write(schema)


def test_a_record_is_inlined_with_all_of_merged_and_recursion_cut() -> None:
    base = {"properties": {"id": {"type": "string"}}, "required": ["id"]}
    user = {
        "allOf": [
            {"$ref": "#/components/schemas/Base"},
            {"properties": {"boss": {"$ref": "#/components/schemas/User"}}},
        ],
        "description": "A user",
    }
    assert bounded({"$ref": "#/components/schemas/User"}, Base=base, User=user) == {
        "type": "object",
        "description": "A user",
        "properties": {"id": {"type": "string"}, "boss": {"type": "object"}},
        "required": ["id"],
    }


def test_properties_that_two_parts_describe_are_merged() -> None:
    one = {"properties": {"attributes": {"type": "object", "properties": {"a": {"type": "string"}}}}}
    two = {"properties": {"attributes": {"type": "object", "properties": {"b": {"type": "string"}}}}}
    assert set(bounded({"allOf": [one, two]})["properties"]["attributes"]["properties"]) == {"a", "b"}


def test_a_reference_that_is_returned_as_an_id_keeps_the_id() -> None:
    customer = {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}
    written = bounded({"anyOf": [{"type": "string"}, {"$ref": "#/components/schemas/C"}]}, C=customer)
    assert written == {"anyOf": [{"type": "string"}, {"type": "object"}]}


def test_what_the_mapper_reads_is_kept() -> None:
    field = {
        "type": "string", "title": "T", "description": "D", "format": "email", "enum": ["a"], "readOnly": True,
        "default": "a", "examples": ["a"], "maxLength": 9,
    }  # fmt: skip
    assert bounded({"properties": {"x": field, "y": {"writeOnly": True}}, "required": ["x", "gone"]}) == {
        "type": "object",
        "properties": {"x": field, "y": {"writeOnly": True}},
        "required": ["x"],
    }


def _wide(levels: int, width: int) -> dict[str, Any]:
    if levels == 0:
        return {"type": "string", "description": "a description " * 20, "examples": ["x" * 100]}
    return {"type": "object", "properties": {f"field_{i}": _wide(levels - 1, width) for i in range(width)}}


@pytest.mark.parametrize("max_bytes", [200_000, 24_000, 8_000, 2_000])
def test_a_record_is_pruned_until_it_fits(max_bytes: int) -> None:
    schema = {
        "type": "object",
        "required": ["field_0"],
        "properties": {f"field_{i}": _wide(2, 7) for i in range(12)},
    }
    pruned = compact_schema(schema, max_bytes)
    assert len(json.dumps(pruned, separators=(",", ":"))) <= max_bytes
    assert "field_0" in pruned["properties"]
    jsonschema_rs.validator_for(pruned)


def test_names_and_types_outlive_descriptions() -> None:
    schema = _wide(1, 60)
    pruned = compact_schema(schema, 4_000)
    assert set(pruned["properties"]) == set(schema["properties"])
    assert all(field["type"] == "string" for field in pruned["properties"].values())


def test_what_fits_already_is_left_alone() -> None:
    schema = _wide(1, 3)
    assert compact_schema(schema, 100_000) is schema


def test_an_array_of_records_is_pruned_inside() -> None:
    schema = {"type": "array", "items": _wide(1, 80)}
    pruned = compact_schema(schema, 1_500)
    assert len(json.dumps(pruned, separators=(",", ":"))) <= 1_500
    assert pruned["items"]["properties"]


def test_an_operation_is_resolved_with_everything_it_has() -> None:
    item = listing({"type": "object", "properties": {"id": {"type": "string"}}})
    item["parameters"] = [{"name": "tenant", "in": "path", "schema": {"type": "string"}}]
    item["get"]["responses"]["4xx"] = {"$ref": "#/components/responses/Bad"}
    item["get"]["responses"][500] = {"description": "broken"}
    bad = {
        "description": "bad",
        "content": {
            "application/problem+json": {
                "schema": {"type": "object"},
                "examples": {"one": {"value": {"a": 1}}},
            }
        },
    }
    document = make_document({"/{tenant}/a": item}, components={"responses": {"Bad": bad}})
    detail = document.operation("GET /{tenant}/a")
    assert [(p.name, p.location, p.required) for p in detail.parameters] == [("tenant", "path", True)]
    assert [r.status for r in detail.responses] == ["200", "4XX", "500"]
    assert detail.responses[1].content[0].example == {"a": 1}


def test_swagger_parameters_become_schemas() -> None:
    parameters = [
        {
            "name": "ids",
            "in": "query",
            "type": "array",
            "items": {"type": "integer"},
            "collectionFormat": "multi",
        },
        {"name": "file", "in": "formData", "type": "file", "required": True},
    ]
    document = make_document(
        {"/a": {"post": {"parameters": parameters, "consumes": ["multipart/form-data"]}}}, swagger="2.0"
    )
    detail = document.operation("POST /a")
    assert detail.parameters[0].json_schema == {"type": "array", "items": {"type": "integer"}}
    assert (detail.parameters[0].style, detail.parameters[0].explode) == ("form", True)
    body = detail.request_body[0]
    assert (body.content_type, body.json_schema["required"]) == ("multipart/form-data", ["file"])
