"""One writer per thread, across processes; and the way back to an earlier checkpoint."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import psycopg
from langchain_core.runnables import RunnableConfig

from vitesse_graph.errors import ConflictError, NotFoundError

_log = logging.getLogger(__name__)


class _RestorableGraph(Protocol):
    async def aget_state(self, config: RunnableConfig) -> Any: ...
    async def aupdate_state(self, config: RunnableConfig, values: Any, as_node: str | None = None) -> Any: ...


def lock_key(thread_id: str) -> int:
    """A signed 64-bit advisory lock key: the first eight bytes of the id's sha256."""
    digest = hashlib.sha256(f"vitesse:thread:{thread_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


class SharedStateLimiter:
    """Holds a Postgres advisory lock for each thread that this process is writing to.

    Advisory locks belong to a session and a session may take one twice, so the locks of one process
    live on one connection and a set in memory tells its own runs apart.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._held: set[str] = set()
        self._guard = asyncio.Lock()

    @asynccontextmanager
    async def hold(self, thread_id: str) -> AsyncIterator[None]:
        """Makes this the only run on the thread; ConflictError at once when another one is."""
        busy = ConflictError(
            f"thread {thread_id} is busy: another run is writing to it; wait until it has ended, then look at its state before trying again"
        )
        if thread_id in self._held:
            raise busy
        self._held.add(thread_id)
        try:
            if not await self._try_lock(thread_id):
                raise busy
            try:
                yield
            finally:
                await self._unlock(thread_id)
        finally:
            self._held.discard(thread_id)

    async def is_held(self, thread_id: str) -> bool:
        """Whether any process is writing to the thread right now."""
        if thread_id in self._held:
            return True
        if await self._try_lock(thread_id):
            await self._unlock(thread_id)
            return False
        return True

    async def _try_lock(self, thread_id: str) -> bool:
        async with self._guard:
            for is_second_try in (False, True):
                connection = await self._connected()
                try:
                    cursor = await connection.execute(
                        "SELECT pg_try_advisory_lock(%s)", (lock_key(thread_id),)
                    )
                    row = await cursor.fetchone()
                    return bool(row and row[0])
                except psycopg.OperationalError:
                    # The connection died with its locks; one new connection is worth trying.
                    await self._drop()
                    if is_second_try:
                        raise
        raise AssertionError("unreachable")

    async def _unlock(self, thread_id: str) -> None:
        async with self._guard:
            if self._connection is None:
                return
            try:
                await self._connection.execute("SELECT pg_advisory_unlock(%s)", (lock_key(thread_id),))
            except psycopg.OperationalError:
                await self._drop()  # the server released the lock when the session ended

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def aclose(self) -> None:
        """Closes the connection; the server releases what was held."""
        await self._drop()


async def restore(graph: _RestorableGraph, thread_id: str, checkpoint_id: str) -> RunnableConfig:
    """Makes an earlier checkpoint the thread's newest, by a fork: history is kept.

    Raises NotFoundError when the thread has no such checkpoint.
    """
    config: RunnableConfig = {"configurable": {"thread_id": thread_id, "checkpoint_id": checkpoint_id}}
    snapshot = await graph.aget_state(config)
    if snapshot is None or not snapshot.values:
        raise NotFoundError(
            f"thread {thread_id} has no checkpoint {checkpoint_id}; list them with its history"
        )
    forked: RunnableConfig = await graph.aupdate_state(snapshot.config, None, as_node="__copy__")
    return forked
