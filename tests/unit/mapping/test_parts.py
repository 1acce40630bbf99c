"""A re-mapping leaves out what cannot be right, instead of failing with it again."""

from __future__ import annotations

from typing import Any

from vitesse_graph.mapping import map_fields
from vitesse_graph.state.mapping import Finding, MappingHint, MappingLogic
from vitesse_graph.transforms import compile_mapping

TEXT = {"type": "string"}
SOURCE: dict[str, Any] = {
    "type": "object",
    "properties": {"email": TEXT, "tax_number": TEXT, "status": TEXT},
}
DEST: dict[str, Any] = {
    "type": "object",
    "required": ["email"],
    "properties": {
        "email": TEXT,
        "status": {"type": "string", "enum": ["draft", "paid"]},
        "tax_ids": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["scheme_kind", "tax_number"],
                "properties": {"scheme_kind": TEXT, "tax_number": TEXT},
            },
        },
    },
}
HINTS = [MappingHint(dest_field="tax_ids[].tax_number", source_field="tax_number")]
UNFILLED = Finding(kind="required_unfilled", dest_field="tax_ids[].scheme_kind", detail="nothing feeds it")


def untranslated(share: float, **hint: Any) -> Finding:
    return Finding(
        kind="enum_untranslated",
        dest_field="status",
        source_field="status",
        detail="",
        share=share,
        hint=hint,
    )


def rows(mapping: MappingLogic) -> dict[str, Any]:
    return {row.dest_field: row for row in mapping.transformations}


def first() -> MappingLogic:
    """As found: nobody insists on anything."""
    mapping = map_fields(
        SOURCE, DEST, hints=[*HINTS, MappingHint(dest_field="status", source_field="status")]
    )
    for row in mapping.transformations:
        row.origin = "found"
    assert {"email", "status", "tax_ids[].tax_number"} <= set(rows(mapping))
    return mapping


def test_an_optional_part_that_demands_what_nothing_feeds_is_left_out() -> None:
    again = map_fields(SOURCE, DEST, previous=first(), findings=[UNFILLED])
    assert set(rows(again)) == {"email", "status"}
    assert "tax_ids[]: left out, as it demands tax_ids[].scheme_kind and nothing feeds that" in again.notes


def test_the_record_itself_is_never_left_out() -> None:
    dest = {"type": "object", "properties": {"tax_ids": DEST["properties"]["tax_ids"]}}
    before = map_fields(SOURCE, dest, hints=HINTS)
    for row in before.transformations:
        row.origin = "found"
    again = map_fields(SOURCE, dest, previous=before, findings=[UNFILLED])
    assert "tax_ids[].tax_number" in rows(again)
    assert "tax_ids[].scheme_kind" in {q.dest_field for q in again.questions if q.required}


def test_a_part_that_a_person_decided_on_stays() -> None:
    again = map_fields(SOURCE, DEST, previous=first(), findings=[UNFILLED], hints=HINTS)
    assert "tax_ids[].tax_number" in rows(again)


def test_a_demanded_part_stays_and_is_asked_about() -> None:
    dest = {**DEST, "required": ["email", "tax_ids"]}
    again = map_fields(SOURCE, dest, previous=first(), findings=[UNFILLED])
    assert "tax_ids[].tax_number" in rows(again)
    assert "tax_ids[].scheme_kind" in {q.dest_field for q in again.questions if q.required}


def test_a_demanded_list_that_may_be_empty_is_sent_empty_and_asked_about() -> None:
    links = {"type": "object", "required": ["to"], "properties": {"to": TEXT}}
    dest = {
        "type": "object",
        "required": ["email", "associations"],
        "properties": {"email": TEXT, "associations": {"type": "array", "items": links}},
    }
    before = map_fields(SOURCE, dest)
    assert "associations" not in rows(before)
    asked = next(q.dest_field for q in before.questions if q.required)
    unfilled = Finding(kind="required_unfilled", dest_field=asked, detail="")
    again = map_fields(SOURCE, dest, previous=before, findings=[unfilled])
    assert rows(again)["associations"].transform_config["params"] == {"value": []}
    assert "associations" in {q.dest_field for q in again.questions}
    made = compile_mapping(again).apply({"email": "a@example.com"})
    assert made.body == {"email": "a@example.com", "associations": []}

    dest["properties"]["associations"]["minItems"] = 1
    assert "associations" not in rows(map_fields(SOURCE, dest, previous=before, findings=[unfilled]))


def test_values_without_a_translation_are_left_out_or_the_field_is() -> None:
    allowed = ["draft", "paid"]
    some = rows(map_fields(SOURCE, DEST, previous=first(), findings=[untranslated(0.4, enum=allowed)]))
    assert some["status"].transform_config["params"] == {
        "table": {"draft": "draft", "paid": "paid"},
        "unmatched": "skip",
    }
    none = rows(map_fields(SOURCE, DEST, previous=first(), findings=[untranslated(0.95, enum=allowed)]))
    assert "status" not in none
