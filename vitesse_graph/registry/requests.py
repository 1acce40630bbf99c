"""Requests that were accepted: on record before their work starts, until their answer is known."""

from __future__ import annotations

from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.rows import DictRow
from pydantic import BaseModel

from vitesse_graph.registry.queries import Queries, storable


class AcceptedRequest(BaseModel):
    """One request. `body` holds references to secrets, never a secret."""

    id: str
    integration_id: str
    action: str
    actor: str = ""
    tenant: str = ""
    idempotency_key: str | None = None
    fingerprint: str = ""
    body: dict[str, Any] = {}
    state: Literal["running", "done"] = "running"
    http_status: int | None = None
    answer: dict[str, Any] | None = None
    attempts: int = 1


def _rows(rows: list[DictRow]) -> list[AcceptedRequest]:
    return [AcceptedRequest.model_validate(row) for row in rows]


class AcceptedRequests(Queries):
    """The table `vitesse.requests`."""

    async def add(self, request: AcceptedRequest) -> AcceptedRequest | None:
        """Records a request; None, or the one that used the same Idempotency-Key before."""
        try:
            await self._run(
                sql.SQL(
                    "INSERT INTO vitesse.requests "
                    "(id, integration_id, action, actor, tenant, idempotency_key, fingerprint, body) VALUES "
                    "(%(id)s, %(integration_id)s, %(action)s, %(actor)s, %(tenant)s, %(idempotency_key)s, "
                    "%(fingerprint)s, %(body)s::jsonb)"
                ),
                {**request.model_dump(exclude={"body"}), "body": storable(request.body)},
            )
        except psycopg.errors.UniqueViolation:
            return await self.by_key(request.tenant, request.actor, request.idempotency_key or "")
        return None

    async def by_key(self, tenant: str, actor: str, key: str) -> AcceptedRequest | None:
        """The request that this actor made with this Idempotency-Key."""
        found = _rows(
            await self._run(
                sql.SQL(
                    "SELECT * FROM vitesse.requests WHERE tenant = %(tenant)s AND actor = %(actor)s "
                    "AND idempotency_key = %(key)s"
                ),
                {"tenant": tenant, "actor": actor, "key": key},
            )
        )
        return found[0] if found else None

    async def finish(self, request_id: str, http_status: int, answer: dict[str, Any]) -> None:
        await self._run(
            sql.SQL(
                "UPDATE vitesse.requests SET state = 'done', http_status = %(status)s, "
                "answer = %(answer)s::jsonb, ended_at = now() WHERE id = %(id)s"
            ),
            {"id": request_id, "status": http_status, "answer": storable(answer)},
        )

    async def beat(self, ids: list[str]) -> None:
        """Says that these are still being worked on."""
        await self._run(
            sql.SQL("UPDATE vitesse.requests SET beat_at = now() WHERE id = ANY(%(ids)s)"), {"ids": ids}
        )

    async def release(self, ids: list[str]) -> None:
        """Gives up requests that are not finished: the next sweep, anywhere, takes them at once."""
        await self._run(
            sql.SQL(
                "UPDATE vitesse.requests SET beat_at = '-infinity' WHERE id = ANY(%(ids)s) AND state = 'running'"
            ),
            {"ids": ids},
        )

    async def running(self, integration_id: str) -> list[AcceptedRequest]:
        """What is being worked on for an integration, the newest first."""
        return _rows(
            await self._run(
                sql.SQL(
                    "SELECT * FROM vitesse.requests WHERE integration_id = %(id)s AND state = 'running' "
                    "ORDER BY accepted_at DESC"
                ),
                {"id": integration_id},
            )
        )

    async def take_abandoned(self, older_than_seconds: float, limit: int = 20) -> list[AcceptedRequest]:
        """Takes over requests whose process is gone; each is given to one caller only."""
        return _rows(
            await self._run(
                sql.SQL(
                    "UPDATE vitesse.requests SET beat_at = now(), attempts = attempts + 1 WHERE id IN ("
                    "SELECT id FROM vitesse.requests WHERE state = 'running' "
                    "AND beat_at < now() - make_interval(secs => %(age)s) "
                    "ORDER BY accepted_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) RETURNING *"
                ),
                {"age": older_than_seconds, "limit": limit},
            )
        )

    async def forget_answers(self, older_than_seconds: float) -> None:
        """Takes out answered requests of long ago: their keys may be used again."""
        await self._run(
            sql.SQL(
                "DELETE FROM vitesse.requests WHERE state = 'done' "
                "AND ended_at < now() - make_interval(secs => %(age)s)"
            ),
            {"age": older_than_seconds},
        )
