"""A repair changes only what broke, says exactly what, and a person is asked where it is due."""

from __future__ import annotations

from typing import Any

import pytest

from vitesse_graph.healing import (
    HealPolicy,
    RepairChange,
    RowChange,
    amend_schema,
    compare_mappings,
    compare_outputs,
    follow_renames,
    needs_approval,
    repair_mapping,
)
from vitesse_graph.state.health import DriftItem
from vitesse_graph.state.mapping import MappingLogic, Transformation


def row(source: Any, dest: str, kind: Any = "direct", **words: Any) -> Transformation:
    return Transformation(source_field=source, dest_field=dest, transform_type=kind, **words)


def mapping(*rows: Transformation, **words: Any) -> MappingLogic:
    return MappingLogic(transformations=list(rows), **words)


LIVE = mapping(
    row("email", "email", required=True),
    row("name", "full_name", origin="person", reason="said so"),
    row("tags", "segments", "collect"),
    row("total", "value", "parse"),
    version=3,
)
RENAMED = DriftItem(
    kind="field_renamed",
    side="source",
    severity="breaking",
    path="email",
    new_path="mail",
    confidence=0.9,
    affects=["email"],
)
DROPPED = DriftItem(
    kind="field_removed", side="source", severity="breaking", path="tags", affects=["segments"]
)


def test_only_the_broken_rows_are_replaced() -> None:
    proposed = mapping(
        row("mail", "email", "mapping", required=True), row("first", "full_name"), row("total", "value")
    )
    repaired = repair_mapping(LIVE, proposed, [RENAMED, DROPPED])
    assert [(r.source_field, r.dest_field, r.origin) for r in repaired.transformations] == [
        ("mail", "email", "heal"),
        ("name", "full_name", "person"),
        ("total", "value", "found"),
    ]
    assert repaired.version == 4


def test_a_newly_required_field_is_added_from_the_proposal() -> None:
    required = DriftItem(
        kind="field_required", side="dest", severity="breaking", path="consent", affects=["consent"]
    )
    proposed = mapping(*LIVE.transformations, row("opt_in", "consent"), row("other", "unasked"))
    repaired = repair_mapping(LIVE, proposed, [required])
    assert [r.dest_field for r in repaired.transformations] == [
        "email", "full_name", "segments", "value", "consent",
    ]  # fmt: skip


def test_what_a_vendor_begins_to_demand_is_asked_about_however_sure_the_mapping_is() -> None:
    required = DriftItem(kind="field_required", side="dest", severity="breaking", path="consent")
    new = mapping(*LIVE.transformations, row("agreed", "consent", confidence=0.95))
    assert needs_approval(compare_mappings(LIVE, new, [required]))
    assert not needs_approval(compare_mappings(LIVE, new))


def test_what_a_vendor_begins_to_demand_is_not_filled_by_a_guess() -> None:
    required = DriftItem(kind="field_required", side="dest", severity="breaking", path="legal_basis_ref")
    guessed = row("id", "legal_basis_ref", "stringify", required=True, confidence=0.69)
    proposed = mapping(*LIVE.transformations, guessed)
    for also in ((), ("legal_basis_ref",)):
        repaired = repair_mapping(LIVE, proposed, [required], also=also)
        assert "legal_basis_ref" not in {one.dest_field for one in repaired.transformations}


def test_a_renamed_destination_takes_the_proposed_row_for_its_new_name() -> None:
    moved = DriftItem(
        kind="field_renamed",
        side="dest",
        severity="breaking",
        path="segments",
        new_path="labels",
        affects=["segments"],
    )
    proposed = mapping(row("tags", "labels", "collect"))
    repaired = repair_mapping(LIVE, proposed, [moved])
    assert [r.dest_field for r in repaired.transformations] == ["email", "full_name", "labels", "value"]
    (change,) = compare_mappings(LIVE, repaired, [moved]).rows
    assert (change.kind, change.dest_field, change.is_sure) == ("renamed", "labels", True)


def test_the_difference_of_two_mappings_is_told_row_by_row() -> None:
    new = mapping(
        row("mail", "email", "mapping", required=True),
        row("nick", "full_name"),
        row("total", "value", "parse", transform_config={"decimals": 2}),
        row("city", "town"),
    )
    change = compare_mappings(LIVE, new, [RENAMED, DROPPED])
    assert {(r.dest_field, r.kind) for r in change.rows} == {
        ("email", "renamed"),
        ("full_name", "retargeted"),
        ("segments", "removed"),
        ("value", "transform_changed"),
        ("town", "added"),
    }
    assert "`email` reads the renamed field: email → mail" in change.render()
    assert compare_mappings(LIVE, LIVE).is_empty


SURE = RowChange(dest_field="a", kind="renamed")
GUESS = RowChange(dest_field="a", kind="renamed", is_sure=False)


@pytest.mark.parametrize(
    ("change", "asked_when_risky"),
    [
        (RepairChange(rows=[SURE]), False),
        (RepairChange(rows=[SURE, RowChange(dest_field="b", kind="added")]), False),
        (RepairChange(rows=[GUESS]), True),
        (RepairChange(rows=[SURE, RowChange(dest_field="b", kind="removed")]), True),
        (RepairChange(rows=[RowChange(dest_field="b", kind="retargeted")]), True),
        (RepairChange(rows=[RowChange(dest_field="b", kind="transform_changed")]), True),
        (RepairChange(endpoints=["GET /v1/x → GET /v2/x"]), True),
        (RepairChange(addresses=["https://z.example"]), True),
    ],
)
def test_a_person_is_asked_for_more_than_renames_and_additions(
    change: RepairChange, asked_when_risky: bool
) -> None:
    assert needs_approval(change, HealPolicy()) is asked_when_risky
    assert needs_approval(change, "always") is True
    assert needs_approval(change, "never") is False


