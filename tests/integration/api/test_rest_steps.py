"""An integration made step by step over REST, and steps called again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from rest_driving import INTENT, made

from vitesse_graph.api.steps import PREFIX
from vitesse_graph.demo.stands import Stands

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_from_an_intent_to_an_active_integration_that_syncs_and_is_taken_down(
    client: httpx.AsyncClient, body: dict[str, Any], stands: Stands, undeploy: Callable[[str], str]
) -> None:
    created = await client.post("/integrations", json={**body, "metadata": {"team": "growth"}})
    assert created.status_code == 201
    answer = created.json()
    integration_id = undeploy(answer["integration_id"])
    address = f"/integrations/{integration_id}"
    assert (answer["status"], answer["current_step"]) == ("discovering", "discovery")
    assert answer["data"]["next_endpoint"] == f"{PREFIX}{address}/ingest"

    told = []
    for step, parameters in (
        ("ingest", {}),
        ("map", {"source_endpoint": "GET /customers.json", "dest_endpoint": "POST /contacts"}),
        ("test", {"test_sample_size": 10}),
        ("deploy", {"replicas": 1, "memory_mb": 256}),
    ):
        said = await client.post(f"{address}/{step}", json=parameters)
        assert said.status_code == 200, said.text
        answer = said.json()
        told.append((answer["status"], answer["current_step"], answer["data"]["next_step"]))
    assert told == [
        ("mapping", "ingest", "map"),
        ("testing", "map", "test"),
        ("deploying", "test", "deploy"),
        ("active", "deploy", "sync"),
    ]
    assert answer["data"]["health_score"] >= 70
    (run,) = (await client.get(f"{address}/tests")).json()["data"]["runs"]
    assert run["passed"] is True
    assert {call["endpoint"] for call in run["results"]["calls"]} >= {"GET /customers.json", "POST /contacts"}

    report = (await client.post(f"{address}/sync")).json()["data"]["sync"]
    assert (report["fetched"], report["written"], report["status"]) == (1247, 1247, "completed")
    assert (await stands.stats())["contacts"] == 1247

    shown = (await client.get(address)).json()["data"]
    assert shown["metadata"] == {"team": "growth"}
    assert {row["dest_field"] for row in shown["mapping"]["transformations"]} >= {"email", "phone_number"}
    assert "listening" in "\n".join((await client.get(f"{address}/logs")).json()["data"]["lines"])
    assert (await client.get(f"{address}/metrics")).json()["data"]["runtime"]["health"] == 100.0
    text = await client.get(f"{address}/metrics", headers={"accept": "text/plain"})
    assert "vitesse_records_total" in text.text

    gone = await client.delete(address)
    assert gone.json()["data"]["deleted"] is True
    assert (await client.get(address)).status_code == 404
    listed = (await client.get("/integrations", params={"limit": 500})).json()["data"]["integrations"]
    assert integration_id not in {row["id"] for row in listed}


async def test_a_step_that_comes_too_early_is_refused_and_names_the_one_to_call(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    integration_id = await made(client, body)
    refused = await client.post(f"/integrations/{integration_id}/test")
    assert refused.status_code == 409
    problem = refused.json()
    assert (problem["status"], problem["http_status"], problem["next_step"]) == ("failed", 409, "ingest")
    assert problem["current_step"] == "discovery"
    assert problem["next_endpoint"].endswith(f"/integrations/{integration_id}/ingest")
    for call in ("sync", "heal"):
        assert (await client.post(f"/integrations/{integration_id}/{call}")).status_code == 409


async def test_a_step_called_again_runs_anew_and_what_follows_it_is_invalid(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    integration_id = await made(client, body, "ingest", "map", "test")
    address = f"/integrations/{integration_id}"
    again = (await client.post(f"{address}/ingest")).json()
    assert (again["status"], again["data"]["next_step"]) == ("mapping", "map")
    assert "mapping" not in again["data"]
    assert "health_score" not in again["data"]
    assert (await client.post(f"{address}/deploy")).status_code == 409
    assert (await client.post(f"{address}/test")).json()["next_step"] == "map"

    hints = {"mapping_hints": [{"dest_field": "segments", "source_field": None}]}
    rows = (await client.post(f"{address}/map", json=hints)).json()["data"]["mapping"]["transformations"]
    assert "segments" not in {row["dest_field"] for row in rows}
    hints = {"mapping_hints": [{"dest_field": "segments", "source_field": "tags"}]}
    rows = (await client.post(f"{address}/map", json=hints)).json()["data"]["mapping"]
    assert "segments" in {row["dest_field"] for row in rows["transformations"]}
    assert rows["version"] > 1
    tested = (await client.post(f"{address}/test")).json()
    assert tested["status"] == "deploying"
    assert (await client.post(f"{address}/test")).json()["status"] == "deploying"


async def test_deploying_again_changes_the_workload_and_loses_nothing(
    client: httpx.AsyncClient, body: dict[str, Any], undeploy: Callable[[str], str]
) -> None:
    integration_id = undeploy(await made(client, body, "ingest", "map", "test", "deploy"))
    address = f"/integrations/{integration_id}"
    assert (await client.post(f"{address}/sync")).json()["data"]["sync"]["written"] == 1247
    dropped = await client.put(address, json={"transformations": {"drop": ["segments"]}})
    assert dropped.json()["status"] == "testing"
    assert dropped.json()["data"]["deployment"]["status"] == "running"
    for step in ("test", "deploy"):
        answer = await client.post(f"{address}/{step}")
        assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["deployment"]["version"] == 2
    report = (await client.post(f"{address}/sync", json={"full": True})).json()["data"]["sync"]
    assert (report["fetched"], report["created"]) == (1247, 0)


async def test_approvals_none_goes_from_intent_to_active_in_one_call(
    client: httpx.AsyncClient, body: dict[str, Any], undeploy: Callable[[str], str]
) -> None:
    created = await client.post("/integrations", json={**body, "approvals": "none"})
    undeploy(created.json()["integration_id"])
    assert (created.status_code, created.json()["status"]) == (201, "active")


async def test_discovery_results_can_be_handed_in_as_they_came(
    client: httpx.AsyncClient, stands: Stands
) -> None:
    found = (await client.get("/discover", params={"query": "shopify", "limit": 3})).json()["data"]["results"]
    assert found[0]["api_name"] == "Shopify"
    given = {
        "user_intent": INTENT,
        "source_discovery": {**found[0], "spec_url": stands.shopify_spec_url},
        "dest_discovery": {"api_name": "Credo CRM", "spec_url": stands.credo_spec_url},
    }
    answer = await client.post("/integrations", json=given)
    assert answer.status_code == 201
    apis = answer.json()["data"]["discovered_apis"]
    assert apis["dest"]["spec_url"] == stands.credo_spec_url


async def test_a_gate_is_answered_by_a_whole_decision_once(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    integration_id = await made(client, body)
    address = f"/integrations/{integration_id}/review"
    assert (await client.post(address, json={"type": "perhaps"})).status_code == 422
    approve = {"type": "approve", "gate": "review_discovery"}
    assert (await client.post(address, json=approve)).json()["status"] == "mapping"
    assert (await client.post(address, json=approve)).json()["status"] == "mapping"
    late = await client.post(address, json={"type": "reject", "gate": "review_discovery"})
    assert (late.status_code, "already answered" in late.json()["error"]) == (409, True)
    rejected = await client.post(address, json={"type": "reject", "comment": "the wrong shop"})
    assert (rejected.status_code, rejected.json()["status"]) == (200, "failed")
    assert (await client.get(f"/integrations/{integration_id}")).json()["status"] == "failed"
    # what was rejected can be run anew
    assert (await client.post(f"/integrations/{integration_id}/ingest")).json()["status"] == "mapping"
