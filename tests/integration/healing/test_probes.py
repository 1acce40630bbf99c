"""Live questions to real servers: what they see, what they never send, what they never keep."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
from aiohttp import web

from vitesse_graph.demo.people import make_customers
from vitesse_graph.demo.shopify_like import load_document
from vitesse_graph.demo.stands import Stands, run_stands
from vitesse_graph.healing import Credential, Probe, Target, diagnose, plan_probes, probe, profile_records
from vitesse_graph.http import AddressPolicy, guarded_httpx
from vitesse_graph.mapping import map_fields
from vitesse_graph.settings import Settings
from vitesse_graph.specs import SpecDocument
from vitesse_graph.state.api_spec import Pagination
from vitesse_graph.state.definition import Call, DestSide, IntegrationDefinition, SourceSide
from vitesse_graph.state.health import DriftItem, HealthReport

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOP = SpecDocument(load_document("shopify_like.json"), spec_format="openapi-3.0.3")
CRM = SpecDocument(load_document("credo_like.json"), spec_format="openapi-3.1.0")
SCHEMA = SHOP.source_shape("GET /customers.json").record_schema
MAPPING = map_fields(SCHEMA, CRM.dest_shape("POST /contacts").request_schema)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Stands]:
    async with run_stands() as stands:
        yield stands


@pytest_asyncio.fixture(loop_scope="module")
async def stands(running: Stands) -> Stands:
    await running.reset()
    await running.rotate_shopify_token(running.shopify_token)
    return running


def definition(source_url: str, dest_url: str, path: str = "/customers.json") -> IntegrationDefinition:
    return IntegrationDefinition(
        integration_id="i",
        source=SourceSide(
            api_name="Shop",
            base_url=source_url,
            read=Call(method="GET", path=path),
            pagination=Pagination(page_size_param="limit", max_page_size=250, items_at="customers"),
        ),
        dest=DestSide(api_name="Crm", base_url=dest_url, create=Call(method="POST", path="/contacts")),
        mapping=MAPPING,
    )


def credentials(stands: Stands) -> dict[Any, Credential]:
    return {
        "source": Credential(headers={"X-Shopify-Access-Token": stands.shopify_token}),
        "dest": Credential(headers={"X-API-Key": stands.credo_api_key}),
    }


async def ask(
    stands: Stands, made: IntegrationDefinition | None = None, timeout_seconds: float = 5.0, **words: Any
) -> list[Probe]:
    made = made or definition(stands.shopify_url, stands.credo_url)
    words.setdefault("credentials", credentials(stands))
    targets = plan_probes(made, source_schema=SCHEMA, **words)
    async with httpx.AsyncClient() as client:
        return await probe(client, targets, timeout_seconds=timeout_seconds)


async def test_two_apis_in_order_are_seen_as_well(stands: Stands) -> None:
    probes = await ask(stands, profile=profile_records(make_customers(100)))
    assert [(p.side, p.status, p.is_well) for p in probes] == [("source", 200, True), ("dest", 200, True)]
    assert probes[0].records == 25
    assert probes[0].drift == []
    assert probes[0].shifts == []
    assert diagnose(HealthReport(success_rate=1.0), probes=probes).cause == "unknown"


async def test_a_renamed_field_is_seen_in_the_answer_before_the_document_says_so(stands: Stands) -> None:
    await stands.drift(rename={"email": "email_address"}, drop=["tags"])
    probes = await ask(stands)
    assert {(i.kind, i.path, i.new_path) for i in probes[0].drift} == {
        ("field_renamed", "email", "email_address"),
        ("field_removed", "tags", None),
    }
    diagnosis = diagnose(HealthReport(success_rate=0.0), probes=probes, mapping=MAPPING)
    assert diagnosis.cause == "source_schema_changed"
    assert diagnosis.findings[0].hint["renamed_to"] == "email_address"


async def test_a_revoked_token_is_seen(stands: Stands) -> None:
    await stands.rotate_shopify_token("another")
    probes = await ask(stands)
    assert probes[0].status == 401
    assert "invalid_token" in probes[0].signals
    diagnosis = diagnose(HealthReport(success_rate=0.0), probes=probes)
    assert (diagnosis.cause, diagnosis.side) == ("auth_expired", "source")


async def test_a_full_bucket_is_seen(stands: Stands) -> None:
    headers = {"X-Shopify-Access-Token": stands.shopify_token}
    async with httpx.AsyncClient(headers=headers) as client:
        async with asyncio.TaskGroup() as group:
            for _ in range(60):
                group.create_task(client.get(f"{stands.shopify_url}/shop.json"))
        targets = plan_probes(
            definition(stands.shopify_url, stands.credo_url), credentials=credentials(stands)
        )
        for _ in range(45):
            await client.get(f"{stands.shopify_url}/shop.json")
        probes = await probe(client, targets)
    if probes[0].status == 429:
        assert probes[0].retry_after_seconds is not None
        assert diagnose(HealthReport(), probes=probes).cause == "rate_limit_lowered"


async def test_a_server_that_is_gone_is_an_outage_and_an_unknown_name_is_told_apart(stands: Stands) -> None:
    async with listening({}) as (url, _):
        gone = url
    (refused, _) = await ask(stands, definition(gone, stands.credo_url))
    assert (refused.status, refused.fault) == (None, "refused")
    assert diagnose(HealthReport(), probes=[refused]).cause == "outage"
    (unknown, _) = await ask(stands, definition("http://no-such-name.invalid", stands.credo_url))
    assert unknown.fault == "dns"


class Log:
    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []


@asynccontextmanager
async def listening(answers: dict[str, Any]) -> AsyncIterator[tuple[str, Log]]:
    """A server with one answer per path: (status, headers, body), or seconds to wait first."""
    log = Log()

    async def handle(request: web.Request) -> web.Response:
        log.seen.append((request.path, dict(request.headers)))
        answer = answers.get(request.path, (404, {}, "{}"))
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            answer = (200, {}, '{"customers": []}')
        status, headers, body = answer
        return web.Response(status=status, headers=headers, text=body)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", log
    finally:
        await runner.cleanup()


async def test_a_redirect_is_not_followed_and_says_what_to_switch_to(stands: Stands) -> None:
    answers = {"/customers.json": (301, {"Location": "/v7/customers.json"}, "")}
    async with listening(answers) as (url, _):
        (moved, _) = await ask(stands, definition(url, stands.credo_url))
    assert moved.switch_to == {"endpoint": "GET /v7/customers.json"} or moved.switch_to == {
        "base_url": f"{url}/v7"
    }
    assert diagnose(HealthReport(), probes=[moved]).cause == "endpoint_moved"


async def test_the_next_version_of_a_path_that_is_gone_is_found(stands: Stands) -> None:
    answers = {"/v2/customers.json": (200, {}, '{"customers": []}')}
    async with listening(answers) as (url, _):
        probes = await ask(stands, definition(url, stands.credo_url, path="/v1/customers.json"))
    diagnosis = diagnose(HealthReport(), probes=probes)
    assert (diagnosis.cause, diagnosis.detail["endpoint"]) == ("endpoint_moved", "GET /v2/customers.json")


async def test_a_credential_goes_to_no_other_origin(stands: Stands) -> None:
    async with listening({"/customers.json": (401, {}, "{}")}) as (other, log):
        item = DriftItem(
            kind="base_url_changed", side="source", severity="risky", path=stands.shopify_url, new_path=other
        )
        probes = await ask(stands, drift=[item])
    (seen,) = log.seen
    assert stands.shopify_token not in str(seen)
    assert [p.is_alive for p in probes if p.kind == "alternative"] == [True]


async def test_slowness_and_silence_are_told_apart(stands: Stands) -> None:
    async with listening({"/customers.json": 2.2}) as (url, _):
        (slow, _) = await ask(stands, definition(url, stands.credo_url))
    async with listening({"/customers.json": 1.5}) as (url, _):
        (silent, _) = await ask(stands, definition(url, stands.credo_url), timeout_seconds=0.5)
    assert slow.is_well
    assert slow.seconds > 2
    assert silent.fault == "timeout"


@pytest.mark.parametrize(
    ("status", "body", "signal"),
    [
        (401, '{"error": "The access token expired"}', "expired"),
        (401, '{"error": "This token was revoked"}', "revoked"),
        (403, '{"message": "Missing scope: read_customers"}', "scope"),
        (503, "Down for maintenance", "maintenance"),
        (400, '{"error": "API version 2023-01 is no longer supported"}', "version"),
    ],
)
async def test_the_words_of_an_error_are_read(stands: Stands, status: int, body: str, signal: str) -> None:
    async with listening({"/customers.json": (status, {}, body)}) as (url, _):
        (refused, _) = await ask(stands, definition(url, stands.credo_url))
    assert signal in refused.signals


@pytest.mark.parametrize("body", ["<html>log in</html>", '{"people": []}', '{"customers": 3}'])
async def test_an_answer_without_records_is_noticed(stands: Stands, body: str) -> None:
    async with listening({"/customers.json": (200, {}, body)}) as (url, _):
        (read, _) = await ask(stands, definition(url, stands.credo_url))
    assert {"not_json", "no_records"} & set(read.signals)


async def test_a_probe_keeps_no_credential_no_query_and_no_record(stands: Stands) -> None:
    secret = "s3cret-canary"
    given = {
        "source": Credential(headers={"X-Shopify-Access-Token": secret}, query={"api_key": secret}),
        "dest": Credential(headers={"X-API-Key": stands.credo_api_key}),
    }
    probes = await ask(stands, credentials=given)
    targets = plan_probes(definition(stands.shopify_url, stands.credo_url), credentials=given)  # type: ignore[arg-type]
    assert secret not in "".join(p.model_dump_json() for p in probes) + repr(targets) + repr(given)
    good = await ask(stands)
    kept = good[0].model_dump_json()
    # a profile knows that addresses look like `a@a.a`, and none of them
    customers = make_customers(25)
    assert not any(str(value) in kept for one in customers for value in (one["email"], one["first_name"]))


async def test_what_the_guard_forbids_is_our_fault_and_not_an_outage(stands: Stands, tmp_path: Any) -> None:
    settings = Settings(data_dir=tmp_path, allow_loopback=False, _env_file=None)  # type: ignore[call-arg]
    target = Target(side="source", kind="read", method="GET", url=f"{stands.shopify_url}/customers.json")
    async with guarded_httpx(AddressPolicy.from_settings(settings)) as client:
        (refused,) = await probe(client, [target])
    assert refused.fault == "forbidden_address"
    assert diagnose(HealthReport(), probes=[refused]).cause == "own_fault"
