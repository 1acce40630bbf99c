"""Harvest jobs in Postgres: planned once, ticked off item by item, resumed after a crash."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from pydantic import Field

from vitesse_graph.errors import NotFoundError
from vitesse_graph.state.base import Model

HarvestType = Literal["full", "financial", "incremental", "source"]
ItemStatus = Literal["waiting", "done", "unchanged", "failed"]
_SCHEMA_LOCK = 0x5649_5445_4841_5256
_CLAIM_LOCK = 0x5649_5445


class HarvestItem(Model):
    """One specification to be read; `digest` is its text's sha256 once it was."""

    name: str
    location: str
    status: ItemStatus = "waiting"
    digest: str = ""
    documents: int = 0
    error: str = ""


class HarvestJob(Model):
    id: str
    harvest_type: HarvestType
    status: Literal["running", "completed", "stopped"] = "running"
    total: int = 0
    done: int = 0
    failed: int = 0
    documents: int = 0
    created_at: datetime | None = None
    finished_at: datetime | None = None
    failures: list[HarvestItem] = Field(default_factory=list)


class HarvestJobs:
    """Queries over one connection per call. `conninfo` is a Postgres URL."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo

    async def _connect(self) -> psycopg.AsyncConnection[dict[str, Any]]:
        return await psycopg.AsyncConnection.connect(self._conninfo, row_factory=dict_row, autocommit=True)

    async def _run(self, query: sql.SQL, values: dict[str, Any]) -> list[dict[str, Any]]:
        async with await self._connect() as connection:
            cursor = await connection.execute(query, values)
            return await cursor.fetchall() if cursor.description else []

    async def setup(self) -> None:
        """Makes the tables; safe to call from several processes at once."""
        statements = files(__package__).joinpath("harvest_jobs.sql").read_text("utf-8")
        async with await self._connect() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SCHEMA_LOCK,))
            await connection.execute(sql.SQL(statements))

    async def create(self, harvest_type: HarvestType, items: Sequence[HarvestItem]) -> HarvestJob:
        """A new running job with its items, each location once."""
        job_id = str(uuid.uuid4())
        unique = list({item.location: item for item in items}.values())
        async with await self._connect() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO vitesse.harvest_jobs (id, harvest_type, total) VALUES (%s, %s, %s)",
                (job_id, harvest_type, len(unique)),
            )
            async with connection.cursor() as cursor:
                await cursor.executemany(
                    "INSERT INTO vitesse.harvest_items (job_id, place, name, location) VALUES (%s, %s, %s, %s)",
                    [(job_id, place, item.name, item.location) for place, item in enumerate(unique)],
                )
        return await self.job(job_id)

    async def waiting(self, job_id: str) -> list[HarvestItem]:
        """What is left to read, in the planned order."""
        rows = await self._run(
            sql.SQL(
                "SELECT * FROM vitesse.harvest_items WHERE job_id = %(id)s AND status = 'waiting' ORDER BY place"
            ),
            {"id": job_id},
        )
        return [HarvestItem.model_validate(row) for row in rows]

    async def finish_item(self, job_id: str, item: HarvestItem) -> None:
        """Ticks an item off and counts it on the job, in one transaction; a repeat counts once."""
        async with await self._connect() as connection, connection.transaction():
            cursor = await connection.execute(
                "UPDATE vitesse.harvest_items SET status = %(status)s, digest = %(digest)s, "
                "documents = %(documents)s, error = %(error)s, ended_at = now() "
                "WHERE job_id = %(job)s AND location = %(location)s AND status = 'waiting'",
                {**item.dump(), "job": job_id},
            )
            if cursor.rowcount:
                await connection.execute(
                    "UPDATE vitesse.harvest_jobs SET done = done + 1, failed = failed + %(failed)s, "
                    "documents = documents + %(documents)s, updated_at = now() WHERE id = %(job)s",
                    {"failed": int(item.status == "failed"), "documents": item.documents, "job": job_id},
                )

    async def close(self, job_id: str, status: Literal["completed", "stopped"]) -> None:
        await self._run(
            sql.SQL(
                "UPDATE vitesse.harvest_jobs SET status = %(status)s, updated_at = now(), finished_at = now() "
                "WHERE id = %(id)s"
            ),
            {"id": job_id, "status": status},
        )

    async def reopen(self, job_id: str) -> None:
        await self._run(
            sql.SQL(
                "UPDATE vitesse.harvest_jobs SET status = 'running', finished_at = NULL, updated_at = now() "
                "WHERE id = %(id)s AND status <> 'completed'"
            ),
            {"id": job_id},
        )

    async def job(self, job_id: str) -> HarvestJob:
        """A job with its failures. Raises NotFoundError."""
        try:
            uuid.UUID(job_id)
        except ValueError:
            raise NotFoundError(f"no harvest job {job_id}") from None
        rows = await self._run(
            sql.SQL("SELECT * FROM vitesse.harvest_jobs WHERE id = %(id)s"), {"id": job_id}
        )
        if not rows:
            raise NotFoundError(f"no harvest job {job_id}")
        failed = await self._run(
            sql.SQL(
                "SELECT * FROM vitesse.harvest_items WHERE job_id = %(id)s AND status = 'failed' ORDER BY place"
            ),
            {"id": job_id},
        )
        return HarvestJob.model_validate({**rows[0], "id": str(rows[0]["id"]), "failures": failed})

    async def jobs(self, limit: int = 20) -> list[HarvestJob]:
        """The newest jobs first, without their failures."""
        rows = await self._run(
            sql.SQL("SELECT * FROM vitesse.harvest_jobs ORDER BY created_at DESC, id LIMIT %(limit)s"),
            {"limit": limit},
        )
        return [HarvestJob.model_validate({**row, "id": str(row["id"])}) for row in rows]

    async def last_digests(self, locations: Sequence[str]) -> dict[str, str]:
        """The text last read from each address, by its digest: an incremental harvest skips equal ones."""
        rows = await self._run(
            sql.SQL(
                "SELECT DISTINCT ON (location) location, digest FROM vitesse.harvest_items "
                "WHERE location = ANY(%(locations)s) AND status IN ('done', 'unchanged') "
                "ORDER BY location, ended_at DESC"
            ),
            {"locations": list(locations)},
        )
        return {row["location"]: row["digest"] for row in rows}

    async def try_claim(self, job_id: str) -> psycopg.AsyncConnection[dict[str, Any]] | None:
        """A connection that holds the job while it is open, or None when another worker has it."""
        connection = await self._connect()
        cursor = await connection.execute(
            "SELECT pg_try_advisory_lock(%s, hashtext(%s)) AS got", (_CLAIM_LOCK, job_id)
        )
        row = await cursor.fetchone()
        if row is not None and row["got"]:
            return connection
        await connection.close()
        return None
