"""The Postgres saver of every door: strict about what it stores, patient with its database.

All of the saver's statements are upserts or reads keyed by thread and checkpoint, so repeating one
after a lost connection is harmless.
"""

from __future__ import annotations

import asyncio
import logging
import select
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool
from tenacity import (
    AsyncRetrying,
    before_sleep_log,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from vitesse_graph.database import database_url
from vitesse_graph.settings import Settings

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

SETUP_LOCK = 0x5649_5445_5353_45
"""Advisory lock held while tables are made, so that two first starts do not collide."""


def strict_serializer() -> JsonPlusSerializer:
    """msgpack with an empty allowlist: channels hold plain JSON, so nothing else may be loaded."""
    return JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None)


async def _check(connection: psycopg.AsyncConnection[Any]) -> None:
    """Nothing to read on an idle connection: its server is there. A server that goes away closes it or
    says why, and only then is it asked; asking each time would double the round trips."""
    arrived = select.poll()
    arrived.register(connection.fileno(), select.POLLIN)
    if arrived.poll(0):
        await AsyncConnectionPool.check_connection(connection)


async def open_pool(url: str, *, max_size: int = 8) -> AsyncConnectionPool[psycopg.AsyncConnection[DictRow]]:
    """An open pool as the saver needs it; connections are checked before they are handed out."""
    pool: AsyncConnectionPool[psycopg.AsyncConnection[DictRow]] = AsyncConnectionPool(
        url,
        min_size=1,
        max_size=max_size,
        open=False,
        timeout=5.0,
        reconnect_timeout=5.0,
        check=_check,
        kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
    )
    await pool.open()
    return pool


class PatientPostgresSaver(AsyncPostgresSaver):
    """`AsyncPostgresSaver` that waits for a database which went away, up to `patience_seconds`."""

    def __init__(
        self,
        pool: AsyncConnectionPool[psycopg.AsyncConnection[DictRow]],
        *,
        patience_seconds: float = 60.0,
        revive: Callable[[], Awaitable[Any]] | None = None,
    ) -> None:
        super().__init__(pool, serde=strict_serializer())
        self._patience_seconds = patience_seconds
        self._revive = revive

    async def _patiently(self, call: Callable[[], Awaitable[_T]]) -> _T:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((psycopg.OperationalError, psycopg.InterfaceError)),
            stop=stop_after_delay(self._patience_seconds),
            wait=wait_random_exponential(multiplier=0.1, max=2.0),
            before_sleep=before_sleep_log(_log, logging.WARNING),
            reraise=True,
        ):
            with attempt:
                if attempt.retry_state.attempt_number > 1 and self._revive is not None:
                    await self._revive()
                return await call()
        raise AssertionError("unreachable: the loop returns or raises")

    async def setup(self) -> None:
        await self._patiently(super().setup)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await self._patiently(lambda: super(PatientPostgresSaver, self).aget_tuple(config))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return await self._patiently(
            lambda: super(PatientPostgresSaver, self).aput(config, checkpoint, metadata, new_versions)
        )

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await self._patiently(
            lambda: super(PatientPostgresSaver, self).aput_writes(config, writes, task_id, task_path)
        )


@asynccontextmanager
async def open_saver(settings: Settings) -> AsyncIterator[PatientPostgresSaver]:
    """A ready saver on the configured (or embedded) Postgres; its tables exist.

    Belongs to the running event loop. Raises VitesseError when the embedded server does not start.
    """
    pool = await open_pool(await database_url(settings))
    try:
        saver = PatientPostgresSaver(
            pool,
            patience_seconds=settings.database_patience_seconds,
            revive=lambda: database_url(settings),
        )
        async with pool.connection() as connection:
            await connection.execute("SELECT pg_advisory_lock(%s)", (SETUP_LOCK,))
            try:
                await saver.setup()
            finally:
                await connection.execute("SELECT pg_advisory_unlock(%s)", (SETUP_LOCK,))
        yield saver
    finally:
        # A pool whose server is gone must not hold up the end of the process.
        await asyncio.wait_for(pool.close(timeout=2.0), timeout=10.0)
