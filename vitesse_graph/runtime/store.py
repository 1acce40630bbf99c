"""The runtime's tables: connections, migrations, patience with a database that went away.

Statements are in `queries.sql`, tables in `schema.sql`. Connections are in autocommit mode: each named
statement is one transaction by itself.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from importlib.resources import files
from types import TracebackType
from typing import Any, Self, TypeVar

import psycopg
from psycopg.rows import dict_row, tuple_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from vitesse_graph.errors import VitesseError

_log = logging.getLogger(__name__)

Connection = psycopg.AsyncConnection[Any]
UrlProvider = Callable[[], Awaitable[str]]
T = TypeVar("T")

_OPEN_WITHIN_SECONDS = 10.0
_MIGRATION_LOCK = 0x76697472
_GONE = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)


@lru_cache(maxsize=1)
def statements() -> dict[str, bytes]:
    """The statements of `queries.sql` by name."""
    text = files("vitesse_graph.runtime").joinpath("queries.sql").read_text(encoding="utf-8")
    parts = re.split(r"^-- (\w+): .*$", text, flags=re.MULTILINE)
    return {
        name: body.strip().rstrip(";").encode() for name, body in zip(parts[1::2], parts[2::2], strict=True)
    }


@lru_cache(maxsize=1)
def migrations() -> list[tuple[int, str]]:
    """The sections of `schema.sql` in order."""
    text = files("vitesse_graph.runtime").joinpath("schema.sql").read_text(encoding="utf-8")
    parts = re.split(r"^-- migration (\d+): .*$", text, flags=re.MULTILINE)
    return [(int(number), body) for number, body in zip(parts[1::2], parts[2::2], strict=True)]


async def migrate(connection: Connection) -> None:
    """Brings the schema to this version; several processes may call it at once."""
    newest = migrations()[-1][0]
    with suppress(psycopg.errors.UndefinedTable):
        found = await connection.execute("select max(version) from vitesse_runtime.migrations")
        row = await found.fetchone()
        if row is not None and row[0] is not None and row[0] >= newest:
            return
    # A session lock, taken before the transaction begins: a transaction that waited for it would still
    # see the catalogue as it was before.
    await connection.execute("select pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
    try:
        async with connection.transaction():
            done = await _version(connection)
            for number, body in migrations():
                if number > done:
                    await connection.execute(body.encode())
            await connection.execute(
                "create table if not exists vitesse_runtime.migrations "
                "(version integer primary key, applied_at timestamptz not null default now())"
            )
            await connection.execute(
                "insert into vitesse_runtime.migrations (version) values (%s) on conflict do nothing",
                (newest,),
            )
    finally:
        await connection.execute("select pg_advisory_unlock(%s)", (_MIGRATION_LOCK,))


async def _version(connection: Connection) -> int:
    found = await connection.execute("select to_regclass('vitesse_runtime.migrations') is not null")
    row = await found.fetchone()
    if row is None or not row[0]:
        return 0
    newest = await connection.execute("select coalesce(max(version), 0) from vitesse_runtime.migrations")
    row = await newest.fetchone()
    return int(row[0]) if row else 0


class Store:
    """A small pool on the runtime's tables.

    `url_provider` is asked again after the database was lost: an embedded server is revived by asking.
    """

    def __init__(
        self, url_provider: UrlProvider, *, patience_seconds: float = 60.0, max_size: int = 4
    ) -> None:
        self._url_provider = url_provider
        self._patience = patience_seconds
        self._max_size = max_size
        self._pool: AsyncConnectionPool[Connection] | None = None
        self._url = ""
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connects and migrates. Raises VitesseError when the database cannot be reached."""
        try:
            pool = await self._ensure_pool()
            async with pool.connection(timeout=min(self._patience, _OPEN_WITHIN_SECONDS)) as connection:
                await migrate(connection)
        except _GONE as error:
            raise VitesseError(
                f"the database cannot be reached ({_first_line(error)}); check DATABASE_URL"
            ) from error

    async def close(self) -> None:
        """Gives the connections back. Safe to call twice."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close(timeout=2.0)

    async def _ensure_pool(self) -> AsyncConnectionPool[Connection]:
        async with self._opening:
            url = await self._url_provider()
            if self._pool is not None and url == self._url:
                return self._pool
            old, self._pool = self._pool, None
            if old is not None:
                await old.close(timeout=1.0)
            self._url = url
            pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
                url,
                min_size=1,
                max_size=self._max_size,
                kwargs={"autocommit": True},
                configure=_configure,
                timeout=10.0,
                reconnect_timeout=self._patience,
                open=False,
            )
            await pool.open()
            self._pool = pool
            return pool

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One connection of the pool."""
        pool = self._pool or await self._ensure_pool()
        async with pool.connection() as connection:
            yield connection

    async def dedicated(self) -> Connection:
        """A connection outside the pool (a session lock lives on it); the caller closes it."""
        connection = await psycopg.AsyncConnection.connect(await self._url_provider(), autocommit=True)
        try:
            await _configure(connection)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def patiently(self, action: Callable[[Connection], Awaitable[T]]) -> T:
        """Runs `action` on a connection, again and again while the database is away.

        `action` must be harmless when repeated: its first try may have been committed. Raises
        VitesseError when the database stays away longer than the patience.
        """
        started = time.monotonic()
        pause = 0.05
        while True:
            try:
                async with self.connection() as connection:
                    return await action(connection)
            except _GONE as error:
                if time.monotonic() - started > self._patience:
                    raise VitesseError(
                        f"the database stayed away for {self._patience:.0f} s ({_first_line(error)})"
                    ) from error
                _log.warning("the database is away, trying again: %s", _first_line(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)
            await self._revive()

    async def _revive(self) -> None:
        """Asks for the URL again, which starts an embedded server that died."""
        try:
            await self._ensure_pool()
        except (VitesseError, *_GONE) as error:
            _log.warning("the database does not come back yet: %s", _first_line(error))

    async def rows(self, name: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """All rows of a named statement, as tuples; patient."""

        async def act(connection: Connection) -> list[tuple[Any, ...]]:
            async with connection.cursor(row_factory=tuple_row) as cursor:
                await cursor.execute(statements()[name], values)
                return await cursor.fetchall() if cursor.description else []

        return await self.patiently(act)

    async def records(self, name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All rows of a named statement, as dicts; patient."""

        async def act(connection: Connection) -> list[dict[str, Any]]:
            async with connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(statements()[name], values)
                return await cursor.fetchall() if cursor.description else []

        return await self.patiently(act)

    async def one(self, name: str, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """The first row as a dict, or None; patient."""
        found = await self.records(name, values)
        return found[0] if found else None

    async def run(self, name: str, values: Mapping[str, Any]) -> None:
        """A named statement for its effect; patient."""
        await self.rows(name, values)


async def _configure(connection: Connection) -> None:
    # A plan made while a table was small would scan it all once it is big: every access here has its
    # index. The statement timeout bounds a lost lock; keepalives free the lease of a vanished host.
    await connection.execute(
        "set enable_seqscan = off; set statement_timeout = '60s'; set lock_timeout = '30s'; "
        "set idle_in_transaction_session_timeout = '60s'; set tcp_keepalives_idle = 10; "
        "set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3; set jit = off"
    )


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__
