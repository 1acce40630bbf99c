"""A database role for one integration: `python -m vitesse_graph.runtime.access grant|revoke`.

The role sees the rows of its own integration and nothing else: no other schema, no other integration's
ledger, no credential that it does not hold. Reads `{url, role, password, integration_id}` as JSON from
standard input, so that no password stands in a process list; a deployer calls it before a start.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

import psycopg
from psycopg import sql

from vitesse_graph.runtime.store import Connection, migrate

_LOCK = 0x76697473
_RULED = "select tablename from pg_tables where schemaname = 'vitesse_runtime' and rowsecurity"
"""Tables that the rules in `access.sql` cover: those, and no others, are opened to the role."""
MOST_CONNECTIONS = 20
"""Two versions of one workload at a time, with a pool and a lease each, and some room."""


async def grant(url: str, role: str, password: str, integration_id: str) -> None:
    """Makes (or renews) the role. The tables are brought up to this version first: the role may not."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await migrate(connection)
        async with _alone(connection):
            rules = files("vitesse_graph.runtime").joinpath("access.sql").read_text(encoding="utf-8")
            await connection.execute(rules.encode())
            name, secret = sql.Identifier(role), sql.Literal(password)
            is_there = await _exists(connection, role)
            await connection.execute(
                sql.SQL(
                    "{verb} role {name} login noinherit nocreatedb nocreaterole connection limit {most} password {secret}"
                ).format(
                    verb=sql.SQL("alter" if is_there else "create"),
                    name=name,
                    most=sql.Literal(MOST_CONNECTIONS),
                    secret=secret,
                )
            )
            await connection.execute(
                "insert into vitesse_runtime.workloads (role, integration_id) values (%s, %s) "
                "on conflict (role) do update set integration_id = excluded.integration_id",
                (role, integration_id),
            )
            ruled = await (await connection.execute(_RULED)).fetchall()
            tables = sql.SQL(", ").join(sql.Identifier("vitesse_runtime", row[0]) for row in ruled)
            for statement in (
                "grant usage on schema vitesse_runtime to {name}",
                "grant select, insert, update, delete on {tables} to {name}",
                "grant select on vitesse_runtime.migrations to {name}",
                "grant execute on function vitesse_runtime.own_integration() to {name}",
            ):
                await connection.execute(sql.SQL(statement).format(name=name, tables=tables))


async def revoke(url: str, role: str) -> None:
    """Takes the role away, whoever is still logged in with it. Rows stay. Harmless when it is gone."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection, _alone(connection):
        if not await _exists(connection, role):
            return
        name = sql.Identifier(role)
        await connection.execute(sql.SQL("alter role {name} nologin").format(name=name))
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", (role,)
        )
        await connection.execute(sql.SQL("drop owned by {name}").format(name=name))
        await connection.execute(sql.SQL("drop role {name}").format(name=name))
        await connection.execute("delete from vitesse_runtime.workloads where role = %s", (role,))


@asynccontextmanager
async def _alone(connection: Connection) -> AsyncIterator[None]:
    """One transaction at a time does this, whoever else deploys at this moment."""
    async with connection.transaction():
        await connection.execute("set local lock_timeout = '20s'")
        await connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        yield


async def _exists(connection: Connection, role: str) -> bool:
    found = await connection.execute("select 1 from pg_roles where rolname = %s", (role,))
    return await found.fetchone() is not None


def main() -> int:
    """Exit codes: 0 done, 1 with one line on standard error."""
    asked = json.load(sys.stdin)
    try:
        if sys.argv[1] == "grant":
            asyncio.run(grant(asked["url"], asked["role"], asked["password"], asked["integration_id"]))
        else:
            asyncio.run(revoke(asked["url"], asked["role"]))
    except psycopg.Error as error:
        # The server's own words, never the connection string.
        said = error.diag.message_primary or type(error).__name__
        print(said, file=sys.stderr)  # noqa: T201 - the command's one line
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
