"""The sandbox in-process: state, contract, credentials, pages, filters."""

from __future__ import annotations

from typing import Any

import pytest
from small_api import (
    CURSOR,
    CUSTOMER,
    NEW_CUSTOMER,
    SmallApi,
    answer,
    customers,
    json_body,
    list_schema,
    operation,
)

from vitesse_graph.errors import NotFoundError
from vitesse_graph.guardian import AppTarget, Call
from vitesse_graph.sandbox import Sandbox, create_sandbox
from vitesse_graph.state.api_spec import AuthHeader, AuthScheme, DestShape, Incremental, MediaType, Pagination
from vitesse_graph.synthetic import Contract

BEARER = AuthScheme(type="bearer", headers=[AuthHeader(name="Authorization", prefix="Bearer ")])


async def ask(
    app: Sandbox, method: str, path: str, *, query: dict[str, str] | None = None, body: Any = None, kind: str = "application/json",
    auth: AuthScheme = BEARER,
) -> tuple[int | None, Any]:  # fmt: skip
    found = await AppTarget(app, auth).call(
        Call(method, path, query=query or {}, body=body, content_type=kind)
    )
    return found.status, found.value()


async def test_what_is_posted_can_be_read_changed_listed_and_deleted() -> None:
    app = create_sandbox(SmallApi(customers()), records=3)
    status, made = await ask(
        app, "POST", "/customers", body={"email": "a@b.example", "address": {"city": "Gdańsk"}}
    )
    assert status == 201
    path = f"/customers/{made['id']}"
    assert (await ask(app, "GET", path))[1] == made
    _, changed = await ask(app, "PATCH", path, body={"name": "Ann"})
    assert (changed["name"], changed["email"], changed["id"]) == ("Ann", "a@b.example", made["id"])
    assert changed["updated_at"] > made["updated_at"]
    assert made["id"] in [r["id"] for r in (await ask(app, "GET", "/customers"))[1]["data"]]
    assert (await ask(app, "DELETE", path))[0] == 204
    assert (await ask(app, "GET", path))[0] == 404


async def test_what_nobody_declares_may_be_dropped_without_a_word() -> None:
    sent = {"email": "a@b.example", "mail": "a@b.example", "address": {"city": "Bonn", "town": "Bonn"}}
    takes_all = json_body({**NEW_CUSTOMER, "additionalProperties": True})
    for keeps in (True, False):
        app = create_sandbox(SmallApi(customers(bodies=[takes_all])), records=0)
        app.effects.keeps_unknown = keeps
        status, made = await ask(app, "POST", "/customers", body=sent)
        assert (status, made["email"], made["address"]["city"]) == (201, "a@b.example", "Bonn")
        assert ("mail" in made, "town" in made["address"]) == (keeps, keeps)


async def test_a_created_record_invents_nothing_that_was_not_sent() -> None:
    app = create_sandbox(SmallApi(customers()))
    _, made = await ask(app, "POST", "/customers", body={"email": "a@b.example"})
    assert set(made) == {"id", "email", "created_at", "updated_at"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "no email"},
        {"email": "a@b.example", "status": "gone"},
        {"email": "a@b.example", "unknown": 1},
        [1],
    ],
)
async def test_a_body_that_breaks_the_contract_is_refused_in_the_declared_shape(body: Any) -> None:
    app = create_sandbox(SmallApi(customers()), records=0)
    status, error = await ask(app, "POST", "/customers", body=body)
    assert status == 400
    assert set(error) == {"code", "message"}
    assert app.records("POST /customers") == []


async def test_the_error_names_the_field() -> None:
    app = create_sandbox(SmallApi(customers()))
    _, error = await ask(app, "POST", "/customers", body={"name": "Ann"})
    assert "email" in error["message"]


async def test_parameters_are_checked_like_bodies() -> None:
    app = create_sandbox(SmallApi(customers()))
    assert (await ask(app, "GET", "/customers", query={"limit": "5"}))[0] == 200
    assert (await ask(app, "GET", "/customers", query={"limit": "many"}))[0] == 400
    assert (await ask(app, "GET", "/customers", query={"limit": "1000"}))[0] == 400


async def test_unknown_paths_methods_and_content_types_are_told_apart() -> None:
    app = create_sandbox(SmallApi(customers()))
    assert (await ask(app, "GET", "/nothing"))[0] == 404
    assert (await ask(app, "PUT", "/customers"))[0] == 405
    assert (await ask(app, "POST", "/customers", body={"email": "a@b.example"}, kind="text/plain"))[0] == 400


async def test_a_path_is_served_with_and_without_the_path_of_the_base_url() -> None:
    app = create_sandbox(SmallApi(customers(), base_url="https://api.example.com/v1"))
    assert (await ask(app, "GET", "/customers"))[0] == 200
    assert (await ask(app, "GET", "/v1/customers"))[0] == 200


