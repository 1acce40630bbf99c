"""A workload's role sees its own integration's rows, and of credentials only what it can name."""

from __future__ import annotations

import subprocess
import sys

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.integration.runtime.apis import Apis, person
from tests.integration.runtime.definitions import definition
from vitesse_graph.database import database_url
from vitesse_graph.http import AddressPolicy
from vitesse_graph.runtime import Store, SyncEngine, SyncRequest, explain
from vitesse_graph.runtime.access import grant, revoke
from vitesse_graph.settings import Settings

STRANGE = 'it\'s "mine"\n`; drop table x; --'


async def _sync(url: str, apis: Apis, integration_id: str) -> int:
    async def provide() -> str:
        return url

    async with Store(provide) as store:
        made = definition(apis.url, integration_id)
        engine = SyncEngine(made, store, policy=AddressPolicy(allow_loopback=True))
        report = await engine.run(SyncRequest())
        assert report.status == "completed"
        assert (await explain(store, integration_id, "1"))["source_key"] == "1"
        return report.created


async def test_a_role_moves_its_own_records_and_sees_no_others(settings: Settings, apis: Apis) -> None:
    url = await database_url(settings)
    apis.people = [person(n) for n in range(5)]
    ids = {"vitesse_first": "first-one", "vitesse_strange": STRANGE}
    try:
        for role, integration_id in ids.items():
            await grant(url, role, "a password", integration_id)
            assert await _sync(make_conninfo(url, user=role), apis, integration_id) == 5
        async with await psycopg.AsyncConnection.connect(
            make_conninfo(url, user="vitesse_first"), autocommit=True
        ) as first:
            tables = await first.execute(
                "select tablename from pg_tables where schemaname = 'vitesse_runtime' "
                "and tablename not in ('migrations', 'workloads')"
            )
            for (table,) in await tables.fetchall():
                found = await first.execute(f"select * from vitesse_runtime.{table}".encode())  # type: ignore[arg-type]
                names = [column.name for column in found.description or []]
                rows = [dict(zip(names, row, strict=True)) for row in await found.fetchall()]
                assert {row.get("integration_id") for row in rows} <= {"first-one"}, table
            changed = await first.execute(
                "update vitesse_runtime.ledger set reason = 'x' where integration_id = %s", (STRANGE,)
            )
            assert changed.rowcount == 0
            for forbidden in (
                "insert into vitesse_runtime.holds values ('second', 'x', 1)",
                "select * from vitesse_runtime.workloads",
                "update vitesse_runtime.workloads set integration_id = 'second'",
                "select * from public.integrations",
                "create table vitesse_runtime.x (y int)",
                "set role postgres",
                "alter table vitesse_runtime.ledger disable row level security",
            ):
                with pytest.raises(psycopg.Error):
                    await first.execute(forbidden.encode())  # type: ignore[arg-type]
    finally:
        for role in ids:
            await revoke(url, role)


async def test_no_other_role_can_hold_up_a_sync(settings: Settings, apis: Apis) -> None:
    """Neither by the lease's row, which it does not see, nor by any lock that it can take."""
    url = await database_url(settings)
    apis.people = [person(n) for n in range(5)]
    await grant(url, "vitesse_bad", "a password", "bad-one")
    await grant(url, "vitesse_good", "a password", "good-one")
    bad = await psycopg.AsyncConnection.connect(make_conninfo(url, user="vitesse_bad"))
    try:
        assert await _sync(make_conninfo(url, user="vitesse_good"), apis, "good-one") == 5
        await bad.execute("select pg_advisory_lock(hashtextextended('vitesse_runtime/good-one', 0))")
        for statement in (
            "select * from vitesse_runtime.leases where integration_id = 'good-one' for update",
            "update vitesse_runtime.leases set backend_pid = pg_backend_pid() returning 1",
            "delete from vitesse_runtime.leases where integration_id = 'good-one' returning 1",
        ):
            found = await bad.execute(statement.encode())  # type: ignore[arg-type]
            assert await found.fetchall() == []
        apis.people.append(person(5))
        assert await _sync(make_conninfo(url, user="vitesse_good"), apis, "good-one") == 1
    finally:
        await bad.close()
        for role in ("vitesse_bad", "vitesse_good"):
            await revoke(url, role)


async def test_a_credentials_row_is_seen_by_whoever_can_name_it(settings: Settings) -> None:
    url = await database_url(settings)
    await grant(url, "vitesse_named", "a password", "named")

    async def provide() -> str:
        return make_conninfo(url, user="vitesse_named")

    try:
        async with Store(provide) as store:
            values = {"count": 1, "gap": 1.0, "burst": 1.0}
            for _ in range(2):  # the second one meets the row
                await store.rows("reserve_slots", {"key": "digest-of-mine", **values})
            async with store.connection() as connection:
                found = await connection.execute("select credential from vitesse_runtime.budgets")
                assert await found.fetchall() == []
                async with connection.transaction():
                    await connection.execute(
                        "select set_config('vitesse.credential', 'digest-of-mine', true)"
                    )
                    found = await connection.execute("select credential from vitesse_runtime.budgets")
                    assert await found.fetchall() == [("digest-of-mine",)]
    finally:
        await revoke(url, "vitesse_named")


async def test_granting_twice_and_revoking_twice_is_harmless_and_an_open_session_ends(
    settings: Settings,
) -> None:
    url = await database_url(settings)
    for _ in range(2):
        await grant(url, "vitesse_twice", "a password", "twice")
    session = await psycopg.AsyncConnection.connect(make_conninfo(url, user="vitesse_twice"), autocommit=True)
    await session.execute("select pg_advisory_lock(1)")
    for _ in range(2):
        await revoke(url, "vitesse_twice")
    with pytest.raises(psycopg.OperationalError):
        await session.execute("select 1")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        await psycopg.AsyncConnection.connect(make_conninfo(url, user="vitesse_twice"))


def test_what_the_server_refuses_is_said_in_one_line_without_the_password() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "vitesse_graph.runtime.access", "revoke"],
        input='{"url": "postgresql://u:canary-secret-1@127.0.0.1:1/x", "role": "x"}',
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "canary" not in ended.stderr
