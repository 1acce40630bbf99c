"""A correction of a vendor's document stays with its integration, and holds at every refresh."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from vitesse_graph.api.service import IntegrationService
from vitesse_graph.errors import InputError
from vitesse_graph.services import open_services
from vitesse_graph.settings import Settings

OVERLAY = {
    "overlay": "1.0.0",
    "info": {"title": "what the vendor forgot", "version": "1"},
    "actions": [
        {"target": "$", "update": {"x-vitesse-rate-limit": {"requests": 7, "per_seconds": 1}}},
        {"target": "$.info", "update": {"title": "Corrected Shop"}},
    ],
}


async def test_an_overlay_is_kept_and_applied_whenever_the_document_is_read(
    service: IntegrationService, settings: Settings, request_body: dict[str, Any], thread_id: str
) -> None:
    await service.start({**request_body, "source_overlay": OVERLAY}, integration_id=thread_id)
    outcome = await service.answer(thread_id, "approve")
    assert outcome.waiting is not None
    assert outcome.waiting.gate == "review_ingest"
    first = outcome.state.source_api_spec
    assert first is not None
    assert first.rate_limit is not None
    assert (first.api_name, first.rate_limit.requests, first.overlay) == ("Corrected Shop", 7, OVERLAY)

    # Read again at a person's wish: the same document comes of it.
    outcome = await service.answer(thread_id, {"type": "retry"})
    assert outcome.state.source_api_spec is not None
    assert outcome.state.source_api_spec.digest == first.digest

    # Looked at as heal does it: the overlay is no drift, and its document opens without the cache too.
    async with open_services(settings) as services:
        opened = await services.open_document(first)
        again = await services.load_document(first.spec_url, first.overlay)
        assert (await asyncio.to_thread(lambda: again.spec)).api_name == opened.spec.api_name
        assert again.digest == opened.digest == first.digest


async def test_an_overlay_given_at_the_gate_makes_the_document_be_read_anew(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str
) -> None:
    await service.start(request_body, integration_id=thread_id)
    await service.answer(thread_id, "approve")
    outcome = await service.answer(thread_id, {"type": "edit", "edited": {"source_overlay": OVERLAY}})
    assert outcome.state.source_api_spec is not None
    assert outcome.state.source_api_spec.api_name == "Corrected Shop"


async def test_what_is_no_overlay_is_refused_before_anything_is_read(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str
) -> None:
    with pytest.raises(InputError, match="no OpenAPI Overlay"):
        await service.start({**request_body, "source_overlay": {"actions": 1}}, integration_id=thread_id)
