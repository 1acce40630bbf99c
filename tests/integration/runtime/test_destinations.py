"""Destinations of several kinds: upserts, forms, deletions, records that somebody else removed."""

from __future__ import annotations

from urllib.parse import parse_qsl

from aiohttp import web

from tests.integration.runtime.apis import Apis, person
from tests.integration.runtime.definitions import definition, rows, with_lookup
from vitesse_graph.http import AddressPolicy
from vitesse_graph.runtime.dead_letters import (
    drop_dead_letters,
    forget,
    list_dead_letters,
    recent_records,
    retry_dead_letters,
)
from vitesse_graph.runtime.engine import SyncEngine
from vitesse_graph.runtime.provenance import explain
from vitesse_graph.runtime.store import Store
from vitesse_graph.state.definition import Call, IntegrationDefinition, SyncReport
from vitesse_graph.state.mapping import MappingLogic


async def sync(made: IntegrationDefinition, store: Store, policy: AddressPolicy) -> SyncReport:
    return await SyncEngine(made, store, policy=policy).run()


async def test_what_the_source_shows_as_deleted_is_deleted_over_there_and_may_come_back(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(10)]
    made = definition(apis.url, name)
    made.source.deleted_field = "deleted_at"
    made.dest.delete = Call(method="DELETE", path="/contacts/{id}")
    await sync(made, store, policy)
    apis.people[3]["deleted_at"] = "2026-04-01T00:00:00Z"
    report = await sync(made, store, policy)
    assert (report.deleted, report.unchanged, len(apis.contacts)) == (1, 9, 9)
    assert (await sync(made, store, policy)).unchanged == 10
    apis.people[3].pop("deleted_at")
    # The very same content: under the key of its first life it would be answered with the record that is gone.
    assert (await sync(made, store, policy)).created == 1
    assert len(apis.contacts) == 10
    assert (await sync(made, store, policy)).unchanged == 10


async def test_a_record_that_vanished_at_the_destination_is_created_anew_when_it_changes(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(5)]
    made = with_lookup(definition(apis.url, name))
    await sync(made, store, policy)
    apis.contacts.clear()
    apis.people[2]["first_name"] = "New"
    report = await sync(made, store, policy)
    assert (report.written, report.unchanged) == (1, 4)
    assert [c["first_name"] for c in apis.contacts.values()] == ["New"]


async def test_a_record_that_vanished_and_has_its_first_content_again_is_created_not_taken_for_a_repeat(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(1)]
    made = definition(apis.url, name)
    await sync(made, store, policy)
    apis.people[0]["first_name"] = "Other"
    await sync(made, store, policy)
    apis.contacts.clear()
    apis.people[0]["first_name"] = "First1"
    assert (await sync(made, store, policy)).written == 1
    assert [c["first_name"] for c in apis.contacts.values()] == ["First1"]


async def test_an_upsert_is_one_call_for_new_and_changed_records(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(8)]
    stored: dict[str, str] = {}

    async def take(request: web.Request) -> web.Response:
        body = await request.json()
        stored[body["email"]] = body["first_name"]
        return web.json_response({"id": body["email"]})

    apis.app_post = take
    made = definition(apis.url, name)
    made.dest.create = made.dest.update = Call(method="PUT", path="/upsert")
    made.dest.update_id_param = made.dest.idempotency_header = None
    assert (await sync(made, store, policy)).created == 8
    apis.people[1]["first_name"] = "New"
    report = await sync(made, store, policy)
    assert (report.updated, report.unchanged) == (1, 7)
    assert stored[apis.people[1]["email"]] == "New"


async def test_a_form_is_sent_with_nested_brackets(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(1)]
    seen: list[tuple[str, str]] = []

    async def take(request: web.Request) -> web.Response:
        assert request.content_type == "application/x-www-form-urlencoded"
        seen.extend(parse_qsl(await request.text()))
        return web.json_response({"id": "cus_1"})

    apis.app_post = take
    made = definition(apis.url, name)
    made.dest.create = Call(method="PUT", path="/upsert", content_type="application/x-www-form-urlencoded")
    made.mapping = MappingLogic(transformations=[*rows(), *rows("metadata.")])
    assert (await sync(made, store, policy)).created == 1
    assert ("email", "person000001@example.com") in seen
    assert ("metadata[first_name]", "First1") in seen


async def test_of_two_source_records_with_one_natural_key_the_first_keeps_it(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(6)]
    apis.people[4]["email"] = apis.people[1]["email"].upper()
    made = with_lookup(definition(apis.url, name))
    for _ in range(2):
        report = await sync(made, store, policy)
        assert report.quarantined == 1
        assert len(apis.contacts) == 5
    told = await explain(store, name, "4")
    assert (told["outcome"], told["dest_id"]) == ("quarantined", None)
    assert "natural key" in told["reason"]


async def test_a_dead_letter_is_written_when_it_is_tried_again_and_closed(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(4)]
    apis.refuses = lambda body: "not today" if body["first_name"] == "First2" else None
    engine = SyncEngine(definition(apis.url, name), store, policy=policy)
    assert (await engine.run()).quarantined == 1
    recent = await recent_records(store, name)
    assert [failed["key"] for failed in recent["failed"]] == ["2"]
    assert len(recent["good"]) == 3
    letter = (await list_dead_letters(store, name))[0]
    assert letter["payload"]["first_name"] == "First2"
    assert await retry_dead_letters(engine) == {"retried": 1, "written": 0, "failed": 1, "read_again": 0}
    assert (await list_dead_letters(store, name))[0]["attempts"] == 2
    apis.refuses = lambda body: None
    assert await retry_dead_letters(engine, [letter["id"]]) == {
        "retried": 1,
        "written": 1,
        "failed": 0,
        "read_again": 0,
    }
    assert await list_dead_letters(store, name) == []
    assert (await engine.run()).unchanged == 4


async def test_a_dropped_dead_letter_stays_dropped_until_its_record_changes(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(0), person(1, total_spent="many"), person(2)]
    apis.refuses = lambda body: "no" if body["first_name"].startswith("First2") else None
    engine = SyncEngine(definition(apis.url, name), store, policy=policy)
    await engine.run()
    assert await drop_dead_letters(store, name) == 2
    assert (await engine.run()).quarantined == 2
    assert await list_dead_letters(store, name) == []
    apis.people[1]["total_spent"] = "more"
    apis.people[2]["first_name"] = "First2b"
    await engine.run()
    assert [letter["code"] for letter in await list_dead_letters(store, name)] == ["transform", "http_422"]


async def test_what_is_forgotten_leaves_no_row_behind(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(0), person(1, total_spent="many")]
    await sync(definition(apis.url, name), store, policy)
    await forget(store, name)
    async with store.connection() as connection:
        for table in ("ledger", "runs", "cursors", "dead_letters", "intents", "leases", "holds", "mappings"):
            found = await connection.execute(
                f"select count(*) from vitesse_runtime.{table} where integration_id = %s".encode(), (name,)
            )
            assert await found.fetchone() == (0,)


async def test_a_changed_record_goes_nowhere_where_nothing_can_be_updated(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(3)]
    made = definition(apis.url, name)
    made.dest.update = None
    await sync(made, store, policy)
    apis.people[0]["first_name"] = "New"
    report = await sync(made, store, policy)
    assert (report.filtered, report.unchanged, len(apis.contacts)) == (1, 2, 3)
    told = await explain(store, name, "0")
    assert "no update operation" in told["reason"]
