"""Deployed as a process, an integration is found again, restarted, replaced, and taken down without a trace."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.runtime.apis import Apis, person, until
from tests.integration.runtime.definitions import definition
from vitesse_graph.deployers import DeployerFactory
from vitesse_graph.deployers.process import ProcessDeployer
from vitesse_graph.deployers.supervise import process_started_at
from vitesse_graph.settings import Settings
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.deployment import Deployment, DeploymentConfig


@pytest.fixture
async def deployer(settings: Settings, name: str) -> AsyncIterator[ProcessDeployer]:
    made = DeployerFactory.create_deployer("process", {"settings": settings})
    assert isinstance(made, ProcessDeployer)
    yield made
    await made.destroy(name)


async def ask(url: str, method: str = "GET", body: Any = None) -> Any:
    async with aiohttp.ClientSession() as session, session.request(method, url, json=body) as answer:
        return await answer.json()


async def test_it_survives_the_command_that_started_it_and_is_found_by_the_next(
    deployer: ProcessDeployer, apis: Apis, name: str, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "definition.json"
    file.write_text(definition(apis.url, name).model_dump_json())
    script = (
        "import asyncio, sys; from pathlib import Path\n"
        "from vitesse_graph.deployers import DeployerFactory\n"
        "from vitesse_graph.state.definition import IntegrationDefinition\n"
        "made = IntegrationDefinition.model_validate_json(Path(sys.argv[1]).read_text())\n"
        "print(asyncio.run(DeployerFactory.create_deployer('process').deploy(made)).service_url)\n"
    )
    environment = {**os.environ, "VITESSE_DATA_DIR": str(settings.data_dir), "PYTHONWARNINGS": "ignore"}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script, str(file)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found = await deployer.get_status(name)
    assert (found.status, found.service_url) == ("running", done.stdout.strip())
    assert (await ask(found.service_url + "/health"))["status"] == "ok"


async def test_killed_it_comes_back_at_the_same_address(
    deployer: ProcessDeployer, apis: Apis, name: str
) -> None:
    deployed = await deployer.deploy(definition(apis.url, name))
    os.kill(deployed.detail["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 15
    while True:
        assert time.monotonic() < deadline
        found = await deployer.get_status(name)
        if found.detail["restarts"] == 1 and found.status == "running":
            try:
                if (await ask(found.service_url + "/health"))["status"] == "ok":
                    break
            except aiohttp.ClientError:
                pass
        await asyncio.sleep(0.05)
    assert found.service_url == deployed.service_url
    assert found.detail["pid"] != deployed.detail["pid"]


async def test_a_pid_that_was_given_to_somebody_else_is_never_touched(
    deployer: ProcessDeployer, apis: Apis, name: str
) -> None:
    deployed = await deployer.deploy(definition(apis.url, name))
    note = Path(deployed.detail["folder"]) / "process.json"
    kept = json.loads(note.read_text())
    os.kill(deployed.detail["supervisor_pid"], signal.SIGKILL)
    await until(lambda: process_started_at(deployed.detail["pid"]) is None)  # it does not stay unsupervised
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        kept["supervisor"]["pid"] = bystander.pid
        note.write_text(json.dumps(kept))
        assert (await deployer.get_status(name)).status == "stopped"
        await deployer.destroy(name)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def _newer(made: IntegrationDefinition) -> IntegrationDefinition:
    """The next version, with a mapping that can be told apart."""
    mapping = made.mapping.model_copy(update={"version": 2}, deep=True)
    mapping.transformations[1].source_field = "last_name"
    return made.model_copy(update={"version": 2, "mapping": mapping})


async def _in_mid_sync(
    deployer: ProcessDeployer, apis: Apis, made: IntegrationDefinition
) -> tuple[Deployment, asyncio.Task[Any]]:
    """Deployed, with a run of 800 records under way; the task waits for its report."""
    apis.people = [person(n) for n in range(800)]
    apis.delay_seconds = 0.04
    deployed = await deployer.deploy(made)
    syncing = asyncio.create_task(ask(deployed.service_url + "/sync", "POST", {}))
    await until(lambda: apis.requests["POST"] > 40)
    apis.delay_seconds = 0.5  # so that it is under way until the test says otherwise
    return deployed, syncing


async def test_an_update_lets_the_run_under_way_end_on_the_version_it_began_with(
    deployer: ProcessDeployer, apis: Apis, name: str
) -> None:
    made = definition(apis.url, name)
    deployed, syncing = await _in_mid_sync(deployer, apis, made)
    updated = await deployer.update(_newer(made))
    assert not syncing.done()
    assert (await ask(updated.service_url + "/status"))["definition_version"] == 2
    assert "already running" in (await ask(updated.service_url + "/sync", "POST", {}))["error"]
    assert (await ask(deployed.service_url + "/status"))["state"] == "stopping"
    apis.delay_seconds = 0.0
    report = await syncing
    assert (report["status"], report["created"]) == ("completed", 800)
    assert all(c["first_name"].startswith("First") for c in apis.contacts.values())
    await until(lambda: process_started_at(deployed.detail["supervisor_pid"]) is None)  # it left by itself
    report = await ask(updated.service_url + "/sync", "POST", {})
    assert (report["updated"], report["created"]) == (800, 0)
    assert (await deployer.get_status(name)).service_url == updated.service_url


async def test_a_run_of_the_version_before_ends_when_it_is_paused(
    deployer: ProcessDeployer, apis: Apis, name: str
) -> None:
    made = definition(apis.url, name)
    deployed, syncing = await _in_mid_sync(deployer, apis, made)
    updated = await deployer.update(_newer(made))
    await ask(updated.service_url + "/pause", "POST", {"reason": "the mapping was wrong"})
    report = await syncing
    assert report["status"] == "stopped"
    assert 0 < report["created"] < 800
    await until(lambda: process_started_at(deployed.detail["supervisor_pid"]) is None)
    assert (await ask(updated.service_url + "/status"))["state"] == "paused"


async def test_a_version_that_must_not_go_on_hands_its_run_over(
    deployer: ProcessDeployer, apis: Apis, name: str
) -> None:
    made = definition(apis.url, name)
    deployed, syncing = await _in_mid_sync(deployer, apis, made)
    await deployer.update(_newer(made), DeploymentConfig(finish_run=False))
    assert process_started_at(deployed.detail["supervisor_pid"]) is None
    (report,) = await asyncio.gather(syncing, return_exceptions=True)
    assert isinstance(report, aiohttp.ClientError) or report["status"] == "stopped"
    apis.delay_seconds = 0.0
    wanted = {p["email"]: p["last_name"] for p in apis.people}
    await until(lambda: {c["email"]: c["first_name"] for c in apis.contacts.values()} == wanted)
    assert len(apis.contacts) == 800


async def test_an_idle_version_that_is_replaced_leaves_at_once(
    deployer: ProcessDeployer, apis: Apis, name: str
) -> None:
    made = definition(apis.url, name)
    deployed = await deployer.deploy(made)
    await deployer.update(_newer(made))
    assert process_started_at(deployed.detail["supervisor_pid"]) is None


@pytest.mark.parametrize("strange", ["../../etc/x", 'a"b\n`c`', "{{x}} ${y}", "x" * 300, "İD"])
async def test_strange_ids_stay_inside_their_folder(settings: Settings, apis: Apis, strange: str) -> None:
    deployer = ProcessDeployer(settings)
    home = settings.data_dir.resolve() / "deployments"
    plan = await deployer.plan(definition(apis.url, strange))
    folder = Path(plan.resources["folder"])
    assert folder.parent == home
    assert ".." not in folder.parts
    assert len(folder.name) < 100
