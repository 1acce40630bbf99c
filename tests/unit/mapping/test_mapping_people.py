"""Hints, edits, earlier mappings and findings."""

from dataclasses import dataclass, field

import pytest
from mapping_helpers import CONTACT, PERSON, arr, found, obj, pairs, row_of, string

from vitesse_graph.errors import MappingError
from vitesse_graph.mapping import apply_edit, complexity_score, diff_mappings, map_fields
from vitesse_graph.state.mapping import Finding, MappingHint, MappingLogic, Transformation
from vitesse_graph.transforms import compile_mapping


def test_a_hint_is_obeyed_with_the_right_conversion():
    mapping = map_fields(
        PERSON, CONTACT, hints=[MappingHint(dest_field="created_date", source_field="created_at")]
    )
    row = row_of(mapping, "created_date")
    assert (row.origin, row.confidence) == ("hint", 1.0)
    assert row.transform_config == {"function": "parse_iso8601_to_date"}


def test_a_hint_may_join_fix_a_value_or_empty_a_field():
    hints = [
        MappingHint(dest_field="first_name", source_field=["first_name", "last_name"]),
        MappingHint(dest_field="phone_number", constant="unknown"),
        MappingHint(dest_field="segments"),
    ]
    mapping = map_fields(PERSON, CONTACT, hints=hints)
    made = compile_mapping(mapping).apply({"first_name": "A", "last_name": "B", "email": "e", "tags": ["x"]})
    assert made.body["first_name"] == "A B"
    assert made.body["phone_number"] == "unknown"
    assert "segments" not in made.body
    assert mapping.left_empty == ["segments"]


@pytest.mark.parametrize(
    ("hint", "why"),
    [
        (MappingHint(dest_field="first_name", source_field="frist_name"), "did you mean 'first_name'"),
        (MappingHint(dest_field="nowhere", source_field="email"), "the destination has no field 'nowhere'"),
        (
            MappingHint(
                dest_field="email",
                source_field="email",
                transform_type="custom",
                transform_config={"function": "magic"},
            ),
            "magic",
        ),
    ],
)
def test_a_hint_that_cannot_be_is_refused_saying_why(hint, why):
    mapping = map_fields(PERSON, CONTACT, hints=[hint])
    assert any(why in note for note in mapping.notes)
    assert pairs(mapping) == found(PERSON, CONTACT)


def test_a_person_s_rows_survive_mapping_again():
    mapping = map_fields(PERSON, CONTACT)
    edits = [r for r in mapping.transformations if r.dest_field not in ("first_name", "segments")]
    edits.append(Transformation(source_field="last_name", dest_field="first_name", transform_type="mapping"))
    edited = apply_edit(mapping, edits, PERSON, CONTACT)
    again = map_fields(PERSON, CONTACT, previous=edited)
    assert row_of(again, "first_name").source_field == "last_name"
    assert row_of(again, "first_name").origin == "person"
    assert "segments" not in pairs(again)
    assert again.version == edited.version + 1 == mapping.version + 2
    healed = map_fields(
        PERSON,
        CONTACT,
        previous=edited,
        findings=[Finding(kind="transform_failed", dest_field="created_date")],
    )
    assert row_of(healed, "first_name").origin == "person"
    assert "segments" not in pairs(healed)


def test_an_edit_that_cannot_be_is_refused_in_one_line():
    dest = obj(email="", id={"type": "string", "readOnly": True})
    bad = [
        Transformation(source_field="mail", dest_field="email"),
        Transformation(source_field="email", dest_field="id"),
        Transformation(source_field="email", dest_field="e_mail"),
    ]
    with pytest.raises(MappingError) as caught:
        apply_edit(MappingLogic(), bad, PERSON, dest)
    message = str(caught.value)
    assert "no field 'mail'" in message
    assert "'id' is read-only" in message
    assert "no field 'e_mail'; did you mean 'email'?" in message
    assert "\n" not in message


