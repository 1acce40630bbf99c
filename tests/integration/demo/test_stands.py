"""The two stand-in servers behave as their own documents say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import jsonschema_rs
import pytest
import pytest_asyncio

from vitesse_graph.demo.people import make_customers
from vitesse_graph.demo.shopify_like import LeakyBucket
from vitesse_graph.demo.stands import Stands, run_stands
from vitesse_graph.errors import UpstreamError


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Stands]:
    async with run_stands() as stands:
        yield stands


@pytest_asyncio.fixture(loop_scope="module")
async def stands(running: Stands) -> Stands:
    await running.reset()
    return running


pytestmark = pytest.mark.asyncio(loop_scope="module")


def shop_session(stands: Stands) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers={"X-Shopify-Access-Token": stands.shopify_token})


def crm_session(stands: Stands) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers={"X-API-Key": stands.credo_api_key})


async def read_all(session: aiohttp.ClientSession, url: str) -> list[dict[str, object]]:
    records: list[dict[str, object]] = []
    next_url: str | None = url
    while next_url:
        async with session.get(next_url) as response:
            assert response.status == 200, await response.text()
            records += (await response.json())["customers"]
            link = response.links.get("next")
            next_url = str(link["url"]) if link else None
    return records


async def test_the_link_header_leads_through_every_customer_once(stands: Stands) -> None:
    async with shop_session(stands) as session:
        records = await read_all(session, f"{stands.shopify_url}/customers.json?limit=250")
    assert len(records) == 1_247
    assert len({record["id"] for record in records}) == 1_247
    assert len({record["email"] for record in records}) == 1_247
    assert records == make_customers(), "the data is the same every time"


async def test_customers_are_of_many_countries_and_not_all_complete() -> None:
    customers = make_customers()
    assert sum(1 for customer in customers if customer["phone"] is None) > 100
    assert any(not str(customer["first_name"]).isascii() for customer in customers)
    assert any(customer["tags"] == [] for customer in customers)


async def test_records_fit_the_document_before_and_after_drift(stands: Stands) -> None:
    async with shop_session(stands) as session:
        for _ in range(2):
            async with session.get(stands.shopify_spec_url) as response:
                document = await response.json()
            schema = {
                "$ref": "#/components/schemas/Customer",
                "components": document["components"],
            }
            validator = jsonschema_rs.Draft4Validator(_without_nullable(schema))
            async with session.get(f"{stands.shopify_url}/customers.json?limit=250") as response:
                records = (await response.json())["customers"]
            properties = document["components"]["schemas"]["Customer"]["properties"]
            for record in records:
                validator.validate(record)
                assert set(record) == set(properties)
            await stands.drift(rename={"email": "email_address"}, drop=["tags"])


def _without_nullable(node: object) -> object:
    """OpenAPI 3.0's `nullable` as the null type that JSON Schema has."""
    if isinstance(node, list):
        return [_without_nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _without_nullable(value) for key, value in node.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain


async def test_drift_changes_data_and_document_together(stands: Stands) -> None:
    async with shop_session(stands) as session:
        async with session.get(stands.shopify_spec_url) as response:
            before, etag = await response.json(), response.headers["ETag"]
        async with session.get(stands.shopify_spec_url, headers={"If-None-Match": etag}) as response:
            assert response.status == 304
        version = await stands.drift(rename={"email": "email_address"}, drop=["tags"])
        async with session.get(stands.shopify_spec_url, headers={"If-None-Match": etag}) as response:
            assert response.status == 200
            after = await response.json()
        async with session.get(f"{stands.shopify_url}/customers.json?limit=1") as response:
            record = (await response.json())["customers"][0]
    assert (before["info"]["version"], after["info"]["version"]) == ("2025-10", "2026-01")
    assert version == "2026-01"
    customer = after["components"]["schemas"]["Customer"]
    assert "email_address" in customer["properties"]
    assert "email_address" in customer["required"]
    assert not {"email", "tags"} & (set(customer["properties"]) | set(customer["required"]) | set(record))
    assert record["email_address"]


async def test_drift_of_a_field_that_is_not_there_is_refused(stands: Stands) -> None:
    with pytest.raises(UpstreamError, match="no such field of a customer: e_mail"):
        await stands.drift(rename={"e_mail": "x"})


async def test_only_what_changed_since_is_listed(stands: Stands) -> None:
    await stands.touch(7)
    async with shop_session(stands) as session:
        url = f"{stands.shopify_url}/customers.json?limit=3&updated_at_min=2026-01-01T00:00:00Z"
        assert len(await read_all(session, url)) == 7


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("limit=251", "limit must be"),
        ("page_info=rubbish", "not a cursor"),
        ("updated_at_min=yesterday", "not an ISO 8601"),
        ("page_info=abc&updated_at_min=2026-01-01", "cannot be sent together"),
    ],
)
async def test_a_bad_query_is_refused_in_words(stands: Stands, query: str, complaint: str) -> None:
    async with (
        shop_session(stands) as session,
        session.get(f"{stands.shopify_url}/customers.json?{query}") as response,
    ):
        assert response.status == 400
        assert complaint in (await response.json())["errors"]


