"""Published specifications, read whole: what we say of each equals what was read by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vitesse_graph.settings import Settings
from vitesse_graph.specs import SpecDocument, compact_schema, load_document
from vitesse_graph.state.api_spec import Endpoint

SPECS = Path(__file__).resolve().parents[3].parent / "shared" / "specs"
INDEX: list[dict[str, Any]] = (
    json.loads((SPECS / "index.json").read_text()) if (SPECS / "index.json").exists() else []
)
_read: dict[str, SpecDocument] = {}

pytestmark = pytest.mark.skipif(not INDEX, reason="the shared specifications are not beside this checkout")
every_spec = pytest.mark.parametrize("entry", INDEX, ids=[entry["id"] for entry in INDEX])
with_truth = pytest.mark.parametrize(
    "entry", [e for e in INDEX if "truth" in e], ids=[e["id"] for e in INDEX if "truth" in e]
)


async def _document(entry: dict[str, Any]) -> SpecDocument:
    if entry["id"] not in _read:
        _read[entry["id"]] = await load_document(str(SPECS / entry["file"]), settings=Settings())
    return _read[entry["id"]]


def _endpoint(document: SpecDocument, key: str) -> Endpoint:
    return next(endpoint for endpoint in document.spec.endpoints if endpoint.key == key)


@every_spec
async def test_every_operation_is_read(entry: dict[str, Any]) -> None:
    document = await _document(entry)
    assert document.spec.operation_count == len(document.spec.endpoints) == entry["operations"]
    assert document.spec.unreadable_operations == []
    assert len(document.webhooks) == entry.get("webhooks", 0)


@with_truth
async def test_pagination_is_what_it_really_is(entry: dict[str, Any]) -> None:
    truth = entry["truth"]
    pagination = _endpoint(await _document(entry), truth["endpoint"]).pagination
    assert pagination is not None
    assert pagination.style == truth["pagination"]
    assert pagination.params == truth["params"]
    assert pagination.page_size_param == truth["page_size_param"]
    assert (pagination.items_at or "(top-level array)") == truth["items_at"]


@with_truth
async def test_the_next_position_is_read_where_the_vendor_puts_it(entry: dict[str, Any]) -> None:
    truth = entry["truth"]
    pagination = _endpoint(await _document(entry), truth["endpoint"]).pagination
    assert pagination is not None
    said = truth["next_from"]
    if truth["pagination"] != "cursor":
        assert pagination.next_from == ("header:Link" if said == "Link response header" else None)
    elif said.startswith("id of the last item in data"):
        assert (pagination.next_from, pagination.has_more_from) == ("last_item:id", "has_more")
    else:
        assert pagination.next_from == said.split(" ")[0]
        assert pagination.next_is_url == ("URL" in said)


@with_truth
async def test_authentication_is_what_it_really_is(entry: dict[str, Any]) -> None:
    truth = entry["truth"]
    assert (await _document(entry)).spec.auth.type in [truth["auth"], *truth.get("auth_also", [])]


@pytest.mark.parametrize(
    ("spec", "headers"),
    [
        ("plaid", [("PLAID-CLIENT-ID", ""), ("PLAID-SECRET", ""), ("Plaid-Version", "")]),
        ("klaviyo", [("Authorization", "Klaviyo-API-Key ")]),
        ("kubernetes-swagger", [("authorization", "Bearer ")]),
        ("googlemaps-multifile", [("key", "")]),
    ],
)
async def test_keys_travel_as_the_vendor_asks(spec: str, headers: list[tuple[str, str]]) -> None:
    entry = next(e for e in INDEX if e["id"] == spec)
    auth = (await _document(entry)).spec.auth
    assert [(h.name, h.prefix) for h in auth.headers] == headers


@pytest.mark.parametrize(
    ("spec", "key", "requests", "seconds", "burst"),
    [
        ("klaviyo", "GET /api/profiles", 750, 60, 75),
        ("box", "DELETE /storage_policy_assignments/{storage_policy_assignment_id}", 2, 86_400, None),
        ("github-api-full", "GET /search/code", 10, 60, None),
        ("github-api-full", "POST /repos/{owner}/{repo}/code-scanning/sarifs", 1000, 3600, None),
    ],
)
async def test_declared_rate_limits_are_read(
    spec: str, key: str, requests: float, seconds: float, burst: int | None
) -> None:
    limit = _endpoint(await _document(next(e for e in INDEX if e["id"] == spec)), key).rate_limit
    assert limit is not None
    assert (limit.requests, limit.per_seconds, limit.burst) == (requests, seconds, burst)


@with_truth
async def test_an_api_that_declares_no_limit_gets_none(entry: dict[str, Any]) -> None:
    assert (await _document(entry)).spec.rate_limit is None


@every_spec
async def test_every_operation_resolves_and_every_schema_compiles(entry: dict[str, Any]) -> None:
    """A sample of the operations; all schemas self-contained and accepted by a real validator."""
    import jsonschema_rs

    document = await _document(entry)
    for endpoint in document.spec.endpoints[:: max(1, len(document.spec.endpoints) // 12)]:
        detail = document.operation(endpoint.key)
        media = [*detail.request_body, *(m for response in detail.responses for m in response.content)]
        for body in media:
            jsonschema_rs.validator_for(body.json_schema, pattern_options=jsonschema_rs.RegexOptions())


@every_spec
async def test_shapes_fit_on_the_whiteboard(entry: dict[str, Any]) -> None:
    document = await _document(entry)
    for endpoint in [e for e in document.spec.endpoints if e.role == "list"][::10]:
        record = document.source_shape(endpoint.key).record_schema
        assert len(json.dumps(compact_schema(record, 24_000))) < 30_000


INTENTS = [
    ("Create a Xero contact for every Stripe customer", "stripe-spec3-json", "source", "GET /v1/customers"),
    ("Create a Xero contact for every Stripe customer", "xero-accounting", "dest", "PUT /Contacts"),
    ("copy GitHub issues into Asana tasks", "github-api-full", "source", "GET /issues"),
    ("copy GitHub issues into Asana tasks", "asana", "dest", "POST /tasks"),
    ("make a Square customer for each Klaviyo profile", "square", "dest", "POST /v2/customers"),
    ("make a Square customer for each Klaviyo profile", "klaviyo", "source", "GET /api/profiles"),
    ("turn HubSpot deals into Xero quotes", "hubspot-deals", "source", "GET /crm/v3/objects/0-3"),
    ("turn HubSpot deals into Xero quotes", "xero-accounting", "dest", "PUT /Quotes"),
    ("create an Intercom contact for every Stripe customer", "intercom-2.16", "dest", "POST /contacts"),
    ("sync Shopify customers into our CRM contacts", "hubspot-contacts", "dest", "POST /crm/v3/objects/contacts"),
    ("sync Shopify customers into our CRM", "hubspot-contacts", "dest", "POST /crm/v3/objects/contacts"),
    ("sync Stripe invoices to Xero", "xero-accounting", "dest", "PUT /Invoices"),
    ("Record Stripe charges as Xero bank transactions", "xero-accounting", "dest", "PUT /BankTransactions"),
    ("Send Plaid transactions to Xero bank transactions", "plaid", "source", "POST /transactions/sync"),
    ("Keep Square customers up to date from Klaviyo profiles", "square", "dest", "POST /v2/customers"),
    ("When a Square order is completed, create a Xero invoice", "square", "source", "POST /v2/orders/search"),
    ("Add every Xero contact as a Square vendor", "square", "dest", "POST /v2/vendors/create"),
    ("Add every Xero contact as a Square vendor", "xero-accounting", "source", "GET /Contacts"),
    ("Create Stripe customers from Xero contacts", "stripe-spec3-json", "dest", "POST /v1/customers"),
    ("Upsert Klaviyo catalog items from Stripe products", "klaviyo", "dest", "POST /api/catalog-items"),
]  # fmt: skip


@pytest.mark.parametrize(("intent", "spec", "role", "key"), INTENTS)
async def test_the_endpoint_for_an_intent_comes_first(intent: str, spec: str, role: str, key: str) -> None:
    document = await _document(next(e for e in INDEX if e["id"] == spec))
    best, *_ = document.rank(intent, role)
    assert best.endpoint.key == key
    assert best.reasons


@pytest.mark.parametrize(
    ("spec", "key", "envelope", "id_at", "update"),
    [
        ("xero-accounting", "PUT /Contacts", "Contacts[]", "Contacts[0].ContactID", "POST /Contacts/{ContactID}"),
        ("klaviyo", "POST /api/profiles", "data.attributes", "data.id", "PATCH /api/profiles/{id}"),
        ("hubspot-contacts", "POST /crm/v3/objects/contacts", "properties", "id", "PATCH /crm/v3/objects/contacts/{contactId}"),
        ("stripe-spec3-json", "POST /v1/customers", "", "id", "POST /v1/customers/{customer}"),
        ("asana", "POST /tasks", "data", "data.gid", "PUT /tasks/{task_gid}"),
        ("square", "POST /v2/vendors/create", "vendor", "vendor.id", "PUT /v2/vendors/{vendor_id}"),
        ("square", "POST /v2/customers", "", "customer.id", "PUT /v2/customers/{customer_id}"),
    ],
)  # fmt: skip
async def test_what_a_create_takes(spec: str, key: str, envelope: str, id_at: str, update: str) -> None:
    document = await _document(next(e for e in INDEX if e["id"] == spec))
    shape = document.dest_shape(key)
    assert (shape.envelope, shape.id_at) == (envelope, id_at)
    assert shape.update is not None
    assert shape.update.key == update


async def test_a_form_api_is_written_to_with_forms_and_searched_by_its_natural_key() -> None:
    document = await _document(next(e for e in INDEX if e["id"] == "stripe-spec3-json"))
    shape = document.dest_shape("POST /v1/customers")
    assert shape.endpoint.content_types == ["application/x-www-form-urlencoded"]
    assert shape.natural_keys[0] == "email"
    assert shape.lookup is not None
    assert (shape.lookup.key, shape.lookup_param, shape.lookup_id_at) == ("GET /v1/customers", "email", "id")


async def test_what_changed_is_read_by_the_vendor_s_filter() -> None:
    stripe = await _document(next(e for e in INDEX if e["id"] == "stripe-spec3-json"))
    xero = await _document(next(e for e in INDEX if e["id"] == "xero-accounting"))
    github = await _document(next(e for e in INDEX if e["id"] == "github-api-full"))
    found = [
        stripe.source_shape("GET /v1/customers").incremental,
        xero.source_shape("GET /Contacts").incremental,
        github.source_shape("GET /repos/{owner}/{repo}/issues").incremental,
    ]
    assert [(i.param, i.field) for i in found if i is not None] == [
        ("created[gte]", "created"),
        ("If-Modified-Since", "UpdatedDateUTC"),
        ("since", "updated_at"),
    ]
