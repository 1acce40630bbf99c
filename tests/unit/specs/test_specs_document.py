"""What is asked of a document: operations by any name, shapes of both ends, ranking, corrections."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.specs.conftest import listing, make_document, query
from vitesse_graph.errors import InputError, NotFoundError, SpecError
from vitesse_graph.specs.findings import Findings
from vitesse_graph.specs.intent import split_intent
from vitesse_graph.specs.jsonpath import Query
from vitesse_graph.specs.overlay import apply_overlay

TEXT = {"type": "string"}
CONTACT = {"type": "object", "properties": {"id": TEXT, "email": TEXT, "name": TEXT}}


def body(schema: Any, *types: str) -> dict[str, Any]:
    return {"content": {name: {"schema": schema} for name in types or ("application/json",)}}


def answers(schema: Any) -> dict[str, Any]:
    return {"201": {"content": {"application/json": {"schema": schema}}}}


@pytest.fixture
def crm() -> Any:
    one = {"get": {"operationId": "getContact", "responses": answers({"properties": {"data": CONTACT}})}}
    return make_document(
        {
            "/contacts": {
                **listing(CONTACT, query("email"), query("page", "integer")),
                "post": {
                    "operationId": "createContact",
                    "requestBody": body(CONTACT),
                    "responses": answers(CONTACT),
                },
            },
            "/contacts/{id}": {**one, "patch": {"requestBody": body(CONTACT)}},
            "/contacts/batch": {"post": {"requestBody": body({"type": "array", "items": CONTACT})}},
            "/contacts/{id}/notes": {**listing(CONTACT), "post": {"requestBody": body(CONTACT)}},
            "/deals": {**listing(CONTACT, envelope="deals"), "post": {"requestBody": body(CONTACT)}},
            "/old-contacts": {"post": {"deprecated": True, "requestBody": body(CONTACT)}},
        }
    )


@pytest.mark.parametrize("key", ["GET /contacts", "get /contacts", "GET  /contacts/", " GET /Contacts "])
def test_an_operation_is_found_by_any_spelling_of_its_key(crm: Any, key: str) -> None:
    assert crm.operation(key).endpoint.key == "GET /contacts"


def test_an_operation_is_found_by_its_id(crm: Any) -> None:
    assert crm.operation("createContact").endpoint.key == "POST /contacts"


def test_an_unknown_operation_names_the_nearest(crm: Any) -> None:
    with pytest.raises(NotFoundError, match=r"nearest: GET /contacts"):
        crm.operation("GET /contact")


def test_a_create_knows_its_update_and_its_lookup(crm: Any) -> None:
    shape = crm.dest_shape("POST /contacts")
    assert (shape.envelope, shape.id_at, shape.natural_keys) == ("", "id", ["email", "name"])
    assert shape.update.key == "PATCH /contacts/{id}"
    assert (shape.lookup.key, shape.lookup_param, shape.lookup_id_at) == ("GET /contacts", "email", "id")


def test_a_create_knows_how_one_record_is_shown_by_the_id_that_it_answers(crm: Any) -> None:
    assert crm.dest_shape("POST /contacts").read.key == "GET /contacts/{id}"
    one = {"get": {"responses": answers(CONTACT)}}
    numbered = make_document(
        {
            "/contacts": {"post": {"requestBody": body(CONTACT), "responses": answers(CONTACT)}},
            "/contacts/{number}": one,
            "/contacts/{contactId}": one,
            "/contacts/{contactId}/notes": one,
        }
    )
    assert numbered.dest_shape("POST /contacts").read.key == "GET /contacts/{contactId}"


def test_what_shows_no_single_record_by_its_id_alone_is_not_read_back() -> None:
    post = {"post": {"requestBody": body(CONTACT), "responses": answers(CONTACT)}}
    assert make_document({"/contacts": post}).dest_shape("POST /contacts").read is None
    needs = {"get": {"parameters": [{**query("tenant"), "required": True}], "responses": answers(CONTACT)}}
    document = make_document({"/contacts": post, "/contacts/{id}": needs})
    assert document.dest_shape("POST /contacts").read is None


def test_a_single_record_is_read_inside_its_wrapper(crm: Any) -> None:
    shape = crm.source_shape("GET /contacts/{id}")
    assert (shape.items_at, shape.record_at, shape.id_field) == (None, "data", "id")


@pytest.mark.parametrize(
    ("schema", "envelope"),
    [
        (CONTACT, ""),
        ({"properties": {"contact": CONTACT}}, "contact"),
        ({"properties": {"Contacts": {"type": "array", "items": CONTACT}, "pagination": {"type": "object"}}}, "Contacts[]"),
        ({"properties": {"data": {"properties": {"type": TEXT, "attributes": CONTACT}}}}, "data.attributes"),
        ({"properties": {"properties": {"type": "object", "additionalProperties": TEXT}, "associations": {"type": "array", "items": {"type": "object"}}}}, "properties"),
        ({"type": "array", "items": CONTACT}, "[]"),
        ({"properties": {"idempotency_key": TEXT, "contact": CONTACT}}, "contact"),
        ({"properties": {"email": TEXT, "address": {"properties": {"city": TEXT}}}}, ""),
    ],
)  # fmt: skip
def test_the_envelope_of_a_body_is_found(schema: Any, envelope: str) -> None:
    document = make_document({"/contacts": {"post": {"requestBody": body(schema), "responses": {}}}})
    shape = document.dest_shape("POST /contacts")
    assert shape.envelope == envelope
    assert (shape.batch_size is not None) == ("[]" in envelope)


def test_a_batch_is_as_large_as_the_document_says() -> None:
    array = {"type": "array", "items": CONTACT, "maxItems": 25}
    document = make_document(
        {"/contacts": {"post": {"requestBody": body({"properties": {"contacts": array}})}}}
    )
    assert document.dest_shape("POST /contacts").batch_size == 25


def test_json_is_preferred_to_forms_and_forms_to_anything_else() -> None:
    kinds = ("text/csv", "application/x-www-form-urlencoded", "application/vnd.api+json")
    document = make_document({"/contacts": {"post": {"requestBody": body(CONTACT, *kinds)}}})
    assert document.dest_shape("POST /contacts").endpoint.content_types == [kinds[2], kinds[1], kinds[0]]


def test_what_cannot_be_read_or_written_says_so() -> None:
    document = make_document({"/a": {"get": {}, "post": {}}})
    with pytest.raises(SpecError, match="describes no answer"):
        document.source_shape("GET /a")
    with pytest.raises(SpecError, match="takes no body"):
        document.dest_shape("POST /a")


@pytest.mark.parametrize(
    ("intent", "own", "other"),
    [
        ("Create a Xero contact for every Stripe customer", ("contact",), ("stripe", "customer")),
        ("sync Stripe customers into our Xero contacts", ("contact",), ("stripe", "customer")),
        ("Keep Xero contacts up to date from Stripe customers", ("contact",), ("stripe", "customer")),
        ("when a Stripe customer is created, add a Xero contact", ("contact",), ("stripe", "customer")),
        ("for each Stripe customer create a Xero contact", ("contact",), ("stripe", "customer")),
        ("from Stripe customers to Xero contacts", ("contact",), ("stripe", "customer")),
        ("Stripe customers -> Xero contacts", ("contact",), ("stripe", "customer")),
        ("each Stripe customer becomes a Xero contact", ("contact",), ("stripe", "customer")),
    ],
)
def test_a_sentence_is_taken_apart(intent: str, own: tuple[str, ...], other: tuple[str, ...]) -> None:
    parts = split_intent(intent, "dest", frozenset({"xero"}))
    assert (parts.own, parts.other) == (own, other)


@pytest.mark.parametrize(
    ("intent", "role", "key"),
    [
        ("sync shop customers into CRM contacts", "dest", "POST /contacts"),
        ("sync shop customers into our CRM", "dest", "POST /contacts"),
        ("make a deal for every shop order", "dest", "POST /deals"),
        ("copy CRM contacts to the newsletter", "source", "GET /contacts"),
        ("copy CRM deals to the ledger", "source", "GET /deals"),
    ],
)
def test_the_plain_endpoint_for_the_right_noun_comes_first(
    crm: Any, intent: str, role: str, key: str
) -> None:
    best, *others = crm.rank(intent, role, limit=3)
    assert best.endpoint.key == key
    assert best.reasons
    assert all(best.score > other.score for other in others)
    assert len(others) <= 2


def test_a_role_is_source_or_dest(crm: Any) -> None:
    with pytest.raises(InputError):
        crm.rank("x", "both")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.paths['/a'].get", ["GA"]),
        ("$.paths.*.get", ["GA", "GB"]),
        ("$..get", ["GA", "GB"]),
        ("$.paths['/a']['get','post']", ["GA", "PA"]),
        ("$.list[0].name", ["x"]),
        ("$.list[-1].name", ["z"]),
        ("$.list[1:].name", ["y", "z"]),
        ("$.list[?@.n > 1].name", ["y", "z"]),
        ("$.list[?@.name == 'x' || @.n == 3].name", ["x", "z"]),
        ("$.list[?@.flag && !(@.n == 1)].name", ["z"]),
        ("$.list[?match(@.name, '[xy]')].name", ["x", "y"]),
        ("$.list[?length(@.name) == 1 && @.n <= 2].name", ["x", "y"]),
        ("$.responses['200']", ["ok"]),
        ("$.nothing", []),
    ],
)
def test_a_json_path_selects(path: str, found: list[Any]) -> None:
    tree = {
        "paths": {"/a": {"get": "GA", "post": "PA"}, "/b": {"get": "GB"}},
        "list": [
            {"name": "x", "n": 1, "flag": True},
            {"name": "y", "n": 2},
            {"name": "z", "n": 3, "flag": True},
        ],
        "responses": {200: "ok"},
    }
    assert [container[key] for container, key in Query(path).places(tree)] == found


@pytest.mark.parametrize("path", ["", "paths", "$.", "$[", "$.a[?", "$.a[?nope(@)]", "$.a b"])
def test_what_is_no_json_path_is_refused(path: str) -> None:
    with pytest.raises(InputError):
        Query(path)


def _overlay(*actions: Any) -> dict[str, Any]:
    return {"overlay": "1.0.0", "info": {"title": "t", "version": "1"}, "actions": list(actions)}


def test_an_overlay_updates_appends_and_removes_in_order() -> None:
    tree = {"info": {"title": "a"}, "tags": [{"name": "x"}, {"name": "y"}], "paths": {"/a": {}, "/b": {}}}
    apply_overlay(
        tree,
        _overlay(
            {"target": "$.info", "update": {"title": "b", "contact": {"name": "me"}}},
            {"target": "$.tags", "update": {"name": "z"}},
            {"target": "$.tags[?@.name != 'z']", "remove": True},
            {"target": "$.paths['/b']", "remove": True},
        ),
        Findings(),
    )
    assert tree == {
        "info": {"title": "b", "contact": {"name": "me"}},
        "tags": [{"name": "z"}],
        "paths": {"/a": {}},
    }


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        ({}, "no `overlay` version"),
        ({"overlay": "2.0"}, "not known"),
        ({"overlay": "1.0.0"}, "actions"),
        (_overlay({"update": {}}), "no `target`"),
        (_overlay({"target": "$.a"}), "neither updates nor removes"),
        (_overlay({"target": "$.a[", "remove": True}), "JSONPath"),
    ],
)
def test_a_malformed_overlay_is_refused(overlay: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        apply_overlay({"a": {}}, overlay, Findings())


def test_every_guess_can_be_corrected() -> None:
    item = listing(CONTACT)
    item["get"].update(
        {
            "x-vitesse-pagination": {"style": "offset", "params": ["start"]},
            "x-vitesse-rate-limit": {"requests": 5, "per_seconds": 1},
            "x-vitesse-resource": "person",
            "x-vitesse-auth": {"type": "basic"},
            "x-vitesse-incremental": {"param": "seit", "field": "name"},
            "x-vitesse-id-field": "email",
            "x-vitesse-natural-keys": ["name"],
        }
    )
    document = make_document(
        {"/contacts": item}, **{"x-vitesse-rate-limit": {"requests": 9, "per_seconds": 1}}
    )
    endpoint, shape = document.spec.endpoints[0], document.source_shape("GET /contacts")
    assert endpoint.pagination is not None
    assert (endpoint.pagination.style, endpoint.pagination.items_at) == ("offset", "data")
    assert endpoint.rate_limit is not None
    assert endpoint.auth is not None
    assert (endpoint.rate_limit.requests, endpoint.resource, endpoint.auth.type) == (5, "person", "basic")
    assert shape.incremental is not None
    assert (shape.id_field, shape.natural_keys, shape.incremental.param) == ("email", ["name"], "seit")
    assert document.spec.rate_limit is not None
    assert document.spec.rate_limit.requests == 9
    assert shape.guesses == []
    assert [g.about for g in document.spec.guesses] == ["base_url"]


def test_what_tells_records_apart_is_a_guess_with_its_evidence() -> None:
    item = {"type": "object", "properties": {"contact_id": TEXT, "updated_at": TEXT}}
    shape = make_document({"/contacts": listing(item, query("updated_since"))}).source_shape("GET /contacts")
    assert [(g.about, g.value, g.confidence) for g in shape.guesses] == [
        ("identity", "contact_id", 0.95),
        ("incremental", "updated_since", 0.85),
    ]
    assert all("GET /contacts" in g.evidence or "updated_at" in g.evidence for g in shape.guesses)
    nameless = {"type": "object", "properties": {"size": {"type": "integer"}}}
    assert make_document({"/a": listing(nameless)}).source_shape("GET /a").guesses[0].value == "content"


def test_a_correction_that_does_not_fit_is_refused() -> None:
    item = listing(CONTACT)
    item["get"]["x-vitesse-pagination"] = {"style": "sideways"}
    with pytest.raises(InputError, match=r"x-vitesse-pagination of GET /contacts"):
        _ = make_document({"/contacts": item}).spec


def test_an_empty_result_is_never_a_success() -> None:
    assert [w.code for w in make_document({}).spec.warnings] == ["no_operations"]
    assert make_document(["wrong"]).spec.unreadable_operations == ["paths"]


def test_webhooks_are_named() -> None:
    document = make_document({}, webhooks={"order.created": {"post": {}}})
    assert document.webhooks == ["order.created"]
    assert document.spec.warnings == []
