"""Under any order of faults the ledger closes, the cursor never runs ahead, and nothing is doubled.

`VITESSE_PROPERTY_EXAMPLES` (4 by default) makes the search longer.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from pathlib import Path
from typing import Any, ClassVar

import pytest
from aiohttp import web
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.integration.runtime.apis import Apis, person
from tests.integration.runtime.definitions import batched, definition, with_lookup
from vitesse_graph.database import database_url
from vitesse_graph.http import AddressPolicy
from vitesse_graph.runtime.connect import Options
from vitesse_graph.runtime.engine import SyncEngine
from vitesse_graph.runtime.store import Store
from vitesse_graph.settings import Settings
from vitesse_graph.state.definition import IntegrationDefinition

EXAMPLES = int(os.environ.get("VITESSE_PROPERTY_EXAMPLES", "4"))
_runs = itertools.count(1)
FAULTS = ("none", "refuse", "busy", "cut after storing", "cut before storing", "break after storing")


class Sync(RuleBasedStateMachine):
    """A source that grows and changes, a destination that misbehaves, a runner that dies."""

    url: ClassVar[str] = ""
    shape: ClassVar[Any] = staticmethod(lambda made: made)

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.apis = Apis().start()
        self.apis.hook = self._before
        self.apis.drop_after = self._after
        self.number = 0
        self.version = 1
        self.faults: list[str] = []
        self.is_faulty = False
        self.name = f"property-{next(_runs)}"

    def _before(self, request: web.Request) -> web.Response | None:
        if request.method in ("POST", "PUT"):
            self.fault = self.faults.pop(0) if self.faults else "none"
            if self.fault == "refuse":
                return web.json_response({}, status=429, headers={"Retry-After": "0.01"})
            if self.fault == "busy":
                return web.json_response({}, status=503, headers={"Retry-After": "0.01"})
            if self.fault == "cut before storing":
                assert request.transport is not None
                request.transport.close()
                return web.Response()
        return None

    def _after(self, request: web.Request) -> bool:
        return request.method in ("POST", "PUT") and self.fault in (
            "cut after storing",
            "break after storing",
        )

    def definition(self) -> IntegrationDefinition:
        made: IntegrationDefinition = type(self).shape(definition(self.apis.url, self.name, page_size=5))
        made.version = self.version
        made.concurrency = 3
        return made

    async def _sync(self, seconds: float | None) -> None:
        async def url() -> str:
            return self.url

        async with Store(url, patience_seconds=10) as store:
            options = Options(patience_seconds=5, stop_grace_seconds=2)
            engine = SyncEngine(
                self.definition(), store, policy=AddressPolicy(allow_loopback=True), options=options
            )
            running = asyncio.create_task(engine.run())
            if seconds is not None:
                await asyncio.sleep(seconds)
                running.cancel()  # like a kill: nothing that was under way is settled
            await asyncio.gather(running, return_exceptions=seconds is not None)

    @rule(count=st.integers(1, 12))
    def records_appear(self, count: int) -> None:
        self.apis.people += [person(self.number + n) for n in range(count)]
        self.number += count

    @rule(which=st.integers(0, 200), text=st.text("abc", min_size=1, max_size=3))
    def a_record_changes(self, which: int, text: str) -> None:
        if self.apis.people:
            self.apis.people[which % len(self.apis.people)]["last_name"] = text

    @rule(faults=st.lists(st.sampled_from(FAULTS), max_size=6))
    def trouble_ahead(self, faults: list[str]) -> None:
        self.faults = faults

    @rule()
    def a_new_version_is_published(self) -> None:
        self.version += 1

    @rule(seconds=st.floats(0.001, 0.06))
    def a_runner_dies(self, seconds: float) -> None:
        self.loop.run_until_complete(self._sync(seconds))

    @rule()
    def a_sync_runs(self) -> None:
        self.loop.run_until_complete(self._sync(None))

    @rule()
    def after_quiet_syncs_both_sides_are_equal(self) -> None:
        self.faults = []
        for _ in range(2):  # the first may end a run that began before the last change
            self.loop.run_until_complete(self._sync(None))
        stored = {c["email"]: c["last_name"] for c in self.apis.contacts.values()}
        assert stored == {p["email"]: p["last_name"] for p in self.apis.people}

    @invariant()
    def nothing_is_doubled(self) -> None:
        if hasattr(self, "apis"):
            assert all(count == 1 for count in self.apis.emails.values())

    @invariant()
    def the_ledger_closes(self) -> None:
        if not hasattr(self, "apis"):
            return

        async def runs() -> list[dict[str, Any]]:
            async def url() -> str:
                return self.url

            async with Store(url) as store:
                return await store.records("runs", {"id": self.name, "limit": 100})

        for row in self.loop.run_until_complete(runs()):
            parts = ("created", "updated", "unchanged", "filtered", "quarantined", "deleted")
            assert row["fetched"] == sum(row[part] for part in parts)

    def teardown(self) -> None:
        if hasattr(self, "apis"):
            self.apis.stop()
            self.loop.close()


@pytest.mark.parametrize("shape", [lambda m: m, with_lookup, batched], ids=["keys", "lookup", "batches"])
def test_any_order_of_faults(shape: Any, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitesse_graph.runtime.client._BASE_WAIT_SECONDS", 0.005)
    monkeypatch.setattr("vitesse_graph.runtime.breaker._FIRST_PAUSE_SECONDS", 0.02)
    made = Settings(data_dir=data_dir, _env_file=None)
    url = asyncio.run(database_url(made))
    machine = type("Sync", (Sync,), {"url": url, "shape": staticmethod(shape)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=10 if EXAMPLES < 20 else 25,
            deadline=None,
            phases=(Phase.explicit, Phase.generate),  # to shrink a run over the wire takes minutes
            derandomize=EXAMPLES < 20,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
