"""Two versions of a whole specification, read by the real reader, compared for one mapping."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from vitesse_graph.demo.shopify_like import load_document
from vitesse_graph.errors import InputError, NotFoundError
from vitesse_graph.healing import diff_specs, render_drift
from vitesse_graph.healing.drifting import Change, drift_document
from vitesse_graph.mapping import map_fields
from vitesse_graph.specs import SpecDocument
from vitesse_graph.state.health import DriftItem
from vitesse_graph.state.mapping import MappingLogic

READ, WRITE = "GET /customers.json", "POST /contacts"
Json = dict[str, Any]


def reader(document: Json) -> SpecDocument:
    return SpecDocument(document, spec_format=f"openapi-{document['openapi']}")


SHOP, CRM = load_document("shopify_like.json"), load_document("credo_like.json")
MAPPING: MappingLogic = map_fields(
    reader(SHOP).source_shape(READ).record_schema, reader(CRM).dest_shape(WRITE).request_schema
)


def drift(side: str, edit: Callable[[Json], None]) -> list[DriftItem]:
    old = SHOP if side == "source" else CRM
    new = copy.deepcopy(old)
    edit(new)
    key = READ if side == "source" else WRITE
    return diff_specs(reader(old), reader(new), mapping=MAPPING, key=key, side=side)  # type: ignore[arg-type]


def alerts(items: list[DriftItem]) -> list[tuple[str, str, str]]:
    return [(item.kind, item.severity, item.path) for item in items if item.severity != "safe"]


def test_a_document_that_did_not_change_has_no_drift() -> None:
    for side in ("source", "dest"):
        assert drift(side, lambda _: None) == []


def listing(document: Json) -> Json:
    operation: Json = document["paths"]["/customers.json"]["get"]
    return operation


def creating(document: Json) -> Json:
    operation: Json = document["paths"]["/contacts"]["post"]
    return operation


def move_customers(document: Json) -> None:
    document["paths"] = {k.replace("/customers", "/v2/customers"): v for k, v in document["paths"].items()}


def forget_customers(document: Json) -> None:
    for path in list(document["paths"]):
        if path.startswith("/customers"):
            del document["paths"][path]


def other_auth(document: Json) -> None:
    scheme = {"type": "http", "scheme": "bearer"}
    document["components"]["securitySchemes"] = {"accessToken": scheme}


def other_header(document: Json) -> None:
    document["components"]["securitySchemes"]["accessToken"]["name"] = "X-Shop-Token"


def pages_by_number(document: Json) -> None:
    operation = listing(document)
    operation["parameters"] = [
        {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 250}},
        {"name": "page", "in": "query", "description": "Number of the page.", "schema": {"type": "integer"}},
    ]
    del operation["responses"]["200"]["headers"]
    operation["description"] = "Lists the customers, page by page."


def smaller_pages(document: Json) -> None:
    document["components"]["parameters"]["limit"]["schema"]["maximum"] = 100


def records_elsewhere(document: Json) -> None:
    schema = listing(document)["responses"]["200"]["content"]["application/json"]["schema"]
    schema["properties"] = {"data": schema["properties"]["customers"]}
    schema["required"] = ["data"]


def new_header(document: Json) -> None:
    listing(document)["parameters"].append(
        {"name": "X-Shop-Region", "in": "header", "required": True, "schema": {"type": "string"}}
    )


def deprecate(document: Json) -> None:
    listing(document)["deprecated"] = True


def elsewhere(document: Json) -> None:
    document["servers"] = [{"url": "https://api.shop.example/v9"}]


def xml_only(document: Json) -> None:
    content = creating(document)["requestBody"]["content"]
    creating(document)["requestBody"]["content"] = {"application/xml": content["application/json"]}


@pytest.mark.parametrize(
    ("side", "edit", "kind", "severity", "path"),
    [
        ("source", move_customers, "endpoint_moved", "breaking", READ),
        ("source", forget_customers, "endpoint_removed", "breaking", READ),
        ("source", other_auth, "auth_changed", "breaking", ""),
        ("source", other_header, "auth_changed", "breaking", ""),
        ("source", pages_by_number, "pagination_changed", "breaking", READ),
        ("source", smaller_pages, "pagination_changed", "risky", READ),
        ("source", records_elsewhere, "pagination_changed", "breaking", READ),
        ("source", new_header, "parameter_changed", "breaking", "X-Shop-Region"),
        ("source", deprecate, "deprecated", "risky", READ),
        ("source", elsewhere, "base_url_changed", "risky", "http://127.0.0.1:8101"),
        ("dest", xml_only, "content_type_changed", "breaking", WRITE),
    ],
)
def test_a_change_of_the_operation_touches_the_whole_mapping(
    side: str, edit: Callable[[Json], None], kind: str, severity: str, path: str
) -> None:
    items = drift(side, edit)
    assert (kind, severity, path) in alerts(items)
    item = next(item for item in items if item.kind == kind and item.severity == severity)
    assert item.affects == [row.dest_field for row in MAPPING.transformations]
    assert "| (all) |" in render_drift(items)


def test_where_an_endpoint_went_is_told() -> None:
    (item,) = [item for item in drift("source", move_customers) if item.kind == "endpoint_moved"]
    assert item.new_path == "GET /v2/customers.json"
    assert item.confidence > 0.9


def test_endpoints_that_are_not_used_and_versions_are_safe() -> None:
    def edit(document: Json) -> None:
        del document["paths"]["/orders.json"]
        document["paths"]["/refunds.json"] = document["paths"]["/products.json"]
        document["info"]["version"] = "2026-01"

    items = drift("source", edit)
    assert {(i.kind, i.severity) for i in items} == {
        ("endpoint_removed", "safe"),
        ("endpoint_added", "safe"),
        ("version_changed", "safe"),
    }
    assert all(item.affects == [] for item in items)


def test_a_key_that_the_old_document_lacks_is_an_error() -> None:
    with pytest.raises(NotFoundError):
        diff_specs(reader(SHOP), reader(SHOP), mapping=MAPPING, key="GET /nothing", side="source")


@pytest.mark.parametrize(
    ("change", "kind", "severity", "affects"),
    [
        (Change(kind="rename", side="source", field="email", to="email_address"), "field_renamed", "breaking", ["email"]),
        (Change(kind="drop", side="source", field="tags"), "field_removed", "breaking", ["segments"]),
        (Change(kind="retype", side="source", field="total_spent", to="number"), "field_retyped", "breaking", ["lifetime_value"]),
        (Change(kind="format", side="source", field="created_at", to="date"), "format_changed", "risky", ["created_date"]),
        (Change(kind="rename", side="dest", field="segments", to="labels"), "field_renamed", "breaking", ["segments"]),
        (Change(kind="drop", side="dest", field="phone_number"), "field_removed", "breaking", ["phone_number"]),
        (Change(kind="require", side="dest", field="consent"), "field_required", "breaking", ["consent"]),
        (Change(kind="require", side="dest", field="last_name"), "field_required", "risky", ["last_name"]),
        (Change(kind="retype", side="dest", field="lifetime_value", to="string"), "field_retyped", "breaking", ["lifetime_value"]),
        (Change(kind="drop", side="source", field="note"), "field_removed", "safe", []),
        (Change(kind="grow_enum", side="source", field="state", to="archived"), "enum_grown", "safe", []),
    ],
)  # fmt: skip
def test_a_vendors_change_of_a_field_is_found_and_classed(
    change: Change, kind: str, severity: str, affects: list[str]
) -> None:
    old, key = (SHOP, READ) if change.side == "source" else (CRM, WRITE)
    new = drift_document(old, change, key=key, items_at="customers")
    items = diff_specs(reader(old), reader(new), mapping=MAPPING, key=key, side=change.side)
    worst = items[0]
    assert (worst.kind, worst.severity, worst.affects) == (kind, severity, affects)


def test_drifting_leaves_the_document_it_was_given_alone() -> None:
    before = copy.deepcopy(SHOP)
    drift_document(SHOP, Change(kind="drop", side="source", field="tags"), key=READ, items_at="customers")
    assert before == SHOP


def test_drifting_what_is_not_there_is_said() -> None:
    for change, key in (
        (Change(kind="drop", side="source", field="shoe_size"), READ),
        (Change(kind="drop", side="source", field="email"), "GET /nothing"),
    ):
        with pytest.raises(InputError):
            drift_document(SHOP, change, key=key, items_at="customers")
