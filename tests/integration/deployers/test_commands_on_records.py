"""`vitesse sync`, `explain` and `dead-letters` on an integration that is deployed as a process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.integration.runtime.apis import Apis, person
from tests.integration.runtime.definitions import definition, incremental
from vitesse_graph.cli import output
from vitesse_graph.cli.main import cli
from vitesse_graph.database import database_url
from vitesse_graph.deployers import DeployerFactory
from vitesse_graph.graph import open_graph
from vitesse_graph.settings import Settings, get_settings
from vitesse_graph.state.deployment import Deployment
from vitesse_graph.state.whiteboard import SharedWhiteboardState


@pytest.fixture
def deployed(data_dir: Path, apis: Apis, name: str) -> Iterator[str]:
    """An active integration's id: its thread says where the runtime is."""
    get_settings.cache_clear()
    settings = Settings(data_dir=data_dir, database_url=None, postgres_server=None, _env_file=None)
    deployer = DeployerFactory.create_deployer("process", {"settings": settings})
    made = incremental(definition(apis.url, name))

    async def bring_up() -> None:
        await database_url(settings)
        found: Deployment = await deployer.deploy(made)
        async with open_graph(settings) as graph:
            state = SharedWhiteboardState(workflow_id=name, status="active", deployment=found)
            config: Any = {"configurable": {"thread_id": name}}
            await graph.aupdate_state(config, state.model_dump(mode="json"), as_node="deploy")

    asyncio.run(bring_up())
    yield name
    asyncio.run(deployer.destroy(name))
    get_settings.cache_clear()


def vitesse(*arguments: str) -> Result:
    # The console keeps the width that it found when it was made: pytest-xdist's workers have 80 columns.
    output.console.width = 200
    return CliRunner().invoke(cli, [*arguments])


def answer(*arguments: str) -> Any:
    ended = vitesse(*arguments, "--json")
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
    return json.loads(ended.stdout)


def test_records_are_shown_moved_explained_tried_again_and_dropped(deployed: str, apis: Apis) -> None:
    apis.people = [person(n) for n in range(30)]
    apis.people[4]["total_spent"] = "many"

    would = answer("sync", deployed, "--dry-run", "--records", "5")
    assert (would["dry_run"], would["created"], would["quarantined"], apis.contacts) == (True, 29, 1, {})
    first = would["preview"]["records"][0]
    assert {f["field"]: f["value"] for f in first["fields"]}["email"] == apis.people[0]["email"]
    shown = vitesse("sync", deployed, "--dry-run").output
    for word in ("create", "lifetime_value", apis.people[0]["email"]):
        assert word in shown, shown

    backfill = answer("sync", deployed, "--since", "2026-03-01T10:00:10Z", "--until", "2026-03-01T10:00:20Z")
    assert (backfill["created"], len(apis.contacts)) == (10, 10)
    assert answer("sync", deployed, "--full")["created"] == 19

    listed = answer("dead-letters", "list", deployed)
    assert [(x["source_key"], x["code"]) for x in listed["dead_letters"]] == [("4", "transform")]
    assert "total_spent" not in vitesse("dead-letters", "list", deployed).output.replace("lifetime", "")
    assert answer("dead-letters", "retry", deployed) == {
        "retried": 1,
        "written": 0,
        "failed": 1,
        "read_again": 0,
    }
    assert vitesse("dead-letters", "drop", deployed).exit_code == 2  # neither ids nor --all
    assert answer("dead-letters", "drop", deployed, str(listed["dead_letters"][0]["id"])) == {"dropped": 1}
    assert "no open dead letters" in vitesse("dead-letters", "list", deployed).output

    told = answer("explain", deployed, "7")
    assert (told["outcome"], told["mapping_version"], told["page"]) == ("written", 1, 0)
    assert {step["dest_field"] for step in told["steps"]} == {
        "email",
        "first_name",
        "last_name",
        "lifetime_value",
    }
    assert answer("explain", deployed, told["dest_id"])["source_key"] == "7"
    assert "lifetime_value" in vitesse("explain", deployed, "7").output
