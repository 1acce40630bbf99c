"""API keys: made once, shown once, kept as hashes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Literal

from psycopg import sql
from pydantic import BaseModel

from vitesse_graph.errors import NotFoundError
from vitesse_graph.registry.queries import Queries

Role = Literal["viewer", "operator", "approver", "admin"]
KEY_PREFIX = "vk_"


class ApiKey(BaseModel):
    """A key as a list shows it: never the key itself."""

    id: str
    name: str
    role: Role
    tenant: str = ""
    created_by: str = ""
    created_at: datetime
    revoked_at: datetime | None = None


def _digest(secret: str) -> bytes:
    # the secret holds 256 random bits: a plain hash of it cannot be searched
    return hashlib.sha256(secret.encode()).digest()


class ApiKeys(Queries):
    """`vk_<id>_<secret>`: the id finds the row, the secret's hash is compared in constant time."""

    async def create(
        self, name: str, role: Role, *, tenant: str = "", created_by: str = ""
    ) -> tuple[str, ApiKey]:
        """A new key: its text, to be shown this once, and its row."""
        key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        rows = await self._run(
            sql.SQL(
                "INSERT INTO vitesse.api_keys (id, name, role, tenant, hash, created_by) "
                "VALUES (%(id)s, %(name)s, %(role)s, %(tenant)s, %(hash)s, %(by)s) RETURNING *"
            ),
            {
                "id": key_id,
                "name": name,
                "role": role,
                "tenant": tenant,
                "hash": _digest(secret),
                "by": created_by,
            },
        )
        return f"{KEY_PREFIX}{key_id}_{secret}", ApiKey.model_validate(rows[0])

    async def verify(self, text: str) -> ApiKey | None:
        """The live key that this text is, or None."""
        key_id, _, secret = text.removeprefix(KEY_PREFIX).partition("_")
        rows = await self._run(
            sql.SQL("SELECT * FROM vitesse.api_keys WHERE id = %(id)s AND revoked_at IS NULL"),
            {"id": key_id},
        )
        kept = bytes(rows[0]["hash"]) if rows else bytes(32)
        fits = hmac.compare_digest(kept, _digest(secret))
        return ApiKey.model_validate(rows[0]) if rows and fits else None

    async def any_live(self) -> bool:
        """Whether anyone has a key: from then on nobody gets in without one."""
        rows = await self._run(
            sql.SQL("SELECT 1 AS there FROM vitesse.api_keys WHERE revoked_at IS NULL LIMIT 1"), {}
        )
        return bool(rows)

    async def list(self, *, tenant: str | None = None) -> list[ApiKey]:
        """All keys, the newest first; those of one tenant where it is given."""
        rows = await self._run(
            sql.SQL(
                "SELECT * FROM vitesse.api_keys WHERE %(tenant)s::text IS NULL OR tenant = %(tenant)s "
                "ORDER BY created_at DESC, id"
            ),
            {"tenant": tenant},
        )
        return [ApiKey.model_validate(row) for row in rows]

    async def revoke(self, key_id: str, *, tenant: str | None = None) -> None:
        """Ends a key at once. Raises NotFoundError when there is none (in this tenant)."""
        rows = await self._run(
            sql.SQL(
                "UPDATE vitesse.api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = %(id)s "
                "AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s) RETURNING id"
            ),
            {"id": key_id, "tenant": tenant},
        )
        if not rows:
            raise NotFoundError(f"no API key {key_id}")
