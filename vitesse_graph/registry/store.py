"""Queries of the read model. Every write may be repeated; none is lost to a short outage."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from importlib import resources
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import DictRow
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from vitesse_graph.errors import NotFoundError

Pool = AsyncConnectionPool[psycopg.AsyncConnection[DictRow]]

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""An escaped NUL in JSON text: `\\u0000` after an even number of backslashes."""
_SCHEMA_LOCK = 0x5649_5445_5353_4552
_COLUMNS = frozenset(
    {
        "user_intent",
        "source_api",
        "dest_api",
        "status",
        "next_step",
        "health_score",
        "service_url",
        "created_by",
    }
)


class IntegrationRow(BaseModel):
    """One integration as a list shows it."""

    id: str
    user_intent: str = ""
    source_api: str = ""
    dest_api: str = ""
    status: str = "discovering"
    next_step: str | None = None
    health_score: float | None = None
    service_url: str | None = None
    metadata: dict[str, Any] = {}
    created_by: str = ""
    created_at: datetime
    updated_at: datetime


def storable(value: Any) -> str:
    """JSON text that Postgres takes: NUL, which jsonb refuses, is left out."""
    return _NUL.sub(r"\1", json.dumps(value, ensure_ascii=True))


class Registry:
    """The read model over one pool. `patience_seconds`: how long a call waits for a lost database."""

    def __init__(self, pool: Pool, *, patience_seconds: float = 60.0) -> None:
        self._pool = pool
        self._patience_seconds = patience_seconds

    async def _run(self, query: sql.SQL | sql.Composed, values: Mapping[str, Any]) -> list[DictRow]:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((psycopg.OperationalError, psycopg.InterfaceError)),
            stop=stop_after_delay(self._patience_seconds),
            wait=wait_random_exponential(multiplier=0.1, max=2.0),
            reraise=True,
        ):
            with attempt:
                async with self._pool.connection() as connection:
                    cursor = await connection.execute(query, values)
                    return await cursor.fetchall() if cursor.description else []
        raise AssertionError("unreachable: the loop returns or raises")

    async def setup(self) -> None:
        """Makes the tables; safe to call from several processes at once."""
        statements = resources.files("vitesse_graph.registry").joinpath("schema.sql").read_text("utf-8")
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SCHEMA_LOCK,))
            # several statements at once cannot be prepared
            await connection.execute(statements.encode(), prepare=False)

    async def save_integration(self, integration_id: str, **columns: Any) -> None:
        """Makes or updates a row; only the columns given change."""
        unknown = set(columns) - _COLUMNS
        if unknown:
            raise ValueError(f"no such columns: {sorted(unknown)}")
        names = sorted(columns)
        query = sql.SQL(
            "INSERT INTO vitesse.integrations (id{names}) VALUES (%(id)s{values}) "
            "ON CONFLICT (id) DO UPDATE SET updated_at = now(){updates}"
        ).format(
            names=sql.SQL("").join(sql.SQL(", {}").format(sql.Identifier(n)) for n in names),
            values=sql.SQL("").join(sql.SQL(", {}").format(sql.Placeholder(n)) for n in names),
            updates=sql.SQL("").join(
                sql.SQL(", {} = {}").format(sql.Identifier(n), sql.Placeholder(n)) for n in names
            ),
        )
        await self._run(query, {"id": integration_id, **columns})

    async def integration(self, integration_id: str) -> IntegrationRow:
        """One row; NotFoundError when there is none."""
        rows = await self._run(
            sql.SQL("SELECT * FROM vitesse.integrations WHERE id = %(id)s"), {"id": integration_id}
        )
        if not rows:
            raise NotFoundError(f"no integration {integration_id}; `vitesse integrations` lists them")
        return IntegrationRow.model_validate(rows[0])

    async def integrations(
        self, *, status: str | None = None, limit: int = 50, offset: int = 0
    ) -> tuple[list[IntegrationRow], int]:
        """A page of rows, the newest first, and how many there are in all."""
        rows = await self._run(
            sql.SQL(
                "SELECT *, count(*) OVER () AS total FROM vitesse.integrations "
                "WHERE %(status)s::text IS NULL OR status = %(status)s "
                "ORDER BY created_at DESC, id LIMIT %(limit)s OFFSET %(offset)s"
            ),
            {"status": status, "limit": limit, "offset": offset},
        )
        total = int(rows[0]["total"]) if rows else 0
        return [IntegrationRow.model_validate(row) for row in rows], total

    async def delete_integration(self, integration_id: str) -> None:
        """Takes an integration out of the lists; its audit log stays."""
        for table in ("integrations", "versions", "test_results"):
            column = "id" if table == "integrations" else "integration_id"
            await self._run(
                sql.SQL("DELETE FROM {} WHERE {} = %(id)s").format(
                    sql.Identifier("vitesse", table), sql.Identifier(column)
                ),
                {"id": integration_id},
            )

    async def save_version(
        self, integration_id: str, version: int, definition: dict[str, Any], whiteboard: dict[str, Any]
    ) -> None:
        """Keeps what was deployed under its version number."""
        await self._run(
            sql.SQL(
                "INSERT INTO vitesse.versions (integration_id, version, definition, whiteboard) "
                "VALUES (%(id)s, %(version)s, %(definition)s::jsonb, %(whiteboard)s::jsonb) "
                "ON CONFLICT (integration_id, version) DO UPDATE "
                "SET definition = excluded.definition, whiteboard = excluded.whiteboard"
            ),
            {
                "id": integration_id,
                "version": version,
                "definition": storable(definition),
                "whiteboard": storable(whiteboard),
            },
        )

    async def latest_version(self, integration_id: str) -> DictRow | None:
        """`version, definition, whiteboard` of what was deployed last, or None."""
        rows = await self._run(
            sql.SQL(
                "SELECT version, definition, whiteboard FROM vitesse.versions "
                "WHERE integration_id = %(id)s ORDER BY version DESC LIMIT 1"
            ),
            {"id": integration_id},
        )
        return rows[0] if rows else None

    async def save_test_results(
        self, integration_id: str, mapping_version: int, results: dict[str, Any]
    ) -> None:
        await self._run(
            sql.SQL(
                "INSERT INTO vitesse.test_results "
                "(integration_id, mapping_version, seed, health_score, passed, results) VALUES "
                "(%(id)s, %(version)s, %(seed)s, %(health)s, %(passed)s, %(results)s::jsonb) "
                "ON CONFLICT DO NOTHING"
            ),
            {
                "id": integration_id,
                "version": mapping_version,
                "seed": results.get("seed", 0),
                "health": results.get("health_score", 0.0),
                "passed": results.get("passed", False),
                "results": storable(results),
            },
        )

    async def audit(
        self,
        integration_id: str,
        action: str,
        *,
        actor: str = "",
        outcome: str = "ok",
        detail: dict[str, Any] | None = None,
    ) -> None:
        """Appends one line to the audit log; `detail` must hold no secret and no record."""
        await self._run(
            sql.SQL(
                "INSERT INTO vitesse.integration_audit_logs "
                "(integration_id, actor, action, outcome, detail) "
                "VALUES (%(id)s, %(actor)s, %(action)s, %(outcome)s, %(detail)s::jsonb)"
            ),
            {
                "id": integration_id,
                "actor": actor,
                "action": action,
                "outcome": outcome,
                "detail": storable(detail or {}),
            },
        )

    async def audit_log(self, integration_id: str, *, limit: int = 100) -> list[DictRow]:
        """The last lines, the oldest first."""
        rows = await self._run(
            sql.SQL(
                "SELECT at, actor, action, outcome, detail FROM vitesse.integration_audit_logs "
                "WHERE integration_id = %(id)s ORDER BY id DESC LIMIT %(limit)s"
            ),
            {"id": integration_id, "limit": limit},
        )
        return rows[::-1]
