"""Schemas that no value keeps as they are written, and the plain reading that one value keeps."""

from __future__ import annotations

import random
from typing import Any

import pytest

from vitesse_graph.synthetic import Contract, Draw, RecordGenerator

FORMS = {"anyOf": [{"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}]}


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({"type": "string", "format": "uuid", "minLength": 24, "maxLength": 24}, "5" * 24, "5" * 36),
        ({"type": "string", "format": "date-time", "maxLength": 10}, "2024-01-01", "2024-01-01T00:00:00Z"),
        ({"type": "string", "pattern": "/^[a-z]+$/i"}, "abc", "/abc/"),
        ({"type": "string", "pattern": r"^a\\.b$", "example": "a.b"}, "a.b", "axb"),
        ({"type": "array", "enum": ["A", "B"], "items": {"type": "string"}}, ["A"], ["C"]),
        ({"type": "integer", "enum": ["1", "2"]}, 1, "1"),
        ({"type": "object", "additionalProperties": False, **FORMS}, {"a": "x"}, {"b": "x"}),
        (
            {"type": "object", "additionalProperties": False, "properties": {"a": {}}, "required": ["b"]},
            {"b": 1},
            {"a": 1},
        ),
    ],
)
def test_the_plain_reading_is_kept(schema: dict[str, Any], right: Any, wrong: Any) -> None:
    contract = Contract(schema, "request")
    assert contract.is_valid(right)
    assert not contract.is_valid(wrong)
    generator = RecordGenerator(schema, direction="request")
    assert all(contract.is_valid(generator.draw(Draw(random.Random(seed)))) for seed in range(5))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "format": "uuid", "maxLength": 36},
        {"type": "string", "pattern": "^/a/b/$"},
        {"type": "string", "pattern": r"^a\\b$", "example": "a\\b"},
        {"type": "string", "enum": ["a", 1]},
        {"type": "object", "properties": {"a": {}}, "additionalProperties": False, "anyOf": FORMS["anyOf"]},
    ],
)
def test_what_some_value_keeps_stays_as_it_is(schema: dict[str, Any]) -> None:
    assert Contract(schema).schema == schema
