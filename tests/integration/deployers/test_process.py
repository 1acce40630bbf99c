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
import psutil
import pytest

from tests.integration.runtime.apis import Apis, person, until
from tests.integration.runtime.definitions import definition
from vitesse_graph.deployers import DeployerFactory
from vitesse_graph.deployers.process import ProcessDeployer
from vitesse_graph.deployers.supervise import process_started_at
from vitesse_graph.errors import DeployError, NotFoundError
from vitesse_graph.settings import Settings
from vitesse_graph.state.api_spec import AuthScheme

CANARY = "canary-secret-987654"


@pytest.fixture
async def deployer(settings: Settings, name: str) -> AsyncIterator[ProcessDeployer]:
    made = DeployerFactory.create_deployer("process", {"settings": settings})
    assert isinstance(made, ProcessDeployer)
    yield made
    await made.destroy(name)


async def ask(url: str, method: str = "GET", body: Any = None) -> Any:
    async with aiohttp.ClientSession() as session, session.request(method, url, json=body) as answer:
        return await answer.json()


async def test_deployed_it_is_healthy_moves_records_and_leaves_nothing_behind(
    deployer: ProcessDeployer, apis: Apis, name: str, settings: Settings
) -> None:
    apis.people = [person(n) for n in range(20)]
    made = definition(apis.url, name)
    deployed = await deployer.deploy(made)
    assert (deployed.status, deployed.version, deployed.definition_digest) == ("running", 1, made.digest())
    assert (await ask(deployed.service_url + "/sync", "POST", {}))["created"] == 20
    again = await deployer.deploy(made)
    assert again.detail["pid"] == deployed.detail["pid"]
    assert "listening on" in await deployer.get_logs(name)

    gone = await deployer.destroy(name)
    assert gone.status == "stopped"
    assert process_started_at(deployed.detail["supervisor_pid"]) is None
    assert process_started_at(deployed.detail["pid"]) is None
    assert not list((settings.data_dir / "deployments").glob(f"*{name}*"))
    with pytest.raises(NotFoundError):
        await deployer.get_status(name)
    assert (await deployer.destroy(name)).status == "stopped"


async def test_the_plan_shows_what_would_change_and_no_value(
    deployer: ProcessDeployer, apis: Apis, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEST_KEY", CANARY)
    made = definition(apis.url, name)
    made.dest.auth, made.dest.auth_ref = AuthScheme(type="bearer"), "env:DEST_KEY"
    plan = await deployer.plan(made)
    assert "DEST_KEY" in plan.environment
    assert plan.changes == []
    await deployer.deploy(made)
    assert (await deployer.plan(made)).actions == ["nothing: this very definition runs already"]
    changed = made.model_copy(update={"version": 2, "schedule": "hourly"})
    changed.mapping = made.mapping.evolve(transformations=made.mapping.transformations[1:])
    plan = await deployer.plan(changed)
    assert {"version: 1 → 2", "schedule: None → hourly", "mapping of email: removed"} <= set(plan.changes)
    assert CANARY not in plan.model_dump_json()


async def test_secrets_travel_in_the_environment_only(
    deployer: ProcessDeployer, apis: Apis, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEST_KEY", CANARY)
    monkeypatch.setenv("OPENAI_API_KEY", "not-for-the-runtime")
    made = definition(apis.url, name)
    made.dest.auth, made.dest.auth_ref = AuthScheme(type="bearer"), "env:DEST_KEY"
    deployed = await deployer.deploy(made)
    for pid in (deployed.detail["pid"], deployed.detail["supervisor_pid"]):
        assert CANARY not in " ".join(psutil.Process(pid).cmdline())
        environment = psutil.Process(pid).environ()
        assert environment["DEST_KEY"] == CANARY
        assert "OPENAI_API_KEY" not in environment
    for path in Path(deployed.detail["folder"]).parent.rglob("*"):
        if path.is_file():
            assert CANARY not in path.read_text(errors="replace")


async def test_a_stored_secret_is_handed_over_by_the_reader(
    settings: Settings, apis: Apis, name: str
) -> None:
    reader = {"secret:42": CANARY}.__getitem__
    deployer = DeployerFactory.create_deployer("process", {"settings": settings, "secret_reader": reader})
    apis.people = [person(1)]
    made = definition(apis.url, name)
    made.dest.auth, made.dest.auth_ref = AuthScheme(type="bearer"), "secret:42"
    try:
        deployed = await deployer.deploy(made)
        assert (await ask(deployed.service_url + "/sync", "POST", {}))["created"] == 1
        assert apis.seen_headers[-1]["Authorization"] == f"Bearer {CANARY}"
    finally:
        await deployer.destroy(name)


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


async def test_an_update_in_mid_sync_loses_and_doubles_nothing(
    deployer: ProcessDeployer, apis: Apis, name: str
) -> None:
    apis.people = [person(n) for n in range(900)]
    apis.delay_seconds = 0.03
    made = definition(apis.url, name)
    deployed = await deployer.deploy(made)
    syncing = asyncio.create_task(ask(deployed.service_url + "/sync", "POST", {}))
    await until(lambda: apis.requests["POST"] > 100)
    newer = made.model_copy(update={"version": 2})
    newer.mapping = made.mapping.evolve(version=2)
    newer.mapping.transformations[1].source_field = "last_name"
    updated = await deployer.update(newer)
    assert len(apis.contacts) < 900, "the old version was to be replaced in mid-sync"
    apis.delay_seconds = 0.0
    await asyncio.gather(syncing, return_exceptions=True)
    assert (updated.version, updated.status) == (2, "running")
    wanted = {p["email"]: (p["last_name"], p["last_name"]) for p in apis.people}

    def is_there() -> bool:
        stored = {c["email"]: (c["first_name"], c["last_name"]) for c in list(apis.contacts.values())}
        return stored == wanted

    await until(is_there, 25)  # the new version goes on by itself
    assert set(apis.emails.values()) == {1}


async def test_a_version_that_does_not_come_up_leaves_the_old_one_running(
    deployer: ProcessDeployer, apis: Apis, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = definition(apis.url, name)
    deployed = await deployer.deploy(made)
    broken = made.model_copy(update={"version": 2, "schedule": "whenever you like"})
    with pytest.raises(DeployError) as caught:
        await deployer.update(broken)
    assert "goes on" in str(caught.value)
    assert "is not understood" in caught.value.log_tail
    found = await deployer.get_status(name)
    assert (found.version, found.detail["pid"]) == (1, deployed.detail["pid"])
    assert (await ask(found.service_url + "/health"))["status"] == "ok"


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


@pytest.mark.parametrize("strange", ["../../etc/x", 'a"b\n`c`', "{{x}} ${y}", "x" * 300, "İD"])
async def test_strange_ids_stay_inside_their_folder(settings: Settings, apis: Apis, strange: str) -> None:
    deployer = ProcessDeployer(settings)
    home = settings.data_dir.resolve() / "deployments"
    plan = await deployer.plan(definition(apis.url, strange))
    folder = Path(plan.resources["folder"])
    assert folder.parent == home
    assert ".." not in folder.parts
    assert len(folder.name) < 100
