"""Queries of the read model. Every write may be repeated; none is lost to a short outage."""

from __future__ import annotations

from datetime import datetime
from importlib import resources
from typing import Any

from psycopg import sql
from psycopg.rows import DictRow
from pydantic import BaseModel

from vitesse_graph.errors import NotFoundError
from vitesse_graph.registry.queries import Pool, Queries, storable

__all__ = ["IntegrationRow", "Pool", "Registry", "storable"]

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
        "tenant",
    }
)
_FIRST_WRITER = frozenset({"created_by", "tenant"})
"""Columns that keep the first value they are given: running a step does not make a thread one's own."""


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
    tenant: str = ""
    created_at: datetime
    updated_at: datetime


def _update(column: str) -> sql.Composed:
    """`column = new value` for a row that is there; first writers are kept."""
    if column in _FIRST_WRITER:
        return sql.SQL(", {0} = coalesce(nullif(integrations.{0}, ''), {1})").format(
            sql.Identifier(column), sql.Placeholder(column)
        )
    return sql.SQL(", {} = {}").format(sql.Identifier(column), sql.Placeholder(column))


class Registry(Queries):
    """The read model over one pool. `patience_seconds`: how long a call waits for a lost database."""

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
            updates=sql.SQL("").join(_update(n) for n in names),
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

    async def save_metadata(self, integration_id: str, metadata: dict[str, Any]) -> None:
        """Merges into the row's metadata; a key with null is taken out."""
        await self._run(
            sql.SQL(
                "UPDATE vitesse.integrations SET updated_at = now(), "
                "metadata = jsonb_strip_nulls(metadata || %(metadata)s::jsonb) WHERE id = %(id)s"
            ),
            {"id": integration_id, "metadata": storable(metadata)},
        )

    async def counts(self, *, tenant: str | None = None) -> dict[str, int]:
        """How many integrations there are in each status."""
        rows = await self._run(
            sql.SQL(
                "SELECT status, count(*) AS total FROM vitesse.integrations "
                "WHERE %(tenant)s::text IS NULL OR tenant = %(tenant)s GROUP BY status ORDER BY status"
            ),
            {"tenant": tenant},
        )
        return {row["status"]: row["total"] for row in rows}

    async def integrations(
        self, *, status: str | None = None, limit: int = 50, offset: int = 0, tenant: str | None = None
    ) -> tuple[list[IntegrationRow], int]:
        """A page of rows, the newest first, and how many there are in all."""
        rows = await self._run(
            sql.SQL(
                "WITH chosen AS NOT MATERIALIZED (SELECT * FROM vitesse.integrations "
                "WHERE (%(status)s::text IS NULL OR status = %(status)s) "
                "AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s)) "
                "SELECT page.*, (SELECT count(*) FROM chosen) AS total "
                "FROM (SELECT 1) AS always LEFT JOIN LATERAL (SELECT * FROM chosen "
                "ORDER BY created_at DESC, id LIMIT %(limit)s OFFSET %(offset)s) AS page ON true"
            ),
            {"status": status, "tenant": tenant, "limit": limit, "offset": offset},
        )
        total = int(rows[0]["total"])
        rows = [row for row in rows if row["id"] is not None]
        return [IntegrationRow.model_validate(row) for row in rows], total

    async def delete_integration(self, integration_id: str) -> None:
        """Takes an integration out of the lists; its audit log stays."""
        for table in (
            "integrations",
            "versions",
            "test_results",
            "transformations",
            "secrets",
            "monitor_memory",
        ):
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

    async def version_before(self, integration_id: str, version: int) -> DictRow | None:
        """The version that ran before this one, as `latest_version`; None when it was the first."""
        rows = await self._run(
            sql.SQL(
                "SELECT version, definition, whiteboard FROM vitesse.versions "
                "WHERE integration_id = %(id)s AND version < %(version)s ORDER BY version DESC LIMIT 1"
            ),
            {"id": integration_id, "version": version},
        )
        return rows[0] if rows else None

    async def deployed_version(self, integration_id: str, version: int | None = None) -> DictRow | None:
        """One version that was deployed (the last where none is named), as `latest_version` gives it."""
        if version is None:
            return await self.latest_version(integration_id)
        rows = await self._run(
            sql.SQL(
                "SELECT version, definition, whiteboard FROM vitesse.versions "
                "WHERE integration_id = %(id)s AND version = %(version)s"
            ),
            {"id": integration_id, "version": version},
        )
        return rows[0] if rows else None

    async def deployed(self) -> list[str]:
        """Ids of the integrations that have a workload, whatever their status says."""
        rows = await self._run(
            sql.SQL("SELECT id FROM vitesse.integrations WHERE service_url IS NOT NULL ORDER BY id"), {}
        )
        return [str(row["id"]) for row in rows]

    async def save_monitor_memory(self, integration_id: str, **parts: dict[str, Any]) -> None:
        """Keeps `state` or `profile`; the other stays as it is."""
        await self._run(
            sql.SQL(
                "INSERT INTO vitesse.monitor_memory AS m (integration_id, state, profile) "
                "VALUES (%(id)s, %(state)s::jsonb, %(profile)s::jsonb) "
                "ON CONFLICT (integration_id) DO UPDATE SET updated_at = now(), "
                "state = coalesce(excluded.state, m.state), profile = coalesce(excluded.profile, m.profile)"
            ),
            {
                "id": integration_id,
                "state": storable(parts["state"]) if "state" in parts else None,
                "profile": storable(parts["profile"]) if "profile" in parts else None,
            },
        )

    async def forget_profile(self, integration_id: str) -> None:
        """Another definition is live: its records are to be looked at anew."""
        await self._run(
            sql.SQL("UPDATE vitesse.monitor_memory SET profile = NULL WHERE integration_id = %(id)s"),
            {"id": integration_id},
        )

    async def monitor_memory(self, integration_id: str) -> dict[str, Any]:
        """`state` and `profile` as they were kept; empty when nothing was."""
        rows = await self._run(
            sql.SQL("SELECT state, profile FROM vitesse.monitor_memory WHERE integration_id = %(id)s"),
            {"id": integration_id},
        )
        return dict(rows[0]) if rows else {}

    async def test_results(self, integration_id: str, mapping_version: int) -> list[dict[str, Any]]:
        """What the guardian found of one mapping version, the oldest run first."""
        rows = await self._run(
            sql.SQL(
                "SELECT results FROM vitesse.test_results WHERE integration_id = %(id)s "
                "AND mapping_version = %(version)s ORDER BY created_at, seed"
            ),
            {"id": integration_id, "version": mapping_version},
        )
        return [row["results"] for row in rows]

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

    async def test_runs(self, integration_id: str, limit: int = 5) -> list[dict[str, Any]]:
        """`mapping_version, seed, health_score, passed, results, created_at` of the last guardian runs, newest first."""
        return await self._run(
            sql.SQL(
                "SELECT mapping_version, seed, health_score, passed, results, created_at FROM vitesse.test_results "
                "WHERE integration_id = %(id)s ORDER BY created_at DESC LIMIT %(limit)s"
            ),
            {"id": integration_id, "limit": limit},
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
