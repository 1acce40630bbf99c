"""Every mapping that an integration has had, numbered, so that a person can compare and go back."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from psycopg import sql
from pydantic import BaseModel

from vitesse_graph.errors import NotFoundError
from vitesse_graph.registry.queries import Queries, storable


class MappingVersion(BaseModel):
    """One version. `mapping` is a `MappingLogic` as plain JSON."""

    version: int
    mapping: dict[str, Any]
    changed_by: str = ""
    reason: str = ""
    created_at: datetime


def rows_digest(mapping: dict[str, Any]) -> str:
    """Same rows, same digest: how sure a row is and who made it make no difference."""
    rows = [
        [
            row.get("source_field"),
            row.get("dest_field"),
            row.get("transform_type"),
            row.get("transform_config"),
        ]
        for row in mapping.get("transformations") or []
    ]
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


class MappingVersions(Queries):
    """The table `vitesse.transformations`."""

    async def keep(
        self, integration_id: str, mapping: dict[str, Any], *, changed_by: str = "", reason: str = ""
    ) -> int:
        """Keeps a mapping under the next number, unless it is what the newest version says; its number."""
        rows = await self._run(
            sql.SQL(
                "WITH newest AS (SELECT version, digest FROM vitesse.transformations "
                "WHERE integration_id = %(id)s ORDER BY version DESC LIMIT 1), "
                "added AS (INSERT INTO vitesse.transformations "
                "(integration_id, version, mapping, digest, changed_by, reason) "
                "SELECT %(id)s, coalesce((SELECT version FROM newest), 0) + 1, %(mapping)s::jsonb, "
                "%(digest)s, %(by)s, %(reason)s "
                "WHERE NOT EXISTS (SELECT 1 FROM newest WHERE digest = %(digest)s) "
                "ON CONFLICT DO NOTHING RETURNING version) "
                "SELECT version FROM added UNION ALL SELECT version FROM newest ORDER BY version DESC LIMIT 1"
            ),
            {
                "id": integration_id,
                "mapping": storable(mapping),
                "digest": rows_digest(mapping),
                "by": changed_by,
                "reason": reason,
            },
        )
        return int(rows[0]["version"]) if rows else 1

    async def list(self, integration_id: str, *, limit: int = 50) -> list[MappingVersion]:
        """The versions, the newest first."""
        rows = await self._run(
            sql.SQL(
                "SELECT version, mapping, changed_by, reason, created_at FROM vitesse.transformations "
                "WHERE integration_id = %(id)s ORDER BY version DESC LIMIT %(limit)s"
            ),
            {"id": integration_id, "limit": limit},
        )
        return [MappingVersion.model_validate(row) for row in rows]

    async def get(self, integration_id: str, version: int) -> MappingVersion:
        """One version. Raises NotFoundError."""
        rows = await self._run(
            sql.SQL(
                "SELECT version, mapping, changed_by, reason, created_at FROM vitesse.transformations "
                "WHERE integration_id = %(id)s AND version = %(version)s"
            ),
            {"id": integration_id, "version": version},
        )
        if not rows:
            raise NotFoundError(
                f"{integration_id} has no mapping version {version}; list its transformations"
            )
        return MappingVersion.model_validate(rows[0])
