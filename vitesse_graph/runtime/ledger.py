"""One run's side of the database: known rows, intents, commits in order, the run's own row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

import orjson
import psycopg

from vitesse_graph.runtime.lease import Lease, LeaseLost
from vitesse_graph.runtime.paginate import Position
from vitesse_graph.runtime.plan import Known, Work, fold
from vitesse_graph.runtime.store import Store
from vitesse_graph.runtime.writer import Job
from vitesse_graph.state.definition import IntegrationDefinition, SyncReport

_MAX_PAYLOAD_BYTES = 1_000_000
NOTE = "vitesse_note"
"""Stands in a dead letter where the record is not kept."""

Kind = Literal["sync", "backfill", "retry"]
"""What a run was asked to do: what changed (or everything), a range, dead letters again."""


class RunLedger:
    """Everything a run reads from and writes to the database, under its lease."""

    def __init__(self, store: Store, definition: IntegrationDefinition, lease: Lease) -> None:
        self._store = store
        self._definition = definition
        self._id = definition.integration_id
        self._lease = lease
        self._run: dict[str, Any] = {}
        self._has_letters = self._has_intents = False
        self._next_chunk = 1

    @property
    def run_id(self) -> int:
        return int(self._run["run_id"])

    @property
    def run(self) -> dict[str, Any]:
        """The run's row as it was opened."""
        return self._run

    async def open_run(self) -> dict[str, Any] | None:
        """A run of this very version that was cut off and can be taken up, or None."""
        found = await self._store.one("open_run", {"id": self._id})
        if found is None or found["definition_version"] != self._definition.version:
            return None
        return found if found["definition_digest"] == self._definition.digest() else None

    async def begin(
        self,
        *,
        taken_up: dict[str, Any] | None,
        is_full: bool,
        filters: dict[str, str],
        kind: Kind = "sync",
        since: str | None = None,
        until: str | None = None,
    ) -> None:
        """Opens a run, or takes one up; open runs of other versions are closed."""
        definition = self._definition
        if taken_up is not None:
            self._run = taken_up
        else:
            values = {
                "id": self._id,
                "version": definition.version,
                "digest": definition.digest(),
                "mapping": definition.mapping.version,
                "source_spec": definition.source_spec_digest,
                "dest_spec": definition.dest_spec_digest,
                "approver": definition.approved_by,
                "full": is_full,
                "filters": json.dumps(filters),
                "kind": kind,
                "since": since,
                "until": until,
                "rows": json.dumps([row.dump() for row in definition.mapping.transformations]),
            }
            begun = await self._store.one("begin_run", values)
            assert begun is not None
            self._run = begun
        values = {
            "id": self._id,
            "run": self.run_id,
            "kind": kind,
            "error": "replaced by another run before its end",
        }
        found = await self._store.rows("settle_in", values)
        self._has_letters, self._has_intents, self._next_chunk = found[0]

    async def restart(self) -> None:
        """From the first page again: the source forgot the position."""
        rows = await self._store.rows("restart_run", {"run": self.run_id})
        self._run = {**self._run, "position": None, "page": 0, "seq": int(rows[0][0])}

    async def known(self, keys: list[str]) -> dict[str, Known]:
        """The ledger's rows of these source keys."""
        rows = await self._store.rows("known", {"id": self._id, "keys": orjson.dumps(keys).decode()})
        return {row[0]: Known(*row[1:]) for row in rows}

    async def owners(self, naturals: list[str]) -> dict[str, str]:
        """Source keys that own these natural keys (folded)."""
        rows = await self._store.rows("owners", {"id": self._id, "keys": orjson.dumps(naturals).decode()})
        return dict(rows)

    async def read_again(self, keys: list[str]) -> None:
        """What was refused of these keys is forgotten: the next run that reads them tries them."""
        values = {"id": self._id, "keys": orjson.dumps(keys).decode(), "token": self._lease.token}
        await self._store.run("read_again", values)

    # -- intents -----------------------------------------------------------------------------------

    async def save_intent(self, jobs: list[Job], *, chunk: int | None = None) -> int:
        """Keeps what is about to be created; returns the number under which a commit clears it.

        With `chunk`, what was kept under that number is replaced.

        Raises LeaseLost when another runner took over: then nothing may be sent.
        """
        if chunk is None:
            chunk, self._next_chunk = self._next_chunk, self._next_chunk + 1
        bodies = [job.body for job in jobs]
        entries = [
            {
                "size": len(job.body),
                "idem": job.idempotency,
                "works": [[work.key, work.hash, work.natural] for work in job.works],
            }
            for job in jobs
        ]
        head = orjson.dumps({"mapping": self._definition.mapping.version, "jobs": entries})
        payload = b"\n".join((head, *bodies))
        values = {
            "id": self._id,
            "run": self.run_id,
            "chunk": chunk,
            "payload": payload,
            "token": self._lease.token,
        }
        if not await self._store.rows("save_intent", values):
            raise LeaseLost(f"another runner took over {self._id}")
        return chunk

    async def intents(self) -> list[tuple[int, int, dict[str, Any]]]:
        """(run, chunk, payload) of every request whose end is unknown; each job's `body` is bytes."""
        if not self._has_intents:
            return []
        rows = await self._store.rows("intents", {"id": self._id})
        return [(int(run), int(chunk), _payload_of(bytes(payload))) for run, chunk, payload in rows]

    async def settle_intent(self, intent_run: int, chunk: int, rows: list[dict[str, Any]]) -> None:
        """The ledger learns what became of an intent; the intent is cleared in the same transaction."""
        values = {
            "id": self._id,
            "token": self._lease.token,
            "run": self.run_id,
            "intent_run": intent_run,
            "chunk": chunk,
            "rows": orjson.dumps(rows).decode(),
        }
        if not (await self._store.rows("settle_intent", values))[0][0]:
            raise LeaseLost(f"another runner took over {self._id}")

    # -- commits -----------------------------------------------------------------------------------

    async def commit(
        self,
        works: list[Work],
        *,
        chunk: int | None,
        moves_to: tuple[Position | None, int] | None,
        high: float | None,
    ) -> dict[str, int]:
        """Outcomes, counts and, where `moves_to` is given, the cursor, in one transaction; returns the counts.

        A repeat of a commit whose answer was lost does nothing. Raises LeaseLost.
        """
        counts = count_outcomes(works)
        seq = int(self._run["seq"]) + 1
        # A record that was in the dead letters must also be resolved there: that is the general way's to do.
        fresh = [] if self._has_letters else [work for work in works if work.is_new and _is_plain(work)]
        self._has_letters = self._has_letters or counts["quarantined"] > 0
        values = {
            "id": self._id,
            "token": self._lease.token,
            "run": self.run_id,
            "seq": seq,
            "moves": moves_to is not None,
            "position": json.dumps(moves_to[0]) if moves_to and moves_to[0] is not None else None,
            "next_page": moves_to[1] if moves_to else 0,
            "high": None if high is None else repr(high),
            "mapping": self._definition.mapping.version,
            "chunk": chunk or 0,
            "clears": chunk is not None,
            "has_letters": self._has_letters,
            **counts,
        }
        try:
            found = await self._store.rows("commit_chunk", {**values, **_columns(works, fresh)})
        except psycopg.errors.UniqueViolation:
            # The ledger has learned of one of them since it was asked.
            found = await self._store.rows("commit_chunk", {**values, **_columns(works, [])})
        moved = found[0][0]
        if not moved:
            await self._lease.confirm()
            done = await self._store.rows("seq", {"run": self.run_id})
            if not done or int(done[0][0]) < seq:
                raise LeaseLost(f"another runner took over {self._id}")
        self._run["seq"] = seq
        return counts

    async def end(
        self,
        status: str,
        *,
        error: str | None,
        seconds: float,
        moves: bool,
        keep_open: bool,
        code: str | None = None,
    ) -> SyncReport:
        """Closes the run; with `keep_open` it is taken up by the next one where it stopped."""
        values = {
            "id": self._id,
            "token": self._lease.token,
            "run": self.run_id,
            "status": status,
            "error": error,
            "code": code,
            "seconds": seconds,
            "moves": moves,
        }
        name = "pause_run" if keep_open else "end_run"
        row = await self._store.one(name, values)
        if row is None:
            raise LeaseLost(f"another runner took over {self._id}")
        return report_of({**row, "status": status, "error": error})


