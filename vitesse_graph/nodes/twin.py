"""The twin: before anything is deployed, the very runtime that will be, run against two sandboxes of its own.

It is started as it will be: as the image in a container where the target is a Docker Engine on this
machine, else as a process of its own. It has the definition that would be deployed; only its addresses,
its credentials (dummies of the declared kind) and its id are others. Whatever it leaves behind is
taken away again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

from vitesse_graph.errors import InputError, VitesseError
from vitesse_graph.nodes.definition import build_definition
from vitesse_graph.nodes.documents import OpenedPair
from vitesse_graph.services import Services
from vitesse_graph.state.api_spec import DestShape
from vitesse_graph.state.definition import IntegrationDefinition, SyncReport
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.state.testing import TwinOutcome, TwinStepOutcome
from vitesse_graph.state.whiteboard import SharedWhiteboardState

if TYPE_CHECKING:
    from vitesse_graph.deployers import Deployer
    from vitesse_graph.sandbox import Sandbox

Runtime = Literal["process", "image"]

RECORDS = 60
SYNC_TIMEOUT_SECONDS = 120.0
_IMAGE_TARGETS = frozenset(("local", "docker"))
"""Targets whose image can be run here. That of the cloud targets is the same but for its base."""


async def run_twin_for(
    services: Services,
    state: SharedWhiteboardState,
    pair: OpenedPair,
    *,
    seed: int,
    on_step: Callable[[], None] = lambda: None,
) -> TwinOutcome:
    """Runs the twin and says what differs. A runtime that does not start is a difference, too."""
    from vitesse_graph.guardian import run_twin, shadow_records
    from vitesse_graph.sandbox import create_sandbox
    from vitesse_graph.synthetic import TYPICAL

    assert state.mapping_logic is not None
    began = time.perf_counter()
    drawn = await asyncio.to_thread(
        shadow_records, pair.source_shape, sample_size=2 * RECORDS, seed=seed, mix=TYPICAL
    )
    records = _distinct([record.value for record in drawn], state.mapping_logic, pair.dest_shape)[:RECORDS]
    seeded = {pair.source_shape.endpoint.key: records}
    source = create_sandbox(pair.source, seed=seed, seed_records=seeded)
    dest = create_sandbox(pair.dest, seed=seed, records=0)
    kind, deployer, host, notes = await _runtime(services, state)
    try:
        async with _served(source, host) as source_url, _served(dest, host) as dest_url:
            definition = await _definition(state, pair, {"source": source_url, "dest": dest_url})
            async with _running(services, deployer, definition) as url:

                async def sync() -> SyncReport:
                    on_step()
                    return await _sync(url)

                report = await run_twin(
                    source=source, dest=dest, source_shape=pair.source_shape, dest_shape=pair.dest_shape,
                    mapping=state.mapping_logic, sync=sync,
                )  # fmt: skip
    except VitesseError as error:
        step = TwinStepOutcome(name="start", differences=[str(error)[:500]])
        return TwinOutcome(runtime=kind, steps=[step], duration_seconds=_since(began))
    steps = [
        TwinStepOutcome(
            name=step.name,
            expected=step.expected,
            found=step.found,
            differences=[line[:500] for line in step.differences],
        )
        for step in report.steps
    ]
    return TwinOutcome(
        passed=report.passed,
        runtime=kind,
        steps=steps,
        skipped=[*report.skipped, *notes],
        duration_seconds=_since(began),
    )


async def _runtime(
    services: Services, state: SharedWhiteboardState
) -> tuple[Runtime, Deployer, str, list[str]]:
    """(what the runtime is run as, who starts it, where the sandboxes listen so that it reaches them, remarks).

    An engine on another machine cannot reach a sandbox of ours: the process is tried, and that is said.
    Raises DeployError where no engine answers: there is nothing to deploy to.
    """
    # The sandboxes are ours and beside us, whatever may be called otherwise.
    settings = services.settings.model_copy(update={"allow_loopback": True, "allow_private_addresses": True})
    notes: list[str] = []
    if state.deployment_target in _IMAGE_TARGETS:
        deployer = services.deployer("local", settings=settings)
        try:
            return "image", deployer, await deployer.sandbox_host(), notes
        except InputError:
            notes.append(
                "image: the engine's containers cannot reach this machine; the runtime was run as a process"
            )
    return "process", services.deployer("process", settings=settings), "127.0.0.1", notes


def _distinct(records: list[Any], mapping: MappingLogic, shape: DestShape) -> list[Any]:
    """The records that the destination will tell apart: two of one natural key would rightly become one."""
    from vitesse_graph.guardian.paths import read
    from vitesse_graph.transforms import compile_mapping

    compiled, seen, kept = compile_mapping(mapping), set[tuple[str, str]](), []
    for record in records:
        body = compiled.apply(record).body
        found = ((path, read(body, path)) for path in shape.natural_keys)
        keys = {(path, str(value).casefold()) for path, value in found if value not in (None, "")}
        if seen.isdisjoint(keys):
            seen |= keys
            kept.append(record)
    return kept


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 3)


async def _definition(
    state: SharedWhiteboardState, pair: OpenedPair, urls: dict[str, str]
) -> IntegrationDefinition:
    """What would be deployed, pointed at the sandboxes: no real credential, no schedule, no rate limit."""
    changes: dict[str, Any] = {
        "workflow_id": f"{state.workflow_id}-twin",
        "source_auth": None,
        "dest_auth": None,
        "schedule": None,
        "deployment_config": None,
    }
    source_operation, dest_operation = await pair.operations()
    definition = build_definition(
        state.model_copy(update=changes),
        pair.source_shape,
        pair.dest_shape,
        version=1,
        base_urls=urls,
        source_operation=source_operation,
        dest_operation=dest_operation,
    )
    return definition.model_copy(
        update={
            "source": definition.source.model_copy(update={"rate_limit": None}),
            "dest": definition.dest.model_copy(update={"rate_limit": None}),
        }
    )


@asynccontextmanager
async def _served(app: Sandbox, host: str) -> AsyncIterator[str]:
    """The sandbox on a free port, for the length of the block; its URL."""
    from vitesse_graph.sandbox import serve

    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(app, host, on_ready=ready.set_result))
    try:
        await asyncio.wait((ready, task), return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            await task  # raises why it could not listen
        yield ready.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _running(
    services: Services, deployer: Deployer, definition: IntegrationDefinition
) -> AsyncIterator[str]:
    """The runtime, started; afterwards it and all that it stored are gone."""
    from vitesse_graph.runtime import forget, open_store

    try:
        yield (await deployer.deploy(definition)).service_url
    finally:
        await deployer.destroy(definition.integration_id)
        store = open_store(services.settings)
        await store.open()
        try:
            await forget(store, definition.integration_id)
        finally:
            await store.close()


async def _sync(url: str) -> SyncReport:
    """One whole sync through the runtime's own HTTP surface."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=SYNC_TIMEOUT_SECONDS, connect=5)
    async with (
        aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
        session.post(f"{url.rstrip('/')}/sync", json={"full": True}) as response,
    ):
        return SyncReport.model_validate(await response.json(content_type=None))
