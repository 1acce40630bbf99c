"""A field that lives on under another name is recognised; a field that went while another came is not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitesse_graph.healing.renames import find_renames, name_similarity, translate
from vitesse_graph.healing.shapes import flatten_schema


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def text(description: str = "", **words: Any) -> dict[str, Any]:
    return {"type": "string", **({"description": description} if description else {}), **words}


def renames(old: dict[str, Any], new: dict[str, Any]) -> dict[str, str]:
    return {rename.old: rename.new for rename in find_renames(flatten_schema(old), flatten_schema(new))}


@pytest.mark.parametrize(
    ("old", "new", "old_field", "new_field"),
    [
        ("email", "email_address", text(format="email"), text(format="email")),
        ("firstName", "first_name", text(), text()),
        ("phone", "phoneNumber", text(), text()),
        ("created_at", "creation_date", text(format="date-time"), text(format="date-time")),
        ("total_spent", "amount_spent", text(), text()),
        ("status", "lifecycle", text(enum=["a", "b", "c"]), text(enum=["a", "b", "c"])),
        ("zip", "postal_code", text("Postal code of the address."), text("Postal code of the address.")),
        ("note", "remarks", text("What the shop wrote about them."), text("What the shop wrote about them")),
        ("qty", "quantity", {"type": "integer"}, {"type": "integer"}),
        ("website", "website_url", text(), text(format="uri")),
        ("addr", "address", schema(city=text(), zip=text()), schema(city=text(), zip=text())),
    ],
)
def test_a_usual_rename_is_found(old: str, new: str, old_field: Any, new_field: Any) -> None:
    before = schema(id={"type": "integer"}, **{old: old_field}, last=text("Something else."))
    after = schema(id={"type": "integer"}, **{new: new_field}, last=text("Something else."))
    assert renames(before, after) == {old: new}


@pytest.mark.parametrize(
    ("gone", "come"),
    [
        ({"fax": text("Fax number.")}, {"loyalty_points": {"type": "integer", "description": "Points."}}),
        ({"tags": {"type": "array", "items": text()}}, {"owner": text("Who looks after it.")}),
        ({"address": schema(city=text())}, {"address_line": text("One line.")}),
        ({"created_at": text(format="date-time")}, {"vat_number": text("Number for taxes.")}),
        ({"is_vip": {"type": "boolean"}}, {"balance": {"type": "number"}}),
    ],
)
def test_one_that_went_and_another_that_came_are_not_a_rename(gone: Any, come: Any) -> None:
    before = schema(id={"type": "integer"}, **gone, email=text(format="email"))
    after = schema(id={"type": "integer"}, email=text(format="email"), **come)
    assert renames(before, after) == {}


def test_several_renames_at_once_find_their_own_partners() -> None:
    before = schema(
        first_name=text("First name."),
        last_name=text("Last name."),
        phone=text("Phone."),
        mobile=text("Mobile."),
    )
    after = schema(
        given_name=text("First name."),
        family_name=text("Last name."),
        phone_number=text("Phone."),
        mobile_number=text("Mobile."),
    )
    assert renames(before, after) == {
        "first_name": "given_name",
        "last_name": "family_name",
        "phone": "phone_number",
        "mobile": "mobile_number",
    }


def test_a_field_that_moved_into_an_object_keeps_its_name_and_is_found() -> None:
    before = schema(email=text(format="email"), age={"type": "integer"})
    after = schema(contact=schema(email=text(format="email")), age={"type": "integer"})
    assert renames(before, after) == {"email": "contact.email"}


def test_a_name_that_went_here_and_came_there_is_not_a_move() -> None:
    before = schema(card=schema(description=text(), last4=text()), plan=schema(price=text()))
    after = schema(card=schema(last4=text()), plan=schema(price=text(), description=text()))
    assert renames(before, after) == {}


def test_a_rename_below_a_renamed_parent_is_found_as_well() -> None:
    before = schema(addr=schema(city=text("Town."), zip=text("Postal code."), street=text("Street.")))
    after = schema(address=schema(city=text("Town."), zip_code=text("Postal code."), street=text("Street.")))
    assert renames(before, after) == {"addr": "address", "addr.zip": "address.zip_code"}


def test_two_likely_successors_lower_the_confidence() -> None:
    before = schema(phone=text("Phone number."))
    one = find_renames(flatten_schema(before), flatten_schema(schema(phone_1=text("Phone number."))))
    two = find_renames(
        flatten_schema(before),
        flatten_schema(schema(phone_1=text("Phone number."), phone_2=text("Phone number."))),
    )
    assert two[0].confidence < one[0].confidence


def test_the_spelling_of_a_name_is_no_difference() -> None:
    assert name_similarity("emailAddress", "email_address") == 1.0
    assert name_similarity("EMAIL-ADDRESS", "emailAddress") == 1.0
    assert name_similarity("email", "quantity") < 0.4


def test_the_longest_moved_parent_is_put_in() -> None:
    moved = {"a": "x", "a.b": "y.b"}
    assert translate("a.b.c", moved) == "y.b.c"
    assert translate("a[].d", moved) == "x[].d"
    assert translate("ab", moved) == "ab"


NAMES = st.lists(
    st.from_regex(r"[a-z]{2,8}(_[a-z]{2,8})?", fullmatch=True), min_size=1, max_size=8, unique=True
)


@given(NAMES, NAMES)
def test_each_field_is_used_once_and_only_what_went_or_came(
    old_names: list[str], new_names: list[str]
) -> None:
    old = schema(**{name: text() for name in old_names})
    new = schema(**{name: text() for name in new_names})
    found = renames(old, new)
    assert len(set(found.values())) == len(found)
    assert set(found) <= set(old_names) - set(new_names)
    assert set(found.values()) <= set(new_names) - set(old_names)
