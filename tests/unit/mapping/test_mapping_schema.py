"""Schemas as flat lists of fields."""

import pytest
from mapping_helpers import arr, obj, string

from vitesse_graph.mapping import flatten


def paths(schema):
    return [f.path for f in flatten(schema)]


def test_nesting_arrays_and_lists():
    schema = obj(a="", b=obj(c=arr(obj(d=""))), tags=arr(string()), free={"type": "object"})
    assert paths(schema) == ["a", "b.c[].d", "tags", "free"]


def test_branches_and_parts_are_merged():
    schema = {
        "allOf": [obj(("a",), a=""), obj(b="")],
        "oneOf": [obj(c=""), obj(("d",), d="")],
    }
    fields = {f.path: f for f in flatten(schema)}
    assert set(fields) == {"a", "b", "c", "d"}
    assert fields["a"].required
    assert not fields["d"].required


def test_an_expandable_reference_is_a_text_and_an_object():
    schema = obj(customer={"anyOf": [string(), obj(name="")]})
    assert set(paths(schema)) == {"customer", "customer.name"}


def test_null_in_its_three_spellings():
    schema = obj(
        a={"type": ["string", "null"]},
        b={"type": "string", "nullable": True},
        c={"anyOf": [string(), {"type": "null"}]},
    )
    assert [(f.type, f.nullable) for f in flatten(schema)] == [("string", True)] * 3


def test_recursion_ends():
    node = obj(name="", child={"$ref": "#/$defs/Node"}, all=arr({"$ref": "#/$defs/Node"}))
    schema = {"$ref": "#/$defs/Node", "$defs": {"Node": node}}
    found = paths(schema)
    assert "name" in found
    assert "child.name" in found
    assert len(found) < 60


def test_definitions_that_lead_nowhere_or_in_circles_are_survived():
    schema = obj(
        a={"$ref": "#/$defs/Gone"}, b={"$ref": "https://example.com/x.json"}, c={"$ref": "#/$defs/Loop"}
    )
    schema["$defs"] = {"Loop": {"$ref": "#/$defs/Loop"}}
    assert paths(schema) == ["a", "b", "c"]


def test_a_deep_schema_is_cut_not_followed():
    schema = string()
    for _ in range(200):
        schema = obj(x=schema)
    assert paths(schema) == []


@pytest.mark.parametrize(
    "odd",
    [{}, {"type": "object"}, {"properties": None}, {"properties": {"a": 5}}, {"type": 7}, {"enum": "x"}],
)
def test_odd_schemas_give_few_fields_and_no_exception(odd):
    assert len(flatten(odd)) <= 1


def test_required_counts_only_all_the_way_from_the_root():
    schema = obj(("a",), a=obj(("b",), b=""), c=obj(("d",), d=""))
    assert {f.path: f.required for f in flatten(schema)} == {"a.b": True, "c.d": False}


def test_what_lies_in_a_read_only_object_is_read_only():
    schema = obj(meta={**obj(version=""), "readOnly": True})
    assert flatten(schema)[0].read_only