def report_of(row: dict[str, Any]) -> SyncReport:
    """A run's row as a report."""
    status = row["status"]
    return SyncReport(
        run_id=str(row["run_id"]),
        full=row["is_full"],
        fetched=row["fetched"],
        written=row["created"] + row["updated"],
        created=row["created"],
        updated=row["updated"],
        unchanged=row["unchanged"],
        filtered=row["filtered"],
        quarantined=row["quarantined"],
        deleted=row["deleted"],
        status=status if status in ("completed", "paused", "failed", "stopped") else "stopped",
        error=row["error"],
        code=row["code"],
        duration_seconds=round(row["seconds"], 3),
    )


def count_outcomes(works: list[Work]) -> dict[str, int]:
    """The counts that a commit adds to its run; `written` is split into created and updated."""
    counts = dict.fromkeys(
        ("fetched", "created", "updated", "unchanged", "filtered", "quarantined", "deleted"), 0
    )
    counts["fetched"] = len(works)
    for work in works:
        if work.outcome == "written":
            counts["created" if work.created else "updated"] += 1
        elif work.outcome is not None:
            counts[work.outcome] += 1
    return counts


def _is_plain(work: Work) -> bool:
    return work.outcome == "written" and work.rows


def _columns(works: list[Work], fresh: list[Work]) -> dict[str, Any]:
    """The ledger rows of a commit: those of `fresh` works by column, which costs half as much as the general
    way, the others as JSON."""
    if fresh:
        taken = set(map(id, fresh))
        works = [] if len(fresh) == len(works) else [work for work in works if id(work) not in taken]
    rows = [_row_of(work) for work in works if work.rows]
    dest_ids = [work.dest_id for work in fresh]
    naturals = [fold(work.natural) if work.natural else None for work in fresh]
    texts = [
        work.natural if work.natural != folded else None for work, folded in zip(fresh, naturals, strict=True)
    ]
    return {
        "rows": orjson.dumps(rows).decode().replace("\\u0000", "\\ufffd"),
        "new_keys": text_array([work.key for work in fresh]),
        "new_ids": text_array(dest_ids) if any(dest_ids) else "{}",
        "new_hashes": text_array([work.hash for work in fresh]),
        "new_naturals": text_array(naturals) if any(naturals) else "{}",
        "new_texts": text_array(texts) if any(texts) else "{}",
        "new_pages": text_array([work.page for work in fresh]),
    }


