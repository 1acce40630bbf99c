"""The REST API over the real graph, on the session's data directory.

Starting the two stand-in servers and the application takes longer than most tests: they are shared
by the tests of a module, which therefore run on one event loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from rest_driving import INTENT, client_of, running

from vitesse_graph.api.doors import Api
from vitesse_graph.demo.stands import Stands, run_stands
from vitesse_graph.deployers import DeployerFactory
from vitesse_graph.settings import Settings


@pytest.fixture(scope="module")
def settings(data_dir: Path) -> Settings:
    return Settings(VITESSE_DATA_DIR=data_dir, VITESSE_REQUESTS_PER_MINUTE=0)  # type: ignore[call-arg]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stands() -> AsyncIterator[Stands]:
    async with run_stands() as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    async with running(settings) as started:
        yield started


@pytest.fixture(scope="module")
def api(app: FastAPI) -> Api:
    opened: Api = app.state.vitesse
    return opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The person at this machine, who may do everything as long as nobody has a key."""
    async with client_of(app) as opened:
        yield opened


@pytest.fixture
def body(stands: Stands) -> dict[str, Any]:
    """Shopify's stand-in into Credo's, credentials and all."""
    return {
        "user_intent": INTENT,
        "source_api_url": stands.shopify_spec_url,
        "dest_api_url": stands.credo_spec_url,
        "source_auth": {"token": stands.shopify_token},
        "dest_auth": stands.credo_api_key,
    }


@pytest_asyncio.fixture(loop_scope="module")
async def undeploy(settings: Settings) -> AsyncIterator[Callable[[str], str]]:
    """Remembers integrations whose workloads are taken down afterwards."""
    names: list[str] = []

    def remember(name: str) -> str:
        names.append(name)
        return name

    yield remember
    deployer = DeployerFactory.create_deployer("process", {"settings": settings})
    for name in names:
        await deployer.destroy(name)
