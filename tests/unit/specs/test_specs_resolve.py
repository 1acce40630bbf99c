"""References: followed where they stand for something, left alone where they are data."""

from __future__ import annotations

import time
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.specs.conftest import listing, make_document
from vitesse_graph.specs.bounded import OBJECT_LEVELS, BoundedWriter
from vitesse_graph.specs.bundle import references
from vitesse_graph.specs.findings import Findings
from vitesse_graph.specs.flatten import Flattener
from vitesse_graph.specs.resolve import Resolver
from vitesse_graph.specs.schema import SchemaWriter


def codes(document: Any) -> set[str]:
    return {warning.code for warning in document.spec.warnings}


@pytest.mark.parametrize(
    "ref",
    [
        "#/paths/~1api~1{id}/get",
        "#/paths/~1api~1%7Bid%7D/get",
        "#/x/through/get",
        "#/x/list/0",
        "#/x/codes/200",
        "#/x/100%25",
    ],
)
def test_a_pointer_is_read_as_it_was_meant(ref: str) -> None:
    target = {"found": True}
    root = {
        "paths": {"/api/{id}": {"get": target}},
        "x": {
            "through": {"$ref": "#/paths/~1api~1{id}"},
            "list": [target],
            "codes": {200: target},
            "100%": target,
        },
    }
    assert Resolver(root).target(ref) == target


def test_a_dangling_reference_costs_only_what_points_to_it() -> None:
    document = make_document(
        {
            "/a": listing({"$ref": "#/components/schemas/Gone"}),
            "/b": listing({"type": "object", "properties": {"id": {"type": "string"}}}),
        }
    )
    assert document.spec.operation_count == 2
    assert document.source_shape("GET /b").id_field == "id"
    document.operation("GET /a")
    warning = next(w for w in document.spec.warnings if w.code == "dangling_ref")
    assert warning.pointer == "/components/schemas/Gone"


def test_a_reference_that_leads_only_to_itself_is_an_empty_schema() -> None:
    root = {"a": {"$ref": "#/b"}, "b": {"$ref": "#/a"}}
    findings = Findings()
    assert Resolver(root, findings).deref({"$ref": "#/a"}) == {}
    assert [w.code for w in findings.list()] == ["circular_ref"]


def test_a_long_chain_of_references_ends_at_a_limit_that_is_named() -> None:
    schemas: dict[str, Any] = {f"S{i}": {"$ref": f"#/components/schemas/S{i + 1}"} for i in range(150)}
    schemas["S150"] = {"type": "string"}
    root = {"components": {"schemas": schemas}}
    short, long = Resolver(root), Resolver(root, max_chain=200)
    assert short.deref({"$ref": "#/components/schemas/S0"}) == {}
    assert "VITESSE_MAX_REF_DEPTH" in short.findings.list()[0].message
    assert long.deref({"$ref": "#/components/schemas/S0"}) == {"type": "string"}


def test_a_property_named_ref_is_a_property() -> None:
    schema = {"type": "object", "properties": {"$ref": {"type": "string"}, "id": {"type": "string"}}}
    document = make_document({"/a": listing(schema)})
    assert set(document.source_shape("GET /a").record_schema["properties"]) == {"$ref", "id"}


def test_references_in_examples_and_extensions_are_data() -> None:
    tree = {
        "paths": {"/a": {"get": {"x-code": {"$ref": "http://evil.example/"}}}},
        "components": {
            "examples": {"one": {"value": {"$ref": "http://evil.example/"}}},
            "schemas": {
                "A": {
                    "example": {"$ref": "http://evil.example/"},
                    "default": {"$ref": "http://evil.example/"},
                },
                "B": {"properties": {"example": {"$ref": "#/components/schemas/A"}, "x-y": {"$ref": "#/b"}}},
            },
        },
    }
    assert [node["$ref"] for node in references(tree)] == ["#/b", "#/components/schemas/A"]


