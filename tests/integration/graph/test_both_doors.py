"""One service behind two doors of a LangGraph server: its thread API (Studio) and our REST."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from dev_driving import dev_server
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from vitesse_graph.api.lookout import CRON, ensure_cron, schedule_of
from vitesse_graph.api.steps import PREFIX
from vitesse_graph.demo.stands import Stands, run_stands
from vitesse_graph.registry.keys import ApiKeys, Role
from vitesse_graph.services import open_services
from vitesse_graph.settings import Settings

sys.path.insert(0, str(Path(__file__).parent.parent / "api"))
from rest_driving import own_database

pytestmark = pytest.mark.asyncio(loop_scope="module")
INTENT = "Sync Shopify customers into our Credo CRM contacts"


@dataclass
class Caller:
    """One person with one key, at both doors."""

    threads: LangGraphClient
    rest: httpx.AsyncClient

    async def resume(self, thread_id: str, answer: Any = "approve", **options: Any) -> Any:
        return await self.threads.runs.wait(thread_id, "vitesse", command={"resume": answer}, **options)

    async def next_of(self, thread_id: str) -> list[str]:
        return list((await self.threads.threads.get_state(thread_id))["next"])


@dataclass
class World:
    url: str
    keys: dict[tuple[str, str], str]
    request: dict[str, Any]
    settings: Settings

    @asynccontextmanager
    async def caller(self, role: Role, tenant: str = "acme") -> AsyncIterator[Caller]:
        headers = {"X-API-Key": self.keys[role, tenant]}
        async with (
            get_client(url=self.url, headers=headers) as threads,
            httpx.AsyncClient(base_url=self.url + PREFIX, headers=headers, timeout=60) as rest,
        ):
            yield Caller(threads, rest)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    settings = await own_database(data_dir)
    keys = {}
    wanted: list[tuple[Role, str]] = [
        *((role, "acme") for role in ("viewer", "operator", "approver", "admin")),
        ("admin", "globex"),
    ]  # type: ignore[list-item]
    async with open_services(settings) as services:
        for role, tenant in wanted:
            keys[role, tenant], _ = await ApiKeys(services.pool).create(role, role, tenant=tenant)
    assert settings.database_url is not None
    log = tmp_path_factory.mktemp("dev") / "dev.log"
    async with (
        run_stands() as stands,
        dev_server(
            data_dir,
            stands,
            log,
            DATABASE_URL=settings.database_url.get_secret_value(),
            VITESSE_MONITOR_INTERVAL_SECONDS="86400",
        ) as url,
    ):
        yield World(url=url, keys=keys, request=_request(stands), settings=settings)
    assert "BlockingError" not in log.read_text()


def _request(stands: Stands) -> dict[str, Any]:
    return {
        "user_intent": INTENT,
        "source": stands.shopify_spec_url,
        "dest": stands.credo_spec_url,
        "test_sample_size": 5,
    }


async def _started(caller: Caller, request: dict[str, Any], *answers: str) -> str:
    """A thread made as Studio makes it, with these answers given."""
    thread_id = str((await caller.threads.threads.create())["thread_id"])
    await caller.threads.runs.wait(thread_id, "vitesse", input=request)
    for answer in answers:
        await caller.resume(thread_id, answer)
    return thread_id


@contextmanager
def refused(status: int) -> Iterator[None]:
    """The block's call is answered with this status."""
    with pytest.raises(httpx.HTTPStatusError) as caught:
        yield
    assert caught.value.response.status_code == status, str(caught.value)


async def test_a_thread_made_in_studio_is_listed_by_rest_and_goes_on_there(world: World) -> None:
    async with world.caller("operator") as operator:
        thread_id = await _started(operator, world.request)
        listed = (await operator.rest.get("/integrations")).json()["data"]["integrations"]
        row = next(row for row in listed if row["id"] == thread_id)
        me = (await operator.rest.get("/status")).json()["data"]["caller"]["id"]
        assert (row["status"], row["created_by"]) == ("discovering", me)
        answer = await operator.rest.post(f"/integrations/{thread_id}/ingest")
        assert (answer.status_code, answer.json()["status"]) == (200, "mapping")
        assert await operator.next_of(thread_id) == ["review_ingest"]


async def test_an_integration_made_by_rest_is_a_thread_in_studio_and_goes_on_there(world: World) -> None:
    body = {
        "user_intent": INTENT,
        "source_api_url": world.request["source"],
        "dest_api_url": world.request["dest"],
    }
    async with world.caller("operator") as operator:
        created = await operator.rest.post("/integrations", json=body)
        assert created.status_code == 201, created.text
        thread_id = created.json()["integration_id"]
        found = [thread["thread_id"] for thread in await operator.threads.threads.search(limit=100)]
        assert thread_id in found
        stopped = await operator.resume(thread_id)
        assert stopped["__interrupt__"][0]["value"]["gate"] == "review_ingest"
        shown = (await operator.rest.get(f"/integrations/{thread_id}")).json()
        assert (shown["status"], shown["data"]["next_step"]) == ("mapping", "map")
        history = (await operator.rest.get(f"/integrations/{thread_id}/history")).json()["data"]
        assert history["checkpoints"][0]["next"] == ["review_ingest"]


