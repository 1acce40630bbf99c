"""References between collections: ids that lead to records which are there."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from vitesse_graph.guardian import AppTarget, Call
from vitesse_graph.sandbox import create_sandbox
from vitesse_graph.sandbox.links import Linker, plain_noun
from vitesse_graph.settings import Settings
from vitesse_graph.specs import load_document

ID = {"type": "string"}


def resource(path: str, **properties: Any) -> dict[str, Any]:
    record = {"type": "object", "required": ["id", *properties], "properties": {"id": ID, **properties}}
    listed = {"type": "array", "items": record}
    one = {"name": "id", "in": "path", "required": True, "schema": ID}

    def answer(schema: dict[str, Any]) -> dict[str, Any]:
        return {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}

    return {
        f"/{path}": {"get": {"responses": answer(listed)}},
        f"/{path}/{{id}}": {"get": {"parameters": [one], "responses": answer(record)}},
    }


SHOP = {
    "openapi": "3.0.3",
    "info": {"title": "Shop", "version": "1"},
    "paths": {
        **resource(
            "orders",
            customer_id=ID,
            productIds={"type": "array", "items": ID, "minItems": 1},
            customer={"anyOf": [{"type": "string"}, {"type": "object", "properties": {"id": ID}}]},
            note={"type": "string"},
        ),
        **resource("customers", favourite_order_id=ID, last_order={"type": "object", "properties": {"order_id": ID}}),
        **resource("products", name={"type": "string"}),
    },
}  # fmt: skip


@pytest.fixture
async def shop(tmp_path: Path) -> AppTarget:
    import json

    (tmp_path / "shop.json").write_text(json.dumps(SHOP), "utf-8")
    document = await load_document(str(tmp_path / "shop.json"), settings=Settings(VITESSE_DATA_DIR=tmp_path))
    return AppTarget(create_sandbox(document, records=9))


@pytest.mark.parametrize("first", ["orders", "customers"])
async def test_ids_lead_to_records_that_are_there_whichever_is_asked_for_first(
    shop: AppTarget, first: str
) -> None:
    await shop.call(Call("GET", f"/{first}"))
    orders = (await shop.call(Call("GET", "/orders"))).value()
    assert len({order["customer_id"] for order in orders}) > 1
    for order in orders:
        assert (await shop.call(Call("GET", f"/customers/{order['customer_id']}"))).status == 200
        for product in order["productIds"]:
            assert (await shop.call(Call("GET", f"/products/{product}"))).status == 200
        if isinstance(order["customer"], str):
            assert (await shop.call(Call("GET", f"/customers/{order['customer']}"))).status == 200
    for customer in (await shop.call(Call("GET", "/customers"))).value():
        inner = customer["last_order"].get("order_id")
        assert inner is None or (await shop.call(Call("GET", f"/orders/{inner}"))).status == 200


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"customer_id": 1}, {"customer_id": 1}),
        ({"customer_id": True}, {"customer_id": True}),
        ({"customerId": "x"}, {"customerId": "c1"}),
        ({"customer": "a name"}, {"customer": "a name"}),
        ({"customer": "cus_9"}, {"customer": "c1"}),
        ({"data": {"type": "customer", "id": "x"}}, {"data": {"type": "customer", "id": "c1"}}),
        ({"id": "x", "type": "customer"}, {"id": "x", "type": "customer"}),
        ({"customer_ids": ["x", "y"]}, {"customer_ids": ["c1"]}),
        ({"lines": [{"customer_id": "x"}]}, {"lines": [{"customer_id": "c1"}]}),
        ({"order_id": "x"}, {"order_id": "x"}),
    ],
)
def test_what_is_a_reference_and_what_is_not(before: dict[str, Any], after: dict[str, Any]) -> None:
    targets = {"customer": "/customers", "order": "/orders"}
    linker = Linker("/orders", "id", targets, lambda collection: ["c1"])
    assert linker.linked(before, random.Random(1)) == after


def test_nouns_are_compared_without_number_and_spelling() -> None:
    assert {plain_noun(text) for text in ("Line Items", "line_item", "lineItems")} == {"lineitem"}
    assert (plain_noun("companies"), plain_noun("address")) == ("company", "address")
