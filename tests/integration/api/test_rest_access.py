"""Who may do what: keys, tokens, roles, tenants; and nobody but this machine where there is no key."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import OctKey
from rest_driving import client_of, own_database, running, unknown_id

from vitesse_graph.api.doors import Api
from vitesse_graph.api.limits import RequestLimiter
from vitesse_graph.registry.keys import Role
from vitesse_graph.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")
JWT_SECRET = "a-secret-of-this-test-that-is-long-enough"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def settings(data_dir: Path) -> Settings:
    return await own_database(data_dir, JWT_SECRET=JWT_SECRET)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    async with running(settings) as started:
        started.state.vitesse.strangers = RequestLimiter(0)
        yield started


async def _client(app: FastAPI, role: Role, tenant: str = "acme") -> httpx.AsyncClient:
    api: Api = app.state.vitesse
    key, _ = await api.keys.create(role, role, tenant=tenant)
    return client_of(app, headers={"X-API-Key": key})


def _token(**claims: Any) -> str:
    said = {"sub": "ada", "role": "operator", "tenant": "acme", "exp": int(time.time()) + 60, **claims}
    given = {name: value for name, value in said.items() if value is not None}
    return jwt.encode({"alg": "HS256"}, given, OctKey.import_key(JWT_SECRET))


async def _make(client: httpx.AsyncClient, body: dict[str, Any]) -> str:
    answer = await client.post("/integrations", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["integration_id"])


async def test_without_a_credential_or_with_a_wrong_one_nobody_gets_in(app: FastAPI) -> None:
    for headers in (
        {},
        {"X-API-Key": "vk_0000000000000000_nonsense"},
        {"X-API-Key": "nonsense"},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": f"Bearer {_token(exp=int(time.time()) - 3600)}"},
        {"Authorization": f"Bearer {_token(exp=None)}"},
        {"Authorization": f"Bearer {_token(role='emperor')}"},
        {"Authorization": f"Bearer {_token(sub=None)}"},
        {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIiwicm9sZSI6ImFkbWluIn0."},
    ):
        async with client_of(app, headers=headers) as client:
            for path in ("/status", "/integrations", f"/integrations/{unknown_id()}/events"):
                answer = await client.get(path)
                assert (headers, answer.status_code) == (headers, 401)
                assert answer.headers["www-authenticate"] == "Bearer"
            assert (await client.get("/health")).status_code == 200


async def test_a_key_cannot_be_guessed_fast(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.state.vitesse, "strangers", RequestLimiter(8))
    async with client_of(app, headers={"X-API-Key": "vk_0_guess"}) as client:
        said = [(await client.get("/status")).status_code for _ in range(3)]
    assert said == [401, 401, 429]


async def test_a_token_and_a_key_say_who_calls(app: FastAPI) -> None:
    async with client_of(app, headers={"Authorization": f"Bearer {_token()}"}) as client:
        who = (await client.get("/status")).json()["data"]["caller"]
        assert who == {"id": "ada", "role": "operator", "tenant": "acme"}
    async with await _client(app, "viewer") as client:
        assert (await client.get("/status")).json()["data"]["caller"]["role"] == "viewer"


async def test_a_revoked_key_ends_at_once_and_is_kept_as_a_hash_only(app: FastAPI) -> None:
    api: Api = app.state.vitesse
    async with await _client(app, "admin") as admin:
        made = (await admin.post("/keys", json={"name": "ci", "role": "viewer"})).json()["data"]
        async with client_of(app, headers={"Authorization": f"Bearer {made['key']}"}) as client:
            assert (await client.get("/status")).status_code == 200
            assert (await client.get("/keys")).status_code == 403
            assert (await admin.delete(f"/keys/{made['id']}")).status_code == 200
            assert (await client.get("/status")).status_code == 401
        listed = (await admin.get("/keys")).text
        assert made["key"] not in listed
    async with api.service.services.pool.connection() as connection:
        rows = await (await connection.execute("SELECT k::text AS row FROM vitesse.api_keys k")).fetchall()
    assert not [row for row in rows if made["key"].partition(made["id"])[2] in row["row"]]


async def test_each_role_may_do_what_is_its_own(app: FastAPI, body: dict[str, Any]) -> None:
    async with (
        await _client(app, "viewer") as viewer,
        await _client(app, "operator") as operator,
        await _client(app, "operator") as other,
        await _client(app, "approver") as approver,
    ):
        assert (await viewer.post("/integrations", json=body)).status_code == 403
        assert (await operator.post("/integrations", json={**body, "approvals": "none"})).status_code == 403
        integration_id = await _make(operator, body)
        address = f"/integrations/{integration_id}"
        assert (await viewer.get(address)).status_code == 200
        assert (await viewer.post(f"{address}/ingest")).status_code == 403
        assert (await other.post(f"{address}/ingest")).status_code == 403
        assert (await other.delete(address)).status_code == 403
        for step in ("ingest", "map", "test"):
            assert (await operator.post(f"{address}/{step}")).status_code == 200
        assert (await operator.post(f"{address}/deploy")).status_code == 403
        assert (await operator.post(f"{address}/review", json={"type": "approve"})).status_code == 403
        gate = {"type": "approve", "gate": "review_guardian"}
        assert (await operator.post(f"{address}/review", json=gate)).status_code == 403
        assert (await operator.get(address)).json()["data"]["next_step"] == "deploy"
        rejected = await approver.post(f"{address}/review", json={"type": "reject"})
        assert rejected.json()["status"] == "failed"
        shown = (await viewer.get(address)).json()["data"]
        assert shown["created_by"] == (await operator.get("/status")).json()["data"]["caller"]["id"]


async def test_another_tenant_sees_nothing(app: FastAPI, body: dict[str, Any]) -> None:
    async with await _client(app, "operator") as ours, await _client(app, "admin", "globex") as theirs:
        integration_id = await _make(ours, body)
        address = f"/integrations/{integration_id}"
        for method, path in (("GET", ""), ("POST", "/ingest"), ("DELETE", ""), ("GET", "/events")):
            answer = await theirs.request(method, address + path)
            assert (method, path, answer.status_code) == (method, path, 404)
        approve = await theirs.post(f"{address}/review", json={"type": "approve"})
        assert approve.status_code == 404
        assert (await theirs.get("/integrations")).json()["data"]["total"] == 0
        assert (await theirs.get("/status")).json()["data"]["integrations"] == {}
        assert (await ours.get(address)).json()["data"]["next_step"] == "ingest"


async def test_what_is_the_servers_own_takes_an_admin(app: FastAPI, body: dict[str, Any]) -> None:
    async with await _client(app, "operator") as operator, await _client(app, "admin", "globex") as theirs:
        for stolen in (
            {"source_auth": "env:JWT_SECRET"},
            {"source_auth": {"ref": "file:/etc/passwd"}},
            {"source_api_url": "/etc/passwd"},
            {"source_api_url": "file:///etc/passwd"},
            {"dest_api_url": "../secret.json"},
        ):
            answer = await operator.post("/integrations", json={**body, **stolen})
            assert (stolen, answer.status_code) == (stolen, 403)
            assert "root:" not in answer.text
        kept = await _make(operator, body)
        api: Api = app.state.vitesse
        async with api.service.services.pool.connection() as connection:
            query = "SELECT id FROM vitesse.secrets WHERE integration_id = %s LIMIT 1"
            row = await (await connection.execute(query, (kept,))).fetchone()
        assert row is not None
        answer = await theirs.post("/integrations", json={**body, "source_auth": f"secret:{row['id']}"})
        assert answer.status_code == 400
        again = await operator.post("/integrations", json={**body, "source_auth": f"secret:{row['id']}"})
        assert again.status_code == 201


async def test_every_action_is_in_the_audit_log_with_who_and_how_it_ended(
    app: FastAPI, body: dict[str, Any]
) -> None:
    async with await _client(app, "operator") as operator:
        integration_id = await _make(operator, body)
        await operator.post(f"/integrations/{integration_id}/ingest")
        await operator.put(f"/integrations/{integration_id}", json={"rollback_to": 3})
        entries = (await operator.get(f"/integrations/{integration_id}/audit")).json()["data"]["entries"]
        who = (await operator.get("/status")).json()["data"]["caller"]["id"]
    told = [(e["action"], e["outcome"], e["actor"]) for e in entries]
    for expected in (("create", "ok", who), ("ingest", "ok", who), ("update", "failed", who)):
        assert expected in told


async def test_while_nobody_has_a_key_only_this_machine_gets_in(
    data_dir: Path,
) -> None:
    settings = await own_database(data_dir)
    async with running(settings) as app:
        async with client_of(app) as here:
            assert (await here.get("/status")).json()["data"]["caller"]["role"] == "admin"
            for headers in ({"Host": "rebound.example.com"}, {"Origin": "https://evil.example.com"}):
                assert (await here.get("/status", headers=headers)).status_code in (401, 403)
            ours = await here.get("/status", headers={"Origin": "http://localhost:3000"})
            assert ours.status_code == 200
            assert "access-control-allow-origin" not in ours.headers
        async with client_of(app, address="203.0.113.9") as elsewhere:
            assert (await elsewhere.get("/status")).status_code == 401
        async with client_of(app) as here:
            key = (await here.post("/keys", json={"name": "first", "role": "admin"})).json()["data"]["key"]
            assert (await here.get("/status")).status_code == 401
            headers = {"X-API-Key": key}
            assert (await here.get("/status", headers=headers)).status_code == 200
