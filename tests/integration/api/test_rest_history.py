"""Rows by hand, their versions, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from rest_driving import made

from vitesse_graph.api.doors import Api

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _fed(answer: dict[str, Any]) -> set[str]:
    return {row["dest_field"] for row in answer["data"]["mapping"]["transformations"]}


async def test_rows_change_by_hand_with_versions_differences_and_rollback(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    integration_id = await made(client, body, "ingest", "map", "test")
    address = f"/integrations/{integration_id}"
    change = {
        "set": [{"source_field": "note", "dest_field": "last_name"}],
        "drop": ["segments"],
    }
    changed = await client.put(address, json={"transformations": change, "reason": "as the sales team asked"})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["status"], changed.json()["data"]["next_step"]) == ("testing", "test")
    assert "segments" not in _fed(changed.json())
    row = next(
        r for r in changed.json()["data"]["mapping"]["transformations"] if r["dest_field"] == "last_name"
    )
    assert (row["source_field"], row["origin"]) == ("note", "person")

    versions = (await client.get(f"{address}/transformations")).json()["data"]["versions"]
    assert [entry["version"] for entry in versions] == [2, 1]
    assert versions[0]["reason"] == "as the sales team asked"
    found = (await client.get(f"{address}/transformations/diff?older=1&newer=2")).json()["data"]
    assert [row["dest_field"] for row in found["removed"]] == ["segments"]
    assert [pair["after"]["source_field"] for pair in found["changed"]] == ["note"]

    back = await client.put(address, json={"rollback_to": 1})
    assert back.status_code == 200, back.text
    assert "segments" in _fed(back.json())
    assert (await client.post(f"{address}/test")).json()["status"] == "deploying"
    assert (await client.put(address, json={"rollback_to": 9})).status_code == 404
    assert (await client.get(f"{address}/transformations/diff?older=1&newer=9")).status_code == 404


async def test_rows_that_cannot_be_are_refused_and_nothing_changes(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    integration_id = await made(client, body)
    address = f"/integrations/{integration_id}"
    drop = {"transformations": {"drop": ["segments"]}}
    assert (await client.put(address, json=drop)).status_code == 409
    for step in ("ingest", "map"):
        await client.post(f"{address}/{step}")
    for rows, word in (
        ({"drop": ["nonsense"]}, "nonsense"),
        ({"set": [{"source_field": "no.such", "dest_field": "email"}]}, "no.such"),
        ({"set": [{"source_field": "email", "dest_field": "no_such"}]}, "no_such"),
    ):
        refused = await client.put(address, json={"transformations": rows})
        assert (refused.status_code, word in refused.json()["error"]) == (400, True)
    assert (await client.get(address)).json()["data"]["next_step"] == "test"
    assert (await client.get(f"{address}/transformations")).json()["data"]["count"] == 1


async def test_metadata_and_sync_frequency_are_kept(
    client: httpx.AsyncClient, body: dict[str, Any], api: Api
) -> None:
    integration_id = await made(client, body)
    address = f"/integrations/{integration_id}"
    said = await client.put(
        address, json={"metadata": {"a": 1, "b": 2}, "sync_frequency": "every 30 minutes"}
    )
    assert said.json()["data"]["schedule"] == "every 30 minutes"
    said = await client.put(address, json={"metadata": {"a": None}})
    assert said.json()["data"]["metadata"] == {"b": 2, "sync_frequency": "every 30 minutes"}
    assert (await client.put(address, json={"sync_frequency": "sometimes"})).status_code == 400
    assert (await client.post(f"{address}/ingest")).status_code == 200
    listed = (await client.get("/integrations", params={"limit": 500})).json()["data"]["integrations"]
    assert next(row for row in listed if row["id"] == integration_id)["metadata"]["b"] == 2


async def test_an_earlier_checkpoint_becomes_the_newest_and_asks_again(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    integration_id = await made(client, body, "ingest", "map", "test")
    address = f"/integrations/{integration_id}"
    history = (await client.get(f"{address}/history")).json()["data"]["checkpoints"]
    gates = [entry for entry in history if entry["next"] == ["review_ingest"]]
    restored = await client.post(f"{address}/restore", json={"checkpoint_id": gates[0]["checkpoint_id"]})
    assert (restored.json()["status"], restored.json()["data"]["next_step"]) == ("mapping", "map")
    longer = (await client.get(f"{address}/history")).json()["data"]["checkpoints"]
    assert {entry["checkpoint_id"] for entry in history} < {entry["checkpoint_id"] for entry in longer}
    assert (await client.post(f"{address}/map")).json()["status"] == "testing"
    page = await client.get(f"{address}/history", params={"limit": 2, "before": history[2]["checkpoint_id"]})
    assert [entry["checkpoint_id"] for entry in page.json()["data"]["checkpoints"]] == [
        entry["checkpoint_id"] for entry in history[3:5]
    ]
    nowhere = {"checkpoint_id": "1f0c5a52-9b2e-6d0a-8001-6f0f5f0f5f0f"}
    assert (await client.post(f"{address}/restore", json=nowhere)).status_code == 404


async def test_what_is_deployed_stays_known_when_an_earlier_checkpoint_is_restored(
    client: httpx.AsyncClient, body: dict[str, Any], undeploy: Callable[[str], str]
) -> None:
    integration_id = undeploy(await made(client, body, "ingest", "map", "test", "deploy"))
    address = f"/integrations/{integration_id}"
    history = (await client.get(f"{address}/history")).json()["data"]["checkpoints"]
    first = next(entry for entry in history if entry["next"] == ["review_discovery"])
    restored = (
        await client.post(f"{address}/restore", json={"checkpoint_id": first["checkpoint_id"]})
    ).json()
    assert (restored["status"], restored["data"]["deployment"]["status"]) == ("discovering", "running")
    assert (await client.post(f"{address}/sync")).json()["data"]["sync"]["status"] == "completed"
    active = next(entry for entry in history if entry["status"] == "active")
    back = (await client.post(f"{address}/restore", json={"checkpoint_id": active["checkpoint_id"]})).json()
    assert (back["status"], back["data"]["next_step"]) == ("active", "sync")
