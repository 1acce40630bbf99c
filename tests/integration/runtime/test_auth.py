"""Credentials: where they go, how they are renewed, where they never appear."""

from __future__ import annotations

import asyncio
import base64
import logging
from pathlib import Path
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp import web

from tests.integration.runtime.apis import Apis, person
from tests.integration.runtime.definitions import definition
from vitesse_graph.errors import InputError, UpstreamError
from vitesse_graph.http import AddressPolicy
from vitesse_graph.runtime.client import NeedsReauth
from vitesse_graph.runtime.connect import open_session
from vitesse_graph.runtime.engine import SyncEngine
from vitesse_graph.runtime.oauth import OAuthGrant
from vitesse_graph.runtime.secrets import Redactor
from vitesse_graph.runtime.store import Store
from vitesse_graph.state.api_spec import AuthHeader, AuthScheme
from vitesse_graph.state.definition import IntegrationDefinition

CANARY = "canary-secret-0123456789"


class TokenServer:
    """Gives tokens t1, t2, … with rotating refresh tokens; `lives` says which token is accepted."""

    def __init__(self) -> None:
        self.given = 0
        self.refresh = "r0"
        self.fails: list[web.Response] = []
        self.asked: list[dict[str, list[str]]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(parse_qs((await request.read()).decode()))
        await asyncio.sleep(0.05)
        if self.fails:
            return self.fails.pop(0)
        form = self.asked[-1]
        if form["grant_type"] == ["refresh_token"] and form["refresh_token"] != [self.refresh]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.given += 1
        self.refresh = f"r{self.given}"
        return web.json_response(
            {"access_token": f"access-token-{self.given}", "expires_in": 3600, "refresh_token": self.refresh}
        )


@pytest.fixture
async def tokens() -> object:
    server = TokenServer()
    app = web.Application()
    app.router.add_post("/token", server.handle)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/token"  # type: ignore[attr-defined]
    yield server
    await runner.cleanup()


def grant_for(
    made: IntegrationDefinition, url: str, session: aiohttp.ClientSession, store: Store | None, **more: str
) -> OAuthGrant:
    made.dest.auth = AuthScheme(type="oauth2", token_url=url)
    grant = {"client_id": made.integration_id, "client_secret": "s3cret", **more}
    return OAuthGrant(made.dest, grant, session, store, Redactor())


async def test_twenty_workers_in_two_processes_meeting_an_expired_token_make_one_refresh(
    tokens: TokenServer, store: Store, policy: AddressPolicy, name: str
) -> None:
    url = tokens.url  # type: ignore[attr-defined]
    async with open_session(policy, 8) as session:
        grants = [
            grant_for(definition("http://x", name), url, session, store, refresh_token="r0") for _ in range(2)
        ]
        first = await asyncio.gather(*(grant.fetch() for grant in grants for _ in range(10)))
        assert {c.headers["Authorization"] for c in first} == {"Bearer access-token-1"}
        assert tokens.given == 1
        renewed = await asyncio.gather(*(grant.renew(first[0]) for grant in grants for _ in range(10)))
        assert all(renewed)
        assert tokens.given == 2
        assert {(await grant.fetch()).headers["Authorization"] for grant in grants} == {
            "Bearer access-token-2"
        }


async def test_a_token_endpoint_in_trouble_does_not_destroy_a_good_grant(
    tokens: TokenServer, store: Store, policy: AddressPolicy, name: str
) -> None:
    url = tokens.url  # type: ignore[attr-defined]
    async with open_session(policy, 8) as session:
        grant = grant_for(definition("http://x", name), url, session, store, refresh_token="r0")
        tokens.fails = [web.json_response({}, status=500) for _ in range(4)]
        with pytest.raises(UpstreamError) as caught:
            await grant.fetch()
        assert not isinstance(caught.value, NeedsReauth)
        assert (await grant.fetch()).headers["Authorization"] == "Bearer access-token-1"


async def test_only_a_definite_answer_asks_for_a_person(
    tokens: TokenServer, store: Store, policy: AddressPolicy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitesse_graph.runtime.oauth._ASK_TIMES", 1)
    url = tokens.url  # type: ignore[attr-defined]
    async with open_session(policy, 8) as session:
        good = grant_for(definition("http://x", f"{name}-good"), url, session, store, refresh_token="r0")
        for status in (400, 401, 403, 404, 500):  # a proxy's page, or a page in the place of the endpoint
            tokens.fails = [web.Response(text="<html>no</html>", status=status)]
            with pytest.raises(UpstreamError) as caught:
                await good.fetch()
            assert not isinstance(caught.value, NeedsReauth)
        assert (await good.fetch()).headers["Authorization"] == "Bearer access-token-1"
        grant = grant_for(definition("http://x", name), url, session, store, refresh_token="stale")
        with pytest.raises(NeedsReauth, match="invalid_grant"):
            await grant.fetch()


async def test_tokens_in_the_database_are_sealed(
    tokens: TokenServer, store: Store, policy: AddressPolicy, name: str
) -> None:
    url = tokens.url  # type: ignore[attr-defined]
    async with open_session(policy, 8) as session:
        await grant_for(definition("http://x", name), url, session, store).fetch()
    async with store.connection() as connection:
        found = await connection.execute("select sealed from vitesse_runtime.tokens")
        assert all(b"access-token" not in bytes(row[0]) for row in await found.fetchall())


async def test_a_token_that_expires_in_mid_sync_is_renewed_and_nothing_is_lost(
    tokens: TokenServer,
    apis: Apis,
    store: Store,
    policy: AddressPolicy,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    apis.people = [person(n) for n in range(200)]
    good = {"Bearer access-token-1"}

    def hook(request: web.Request) -> web.Response | None:
        if request.method != "POST":
            return None
        if apis.requests["POST"] == 60:
            good.clear()
            good.add("Bearer access-token-2")
        return None if request.headers.get("Authorization") in good else web.json_response({}, status=401)

    apis.hook = hook
    made = definition(apis.url, name)
    made.dest.auth = AuthScheme(type="oauth2", token_url=tokens.url)  # type: ignore[attr-defined]
    made.dest.auth_ref = "env:DEST_GRANT"
    monkeypatch.setenv("DEST_GRANT", '{"client_id": "me", "client_secret": "hush-hush"}')
    report = await SyncEngine(made, store, policy=policy).run()
    assert (report.status, report.created, tokens.given) == ("completed", 200, 2)
    assert apis.emails == {p["email"]: 1 for p in apis.people}


async def test_a_refused_key_fails_the_run_and_quarantines_nothing(
    apis: Apis, store: Store, policy: AddressPolicy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apis.people = [person(n) for n in range(30)]
    apis.hook = lambda r: web.json_response({}, status=401) if r.method == "POST" else None
    monkeypatch.setenv("DEST_KEY", CANARY)
    made = definition(apis.url, name)
    made.dest.auth = AuthScheme(type="bearer")
    made.dest.auth_ref = "env:DEST_KEY"
    report = await SyncEngine(made, store, policy=policy).run()
    assert (report.status, report.quarantined) == ("failed", 0)
    assert "refused the credential" in (report.error or "")
    assert report.code == "needs_reauth"
    apis.hook = None
    again = await SyncEngine(made, store, policy=policy).run()
    assert (again.run_id, again.status, again.code, again.created) == (report.run_id, "completed", None, 30)


@pytest.mark.parametrize(
    ("scheme", "credential", "expected"),
    [
        (AuthScheme(type="bearer"), "tok-123", {"Authorization": "Bearer tok-123"}),
        (
            AuthScheme(type="basic"),
            "me:pass",
            {"Authorization": "Basic " + base64.b64encode(b"me:pass").decode()},
        ),
        (AuthScheme(type="api_key", headers=[AuthHeader(name="X-Key")]), "k-123", {"X-Key": "k-123"}),
        (
            AuthScheme(
                type="api_key",
                headers=[AuthHeader(name="X-Key"), AuthHeader(name="X-App", prefix="App ")],
            ),
            '{"X-Key": "k-123", "X-App": "a-123"}',
            {"X-Key": "k-123", "X-App": "App a-123"},
        ),
    ],
    ids=["bearer", "basic", "api key", "two keys"],
)
async def test_each_kind_of_credential_travels_as_its_api_wants(
    scheme: AuthScheme,
    credential: str,
    expected: dict[str, str],
    apis: Apis,
    store: Store,
    policy: AddressPolicy,
    name: str,
    tmp_path: Path,
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(credential + "\n")
    apis.people = [person(1)]
    made = definition(apis.url, name)
    made.dest.auth, made.dest.auth_ref = scheme, f"file:{secret}"
    await SyncEngine(made, store, policy=policy).run()
    sent = apis.seen_headers[-1]
    assert {key: sent[key] for key in expected} == expected


async def test_a_sandbox_is_shown_a_dummy_and_a_live_api_without_a_reference_is_refused(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(1)]
    made = definition(apis.url, name)
    made.dest.auth = AuthScheme(type="bearer")
    with pytest.raises(InputError, match="auth_ref"):
        await SyncEngine(made, store, policy=policy).run()
    made.dest.environment = "sandbox"
    assert (await SyncEngine(made, store, policy=policy).run()).created == 1
    assert apis.seen_headers[-1]["Authorization"].startswith("Bearer ")


async def test_a_secret_that_the_api_echoes_reaches_neither_dead_letters_nor_logs(
    apis: Apis,
    store: Store,
    policy: AddressPolicy,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("DEST_KEY", CANARY)
    apis.people = [person(n) for n in range(3)]
    apis.refuses = lambda body: f"the key {CANARY} may not do this"
    made = definition(apis.url, name)
    made.dest.auth, made.dest.auth_ref = AuthScheme(type="bearer"), "env:DEST_KEY"
    await SyncEngine(made, store, policy=policy).run()
    async with store.connection() as connection:
        for table in ("dead_letters", "ledger", "runs", "intents"):
            found = await connection.execute(f"select t::text from vitesse_runtime.{table} t".encode())
            assert CANARY not in str(await found.fetchall())
    letters = await store.records(
        "list_letters", {"id": name, "status": "open", "ids": None, "after": 0, "limit": 9}
    )
    assert "the key *** may not" in letters[0]["reason"]
    assert CANARY not in caplog.text