async def test_a_full_bucket_answers_429_with_the_seconds_to_wait(stands: Stands) -> None:
    async with shop_session(stands) as session:

        async def one() -> tuple[int, str | None]:
            async with session.get(f"{stands.shopify_url}/shop.json") as response:
                assert "/40" in response.headers["X-Shopify-Shop-Api-Call-Limit"]
                return response.status, response.headers.get("Retry-After")

        answers = await asyncio.gather(*(one() for _ in range(120)))
        waits = [float(wait) for status, wait in answers if status == 429 and wait]
        assert waits
        await asyncio.sleep(max(waits))
        assert (await one())[0] == 200


async def test_the_bucket_drains_with_time() -> None:
    now = 0.0
    bucket = LeakyBucket(size=2, leak_per_second=1, clock=lambda: now)
    assert [bucket.take(), bucket.take(), bucket.take()] == [None, None, 1.0]
    now = 1.0
    assert bucket.take() is None


async def test_wrong_credentials_are_refused_by_both(stands: Stands) -> None:
    async with aiohttp.ClientSession() as session:
        for url in (f"{stands.shopify_url}/customers.json", f"{stands.credo_url}/contacts"):
            async with session.get(url, headers={"X-API-Key": "no"}) as response:
                assert response.status == 401
    await stands.rotate_shopify_token("another")
    try:
        async with (
            shop_session(stands) as session,
            session.get(f"{stands.shopify_url}/shop.json") as response,
        ):
            assert response.status == 401
    finally:
        await stands.rotate_shopify_token(stands.shopify_token)


async def test_a_contact_is_created_found_updated_and_deleted(stands: Stands) -> None:
    async with crm_session(stands) as session:
        contact = {"email": "Ada@example.com", "lifetime_value": 0.07, "segments": ["vip"]}
        async with session.post(f"{stands.credo_url}/contacts", json=contact) as response:
            assert response.status == 201
            created = await response.json()
        async with session.get(f"{stands.credo_url}/contacts?email=ada@EXAMPLE.com") as response:
            assert [found["id"] for found in (await response.json())["data"]] == [created["id"]]
        url = f"{stands.credo_url}/contacts/{created['id']}"
        async with session.put(url, json={"email": "ada@example.org"}) as response:
            updated = await response.json()
            assert (updated["email"], updated["segments"]) == ("ada@example.org", ["vip"])
        async with session.put(url, json={"email": "ada@example.org", "segments": []}) as response:
            assert (await response.json())["segments"] == []
        async with session.delete(url) as response:
            assert response.status == 204
        async with session.get(url) as response:
            assert response.status == 404
    stats = await stands.stats()
    assert (stats["creates"], stats["updates"], stats["deletes"], stats["contacts"]) == (1, 2, 1, 0)


async def test_an_email_belongs_to_one_contact_only(stands: Stands) -> None:
    async with crm_session(stands) as session:
        for status in (201, 409):
            async with session.post(
                f"{stands.credo_url}/contacts", json={"email": "a@example.com"}
            ) as response:
                assert response.status == status
    stats = await stands.stats()
    assert (stats["creates"], stats["doubles"], stats["contacts"]) == (1, 1, 1)


async def test_the_same_idempotency_key_writes_once(stands: Stands) -> None:
    async with crm_session(stands) as session:
        ids = []
        for _ in range(2):
            async with session.post(
                f"{stands.credo_url}/contacts",
                json={"email": "b@example.com"},
                headers={"Idempotency-Key": "k-1"},
            ) as response:
                assert response.status == 201
                ids.append((await response.json())["id"])
    assert ids[0] == ids[1]
    assert (await stands.stats())["contacts"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "email"),
        ({"email": "not an address"}, "email"),
        ({"email": "a@example.com", "tags": []}, "tags"),
        ({"email": "a@example.com", "lifetime_value": 1.005}, "lifetime_value"),
        ({"email": "a@example.com", "lifetime_value": "12.50"}, "lifetime_value"),
        ({"email": "a@example.com", "created_date": "2024-03-17T09:26:53Z"}, "created_date"),
        ({"email": "a@example.com", "segments": "vip"}, "segments"),
        ({"email": "a@example.com", "id": "con_000001"}, "id"),
    ],
)
async def test_a_bad_contact_is_refused_naming_the_field(
    stands: Stands, body: dict[str, object], field: str
) -> None:
    async with (
        crm_session(stands) as session,
        session.post(f"{stands.credo_url}/contacts", json=body) as response,
    ):
        assert response.status == 422
        assert field in {fault["field"] for fault in (await response.json())["fields"]}


async def test_contacts_are_taken_at_hundreds_a_second(stands: Stands) -> None:
    """A floor far under the usual figure: the demo must not wait for its own stand-in."""
    async with crm_session(stands) as session:
        started = time.monotonic()

        async def create(number: int) -> int:
            async with session.post(
                f"{stands.credo_url}/contacts", json={"email": f"c{number}@example.com"}
            ) as response:
                return response.status

        statuses = await asyncio.gather(*(create(number) for number in range(500)))
        seconds = time.monotonic() - started
    assert set(statuses) == {201}
    assert seconds < 5


async def test_a_port_that_is_taken_is_said_in_one_line(stands: Stands) -> None:
    taken = int(stands.credo_url.rsplit(":", 1)[1])
    with pytest.raises(UpstreamError, match="did not start"):
        async with run_stands(port_b=taken):
            pass
