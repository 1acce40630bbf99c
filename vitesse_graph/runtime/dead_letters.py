"""Records that could not be written: list them, try them again, drop them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from vitesse_graph.errors import VitesseError
from vitesse_graph.runtime.engine import SyncEngine
from vitesse_graph.runtime.lease import Lease
from vitesse_graph.runtime.ledger import NOTE, RunLedger
from vitesse_graph.runtime.plan import Action, Work, fold, goes_by_natural_key, keep_naturals_apart
from vitesse_graph.runtime.recovery import Recovery
from vitesse_graph.runtime.store import Store
from vitesse_graph.runtime.writer import DestWriter, Job

_AT_ONCE = 200


async def list_dead_letters(
    store: Store, integration_id: str, *, status: str | None = "open", limit: int = 100, after: int = 0
) -> list[dict[str, Any]]:
    """Dead letters, oldest first; `after` is the id of the last one seen. `status` None: all."""
    values = {"id": integration_id, "status": status, "ids": None, "after": after, "limit": limit}
    found = await store.records("list_letters", values)
    return [
        {**row, "first_at": row["first_at"].isoformat(), "last_at": row["last_at"].isoformat()}
        for row in found
    ]


async def drop_dead_letters(store: Store, integration_id: str, ids: list[int] | None = None) -> int:
    """A person decides that these need not be written (None: all open ones); returns how many."""
    return len(await store.rows("drop_letters", {"id": integration_id, "ids": ids}))


async def retry_dead_letters(
    engine: SyncEngine, ids: list[int] | None = None, *, with_unknown: bool = True
) -> dict[str, int]:
    """Tries open letters again with the mapping as it is now: {"retried", "written", "failed", "read_again"}.

    A letter whose record is not kept (it is too large) cannot be tried from here: it counts as
    `read_again`, and the next run that reads the record tries it. `with_unknown` off leaves alone those
    of which nobody knows whether they were taken, where the destination can neither tell nor be asked
    twice: sending them again is a person's decision.

    Raises ConflictError while a sync runs, UpstreamError when the destination stays away: then what was
    written until there is kept.
    """
    store, integration_id = engine.store, engine.definition.integration_id
    counts = dict.fromkeys(("retried", "written", "failed", "read_again"), 0)
    after = 0
    started = time.monotonic()
    async with Lease(store, integration_id) as lease, engine.open() as sides:
        ledger = RunLedger(store, engine.definition, lease)
        await ledger.begin(taken_up=None, is_full=False, filters={}, kind="retry")
        writer = DestWriter(engine.definition, sides.dest)
        status, error = "failed", "cut off"
        try:
            await Recovery(engine.definition, sides.dest, writer, ledger).run()
            while letters := await store.records(
                "list_letters",
                {"id": integration_id, "status": "open", "ids": ids, "after": after, "limit": _AT_ONCE},
            ):
                after = int(letters[-1]["id"])
                if not with_unknown and not writer.can_find_out:
                    letters = [letter for letter in letters if letter["code"] != "unknown_outcome"]
                for name, count in (await _retry(engine, ledger, writer, letters)).items():
                    counts[name] += count
            status, error = "completed", ""
        except VitesseError as caught:
            error = engine.redactor(str(caught))
            raise
        finally:
            await ledger.end(
                status,
                error=error or None,
                seconds=time.monotonic() - started,
                moves=False,
                keep_open=False,
            )
    return counts


async def _retry(
    engine: SyncEngine, ledger: RunLedger, writer: DestWriter, letters: list[dict[str, Any]]
) -> dict[str, int]:
    lost = [letter["source_key"] for letter in letters if _is_lost(letter["payload"])]
    if lost:
        await ledger.read_again(lost)
    works = await _planned(engine, ledger, [one for one in letters if not _is_lost(one["payload"])])
    jobs = [writer.job([work], work.action) for work in works if work.outcome is None]
    creates = [job for job in jobs if job.action == "create"]
    chunk = await ledger.save_intent(creates) if creates else None
    trouble = await _deliver(engine, writer, jobs)
    in_doubt = [job for job in creates if any(work.outcome is None for work in job.works)]
    if chunk is not None and in_doubt:
        await ledger.save_intent(in_doubt, chunk=chunk)
    settled = [work for work in works if work.outcome is not None and not work.is_known_refusal]
    await ledger.commit(settled, chunk=None if in_doubt else chunk, moves_to=None, high=None)
    if trouble is not None:
        raise trouble
    written = sum(work.outcome in ("written", "deleted") for work in works)
    return {
        "retried": len(works),
        "written": written,
        "failed": len(works) - written,
        "read_again": len(lost),
    }


async def _deliver(engine: SyncEngine, writer: DestWriter, jobs: list[Job]) -> BaseException | None:
    """Sends them side by side. After the first failure what is under way gets its grace; it is returned, to
    be raised once what was written is kept."""
    room = asyncio.Semaphore(engine.definition.concurrency)

    async def deliver(job: Job) -> None:
        async with room:
            await writer.deliver(job)

    tasks = {asyncio.create_task(deliver(job)) for job in jobs}
    if not tasks:
        return None
    try:
        _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        if pending:
            await asyncio.wait(pending, timeout=engine.options.stop_grace_seconds)
    finally:
        for task in tasks:
            task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    return next((end for end in ends if isinstance(end, Exception)), None)


async def _planned(engine: SyncEngine, ledger: RunLedger, letters: list[dict[str, Any]]) -> list[Work]:
    """A work for each letter, with its action or its end: a person asked, so what was refused before is
    tried all the same."""
    planner = engine.planner()
    works = planner.prepare([letter["payload"] for letter in letters], 0)
    for work, letter in zip(works, letters, strict=True):
        work.key = letter["source_key"]
    known = await ledger.known([work.key for work in works])
    for work in works:
        row = known.get(work.key)
        if work.outcome is not None:
            continue
        if work.action == "delete":
            planner.decide(work, row, ledger.run_id)
            continue
        work.dest_id = row.dest_id if row is not None and row.outcome != "deleted" else None
        work.after = row.life_after if row is not None else ""
        work.natural_before = row.natural_key if row is not None else None
        is_there = work.dest_id is not None or (row is not None and row.content_hash and work.natural_before)
        known_action: Action = "update" if is_there and engine.definition.dest.update else "create"
        work.action = "upsert" if planner.is_upsert else known_action
    by_key = [work for work in works if goes_by_natural_key(work)]
    if by_key:
        owners = await ledger.owners([fold(work.natural or "") for work in by_key])
        keep_naturals_apart(by_key, owners, {})
    return works


def _is_lost(payload: Any) -> bool:
    """Whether the letter holds no record."""
    return payload is None or (isinstance(payload, dict) and set(payload) == {NOTE})


async def recent_records(
    store: Store, integration_id: str, *, limit: int = 20
) -> dict[str, list[dict[str, str]]]:
    """Source keys that went through and that failed last: {"good": [{key}], "failed": [{key, code, reason}]}."""
    values = {"id": integration_id, "limit": limit}
    good = await store.rows("recent_good", values)
    failed = await store.rows("recent_failed", values)
    return {
        "good": [{"key": row[0]} for row in good],
        "failed": [{"key": row[0], "code": row[1], "reason": row[2]} for row in failed],
    }


async def forget(store: Store, integration_id: str) -> None:
    """Deletes ledger, cursor, runs and dead letters of an integration that is gone. The next sync of this id
    would read everything and know nothing of what was written."""
    await store.run("forget", {"id": integration_id})
