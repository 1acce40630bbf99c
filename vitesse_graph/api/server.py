"""The application that `langgraph.json` mounts (`http.app`): REST over the server's own threads.

Where the server has crons, one of them drives the monitor.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vitesse_graph.api.app import create_app
from vitesse_graph.api.rest_service import RestService
from vitesse_graph.settings import get_settings

_log = logging.getLogger(__name__)
_settings = get_settings()


@asynccontextmanager
async def _over_the_server() -> AsyncIterator[RestService]:
    from langgraph_sdk import get_client

    from vitesse_graph.api.lookout import ensure_cron
    from vitesse_graph.api.remote import RemoteThreads
    from vitesse_graph.api.secret_services import open_vault_services

    async with open_vault_services(_settings) as services:
        # beside the start, because the server answers only once this application is up
        asking = asyncio.create_task(ensure_cron())
        asking.add_done_callback(_told)
        try:
            yield RestService(RemoteThreads(get_client()), services)
        finally:
            asking.cancel()


def _told(asking: asyncio.Task[bool]) -> None:
    if not asking.cancelled() and (error := asking.exception()) is not None:
        _log.warning("the monitor's cron could not be made; `vitesse monitor` does its work", exc_info=error)


app = create_app(_over_the_server, _settings)
