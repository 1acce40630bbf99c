"""Threads paused by earlier versions go on in this one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import golden
from tests.conftest import stop_embedded
from vitesse_graph.api.service import IntegrationService
from vitesse_graph.graph import open_graph
from vitesse_graph.nodes.running import IntegrationGraph
from vitesse_graph.settings import Settings
from vitesse_graph.state.review import GATES
from vitesse_graph.state.whiteboard import SCHEMA_VERSION


@pytest.fixture
async def graph() -> AsyncIterator[IntegrationGraph]:
    """A database of its own, into which the old rows go."""
    folder = Path(tempfile.mkdtemp(prefix="vitesse-test-golden-"))
    folder.chmod(0o755)
    async with open_graph(Settings(VITESSE_DATA_DIR=folder)) as opened:  # type: ignore[call-arg]
        yield opened
    stop_embedded(folder)
    shutil.rmtree(folder, ignore_errors=True)


def test_there_are_golden_checkpoints_of_this_version() -> None:
    assert f"v{SCHEMA_VERSION}.json.gz" in [path.name for path in golden.files()]


@pytest.mark.parametrize("path", golden.files(), ids=lambda path: path.name.split(".")[0])
async def test_a_thread_paused_at_any_gate_goes_on(path: Path, graph: IntegrationGraph) -> None:
    assert graph.services is not None
    golden.put_specifications()
    await golden.load(path, graph.services.pool)
    service = IntegrationService(graph, graph.services)
    version = int(path.name.split(".")[0].removeprefix("v"))
    for gate in GATES:
        outcome = await service.look(golden.thread_of(version, gate))
        assert outcome.waiting is not None
        assert outcome.waiting.gate == gate
        while outcome.waiting is not None and outcome.waiting.gate != "review_guardian":
            outcome = await service.answer(outcome.integration_id, "approve")
        assert outcome.waiting is not None, outcome.error
        outcome = await service.answer(outcome.integration_id, "reject")
        assert outcome.status == "failed"
