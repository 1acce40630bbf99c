"""An integration's records over REST: a range, a preview, one record's story, dead letters; and who may."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from rest_driving import client_of, own_database, running, unknown_id

from tests.integration.runtime.apis import Apis, person
from tests.integration.runtime.definitions import definition, incremental
from vitesse_graph.api.doors import Api
from vitesse_graph.deployers import DeployerFactory
from vitesse_graph.registry.keys import Role
from vitesse_graph.settings import Settings
from vitesse_graph.state.whiteboard import SharedWhiteboardState

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def settings(data_dir: Path) -> Settings:
    return await own_database(data_dir)


@pytest.fixture(scope="module")
def apis() -> Iterator[Apis]:
    server = Apis().start()
    yield server
    server.stop()


class Callers:
    """Clients of one tenant, by role; `id_of` says who they are."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._open: dict[str, httpx.AsyncClient] = {}
        self.id_of: dict[str, str] = {}

    async def add(self, name: str, role: Role) -> None:
        api: Api = self._app.state.vitesse
        key, kept = await api.keys.create(name, role, tenant="acme")
        self._open[name] = client_of(self._app, headers={"X-API-Key": key})
        self.id_of[name] = f"key:{kept.id}"

    def __getitem__(self, name: str) -> httpx.AsyncClient:
        return self._open[name]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def callers(settings: Settings) -> AsyncIterator[Callers]:
    async with running(settings) as app:
        made = Callers(app)
        for name, role in (("viewer", "viewer"), ("owner", "operator"), ("other", "operator")):
            await made.add(name, role)  # type: ignore[arg-type]
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def address(callers: Callers, settings: Settings, apis: Apis) -> AsyncIterator[str]:
    """A deployed integration that belongs to `owner`."""
    integration_id = unknown_id()
    api: Api = callers._app.state.vitesse
    deployer = DeployerFactory.create_deployer("process", {"settings": settings})
    found = await deployer.deploy(incremental(definition(apis.url, integration_id)))
    state = SharedWhiteboardState(workflow_id=integration_id, status="active", deployment=found)
    await api.service._graph.aupdate_state(
        api.service.config(integration_id), state.model_dump(mode="json"), as_node="deploy"
    )
    await api.registry.save_integration(
        integration_id, status="active", tenant="acme", created_by=callers.id_of["owner"]
    )
    yield f"/integrations/{integration_id}"
    await deployer.destroy(integration_id)


async def test_records_are_shown_moved_explained_tried_again_and_dropped(
    callers: Callers, address: str, apis: Apis
) -> None:
    owner, viewer, other = callers["owner"], callers["viewer"], callers["other"]
    apis.people = [person(n) for n in range(40)]
    apis.people[4]["total_spent"] = "many"

    async def data(answer: httpx.Response) -> Any:
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    shown = (await data(await owner.post(f"{address}/preview", json={"limit": 3})))["preview"]
    assert [record["would"] for record in shown["records"]] == ["create"] * 3
    assert not apis.contacts

    asked = {"since": "2026-03-01T10:00:10Z", "until": "2026-03-01T10:00:20Z"}
    ranged = (await data(await owner.post(f"{address}/sync", json=asked)))["sync"]
    assert (ranged["created"], len(apis.contacts)) == (10, 10)
    whole = (await data(await owner.post(f"{address}/sync", json={})))["sync"]
    assert (whole["created"], whole["quarantined"]) == (29, 1)
    runs = (await data(await viewer.get(f"{address}/runs")))["runs"]
    assert [(run["kind"], run["since"]) for run in runs] == [("sync", None), ("backfill", asked["since"])]
    story = (await data(await viewer.get(f"{address}/explain", params={"key": "7"})))["record"]
    assert (story["outcome"], len(story["steps"])) == ("written", 4)
    assert (await viewer.get(f"{address}/explain", params={"key": "nobody"})).status_code == 404

    (letter,) = (await data(await owner.get(f"{address}/dead-letters")))["dead_letters"]
    assert (letter["code"], letter["payload"]["total_spent"]) == ("transform", "many")
    (bare,) = (await data(await viewer.get(f"{address}/dead-letters")))["dead_letters"]
    assert (bare["source_key"], "payload" in bare) == ("4", False)
    paged = await data(await owner.get(f"{address}/dead-letters", params={"after": letter["id"]}))
    assert paged["count"] == 0

    for caller, status in ((viewer, 403), (other, 403)):
        for call in ("preview", "dead-letters/retry", "sync"):
            assert (await caller.post(f"{address}/{call}")).status_code == status
        assert (await caller.post(f"{address}/dead-letters/drop", json={"ids": "all"})).status_code == status

    again = await data(await owner.post(f"{address}/dead-letters/retry", json={"ids": [letter["id"]]}))
    assert (again["retried"], again["written"], again["failed"]) == (1, 0, 1)
    assert (await owner.post(f"{address}/dead-letters/drop")).status_code == 422  # all only when it is said
    key = {"Idempotency-Key": "drop-them"}
    for _ in range(2):
        dropped = await owner.post(f"{address}/dead-letters/drop", json={"ids": "all"}, headers=key)
        assert (await data(dropped))["dropped"] == 1
    assert (await data(await owner.get(f"{address}/dead-letters")))["count"] == 0
    left = await data(await owner.get(f"{address}/dead-letters", params={"status": "dropped"}))
    assert left["count"] == 1
    entries = (await data(await viewer.get(f"{address}/audit")))["entries"]
    done = {entry["action"] for entry in entries if entry["actor"] == callers.id_of["owner"]}
    assert {"sync", "retry_dead_letters", "drop_dead_letters"} <= done


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"since": "yesterday"}, 422),
        ({"since": "2026-13-01"}, 422),
        ({"since": "2026-02-30"}, 400),
        ({"since": "2026-02-01", "until": "2026-01-01"}, 400),
    ],
)
async def test_a_range_that_is_none_is_refused(
    callers: Callers, address: str, asked: dict[str, str], status: int
) -> None:
    answer = await callers["owner"].post(f"{address}/sync", json=asked)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]