def test_an_edit_answers_questions_and_leaves_untouched_rows_alone():
    dest = obj(("email", "vat"), email=string(format="email"), vat="Tax number.")
    mapping = map_fields(PERSON, dest)
    assert [q.dest_field for q in mapping.questions] == ["vat"]
    rows = [
        *mapping.transformations,
        Transformation(source_field="id", dest_field="vat", transform_type="mapping"),
    ]
    edited = apply_edit(mapping, rows, PERSON, dest)
    assert edited.questions == []
    assert row_of(edited, "email").origin == "found"
    assert row_of(edited, "vat").origin == "person"


def test_the_difference_between_two_mappings():
    one = map_fields(PERSON, CONTACT)
    other = one.evolve(transformations=[r for r in one.transformations if r.dest_field != "email"])
    other.transformations[0] = other.transformations[0].evolve(source_field="id")
    diff = diff_mappings(one, other)
    assert [r.dest_field for r in diff.removed] == ["email"]
    assert len(diff.changed) == 1
    assert not diff_mappings(one, one.evolve(confidence=0.1))
    assert len(diff.lines()) == 2


def renamed(schema, old, new):
    return {**schema, "properties": {new if k == old else k: v for k, v in schema["properties"].items()}}


def test_a_renamed_source_changes_its_row_and_nothing_else():
    live = map_fields(PERSON, CONTACT)
    finding = Finding(kind="source_renamed", source_field="created_at", hint={"renamed_to": "registered_on"})
    healed = map_fields(
        renamed(PERSON, "created_at", "registered_on"), CONTACT, previous=live, findings=[finding]
    )
    diff = diff_mappings(live, healed)
    assert not diff.added
    assert not diff.removed
    assert [
        (b.source_field, b.origin, b.transform_config == a.transform_config) for a, b in diff.changed
    ] == [("registered_on", "heal", True)]


def test_a_removed_source_leaves_its_row_to_be_found_anew():
    live = map_fields(PERSON, CONTACT)
    source = renamed(PERSON, "phone", "mobile_number")
    healed = map_fields(
        source, CONTACT, previous=live, findings=[Finding(kind="source_removed", source_field="phone")]
    )
    assert row_of(healed, "phone_number").source_field == "mobile_number"
    gone = obj(**{k: v for k, v in PERSON["properties"].items() if k != "phone"})
    healed = map_fields(
        gone, CONTACT, previous=live, findings=[Finding(kind="source_removed", source_field="phone")]
    )
    assert "phone_number" not in pairs(healed)
    assert len(pairs(healed)) == len(pairs(live)) - 1


def test_a_refused_value_gets_a_table_from_the_values_that_are_allowed():
    source, dest = obj(status=string(enum=["open", "closed"]), name=""), obj(status="", name="")
    live = map_fields(source, dest)
    finding = Finding(kind="dest_rejects_value", dest_field="status", hint={"enum": ["new", "solved"]})
    healed = map_fields(source, dest, previous=live, findings=[finding])
    assert compile_mapping(healed).apply({"status": "closed"}).body["status"] == "solved"


def test_a_value_that_is_too_long_is_cut():
    source, dest = obj(note="", email=""), obj(note="", email="")
    finding = Finding(kind="dest_rejects_value", dest_field="note", hint={"max_length": 3})
    healed = map_fields(source, dest, previous=map_fields(source, dest), findings=[finding])
    assert compile_mapping(healed).apply({"note": "abcdef"}).body == {"note": "abc"}


def test_a_refused_value_is_brought_to_the_expected_type():
    source, dest = obj(quantity=string(), name=""), obj(quantity=string(), name="")
    finding = Finding(kind="dest_rejects_value", dest_field="quantity", hint={"expected_type": "integer"})
    healed = map_fields(source, dest, previous=map_fields(source, dest), findings=[finding])
    assert compile_mapping(healed).apply({"quantity": "5"}).body["quantity"] == 5


def test_a_transform_that_fails_for_some_values_leaves_those_out():
    source, dest = obj(total=string(), name=""), obj(total={"type": "number"}, name="")
    live = map_fields(source, dest)
    healed = map_fields(
        source,
        dest,
        previous=live,
        findings=[Finding(kind="transform_failed", dest_field="total", share=0.1)],
    )
    assert row_of(healed, "total").transform_config["on_error"] == "skip"
    assert compile_mapping(healed).apply({"total": "ten"}).ok


