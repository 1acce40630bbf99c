"""What tells twins apart, and what a destination demands once something in it is filled."""

import pytest
from mapping_helpers import arr, obj, pairs, row_of, string

from vitesse_graph.mapping import map_fields
from vitesse_graph.mapping.words import notions, plain_words
from vitesse_graph.state.mapping import Question

PLACE = {"name": "", "street1": "", "city": "", "zip": "", "country": "", "phone": ""}


def place(**more):
    return obj(**PLACE, **more)


ORDER = obj(
    number="Number of the order.",
    billing_address=place(),
    shipping_address=place(),
    line_items=arr(obj(sku="", name="", quantity={"type": "integer"}, price={"type": "number"})),
)


@pytest.mark.parametrize(
    ("bill", "ship"), [("billTo", "shipTo"), ("bill_addr", "ship_addr"), ("invoiceTo", "deliverTo")]
)
def test_billing_goes_to_billing_and_shipping_to_shipping(bill, ship):
    dest = obj(orderNumber="", **{bill: place(), ship: place()})
    found = pairs(map_fields(ORDER, dest, intent="send orders"))
    for leaf in ("street1", "city", "zip", "country"):
        assert found.get(f"{bill}.{leaf}") == f"billing_address.{leaf}"
        assert found.get(f"{ship}.{leaf}") == f"shipping_address.{leaf}"


def test_a_sender_is_not_filled_from_the_payer():
    dest = obj(to_address=place(), from_address=place())
    found = pairs(map_fields(ORDER, dest, intent="send orders"))
    assert found.get("to_address.city") == "shipping_address.city"
    assert not [path for path in found if path.startswith("from_address.")]


def test_entries_of_an_array_feed_entries_of_an_array_whatever_they_are_called():
    dest = obj(
        ref="",
        items=arr(obj(code="", sku="", title="", quantity={"type": "integer"}, unitPrice={"type": "number"})),
    )
    found = pairs(map_fields(ORDER, dest, intent="send orders"))
    assert found["items[].sku"] == "line_items[].sku"
    assert found["items[].quantity"] == "line_items[].quantity"
    assert found["items[].unitPrice"] == "line_items[].price"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("stateorprovince", ("region",)),
        ("billTo", ("billing",)),
        ("primaryEmailAddress", ("email",)),
        ("dateOfBirth", ("birth_date",)),
        ("tracking_no", ("tracking_number",)),
    ],
)
def test_names_become_as_few_notions_as_can_be(name, expected):
    assert notions(plain_words(name)) == expected


PAYMENTS = obj(
    Payments=arr(
        obj(
            ("Amount", "Kind", "Account"),
            Amount={"type": "number"},
            Kind=string(enum=["A", "B"]),
            Account=obj(Code="", Iban=""),
            Sender=obj(("Name",), Name=""),
        )
    )
)


def test_what_a_filled_object_demands_is_asked_even_where_the_object_is_optional():
    source = obj(amount={"type": "number", "description": "Amount paid."}, paid_at=string(format="date-time"))
    mapping = map_fields(source, PAYMENTS, intent="record payments")
    assert pairs(mapping)["Payments[].Amount"] == "amount"
    asked = [q.dest_field for q in mapping.questions if q.required]
    assert asked == ["Payments[].Account", "Payments[].Kind"]
    assert not {"Payments[].Kind", "Payments[].Sender.Name"} & set(mapping.unmapped_dest) - {
        "Payments[].Sender.Name"
    }


def test_nothing_is_demanded_of_what_is_not_sent():
    mapping = map_fields(obj(colour=""), PAYMENTS)
    assert mapping.questions == []


def test_a_question_about_an_object_is_answered_by_any_field_in_it():
    question = Question(dest_field="Payments[].Account", text="?")
    assert question.is_answered_by({"Payments[].Account.Iban"})
    assert not question.is_answered_by({"Payments[].AccountName"})


def test_a_fixed_value_that_was_only_guessed_is_asked_about():
    dest = obj(("kind", "email"), email=string(format="email"), kind=string(enum=["newsletter", "invoice"]))
    mapping = map_fields(obj(email=string(format="email")), dest, intent="sign people up for the newsletter")
    assert row_of(mapping, "kind").transform_config["params"]["value"] == "newsletter"
    assert [(q.dest_field, q.required) for q in mapping.questions] == [("kind", False)]
