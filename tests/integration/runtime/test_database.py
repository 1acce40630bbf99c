"""The database may go away and come back; it is the only place where progress is kept."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.conftest import stop_embedded
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


@pytest.fixture
def fresh() -> Iterator[Path]:
    """A data directory in which nothing was ever started; open to the user that Postgres runs as."""
    path = Path(tempfile.mkdtemp(prefix="vitesse-fresh-"))
    path.chmod(0o755)
    yield path
    stop_embedded(path)
    shutil.rmtree(path, ignore_errors=True)


OPENS_AT_ONCE = """
import asyncio, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
import psycopg
from vitesse_graph.database import database_url
from vitesse_graph.settings import Settings

async def main():
    settings = Settings(data_dir=Path(sys.argv[1]), _env_file=None)
    urls = await asyncio.gather(*(database_url(settings) for _ in range(20)))
    async with await psycopg.AsyncConnection.connect(urls[0]) as connection:
        row = await (await connection.execute("select system_identifier from pg_control_system()")).fetchone()
    print(len(set(urls)), row[0])
    sys.stdin.read()  # stays until all have seen the same server

asyncio.run(main())
"""


def test_any_number_of_threads_and_processes_may_start_the_embedded_server_at_once(fresh: Path) -> None:
    command = [sys.executable, "-c", OPENS_AT_ONCE, str(fresh)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    opening = [subprocess.Popen(command, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    said = {process.stdout.readline() for process in opening}
    for process in opening:
        process.communicate(timeout=90)
    assert len(said) == 1
    assert said.pop().startswith("1 ")
    assert not (fresh / "postgres" / "postmaster.pid").exists()  # the last one to leave has stopped it


async def test_a_database_whose_making_was_cut_off_is_made_anew(fresh: Path) -> None:
    """As after a SIGKILL in the middle of `initdb`: the folder looks finished and holds next to nothing."""
    (fresh / "postgres").mkdir()
    (fresh / "postgres" / "PG_VERSION").write_text("18\n")
    (fresh / "postgres.unfinished").touch()
    url = await database_url(Settings(data_dir=fresh, _env_file=None))
    async with await psycopg.AsyncConnection.connect(url) as connection:
        assert await (await connection.execute("select 1")).fetchone() == (1,)


async def test_a_pid_that_another_program_has_now_is_not_taken_for_the_server(fresh: Path) -> None:
    settings = Settings(data_dir=fresh, _env_file=None)
    await database_url(settings)
    note = fresh / "postgres" / "postmaster.pid"
    lines = note.read_text().splitlines()
    stop_embedded(fresh)
    note.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    async with await psycopg.AsyncConnection.connect(await database_url(settings)) as connection:
        assert await (await connection.execute("select 1")).fetchone() == (1,)
