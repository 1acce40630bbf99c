"""The twin as an image: the container that would be deployed, run against two sandboxes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.deployers.targets import base_image, engine_or_skip
from vitesse_graph.api.service import IntegrationService
from vitesse_graph.demo.stands import Stands
from vitesse_graph.state.context import VitesseContext

BEFORE_DEPLOY = VitesseContext(approvals="before_deploy")  # type: ignore[call-arg]


@pytest.fixture(autouse=True)
async def _fresh(stands: Stands) -> AsyncIterator[None]:
    await stands.reset()
    yield
    await stands.reset()


async def proven(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str, **settings: Any
) -> Any:
    """Up to the gate before deploying, for a deployment as a container."""
    before = service.services.settings
    service.services.settings = before.model_copy(update=settings)
    try:
        wanted = {**request_body, "run_twin": True, "deployment_target": "local", "test_sample_size": 20}
        outcome = await service.start(wanted, integration_id=thread_id, context=BEFORE_DEPLOY)
    finally:
        service.services.settings = before
    return outcome


@pytest.mark.slow
async def test_the_image_is_run_against_the_sandboxes_and_leaves_nothing_behind(
    service: IntegrationService, stands: Stands, request_body: dict[str, Any], thread_id: str
) -> None:
    client = engine_or_skip()
    network = f"vitesse-test-{os.getpid()}"
    try:
        outcome = await proven(
            service, request_body, thread_id, image_base=base_image(client), docker_network=network
        )
        results = outcome.state.test_results
        assert results.twin.runtime == "image"
        assert results.twin.differences == [], results.twin
        assert results.passed
        assert [step.name for step in results.twin.steps] == ["create", "read back", "repeat", "update"]
        assert results.twin.steps[0].found >= 50
        assert (await stands.stats())["creates"] == 0
        label = {"label": f"io.vitesse.integration={thread_id}-twin"}
        assert client.containers.list(all=True, filters=label) == []
        assert client.images.list(filters=label) == []
    finally:
        for found in client.networks.list(names=[network]):
            found.remove()


async def test_without_an_engine_the_step_says_so(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str
) -> None:
    outcome = await proven(service, request_body, thread_id, docker_host="tcp://127.0.0.1:9")
    assert outcome.status == "failed"
    assert "no Docker Engine answers" in outcome.state.errors[-1].message