def test_a_reference_may_stand_where_a_text_belongs() -> None:
    document = make_document(
        info={"title": {"$ref": "#/x-texts/title"}, "description": {"$ref": "#/x-texts/intro"}},
        **{"x-texts": {"title": "Named elsewhere", "intro": "Hello"}},
    )
    assert (document.spec.api_name, document.spec.description) == ("Named elsewhere", "Hello")


def test_paths_and_path_items_may_be_references() -> None:
    item = listing({"type": "object", "properties": {"id": {"type": "integer"}}})
    document = make_document(
        {"$ref": "#/x-paths"}, **{"x-paths": {"/a": {"$ref": "#/x-item"}}, "x-item": item}
    )
    assert [e.key for e in document.spec.endpoints] == ["GET /a"]


def test_operations_that_cannot_be_read_are_counted_and_named() -> None:
    document = make_document({"/a": {"$ref": "#/gone"}, "/b": {"get": "oops"}, "/c": {"get": {}}})
    assert document.spec.unreadable_operations == ["/a", "GET /b"]
    assert document.spec.operation_count == 1
    assert {"unreadable_path", "unreadable_operation"} <= codes(document)


def _dense(size: int) -> dict[str, Any]:
    """Every schema refers to every other: copies at each use would be `size` to the power of the depth."""
    names = [f"S{i}" for i in range(size)]
    return {
        name: {
            "type": "object",
            "properties": {other: {"$ref": f"#/components/schemas/{other}"} for other in names},
        }
        for name in names
    }


def test_a_dense_graph_of_schemas_does_not_explode() -> None:
    document = make_document(
        {"/a": listing({"$ref": "#/components/schemas/S0"})}, components={"schemas": _dense(30)}
    )
    started = time.perf_counter()
    schema = document.operation("GET /a").responses[0].content[0].json_schema
    record = document.source_shape("GET /a").record_schema
    assert time.perf_counter() - started < 2
    assert len(schema["$defs"]) == 30
    assert len(str(record)) < 1_000_000


def test_a_diamond_of_all_of_costs_each_schema_once() -> None:
    schemas: dict[str, Any] = {"S40": {"type": "object", "properties": {"leaf": {"type": "string"}}}}
    for i in range(40):
        ref = {"$ref": f"#/components/schemas/S{i + 1}"}
        schemas[f"S{i}"] = {"allOf": [ref, ref, {"properties": {f"p{i}": {"type": "string"}}}]}
    document = make_document(
        {"/a": listing({"$ref": "#/components/schemas/S0"})}, components={"schemas": schemas}
    )
    started = time.perf_counter()
    properties = document.source_shape("GET /a").record_schema["properties"]
    assert len(properties) == 41
    assert time.perf_counter() - started < 1


def test_mutual_all_of_ends() -> None:
    schemas = {
        "A": {"allOf": [{"$ref": "#/components/schemas/B"}], "properties": {"a": {"type": "string"}}},
        "B": {"allOf": [{"$ref": "#/components/schemas/A"}], "properties": {"b": {"type": "string"}}},
    }
    document = make_document(
        {"/a": listing({"$ref": "#/components/schemas/A"})}, components={"schemas": schemas}
    )
    assert set(document.source_shape("GET /a").record_schema["properties"]) == {"a", "b"}


_names = st.sampled_from(["A", "B", "C", "D", "E"])
_leaf = st.one_of(
    st.sampled_from(
        [{"type": "string"}, {"type": "integer", "nullable": True}, {"enum": ["x", None]}, {}, True]
    ),
    st.builds(lambda name: {"$ref": f"#/components/schemas/{name}"}, _names),
    st.just({"$ref": "#/components/schemas/Missing"}),
)
_schema = st.recursive(
    _leaf,
    lambda inner: st.one_of(
        st.builds(
            lambda p, r: {"type": "object", "properties": p, "required": r},
            st.dictionaries(st.sampled_from(["id", "name", "$ref2", "a/b", "~"]), inner, max_size=3),
            st.lists(st.sampled_from(["id", "name"]), max_size=2),
        ),
        st.builds(lambda i: {"type": "array", "items": i}, inner),
        st.builds(lambda parts: {"allOf": parts}, st.lists(inner, max_size=3)),
        st.builds(lambda parts: {"oneOf": parts}, st.lists(inner, max_size=3)),
        st.builds(lambda parts: {"anyOf": parts, "nullable": True}, st.lists(inner, max_size=3)),
        st.builds(lambda extra: {"additionalProperties": extra}, inner),
    ),
    max_leaves=6,
)
_documents = st.fixed_dictionaries(dict.fromkeys("ABCDE", _schema))


