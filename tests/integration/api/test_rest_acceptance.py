"""An accepted request is answered once, and never lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from rest_driving import client_of, made, running

from vitesse_graph.api.doors import Api
from vitesse_graph.api.steps import PREFIX
from vitesse_graph.registry.requests import AcceptedRequest, AcceptedRequests
from vitesse_graph.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_same_key_gives_the_same_answer_and_makes_one_integration(
    client: httpx.AsyncClient, body: dict[str, Any], api: Api
) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    before = (await api.registry.integrations(limit=1))[1]
    first, second = await asyncio.gather(
        *(client.post("/integrations", json=body, headers=headers) for _ in range(2))
    )
    third = await client.post("/integrations", json=body, headers=headers)
    assert first.json() == second.json() == third.json()
    assert third.headers["idempotency-replayed"] == "true"
    assert (await api.registry.integrations(limit=1))[1] == before + 1
    other = await client.post("/integrations", json={**body, "user_intent": "another"}, headers=headers)
    assert other.status_code == 409


async def test_a_repeated_step_with_a_key_is_not_run_again(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    integration_id = await made(client, body)
    address, headers = f"/integrations/{integration_id}", {"Idempotency-Key": uuid.uuid4().hex}
    first = await client.post(f"{address}/ingest", headers=headers)
    count = (await client.get(f"{address}/history")).json()["data"]["count"]
    assert (await client.post(f"{address}/ingest", headers=headers)).json() == first.json()
    assert (await client.get(f"{address}/history")).json()["data"]["count"] == count


async def test_respond_async_answers_at_once_and_the_events_tell_the_rest(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    headers = {"Prefer": "respond-async"}
    accepted = await client.post("/integrations", json={**body, "user_intent": "x"}, headers=headers)
    assert accepted.status_code == 202
    assert accepted.headers["preference-applied"] == "respond-async"
    integration_id = accepted.json()["integration_id"]
    events = accepted.json()["data"]["events"].removeprefix(PREFIX)
    text = (await client.get(events, headers={"Last-Event-ID": "0"})).text
    names = [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]
    assert names[0] == "vitesse.status"
    assert [name for name in names if name != "vitesse.status"] == [
        "vitesse.run.started",
        "vitesse.step.started",
        "vitesse.step.finished",
        "vitesse.step.awaiting_approval",
        "vitesse.run.finished",
    ]
    finished = json.loads(next(line for line in text.splitlines() if '"http_status"' in line)[6:])
    assert (finished["http_status"], finished["next_step"]) == (201, "ingest")
    assert (await client.get(f"/integrations/{integration_id}")).json()["data"]["next_step"] == "ingest"


async def test_two_steps_at_once_on_one_thread_never_interleave(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    integration_id = await made(client, body)
    answers = await asyncio.gather(*(client.post(f"/integrations/{integration_id}/ingest") for _ in range(4)))
    assert sorted({answer.status_code for answer in answers}) in ([200], [200, 409])
    assert (await client.get(f"/integrations/{integration_id}")).json()["status"] == "mapping"


async def test_a_sweep_finishes_what_was_accepted_and_never_begun(
    settings: Settings, body: dict[str, Any], stands: Any
) -> None:
    """As after a crash between the row and the first checkpoint."""
    async with running(settings, stale_seconds=3600) as app, client_of(app) as client:
        api: Api = app.state.vitesse
        integration_id = str(uuid.uuid4())
        await api.registry.save_integration(integration_id, status="discovering", next_step="discovery")
        requests = AcceptedRequests(api.service.services.pool)
        left = AcceptedRequest(
            id=uuid.uuid4().hex,
            integration_id=integration_id,
            action="create",
            actor="local",
            idempotency_key=uuid.uuid4().hex,
            body={"request": {"source": stands.shopify_spec_url, "dest": stands.credo_spec_url}},
        )
        await requests.add(left)
        assert (await client.get(f"/integrations/{integration_id}")).json()["data"]["next_step"] == "resume"
        await requests.release([left.id])
        await asyncio.gather(*await api.acceptance.sweep())
        shown = (await client.get(f"/integrations/{integration_id}")).json()
        assert (shown["status"], shown["data"]["next_step"]) == ("discovering", "ingest")
        kept = await requests.by_key("", "local", left.idempotency_key or "")
        assert kept is not None
        assert (kept.state, kept.http_status) == ("done", 201)
        assert await api.acceptance.sweep() == []


async def test_a_server_killed_after_202_loses_nothing(
    data_dir: Path, settings: Settings, body: dict[str, Any]
) -> None:
    """`vitesse serve` is killed while it works; the next server finishes the request."""
    environment = {**os.environ, "VITESSE_DATA_DIR": str(data_dir)}
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "vitesse"),
        *("serve", "--port", "0"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            url = (await process.stdout.readline()).decode().split()[0]
        transport = httpx.AsyncHTTPTransport(retries=8)
        async with httpx.AsyncClient(base_url=url, timeout=30, transport=transport) as server:
            accepted = await server.post("/integrations", json=body, headers={"Prefer": "respond-async"})
        assert accepted.status_code == 202
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
    integration_id = accepted.json()["integration_id"]
    async with running(settings, stale_seconds=0.5) as app, client_of(app) as client:
        async with asyncio.timeout(30):
            while True:
                shown = (await client.get(f"/integrations/{integration_id}")).json()
                if shown["data"]["next_step"] == "ingest":
                    break
                await asyncio.sleep(0.2)
        # the thread is there a moment before the request is closed and written down
        async with asyncio.timeout(30):
            while True:
                log = (await client.get(f"/integrations/{integration_id}/audit")).json()["data"]["entries"]
                found = [entry["action"] for entry in log if entry["action"] == "create"]
                if found:
                    break
                await asyncio.sleep(0.1)
        assert found == ["create"]
