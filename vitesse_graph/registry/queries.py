"""Running SQL with patience: what every store of the read model is made of."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import DictRow
from psycopg_pool import AsyncConnectionPool
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

Pool = AsyncConnectionPool[psycopg.AsyncConnection[DictRow]]

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""An escaped NUL in JSON text: `\\u0000` after an even number of backslashes."""


def storable(value: Any) -> str:
    """JSON text that Postgres takes: NUL, which jsonb refuses, is left out."""
    return _NUL.sub(r"\1", json.dumps(value, ensure_ascii=True))


class Queries:
    """Statements over one pool. `patience_seconds`: how long a call waits for a lost database."""

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
