"""The pair of the demo: a shop's customers into a CRM's contacts, found by general means."""

import json
from pathlib import Path

import pytest

import vitesse_graph
from vitesse_graph.mapping import map_fields
from vitesse_graph.transforms import compile_mapping

DEMO = Path(vitesse_graph.__file__).parent / "demo"


def schema(file, name):
    schemas = json.loads((DEMO / file).read_text("utf-8"))["components"]["schemas"]
    text = json.dumps({**schemas[name], "$defs": schemas})
    return json.loads(text.replace("#/components/schemas/", "#/$defs/"))


@pytest.fixture(scope="module")
def mapping():
    if not (DEMO / "shopify_like.json").exists():
        pytest.skip("the demo's specifications are not in this checkout")
    source, dest = schema("shopify_like.json", "Customer"), schema("credo_like.json", "ContactWrite")
    return map_fields(source, dest, intent="sync Shopify customers into our CRM")


def test_the_seven_rows(mapping):
    assert {(r.source_field, r.dest_field, r.transform_type) for r in mapping.transformations} == {
        ("email", "email", "direct"),
        ("first_name", "first_name", "direct"),
        ("last_name", "last_name", "direct"),
        ("phone", "phone_number", "mapping"),
        ("created_at", "created_date", "custom"),
        ("total_spent", "lifetime_value", "parse"),
        ("tags", "segments", "collect"),
    }
    assert mapping.questions == []


def test_a_customer_becomes_a_contact(mapping):
    customer = {
        "id": 7118000000001,
        "email": "ada@example.com",
        "first_name": "Ada",
        "last_name": None,
        "phone": "+14155550132",
        "created_at": "2024-03-17T09:26:53-05:00",
        "total_spent": "199.65",
        "tags": ["vip"],
    }
    assert compile_mapping(mapping).apply(customer).body == {
        "email": "ada@example.com",
        "first_name": "Ada",
        "phone_number": "+14155550132",
        "created_date": "2024-03-17",
        "lifetime_value": 199.65,
        "segments": ["vip"],
    }
