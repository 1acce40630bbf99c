"""Renewing a credential on purpose: a real token endpoint, a real API, and only definite answers count."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.integration.runtime.apis import Apis, person
from tests.integration.runtime.definitions import definition
from tests.integration.runtime.test_auth import TokenServer
from vitesse_graph.http import AddressPolicy
from vitesse_graph.runtime.connect import current_credentials
from vitesse_graph.runtime.reauth import refresh_auth
from vitesse_graph.runtime.secrets import Redactor
from vitesse_graph.runtime.store import Store
from vitesse_graph.state.api_spec import AuthHeader, AuthScheme
from vitesse_graph.state.definition import AuthRefresh, IntegrationDefinition


@pytest.fixture
async def endpoint() -> AsyncIterator[tuple[TokenServer, str]]:
    server = TokenServer()
    app = web.Application()
    app.router.add_post("/token", server.handle)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield server, f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    await runner.cleanup()


@pytest.fixture
def granted(
    endpoint: tuple[TokenServer, str], apis: Apis, name: str, tmp_path: Path
) -> IntegrationDefinition:
    """The source wants a bearer token, of which the endpoint gives the next one each time."""
    apis.people = [person(1)]
    server, url = endpoint

    def hook(request: web.Request) -> web.StreamResponse | None:
        good = request.headers.get("Authorization") == f"Bearer access-token-{server.given}"
        return None if good or request.path != "/people" else web.json_response({}, status=401)

    apis.hook = hook
    secret = tmp_path / "grant"
    secret.write_text(json.dumps({"client_id": name, "client_secret": "s3cret", "refresh_token": "r0"}))
    made = definition(apis.url, name)
    made.source.auth = AuthScheme(type="oauth2", token_url=url)
    made.source.auth_ref = f"file:{secret}"
    return made


async def refresh(made: IntegrationDefinition, store: Store, policy: AddressPolicy) -> AuthRefresh:
    return await refresh_auth(made, "source", store=store, policy=policy)


async def test_a_grant_is_renewed_though_its_token_had_time_left_and_is_tried(
    granted: IntegrationDefinition, endpoint: tuple[TokenServer, str], store: Store, policy: AddressPolicy
) -> None:
    first = await refresh(granted, store, policy)
    given = endpoint[0].given
    again = await refresh(granted, store, policy)
    assert (first.verdict, again.verdict, again.renewed) == ("accepted", "accepted", True)
    assert endpoint[0].given == given + 1
    assert "access-token" not in first.model_dump_json() + again.model_dump_json()


async def test_others_who_ask_carry_the_token_that_the_runtime_uses(
    granted: IntegrationDefinition, endpoint: tuple[TokenServer, str], store: Store, policy: AddressPolicy
) -> None:
    await refresh(granted, store, policy)
    given = endpoint[0].given
    found = await current_credentials(granted.source, policy=policy, redactor=Redactor(), store=store)
    assert found.headers == {"Authorization": f"Bearer access-token-{given}"}
    assert endpoint[0].given == given  # nothing was renewed for that


async def test_a_dead_grant_is_refused(
    granted: IntegrationDefinition, endpoint: tuple[TokenServer, str], store: Store, policy: AddressPolicy
) -> None:
    endpoint[0].refresh = "another"
    found = await refresh(granted, store, policy)
    assert (found.verdict, found.renewed) == ("refused", False)
    assert "invalid_grant" in found.detail


async def test_a_token_endpoint_that_is_away_proves_nothing(
    granted: IntegrationDefinition,
    endpoint: tuple[TokenServer, str],
    store: Store,
    policy: AddressPolicy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vitesse_graph.runtime.oauth._ASK_TIMES", 1)
    endpoint[0].fails = [web.Response(status=503)]
    assert (await refresh(granted, store, policy)).verdict == "unclear"
    assert (await refresh(granted, store, policy)).verdict == "accepted"


async def test_a_fresh_token_that_the_api_refuses_all_the_same_is_refused(
    granted: IntegrationDefinition, apis: Apis, store: Store, policy: AddressPolicy
) -> None:
    apis.hook = lambda request: web.json_response({"error": "revoked"}, status=401)
    found = await refresh(granted, store, policy)
    assert (found.verdict, found.renewed) == ("refused", True)


async def test_a_key_is_read_anew_from_where_its_reference_points(
    apis: Apis, store: Store, policy: AddressPolicy, name: str, tmp_path: Path
) -> None:
    apis.people = [person(1)]
    apis.hook = lambda request: (
        None if request.headers.get("X-Key") == "fresh-key" else web.json_response({}, status=401)
    )
    secret = tmp_path / "key"
    secret.write_text("stale-key")
    made = definition(apis.url, name)
    made.source.auth = AuthScheme(type="api_key", headers=[AuthHeader(name="X-Key")])
    made.source.auth_ref = f"file:{secret}"
    stale = await refresh(made, store, policy)
    secret.write_text("fresh-key")
    fresh = await refresh(made, store, policy)
    assert [(one.verdict, one.renewed) for one in (stale, fresh)] == [("refused", False), ("accepted", False)]
    assert "stale-key" not in stale.detail


async def test_an_outage_is_no_refusal(
    apis: Apis, store: Store, policy: AddressPolicy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitesse_graph.runtime.reauth.PATIENCE_SECONDS", 0.2)
    apis.hook = lambda request: web.json_response({}, status=503)
    assert (await refresh(definition(apis.url, name), store, policy)).verdict == "unclear"


async def test_a_destination_is_tried_by_a_read(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.hook = lambda request: web.json_response([], status=200 if request.method == "GET" else 500)
    found = await refresh_auth(definition(apis.url, name), "dest", store=store, policy=policy)
    assert (found.verdict, apis.requests["POST"]) == ("accepted", 0)
