"""What every deployer keeps to, over real workloads: the same tests for each target."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.integration.deployers.targets import Target
from tests.integration.runtime.apis import Apis, person, until
from tests.integration.runtime.definitions import definition
from vitesse_graph.deployers import Deployer
from vitesse_graph.errors import DeployError, InputError, NotFoundError
from vitesse_graph.state.api_spec import AuthScheme
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.deployment import DeploymentConfig

# The first build on a machine installs everything.
pytestmark = pytest.mark.timeout(600)

CANARY = "canary-secret-987654"
STRANGE = [
    "../../etc/x",
    'a"b\n`c`',
    "{{x}} ${y} $(z)",
    "x" * 300,
    "İD",
    "a`) || PathPrefix(`/",
    "a\r\nUSER root",
]
_numbers = itertools.count(1)


@pytest.fixture
def strange_name() -> str:
    """An id of its own with everything in it that breaks files, rules, labels and statements."""
    return f'it\'s "{os.getpid()}-{next(_numbers)}"\n`id` {{{{7*7}}}} ${{HOME}} ../é'


@pytest.fixture
async def deployer(target: Target, strange_name: str) -> AsyncIterator[Deployer]:
    made = target.deployer()
    yield made
    await made.destroy(strange_name)


async def ask(url: str, method: str = "GET", body: Any = None) -> Any:
    timeout = aiohttp.ClientTimeout(total=60)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.request(method, url, json=body) as answer,
    ):
        return await answer.json()


async def answers(url: str, seconds: float = 30.0) -> Any:
    """The answer of `/status`, as soon as it is ready."""
    for _ in range(int(seconds / 0.1)):
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            if (await ask(url + "/ready"))["ready"]:
                return await ask(url + "/status")
        await asyncio.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


def newer(made: IntegrationDefinition) -> IntegrationDefinition:
    """Version 2: another field goes to `first_name`."""
    found = made.model_copy(update={"version": 2})
    found.mapping = made.mapping.evolve(version=2)
    found.mapping.transformations[1].source_field = "last_name"
    return found


async def test_it_moves_records_comes_back_when_killed_and_leaves_nothing_behind(
    target: Target, deployer: Deployer, reachable: Apis, strange_name: str
) -> None:
    reachable.people = [person(n) for n in range(20)]
    made = definition(reachable.url, strange_name)
    with pytest.raises(NotFoundError):
        await deployer.update(made)
    assert await target.leftovers(strange_name) == []
    deployed = await deployer.deploy(made)
    assert (deployed.status, deployed.version, deployed.definition_digest) == ("running", 1, made.digest())
    synced = await ask(target.url(deployed) + "/sync", "POST", {})
    assert synced.get("created") == 20, await deployer.get_logs(strange_name)
    again = await deployer.deploy(made)
    assert (again.service_url, again.detail.get("restarts", 0)) == (deployed.service_url, 0)
    assert "sync run" in await deployer.get_logs(strange_name)
    assert len((await deployer.get_logs(strange_name, 1)).splitlines()) == 1

    target.kill(deployed)
    await asyncio.sleep(0.2)
    status = await answers(target.url(deployed))
    assert status["last_sync"]["created"] == 20
    found = await deployer.get_status(strange_name)
    assert (found.service_url, found.detail.get("restarts", 1)) == (deployed.service_url, 1)

    gone = await deployer.destroy(strange_name)
    assert (gone.status, await target.leftovers(strange_name)) == ("stopped", [])
    for call in (deployer.get_status, deployer.get_logs):
        with pytest.raises(NotFoundError):
            await call(strange_name)
    assert (await deployer.destroy(strange_name)).status == "stopped"


async def test_an_update_in_mid_sync_loses_nothing_and_a_broken_one_changes_nothing(
    target: Target, deployer: Deployer, reachable: Apis, strange_name: str
) -> None:
    reachable.people = [person(n) for n in range(800)]
    reachable.delay_seconds = 0.03
    made = definition(reachable.url, strange_name)
    deployed = await deployer.deploy(made)
    syncing = asyncio.create_task(ask(target.url(deployed) + "/sync", "POST", {}))
    await until(lambda: reachable.requests["POST"] > 50)
    updating = asyncio.create_task(deployer.update(newer(made)))
    await asyncio.sleep(0)
    updated = await updating
    reachable.delay_seconds = 0.0
    await asyncio.gather(syncing, return_exceptions=True)
    assert (updated.version, updated.status) == (2, "running")
    wanted = {p["email"]: p["last_name"] for p in reachable.people}
    assert (await answers(target.url(updated)))["definition_version"] == 2
    await _in_the_end(target.url(updated), reachable, wanted)

    broken = made.model_copy(update={"version": 3, "schedule": "whenever you like"})
    with pytest.raises(DeployError) as caught:
        await deployer.update(broken)
    assert "goes on" in str(caught.value)
    assert "is not understood" in caught.value.log_tail
    found = await deployer.get_status(strange_name)
    assert (found.version, found.status, found.service_url) == (2, "running", updated.service_url)
    assert (await ask(target.url(found) + "/health"))["status"] == "ok"


async def _in_the_end(url: str, apis: Apis, wanted: dict[str, str]) -> None:
    """Every record is there once, as the new version maps it: what was in flight was not lost."""
    for _ in range(100):
        if (await ask(url + "/status"))["state"] != "syncing":
            await ask(url + "/sync", "POST", {"full": True})
            if {c["email"]: c["first_name"] for c in list(apis.contacts.values())} == wanted:
                break
        await asyncio.sleep(0.2)
    assert {c["email"]: c["first_name"] for c in apis.contacts.values()} == wanted
    assert set(apis.emails.values()) == {1}


async def test_secrets_reach_the_workload_and_nothing_that_is_kept(
    target: Target, reachable: Apis, strange_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEST_KEY", CANARY)
    monkeypatch.setenv("OPENAI_API_KEY", "not-for-the-runtime")
    reader = {"secret:42": CANARY + "-stored"}.__getitem__
    deployer = target.deployer(secret_reader=reader)
    reachable.people = [person(1)]
    made = definition(reachable.url, strange_name)
    made.source.auth, made.source.auth_ref = AuthScheme(type="bearer"), "env:DEST_KEY"
    made.dest.auth, made.dest.auth_ref = AuthScheme(type="bearer"), "secret:42"
    try:
        plan = await deployer.plan(made)
        assert "DEST_KEY" in plan.environment
        assert "OPENAI_API_KEY" not in plan.environment
        deployed = await deployer.deploy(made)
        assert (await ask(target.url(deployed) + "/sync", "POST", {}))["created"] == 1
        seen = {headers.get("Authorization") for headers in reachable.seen_headers}
        assert seen == {f"Bearer {CANARY}", f"Bearer {CANARY}-stored"}
        for text in (
            target.everything_visible(deployed),
            plan.model_dump_json() + deployed.model_dump_json(),
            await deployer.get_logs(strange_name),
        ):
            assert CANARY not in text
        assert (await deployer.plan(made)).actions == ["nothing: this very definition runs already"]
        if target.name == "docker":  # the others take a rotated secret without planning it
            monkeypatch.setenv("DEST_KEY", CANARY + "-rotated")
            assert (await deployer.plan(made)).actions != ["nothing: this very definition runs already"]
            monkeypatch.setenv("DEST_KEY", CANARY)
        changed = newer(made).model_copy(update={"schedule": "hourly"})
        changes = (await deployer.plan(changed)).changes
        assert {"version: 1 → 2", "schedule: None → hourly", "mapping of first_name: changed"} <= set(changes)
        monkeypatch.delenv("DEST_KEY")
        with pytest.raises(InputError, match="DEST_KEY is not set"):
            await deployer.deploy(changed)
    finally:
        await deployer.destroy(strange_name)


@pytest.mark.parametrize("strange", STRANGE)
async def test_a_strange_id_is_planned_like_any_other(target: Target, strange: str) -> None:
    deployer = target.deployer()
    plan = await deployer.plan(
        definition("http://x.test", strange), DeploymentConfig(replicas=3, auto_scale=True)
    )
    assert plan.target == deployer.target
    assert plan.actions
    shown = " ".join([*map(str, plan.resources.values()), *plan.routes])
    assert not set(shown) & set("\n\r`\"'{}$()")
    assert ".." not in shown
    with pytest.raises(NotFoundError):
        await deployer.get_status(strange)
