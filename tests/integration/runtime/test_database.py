"""The database may go away and come back; it is the only place where progress is kept."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import psycopg
import pytest

from tests.integration.runtime.apis import Apis, person, until
from tests.integration.runtime.definitions import definition
from vitesse_graph.database import database_url
from vitesse_graph.errors import VitesseError
from vitesse_graph.http import AddressPolicy
from vitesse_graph.runtime.engine import SyncEngine
from vitesse_graph.runtime.store import Store, migrate, migrations
from vitesse_graph.settings import Settings


async def test_postgres_that_crashes_in_mid_sync_costs_nothing(
    apis: Apis, policy: AddressPolicy, tmp_path: Path, name: str
) -> None:
    settings = Settings(data_dir=tmp_path, _env_file=None)
    apis.people = [person(n) for n in range(1500)]
    apis.delay_seconds = 0.002
    async with Store(lambda: database_url(settings), patience_seconds=30) as store:
        running = asyncio.create_task(SyncEngine(definition(apis.url, name), store, policy=policy).run())
        await until(lambda: apis.requests["POST"] >= 300)
        postmaster = int((tmp_path / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(postmaster, signal.SIGQUIT)  # an immediate shutdown: connections are cut, nothing is flushed
        report = await running
        assert (report.status, report.fetched) == ("completed", 1500)
        assert apis.emails == {p["email"]: 1 for p in apis.people}
        counted = await store.rows("seq", {"run": int(report.run_id)})
        assert counted[0][0] > 0


async def test_a_database_that_stays_away_is_said_in_one_line() -> None:
    async def nowhere() -> str:
        return "postgresql://nobody@127.0.0.1:1/none"

    store = Store(nowhere, patience_seconds=0.2)
    with pytest.raises(VitesseError, match="cannot be reached") as caught:
        await store.open()
    assert "\n" not in str(caught.value)
    await store.close()


async def test_migrating_twice_and_from_several_processes_at_once_is_harmless(settings: Settings) -> None:
    url = await database_url(settings)
    connections = [await psycopg.AsyncConnection.connect(url, autocommit=True) for _ in range(3)]
    try:
        await connections[0].execute("drop schema if exists vitesse_runtime cascade")
        await asyncio.gather(*(migrate(connection) for connection in connections))
        found = await connections[0].execute("select max(version) from vitesse_runtime.migrations")
        assert await found.fetchone() == (migrations()[-1][0],)
    finally:
        for connection in connections:
            await connection.close()
