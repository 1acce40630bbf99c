"""Where shadow calls go: sandboxes made from the specifications, or real APIs for reading.

A side with a credential is read for real (`live-read`); whatever is written goes to a sandbox, so
that testing changes nobody's data. Real writes (`live`) need `skip_destructive=False` besides. Who
wants neither says `shadow_mode: sandbox`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vitesse_graph.errors import InputError
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
    dest_others: dict[str, OperationDetail]
    dest_list: OperationDetail | None
    """Where the real destination is read once, to see that it can be."""
    synthetic: Sequence[SyntheticRecord]
    mode: ShadowMode
    seed: int
    definition: IntegrationDefinition


def choose_mode(asked: ShadowMode | None, source: Side, dest: Side, *, skip_destructive: bool) -> ShadowMode:
    """The mode that was asked for, or the one that the credentials allow without changing anything.

    Raises InputError for one that cannot be had, and says what it lacks.
    """
    is_dest_live = dest.environment == "live"
    has_live_side = is_dest_live or source.environment == "live"
    may_write = is_dest_live and not skip_destructive
    if asked == "live" and not may_write:
        missing = "skip_destructive=false" if is_dest_live else "a credential of the destination (dest_auth)"
        raise InputError(f"shadow_mode live writes to the real destination: it needs {missing}")
    if asked == "live-read" and not has_live_side:
        raise InputError("shadow_mode live-read needs a credential for a side: source_auth or dest_auth")
    if asked is not None:
        return asked
    return "live" if may_write else "live-read" if has_live_side else "sandbox"


def _others(pair: OpenedPair) -> dict[str, OperationDetail]:
    """The update and the look-up of the destination, by key."""
    found = (pair.dest_shape.update, pair.dest_shape.lookup)
    return {endpoint.key: pair.dest.operation(endpoint.key) for endpoint in found if endpoint is not None}


def _dest_list(pair: OpenedPair, given: Mapping[str, str]) -> OperationDetail | None:
    """The list beside the create (or the look-up), where it can be asked for without inventing anything."""
    shape = pair.dest_shape
    beside = [e for e in pair.dest.spec.endpoints if e.method == "GET" and e.path == shape.endpoint.path]
    if shape.lookup is not None and shape.lookup.method == "GET":
        beside.append(shape.lookup)
    for endpoint in beside:
        operation = pair.dest.operation(endpoint.key)
        known = {*given, *endpoint.required_headers}
        if all(p.name in known for p in operation.parameters if p.required):
            return operation
    return None


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

    source_operation, dest_operation = await pair.operations()
    definition = build_definition(
        state,
        pair.source_shape,
        pair.dest_shape,
        version=1,
        source_operation=source_operation,
        dest_operation=dest_operation,
    )
    source_side, dest_side = definition.source, definition.dest
    source_key = pair.source_shape.endpoint.key
    mode = choose_mode(
        state.shadow_mode, source_side, dest_side, skip_destructive=state.skip_destructive is not False
    )
    reads_source, reads_dest = (
        mode != "sandbox" and side.environment == "live" for side in (source_side, dest_side)
    )
    synthetic: Sequence[SyntheticRecord] = ()
    async with AsyncExitStack() as stack:
        if reads_source:
            source = await _live(services, source_side, stack)
        else:
            synthetic = await asyncio.to_thread(
                shadow_records, pair.source_shape, sample_size=sample_size, seed=SEED
            )
            seeded = {source_key: [record.value for record in synthetic]}
            source = AppTarget(
                create_sandbox(pair.source, seed=SEED, seed_records=seeded), pair.source.spec.auth
            )
        dest_live = await _live(services, dest_side, stack) if reads_dest else None
        sandboxed: Target = AppTarget(create_sandbox(pair.dest, seed=SEED, records=10), pair.dest.spec.auth)
        yield ShadowTargets(
            source=source,
            dest=dest_live if mode == "live" and dest_live is not None else sandboxed,
            dest_read=dest_live,
            dest_others=await asyncio.to_thread(_others, pair),
            dest_list=_dest_list(pair, dest_side.create.path_params) if dest_live is not None else None,
            source_operation=source_operation,
            dest_operation=dest_operation,
            synthetic=synthetic,
            mode=mode,
            seed=SEED,
            definition=definition,
        )
