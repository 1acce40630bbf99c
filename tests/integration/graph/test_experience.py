"""What one integration teaches the next: rows that worked, names of APIs that were read, and doubt."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from vitesse_graph.api.service import IntegrationService, Outcome
from vitesse_graph.database import database_url
from vitesse_graph.graph import open_graph
from vitesse_graph.settings import Settings
from vitesse_graph.state.context import VitesseContext
from vitesse_graph.state.mapping import Transformation

ASK_NOBODY = VitesseContext(approvals="none")  # type: ignore[call-arg]
ASK = VitesseContext(approvals="every_step")  # type: ignore[call-arg]


@pytest.fixture
async def apart(settings: Settings, tmp_path: Path) -> Settings:
    """The session's database, and a knowledge store of its own: what other tests taught is not there."""
    return settings.model_copy(
        update={"data_dir": tmp_path, "database_url": SecretStr(await database_url(settings))}
    )


@pytest.fixture
async def service(apart: Settings) -> AsyncIterator[IntegrationService]:
    async with open_graph(apart) as graph:
        assert graph.services is not None
        yield IntegrationService(graph, graph.services)


def _rows(outcome: Outcome) -> dict[str, Transformation]:
    assert outcome.state.mapping_logic is not None, outcome.error
    return {row.dest_field: row for row in outcome.state.mapping_logic.transformations}


async def _deployed_with(
    service: IntegrationService, request: dict[str, Any], rows: list[dict[str, Any]] | None
) -> Outcome:
    """An integration that a person brought through every gate, with these rows instead of the proposed ones."""
    outcome = await service.start(request, integration_id=str(uuid.uuid4()), context=ASK)
    while outcome.waiting is not None:
        answer: Any = "approve"
        if outcome.waiting.gate == "review_map" and rows is not None:
            answer = {"type": "edit", "edited": {"transformations": rows}}
        outcome = await service.answer(outcome.integration_id, answer, context=ASK)
    assert outcome.status == "active", outcome.error
    await service.undeploy(outcome.integration_id)
    return outcome


async def test_a_row_that_a_person_added_is_proposed_next_time_and_doubted_when_another_takes_it_out(
    service: IntegrationService, request_body: dict[str, Any]
) -> None:
    first = await service.start(request_body, integration_id=str(uuid.uuid4()), context=ASK)
    while first.waiting is not None and first.waiting.gate != "review_map":
        first = await service.answer(first.integration_id, "approve", context=ASK)
    proposed = _rows(first)
    assert "job_title" not in proposed
    rows = [row.dump() for row in proposed.values()]
    taught = {"source_field": "note", "dest_field": "job_title", "transform_type": "mapping"}
    await _deployed_with(service, request_body, [*rows, taught])

    second = await service.start(request_body, integration_id=str(uuid.uuid4()), context=ASK)
    while second.waiting is not None and second.waiting.gate != "review_map":
        second = await service.answer(second.integration_id, "approve", context=ASK)
    learned = _rows(second)["job_title"]
    assert (learned.source_field, learned.origin) == ("note", "pattern")
    assert any("job_title" in str(entry) for entry in second.state.learned_patterns)

    await _deployed_with(service, request_body, rows)
    third = await service.start(request_body, integration_id=str(uuid.uuid4()), context=ASK_NOBODY)
    await service.undeploy(third.integration_id)
    assert "job_title" not in _rows(third)


async def test_an_api_that_was_read_before_is_found_by_its_name(
    service: IntegrationService, request_body: dict[str, Any]
) -> None:
    first = await service.start(request_body, integration_id=str(uuid.uuid4()), context=ASK)
    first = await service.answer(first.integration_id, "approve", context=ASK)
    assert first.state.source_api_spec is not None
    by_name = {**request_body, "source": first.state.source_api_spec.api_name}
    found = await service.start(by_name, integration_id=str(uuid.uuid4()), context=ASK)
    assert found.state.discovered_apis is not None, found.error
    assert found.state.discovered_apis.source is not None
    assert found.state.discovered_apis.source.spec_url == request_body["source"]


@asynccontextmanager
async def language_model() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """A local server that speaks the OpenAI protocol and answers that nothing fits anything."""
    asked: list[dict[str, Any]] = []

    async def complete(request: web.Request) -> web.Response:
        body = await request.json()
        asked.append(body)
        call = {
            "id": "c",
            "type": "function",
            "function": {"name": "Picks", "arguments": json.dumps({"picks": []})},
        }
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        return web.json_response(
            {
                "id": "x",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
                "usage": {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150},
            }
        )

    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1", asked
    finally:
        await runner.cleanup()


async def test_a_configured_language_model_is_asked_about_the_uncertain_and_its_cost_is_kept(
    apart: Settings, request_body: dict[str, Any]
) -> None:
    pytest.importorskip("langchain_openai", reason="the optional language model's client is not installed")
    async with language_model() as (url, asked):
        settings = apart.model_copy(
            update={"openai_api_key": SecretStr("sk-mark-8812"), "openai_base_url": url}
        )
        async with open_graph(settings) as graph:
            assert graph.services is not None
            service = IntegrationService(graph, graph.services)
            outcome = await service.start(request_body, integration_id=str(uuid.uuid4()), context=ASK)
            while outcome.waiting is not None and outcome.waiting.gate != "review_map":
                outcome = await service.answer(outcome.integration_id, "approve", context=ASK)
    assert len(asked) == 1
    assert "lifetime_value" in _rows(outcome)
    (used,) = [c.data["language_model"] for c in outcome.state.agent_contributions if c.agent == "map"]
    assert (used["calls"], used["input_tokens"], used["output_tokens"]) == (1, 120, 30)
    assert "sk-mark-8812" not in json.dumps(outcome.values)
