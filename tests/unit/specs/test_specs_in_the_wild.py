"""Shapes that vendors really publish, each as small as it can be: what must be read of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.specs.conftest import make_document
from vitesse_graph.specs.document import SpecDocument
from vitesse_graph.specs.findings import Findings
from vitesse_graph.specs.parse import parse
from vitesse_graph.specs.recognise import spec_format

TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}


def many(**properties: Any) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "object", "properties": properties}}


def obj(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def query(name: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": kind}, **more}


def header(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": TEXT, **more}


def get(schema: Any, *parameters: Any, **more: Any) -> dict[str, Any]:
    answer = {"description": "ok", "content": {"application/json": {"schema": schema}}}
    return {"get": {"parameters": list(parameters), "responses": {"200": answer}, **more}}


def read(text: str) -> SpecDocument:
    tree = parse(text.encode(), "t", Findings(), max_bytes=10**6)
    return SpecDocument(tree, spec_format=spec_format(tree, "t"))


THINGS = get(many(id=TEXT))
NEXT_LINK = {"x-ms-pageable": {"nextLinkName": "@odata.nextLink"}}
PAGE_OR_OBJECT = {
    "name": "page",
    "in": "query",
    "schema": {"oneOf": [WHOLE, obj(size=WHOLE, after=TEXT)]},
}
PAGEABLE = {"name": "pageable", "in": "query", "schema": obj(page={**WHOLE, "minimum": 0}, size=WHOLE)}

LISTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "a declared next link is surer than counting": (
        "/users",
        get(obj(**{"value": many(id=TEXT), "@odata.nextLink": TEXT}), query("$skip", "integer"), **NEXT_LINK),
        {"style": "cursor", "next_from": "@odata.nextLink", "next_is_url": True, "items_at": "value"},
    ),
    "a `token` that is a credential is no position": (
        "/users.list",
        get(
            obj(members=many(id=TEXT), response_metadata=obj(next_cursor=TEXT)),
            query("token", description="Authentication token. Requires scope `users:read`"),
            query("cursor"),
        ),
        {"style": "cursor", "params": ["cursor"], "next_from": "response_metadata.next_cursor"},
    ),
    "an answer that announces more is a list, whatever its path ends in": (
        "/repositories/{workspace}",
        get(obj(pagelen=WHOLE, next={"type": "string", "format": "uri"}, values=many(uuid=TEXT))),
        {"style": "cursor", "params": [], "next_from": "next", "next_is_url": True, "items_at": "values"},
    ),
    "records lie inside `d`": (
        "/A_BusinessPartner",
        get(
            obj(d=obj(results=many(BusinessPartner=TEXT))),
            query("$top", "integer"),
            query("$skip", "integer"),
        ),
        {"style": "offset", "page_size_param": "$top", "items_at": "d.results"},
    ),
    "wrappers are known in any case": (
        "/transactions",
        get(
            obj(
                Data=obj(Transaction=many(TransactionId=TEXT)),
                Links=obj(Next={"type": "string", "format": "uri"}),
            )
        ),
        {"style": "cursor", "next_from": "Links.Next", "next_is_url": True, "items_at": "Data.Transaction"},
    ),
    "a bundle's entries are records": (
        "/Patient",
        get(obj(total=WHOLE, link=many(relation=TEXT, url=TEXT), entry=many(resource=obj(id=TEXT)))),
        {"items_at": "entry"},
    ),
    "an offset that is a text and comes back is a cursor": (
        "/customers",
        get(
            obj(list=many(customer=obj(id=TEXT)), next_offset=TEXT),
            query("limit", "integer"),
            query("offset"),
        ),
        {"style": "cursor", "params": ["offset"], "next_from": "next_offset"},
    ),
    "a page that is a number or an object": (
        "/users",
        get(
            obj(
                users=many(id=WHOLE),
                meta=obj(after_cursor=TEXT, has_more={"type": "boolean"}),
                next_page=TEXT,
            ),
            PAGE_OR_OBJECT,
            query("per_page", "integer"),
        ),
        {"params": ["page[after]"], "page_size_param": "page[size]", "next_from": "meta.after_cursor"},
    ),
    "an object in the query whose properties are the parameters": (
        "/orders",
        get(obj(content=many(id=TEXT), totalElements=WHOLE), PAGEABLE),
        {"style": "page", "params": ["page"], "page_size_param": "size", "first_page": 0},
    ),
    "pages counted from zero by their description": (
        "/orders",
        get(many(id=TEXT), query("page", "integer", description="Zero-based page index (0..N)")),
        {"style": "page", "first_page": 0},
    ),
    "a cut-off list with only a `since`": (
        "/events",
        get(many(id=TEXT, timestamp=TEXT), query("since"), query("limit", "integer")),
        {"style": "timestamp", "params": ["since"], "next_from": "last_item:timestamp"},
    ),
    "a `next_page` that no parameter could carry is an address": (
        "/incremental/tickets",
        get(obj(tickets=many(id=WHOLE, updated_at=TEXT), next_page=TEXT), query("start_time", "integer")),
        {"style": "cursor", "next_from": "next_page", "next_is_url": True},
    ),
    "a position called as its parameter": (
        "/#Action=ListUsers",
        get(obj(Users=many(UserName=TEXT), Marker=TEXT, IsTruncated={"type": "boolean"}), query("Marker")),
        {"style": "cursor", "next_from": "Marker", "has_more_from": "IsTruncated"},
    ),
}


@pytest.mark.parametrize("shape", LISTS)
def test_lists_are_walked_as_they_are_meant(shape: str) -> None:
    path, item, expected = LISTS[shape]
    (endpoint,) = make_document({path: item}).spec.endpoints
    assert endpoint.role == "list"
    assert endpoint.pagination is not None
    found = endpoint.pagination.dump()
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("path", "operation_id", "noun"),
    [
        ("/users.list", "users_list", "user"),
        ("/users:batchGet", "x", "user"),
        ("/GetCustomers", "x", "customer"),
        ("/#Action=ListUsers", "GET_ListUsers", "user"),
        ("/A_BusinessPartner", "x", "business partner"),
        ("/customers.json", "x", "customer"),
        ("/issue-types", "x", "issue type"),
    ],
)
def test_the_noun_is_found_however_calls_are_named(path: str, operation_id: str, noun: str) -> None:
    (endpoint,) = make_document({path: get(many(id=TEXT), operationId=operation_id)}).spec.endpoints
    assert endpoint.resource == noun


@pytest.mark.parametrize(
    ("item", "id_field", "natural_keys"),
    [
        (obj(customer=obj(id=TEXT, email=TEXT), card=obj(id=TEXT)), "customer.id", ["customer.email"]),
        (obj(fullUrl=TEXT, resource=obj(id=TEXT)), "resource.id", []),
        (obj(cursor=TEXT, node=obj(id=TEXT, name=TEXT)), "node.id", ["node.name"]),
        (obj(customer_info=obj(customer_id=TEXT)), "customer_info.customer_id", []),
        (obj(id=TEXT, source=obj(id=TEXT, name=TEXT)), "id", []),
    ],
)
def test_a_record_inside_its_item_is_identified(item: Any, id_field: str, natural_keys: list[str]) -> None:
    document = make_document({"/customers": get({"type": "array", "items": item})})
    shape = document.source_shape("GET /customers")
    assert (shape.id_field, shape.natural_keys) == (id_field, natural_keys)


BEARER = header("Authorization", required=True, description="Bearer {access_token}")
SIGNS: dict[str, tuple[list[Any], str, str, list[tuple[str, str, str]]]] = {
    "bearer in a header parameter": ([BEARER], "", "bearer", [("Authorization", "header", "Bearer ")]),
    "basic in a header parameter": ([header("Authorization", example="Basic dXNlcjpwYXNz")], "", "basic", []),
    "a subscription key": (
        [header("Ocp-Apim-Subscription-Key", required=True)],
        "",
        "api_key",
        [("Ocp-Apim-Subscription-Key", "header", "")],
    ),
    "a key that only its description gives away": (
        [query("appid", required=True, description="Your unique API key")],
        "",
        "api_key",
        [("appid", "query", "")],
    ),
    "two at once": (
        [header("X-Api-Key", required=True), header("X-Api-Secret", required=True)],
        "",
        "api_key",
        [("X-Api-Key", "header", ""), ("X-Api-Secret", "header", "")],
    ),
    "a header named in prose": (
        [],
        "Every request must carry your API key in the `X-Acme-Key` header.",
        "api_key",
        [("X-Acme-Key", "header", "")],
    ),
    "a header line in prose": (
        [],
        "Send the header `Authorization: Token YOUR_API_KEY`.",
        "api_key",
        [("Authorization", "header", "Token ")],
    ),
    "a query parameter in prose": (
        [],
        "Append your key as the `api_key` query parameter.",
        "api_key",
        [("api_key", "query", "")],
    ),
    "basic in prose": ([], "We use HTTP Basic Auth, the password is left blank.", "basic", []),
    "nothing needed": (
        [],
        "This API is open and requires no authentication. No API key is needed.",
        "none",
        [],
    ),
    "an idempotency key is no credential": ([header("Idempotency-Key", required=True)], "", "none", []),
    "a page token is no credential": ([query("page_token")], "", "none", []),
}


@pytest.mark.parametrize("sign", SIGNS)
def test_auth_is_told_from_signs_where_nothing_is_declared(sign: str) -> None:
    parameters, prose, kind, headers = SIGNS[sign]
    spec = make_document(
        {"/things": get(many(id=TEXT), *parameters)}, info={"title": "T", "description": prose}
    ).spec
    assert spec.auth.type == kind
    assert [(h.name, h.location, h.prefix) for h in spec.auth.headers] == headers
    assert [g.value for g in spec.guesses if g.about == "auth"] == ([kind] if kind != "none" else [])


KEY = {"type": "apiKey", "in": "header", "name": "k"}


@pytest.mark.parametrize(
    "document",
    [
        {"components": {"securitySchemes": {"apiKey": KEY}}, "security": [{"api_key": []}]},
        {"components": {"securitySchemes": {"a": KEY}}, "security": {"a": []}},
        {"securityDefinitions": {"a": KEY}, "security": [{"a": []}]},
        {"components": {"securitySchemes": {"a": KEY}}, "security": [{"unheard-of": []}]},
    ],
    ids=["spelled otherwise", "an object for a list", "in the other version's place", "not declared"],
)
def test_a_requirement_that_is_slightly_wrong_does_not_open_the_api(document: dict[str, Any]) -> None:
    spec = make_document({"/things": THINGS}, **document).spec
    assert (spec.auth.type, spec.auth.headers[0].name) == ("api_key", "k")
    assert spec.endpoints[0].auth is None


@pytest.mark.parametrize(
    ("document", "address"),
    [
        (
            {"servers": [{"url": "http://localhost:8080/v1"}, {"url": "https://api.x.com/v1"}]},
            "https://api.x.com/v1",
        ),
        ({"servers": {"url": "https://api.x.com"}}, "https://api.x.com"),
        ({"servers": ["https://api.x.com"]}, "https://api.x.com"),
        ({"servers": [{"url": "api.x.com/v1"}]}, "https://api.x.com/v1"),
        (
            {"servers": [{"url": "https://{r}.x.com", "variables": {"r": {"enum": ["us", "eu"]}}}]},
            "https://us.x.com",
        ),
        ({"servers": [{"url": "https://{tenant}.x.com"}]}, "https://{tenant}.x.com"),
        ({"swagger": "2.0", "host": "https://api.x.com/", "basePath": "/v1/"}, "https://api.x.com/v1"),
        (
            {"swagger": "2.0", "host": "api.x.com", "basePath": "v1", "schemes": ["http"]},
            "http://api.x.com/v1",
        ),
        ({"swagger": "2.0", "host": "api.x.com", "basePath": "/"}, "https://api.x.com"),
        ({"swagger": "2.0", "host": "api.x.com", "schemes": ["wss", "https"]}, "https://api.x.com"),
    ],
)
def test_the_address_is_read_as_it_was_meant(document: dict[str, Any], address: str) -> None:
    text = {"info": {"title": "T"}, "paths": {"/things": THINGS}, **document}
    if "swagger" not in text:
        text["openapi"] = "3.0.0"
    assert read(json.dumps(text)).spec.base_url == address


def test_json_with_comments_and_trailing_commas_is_read() -> None:
    document = read(
        """// ours
        {
          /* both kinds */
          "openapi": "3.0.0", // the version
          "info": {"title": "https://t // no comment", "version": "1",},
          "paths": {"/a": {"get": {"responses": {"200": {"description": "ok",},},},},},
        }"""
    )
    assert (document.spec.api_name, document.spec.operation_count) == ("https://t // no comment", 1)


def test_names_that_yaml_takes_for_something_else_stay_names() -> None:
    document = read(
        """
