"""What a run writes into the ledger and keeps as intents comes back as it was, whatever is in it."""

from __future__ import annotations

import asyncio

import orjson

from tests.integration.runtime.definitions import definition
from vitesse_graph.runtime.lease import Lease
from vitesse_graph.runtime.ledger import RunLedger, text_array
from vitesse_graph.runtime.plan import Work
from vitesse_graph.runtime.store import Store
from vitesse_graph.runtime.writer import Job

ODD = [
    "plain",
    'a "quote"',
    "back\\slash",
    "tab\tand\nline",
    "{a,b}",
    "null",
    "NULL",
    "",
    " ",
    "Žluť 😀",
    "\x01",
]


def written(key: str, *, dest_id: str | None = None, natural: str | None = None, content: str = "h") -> Work:
    work = Work(key, {"id": key}, 3)
    work.hash, work.dest_id, work.natural = content, dest_id, natural
    work.created = work.is_new = True
    work.end("written")
    return work


async def test_any_text_goes_through_an_array(store: Store) -> None:
    async with store.connection() as connection:
        for values in (ODD, [*ODD, None], [odd for odd in ODD if odd.isalnum()], [1, 2], []):
            found = await connection.execute("select %s::text[]", (text_array(values),))
            row = await found.fetchone()
            assert row is not None
            assert row[0] == [None if value is None else str(value) for value in values]


async def test_new_rows_hold_what_the_general_way_would_write(store: Store, name: str) -> None:
    made = definition("http://127.0.0.1:1", name)
    async with Lease(store, name) as lease:
        ledger = RunLedger(store, made, lease)
        await ledger.begin(taken_up=None, is_full=True, filters={})
        works = [
            written(f"new {odd}", dest_id=f"at {odd}" if at % 2 else None, natural=odd or None)
            for at, odd in enumerate(ODD)
        ]
        general = [
            written(f"old {odd}", dest_id=f"in {odd}" if at % 2 else None, natural=f"{odd}2")
            for at, odd in enumerate(ODD)
        ]
        for work in general:
            work.is_new = False
        await ledger.commit([*works, *general], chunk=None, moves_to=({"cursor": "c"}, 1), high=None)
        known = await ledger.known([work.key for work in [*works, *general]])
        for work in [*works, *general]:
            row = known[work.key]
            assert (row.dest_id, row.content_hash, row.outcome) == (work.dest_id, "h", "written")
            assert (row.run_id, row.mapping_version) == (ledger.run_id, made.mapping.version)
        assert await ledger.owners(['a "quote"', "žluť 😀"]) == {
            'a "quote"': 'new a "quote"',
            "žluť 😀": "new Žluť 😀",
        }
        await ledger.end("completed", error=None, seconds=0.0, moves=False, keep_open=False)


async def test_a_row_that_came_between_plan_and_commit_is_written_over_not_tripped_over(
    store: Store, name: str
) -> None:
    async with Lease(store, name) as lease:
        ledger = RunLedger(store, definition("http://127.0.0.1:1", name), lease)
        await ledger.begin(taken_up=None, is_full=True, filters={})
        await ledger.commit([written("1", dest_id="a")], chunk=None, moves_to=None, high=None)
        both = [written("1", dest_id="b", content="later"), written("2")]
        counts = await ledger.commit(both, chunk=None, moves_to=None, high=None)
        known = await ledger.known(["1", "2"])
        assert (known["1"].dest_id, known["1"].content_hash) == ("b", "later")
        assert "2" in known
        assert counts["created"] == 2
        report = await ledger.end("completed", error=None, seconds=0.0, moves=False, keep_open=False)
        assert (report.fetched, report.written) == (3, 3)


async def test_intents_come_back_byte_for_byte_also_those_of_an_earlier_version(
    store: Store, name: str
) -> None:
    made = definition("http://127.0.0.1:1", name)
    bodies = [b'{"a": "x\\ny"}', b"name=a%0Ab", b"", '{"b": "ž"}\n\n'.encode()]
    async with Lease(store, name) as lease:
        ledger = RunLedger(store, made, lease)
        await ledger.begin(taken_up=None, is_full=True, filters={})
        jobs = [Job([written(str(at))], "create", body, f"key {at}") for at, body in enumerate(bodies)]
        await ledger.save_intent(jobs)
        entry = {"body": '{"old": 1}', "idem": "k", "works": [["9", "h", None]]}
        earlier = orjson.dumps({"mapping": 1, "jobs": [entry]})
        values = {"id": name, "run": ledger.run_id, "chunk": 99, "payload": earlier, "token": lease.token}
        await store.run("save_intent", values)
        await ledger.end("stopped", error=None, seconds=0.0, moves=False, keep_open=True)
    async with Lease(store, name) as lease:
        again = RunLedger(store, made, lease)
        await again.begin(taken_up=await again.open_run(), is_full=True, filters={})
        (_, _, kept), (_, chunk, old) = await again.intents()
        assert [job["body"] for job in kept["jobs"]] == bodies
        assert [job["works"] for job in kept["jobs"]] == [[[str(at), "h", None]] for at in range(4)]
        assert (chunk, old["jobs"][0]["body"]) == (99, b'{"old": 1}')


async def test_a_lease_that_is_confirmed_by_two_at_once_after_a_break_is_not_lost(
    store: Store, name: str
) -> None:
    async with Lease(store, name) as lease:
        assert lease._connection is not None
        await lease._connection.close()
        await asyncio.gather(*(lease.confirm() for _ in range(5)))
