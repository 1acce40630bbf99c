"""Drift, pause and unpause over REST, on one deployed integration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from rest_driving import INTENT, made

from vitesse_graph.demo.stands import Stands

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _deployed(client: httpx.AsyncClient, body: dict[str, Any]) -> str:
    created = await client.post("/integrations", json={**body, "user_intent": INTENT})
    address = f"/integrations/{created.json()['integration_id']}"
    for step, parameters in (
        ("ingest", {}),
        ("map", {"source_endpoint": "GET /customers.json", "dest_endpoint": "POST /contacts"}),
        ("test", {"test_sample_size": 5}),
        ("deploy", {}),
    ):
        said = await client.post(f"{address}/{step}", json=parameters)
        assert said.status_code == 200, said.text
    return address


async def test_what_is_not_deployed_neither_drifts_nor_pauses(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    address = f"/integrations/{await made(client, body)}"
    for method, path in (("GET", "drift"), ("POST", "pause"), ("POST", "unpause")):
        refused = await client.request(method, f"{address}/{path}")
        assert refused.status_code == 409, refused.text
        unknown = await client.request(method, f"/integrations/integ_{'0' * 32}/{path}")
        assert unknown.status_code == 404, unknown.text


async def test_an_integration_is_paused_let_go_on_and_asked_what_drifted(
    client: httpx.AsyncClient, body: dict[str, Any], stands: Stands, undeploy: Callable[[str], str]
) -> None:
    address = await _deployed(client, body)
    undeploy(address.rpartition("/")[2])

    for _ in range(2):  # paused is paused
        paused = await client.post(f"{address}/pause", headers={"Idempotency-Key": "stop-1"})
        assert (paused.status_code, paused.json()["data"]["paused"]) == (200, True), paused.text
    held = await client.post(f"{address}/sync")
    assert held.status_code == 409
    assert "held" in held.text
    metrics = (await client.get(f"{address}/metrics")).json()["data"]
    assert metrics["runtime"]["state"] == "paused"
    assert (await stands.stats())["contacts"] == 0

    let_go = await client.post(f"{address}/unpause")
    assert (let_go.status_code, let_go.json()["data"]["paused"]) == (200, False), let_go.text
    synced = (await client.post(f"{address}/sync")).json()["data"]["sync"]
    assert (synced["status"], synced["written"]) == ("completed", 1247)
    assert synced["read_back"]["records"] == 10
    assert {figures["sent"] - figures["kept"] for figures in synced["read_back"]["fields"].values()} == {0}

    calm = (await client.get(f"{address}/drift")).json()["data"]
    assert [item for item in calm["drift"] if item["severity"] != "safe"] == []
    assert calm["report"].startswith("No change touches this mapping.")

    await stands.drift(rename={"email": "email_address"}, drop=[])
    seen = (await client.get(f"{address}/drift")).json()["data"]
    renamed = [item for item in seen["drift"] if item["severity"] == "breaking"]
    assert {(item["kind"], item["side"], item["path"], item["new_path"]) for item in renamed} == {
        ("field_renamed", "source", "email", "email_address")
    }
    assert "| `email` |" in seen["report"]
    assert "example.com" not in str(seen)  # names, never values

    # looking changes nothing
    shown = (await client.get(address)).json()["data"]
    assert {
        row["source_field"] for row in shown["mapping"]["transformations"] if row["dest_field"] == "email"
    } == {"email"}
    log = (await client.get(f"{address}/audit")).json()["data"]["entries"]
    # the second order under one idempotency key was the first one again
    assert sorted(entry["action"] for entry in log if "pause" in entry["action"]) == ["pause", "unpause"]
