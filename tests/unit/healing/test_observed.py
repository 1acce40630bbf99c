"""Records against their specification, and against the records of a good day."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vitesse_graph.demo.people import make_customers
from vitesse_graph.demo.shopify_like import load_document
from vitesse_graph.healing import compare_profiles, observe_drift, profile_records
from vitesse_graph.state.mapping import MappingLogic, Transformation

Record = dict[str, Any]


def customer_schema() -> dict[str, Any]:
    schemas = load_document("shopify_like.json")["components"]["schemas"]
    text = json.dumps(schemas["Customer"]).replace("#/components/schemas/", "#/$defs/")
    return {**json.loads(text), "$defs": {"Address": schemas["Address"]}}


def rows(*paths: str) -> MappingLogic:
    return MappingLogic(
        transformations=[Transformation(source_field=path, dest_field=f"to_{path}") for path in paths]
    )


def changed(**changes: Any) -> list[Record]:
    """Customers with each named field replaced: by a value, by a function of it, or gone (None)."""
    records = make_customers(60)
    for record in records:
        for name, change in changes.items():
            if change is None:
                del record[name]
            else:
                record[name] = change(record[name]) if callable(change) else change
    return records


def test_records_that_fit_their_schema_have_no_drift() -> None:
    assert observe_drift(customer_schema(), make_customers(200), mapping=rows("email", "tags")) == []


def test_a_renamed_field_is_found_in_the_records_alone() -> None:
    records = [
        {("email_address" if k == "email" else k): v for k, v in r.items()} for r in make_customers(20)
    ]
    items = observe_drift(customer_schema(), records, mapping=rows("email", "first_name"))
    assert [(item.kind, item.path, item.new_path, item.severity) for item in items] == [
        ("field_renamed", "email", "email_address", "breaking")
    ]


def test_a_rename_is_found_though_the_specification_never_said_what_the_texts_are() -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string"}, "email_address": {"type": "string"}}}
    records = [{"id": str(n), "email": f"a{n}@example.com"} for n in range(9)]
    (item,) = observe_drift(schema, records, mapping=rows("email_address"))
    assert (item.kind, item.new_path) == ("field_renamed", "email")


def test_a_required_field_that_is_absent_is_breaking_and_an_optional_one_a_suspicion() -> None:
    (gone,) = observe_drift(customer_schema(), changed(email=None), mapping=rows("email"))
    assert (gone.kind, gone.severity) == ("field_removed", "breaking")
    (perhaps,) = observe_drift(customer_schema(), changed(first_name=None), mapping=rows("first_name"))
    assert (perhaps.kind, perhaps.severity) == ("field_removed", "risky")
    assert perhaps.confidence < gone.confidence


def test_an_optional_field_that_used_to_be_sent_is_missed() -> None:
    (gone,) = observe_drift(
        customer_schema(), changed(first_name=None), mapping=rows("first_name"), seen_before=["first_name"]
    )
    assert gone.severity == "breaking"


def test_an_optional_field_that_nobody_maps_may_be_absent_without_a_word() -> None:
    assert observe_drift(customer_schema(), changed(note=None), mapping=rows("email")) == []


@pytest.mark.parametrize(
    ("field", "change", "kind"),
    [
        ("total_spent", lambda value: float(value), "field_retyped"),
        ("tags", lambda value: ",".join(value), "field_retyped"),
        ("email", lambda value: value.replace("@", " at "), "format_changed"),
        ("created_at", lambda value: "17/03/2024", "format_changed"),
        ("state", "archived", "enum_grown"),
        ("email", lambda value: None, "field_optional"),
    ],
)
def test_values_of_another_kind_are_noticed(field: str, change: Any, kind: str) -> None:
    items = observe_drift(customer_schema(), changed(**{field: change}), mapping=rows(field))
    assert kind in {item.kind for item in items}
    assert items[0].affects == [f"to_{field}"]


def test_a_field_that_is_not_declared_is_told_as_safe() -> None:
    records = [{**record, "loyalty": 3} for record in make_customers(10)]
    (item,) = observe_drift(customer_schema(), records, mapping=rows("email"))
    assert (item.kind, item.path, item.severity) == ("field_added", "loyalty", "safe")


def test_two_records_prove_nothing() -> None:
    assert observe_drift(customer_schema(), [{}, {}], mapping=rows("email")) == []


def test_no_value_is_ever_told() -> None:
    secret = "K4naryValue"
    records = changed(state=secret, email=secret, total_spent=12.5, created_at=secret, note=secret)
    items = observe_drift(customer_schema(), records, mapping=rows("state", "email", "created_at"))
    shifts = compare_profiles(profile_records(make_customers(60)), profile_records(records))
    told = json.dumps([item.dump() for item in items] + [shift.dump() for shift in shifts])
    profile = profile_records(records).model_dump_json()
    assert items
    assert shifts
    assert secret not in told + profile


@pytest.mark.parametrize(
    ("field", "change", "kind"),
    [
        ("total_spent", lambda value: f"{float(value) * 100:.2f}", "rescaled"),
        ("first_name", None, None),
        ("first_name", "Test", "constant"),
        ("phone", lambda value: None, "emptied"),
        ("phone", lambda value: value and f"({value[1:3]}) {value[3:6]} {value[6:]}", "reformatted"),
        ("total_spent", lambda value: f"-{value}", "sign"),
    ],
)
def test_values_that_still_validate_and_are_of_another_kind_are_noticed(
    field: str, change: Any, kind: str | None
) -> None:
    shifts = compare_profiles(
        profile_records(make_customers(200)), profile_records(changed(**{field: change}))
    )
    assert [shift.kind for shift in shifts if shift.path == field] == ([kind] if kind else [])


def test_another_sample_of_the_same_records_is_no_shift() -> None:
    everyone = make_customers(1_247)
    usual = profile_records(everyone)
    for start in range(0, 1_200, 100):
        part = profile_records(everyone[start : start + 40])
        assert compare_profiles(usual, part) == []
