"""ingest: both specifications read, the endpoints that fit the intent chosen, their shapes kept."""

from __future__ import annotations

import asyncio
from typing import Any

from langgraph.runtime import Runtime

from vitesse_graph.errors import SpecError
from vitesse_graph.nodes.experience import remember_specifications
from vitesse_graph.nodes.parameters import Role, required_beside
from vitesse_graph.nodes.step import StepClock, emit, thread_id_of
from vitesse_graph.services import Services, get_services
from vitesse_graph.state.api_spec import ApiSpec, DestShape, EndpointCandidate, SourceShape
from vitesse_graph.state.context import VitesseContext
from vitesse_graph.state.ports import SpecReader
from vitesse_graph.state.whiteboard import SharedWhiteboardState, log_entry

SCHEMA_BYTES_ON_WHITEBOARD = 6_000
"""The chosen schema as a person reviews it; the steps themselves read the whole one from the cache."""
WARNINGS_ON_WHITEBOARD = 15
GUESSES_ON_WHITEBOARD = 15
CANDIDATES_ON_WHITEBOARD = 5


def choose_endpoint(
    document: SpecReader, role: Role, intent: str, wished: str | None
) -> tuple[str, list[EndpointCandidate]]:
    """The endpoint a person named, or the best for the intent; and the candidates, best first.

    Raises SpecError when nothing in the document can be read from (or written to).
    """
    candidates = document.rank(intent, role, CANDIDATES_ON_WHITEBOARD)
    if wished:
        return wished, candidates
    if not candidates:
        what = "list to read records from" if role == "source" else "call that creates a record"
        raise SpecError(
            f"{document.spec.api_name} has no usable endpoint for this intent: no {what} was found among "
            f"{document.spec.operation_count} operations. Name one as {role}_endpoint, such as "
            f'"{"GET /items" if role == "source" else "POST /items"}", or give another specification'
        )
    return candidates[0].endpoint.key, candidates


def for_whiteboard(
    document: SpecReader, role: Role, key: str, candidates: list[EndpointCandidate]
) -> ApiSpec:
    """The part of a specification that a person reviews and later steps need: a few kilobytes."""
    from vitesse_graph.specs import compact_schema

    spec = document.spec.model_copy(
        update={
            "endpoints": [],
            "warnings": document.spec.warnings[:WARNINGS_ON_WHITEBOARD],
            "guesses": document.spec.guesses[:GUESSES_ON_WHITEBOARD],
            "unreadable_operations": document.spec.unreadable_operations[:20],
            "description": document.spec.description[:300],
            "candidates": candidates,
        }
    )
    shape: SourceShape | DestShape
    if role == "source":
        shape = document.source_shape(key)
        excerpt: dict[str, Any] = {
            "record_schema": compact_schema(shape.record_schema, SCHEMA_BYTES_ON_WHITEBOARD),
            "guesses": [],
        }
        spec.guesses = [*shape.guesses, *spec.guesses][:GUESSES_ON_WHITEBOARD]
    else:
        shape = document.dest_shape(key)
        excerpt = {"request_schema": compact_schema(shape.request_schema, SCHEMA_BYTES_ON_WHITEBOARD)}
    excerpt["required_params"] = required_beside(shape, document.operation(shape.endpoint.key))
    return spec.model_copy(update={role: shape.model_copy(update=excerpt)})


def _wished(state: SharedWhiteboardState, role: Role) -> str | None:
    """The endpoint a person (or the diagnosis) named; while healing, the one that is deployed."""
    named = state.source_endpoint if role == "source" else state.dest_endpoint
    if named or state.healing is None or state.healing.outcome != "open":
        return named
    spec = state.source_api_spec if role == "source" else state.dest_api_spec
    endpoint = spec.chosen(role) if spec is not None else None
    return endpoint.key if endpoint is not None else None


def _read(document: SpecReader, role: Role, intent: str, wished: str | None) -> ApiSpec:
    key, candidates = choose_endpoint(document, role, intent, wished)
    return for_whiteboard(document, role, key, candidates)


async def _ingest_side(
    services: Services, role: Role, location: str, state: SharedWhiteboardState
) -> tuple[ApiSpec, SpecReader]:
    overlay = state.source_overlay if role == "source" else state.dest_overlay
    document = await services.load_document(location, overlay)
    spec = await asyncio.to_thread(_read, document, role, state.user_intent, _wished(state, role))
    return spec.model_copy(update={"overlay": overlay}), document


async def ingest(state: SharedWhiteboardState, runtime: Runtime[VitesseContext]) -> dict[str, Any]:
    """Reads: `discovered_apis` (or the locations a person gave). Writes: both `*_api_spec`."""
    clock = StepClock()
    services = await get_services()
    integration_id = thread_id_of(runtime, state)
    emit(runtime, "ingest", "started")
    found = state.discovered_apis
    if found is None or found.source is None or found.dest is None:
        raise SpecError("no specification to read yet: run discovery first, or give source and dest")
    (source, source_document), (dest, dest_document) = await asyncio.gather(
        _ingest_side(services, "source", found.source.spec_url, state),
        _ingest_side(services, "dest", found.dest.spec_url, state),
    )
    if source.source is None or dest.dest is None:
        raise AssertionError("each side has its shape")
    summary = (
        f"{source.api_name}: {source.operation_count} operations, reading {source.source.endpoint.key}; "
        f"{dest.api_name}: {dest.operation_count} operations, writing {dest.dest.endpoint.key}"
    )
    await remember_specifications(
        services,
        integration_id,
        [(source_document, found.source.spec_url), (dest_document, found.dest.spec_url)],
    )
    await services.registry.save_integration(
        integration_id,
        source_api=source.api_name,
        dest_api=dest.api_name,
        status="mapping",
        next_step="map",
    )
    emit(runtime, "ingest", "finished", summary=summary, seconds=clock.seconds)
    return {
        "source_api_spec": source.dump(),
        "dest_api_spec": dest.dump(),
        "status": "mapping",
        "next_step": "review_ingest",
        **state.record_agent_contribution("ingest", summary),
        **log_entry("ingest", summary, clock.seconds),
    }
