"""Who may run: one at a time, whoever dies, hangs or comes late."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from vitesse_graph.database import database_url
from vitesse_graph.errors import ConflictError
from vitesse_graph.runtime.access import grant, revoke
from vitesse_graph.runtime.lease import Lease, LeaseLost
from vitesse_graph.runtime.store import Store
from vitesse_graph.settings import Settings

HOLDER = """
import asyncio, sys
from vitesse_graph.runtime.lease import Lease
from vitesse_graph.runtime.store import Store

async def main(url, name):
    async def provide():
        return url
    async with Store(provide) as store, Lease(store, name) as lease:
        print(lease.token, flush=True)
        await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


async def _held_elsewhere(url: str, name: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, url, name], stdout=subprocess.PIPE)
    assert process.stdout is not None
    await asyncio.to_thread(process.stdout.readline)
    process.stdout.close()
    return process


async def test_of_many_that_ask_at_once_one_gets_it(store: Store, name: str) -> None:
    async def ask() -> int | None:
        try:
            async with Lease(store, name) as lease:
                await asyncio.sleep(1.0)
                return lease.token
        except ConflictError:
            return None

    tokens = await asyncio.gather(*(ask() for _ in range(12)))
    assert [token for token in tokens if token is not None] == [1]
    async with Lease(store, name) as after:  # free at once
        assert after.token == 2


async def test_a_killed_holder_blocks_nobody_and_a_living_one_everybody(
    settings: Settings, store: Store, name: str
) -> None:
    process = await _held_elsewhere(await database_url(settings), name)
    with pytest.raises(ConflictError):
        async with Lease(store, name):
            pass
    os.kill(process.pid, signal.SIGSTOP)  # it hangs, but its connection lives
    with pytest.raises(ConflictError):
        async with Lease(store, name):
            pass
    process.kill()
    process.wait()
    async with Lease(store, name) as lease:
        assert lease.token == 2


async def test_a_holder_whose_connection_broke_goes_on_unless_another_was_faster(
    settings: Settings, store: Store, name: str
) -> None:
    async def cut(lease: Lease) -> None:
        assert lease._connection is not None
        pid = lease._connection.info.backend_pid
        async with store.connection() as connection:
            await connection.execute("select pg_terminate_backend(%s)", (pid,))

    async with Lease(store, name) as lease:
        await cut(lease)
        await lease.confirm()
        with pytest.raises(ConflictError):
            async with Lease(store, name):
                pass
        await cut(lease)
        async with Lease(store, name) as faster:
            assert faster.token == lease.token + 1
            with pytest.raises(LeaseLost):
                await lease.confirm()
            await faster.confirm()


async def test_a_holder_of_another_role_is_known_by_its_signs_of_life(
    settings: Settings, store: Store, name: str
) -> None:
    """A container's role does not see when the process of the owner's connection started."""
    url = await database_url(settings)
    await grant(url, "vitesse_lease", "a password", name)

    async def provide() -> str:
        return make_conninfo(url, user="vitesse_lease")

    try:
        async with Store(provide) as theirs, Lease(store, name) as lease:
            with pytest.raises(ConflictError):
                async with Lease(theirs, name):
                    pass
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                await connection.execute(
                    "update vitesse_runtime.leases set renewed_at = now() - interval '31 seconds' "
                    "where integration_id = %s",
                    (name,),
                )
            async with Lease(theirs, name):
                with pytest.raises(LeaseLost):
                    await lease.confirm()
    finally:
        await revoke(url, "vitesse_lease")
