"""`langgraph dev`, as its users run it: a subprocess, driven over HTTP with its own client."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from dev_driving import dev_server
from langgraph_sdk import get_client

from vitesse_graph.demo.stands import Stands
from vitesse_graph.graph import open_graph
from vitesse_graph.settings import Settings


def _request(stands: Stands) -> dict[str, Any]:
    return {
        "user_intent": "Sync Shopify customers into our Credo CRM contacts",
        "source": stands.shopify_spec_url,
        "dest": stands.credo_spec_url,
        "source_auth": "env:TEST_SHOP_TOKEN",
        "dest_auth": "env:TEST_CRM_KEY",
    }


def _gate(result: dict[str, Any]) -> str:
    return str(result["__interrupt__"][0]["value"]["gate"])


async def test_studio_can_drive_a_thread_from_intent_to_the_last_gate(
    data_dir: Path, stands: Stands, tmp_path: Path
) -> None:
    log = tmp_path / "dev.log"
    thread_id = str(uuid.uuid4())
    async with dev_server(data_dir, stands, log) as url, get_client(url=url) as client:
        assistant = (await client.assistants.search(graph_id="vitesse"))[0]
        schemas = await client.assistants.get_schemas(assistant["assistant_id"])
        assert "user_intent" in schemas["input_schema"]["properties"]
        assert "approvals" in schemas["context_schema"]["properties"]

        await client.threads.create(thread_id=thread_id)
        stopped = await client.runs.wait(thread_id, "vitesse", input=_request(stands))
        assert _gate(stopped) == "review_discovery"
        state = await client.threads.get_state(thread_id)
        interrupt = state["tasks"][0]["interrupts"][0]
        assert interrupt["value"]["action_requests"][0]["name"] == "review_discovery"
        assert interrupt["value"]["summary"].startswith("### The two APIs")

        # a bare word typed into Studio, then the answer of Agent Chat UI
        stopped = await client.runs.wait(thread_id, "vitesse", command={"resume": "approve"})
        assert _gate(stopped) == "review_ingest"
        stopped = await client.runs.wait(
            thread_id, "vitesse", command={"resume": {"decisions": [{"type": "approve"}]}}
        )
        assert _gate(stopped) == "review_map"

        # rubbish is refused and the gate still waits
        with pytest.raises(Exception, match=r"(?i)answer approve|validation"):
            await client.runs.wait(thread_id, "vitesse", command={"resume": "perhaps"})
        state = await client.threads.get_state(thread_id)
        assert state["next"] == ["review_map"]

        # edit the state by hand, as Studio does, from the checkpoint before the mapping
        history = await client.threads.get_history(thread_id, limit=50)
        before_map = next(c for c in history if c["next"] == ["map"])
        hints = [{"dest_field": "last_name", "source_field": None}]
        fork = await client.threads.update_state(
            thread_id, {"mapping_hints": hints}, checkpoint=before_map["checkpoint"]
        )
        kinds = set()
        async for part in client.runs.stream(
            thread_id, "vitesse", input=None, checkpoint=fork["checkpoint"], stream_mode=["updates", "custom"]
        ):
            if part.event == "custom":
                kinds.add(part.data["event"])
        assert {"vitesse.step.started", "vitesse.step.finished", "vitesse.step.awaiting_approval"} <= kinds
        state = await client.threads.get_state(thread_id)
        rows = {row["dest_field"] for row in state["values"]["mapping_logic"]["transformations"]}
        assert "email" in rows
        assert "last_name" not in rows

    # another server, the same Postgres
    async with dev_server(data_dir, stands, log) as url, get_client(url=url) as client:
        await client.threads.create(thread_id=thread_id, if_exists="do_nothing")
        state = await client.threads.get_state(thread_id)
        assert state["next"] == ["review_map"]
        stopped = await client.runs.wait(thread_id, "vitesse", command={"resume": True})
        assert _gate(stopped) == "review_guardian"
    assert "BlockingError" not in log.read_text()

    # and another door
    async with open_graph(Settings(VITESSE_DATA_DIR=data_dir)) as graph:  # type: ignore[call-arg]
        snapshot = await graph.aget_state({"configurable": {"thread_id": thread_id}})
        assert snapshot.next == ("review_guardian",)
