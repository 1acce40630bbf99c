"""A range that is asked for, what becomes of it when it is cut off, and what it must not be mistaken for."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.runtime.apis import Apis, person, until
from tests.integration.runtime.definitions import definition, incremental
from vitesse_graph.errors import InputError
from vitesse_graph.http import AddressPolicy
from vitesse_graph.runtime.connect import Options
from vitesse_graph.runtime.engine import SyncEngine, SyncRequest
from vitesse_graph.runtime.store import Store
from vitesse_graph.state.api_spec import Incremental
from vitesse_graph.state.definition import IntegrationDefinition

HALF = "2026-03-01T10:05:00Z"
"""Between the 300th and the 301st of the people."""


async def _cut_off(
    made: IntegrationDefinition, store: Store, policy: AddressPolicy, apis: Apis, request: SyncRequest
) -> str:
    """A run of this request that is stopped on its way; its id."""
    apis.delay_seconds = 0.01
    engine = SyncEngine(made, store, policy=policy, options=Options(patience_seconds=5))
    running = asyncio.create_task(engine.run(request))
    await until(lambda: apis.requests["POST"] >= 40)
    engine.stop()
    report = await running
    apis.delay_seconds = 0.0
    assert report.status == "stopped"
    return report.run_id


async def test_an_ordinary_run_does_not_take_a_cut_off_range_for_its_own(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    """It would skip, and the watermark would hide, what the range left out before it was cut off."""
    apis.people = [person(n) for n in range(600)]
    apis.people.reverse()  # what lies outside the range comes first
    made = incremental(definition(apis.url, name))
    cut = await _cut_off(made, store, policy, apis, SyncRequest(until=HALF))
    report = await SyncEngine(made, store, policy=policy).run()
    assert (report.status, report.fetched) == ("completed", 600)
    assert report.run_id != cut
    assert apis.emails == {p["email"]: 1 for p in apis.people}


async def test_the_same_range_again_goes_on_where_it_was_cut_off(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(600)]
    made = incremental(definition(apis.url, name))
    cut = await _cut_off(made, store, policy, apis, SyncRequest(until=HALF))
    report = await SyncEngine(made, store, policy=policy).run(SyncRequest(until=HALF))
    assert (report.run_id, report.status) == (cut, "completed")
    assert (report.created, report.filtered, len(apis.contacts)) == (300, 300, 300)
    everything = await SyncEngine(made, store, policy=policy).run()
    assert everything.full  # the range moved no watermark
    assert (everything.created, everything.unchanged) == (300, 300)


async def test_a_range_that_nobody_can_tell_apart_is_refused(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    made = definition(apis.url, name)
    engine = SyncEngine(made, store, policy=policy)
    with pytest.raises(InputError, match="no moment of change"):
        await engine.run(SyncRequest(since=HALF))
    by_parameter = Incremental(param="updated_since", field=None)
    made = made.model_copy(update={"source": made.source.model_copy(update={"incremental": by_parameter})})
    with pytest.raises(InputError, match="`until` cannot be kept"):
        await SyncEngine(made, store, policy=policy).run(SyncRequest(until=HALF))
    engine = SyncEngine(incremental(made), store, policy=policy)
    with pytest.raises(InputError, match="later than since"):
        await engine.run(SyncRequest(since=HALF, until="2026-01-01"))
    assert not apis.requests


async def test_a_record_without_a_moment_is_in_no_range(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(1), person(2, updated_at=""), person(3)]
    made = incremental(definition(apis.url, name))
    report = await SyncEngine(made, store, policy=policy).run(SyncRequest(until=HALF))
    assert (report.created, report.filtered) == (2, 1)
