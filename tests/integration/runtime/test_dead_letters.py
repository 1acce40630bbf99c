"""Dead letters tried again: many at once, those whose record is not kept, beside a run that was cut off."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from tests.integration.runtime.apis import Apis, person, until
from tests.integration.runtime.definitions import definition, rows
from vitesse_graph.errors import UpstreamError
from vitesse_graph.http import AddressPolicy
from vitesse_graph.runtime.connect import Options
from vitesse_graph.runtime.dead_letters import list_dead_letters, retry_dead_letters
from vitesse_graph.runtime.engine import SyncEngine
from vitesse_graph.runtime.store import Store
from vitesse_graph.state.mapping import MappingLogic

QUICK = Options(patience_seconds=0.3, stop_grace_seconds=0.3)


async def test_a_record_too_large_to_be_kept_is_never_written_empty(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(0), person(1, note="x" * 1_200_000)]
    made = definition(apis.url, name, mapping=MappingLogic(transformations=rows(note="note")))
    apis.refuses = lambda body: "no notes" if body.get("note") else None
    engine = SyncEngine(made, store, policy=policy)
    assert (await engine.run()).quarantined == 1
    (letter,) = await list_dead_letters(store, name)
    assert "too large" in letter["payload"]["vitesse_note"]
    apis.refuses = lambda body: None
    again = await retry_dead_letters(engine)
    assert again == {"retried": 0, "written": 0, "failed": 0, "read_again": 1}
    assert len(apis.contacts) == 1
    report = await engine.run()
    assert (report.created, report.unchanged) == (1, 1)
    assert apis.emails == {p["email"]: 1 for p in apis.people}
    assert await list_dead_letters(store, name) == []


async def test_many_are_tried_side_by_side_and_an_outage_keeps_what_was_written(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(300)]
    apis.refuses = lambda body: "not today"
    made = definition(apis.url, name, max_failure_share=1.0)
    engine = SyncEngine(made, store, policy=policy, options=QUICK)
    assert (await engine.run()).quarantined == 300
    apis.refuses = lambda body: None
    apis.delay_seconds = 0.01
    apis.most_at_once = 0
    apis.hook = lambda request: web.Response(status=503) if len(apis.contacts) >= 120 else None
    with pytest.raises(UpstreamError):
        await retry_dead_letters(engine)
    assert apis.most_at_once > 1
    apis.hook = None
    left = len(await list_dead_letters(store, name, limit=500))
    assert left == 300 - len(apis.contacts) > 0
    again = await retry_dead_letters(engine)
    assert (again["written"], again["failed"]) == (left, 0)
    assert apis.emails == {p["email"]: 1 for p in apis.people}


async def test_a_run_that_was_cut_off_is_taken_up_also_after_letters_were_tried(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(600)]
    apis.refuses = lambda body: "no" if body["first_name"] == "First3" else None
    apis.delay_seconds = 0.01
    made = definition(apis.url, name)
    engine = SyncEngine(made, store, policy=policy)
    running = asyncio.create_task(engine.run())
    await until(lambda: apis.requests["POST"] >= 120)
    engine.interrupt()
    first = await running
    assert first.status == "stopped"
    apis.delay_seconds = 0.0
    apis.refuses = lambda body: None
    assert (await retry_dead_letters(engine))["written"] == 1
    second = await engine.run()
    assert (second.run_id, second.status, second.full) == (first.run_id, "completed", True)
    assert apis.emails == {p["email"]: 1 for p in apis.people}
