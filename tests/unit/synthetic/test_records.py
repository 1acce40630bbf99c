"""Synthetic records: they keep their schema, are the same for the same seed, and look like what they are."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitesse_graph.synthetic import TYPICAL, Contract, Mix, RecordGenerator, generate_records

PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "examples": ["cus_9s6XKzkNRiz8i3"]},
        "email": {"type": "string"},
        "first_name": {"type": "string"},
        "country": {"type": "string", "description": "Two-letter ISO country code"},
        "currency": {"type": "string", "maxLength": 3},
        "created": {"type": "string", "format": "date-time"},
        "updated": {"type": "string", "format": "date-time"},
        "amount": {"type": "integer", "minimum": 0},
        "status": {"enum": ["open", "closed"]},
        "nickname": {"type": ["string", "null"], "maxLength": 20},
        "sid": {"type": "string", "pattern": "^AC[0-9a-f]{32}$"},
    },
    "required": [
        "id",
        "email",
        "first_name",
        "country",
        "currency",
        "created",
        "updated",
        "amount",
        "status",
        "sid",
    ],
}


def test_records_are_the_same_for_the_same_seed_and_differ_for_another() -> None:
    assert generate_records(PERSON, 20, 7) == generate_records(PERSON, 20, 7)
    assert generate_records(PERSON, 20, 7) != generate_records(PERSON, 20, 8)


def test_every_record_of_every_kind_keeps_the_schema() -> None:
    contract = Contract(PERSON)
    assert all(contract.is_valid(record.value) for record in generate_records(PERSON, 300))


def test_the_mix_is_kept_exactly() -> None:
    kinds = [record.profile for record in generate_records(PERSON, 100, mix=Mix(0.5, 0.3, 0.2))]
    assert (kinds.count("typical"), kinds.count("boundary"), kinds.count("adversarial")) == (50, 30, 20)


def test_typical_values_look_like_what_the_field_is_named() -> None:
    for record, _ in generate_records(PERSON, 60, mix=TYPICAL):
        assert re.fullmatch(r"\S+@example\.(com|org|net)", record["email"])
        assert re.fullmatch(r"[A-Z]{2}", record["country"])
        assert re.fullmatch(r"[A-Z]{3}", record["currency"])
        assert re.fullmatch(r"AC[0-9a-f]{32}", record["sid"])
        assert record["id"].startswith("cus_")
        assert len(record["id"]) == len("cus_9s6XKzkNRiz8i3")


def test_a_record_is_updated_after_it_was_created() -> None:
    for record, _ in generate_records(PERSON, 60, mix=TYPICAL):
        assert datetime.fromisoformat(record["updated"]) >= datetime.fromisoformat(record["created"])


def test_a_persons_name_and_email_belong_together() -> None:
    schema = {
        "type": "object",
        "properties": {"first_name": {"type": "string"}, "email": {"type": "string", "format": "email"}},
        "required": ["first_name", "email"],
    }
    ascii_names = [r for r, _ in generate_records(schema, 60, mix=TYPICAL) if r["first_name"].isascii()]
    assert ascii_names
    assert all(r["email"].startswith(r["first_name"].lower()[:3]) for r in ascii_names)


def test_boundary_and_adversarial_records_hold_edges_and_oddities() -> None:
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["title", "n"],
    }
    odd = [r.value for r in generate_records(schema, 200, mix=Mix(0, 0, 1))]
    assert any(not r["title"].isascii() for r in odd)
    assert any(r["title"] == "" for r in odd)
    assert any(r["n"] < 0 for r in odd)
    assert any(abs(r["n"]) > 2**31 for r in odd)


def test_values_that_a_description_lists_are_used() -> None:
    schema = {"type": "string", "description": 'The role. Possible values: `"agent"`, `"admin"`'}
    assert {r.value for r in generate_records(schema, 40, mix=TYPICAL)} == {"agent", "admin"}


def test_recursion_ends_where_only_required_fields_are_left() -> None:
    schema = {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["name"],
            }
        },
    }
    assert all(Contract(schema).is_valid(r.value) for r in generate_records(schema, 50))


def test_parts_of_all_of_that_forbid_each_other_are_read_as_one_object() -> None:
    schema = {
        "allOf": [
            {
                "type": "object",
                "properties": {"key": {"type": "string"}},
                "required": ["key"],
                "additionalProperties": False,
            },
            {
                "type": "object",
                "properties": {"name": {"type": "string"}},
                "required": ["name"],
                "additionalProperties": False,
            },
        ]
    }
    contract = Contract(schema)
    assert contract.is_valid({"key": "k", "name": "n"})
    assert not contract.is_valid({"key": "k", "name": "n", "other": 1})
    assert all(contract.is_valid(r.value) for r in generate_records(schema, 20))


def test_a_pattern_that_no_engine_compiles_is_left_out_instead_of_refused() -> None:
    contract = Contract({"type": "string", "pattern": "(?P<broken"})
    assert contract.is_valid("anything")
    assert not contract.is_valid(1)


def test_read_only_fields_are_not_demanded_of_a_request() -> None:
    schema = {
        "type": "object",
        "properties": {"id": {"type": "string", "readOnly": True}, "name": {"type": "string"}},
        "required": ["id", "name"],
    }
    assert Contract(schema, "request").is_valid({"name": "n"})
    assert not Contract(schema, "response").is_valid({"name": "n"})


def test_problems_say_where_and_why_without_the_value() -> None:
    contract = Contract(
        {
            "type": "object",
            "properties": {"a": {"type": "array", "items": {"type": "string", "maxLength": 3}}},
        }
    )
    (problem,) = contract.problems({"a": ["secret-value"]})
    assert (problem.path, problem.rule, problem.expected) == ("a[]", "maxLength", {"max_length": 3})
    assert "secret" not in problem.message


def test_a_property_named_like_a_keyword_is_a_property() -> None:
    schema = {
        "type": "object",
        "properties": {
            "required": {"type": "boolean"},
            "pattern": {"type": "string"},
            "$ref": {"type": "string"},
        },
        "required": ["required", "pattern"],
    }
    contract = Contract(schema)
    assert all(contract.is_valid(r.value) for r in generate_records(schema, 20))


scalars = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "minLength": 2, "maxLength": 5},
        {"type": "string", "format": "email"},
        {"type": "string", "format": "date"},
        {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{2,4}$"},
        {"type": "integer", "minimum": 3, "maximum": 9},
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        {"type": "integer", "multipleOf": 5, "minimum": 10},
        {"type": "boolean"},
        {"enum": ["a", "b", None]},
        {"type": ["string", "null"]},
    ]
)
names = st.sampled_from(
    ["name", "email", "amount", "created_at", "country", "phone", "x", "status_code", "lat"]
)
schemas = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.dictionaries(names, inner, min_size=1, max_size=4).map(
            lambda props: {"type": "object", "properties": props, "required": sorted(props)[:2]}
        ),
        inner.map(lambda items: {"type": "array", "items": items, "minItems": 1, "maxItems": 4}),
        st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options}),
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(schema=schemas, seed=st.integers(0, 1000))
def test_whatever_the_schema_what_is_drawn_keeps_it(schema: dict[str, Any], seed: int) -> None:
    contract = Contract(schema)
    assert all(contract.is_valid(record.value) for record in generate_records(schema, 10, seed))


@pytest.mark.parametrize("direction", ["request", "response"])
def test_a_hundred_thousand_records_come_one_by_one(direction: str) -> None:
    stream = RecordGenerator(PERSON).records(100_000)
    assert next(stream).profile == "typical"
