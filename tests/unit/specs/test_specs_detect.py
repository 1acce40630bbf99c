"""What is told from a document: roles, nouns, pagination, authentication, limits, identity, changes."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from tests.unit.specs.conftest import listing, make_document, query
from vitesse_graph.specs.limits import parse_limit
from vitesse_graph.specs.words import likeness, singular, split_words
from vitesse_graph.state.api_spec import AuthType, Pagination, PaginationStyle

ITEM = {"type": "object", "properties": {"id": {"type": "string"}, "updated_at": {"type": "string"}}}
TEXT, NUMBER, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}


def pagination(path_item: dict[str, Any], path: str = "/things") -> Pagination:
    found = make_document({path: path_item}).spec.endpoints[0].pagination
    assert found is not None
    return found


PAGINATION_CASES: list[tuple[PaginationStyle, dict[str, Any], dict[str, Any]]] = [
    ("offset", listing(ITEM, query("offset", "integer"), query("limit", "integer", maximum=200)), {"params": ["offset"], "max_page_size": 200}),
    ("offset", listing(ITEM, query("$skip", "integer"), query("$top", "integer")), {"params": ["$skip"], "page_size_param": "$top"}),
    ("page", listing(ITEM, query("page", "integer"), query("per_page", "integer", default=30)), {"default_page_size": 30, "first_page": 1}),
    ("page", listing(ITEM, query("page[number]", "integer", default=0), query("page[size]", "integer")), {"first_page": 0, "page_size_param": "page[size]"}),
    ("cursor", listing(ITEM, query("cursor"), next_cursor=TEXT, has_more=FLAG), {"next_from": "next_cursor", "has_more_from": "has_more"}),
    ("cursor", listing(ITEM, query("starting_after"), query("ending_before"), has_more=FLAG), {"next_from": "last_item:id", "params": ["starting_after", "ending_before"]}),
    ("cursor", listing(ITEM, query("after"), paging={"properties": {"next": {"properties": {"after": TEXT, "link": TEXT}}}}), {"next_from": "paging.next.after", "next_is_url": False}),
    ("cursor", listing(ITEM, query("pageToken"), nextPageToken=TEXT), {"next_from": "nextPageToken"}),
    ("cursor", listing(ITEM, query("page[cursor]"), links={"properties": {"self": TEXT, "next": TEXT}}), {"next_from": "links.next", "next_is_url": True}),
    ("cursor", listing(ITEM, query("offset", description="An opaque token from the last answer"), next_page={"properties": {"offset": TEXT, "uri": TEXT}}), {"next_from": "next_page.offset"}),
    ("cursor", listing(ITEM, **{"@odata.nextLink": TEXT}), {"next_from": "@odata.nextLink", "next_is_url": True}),
    ("offset", listing(ITEM, query("offset", "integer"), query("usemarker", "boolean"), query("marker")), {"params": ["offset"]}),
    ("none", listing(ITEM), {"params": []}),
    ("none", listing(ITEM, envelope=None), {"items_at": ""}),
]  # fmt: skip


@pytest.mark.parametrize(("style", "item", "expected"), PAGINATION_CASES)
def test_a_list_is_walked_as_its_parameters_say(
    style: str, item: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = pagination(item)
    assert found.style == style
    assert {name: getattr(found, name) for name in expected} == expected


def test_a_link_header_is_a_style_of_its_own_and_leads_where_pages_are_counted() -> None:
    plain = listing(ITEM, envelope=None)
    plain["get"]["responses"]["200"]["headers"] = {"Link": {"schema": TEXT}}
    assert (pagination(plain).style, pagination(plain).next_from) == ("link_header", "header:Link")
    plain["get"]["parameters"] = [query("page", "integer")]
    assert (pagination(plain).style, pagination(plain).next_from) == ("page", "header:Link")


def test_a_list_that_pages_in_the_request_body_says_so() -> None:
    item = listing(ITEM, envelope="added", next_cursor=TEXT)
    body = {"type": "object", "properties": {"cursor": TEXT, "count": {"type": "integer", "maximum": 500}}}
    item = {"post": {**item["get"], "requestBody": {"content": {"application/json": {"schema": body}}}}}
    found = pagination(item, "/transactions/sync")
    assert (found.style, found.params_in, found.page_size_param, found.max_page_size) == (
        "cursor",
        "body",
        "count",
        500,
    )


def test_every_counted_style_has_a_case() -> None:
    covered = {style for style, _, _ in PAGINATION_CASES} | {"link_header"}
    # `timestamp` is no way of walking pages by itself: it is reported as incremental reading.
    assert covered | {"timestamp"} == set(get_args(PaginationStyle))


@pytest.mark.parametrize(
    ("schema", "items_at"),
    [
        ({"type": "array", "items": ITEM}, ""),
        ({"properties": {"data": {"type": "array", "items": ITEM}}}, "data"),
        ({"properties": {"results": {"items": ITEM}, "errors": {"type": "array", "items": ITEM}}}, "results"),
        ({"properties": {"things": {"type": "array", "items": ITEM}, "users": {"type": "array", "items": ITEM}}}, "things"),
        ({"properties": {"_embedded": {"properties": {"things": {"type": "array", "items": ITEM}}}}}, "_embedded.things"),
        ({"properties": {"response": {"properties": {"items": {"type": "array", "items": ITEM}}}}}, "response.items"),
        ({"allOf": [{"properties": {"meta": {}}}, {"properties": {"data": {"type": "array", "items": ITEM}}}]}, "data"),
        ({"properties": {"added": {"type": "array", "items": ITEM}, "modified": {"type": "array", "items": ITEM}, "accounts": {"type": "array", "items": ITEM}}}, "added"),
        ({"oneOf": [{"properties": {"error": TEXT}}, {"properties": {"data": {"type": "array", "items": ITEM}}}]}, "data"),
    ],
)  # fmt: skip
def test_records_are_found_inside_their_envelope(schema: dict[str, Any], items_at: str) -> None:
    answer = {"200": {"content": {"application/json": {"schema": schema}}}}
    document = make_document({"/things": {"get": {"responses": answer}}})
    shape = document.source_shape("GET /things")
    assert (shape.items_at, shape.id_field) == (items_at, "id")


BODY = {"content": {"application/json": {"schema": ITEM}}}


@pytest.mark.parametrize(
    ("method", "path", "operation", "role", "resource"),
    [
        ("get", "/v1/customers", listing(ITEM)["get"], "list", "customer"),
        ("get", "/v1/customers/{id}", {}, "read", "customer"),
        ("get", "/users/{id}/orders", listing(ITEM)["get"], "list", "order"),
        ("get", "/pet/findByStatus", listing(ITEM, envelope=None)["get"], "list", "pet"),
        ("post", "/v1/customers", {"requestBody": BODY}, "create", "customer"),
        ("post", "/v1/customers/{id}", {"requestBody": BODY}, "update", "customer"),
        ("post", "/v1/customers/{id}/cancel", {"requestBody": BODY}, "action", "customer"),
        ("post", "/v2/vendors/create", {"requestBody": BODY}, "create", "vendor"),
        ("put", "/Contacts", {"requestBody": BODY, "operationId": "createContacts"}, "create", "contact"),
        ("post", "/Contacts", {"requestBody": BODY, "operationId": "updateOrCreateContacts"}, "update", "contact"),
        ("put", "/things/{id}", {"requestBody": BODY}, "replace", "thing"),
        ("patch", "/things/{id}", {"requestBody": BODY}, "update", "thing"),
        ("delete", "/things/{id}", {}, "delete", "thing"),
        ("get", "/2010-04-01/Accounts/{Sid}/Messages.json", listing(ITEM, envelope="messages")["get"], "list", "message"),
        ("post", "/admin/api/2024-01/BankTransactions.json", {"requestBody": BODY}, "create", "bank transaction"),
    ],
)  # fmt: skip
def test_operations_have_a_role_and_a_noun(
    method: str, path: str, operation: Any, role: str, resource: str
) -> None:
    endpoint = make_document({path: {method: operation}}).spec.endpoints[0]
    assert (endpoint.role, endpoint.resource) == (role, resource)


def auth(schemes: dict[str, Any], security: Any, operation: dict[str, Any] | None = None) -> Any:
    return make_document(
        {"/a": {"get": operation or {}}}, components={"securitySchemes": schemes}, security=security
    ).spec


AUTH_CASES: list[tuple[AuthType, dict[str, Any], str]] = [
    ("api_key", {"type": "apiKey", "in": "query", "name": "key"}, "query key"),
    ("api_key", {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Set the `Authorization` header to `Token your-api-key`"}, "header Authorization (Token …)"),
    ("bearer", {"type": "http", "scheme": "Bearer"}, "header Authorization (Bearer …)"),
    ("basic", {"type": "http", "scheme": "basic"}, "user name and password"),
    ("oauth2", {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://t.example", "scopes": {"read": ""}}}}, "client_credentials"),
    ("openid", {"type": "openIdConnect", "openIdConnectUrl": "https://id.example"}, "https://id.example"),
    ("mutual_tls", {"type": "mutualTLS"}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "scheme", "detail"), AUTH_CASES)
def test_every_kind_of_scheme_is_understood(kind: str, scheme: dict[str, Any], detail: str) -> None:
    found = auth({"one": scheme}, [{"one": []}]).auth
    assert (found.type, found.detail) == (kind, detail)


def test_every_auth_type_has_a_case() -> None:
    assert {kind for kind, _, _ in AUTH_CASES} | {"none"} == set(get_args(AuthType))


def test_keys_that_are_needed_together_are_all_named() -> None:
    schemes = {n: {"type": "apiKey", "in": "header", "name": n} for n in ("X-Id", "X-Secret")}
    found = auth(schemes, [{"X-Id": [], "X-Secret": []}]).auth
    assert [h.name for h in found.headers] == ["X-Id", "X-Secret"]


def test_an_operation_that_differs_says_so() -> None:
    schemes = {"k": {"type": "apiKey", "in": "header", "name": "K"}}
    open_, keyed = auth(schemes, [{"k": []}], {"security": []}), auth(schemes, [{"k": []}])
    assert open_.endpoints[0].auth is not None
    assert open_.endpoints[0].auth.type == "none"
    assert keyed.endpoints[0].auth is None


def test_a_key_that_only_a_parameter_declares_is_found_and_listed_as_a_guess() -> None:
    header = {"name": "X-Api-Key", "in": "header", "required": True, "schema": TEXT}
    spec = make_document({"/a": {"get": {"parameters": [header]}}}).spec
    assert (spec.auth.type, spec.auth.headers[0].name) == ("api_key", "X-Api-Key")
    assert [g.about for g in spec.guesses if g.about == "auth"] == ["auth"]


def test_a_mere_mention_is_a_guess_and_no_more() -> None:
    spec = make_document(info={"title": "T", "description": "Works with personal access tokens."}).spec
    assert spec.auth.type == "none"
    assert [(g.about, g.value) for g in spec.guesses] == [
        ("auth", "bearer"),
        ("base_url", "https://api.example"),
    ]


def test_swagger_2_is_understood_alike() -> None:
    spec = make_document(
        {
            "/pets": {
                "get": {
                    "parameters": [{"name": "page", "in": "query", "type": "integer"}],
                    "responses": {200: {"schema": {"type": "array", "items": ITEM}}},
                },
                "post": {"parameters": [{"name": "body", "in": "body", "schema": ITEM}], "responses": {}},
            }
        },
        swagger="2.0",
        host="pets.example",
        basePath="/v2",
        schemes=["http", "https"],
        securityDefinitions={"o": {"type": "oauth2", "flow": "accessCode", "tokenUrl": "https://t.example"}},
        security=[{"o": []}],
    ).spec
    assert spec.base_url == "https://pets.example/v2"
    assert (spec.auth.type, spec.auth.flows, spec.auth.token_url) == (
        "oauth2",
        ["authorization_code"],
        "https://t.example",
    )
    assert [(e.role, e.content_types) for e in spec.endpoints] == [
        ("list", []),
        ("create", ["application/json"]),
    ]


@pytest.mark.parametrize(
    ("text", "requests", "seconds"),
    [
        ("2 requests per second", 2, 1),
        ("limited to 1,000 requests per hour", 1000, 3600),
        ("10 calls every 30 seconds", 10, 30),
        ("Burst: 75/s", 75, 1),
        ("750/m", 750, 60),
        ("100 requests per user per minute", 100, 60),
        ("twice per user in a 24 hour time frame", 2, 86_400),
        ("5 req/sec", 5, 1),
        ("60 requests / minute", 60, 60),
        ("API calls are limited to 10 per second per token", 10, 1),
        ("Requests are limited to 3,600 per hour", 3600, 3600),
        ("A maximum of 60 requests can be made within one minute", 60, 60),
        ("200 requests per IP address in any 10 second window", 200, 10),
        ("600 requests per rolling minute", 600, 60),
        ("1200 requests per five minute period per user", 1200, 300),
        ("50 QPS per key", 50, 1),
        ("The default quota is 30 RPM", 30, 60),
    ],
)
def test_limits_are_read_from_words(text: str, requests: float, seconds: float) -> None:
    found = parse_limit(text)
    assert found is not None
    assert (found.requests, found.per_seconds) == (requests, seconds)


@pytest.mark.parametrize(
    "text",
    [
        "version 2.0 of the API",
        "returns 10 items per page",
        "1/2 of them",
        "24/7 support",
        "Up to 100 items per request",
        "a timeout of 10 seconds for requests",
        "Access tokens are valid for 2 hours and requests with older ones fail",
        "No more than 2 concurrent requests",
        "Data of the last 30 days is returned; requests for more are refused",
    ],
)
def test_other_numbers_are_no_limits(text: str) -> None:
    assert parse_limit(text) is None


@pytest.mark.parametrize(
    "extension",
    [
        {"x-ratelimit": "100/m"},
        {"x-vendor-ratelimit": {"burst": "10/s", "steady": "100/m"}},
        {"x-rate-limit": {"limit": 100, "period": "minute"}},
        {"x-throttling": {"requests": 100, "window": 60}},
        {"description": "At most 100 requests per minute."},
        {"responses": {"429": {"description": "Rate limit: 100 requests per minute"}}},
    ],
)
def test_limits_are_read_wherever_they_are_declared(extension: dict[str, Any]) -> None:
    limit = make_document({"/a": {"get": extension}}).spec.endpoints[0].rate_limit
    assert limit is not None
    assert (limit.requests, limit.per_seconds) == (100, 60)
    assert limit.evidence


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        (query("updated_at_min", format="date-time"), ("updated_at_min", "updated_at", "iso8601")),
        (query("since"), ("since", "updated_at", "iso8601")),
        (query("modified_after", "integer"), ("modified_after", "updated_at", "unix_seconds")),
        (query("updatedSince", format="date"), ("updatedSince", "updated_at", "date")),
        ({"name": "If-Modified-Since", "in": "header", "schema": TEXT}, ("If-Modified-Since", "updated_at", "http_date")),
        ({"name": "updated_at", "in": "query", "schema": {"properties": {"gt": NUMBER, "gte": NUMBER}}}, ("updated_at[gte]", "updated_at", "unix_seconds")),
    ],
)  # fmt: skip
def test_what_changed_can_be_asked_for(parameter: dict[str, Any], expected: tuple[str, str, str]) -> None:
    found = make_document({"/things": listing(ITEM, parameter)}).source_shape("GET /things").incremental
    assert found is not None
    assert (found.param, found.field, found.format) == expected


def test_a_filter_on_change_comes_before_one_on_creation() -> None:
    document = make_document({"/things": listing(ITEM, query("created_after"), query("updated_after"))})
    found = document.source_shape("GET /things").incremental
    assert found is not None
    assert found.param == "updated_after"


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (["name", "id"], "id"),
        (["name", "ThingID"], "ThingID"),
        (["gid", "name"], "gid"),
        (["thing_id", "owner_id"], "thing_id"),
        (["sid"], "sid"),
        (["name", "age"], None),
    ],
)
def test_the_field_that_identifies_a_record_is_found(properties: list[str], expected: str | None) -> None:
    item = {"type": "object", "properties": dict.fromkeys(properties, TEXT)}
    assert make_document({"/things": listing(item)}).source_shape("GET /things").id_field == expected


def test_natural_keys_come_best_first() -> None:
    item = {
        "properties": {"name": TEXT, "phone": TEXT, "external_id": TEXT, "email": TEXT, "email_sent": FLAG}
    }
    shape = make_document({"/things": listing(item)}).source_shape("GET /things")
    assert shape.natural_keys == ["email", "external_id", "phone", "name"]


def test_words_are_split_made_singular_and_compared() -> None:
    assert split_words("bankTransactions_v2") == ("bank", "transactions", "v", "2")
    words = {"customers": "customer", "companies": "company", "addresses": "address", "statuses": "status", "boxes": "box", "invoices": "invoice", "people": "person", "bus": "bus", "sms": "sms"}  # fmt: skip
    assert {word: singular(word) for word in words} == words
    assert likeness("customer", "contact") > likeness("customer", "invoice")


def test_required_headers_carry_their_default() -> None:
    headers = [
        {
            "name": "revision",
            "in": "header",
            "required": True,
            "schema": {"type": "string", "default": "2024-10-15"},
        },
        {"name": "Tenant", "in": "header", "required": True, "schema": TEXT},
        {"name": "Authorization", "in": "header", "required": True, "schema": TEXT},
        {"name": "X-Trace", "in": "header", "schema": TEXT},
    ]
    endpoint = make_document({"/a": {"get": {"parameters": headers}}}).spec.endpoints[0]
    assert endpoint.required_headers == {"revision": "2024-10-15", "Tenant": ""}


@pytest.mark.parametrize(
    "text",
    [
        "1" * 200_000 + " requests",
        "1,234," * 50_000 + " per second requests",
        "Rate limit " * 50_000,
        "default " * 50_000,
    ],
)
def test_hostile_prose_takes_no_time(text: str) -> None:
    import time

    started = time.perf_counter()
    parameter = query("limit", "integer", description=text)
    _ = make_document({"/things": {"get": {**listing(ITEM, parameter)["get"], "description": text}}}).spec
    assert time.perf_counter() - started < 2
