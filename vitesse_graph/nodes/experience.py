"""What runs take from the knowledge store and give back to it. A store that is away stops nothing.

Only names go there: specifications that were read, and which field fed which. An embedded store
serves one process at a time, so each use opens it for a moment, and waits a little for its turn.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import tenacity

from vitesse_graph.errors import NotFoundError, UpstreamError, VitesseError
from vitesse_graph.knowledge import (
    KnowledgeDBManager,
    LearnedPattern,
    PatternMemory,
    get_knowledge_db,
    harvested_apis,
    remember_specification,
)
from vitesse_graph.nodes.documents import OpenedPair
from vitesse_graph.services import Services
from vitesse_graph.state.discovery import DiscoveryResult
from vitesse_graph.state.mapping import MappingLogic, Transformation
from vitesse_graph.state.ports import SpecReader

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
TURN_SECONDS = 2.0
"""How long a run waits for the store while another process has it open."""


async def _with_store(services: Services, use: Callable[[KnowledgeDBManager], Awaitable[_T]], away: _T) -> _T:
    knowledge = get_knowledge_db(services.settings, allow_download=False)
    turns = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(UpstreamError),
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
    """Rows that worked before and whose fields exist on both of these sides."""
    from vitesse_graph.mapping import field_paths

    source, dest = await asyncio.gather(
        asyncio.to_thread(field_paths, pair.source_shape.record_schema),
        asyncio.to_thread(field_paths, pair.dest_shape.request_schema),
    )

    async def use(knowledge: KnowledgeDBManager) -> list[LearnedPattern]:
        return await PatternMemory(knowledge).find_relevant_patterns(
            source, dest, source_api=pair.source.spec.api_name, dest_api=pair.dest.spec.api_name
        )

    return await _with_store(services, use, [])


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