async def test_who_may_not_do_it_through_one_door_cannot_through_the_other(world: World) -> None:
    async with (
        world.caller("operator") as operator,
        world.caller("viewer") as viewer,
        world.caller("admin", "globex") as stranger,
        get_client(url=world.url) as nobody,
    ):
        with refused(401):
            await nobody.threads.search()
        thread_id = await _started(operator, world.request, "approve", "approve", "approve")
        assert await operator.next_of(thread_id) == ["review_guardian"]

        assert (await viewer.threads.threads.get(thread_id))["thread_id"] == thread_id
        with refused(403):
            await viewer.threads.threads.create()
        with refused(403):
            await viewer.resume(thread_id)
        for look in (stranger.threads.threads.get, stranger.threads.threads.get_state):
            with refused(404):
                await look(thread_id)
        assert await stranger.threads.threads.search() == []
        assert (await stranger.rest.get(f"/integrations/{thread_id}")).status_code == 404

        runs = operator.threads.runs
        assert (await operator.rest.post(f"/integrations/{thread_id}/deploy")).status_code == 403
        for attempt in (
            {"command": {"resume": "approve"}},
            {"command": {"resume": "approve"}, "context": {"may_deploy": True}},
            {"command": {"goto": "deploy"}},
            {"command": {"update": {"next_step": "deploy"}}},
            {"input": None, "context": {"approvals": "none"}},
            {"input": None, "config": {"configurable": {"approvals": "none"}}},
            {"input": {"source_auth": "env:PATH"}},
            {"input": {"source": "/etc/passwd"}},
        ):
            with refused(403):
                await runs.wait(thread_id, "vitesse", **attempt)
        with refused(403):
            await operator.threads.threads.update_state(
                thread_id, {"next_step": "deploy"}, as_node="review_guardian"
            )
        with refused(403):
            await operator.threads.crons.create("vitesse", schedule="* * * * *", input={})
        with refused(403):
            await operator.threads.assistants.create("vitesse", context={"approvals": "none"})
        assert await operator.next_of(thread_id) == ["review_guardian"]


async def test_an_answer_that_waits_in_the_queue_cannot_reach_a_gate_that_is_not_its_givers(
    world: World,
) -> None:
    """Both answers are accepted while the operator's own gate waits; the second runs at the last one."""
    async with world.caller("operator") as operator:
        thread_id = await _started(operator, world.request, "approve", "approve")
        assert await operator.next_of(thread_id) == ["review_map"]
        await asyncio.gather(
            *(operator.resume(thread_id, multitask_strategy="enqueue") for _ in range(2)),
            return_exceptions=True,
        )
        state = await operator.threads.threads.get_state(thread_id)
        assert state["next"] == ["review_guardian"]
        assert state["values"].get("deployment") is None
        assert "role approver" in state["values"]["review_error"]


async def test_a_secret_in_place_of_a_reference_is_refused_before_the_server_keeps_it(
    world: World,
) -> None:
    mark = f"marked-{uuid.uuid4().hex}"
    async with world.caller("admin") as admin:
        thread_id = str((await admin.threads.threads.create())["thread_id"])
        with pytest.raises(httpx.HTTPStatusError) as caught:
            await admin.threads.runs.wait(thread_id, "vitesse", input={**world.request, "source_auth": mark})
        assert (caught.value.response.status_code, mark in caught.value.response.text) == (422, False)
        assert await admin.threads.runs.list(thread_id) == []


async def test_an_approver_deploys_through_the_thread_api_the_monitor_looks_and_rest_takes_it_down(
    world: World,
) -> None:
    async with (
        world.caller("operator") as operator,
        world.caller("approver") as approver,
        world.caller("admin") as admin,
    ):
        thread_id = await _started(operator, world.request, "approve", "approve", "approve")
        done = await approver.resume(thread_id)
        assert done["status"] == "active"
        try:
            shown = (await operator.rest.get(f"/integrations/{thread_id}")).json()
            assert (shown["status"], shown["data"]["deployment"]["status"]) == ("active", "running")
            synced = await operator.rest.post(f"/integrations/{thread_id}/sync")
            assert synced.json()["data"]["sync"]["status"] == "completed"
            looked = await admin.threads.runs.wait(None, "monitor", input={})
            assert looked == {"integrations": 1, "decisions": {}}
            with refused(403):
                await operator.threads.runs.wait(None, "monitor", input={})
            audited = (await approver.rest.get(f"/integrations/{thread_id}/audit")).json()["data"]["entries"]
            who = (await approver.rest.get("/status")).json()["data"]["caller"]["id"]
            did = {(entry["action"], entry["actor"]) for entry in audited}
            me = (await operator.rest.get("/status")).json()["data"]["caller"]["id"]
            assert {("run", me), ("answer", me), ("answer", who), ("deploy", who)} <= did
        finally:
            gone = await approver.rest.delete(f"/integrations/{thread_id}")
        assert gone.status_code == 200
        assert thread_id not in {t["thread_id"] for t in await operator.threads.threads.search(limit=100)}


async def test_one_cron_drives_the_monitor_as_the_settings_say(world: World) -> None:
    async with world.caller("admin") as admin:
        for _ in range(100):  # it is made once the server has started
            if found := await admin.threads.crons.search(metadata=CRON):
                break
            await asyncio.sleep(0.2)
        assert [cron["schedule"] for cron in found] == [schedule_of(86_400)]
        for seconds, schedules in ((300.0, ["*/5 * * * *"]), (300.0, ["*/5 * * * *"]), (0.0, [])):
            assert await ensure_cron(admin.threads, interval_seconds=seconds)
            found = await admin.threads.crons.search(metadata=CRON)
            assert [cron["schedule"] for cron in found] == schedules