def _refs(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [ref for child in node.values() for ref in _refs(child)]
    return [ref for child in node for ref in _refs(child)] if isinstance(node, list) else []


@settings(max_examples=150, deadline=2000)
@given(_documents)
def test_generated_schemas_come_out_self_contained_and_compile(schemas: dict[str, Any]) -> None:
    resolver = Resolver({"components": {"schemas": schemas}})
    for sibling in (True, False):
        written = SchemaWriter(resolver, has_sibling_refs=sibling).write({"$ref": "#/components/schemas/A"})
        names = {f"#/$defs/{name}" for name in written.get("$defs", {})}
        assert set(_refs(written)) <= names
        jsonschema_rs.validator_for(written)


def _object_levels(node: Any) -> int:
    if not isinstance(node, dict):
        return 0
    below = [_object_levels(c) for c in node.get("properties", {}).values()]
    beside = [_object_levels(c) for key in ("anyOf", "oneOf") for c in node.get(key, [])]
    beside += [_object_levels(node[key]) for key in ("items", "additionalProperties") if key in node]
    return (
        max([1 + max(below)] if below else [0], default=0)
        if not beside
        else max([1 + max(below) if below else 0, *beside])
    )


@settings(max_examples=150, deadline=2000)
@given(_documents)
def test_generated_records_are_bounded_and_hold_no_references(schemas: dict[str, Any]) -> None:
    resolver = Resolver({"components": {"schemas": schemas}})
    record = BoundedWriter(Flattener(resolver)).write({"$ref": "#/components/schemas/A"})
    assert _refs(record) == []
    assert _object_levels(record) <= OBJECT_LEVELS
    jsonschema_rs.validator_for(record)


@settings(max_examples=100, deadline=2000)
@given(_documents)
def test_resolving_is_the_same_every_time_and_changes_nothing(schemas: dict[str, Any]) -> None:
    import copy

    before = copy.deepcopy(schemas)
    resolver = Resolver({"components": {"schemas": schemas}})
    writer = SchemaWriter(resolver, has_sibling_refs=True)
    first = writer.write({"$ref": "#/components/schemas/A"})
    assert writer.write({"$ref": "#/components/schemas/A"}) == first
    assert schemas == before


@settings(max_examples=120, deadline=2000)
@given(_documents)
def test_every_question_about_a_generated_document_is_answered(schemas: dict[str, Any]) -> None:
    """Whatever the schemas fold into: shapes, details and ranking end, and nothing but SpecError is raised."""
    ref = {"$ref": "#/components/schemas/A"}
    write = {"requestBody": {"content": {"application/json": {"schema": ref}}}, "responses": {}}
    write["responses"] = {"201": {"content": {"application/json": {"schema": ref}}}}
    read = {"get": {"responses": {"200": {"content": {"application/json": {"schema": ref}}}}}}
    document = make_document(
        {"/as": {**listing(ref), "post": write}, "/bs": read, "/as/{id}": {**read, "put": write}},
        components={"schemas": schemas},
    )
    assert document.spec.operation_count == 5
    for key in ("GET /as", "GET /bs", "GET /as/{id}"):
        document.source_shape(key)
        document.operation(key)
    for key in ("POST /as", "PUT /as/{id}"):
        document.dest_shape(key)
        document.operation(key)
    document.rank("create an a for every b", "dest")
