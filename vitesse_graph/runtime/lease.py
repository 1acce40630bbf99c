"""One runner an integration: a row that belongs to a living connection, and a token that fences off the late.

The lease is free in the moment its holder's connection ends (the server knows its processes), so a killed
runner blocks nobody. The token grows with each taking; every commit names it, so a runner that lost the
lease without noticing (a broken network) can no longer move the cursor.

A row and no advisory lock: row-level security keeps the row from every role but the integration's own,
while any role may take, and see, any advisory lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import psycopg

from vitesse_graph.errors import ConflictError, VitesseError
from vitesse_graph.runtime.store import Connection, Store, statements

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
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        self._confirming = asyncio.Lock()
        self.token = 0

    async def __aenter__(self) -> Self:
        try:
            connection = await self._store.dedicated()
        except psycopg.OperationalError as error:
            raise VitesseError("the database cannot be reached; check DATABASE_URL") from error
        try:
            await _run(connection, "make_lease", {"id": self._id})
            await self._take(connection)
        except BaseException:
            # Cancelled in the middle: the lease must not live on in a connection that nobody holds.
            await connection.close()
            raise
        self._connection = connection
        return self

    async def _take(self, connection: Connection) -> None:
        for _ in range(_TRIES):
            if await self._try_take(connection):
                return
            await asyncio.sleep(_TRY_AGAIN_SECONDS)
        raise ConflictError(f"a sync of {self._id} is already running; wait for it, or stop it first")

    async def _try_take(self, connection: Connection, *, again: bool = False) -> bool:
        """Under the row's lock, so that of several runners one sees the holder dead and takes its place.

        `again`: only if nobody took it since, with the token that we have.
        """
        async with connection.transaction():
            # whoever is stopped right here must not hold up the holder's commits, which look at the row
            await connection.execute("set local idle_in_transaction_session_timeout = '5s'")
            row = await _run(connection, "lock_lease", {"id": self._id})
            if again:
                if row is None or row[0] != self.token:
                    return False
            elif (await _run(connection, "lease_is_held", {"id": self._id}) or (True,))[0]:
                return False
            values = {"id": self._id, "holder": self._holder, "more": 0 if again else 1}
            taken = await _run(connection, "take_lease", values)
        if taken is None:
            return False
        self.token = int(taken[0])
        return True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection = self._connection
        if connection is None:
            return
        with contextlib.suppress(psycopg.Error):  # a connection that is gone has freed it already
            await _run(connection, "release_lease", {"id": self._id, "token": self.token})
        await connection.close()

    async def confirm(self) -> None:
        """Makes sure of the lease, taking it anew when its connection broke. Raises LeaseLost."""
        async with self._confirming:  # two at once would take each other for another runner
            await self._confirm()

    async def _confirm(self) -> None:
        connection = self._connection
        if connection is not None and not connection.closed:
            try:
                values = {"id": self._id, "token": self.token}
                if await _run(connection, "renew_lease", values) is None:
                    raise LeaseLost(f"another runner took over {self._id}")
                return
            except psycopg.OperationalError:
                await connection.close()
        await self._store.rows("current_token", {"id": self._id})  # waits until the database is back
        connection = await self._store.dedicated()
        self._connection = connection
        if not await self._try_take(connection, again=True):
            raise LeaseLost(f"another runner took over {self._id}")


async def _run(connection: Connection, name: str, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """The first row of a named statement on this very connection."""
    found = await connection.execute(statements()[name], values)
    return await found.fetchone() if found.description else None
