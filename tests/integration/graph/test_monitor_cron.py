"""The monitor as a graph of the LangGraph server: what a cron there runs."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from langgraph_sdk import get_client

from tests.conftest import stop_embedded
from tests.integration.graph.test_dev_server import _request, dev_server
from vitesse_graph.demo.stands import Stands


@pytest.fixture
def own_data_dir() -> Iterator[Path]:
    """The monitor looks at everything that is deployed: here nothing shall be but this test's own."""
    path = Path(tempfile.mkdtemp(prefix="vitesse-test-"))
    path.chmod(0o755)
    yield path
    stop_embedded(path)
    shutil.rmtree(path, ignore_errors=True)


async def test_a_look_heals_a_thread_of_that_server_and_a_cron_may_take_it(
    own_data_dir: Path, stands: Stands, tmp_path: Path
) -> None:
    thread_id = str(uuid.uuid4())
    async with (
        dev_server(own_data_dir, stands, tmp_path / "dev.log") as url,
        get_client(url=url, timeout=60) as client,
    ):
        await client.threads.create(thread_id=thread_id)
        made = await client.runs.wait(
            thread_id, "vitesse", input=_request(stands), context={"approvals": "none"}
        )
        said = (await client.threads.get_state(thread_id))["values"]["errors"]
        assert made["status"] == "active", (said, (tmp_path / "dev.log").read_text()[-3000:])
        await stands.drift(rename={"phone": "phone_no"}, drop=[])
        looked = await client.runs.wait(None, "monitor", input={"with_specs": True})
        assert looked["decisions"].get(thread_id, {}).get("action") == "start_heal", looked
        await client.runs.join(thread_id, (await client.runs.list(thread_id))[0]["run_id"])
        state = await client.threads.get_state(thread_id)
        assert state["values"]["healing"]["outcome"] == "healed", state["values"]["healing"]["log"]
        rows = {
            row["dest_field"]: row["source_field"]
            for row in state["values"]["mapping_logic"]["transformations"]
        }
        assert rows["phone_number"] == "phone_no"

        cron = await client.crons.create("monitor", schedule="*/5 * * * *", input={})
        assert cron["cron_id"] in [found["cron_id"] for found in await client.crons.search()]
        await client.crons.delete(cron["cron_id"])
