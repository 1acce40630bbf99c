"""What runs take from the knowledge store and give back to it. A store that is away stops nothing.

Only names go there: specifications that were read, and which field fed which. An embedded store
serves one process at a time, so each use opens it for a moment, and waits a little for its turn.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import tenacity

from vitesse_graph.errors import NotFoundError, VitesseError
from vitesse_graph.knowledge import (
    KnowledgeDBManager,
    LearnedPattern,
    PatternMemory,
    as_transformation,
    get_knowledge_db,
    harvested_apis,
    remember_specification,
    rename_document,
)
from vitesse_graph.knowledge.engine import StoreBusyError
from vitesse_graph.nodes.documents import OpenedPair
from vitesse_graph.services import Services
from vitesse_graph.state.discovery import DiscoveryResult
from vitesse_graph.state.mapping import MappingLogic, Transformation
from vitesse_graph.state.ports import SpecReader
from vitesse_graph.state.whiteboard import SharedWhiteboardState

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
TURN_SECONDS = 2.0
"""How long a run waits for the store while another process has it open."""


async def _with_store(services: Services, use: Callable[[KnowledgeDBManager], Awaitable[_T]], away: _T) -> _T:
    knowledge = get_knowledge_db(services.settings, allow_download=False)
    turns = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(StoreBusyError),
        stop=tenacity.stop_after_delay(TURN_SECONDS),
        wait=tenacity.wait_random(0.02, 0.2),
        reraise=True,
    )
    try:
        async for turn in turns:
            with turn:
                async with knowledge.session():
                    return await use(knowledge)
    except (VitesseError, OSError) as error:
        _log.warning("the knowledge store is away, the run goes on without it: %s", error)
    return away


async def _is_shared(services: Services, integration_id: str) -> bool:
    """Addresses of one tenant's specifications are not offered to another."""
    try:
        return not (await services.registry.integration(integration_id)).tenant
    except NotFoundError:
        return True


async def known_specifications(services: Services, integration_id: str) -> list[DiscoveryResult]:
    """APIs whose specification was read before; [] for a tenant's own runs."""
    if not await _is_shared(services, integration_id):
        return []
    return await _with_store(services, harvested_apis, [])


async def remember_specifications(
    services: Services, integration_id: str, readers: Sequence[tuple[SpecReader, str]]
) -> None:
    """Each document with where it was read: found by its name from now on."""
    if not await _is_shared(services, integration_id):
        return

    async def use(knowledge: KnowledgeDBManager) -> None:
        for reader, location in readers:
            await remember_specification(knowledge, reader, location)

    await _with_store(services, use, None)


async def proven_patterns(services: Services, pair: OpenedPair) -> list[LearnedPattern]:
    """Rows that worked before between these very resources, and whose fields still exist on both sides.

    What worked between other records is not taken: a `name` that fed a `name` there says nothing of
    which of many names is meant here, and would outweigh what was found for these two.
    """
    from vitesse_graph.mapping import flatten

    source, dest = await asyncio.gather(
        *(
            asyncio.to_thread(lambda schema: [field.path for field in flatten(schema)], schema)
            for schema in (pair.source_shape.record_schema, pair.dest_shape.request_schema)
        )
    )

    here = _place_of(
        LearnedPattern(
            source_api=pair.source.spec.api_name,
            dest_api=pair.dest.spec.api_name,
            source_resource=pair.source_shape.endpoint.resource,
            dest_resource=pair.dest_shape.endpoint.resource,
        )
    )

    async def use(knowledge: KnowledgeDBManager) -> list[LearnedPattern]:
        offered = await PatternMemory(knowledge).find_relevant_patterns(
            source, dest, source_api=pair.source.spec.api_name, dest_api=pair.dest.spec.api_name, limit=200
        )
        return [pattern for pattern in offered if _place_of(pattern) == here]

    return await _with_store(services, use, [])


def _place_of(pattern: LearnedPattern) -> tuple[str, ...]:
    sides = (pattern.source_api, pattern.source_resource, pattern.dest_api, pattern.dest_resource)
    return tuple(name.casefold() for name in sides)


async def learn(services: Services, pair: OpenedPair, rows: Sequence[Transformation], *, worked: bool) -> int:
    """Counts for every row that it worked, or did not; returns how many patterns are held of them."""
    if not rows:
        return 0

    async def use(knowledge: KnowledgeDBManager) -> int:
        return await PatternMemory(knowledge).learn(
            MappingLogic(transformations=list(rows)),
            "success" if worked else "failure",
            source_api=pair.source.spec.api_name,
            dest_api=pair.dest.spec.api_name,
            source_resource=pair.source_shape.endpoint.resource,
            dest_resource=pair.dest_shape.endpoint.resource,
        )

    return await _with_store(services, use, 0)


async def learn_from(services: Services, pair: OpenedPair, state: SharedWhiteboardState) -> None:
    """A mapping that passed and went live teaches its rows; what a person put right is held against
    the experience that had proposed it."""
    mapping = state.mapping_logic
    if mapping is None:
        return
    rows = {row.dest_field: row for row in mapping.transformations}
    wrong = []
    for pattern in await proven_patterns(services, pair):
        row = rows.get(pattern.dest_field)
        corrected = (
            row is not None and row.origin in {"person", "hint"} and _sources(row) != pattern.source_fields
        )
        proposed = as_transformation(pattern)
        if proposed is not None and (corrected or pattern.dest_field in mapping.left_empty):
            wrong.append(proposed)
    await learn(services, pair, wrong, worked=False)
    await learn(services, pair, mapping.transformations, worked=True)


def _sources(row: Transformation) -> list[str]:
    return [row.source_field] if isinstance(row.source_field, str) else list(row.source_field)


async def remember_renames(services: Services, renames: Sequence[dict[str, Any]]) -> None:
    """What a repair followed and the guardian proved: this API calls a field by another name now."""

    async def use(knowledge: KnowledgeDBManager) -> None:
        await knowledge.add_documents("mapping_patterns", [rename_document(one) for one in renames])

    if renames:
        await _with_store(services, use, None)
