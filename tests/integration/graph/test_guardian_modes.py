"""Where the guardian's calls go is the user's to say; the twin runs what would be deployed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from vitesse_graph.api.service import IntegrationService
from vitesse_graph.demo.stands import Stands
from vitesse_graph.deployers import DeployerFactory
from vitesse_graph.errors import NotFoundError
from vitesse_graph.settings import Settings
from vitesse_graph.state.context import VitesseContext

BEFORE_DEPLOY = VitesseContext(approvals="before_deploy")  # type: ignore[call-arg]


@pytest.fixture(autouse=True)
async def _fresh(stands: Stands) -> AsyncIterator[None]:
    await stands.reset()
    yield
    await stands.reset()


async def prove(service: IntegrationService, request: dict[str, Any], thread_id: str) -> Any:
    """Up to the gate before deploying."""
    return await service.start(request, integration_id=thread_id, context=BEFORE_DEPLOY)


@pytest.mark.parametrize(
    ("shadow_mode", "told", "reads_shop", "reads_crm"),
    [(None, "live-read", True, True), ("live-read", "live-read", True, True), ("sandbox", "sandbox", False, False)],
)  # fmt: skip
async def test_without_permission_nothing_is_written_whatever_the_mode(
    service: IntegrationService, stands: Stands, request_body: dict[str, Any], thread_id: str,
    shadow_mode: str | None, told: str, reads_shop: bool, reads_crm: bool,
) -> None:  # fmt: skip
    before, shop_before = await stands.stats(), await stands.shop_stats()
    outcome = await prove(service, {**request_body, "shadow_mode": shadow_mode}, thread_id)
    results = outcome.state.test_results
    after, shop_after = await stands.stats(), await stands.shop_stats()
    assert results.mode == told
    assert results.passed, results.hard_fails
    assert results.calls_made >= 100
    assert (after["creates"], after["updates"]) == (before["creates"], before["updates"])
    # The specification itself is read from the same server.
    assert (after["requests"] - before["requests"] > 1) is reads_crm
    assert (shop_after["requests"] - shop_before["requests"] > 2) is reads_shop


async def test_live_mode_is_refused_without_permission_and_writes_with_it(
    service: IntegrationService, stands: Stands, request_body: dict[str, Any], thread_id: str
) -> None:
    outcome = await prove(service, {**request_body, "shadow_mode": "live"}, thread_id)
    assert outcome.status == "failed"
    assert "skip_destructive=false" in outcome.state.errors[-1].message
    assert (await stands.stats())["creates"] == 0
    allowed = {**request_body, "shadow_mode": "live", "skip_destructive": False, "test_sample_size": 20}
    outcome = await prove(service, allowed, thread_id)
    assert outcome.state.test_results.mode == "live"
    assert (await stands.stats())["creates"] > 0


async def test_the_twin_runs_the_runtime_and_leaves_nothing_behind(
    service: IntegrationService, settings: Settings, stands: Stands, request_body: dict[str, Any], thread_id: str
) -> None:  # fmt: skip
    outcome = await prove(service, {**request_body, "run_twin": True}, thread_id)
    results = outcome.state.test_results
    assert results.twin is not None
    assert results.twin.differences == [], results.twin
    assert results.passed
    assert [step.name for step in results.twin.steps] == ["create", "read back", "repeat", "update"]
    assert results.twin.steps[0].found >= 50
    assert "### Twin: no difference" in outcome.waiting.proposal["summary"]
    assert (await stands.stats())["creates"] == 0
    with pytest.raises(NotFoundError):
        await DeployerFactory.create_deployer("process", {"settings": settings}).get_status(
            f"{thread_id}-twin"
        )


async def test_every_call_is_kept_redacted_and_capped(
    service: IntegrationService, stands: Stands, request_body: dict[str, Any], thread_id: str
) -> None:
    outcome = await prove(service, request_body, thread_id)
    (kept,) = await service.services.registry.test_runs(thread_id)
    calls = kept["results"]["calls"]
    assert kept["passed"] is True
    assert kept["seed"] == outcome.state.test_results.seed
    assert len(calls) == outcome.state.test_results.calls_made >= 100
    assert {"endpoint", "method", "status", "seconds", "success", "failing_field"} <= set(calls[0])
    assert all(len(str(call["response"])) < 3_000 for call in calls)
    text = str(kept)
    assert stands.shopify_token not in text
    assert stands.credo_api_key not in text
    shown = await command(service, "tests", thread_id, "--calls")
    assert "passed" in shown
    assert "POST /contacts" in shown


async def command(service: IntegrationService, *arguments: str) -> str:
    """What the command prints."""
    settings = service.services.settings
    environment = {**os.environ, "VITESSE_DATA_DIR": str(settings.data_dir), "COLUMNS": "200"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "vitesse_graph.cli.main", *arguments, env=environment, stdout=asyncio.subprocess.PIPE
    )  # fmt: skip
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return printed.decode()
