"""A graph on the session's data directory, and the request that all these tests make."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from vitesse_graph.api.service import IntegrationService
from vitesse_graph.demo.stands import Stands
from vitesse_graph.deployers import DeployerFactory
from vitesse_graph.graph import open_graph
from vitesse_graph.nodes.running import IntegrationGraph
from vitesse_graph.settings import Settings


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    return Settings(VITESSE_DATA_DIR=data_dir)  # type: ignore[call-arg]


@pytest.fixture
async def graph(settings: Settings) -> AsyncIterator[IntegrationGraph]:
    async with open_graph(settings) as opened:
        yield opened


@pytest.fixture
def service(graph: IntegrationGraph) -> IntegrationService:
    assert graph.services is not None
    return IntegrationService(graph, graph.services)


@pytest.fixture
def request_body(stands: Stands, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Shopify's stand-in into Credo's, with the credentials where the references say."""
    monkeypatch.setenv("TEST_SHOP_TOKEN", stands.shopify_token)
    monkeypatch.setenv("TEST_CRM_KEY", stands.credo_api_key)
    return {
        "user_intent": "Sync Shopify customers into our Credo CRM contacts",
        "source": stands.shopify_spec_url,
        "dest": stands.credo_spec_url,
        "source_auth": "env:TEST_SHOP_TOKEN",
        "dest_auth": "env:TEST_CRM_KEY",
    }


@pytest.fixture
async def thread_id(settings: Settings) -> AsyncIterator[str]:
    """A fresh thread; whatever was deployed for it is taken down afterwards."""
    name = f"integ_{uuid.uuid4().hex}"
    yield name
    await DeployerFactory.create_deployer("process", {"settings": settings}).destroy(name)