@pytest.mark.parametrize(
    "scheme",
    [
        BEARER,
        AuthScheme(type="basic"),
        AuthScheme(type="oauth2"),
        AuthScheme(type="api_key", headers=[AuthHeader(name="X-Key"), AuthHeader(name="X-Secret")]),
        AuthScheme(type="api_key", headers=[AuthHeader(name="key", location="query")]),
        AuthScheme(type="api_key", headers=[AuthHeader(name="session", location="cookie")]),
    ],
)
async def test_a_credential_of_the_declared_kind_opens_and_none_does_not(scheme: AuthScheme) -> None:
    app = create_sandbox(SmallApi(customers(), auth=scheme))
    assert (await ask(app, "GET", "/customers", auth=scheme))[0] == 200
    assert (await ask(app, "GET", "/customers", auth=AuthScheme()))[0] == 401
    open_app = create_sandbox(SmallApi(customers(), auth=scheme), require_auth=False)
    assert (await ask(open_app, "GET", "/customers", auth=AuthScheme()))[0] == 200


async def test_half_of_two_headers_is_no_credential() -> None:
    both = AuthScheme(type="api_key", headers=[AuthHeader(name="X-Key"), AuthHeader(name="X-Secret")])
    app = create_sandbox(SmallApi(customers(), auth=both))
    half = AuthScheme(type="api_key", headers=[AuthHeader(name="X-Key")])
    assert (await ask(app, "GET", "/customers", auth=half))[0] == 401


PAGES = {
    "cursor": CURSOR,
    "offset": Pagination(style="offset", params=["offset"], page_size_param="limit", total_from="total", items_at="data"),
    "page": Pagination(style="page", params=["page"], page_size_param="limit", total_from="total", items_at="data"),
    "page from 0": Pagination(style="page", params=["page"], page_size_param="limit", first_page=0, items_at="data"),
    "last item": Pagination(
        style="cursor", params=["starting_after"], page_size_param="limit", next_from="last_item:id",
        has_more_from="has_more", items_at="data",
    ),
    "url": Pagination(
        style="cursor", params=["cursor"], page_size_param="limit", next_from="paging.next", next_is_url=True, items_at="data",
    ),
    "link": Pagination(style="link_header", params=["page"], page_size_param="limit", next_from="header:Link", items_at="data"),
}  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
async def test_every_style_of_paging_shows_each_record_once(name: str) -> None:
    from vitesse_graph.guardian.reading import read_source

    api = SmallApi(customers(pagination=PAGES[name]))
    app = create_sandbox(api, records=23)
    target, shape = AppTarget(app, BEARER), api.source_shape("GET /customers")
    pages = [page async for page in read_source(shape, Call("GET", "/customers"), target.call, 40)]
    ids = [record["id"] for page in pages for record in page]
    assert len(ids) == len(set(ids)) == 23
    assert len(pages) == 3


async def test_a_list_whose_answer_is_the_array_itself_is_paged_by_link() -> None:
    link = Pagination(
        style="link_header", params=["page"], page_size_param="limit", next_from="header:Link", items_at=""
    )
    app = create_sandbox(
        SmallApi(customers(pagination=link, success={"type": "array", "items": CUSTOMER})), records=5
    )
    found = await AppTarget(app, BEARER).call(Call("GET", "/customers", query={"limit": "2"}))
    assert len(found.value()) == 2
    assert 'rel="next"' in found.headers["link"]


async def test_positions_and_sizes_in_a_body_are_understood() -> None:
    paging = Pagination(
        style="offset", params=["options.offset"], params_in="body", page_size_param="options.count", total_from="total",
        items_at="data",
    )  # fmt: skip
    body = {"type": "object", "properties": {"options": {"type": "object"}}}
    search = operation(
        "POST",
        "/customers/get",
        "list",
        success=answer("200", list_schema()),
        pagination=paging,
        body=[json_body(body)],
    )
    app = create_sandbox(SmallApi([search]), records=9)
    _, first = await ask(app, "POST", "/customers/get", body={"options": {"count": 4, "offset": 0}})
    _, last = await ask(app, "POST", "/customers/get", body={"options": {"count": 4, "offset": 8}})
    assert (len(first["data"]), len(last["data"]), first["total"]) == (4, 1, 9)


async def test_a_cursor_that_was_never_given_out_is_refused() -> None:
    app = create_sandbox(SmallApi(customers()))
    assert (await ask(app, "GET", "/customers", query={"after": "garbage!"}))[0] == 400


async def test_a_record_is_found_by_its_natural_key_whatever_the_case() -> None:
    app = create_sandbox(SmallApi(customers()), records=30)
    await ask(app, "POST", "/customers", body={"email": "find.me@example.com"})
    _, found = await ask(app, "GET", "/customers", query={"email": "Find.Me@example.com"})
    assert [r["email"] for r in found["data"]] == ["find.me@example.com"]
    assert (await ask(app, "GET", "/customers", query={"email": "nobody@example.com"}))[1]["data"] == []


