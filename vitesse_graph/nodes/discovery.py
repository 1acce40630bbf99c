"""discovery: from a sentence to two APIs and where their specifications are."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

from langgraph.runtime import Runtime

from vitesse_graph.errors import InputError
from vitesse_graph.nodes.step import StepClock, context_of, emit, thread_id_of
from vitesse_graph.services import get_services
from vitesse_graph.state.context import VitesseContext
from vitesse_graph.state.discovery import DiscoveredApis, DiscoveryResult
from vitesse_graph.state.whiteboard import SCHEMA_VERSION, SharedWhiteboardState, log_entry


def request_digest(state: SharedWhiteboardState) -> str:
    """What the run was asked for: when it changes, the run starts from discovery."""
    asked = json.dumps([state.user_intent, state.source, state.dest])
    return hashlib.sha256(asked.encode()).hexdigest()[:16]


def _is_complete(found: DiscoveredApis) -> bool:
    return all(result is not None and result.spec_url for result in (found.source, found.dest))


def _ensure_found(found: DiscoveredApis) -> tuple[DiscoveryResult, DiscoveryResult]:
    if found.source is None or not found.source.spec_url or found.dest is None or not found.dest.spec_url:
        raise InputError("; ".join(found.notes) or "name the source and the destination API")
    return found.source, found.dest


async def discovery(state: SharedWhiteboardState, runtime: Runtime[VitesseContext]) -> dict[str, Any]:
    """Reads: the request. Writes: `discovered_apis`, `domain_knowledge`. Raises InputError when an API is not to be told."""
    from vitesse_graph.knowledge import complete_pair, discover_pair, pair_guidance
    from vitesse_graph.nodes.experience import known_specifications
    from vitesse_graph.nodes.public_directory import public_directory

    clock = StepClock()
    services = await get_services()
    integration_id = thread_id_of(runtime, state)
    emit(runtime, "discovery", "started")
    if not state.user_intent.strip() and not (state.source and state.dest):
        raise InputError("say what should happen in `user_intent`, or name a source and a destination")
    await services.registry.save_integration(
        integration_id,
        user_intent=state.user_intent,
        status="discovering",
        created_by=context_of(runtime).actor,
    )
    known = await known_specifications(services, integration_id)
    found = await asyncio.to_thread(
        discover_pair, state.user_intent, source=state.source, dest=state.dest, known=known
    )
    directory = public_directory(services.settings)
    if directory is not None and not _is_complete(found):
        found = await complete_pair(
            found, state.user_intent, directory, source=state.source, dest=state.dest, known=known
        )
    source, dest = _ensure_found(found)
    advice = await asyncio.to_thread(pair_guidance, source.api_name, dest.api_name)
    summary = f"{source.api_name} → {dest.api_name}"
    await services.registry.save_integration(
        integration_id, source_api=source.api_name, dest_api=dest.api_name, next_step="ingest"
    )
    emit(runtime, "discovery", "finished", summary=summary, seconds=clock.seconds)
    return {
        "schema_version": SCHEMA_VERSION,
        "workflow_id": integration_id,
        "discovered_apis": found.dump(),
        "domain_knowledge": advice.dump() if advice.advice else None,
        "status": "discovering",
        "next_step": "review_discovery",
        "request_digest": request_digest(state),
        "retry_count": 0,
        "best_attempt": None,
        **state.record_agent_contribution("discovery", summary),
        **log_entry("discovery", summary, clock.seconds),
    }
