"""From a pair of fields to the conversion that a record goes through."""

import pytest
from mapping_helpers import arr, obj, row_of, string

from vitesse_graph.mapping import map_fields
from vitesse_graph.transforms import compile_mapping

NUMBER, INTEGER, BOOLEAN = {"type": "number"}, {"type": "integer"}, {"type": "boolean"}

CASES = [
    # name, source schema, destination name and schema, value in, value out
    (
        "created_at",
        string(format="date-time"),
        "created_date",
        string(format="date"),
        "2024-03-17T09:00:00Z",
        "2024-03-17",
    ),
    (
        "created",
        {**INTEGER, "description": "Seconds since the Unix epoch."},
        "created_at",
        string(format="date-time"),
        60,
        "1970-01-01T00:01:00Z",
    ),
    (
        "created",
        {**INTEGER, "description": "Unix time in milliseconds."},
        "created_at",
        string(format="date-time"),
        60000,
        "1970-01-01T00:01:00Z",
    ),
    (
        "due_at",
        string(format="date-time"),
        "due_date",
        {**INTEGER, "description": "Unix timestamp."},
        "1970-01-01T00:01:00Z",
        60,
    ),
    (
        "total",
        string(description="Decimal amount."),
        "total",
        {**NUMBER, "multipleOf": 0.01},
        "19.991",
        19.99,
    ),
    ("amount", {**INTEGER, "description": "In cents."}, "amount", NUMBER, 1999, 19.99),
    ("amount", NUMBER, "amount", {**INTEGER, "description": "In the smallest currency unit."}, 19.99, 1999),
    (
        "amount",
        {**INTEGER, "description": "In cents."},
        "amount",
        string(description="Decimal, such as 19.90."),
        1990,
        "19.90",
    ),
    ("quantity", NUMBER, "quantity", string(), 2.5, "2.5"),
    ("quantity", string(), "quantity", INTEGER, "3", 3),
    (
        "currency",
        string(description="ISO code, in lowercase."),
        "currency_code",
        string(enum=["EUR", "USD"]),
        "eur",
        "EUR",
    ),
    (
        "country",
        string(description="Country name", example="Germany"),
        "country_code",
        string(description="ISO 3166 alpha-2 code", maxLength=2),
        "Germany",
        "DE",
    ),
    (
        "country",
        string(enum=["DE", "US"]),
        "country",
        string(description="Country name", example="Germany"),
        "DE",
        "Germany",
    ),
    ("status", string(enum=["open", "closed"]), "status", string(enum=["new", "solved"]), "closed", "solved"),
    ("active", BOOLEAN, "status", string(enum=["active", "inactive"]), False, "inactive"),
    ("suspended", BOOLEAN, "active", BOOLEAN, True, False),
    ("state", string(enum=["open", "closed"]), "completed", BOOLEAN, "closed", True),
    ("completed_at", string(format="date-time"), "completed", BOOLEAN, "2024-01-01T00:00:00Z", True),
    (
        "priority",
        string(enum=["low", "normal", "urgent"]),
        "priority",
        string(enum=["LOW", "MEDIUM", "HIGH"]),
        "normal",
        "MEDIUM",
    ),
    (
        "direction",
        string(enum=["inbound", "outbound-api"]),
        "direction",
        string(enum=["INCOMING", "OUTGOING"]),
        "outbound-api",
        "OUTGOING",
    ),
    ("locale", string(description="BCP 47 tag"), "language", string(enum=["en", "de"]), "de-AT", "de"),
    ("phone", string(), "phone", string(description="In E.164 format."), "+1 202-555-0123", "+12025550123"),
    (
        "description_html",
        string(description="HTML"),
        "description",
        string(description="Plain text."),
        "<p>a &lt; b</p>",
        "a < b",
    ),
    ("tags", arr(string()), "labels", arr(string()), ["a"], ["a"]),
    ("tags", arr(string()), "tags", string(), ["a", "b"], "a, b"),
    ("images", arr(string(format="uri")), "image_url", string(format="uri"), ["u", "v"], "u"),
    ("locale", string(), "locales", arr(string()), "de", ["de"]),
    (
        "sent_at",
        string(description="RFC 2822 date"),
        "sent_at",
        string(format="date-time"),
        "Mon, 16 Aug 2010 03:45:01 +0000",
        "2010-08-16T03:45:01Z",
    ),
]


@pytest.mark.parametrize(
    ("name", "source", "other", "dest", "value", "expected"),
    CASES,
    ids=[f"{c[0]}-{c[2]}-{c[5]}" for c in CASES],
)
def test_a_value_arrives_as_the_destination_wants_it(name, source, other, dest, value, expected):
    hint_free = map_fields(obj(**{name: source}, city=""), obj(**{other: dest}, town=""))
    rows = [r for r in hint_free.transformations if r.dest_field == other]
    if not rows:
        # The pair alone says little; what is tested here is its conversion.
        from vitesse_graph.state.mapping import MappingHint

        hint = MappingHint(source_field=name, dest_field=other)
        rows = [row_of(map_fields(obj(**{name: source}), obj(**{other: dest}), hints=[hint]), other)]
    made = compile_mapping(hint_free.model_copy(update={"transformations": rows})).apply({name: value})
    assert made.errors == []
    assert made.body == {other: expected}


def test_the_primary_entry_of_an_array_is_taken():
    source = obj(emails=arr(obj(value=string(format="email"), primary=BOOLEAN)), name="")
    mapping = map_fields(source, obj(email=string(format="email"), name=""))
    record = {"emails": [{"value": "a@x", "primary": False}, {"value": "b@x", "primary": True}]}
    assert compile_mapping(mapping).apply(record).body["email"] == "b@x"


def test_parts_of_a_phone_number_are_put_together():
    phones = arr(obj(phone_number="", phone_area_code="", phone_country_code=""))
    mapping = map_fields(
        obj(phones=phones, name="", email=string(format="email")),
        obj(phone="", name="", email=string(format="email")),
    )
    assert len(row_of(mapping, "phone").source_field) == 3
    record = {"phones": [{"phone_country_code": "1", "phone_area_code": "202", "phone_number": "5550123"}]}
    assert compile_mapping(mapping).apply(record).body["phone"] == "1 202 5550123"


def test_constants_fill_what_has_only_one_value():
    dest = obj(
        ("data",),
        data=obj(
            ("type",),
            type=string(enum=["profile"]),
            attributes=obj(email=string(format="email"), city="", phone=""),
        ),
    )
    mapping = map_fields(obj(email=string(format="email"), city="", phone=""), dest)
    made = compile_mapping(mapping).apply({"email": "a@b.c"})
    assert made.body == {"data": {"type": "profile", "attributes": {"email": "a@b.c"}}}


def test_values_without_a_counterpart_are_left_out_and_lower_the_confidence():
    source = obj(status=string(enum=["open", "closed", "frobnicated"]), name="")
    row = row_of(map_fields(source, obj(status=string(enum=["new", "solved"]), name="")), "status")
    assert row.transform_config["params"]["unmatched"] in ("skip", "otherwise")
    assert "frobnicated" not in row.transform_config["params"]["table"]
