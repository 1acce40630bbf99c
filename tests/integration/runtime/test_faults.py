"""What goes wrong over there, and what the sync makes of it."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from tests.integration.runtime.apis import Apis, digest, person, until
from tests.integration.runtime.definitions import batched, definition, incremental, with_lookup
from vitesse_graph.errors import ConflictError
from vitesse_graph.http import AddressPolicy
from vitesse_graph.runtime.connect import Options
from vitesse_graph.runtime.dead_letters import retry_dead_letters
from vitesse_graph.runtime.engine import SyncEngine
from vitesse_graph.runtime.store import Store
from vitesse_graph.state.api_spec import Pagination
from vitesse_graph.state.definition import IntegrationDefinition, SyncReport

QUICK = Options(patience_seconds=3.0, stop_grace_seconds=3.0)


async def sync(
    made: IntegrationDefinition, store: Store, policy: AddressPolicy, options: Options = QUICK
) -> SyncReport:
    return await SyncEngine(made, store, policy=policy, options=options).run()


def closes(report: SyncReport) -> bool:
    return report.fetched == (
        report.written + report.unchanged + report.filtered + report.quarantined + report.deleted
    )


def drops_every(number: int, method: str = "POST") -> object:
    counter = itertools.count(1)
    return lambda request: request.method == method and next(counter) % number == 0


@pytest.mark.parametrize("shape", [lambda m: m, with_lookup, batched], ids=["keys", "lookup", "batches"])
async def test_a_destination_that_stores_and_then_cuts_the_line_gets_nothing_twice(
    shape: object, apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(150)]
    apis.drop_after = drops_every(4)  # type: ignore[assignment]
    report = await sync(shape(definition(apis.url, name)), store, policy)  # type: ignore[operator]
    assert report.status == "completed"
    assert apis.emails == {p["email"]: 1 for p in apis.people}


async def test_an_outcome_that_nobody_can_find_out_is_quarantined_and_never_sent_again(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(40)]
    apis.drop_after = drops_every(10)  # type: ignore[assignment]
    made = definition(apis.url, name)
    made.dest.idempotency_header = None
    report = await sync(made, store, policy)
    assert report.quarantined == 4
    assert apis.emails == {p["email"]: 1 for p in apis.people}
    apis.drop_after = None
    again = await sync(made, store, policy)
    assert (again.unchanged, again.quarantined) == (36, 4)
    assert set(apis.emails.values()) == {1}

    # what replays by itself after a repair leaves them to a person; a person may say so
    engine = SyncEngine(made, store, policy=policy)
    assert (await retry_dead_letters(engine, with_unknown=False))["retried"] == 0
    assert set(apis.emails.values()) == {1}
    counts = await retry_dead_letters(engine)
    assert counts == {"retried": 4, "written": 4, "failed": 0, "read_again": 0}


@pytest.mark.parametrize("status", [401, 429, 503])
async def test_what_was_surely_not_taken_is_sent_again_though_nobody_can_look_it_up(
    status: int, apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    """No lookup, no idempotency key: only the refusal itself tells that nothing was written."""
    apis.people = [person(n) for n in range(60)]
    made = definition(apis.url, name)
    made.dest.idempotency_header = None
    writes = itertools.count(1)

    def hook(request: web.Request) -> web.Response | None:
        is_refused = request.method == "POST" and next(writes) > 20
        return web.json_response({}, status=status) if is_refused else None

    apis.hook = hook
    impatient = Options(patience_seconds=0.3, stop_grace_seconds=0.5)
    cut_off = await sync(made, store, policy, impatient)
    assert (cut_off.status, len(apis.emails)) == ("failed", 20)
    apis.hook = None
    report = await sync(made, store, policy)
    assert (report.status, report.quarantined) == ("completed", 0)
    assert apis.emails == {p["email"]: 1 for p in apis.people}


async def test_a_repeat_that_meets_its_first_attempt_under_way_waits_for_its_end(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    """The line is cut while the destination still works on the write; meanwhile it answers the key with 409."""
    apis.people = [person(n) for n in range(20)]
    met: dict[str, int] = {}

    def hook(request: web.Request) -> web.Response | None:
        if request.method != "POST":
            return None
        times = met[request.headers["Idempotency-Key"]] = met.get(request.headers["Idempotency-Key"], 0) + 1
        if times == 1 and len(met) % 5 == 0:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        return web.json_response({"error": "in progress"}, status=409) if times == 2 else None

    apis.hook = hook
    report = await sync(definition(apis.url, name), store, policy)
    assert (report.created, report.quarantined) == (20, 0)
    assert apis.emails == {p["email"]: 1 for p in apis.people}


async def test_a_storm_of_429_is_waited_out(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    """A destination of 100 requests a second that forgives a burst of two."""
    apis.people = [person(n) for n in range(120)]
    bucket = {"tokens": 2.0, "at": time.monotonic(), "refused": 0}

    def hook(request: web.Request) -> web.Response | None:
        if request.method != "POST":
            return None
        now = time.monotonic()
        bucket["tokens"] = min(2.0, bucket["tokens"] + 100.0 * (now - bucket["at"]))
        bucket["at"] = now
        if bucket["tokens"] >= 1.0:
            bucket["tokens"] -= 1.0
            return None
        bucket["refused"] += 1
        return web.json_response({}, status=429, headers={"Retry-After": "0.01"})

    apis.hook = hook
    started = time.monotonic()
    report = await sync(definition(apis.url, name), store, policy)
    assert (report.created, report.status) == (120, "completed")
    assert time.monotonic() - started < 4.0  # the ideal is 1.2 s
    assert bucket["refused"] < 120


async def test_a_declared_limit_is_kept_from_the_first_request_on(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    from vitesse_graph.state.api_spec import RateLimit

    apis.people = [person(n) for n in range(60)]
    made = definition(apis.url, name)
    made.dest.rate_limit = RateLimit(requests=100, per_seconds=1, burst=1)
    started = time.monotonic()
    await sync(made, store, policy)
    assert 0.55 < time.monotonic() - started < 2.0


async def test_two_processes_with_one_credential_spend_one_budget(
    apis: Apis, store: Store, policy: AddressPolicy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vitesse_graph.runtime import limiter
    from vitesse_graph.state.api_spec import AuthScheme, RateLimit

    monkeypatch.setenv("SHARED_KEY", f"key-of-{name}")
    apis.people = [person(n) for n in range(60)]
    runs = []
    for number in range(2):
        made = definition(apis.url, f"{name}-{number}")
        made.dest.auth, made.dest.auth_ref = AuthScheme(type="bearer"), "env:SHARED_KEY"
        made.dest.rate_limit = RateLimit(requests=100, per_seconds=1, burst=1)
        limiter._shared.clear()  # what another process knows is not known here
        runs.append(asyncio.create_task(sync(made, store, policy)))
        await asyncio.sleep(0.1)
    started = time.monotonic()
    reports = await asyncio.gather(*runs)
    assert [report.created for report in reports] == [60, 60]
    assert 0.9 < time.monotonic() - started < 3.0  # alone, each would need 0.6 s


async def test_a_record_that_always_breaks_the_destination_does_not_hold_up_the_others(
    apis: Apis, store: Store, policy: AddressPolicy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitesse_graph.runtime.client._BASE_WAIT_SECONDS", 0.01)
    apis.people = [person(n) for n in range(30)]

    def refuse(body: dict[str, object]) -> str | None:
        if body["first_name"] == "First3":
            raise web.HTTPInternalServerError
        return None

    apis.refuses = refuse
    report = await sync(definition(apis.url, name), store, policy)
    assert (report.created, report.quarantined) == (29, 1)


async def test_an_outage_ends_the_run_as_failed_and_the_next_one_goes_on(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(200)]
    counter = itertools.count()
    apis.hook = lambda r: (
        web.json_response({}, status=503) if r.method == "POST" and next(counter) > 90 else None
    )
    made = definition(apis.url, name)
    report = await sync(made, store, policy, Options(patience_seconds=0.5, stop_grace_seconds=1.0))
    assert report.status == "failed"
    assert report.quarantined == 0
    assert closes(report)
    apis.hook = None
    again = await sync(made, store, policy)
    assert again.run_id == report.run_id
    assert apis.emails == {p["email"]: 1 for p in apis.people}


async def test_too_large_a_share_of_failures_pauses_the_sync_until_it_is_resumed(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(400)]
    apis.refuses = lambda body: "no"
    engine = SyncEngine(definition(apis.url, name), store, policy=policy, options=QUICK)
    report = await engine.run()
    assert report.status == "paused"
    assert report.fetched < 400
    with pytest.raises(ConflictError, match="held"):
        await engine.run()
    await engine.release()
    apis.refuses = lambda body: None
    assert (await engine.run()).status in ("completed", "paused")


async def test_pagination_that_runs_in_circles_ends_the_run(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(10)]
    apis.hook = lambda r: (
        web.json_response({"people": apis.people, "next": "again"}) if r.path == "/people" else None
    )
    report = await sync(definition(apis.url, name), store, policy)
    assert report.status == "failed"
    assert "in circles" in (report.error or "")
    assert set(apis.emails.values()) == {1}


async def test_a_source_that_ignores_the_page_parameter_is_noticed(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(10)]
    apis.hook = lambda r: web.json_response({"people": apis.people}) if r.path == "/people" else None
    made = definition(apis.url, name)
    made.source.pagination = Pagination(style="page", params=["page"], items_at="people")
    report = await sync(made, store, policy)
    assert "in circles" in (report.error or "")
    assert report.created == 10


async def test_pages_that_repeat_records_write_them_once(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    people = [person(n) for n in range(100)]
    apis.people = [p for start in range(0, 100, 10) for p in people[max(0, start - 5) : start + 10]]
    report = await sync(definition(apis.url, name, page_size=15), store, policy)
    assert closes(report)
    assert (report.created, report.fetched) == (100, len(apis.people))
    assert apis.emails == {p["email"]: 1 for p in people}


async def test_a_record_that_slips_between_counted_pages_is_read_after_all(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(40)]

    def hook(request: web.Request) -> web.Response | None:
        if request.path != "/people":
            return None
        start = int(request.query["offset"])
        page = {"people": apis.people[start : start + 10], "total": len(apis.people)}
        if start == 10 and len(apis.people) == 40:
            del apis.people[2]  # all behind it move up: number 20 is now on a page that was read already
        return web.json_response(page)

    apis.hook = hook
    made = definition(apis.url, name)
    made.source.pagination = Pagination(
        style="offset", params=["offset"], items_at="people", total_from="total"
    )
    report = await sync(made, store, policy)
    assert report.status == "completed"
    assert {p["email"] for p in apis.people} <= set(apis.emails)
    assert set(apis.emails.values()) == {1}


async def test_a_source_that_answers_404_after_the_last_page_is_read_to_its_end(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(20)]

    def hook(request: web.Request) -> web.Response | None:
        if request.path != "/people":
            return None
        start = (int(request.query["page"]) - 1) * 10
        page = apis.people[start : start + 10]
        return web.json_response({"people": page}, status=200 if page else 404)

    apis.hook = hook
    made = definition(apis.url, name)
    made.source.pagination = Pagination(style="page", params=["page"], items_at="people")
    report = await sync(made, store, policy)
    assert (report.status, report.created) == ("completed", 20)


async def test_the_next_page_at_another_host_is_not_asked(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(4)]
    other = Apis().start()
    try:
        apis.hook = lambda r: (
            web.json_response(apis.people, headers={"Link": f'<{other.url}/people>; rel="next"'})
            if r.path == "/people"
            else None
        )
        made = definition(apis.url, name)
        made.source.pagination = Pagination(style="link_header", items_at="")
        report = await sync(made, store, policy)
        assert report.status == "failed"
        assert "another host" in (report.error or "")
        assert other.requests.total() == 0
    finally:
        other.stop()


async def test_two_runners_started_at_once_do_the_work_once(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(150)]
    apis.delay_seconds = 0.02
    made = definition(apis.url, name)
    ends = await asyncio.gather(*(sync(made, store, policy) for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(end, SyncReport) for end in ends) == 1
    assert sum(isinstance(end, ConflictError) for end in ends) == 2
    assert apis.emails == {p["email"]: 1 for p in apis.people}


async def test_stopped_in_the_middle_the_next_run_goes_on_from_there(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(600)]
    apis.delay_seconds = 0.01
    engine = SyncEngine(definition(apis.url, name), store, policy=policy, options=QUICK)
    running = asyncio.create_task(engine.run())
    await asyncio.sleep(0.4)
    engine.stop()
    first = await running
    assert first.status == "stopped"
    assert 0 < first.fetched < 600
    apis.delay_seconds = 0.0
    second = await sync(definition(apis.url, name), store, policy)
    assert (second.run_id, second.status) == (first.run_id, "completed")
    assert apis.emails == {p["email"]: 1 for p in apis.people}
    assert apis.requests["POST"] == 600


async def test_a_position_that_the_source_forgot_is_read_from_the_beginning(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(400)]
    apis.delay_seconds = 0.01
    engine = SyncEngine(definition(apis.url, name, page_size=20), store, policy=policy, options=QUICK)
    running = asyncio.create_task(engine.run())
    await asyncio.sleep(0.5)
    engine.stop()
    assert (await running).status == "stopped"
    apis.delay_seconds = 0.0
    expired = {"yes": True}

    def hook(request: web.Request) -> web.Response | None:
        if request.path == "/people" and "cursor" in request.query and expired.pop("yes", False):
            return web.json_response({"error": "cursor expired"}, status=410)
        return None

    apis.hook = hook
    report = await sync(definition(apis.url, name, page_size=20), store, policy)
    assert report.status == "completed"
    assert not expired
    assert apis.emails == {p["email"]: 1 for p in apis.people}


async def test_a_source_that_changes_while_it_is_read_is_equal_after_the_next_run(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    chance = random.Random(1)
    apis.people = [person(n) for n in range(300)]
    apis.delay_seconds = 0.005
    made = definition(apis.url, name, page_size=20)
    running = asyncio.create_task(sync(made, store, policy))
    while not running.done():
        await asyncio.sleep(0.01)
        apis.people[chance.randrange(300)]["last_name"] = f"Name{chance.random()}"
        chance.shuffle(apis.people)
    apis.delay_seconds = 0.0
    await sync(made, store, policy)
    assert apis.emails == {p["email"]: 1 for p in apis.people}
    stored = {c["email"]: c["last_name"] for c in apis.contacts.values()}
    assert stored == {p["email"]: p["last_name"] for p in apis.people}


async def test_values_that_databases_and_encoders_dislike_are_carried_or_quarantined(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [
        person(0, first_name="nul\0inside"),
        person(1, first_name="emoji 👩‍🚀 עברית"),
        person(2, id="key\0with nul"),
        person(3, first_name="x" * 2_000_000),
        person(4, id=None),
        person(5, total_spent={"not": "a number"}),
    ]
    report = await sync(definition(apis.url, name), store, policy)
    assert (report.created, report.quarantined) == (5, 1)
    stored = {c["first_name"] for c in apis.contacts.values()}
    assert {"nul\0inside", "emoji 👩‍🚀 עברית"} <= stored


async def test_lone_surrogates_spoil_their_own_record_only(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    people = [person(0), person(1, first_name="SURROGATE"), person(2)]
    text = json.dumps({"people": people, "next": None}).replace("SURROGATE", "\\ud83d")
    apis.hook = lambda r: (
        web.Response(text=text, content_type="application/json") if r.path == "/people" else None
    )
    report = await sync(definition(apis.url, name), store, policy)
    assert (report.created, report.quarantined) == (2, 1)
    assert digest(apis.contacts)


async def test_a_page_of_fifty_megabytes_is_moved(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n, note="n" * 25_000) for n in range(2_000)]
    made = batched(definition(apis.url, name, page_size=500), 100)
    made.source.pagination.max_page_size = 500
    report = await sync(made, store, policy)
    assert (report.created, len(apis.contacts)) == (2000, 2000)


@pytest.mark.parametrize("hours", [-26, 26], ids=["behind", "ahead"])
async def test_a_source_whose_clock_is_wrong_is_read_by_its_own_clock(
    hours: int, apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    """Neither what changed is missed nor is a wait measured by our clock."""
    clock = [datetime.now(UTC) + timedelta(hours=hours)]
    busy = {"times": 1}

    def hook(request: web.Request) -> web.Response | None:
        if request.path != "/people":
            return None
        theirs = {"Date": format_datetime(clock[0], usegmt=True)}
        if busy["times"]:
            busy["times"] -= 1
            soon = format_datetime(clock[0] + timedelta(seconds=1), usegmt=True)
            return web.json_response({}, status=429, headers={**theirs, "Retry-After": soon})
        since = request.query.get("updated_since", "")
        return web.json_response(
            {"people": [p for p in apis.people if p["updated_at"] >= since], "next": None}, headers=theirs
        )

    def moment() -> str:
        return clock[0].isoformat(timespec="seconds").replace("+00:00", "Z")

    apis.hook = hook
    apis.people = [person(n, updated_at=moment()) for n in range(10)]
    clock[0] += timedelta(minutes=10)
    made = incremental(definition(apis.url, name))
    assert made.source.incremental is not None
    made.source.incremental.field = None  # only the answers' Date says how far the read came
    made.source.watermark_overlap_seconds = 60
    started = time.monotonic()
    assert (await sync(made, store, policy)).created == 10
    assert time.monotonic() - started < 10
    clock[0] += timedelta(minutes=30)
    apis.people[3].update(last_name="Changed", updated_at=moment())
    clock[0] += timedelta(minutes=1)
    report = await sync(made, store, policy)
    assert (report.updated, report.fetched, report.full) == (1, 1, False)


async def test_a_mapping_published_in_mid_run_waits_for_the_next_run(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    """The run ends on the version it began with; the next one brings every record to the new version."""
    apis.people = [person(n) for n in range(300)]
    apis.delay_seconds = 0.05
    made = definition(apis.url, name)
    newer = made.model_copy(update={"version": 2}, deep=True)
    newer.mapping = made.mapping.evolve(version=2)
    newer.mapping.transformations[1].source_field = "last_name"
    running = asyncio.create_task(sync(made, store, policy))
    await until(lambda: apis.requests["POST"] >= 50)
    with pytest.raises(ConflictError, match="already running"):
        await sync(newer, store, policy)
    assert (await running).created == 300
    assert all(c["first_name"].startswith("First") for c in apis.contacts.values())
    runs = await store.records("runs", {"id": name, "limit": 10})
    assert {(run["definition_version"], run["mapping_version"], run["created"]) for run in runs} == {
        (1, 1, 300)
    }
    apis.delay_seconds = 0.0
    report = await sync(newer, store, policy)
    assert (report.full, report.updated, report.created) == (True, 300, 0)
    assert all(c["first_name"] == c["last_name"] for c in apis.contacts.values())
