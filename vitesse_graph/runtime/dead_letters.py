"""Records that could not be written: list them, try them again, drop them."""

from __future__ import annotations

from typing import Any

from vitesse_graph.runtime.engine import SyncEngine
from vitesse_graph.runtime.lease import Lease
from vitesse_graph.runtime.ledger import RunLedger
from vitesse_graph.runtime.store import Store
from vitesse_graph.runtime.writer import DestWriter


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
    """Tries open letters again with the mapping as it is now: {"retried", "written", "failed"}.

    `with_unknown` off leaves alone those of which nobody knows whether they were taken, where the
    destination can neither tell nor be asked twice: sending them again is a person's decision.
    Raises ConflictError while a sync runs.
    """
    store, integration_id = engine.store, engine.definition.integration_id
    written = retried = after = 0
    async with Lease(store, integration_id) as lease, engine.open() as sides:
        ledger = RunLedger(store, engine.definition, lease)
        await ledger.begin(taken_up=None, is_full=False, filters={})
        writer = DestWriter(engine.definition, sides.dest)
        while True:
            values = {"id": integration_id, "status": "open", "ids": ids, "after": after, "limit": 200}
            letters = await store.records("list_letters", values)
            if not letters:
                break
            after = int(letters[-1]["id"])
            if not with_unknown and not writer.can_find_out:
                letters = [letter for letter in letters if letter["code"] != "unknown_outcome"]
            written += await _retry(engine, ledger, writer, letters)
            retried += len(letters)
        await ledger.end("completed", error=None, seconds=0.0, moves=False, keep_open=False)
    return {"retried": retried, "written": written, "failed": retried - written}


async def _retry(
    engine: SyncEngine, ledger: RunLedger, writer: DestWriter, letters: list[dict[str, Any]]
) -> int:
    planner = engine.planner()
    works = planner.prepare([letter["payload"] for letter in letters], 0)
    for work, letter in zip(works, letters, strict=True):
        work.key = letter["source_key"]
    known = await ledger.known([work.key for work in works])
    for work in works:
        if work.outcome is not None:
            continue
        row = known.get(work.key)
        dest_id = row.dest_id if row is not None and row.outcome != "deleted" else None
        if work.action == "delete":
            planner.decide(work, row, ledger.run_id)
            if work.outcome is not None:
                continue
        else:
            work.dest_id = dest_id
            work.after = row.life_after if row is not None else ""
            known_action = "update" if dest_id is not None and engine.definition.dest.update else "create"
            work.action = "upsert" if planner.is_upsert else known_action  # type: ignore[assignment]
        job = writer.job([work], work.action)
        chunk = await ledger.save_intent([job]) if work.action == "create" else None
        await writer.deliver(job)
        await ledger.commit([work], chunk=chunk, moves_to=None, high=None)
    unsent = [
        work for work in works if work.outcome == "quarantined" and work.code in ("transform", "not_json")
    ]
    if unsent:
        await ledger.commit(unsent, chunk=None, moves_to=None, high=None)
    return sum(work.outcome in ("written", "deleted") for work in works)


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
