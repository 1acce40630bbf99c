"""Where shadow calls go: sandboxes made from the specifications, or real APIs for reading.

A side with a credential is read for real (`live-read`); whatever is written goes to a sandbox, so
that testing changes nobody's data. Real writes need `skip_destructive=False` besides.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vitesse_graph.nodes.definition import build_definition
from vitesse_graph.nodes.documents import OpenedPair
from vitesse_graph.services import Services
from vitesse_graph.state.api_spec import OperationDetail
from vitesse_graph.state.definition import IntegrationDefinition, Side
from vitesse_graph.state.testing import ShadowMode
from vitesse_graph.state.whiteboard import SharedWhiteboardState

if TYPE_CHECKING:
    from vitesse_graph.guardian import Target
    from vitesse_graph.synthetic import SyntheticRecord

SEED = 20_261
"""One seed for all runs: a test that failed can be repeated; it is recorded with the results."""


@dataclass(frozen=True, kw_only=True)
class ShadowTargets:
    """The targets of one guardian run."""

    source: Target
    dest: Target
    dest_read: Target | None
    source_operation: OperationDetail
    dest_operation: OperationDetail
    synthetic: Sequence[SyntheticRecord]
    mode: ShadowMode
    seed: int
    definition: IntegrationDefinition


async def _live(services: Services, side: Side, stack: AsyncExitStack) -> Target:
    """A real API behind a guarded session, with its credential."""
    from vitesse_graph.guardian import HttpTarget
    from vitesse_graph.http import AddressPolicy
    from vitesse_graph.runtime.auth import build_credentials, read_credential
    from vitesse_graph.runtime.connect import open_session
    from vitesse_graph.runtime.secrets import Redactor

    secret = read_credential(side, redactor=Redactor(), resolver=services.read_secret)
    credentials = build_credentials(side.auth, secret)
    policy = AddressPolicy.from_settings(services.settings)
    session = await stack.enter_async_context(open_session(policy, connections=16))
    return HttpTarget(
        side.base_url,
        headers=credentials.headers,
        query=credentials.query,
        rate_limit=side.rate_limit,
        session=session,
    )


@asynccontextmanager
async def shadow_targets(
    services: Services, state: SharedWhiteboardState, pair: OpenedPair, *, sample_size: int
) -> AsyncIterator[ShadowTargets]:
    """The targets for this thread's mode, open for the length of the block.

    Raises MappingError for a live side that lacks a path parameter, InputError for a credential
    that cannot be read.
    """
    from vitesse_graph.guardian import AppTarget, shadow_records
    from vitesse_graph.sandbox import create_sandbox

    definition = build_definition(state, pair.source_shape, pair.dest_shape, version=1)
    source_side, dest_side = definition.source, definition.dest
    source_key, dest_key = pair.source_shape.endpoint.key, pair.dest_shape.endpoint.key
    source_operation, dest_operation = await asyncio.gather(
        asyncio.to_thread(pair.source.operation, source_key), asyncio.to_thread(pair.dest.operation, dest_key)
    )
    writes_for_real = dest_side.environment == "live" and state.skip_destructive is False
    synthetic: Sequence[SyntheticRecord] = ()
    async with AsyncExitStack() as stack:
        if source_side.environment == "live":
            source = await _live(services, source_side, stack)
        else:
            synthetic = await asyncio.to_thread(
                shadow_records, pair.source_shape, sample_size=sample_size, seed=SEED
            )
            seeded = {source_key: [record.value for record in synthetic]}
            source = AppTarget(create_sandbox(pair.source, seed=SEED, seed_records=seeded), source_side.auth)
        dest_live = await _live(services, dest_side, stack) if dest_side.environment == "live" else None
        sandboxed: Target = AppTarget(create_sandbox(pair.dest, seed=SEED, records=10), dest_side.auth)
        mode: ShadowMode = "live-read" if source_side.environment == "live" else "sandbox"
        yield ShadowTargets(
            source=source,
            dest=dest_live if writes_for_real and dest_live is not None else sandboxed,
            dest_read=None,
            source_operation=source_operation,
            dest_operation=dest_operation,
            synthetic=synthetic,
            mode="live" if writes_for_real else mode,
            seed=SEED,
            definition=definition,
        )
