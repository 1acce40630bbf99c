"""A run reads a few of the records that it wrote back, over real HTTP, and never pays dearly for it."""

from __future__ import annotations

import re

from aiohttp import web

from tests.integration.runtime.apis import Apis, person
from tests.integration.runtime.definitions import definition
from vitesse_graph.http import AddressPolicy
from vitesse_graph.runtime import readback
from vitesse_graph.runtime.engine import SyncEngine, SyncRequest
from vitesse_graph.runtime.store import Store
from vitesse_graph.state.definition import Call, IntegrationDefinition, RecordRead, SyncReport

SHOWN = re.compile(r"/contacts/([^/]+)$")


def showing(apis: Apis, *, without: tuple[str, ...] = (), status: int = 200) -> list[str]:
    """The destination shows single records, without these fields; returns the ids asked for."""
    asked: list[str] = []

    def hook(request: web.Request) -> web.StreamResponse | None:
        found = SHOWN.search(request.path)
        if request.method != "GET" or found is None:
            return None
        asked.append(found[1])
        if status != 200:
            return web.json_response({"error": "later"}, status=status)
        record = {k: v for k, v in apis.contacts[found[1]].items() if k not in without}
        return web.json_response({"contact": record})

    apis.hook = hook
    return asked


def readable(made: IntegrationDefinition) -> IntegrationDefinition:
    read = RecordRead(call=Call(method="GET", path="/contacts/{id}"), id_param="id")
    return made.model_copy(update={"dest": made.dest.model_copy(update={"read": read})})


async def sync(engine: SyncEngine) -> SyncReport:
    return await engine.run(SyncRequest(full=True))


async def test_what_was_written_comes_back(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(60)]
    asked = showing(apis)
    report = await sync(SyncEngine(readable(definition(apis.url, name)), store, policy=policy))
    found = report.read_back
    assert found is not None
    assert (found.records, len(asked)) == (readback.RECORDS, readback.RECORDS)
    assert {path: (f.sent, f.kept) for path, f in found.fields.items()} == dict.fromkeys(
        ("email", "first_name", "last_name", "lifetime_value"), (10, 10)
    )
    assert "example.com" not in found.model_dump_json()


async def test_a_field_that_is_taken_and_dropped_is_seen(
    apis: Apis,
    store: Store,
    policy: AddressPolicy,
    name: str,
) -> None:
    apis.people = [person(n) for n in range(4)]
    showing(apis, without=("email",))
    report = await sync(SyncEngine(readable(definition(apis.url, name)), store, policy=policy))
    assert (report.status, report.quarantined) == ("completed", 0)
    assert report.read_back is not None
    assert report.read_back.fields["email"].model_dump() == {"sent": 4, "kept": 0, "changed": 0}
    assert report.read_back.fields["first_name"].kept == 4


async def test_an_api_that_is_busy_is_left_alone_at_once(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(30)]
    asked = showing(apis, status=429)
    report = await sync(SyncEngine(readable(definition(apis.url, name)), store, policy=policy))
    assert (report.status, report.written, len(asked)) == ("completed", 30, 1)
    assert report.read_back is not None
    assert (report.read_back.records, report.read_back.fields) == (0, {})


async def test_records_that_are_not_shown_are_not_judged(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(5)]
    showing(apis, status=404)
    report = await sync(SyncEngine(readable(definition(apis.url, name)), store, policy=policy))
    assert report.read_back is not None
    assert (report.status, report.read_back.records) == ("completed", 0)


async def test_an_api_without_such_a_read_is_never_asked(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(5)]
    asked = showing(apis)
    report = await sync(SyncEngine(definition(apis.url, name), store, policy=policy))
    assert (report.read_back, asked) == (None, [])


async def test_it_is_not_done_again_for_a_while(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(12)]
    asked = showing(apis)
    engine = SyncEngine(readable(definition(apis.url, name)), store, policy=policy)
    await sync(engine)
    apis.people = [person(n, first_name="Other") for n in range(12)]
    report = await sync(engine)
    assert (report.updated, report.read_back, len(asked)) == (12, None, readback.RECORDS)


async def test_a_run_that_wrote_nothing_reads_nothing_back(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(3)]
    asked = showing(apis)
    made = readable(definition(apis.url, name))
    await sync(SyncEngine(made, store, policy=policy))
    before = len(asked)
    report = await sync(SyncEngine(made, store, policy=policy))
    assert (report.unchanged, report.read_back, len(asked)) == (3, None, before)
