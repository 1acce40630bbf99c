"""Required destination fields that no row feeds."""

from __future__ import annotations

from typing import Any

import pytest

from vitesse_graph.guardian.required import unfed_required
from vitesse_graph.state.mapping import MappingLogic, Transformation

TEXT = {"type": "string"}


def obj(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


@pytest.mark.parametrize(
    ("schema", "fed", "missing"),
    [
        (obj(["a"], a=TEXT, b=TEXT), ["b"], ["a"]),
        (obj(["a"], a=TEXT), ["a"], []),
        (obj(["a"], a={**TEXT, "readOnly": True}), [], []),
        (obj(["data"], data=obj(["type", "name"], type=TEXT, name=TEXT)), ["data.name"], ["data.type"]),
        (obj([], phone=obj(["type"], type=TEXT, number=TEXT)), ["phone.number"], ["phone.type"]),
        (obj([], phone=obj(["type"], type=TEXT, number=TEXT)), [], []),
        (
            obj(["rows"], rows={"type": "array", "items": obj(["x"], x=TEXT, y=TEXT)}),
            ["rows[].y"],
            ["rows[].x"],
        ),
        (obj(["meta"], meta=obj(["k"], k=TEXT)), ["meta"], []),
        ({"anyOf": [obj(["a"], a=TEXT, b=TEXT), obj(["b"], a=TEXT, b=TEXT)]}, ["b"], []),
        ({"allOf": [obj(["a"], a=TEXT), obj(["b"], b=TEXT)]}, ["a"], ["b"]),
    ],
)
def test_unfed_required_fields(schema: dict[str, Any], fed: list[str], missing: list[str]) -> None:
    rows = [Transformation(source_field="s", dest_field=path) for path in fed]
    assert unfed_required(schema, MappingLogic(transformations=rows)) == missing
