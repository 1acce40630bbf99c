"""One runner an integration: a session lock that dies with its holder, and a token that fences off the late.

The advisory lock is free in the moment its holder's connection ends, so a killed runner blocks nobody.
The token grows with each taking; every commit names it, so a runner that lost the lock without noticing
(a broken network) can no longer move the cursor.
"""

from __future__ import annotations

import asyncio
import os
import socket
from types import TracebackType
from typing import Self

import psycopg

from vitesse_graph.errors import ConflictError, VitesseError
from vitesse_graph.runtime.store import Connection, Store

# The server notices a killed holder within moments; a live one is not waited for.
_TRIES = 4
_TRY_AGAIN_SECONDS = 0.1


class LeaseLost(VitesseError):
    """Another runner took over; this one stops without committing."""


class Lease:
    """Held from `__aenter__` to `__aexit__`. Raises ConflictError when another runner holds it."""

    def __init__(self, store: Store, integration_id: str) -> None:
        self._store = store
        self._id = integration_id
        self._connection: Connection | None = None
        self._confirming = asyncio.Lock()
        self.token = 0

    async def __aenter__(self) -> Self:
        try:
            connection = await self._store.dedicated()
        except psycopg.OperationalError as error:
            raise VitesseError("the database cannot be reached; check DATABASE_URL") from error
        try:
            await self._take(connection)
        except BaseException:
            # Cancelled in the middle: the lock must not live on in a connection that nobody holds.
            await connection.close()
            raise
        self._connection = connection
        return self

    async def _take(self, connection: Connection) -> None:
        for _ in range(_TRIES):
            if await self._try_lock(connection):
                break
            await asyncio.sleep(_TRY_AGAIN_SECONDS)
        else:
            raise ConflictError(f"a sync of {self._id} is already running; wait for it, or stop it first")
        holder = f"{socket.gethostname()}:{os.getpid()}"
        rows = await self._store.rows("acquire_token", {"id": self._id, "holder": holder})
        self.token = int(rows[0][0])

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def confirm(self) -> None:
        """Makes sure of the lock, taking it anew when its connection broke. Raises LeaseLost."""
        async with self._confirming:  # two at once would take each other for another runner
            await self._confirm()

    async def _confirm(self) -> None:
        connection = self._connection
        if connection is not None and not connection.closed:
            try:
                await connection.execute("select 1")
                return
            except psycopg.OperationalError:
                await connection.close()
        await self._store.rows("current_token", {"id": self._id})  # waits until the database is back
        connection = await self._store.dedicated()
        self._connection = connection
        if not await self._try_lock(connection):
            raise LeaseLost(f"another runner took over {self._id}")
        rows = await self._store.rows("current_token", {"id": self._id})
        if not rows or int(rows[0][0]) != self.token:
            raise LeaseLost(f"another runner took over {self._id}")

    async def _try_lock(self, connection: Connection) -> bool:
        found = await connection.execute(
            "select pg_try_advisory_lock(hashtextextended('vitesse_runtime/' || %s::text, 0))", (self._id,)
        )
        row = await found.fetchone()
        return bool(row and row[0])