async def test_since_a_moment_only_later_records_are_listed() -> None:
    api = SmallApi(customers(), incremental=Incremental(param="updated_since", field="updated_at"))
    app = create_sandbox(api, records=10)
    _, made = await ask(app, "POST", "/customers", body={"email": "new@example.com"})
    _, found = await ask(app, "GET", "/customers", query={"updated_since": made["updated_at"]})
    assert [r["id"] for r in found["data"]] == [made["id"]]


async def test_forms_with_brackets_become_nested_records() -> None:
    form = MediaType(content_type="application/x-www-form-urlencoded", json_schema=NEW_CUSTOMER)
    app = create_sandbox(SmallApi(customers(bodies=[form])), records=0)
    body = {
        "email": "a@b.example",
        "balance": -250,
        "address": {"line1": "1 High St", "city": "Łódź"},
        "tags": ["x", "y"],
    }
    status, _ = await ask(app, "POST", "/customers", body=body, kind="application/x-www-form-urlencoded")
    assert status == 201
    (stored,) = app.records("GET /customers")
    assert {key: stored[key] for key in body} == body


def enveloped() -> SmallApi:
    many = {
        "type": "object",
        "properties": {"Contacts": {"type": "array", "items": CUSTOMER}},
        "required": ["Contacts"],
    }
    sent = {
        "type": "object",
        "properties": {"Contacts": {"type": "array", "items": NEW_CUSTOMER}},
        "required": ["Contacts"],
    }
    paging = Pagination(style="page", params=["page"], page_size_param="pageSize", items_at="Contacts")
    listing = operation(
        "GET", "/Contacts", "list", success=answer("200", many), resource="contact", pagination=paging
    )
    create = operation(
        "PUT", "/Contacts", "create", success=answer("200", many), resource="contact", body=[json_body(sent)]
    )
    shape = DestShape(
        endpoint=create.endpoint,
        request_schema=sent,
        envelope="Contacts[]",
        id_at="Contacts[0].id",
        batch_size=50,
    )
    return SmallApi([listing, create], dest_shapes={"PUT /Contacts": shape})


async def test_several_records_in_one_envelope_are_stored_each() -> None:
    app = create_sandbox(enveloped(), records=0)
    status, made = await ask(
        app, "PUT", "/Contacts", body={"Contacts": [{"email": "a@b.example"}, {"email": "c@d.example"}]}
    )
    assert status == 200
    assert [r["email"] for r in made["Contacts"]] == ["a@b.example", "c@d.example"]
    assert len({r["id"] for r in made["Contacts"]}) == 2
    assert len(app.records("GET /Contacts")) == 2


async def test_records_given_by_endpoint_are_listed_instead_of_made_ones() -> None:
    given = [
        {
            "id": "1",
            "email": "x@y.example",
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
        }
    ]
    app = create_sandbox(SmallApi(customers()), seed_records={"GET /customers": given})
    assert (await ask(app, "GET", "/customers"))[1]["data"] == given
    assert (await ask(app, "GET", "/customers/1"))[1] == given[0]


def test_records_for_an_endpoint_that_does_not_exist_are_refused() -> None:
    with pytest.raises(NotFoundError, match="GET /nothing"):
        create_sandbox(SmallApi(customers()), seed_records={"GET /nothing": []})


async def test_the_same_seed_gives_the_same_answers() -> None:
    pages = [await ask(create_sandbox(SmallApi(customers()), seed=4), "GET", "/customers") for _ in range(2)]
    other = await ask(create_sandbox(SmallApi(customers()), seed=5), "GET", "/customers")
    assert pages[0] == pages[1] != other


async def test_each_scope_has_records_of_its_own() -> None:
    listing = operation(
        "GET", "/shops/{shopId}/customers", "list", success=answer("200", list_schema()), pagination=CURSOR
    )
    create = operation(
        "POST",
        "/shops/{shopId}/customers",
        "create",
        success=answer("201", CUSTOMER),
        body=[json_body(NEW_CUSTOMER)],
    )
    app = create_sandbox(SmallApi([listing, create]), records=2)
    await ask(app, "POST", "/shops/1/customers", body={"email": "one@example.com"})
    first = (await ask(app, "GET", "/shops/1/customers"))[1]["data"]
    second = (await ask(app, "GET", "/shops/2/customers"))[1]["data"]
    assert (len(first), len(second)) == (3, 2)


async def test_answers_keep_the_contract_also_after_odd_writes() -> None:
    app = create_sandbox(SmallApi(customers()), records=5)
    await ask(app, "POST", "/customers", body={"email": "a@b.example", "name": None, "tags": []})
    _, listed = await ask(app, "GET", "/customers", query={"limit": "100"})
    assert Contract(list_schema(), "response").problems(listed) == []


async def test_requests_and_records_are_counted() -> None:
    app = create_sandbox(SmallApi(customers()), records=4)
    await ask(app, "GET", "/customers")
    await ask(app, "GET", "/nothing")
    counted = app.statistics()
    assert counted["requests"] == 2
    assert counted["by_operation"]["GET /customers"] == 1
    assert counted["records"] == {"/customers": 4}
