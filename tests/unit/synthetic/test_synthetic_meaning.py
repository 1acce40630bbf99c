"""What a field is about: a table of names as vendors write them."""

from __future__ import annotations

from typing import Any

import pytest

from vitesse_graph.synthetic import meaning_of


@pytest.mark.parametrize(
    ("name", "schema", "parent", "meaning"),
    [
        ("EmailAddress", {"type": "string"}, "", "email"),
        ("email_verified", {"type": "boolean"}, "", "plain"),
        ("replyTo", {"type": "string"}, "", "email"),
        ("firstName", {"type": "string"}, "", "first_name"),
        ("name", {"type": "string"}, "customer", "full_name"),
        ("name", {"type": "string"}, "product", "product"),
        ("name", {"type": "string"}, "company", "company"),
        ("data", {"type": "string"}, "emails", "email"),
        ("AddressLine1", {"type": "string"}, "", "street"),
        ("postal_code", {"type": "string"}, "", "postcode"),
        ("country", {"type": "string", "maxLength": 2}, "", "country_code"),
        ("country", {"type": "string"}, "", "country_name"),
        (
            "created",
            {"type": "integer", "description": "Measured in seconds since the Unix epoch"},
            "",
            "unix_seconds",
        ),
        ("createdAt", {"type": "string"}, "", "moment"),
        ("unit_amount", {"type": "integer"}, "", "minor_amount"),
        ("amount", {"type": "number"}, "", "amount"),
        ("phone_number", {"type": "string"}, "", "phone"),
        ("customer_id", {"type": "string"}, "", "id"),
        ("colour", {"type": "string"}, "", "colour"),
    ],
)
def test_the_meaning_of_a_field(name: str, schema: dict[str, Any], parent: str, meaning: str) -> None:
    assert meaning_of(name, schema, parent) == meaning
