"""The conversion that is proposed between two small schemas, tried on a value: as a user would meet it."""

import pytest
from mapping_helpers import arr, obj, string

from vitesse_graph.mapping import map_fields
from vitesse_graph.transforms import compile_mapping


def integer(text=""):
    return {"type": "integer", "description": text}


def number(text=""):
    return {"type": "number", "description": text}


def said(text, **more):
    return string(description=text, **more)


FLAG = {"type": "boolean"}
MOMENT, DAY = string(format="date-time"), string(format="date")
PHONES = arr(obj(number="", type=string(enum=["home", "work", "mobile"])))

CASES = {
    "rent in cents": (obj(rent_amount_cents=integer()), obj(rent_amount=number()), 125050, 1250.5),
    "ticket price into cents": (
        obj(ticket_price=number()),
        obj(ticket_price=integer("Price in cents")),
        19.99,
        1999,
    ),
    "fee as text into the smallest unit": (
        obj(fee=string(example="12.50")),
        obj(fee=integer("Amount in the smallest currency unit")),
        "12.50",
        1250,
    ),
    "thousandths": (obj(amount=number()), obj(amount=integer("The amount in milliunits")), 12.34, 12340),
    "quantity as text": (obj(quantity=""), obj(quantity=integer()), "7", 7),
    "employee number as number": (obj(employee_number=integer()), obj(employee_number=""), 7, "7"),
    "Y or N": (obj(taxable=said("Y or N")), obj(taxable=FLAG), "Y", True),
    "true as Y": (obj(taxable=FLAG), obj(taxable=said("'Y' or 'N'")), False, "N"),
    "true as 1": (obj(active=FLAG), obj(active=integer("1 if active, 0 if not")), True, 1),
    "status of a boolean": (
        obj(active=FLAG),
        obj(status=string(enum=["ACTIVE", "INACTIVE"])),
        False,
        "INACTIVE",
    ),
    "seconds": (obj(created=integer("Unix timestamp")), obj(created_at=MOMENT), 0, "1970-01-01T00:00:00Z"),
    "milliseconds": (
        obj(start_time=MOMENT),
        obj(startTime=integer("Start time in milliseconds since epoch")),
        "1970-01-01T00:00:01Z",
        1000,
    ),
    "hired": (obj(hired_at=MOMENT), obj(hire_date=DAY), "2024-03-17T09:26:53Z", "2024-03-17"),
    "born": (obj(date_of_birth=DAY), obj(birth_date=integer("Unix time")), "1970-01-02", 86400),
    "American day": (
        obj(start_date=DAY),
        obj(start_date=said("Start date, MM/DD/YYYY")),
        "2024-03-17",
        "03/17/2024",
    ),
    "German day": (
        obj(invoice_date=string(example="17.03.2024")),
        obj(invoice_date=DAY),
        "17.03.2024",
        "2024-03-17",
    ),
    "packed day of a moment": (
        obj(invoice_date=MOMENT),
        obj(invoice_date=said("Format YYYYMMDD")),
        "2024-03-17T09:26:53Z",
        "20240317",
    ),
    "phone": (
        obj(contact_phone=""),
        obj(phone=said("Phone number in E.164 format")),
        "+1 (202) 555-0123",
        "+12025550123",
    ),
    "country by name": (
        obj(country=string(example="Germany")),
        obj(country_code=said("ISO 3166-1 alpha-2", maxLength=2)),
        "Germany",
        "DE",
    ),
    "two letters into three": (
        obj(country_code=said("ISO 3166-1 alpha-2 country code")),
        obj(country=said("ISO 3166-1 alpha-3 country code", maxLength=3)),
        "DE",
        "DEU",
    ),
    "currency": (
        obj(currency=string(example="usd")),
        obj(currency=string(enum=["USD", "EUR"])),
        "usd",
        "USD",
    ),
    "tags as text": (
        obj(tags=arr(string())),
        obj(tags=said("Comma separated tags")),
        ["a", "b"],
        "a, b",
    ),
    "skills as text": (obj(skills=arr(string())), obj(skills=""), ["a", "b"], "a, b"),
    "recipients out of text": (
        obj(emails=said("Comma-separated email addresses")),
        obj(emails=arr(string(format="email"))),
        "a@b.c, d@e.f",
        ["a@b.c", "d@e.f"],
    ),
    "gender": (
        obj(gender=string(enum=["male", "female"])),
        obj(gender=said("Gender: M (Male), F (Female)")),
        "female",
        "F",
    ),
    "priority into codes": (
        obj(priority=string(enum=["low", "normal", "high", "urgent"])),
        obj(priority=integer("1 = urgent, 2 = high, 3 = normal, 4 = low")),
        "high",
        2,
    ),
    "priority out of codes": (
        obj(priority=integer("Priority: 1 - Low, 2 - Medium, 3 - High")),
        obj(priority=string(enum=["low", "medium", "high"])),
        3,
        "high",
    ),
    "parcel's status": (
        obj(status=string(enum=["pending", "shipped", "delivered", "cancelled"])),
        obj(status=string(enum=["NEW", "IN_TRANSIT", "COMPLETE", "VOID"])),
        "shipped",
        "IN_TRANSIT",
    ),
    "guest's status": (
        obj(status=string(enum=["confirmed", "checked_in", "checked_out", "no_show"])),
        obj(status=string(enum=["RESERVED", "IN_HOUSE", "DEPARTED", "NO_SHOW"])),
        "checked_out",
        "DEPARTED",
    ),
    "kilograms": (obj(weight_kg=number()), obj(weight=integer("Weight in grams")), 1.25, 1250),
    "minutes": (
        obj(duration=integer("Duration in minutes")),
        obj(duration_seconds=integer()),
        90,
        5400,
    ),
    "hours": (
        obj(duration_seconds=integer()),
        obj(hours=number("Duration in hours")),
        5400,
        1.5,
    ),
    "share into percent": (
        obj(tax_rate=number("Tax rate as a decimal fraction, e.g. 0.19")),
        obj(tax_percent=number("Tax percentage, e.g. 19")),
        0.19,
        19,
    ),
    "work phone of several": (
        obj(phones=PHONES),
        obj(work_phone=""),
        [{"number": "1", "type": "home"}, {"number": "2", "type": "work"}],
        "2",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_proposed_conversion_does_it(name):
    source, dest, value, expected = CASES[name]
    mapping = map_fields(source, dest, intent="copy records")
    (field,) = source["properties"]
    (target,) = dest["properties"]
    made = compile_mapping(mapping).apply({field: value})
    assert made.errors == []
    assert made.body == {target: expected}


NOTHING = {
    "a milestone's name is no number": (obj(milestone=obj(title="")), obj(milestone=integer("milestone id"))),
    "a type's number is no word": (
        obj(type=integer("5, 6 or 9")),
        obj(type=string(default="single_session")),
    ),
    "bytes are no time": (obj(invoice_date=DAY), obj(timestamp=string(format="byte"))),
}


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_is_proposed_where_no_value_would_mean_anything(name):
    source, dest = NOTHING[name]
    assert map_fields(source, dest, intent="copy records").transformations == []


def test_the_primary_entry_is_known_by_what_stands_right_in_it():
    address = obj(data=obj(city="", postal_code="", country=""), primary=FLAG)
    mapping = map_fields(
        obj(addresses=arr(address)), obj(address=obj(city="", postal_code="", country="")), intent="copy"
    )
    record = {
        "addresses": [
            {"data": {"city": "A", "postal_code": "1", "country": "DE"}, "primary": False},
            {"data": {"city": "B", "postal_code": "2", "country": "FR"}, "primary": True},
        ]
    }
    made = compile_mapping(mapping).apply(record)
    assert made.body == {"address": {"city": "B", "postal_code": "2", "country": "FR"}}
