"""The loop: every integration is looked after, one that fails does not hurt the others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from vitesse_graph.errors import ConflictError, UpstreamError
from vitesse_graph.healing import HealEnd, HealPolicy, Hooks, MonitorSettings, MonitorState, Watch
from vitesse_graph.state.definition import RuntimeStatus, SyncReport
from vitesse_graph.state.health import DriftItem, HealthReport


class World:
    """Integrations whose health the test sets; counts what the watch does."""

    def __init__(self, *ids: str) -> None:
        self.ids = list(ids)
        self.failed: dict[str, int] = dict.fromkeys(ids, 0)
        self.silent: set[str] = set()
        self.heals: list[tuple[str, HealthReport]] = []
        self.running: Counter[str] = Counter()
        self.most_running = 0
        self.rolled_back: list[str] = []
        self.paused: list[str] = []
        self.saved: dict[str, MonitorState] = {}
        self.drift: dict[str, list[DriftItem]] = {}
        self.spec_reads: Counter[str] = Counter()
        self.runs = 0
        self.now = 0.0
        self.end = HealEnd("healed", deployed=False)
        self.finish = asyncio.Event()
        self.busy = False

    async def list_integrations(self) -> list[str]:
        return self.ids

    async def fetch_status(self, integration_id: str) -> RuntimeStatus:
        if integration_id in self.silent:
            raise UpstreamError("the runtime does not answer")
        self.runs += 1
        failed = self.failed[integration_id]
        report = SyncReport(run_id=str(self.runs), fetched=100, written=100 - failed, quarantined=failed)
        return RuntimeStatus(
            integration_id=integration_id, definition_version=1, definition_digest="", last_sync=report
        )

    async def start_heal(self, integration_id: str, report: HealthReport) -> HealEnd:
        if self.busy:
            raise ConflictError("another run holds the thread")
        self.heals.append((integration_id, report))
        self.running[integration_id] += 1
        self.most_running = max(self.most_running, self.running[integration_id])
        await self.finish.wait()
        self.running[integration_id] -= 1
        return self.end

    async def refetch_specs(self, integration_id: str) -> list[DriftItem]:
        self.spec_reads[integration_id] += 1
        return self.drift.get(integration_id, [])

    async def roll_back(self, integration_id: str, reason: str) -> None:
        self.rolled_back.append(integration_id)

    async def pause(self, integration_id: str, reason: str) -> None:
        self.paused.append(integration_id)

    async def save_state(self, integration_id: str, state: MonitorState) -> None:
        self.saved[integration_id] = state.model_copy(deep=True)

    async def load_state(self, integration_id: str) -> MonitorState | None:
        return self.saved.get(integration_id)

    def watch(self, **words: Any) -> Watch:
        hooks = Hooks(
            list_integrations=self.list_integrations,
            fetch_status=self.fetch_status,
            start_heal=self.start_heal,
            refetch_specs=self.refetch_specs,
            roll_back=self.roll_back,
            pause=self.pause,
            save_state=self.save_state,
            load_state=self.load_state,
            settings_for=words.pop("settings_for", None),
        )
        return Watch(hooks, clock=lambda: self.now, **words)


async def test_only_the_ill_one_is_healed_and_only_once() -> None:
    world = World("a", "b")
    watch = world.watch()
    await watch.tick()
    world.failed["b"] = 100
    for _ in range(6):
        world.now += 60
        await watch.tick()
        await asyncio.sleep(0)
    assert [integration_id for integration_id, _ in world.heals] == ["b"]
    world.finish.set()
    await watch.join()
    assert world.most_running == 1


async def test_a_runtime_that_is_silent_does_not_keep_others_from_being_seen() -> None:
    world = World("a", "b", "c")
    world.silent.add("a")
    watch = world.watch()
    for _ in range(4):
        decisions = await watch.tick()
    assert set(decisions) == {"a", "b", "c"}
    await asyncio.sleep(0)
    assert [(i, r.reason) for i, r in world.heals] == [("a", "the runtime does not answer")]


async def test_a_busy_thread_is_asked_again_after_the_cool_down() -> None:
    world = World("a")
    world.failed["a"] = 100
    world.busy = True
    watch = world.watch()
    await watch.tick()
    await watch.join()
    world.busy = False
    world.now += 100
    await watch.tick()
    assert world.heals == []
    world.now += 300
    await watch.tick()
    await asyncio.sleep(0)
    assert len(world.heals) == 1


async def test_specifications_are_read_again_once_a_period() -> None:
    world = World("a")
    watch = world.watch(spec_seconds=600)
    for _ in range(31):
        await watch.tick()
        world.now += 60
    assert world.spec_reads["a"] == 3


async def test_a_breaking_change_is_healed_while_the_runtime_is_still_well() -> None:
    world = World("a")
    world.drift["a"] = [
        DriftItem(kind="field_removed", side="source", severity="breaking", path="email", affects=["email"])
    ]
    watch = world.watch(spec_seconds=0)
    await watch.tick()
    await asyncio.sleep(0)
    assert [report.drift[0].path for _, report in world.heals] == ["email"]


async def test_a_repair_that_makes_it_worse_is_rolled_back() -> None:
    world = World("a")
    world.end = HealEnd("healed", deployed=True)
    world.finish.set()
    world.failed["a"] = 100
    watch = world.watch()
    await watch.tick()
    await watch.join()
    await watch.tick()
    assert world.rolled_back == ["a"]


async def test_a_policy_that_pauses_pauses() -> None:
    world = World("a")
    world.drift["a"] = [
        DriftItem(kind="field_removed", side="dest", severity="breaking", path="x", affects=["x"])
    ]

    async def settings_for(_: str) -> tuple[MonitorSettings, HealPolicy]:
        return MonitorSettings(), HealPolicy(breaking="pause")

    watch = world.watch(spec_seconds=0, settings_for=settings_for)
    await watch.tick()
    assert world.paused == ["a"]
    assert world.heals == []


async def test_a_new_process_knows_what_the_old_one_knew() -> None:
    world = World("a")
    world.failed["a"] = 100
    world.end = HealEnd("gave_up")
    world.finish.set()
    first = world.watch()
    await first.tick()
    await first.join()
    second = world.watch()
    await second.tick()
    await second.join()
    assert len(world.heals) == 1


async def test_the_loop_survives_a_failure_and_ends_when_told() -> None:
    world = World("a")
    calls = 0

    async def list_integrations() -> list[str]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("the database went away")
        return ["a"]

    watch = world.watch(poll_seconds=0.01)
    watch.hooks = Hooks(
        list_integrations=list_integrations, fetch_status=world.fetch_status, start_heal=world.start_heal
    )
    watch.clock = asyncio.get_running_loop().time
    stop = asyncio.Event()
    task = asyncio.create_task(watch.run(stop))
    await _until(lambda: world.runs >= 2)
    stop.set()
    await asyncio.wait_for(task, 5)


async def _until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_true():  # noqa: ASYNC110 - what is waited for is a count
            await asyncio.sleep(0.01)