openapi: 3.0.0
info: {title: T, version: 2020-01-01}
paths:
  /a:
    get:
      responses:
        200:
          description: ok
          content:
            application/json:
              schema:
                type: array
                items: {type: object, properties: {1: {type: string}, null: {type: string}, on: {type: string}, 1.5: {type: string}, 2020-01-01: {type: string}}}
"""
    )
    shape = document.source_shape("GET /a")
    assert list(shape.record_schema["properties"]) == ["1", "null", "on", "1.5", "2020-01-01"]
    assert document.operation("GET /a").endpoint.role == "list"


@pytest.mark.parametrize(
    ("document", "ref"),
    [
        ({"swagger": "2.0", "definitions": {"Pet": obj(id=WHOLE)}}, "Pet"),
        ({"openapi": "3.0.0", "components": {"schemas": {"Pet": obj(id=WHOLE)}}}, "#/definitions/Pet"),
        ({"swagger": "2.0", "definitions": {"Pet": obj(id=WHOLE)}}, "#/components/schemas/Pet"),
        ({"openapi": "3.1.0", "components": {"schemas": {"P": {"$anchor": "pet", **obj(id=WHOLE)}}}}, "#pet"),
        (
            {
                "openapi": "3.1.0",
                "components": {"schemas": {"P": {"$id": "https://x.com/pet", **obj(id=WHOLE)}}},
            },
            "https://x.com/pet",
        ),
    ],
)
def test_references_by_name_anchor_and_id_are_followed(document: dict[str, Any], ref: str) -> None:
    node = {"$ref": ref}
    answer = {"description": "", "schema": node, "content": {"application/json": {"schema": node}}}
    paths = {"/pets/{id}": {"get": {"responses": {"200": answer}}}}
    shape = read(json.dumps({"info": {"title": "T"}, "paths": paths, **document})).source_shape(
        "GET /pets/{id}"
    )
    assert (shape.id_field, list(shape.record_schema["properties"])) == ("id", ["id"])


def test_default_is_what_errors_look_like_where_a_success_is_described() -> None:
    problem = {
        "description": "error",
        "content": {"application/json": {"schema": obj(id=TEXT, message=TEXT)}},
    }
    body = {"content": {"application/json": {"schema": obj(email=TEXT)}}}
    created = {"responses": {"201": {"description": "made"}, "default": problem}, "requestBody": body}
    assert make_document({"/contacts": {"post": created}}).dest_shape("POST /contacts").id_at is None


def test_a_choice_between_an_object_and_a_nullable_nothing_is_that_object() -> None:
    schemas = {"Manager": obj(id=TEXT, name=TEXT)}
    manager = {"anyOf": [{"$ref": "#/components/schemas/Manager"}, {"type": "object", "nullable": True}]}
    document = make_document({"/users": get(many(id=TEXT, manager=manager))}, components={"schemas": schemas})
    found = document.source_shape("GET /users").record_schema["properties"]["manager"]
    assert (found["type"], list(found["properties"])) == (["object", "null"], ["id", "name"])


def test_a_path_without_its_slash_is_read_and_noted() -> None:
    spec = make_document({"things": THINGS}).spec
    assert ([e.key for e in spec.endpoints], [w.code for w in spec.warnings]) == (
        ["GET /things"],
        ["odd_path"],
    )


def test_limits_are_read_from_headers_and_announced_where_they_name_no_number() -> None:
    said = {"description": "Current limits are 5000 requests per hour and 250 requests per minute."}
    paths = {"/a": get(many(id=TEXT)), "/b": get(many(id=TEXT))}
    paths["/a"]["get"]["responses"]["200"]["headers"] = {"ratelimit-limit": said}
    paths["/b"]["get"]["responses"]["200"]["headers"] = {"X-Rate-Limit": {"description": "calls per hour"}}
    spec = make_document(paths).spec
    limits = {e.path: e.rate_limit for e in spec.endpoints}
    assert limits["/b"] is None
    assert limits["/a"] is not None
    assert (limits["/a"].requests, limits["/a"].per_seconds) == (5000, 3600)
    assert [g.value for g in spec.guesses if g.about == "rate_limit.header"] == ["ratelimit-limit"]


def test_required_at_the_property_itself_counts() -> None:
    contact = obj(email={**TEXT, "required": True}, phone={**TEXT, "required": False})
    body = {"content": {"application/json": {"schema": contact}}}
    document = make_document({"/contacts": {"post": {"requestBody": body, "responses": {}}}})
    assert document.dest_shape("POST /contacts").request_schema["required"] == ["email"]


@pytest.mark.parametrize(
    "ref", ["#/paths/~1a%20b~1%7Bid%7D", "#/paths/~1a%2520b~1{id}", "#/paths/~1a%20b~1{id}"]
)
def test_a_path_that_holds_percent_signs_is_found(ref: str) -> None:
    spec = make_document({"/a%20b/{id}": get(obj(id=TEXT)), "/c/{id}": {"$ref": ref}}).spec
    assert ([e.path for e in spec.endpoints], spec.warnings) == (["/a%20b/{id}", "/c/{id}"], [])