def test_nothing_changed_needs_nobody() -> None:
    assert not any(needs_approval(RepairChange(), policy) for policy in ("never", "risky", "always"))


def test_outputs_are_compared_field_by_field_without_a_value() -> None:
    records = [{"email": f"e{n}@example.com", "name": "N", "tags": ["x"], "total": "1.50"} for n in range(10)]
    later = [{("mail" if k == "email" else k): v for k, v in r.items() if k != "tags"} for r in records]
    new = mapping(row("mail", "email", required=True), row("name", "full_name"), row("total", "value"))
    differences = compare_outputs(LIVE, new, records, new_records=later)
    assert (differences.records, differences.same) == (10, 0)
    assert {(f.dest_field, f.emptied, f.changed, f.retyped) for f in differences.fields} == {
        ("segments", 10, 0, 0),
        ("value", 0, 10, 10),
    }
    assert "example.com" not in differences.model_dump_json() + differences.render()


def test_a_repair_that_only_follows_a_rename_writes_the_same() -> None:
    records = [{"email": f"e{n}@example.com", "name": "N", "tags": [], "total": "2"} for n in range(5)]
    later = [{("mail" if k == "email" else k): v for k, v in r.items()} for r in records]
    new = mapping(row("mail", "email", required=True), *LIVE.transformations[1:])
    assert compare_outputs(LIVE, new, records, new_records=later).is_same


def test_records_that_only_one_of_the_two_can_transform_are_counted() -> None:
    later = [{"mail": "a@example.com"}, {"email": "b@example.com"}]
    new = mapping(row("mail", "email", required=True))
    old = mapping(row("email", "email", required=True))
    differences = compare_outputs(old, new, later)
    assert (differences.mended, differences.broken) == (1, 1)
    assert "1 that were written would fail." in differences.render()


def test_a_sure_rename_is_followed_and_the_conversion_kept() -> None:
    converted = row("created", "day", "custom", transform_config={"function": "parse_iso8601_to_date"})
    moved = DriftItem(
        kind="field_renamed",
        side="source",
        severity="breaking",
        path="created",
        new_path="created_at",
        confidence=0.9,
        affects=["day"],
    )
    strange = mapping(row("something_else", "day"))
    (followed,) = repair_mapping(mapping(converted), strange, [moved]).transformations
    assert (followed.source_field, followed.transform_config) == ("created_at", converted.transform_config)


def test_a_guessed_rename_gives_way_to_a_proposal_and_is_better_than_nothing() -> None:
    guess = RENAMED.evolve(confidence=0.6)
    live = mapping(row("email", "email", required=True))
    (proposed,) = repair_mapping(live, mapping(row("address", "email")), [guess]).transformations
    (followed,) = repair_mapping(live, mapping(), [guess]).transformations
    assert (proposed.source_field, followed.source_field) == ("address", "mail")
    assert followed.confidence == 0.6
    assert not compare_mappings(live, mapping(followed), [guess]).rows[0].is_sure


def test_a_rename_with_another_type_is_not_merely_followed() -> None:
    retyped = DriftItem(
        kind="field_retyped",
        side="source",
        severity="breaking",
        path="email",
        new_path="mail",
        affects=["email"],
    )
    assert follow_renames(LIVE.transformations[0], [RENAMED, retyped]) is None
    assert follow_renames(LIVE.transformations[1], [RENAMED]) is None


def test_several_sources_and_nested_paths_follow_their_parents() -> None:
    moved = DriftItem(
        kind="field_renamed",
        side="source",
        severity="breaking",
        path="addr",
        new_path="address",
        affects=["place"],
    )
    followed = follow_renames(row(["addr.city", "zip", "addr[].x"], "place", "custom"), [moved])
    assert followed is not None
    assert followed.source_field == ["address.city", "zip", "address[].x"]


def test_a_schema_is_brought_up_to_what_records_showed() -> None:
    schema = {
        "type": "object",
        "required": ["email"],
        "properties": {
            "email": {"type": "string", "format": "email"},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/Tag"}},
        },
        "$defs": {"Tag": {"allOf": [{"type": "object", "properties": {"label": {"type": "string"}}}]}},
    }
    label = DriftItem(
        kind="field_renamed", side="source", severity="risky", path="tags[].label", new_path="tags[].name"
    )
    elsewhere = DriftItem(kind="field_removed", side="dest", severity="breaking", path="email")
    amended = amend_schema(schema, [RENAMED, label, elsewhere, DROPPED.evolve(path="not.there")])
    assert list(amended["properties"]) == ["mail", "tags"]
    assert amended["required"] == ["mail"]
    assert list(amended["$defs"]["Tag"]["allOf"][0]["properties"]) == ["name"]
    assert "email" in schema["properties"]


def test_a_row_that_follows_already_and_still_fails_takes_the_proposal() -> None:
    followed = mapping(row("mail", "email", required=True))
    proposed = mapping(row("contact_mail", "email"))
    (first,) = repair_mapping(
        mapping(row("email", "email")), proposed, [RENAMED], also=["email"]
    ).transformations
    (second,) = repair_mapping(followed, proposed, [RENAMED], also=["email"]).transformations
    assert (first.source_field, second.source_field) == ("mail", "contact_mail")