def text_array(values: Sequence[str | int | None]) -> str | list[str | None]:
    """The values as Postgres takes an array: its literal is written as JSON writes a list, apart from the
    brackets and where a backslash is needed. There the driver does it, which takes five times as long."""
    text = orjson.dumps(values).decode()
    if "\\" in text:
        return [None if value is None else str(value).replace("\0", "\ufffd") for value in values]
    return "{" + text[1:-1] + "}"


def _payload_of(kept: bytes) -> dict[str, Any]:
    """An intent as `save_intent` wrote it: a line that says what is what, then the bodies as they were sent."""
    head, _, rest = kept.partition(b"\n")
    payload: dict[str, Any] = orjson.loads(head)
    for job in payload["jobs"]:
        if "size" in job:
            job["body"], rest = rest[: job["size"]], rest[job["size"] + 1 :]
        else:
            job["body"] = job["body"].encode()  # as an earlier version wrote it
    return payload


def _row_of(work: Work) -> dict[str, Any]:
    """A ledger row in short names, as `commit_chunk` reads them; absent means null."""
    outcome = work.outcome
    if outcome == "written":
        row = {"k": work.key, "o": outcome, "g": work.page, "h": work.hash, "d": work.dest_id}
        if work.natural:
            row["n"] = fold(work.natural)
            if row["n"] != work.natural:
                row["t"] = work.natural
        return row
    if outcome == "unchanged":
        row = {"k": work.key, "o": outcome, "g": work.page}
        if work.dest_id is not None:
            row["d"], row["h"] = work.dest_id, work.hash
        return row
    if outcome == "quarantined":
        unknown = work.code in ("unknown_outcome", "unknown_before")
        row = {
            "k": work.key,
            "o": outcome,
            "g": work.page,
            "x": work.hash or None,
            "w": work.reason,
            "q": work.code,
        }
        if not work.is_known_refusal:
            row["p"] = _payload(work.record)
        return {**row, "o": "unknown"} if unknown else row
    return {"k": work.key, "o": outcome, "g": work.page, "w": work.reason}


def _payload(record: Any) -> Any:
    """The record as the dead letter keeps it; one too large or not JSON is kept as a note about it."""
    try:
        data = orjson.dumps(record, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, ValueError):
        text = json.dumps(record, default=str)  # ASCII escapes carry what UTF-8 cannot
        return json.loads(text.encode("ascii", "replace").decode().replace("\\ud", "\\\\ud"))
    if len(data) > _MAX_PAYLOAD_BYTES:
        return {NOTE: f"the record is too large to be kept here ({len(data)} bytes)"}
    return orjson.Fragment(data)
