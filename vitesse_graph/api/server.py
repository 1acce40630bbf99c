"""The application that `langgraph.json` mounts (`http.app`): REST over the server's own threads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vitesse_graph.api.app import create_app
from vitesse_graph.api.rest_service import RestService
from vitesse_graph.settings import get_settings

_settings = get_settings()


@asynccontextmanager
async def _over_the_server() -> AsyncIterator[RestService]:
    from langgraph_sdk import get_client

    from vitesse_graph.api.remote import RemoteThreads
    from vitesse_graph.api.secret_services import open_vault_services

    async with open_vault_services(_settings) as services:
        yield RestService(RemoteThreads(get_client()), services)


app = create_app(_over_the_server, _settings)
