"""The two documents of a thread with their chosen endpoints, opened from the cache.

Where records showed a change that their document does not tell, the source's schema is brought up to
what was seen: healing, and every step after it, works with records as they are.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from vitesse_graph.errors import SpecError
from vitesse_graph.services import Services
from vitesse_graph.state.api_spec import DestShape, OperationDetail, SourceShape
from vitesse_graph.state.ports import SpecReader
from vitesse_graph.state.whiteboard import SharedWhiteboardState


@dataclass(frozen=True, kw_only=True)
class OpenedPair:
    """Both APIs as the thread knows them: whole schemas, not the whiteboard's excerpts."""

    source: SpecReader
    dest: SpecReader
    source_shape: SourceShape
    dest_shape: DestShape

    async def operations(self) -> tuple[OperationDetail, OperationDetail]:
        """The source's list and the destination's create, in detail."""
        source, dest = await asyncio.gather(
            asyncio.to_thread(self.source.operation, self.source_shape.endpoint.key),
            asyncio.to_thread(self.dest.operation, self.dest_shape.endpoint.key),
        )
        return source, dest


async def open_pair(services: Services, state: SharedWhiteboardState) -> OpenedPair:
    """Opens both documents by digest. Raises SpecError when ingest has not run or they are gone."""
    source_spec, dest_spec = state.source_api_spec, state.dest_api_spec
    if source_spec is None or dest_spec is None or source_spec.source is None or dest_spec.dest is None:
        raise SpecError("the specifications were not read yet: run the ingest step first")
    source, dest = await asyncio.gather(
        services.open_document(source_spec),
        services.open_document(dest_spec),
    )
    source_shape, dest_shape = await asyncio.gather(
        asyncio.to_thread(source.source_shape, source_spec.source.endpoint.key),
        asyncio.to_thread(dest.dest_shape, dest_spec.dest.endpoint.key),
    )
    return OpenedPair(
        source=source, dest=dest, source_shape=_as_observed(source_shape, state), dest_shape=dest_shape
    )


def _as_observed(shape: SourceShape, state: SharedWhiteboardState) -> SourceShape:
    episode = state.healing
    if episode is None or not episode.observed or episode.outcome not in ("open", "healed"):
        return shape
    from vitesse_graph.healing import amend_schema

    return shape.model_copy(update={"record_schema": amend_schema(shape.record_schema, episode.observed)})