def test_a_retyped_source_gets_a_new_conversion():
    old, new = obj(total={"type": "number"}, name=""), obj(total=string(), name="")
    dest = obj(total={"type": "number"}, name="")
    live = map_fields(old, dest)
    healed = map_fields(
        new, dest, previous=live, findings=[Finding(kind="source_retyped", source_field="total")]
    )
    assert row_of(live, "total").transform_type == "direct"
    assert row_of(healed, "total").transform_type == "parse"


def test_untranslated_values_are_added_to_the_table():
    source, dest = obj(state="", name=""), obj(state=string(enum=["new", "solved"]), name="")
    hint = MappingHint(
        source_field="state",
        dest_field="state",
        transform_type="custom",
        transform_config={"function": "enum_map", "params": {"table": {"open": "new"}}},
    )
    live = map_fields(source, dest, hints=[hint])
    finding = Finding(kind="enum_untranslated", dest_field="state", hint={"values": ["closed"]})
    healed = map_fields(source, dest, previous=live, findings=[finding])
    assert row_of(healed, "state").transform_config["params"]["table"] == {"open": "new", "closed": "solved"}
    assert row_of(healed, "state").origin == "hint"


def test_a_finding_that_cannot_be_answered_keeps_the_row_and_is_noted():
    live = map_fields(PERSON, CONTACT)
    healed = map_fields(
        PERSON, CONTACT, previous=live, findings=[Finding(kind="lossy", dest_field="created_date")]
    )
    assert not diff_mappings(live, healed)
    assert any("created_date" in note for note in healed.notes)


def test_required_fields_without_a_source_are_the_first_questions():
    dest = obj(
        ("email", "vat", "region_code"),
        email=string(format="email"),
        vat="",
        region_code=string(enum=["a", "b"]),
    )
    mapping = map_fields(PERSON, dest)
    assert {q.dest_field for q in mapping.questions} == {"vat", "region_code"}
    assert all(q.required for q in mapping.questions)


def test_every_row_offers_other_sources_that_can_be_taken_as_they_are():
    source = obj(
        email=string(format="email"),
        work_email=string(format="email"),
        backup_email=string(format="email"),
        name="",
    )
    mapping = map_fields(source, obj(email=string(format="email"), name=""))
    row = row_of(mapping, "email")
    assert {"work_email", "backup_email"} <= {a.source_field for a in row.alternatives}
    assert len(row.alternatives) <= 3
    for a in row.alternatives:
        switched = row.evolve(
            source_field=a.source_field, transform_type=a.transform_type, transform_config=a.transform_config
        )
        compile_mapping(mapping.evolve(transformations=[switched]))


def test_complexity_grows_with_what_must_be_done():
    simple = map_fields(PERSON, obj(email=string(format="email"), first_name=""))
    lines = obj(id="", lines=arr(obj(sku="", quantity=string())))
    involved = map_fields(lines, obj(("vat",), vat="", items=arr(obj(sku="", quantity={"type": "integer"}))))
    assert 1 <= complexity_score(simple) < complexity_score(involved) <= 10


@dataclass
class Proven:
    source_fields: tuple[str, ...] = ("note_x",)
    dest_field: str = "shade"
    transform_type: str = "custom"
    transform_config: dict = field(default_factory=lambda: {"function": "upper"})
    is_complete: bool = True
    weight: float = 0.8


def test_a_proven_pattern_fills_what_would_not_be_found():
    source, dest = obj(note_x="", email=""), obj(shade="", email="")
    assert "shade" not in found(source, dest)
    row = row_of(map_fields(source, dest, patterns=[Proven()]), "shade")
    assert (row.origin, row.source_field, row.confidence) == ("pattern", "note_x", 0.8)
    assert found(obj(email=""), dest, patterns=[Proven()]) == {"email": "email"}


def test_a_hint_for_a_part_wins_over_a_row_for_the_whole_and_the_other_way_round():
    source = obj(meta={"type": "object"}, email="", note="")
    dest = obj(meta={"type": "object"}, email="")
    assert found(source, dest, hints=[MappingHint(dest_field="meta", source_field="meta")])["meta"] == "meta"
    parts = found(source, dest, hints=[MappingHint(dest_field="meta.note", source_field="note")])
    assert parts["meta.note"] == "note"
    assert "meta" not in parts
