"""One case on one pair: it breaks, is noticed, understood, and healed or handed over.

The loop over strategies is the graph's, without its gates and its deployments: a candidate is proven
on a sandbox of the destination as it is published before it is used. What waits for a person by
policy (`risky`) is let through here and counted.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vitesse_graph.chaos.breaks import Injected, NotHere
from vitesse_graph.chaos.cases import Case
from vitesse_graph.chaos.judge import flat, judge_writes, record_in
from vitesse_graph.chaos.report import Outcome
from vitesse_graph.chaos.world import POLICY, Front, Pair, World, build_world, expected_bodies
from vitesse_graph.healing import (
    Monitor,
    Probe,
    amend_schema,
    choose_strategy,
    compare_mappings,
    diagnose,
    diff_specs,
    drift_from_probes,
    needs_approval,
    plan_probes,
    probe,
    profile_records,
    repair_mapping,
)
from vitesse_graph.healing.impact import Side
from vitesse_graph.healing.repair import changes_anything
from vitesse_graph.http import guarded_httpx
from vitesse_graph.mapping import map_fields
from vitesse_graph.runtime import Store
from vitesse_graph.sandbox import create_sandbox
from vitesse_graph.specs import SpecDocument
from vitesse_graph.state.definition import IntegrationDefinition, RuntimeStatus
from vitesse_graph.state.health import Diagnosis, DriftItem, HealStrategy, HealthReport
from vitesse_graph.state.mapping import MappingLogic

PASSING_SHARE = 0.9
WAITING: frozenset[HealStrategy] = frozenset({"refresh_auth", "throttle", "wait_and_retry"})


@dataclass
class Episode:
    """One run of the loop on a broken world."""

    world: World
    injected: Injected
    definition: IntegrationDefinition
    mapping: MappingLogic
    drift: list[DriftItem] = field(default_factory=list)
    diagnosis: Diagnosis = field(default_factory=Diagnosis)
    observed: list[DriftItem] = field(default_factory=list)


async def examine(episode: Episode, report: HealthReport, status: RuntimeStatus | None) -> Diagnosis:
    """What heal does first: compare the documents, ask both APIs, name the cause."""
    pair = episode.world.pair
    probes = await ask_both(episode, episode.drift)
    episode.observed = [item for one in probes for item in one.drift]
    usual = (
        [status.model_copy(update={"p95_latency_ms": episode.world.usual_p95_ms})] * 3
        if status is not None
        else []
    )
    return diagnose(
        report,
        drift=episode.drift,
        probes=probes,
        history=usual,
        mapping=episode.mapping,
        names={pair.source.spec.api_name: "source", pair.dest.spec.api_name: "dest"},
    )


def documents_drift(world: World) -> list[DriftItem]:
    pair = world.pair
    sides: tuple[Side, Side] = ("source", "dest")
    return [
        item
        for side in sides
        if world.documents[side] is not pair.reader(side)
        for item in diff_specs(
            pair.reader(side), world.documents[side], mapping=pair.mapping, key=pair.key(side), side=side
        )
        # the document names the vendor's host, the sandbox lives on loopback
        if item.kind != "base_url_changed" or world.base_urls
    ]


async def ask_both(episode: Episode, drift: list[DriftItem]) -> list[Probe]:
    world, pair = episode.world, episode.world.pair
    targets = plan_probes(
        episode.definition,
        credentials=world.credentials(episode.definition),
        source_schema=pair.source.source_shape(pair.source_key).record_schema,
        profile=world.profile,
        drift=drift,
    )
    async with guarded_httpx(POLICY) as client:
        return await probe(client, targets, timeout_seconds=4.0)


async def look_ahead(episode: Episode) -> list[DriftItem]:
    """What the monitor sees on its own, without any failure: documents, records, and their values."""
    documents = await asyncio.to_thread(documents_drift, episode.world)
    return [*documents, *drift_from_probes(await ask_both(episode, []), episode.mapping)]


async def notice(episode: Episode, monitor: Monitor) -> tuple[HealthReport | None, RuntimeStatus | None, int]:
    """A sync as it would run, then the look-ahead: who acts first, and after how many records."""
    world = episode.world
    status = await world.sync(episode.definition)
    decision = monitor.observe(status, 10.0)
    handled = status.last_sync.fetched if status.last_sync else 0
    if decision.report is not None:
        decision.report.error_samples += await world.reasons(episode.definition)
        return decision.report, status, handled
    decision = monitor.observe_drift(await look_ahead(episode), 11.0)
    return decision.report, status, handled


async def attempt(episode: Episode, strategy: HealStrategy) -> IntegrationDefinition | None:
    """The candidate that a strategy makes; None when it has none to offer."""
    world, pair = episode.world, episode.world.pair
    detail = episode.diagnosis.detail
    world.version += 1
    keys: dict[Side, str] = {}
    documents: dict[Side, SpecDocument] = {"source": pair.source, "dest": pair.dest}
    if strategy in WAITING:
        if episode.injected.lift is not None:
            episode.injected.lift(world)
        return world.definition(episode.mapping)
    if strategy in ("refresh_schema", "switch_endpoint", "remap_fields"):
        documents = dict(world.documents)
        for item in episode.drift:
            if item.kind == "endpoint_moved" and item.new_path:
                keys[item.side] = item.new_path
    if strategy == "switch_endpoint":
        side: Side = "dest" if episode.diagnosis.side == "dest" else "source"
        if detail.get("endpoint"):
            keys[side] = str(detail["endpoint"])
        if detail.get("base_url"):
            world.base_urls[side] = str(detail["base_url"])
        return world.definition(episode.mapping, documents=documents, keys=keys)
    drift = [*episode.drift, *episode.observed]
    published = documents["source"].source_shape(keys.get("source", pair.source_key)).record_schema
    source_schema = amend_schema(published, episode.observed)
    proposed = map_fields(
        source_schema,
        documents["dest"].dest_shape(keys.get("dest", pair.dest_key)).request_schema,
        intent=pair.name,
        previous=episode.mapping,
        findings=episode.diagnosis.findings,
    )
    repaired = repair_mapping(episode.mapping, proposed, drift)
    fed = {row.dest_field for row in repaired.transformations}
    if any(question.required and question.dest_field not in fed for question in proposed.questions):
        return None
    candidate = world.definition(repaired, documents=documents, keys=keys)
    return candidate if changes_anything(episode.definition, candidate) else None


async def passes(episode: Episode, candidate: IntegrationDefinition) -> bool:
    """The candidate against a fresh sandbox of the destination as published, reading what is read now."""
    world = episode.world
    live = world.fronts["dest"].app
    shadow = create_sandbox(world.documents["dest"], seed=9, records=0)
    # what is broken over there stays broken; the schema's drift is in the document already
    shadow.set_faults(replace(world.sandboxes["dest"].faults, drift=()), from_now=False)
    world.fronts["dest"].app = shadow
    try:
        status = await world.sync(
            candidate.evolve(integration_id=f"{candidate.integration_id}-shadow-{world.version}")
        )
    finally:
        world.fronts["dest"].app = live
    return is_well(status)


def is_well(status: RuntimeStatus) -> bool:
    report = status.last_sync
    return report is not None and report.status == "completed" and status.success_rate >= PASSING_SHARE


async def heal(episode: Episode, outcome: Outcome, rounds: int = 2) -> str:
    """Strategies in turn until one passes and is deployed; returns how it ended."""
    tried: list[HealStrategy] = []
    for _ in range(8):
        strategy = choose_strategy(episode.diagnosis, tried)
        if strategy is None or strategy == "ask_a_person":
            return "person"
        tried.append(strategy)
        candidate = await attempt(episode, strategy)
        outcome.notes.append(f"{strategy}{'' if candidate else ' (no candidate)'}")
        if candidate is None:
            continue
        if strategy in WAITING:
            # nothing was changed, so there is nothing to prove: the next run tells
            status = await episode.world.sync(candidate, replay=True)
            if is_well(status) and not Monitor().observe_drift(await look_ahead(episode), 0.0).report:
                return "heal"
            return await next_episode(episode, outcome, status, rounds)
        if not await passes(episode, candidate):
            continue
        change = compare_mappings(episode.mapping, candidate.mapping, [*episode.drift, *episode.observed])
        outcome.was_remapped = not change.is_empty
        outcome.asks = needs_approval(change, "risky") or strategy == "switch_endpoint"
        episode.definition = candidate
        status = await episode.world.sync(candidate, replay=True)
        if is_well(status):
            return "heal"
        said = [status.last_sync.error if status.last_sync else None, *await episode.world.reasons(candidate)]
        outcome.notes.append(f"after repair: {'; '.join(filter(None, said[:3]))}")
    return "person"


async def next_episode(episode: Episode, outcome: Outcome, status: RuntimeStatus, rounds: int) -> str:
    """It was waited, and it is still not well: what else broke is an episode of its own."""
    if rounds <= 1:
        return "person"
    report = HealthReport(
        reason="still not well",
        success_rate=status.success_rate,
        error_distribution=status.error_distribution,
    )
    episode.diagnosis = await examine(episode, report, status)
    return await heal(episode, outcome, rounds - 1)


async def prepare(
    pair: Pair, fronts: dict[Side, Front], urls: dict[Side, str], store: Store, folder: Path, name: str
) -> tuple[World, list[dict[str, Any]]]:
    """The pair, well, with records of which every one can be written; and what they should become."""
    world = await build_world(pair, fronts, urls, store, folder, name)
    envelope = pair.dest.dest_shape(pair.dest_key).envelope
    written = {str(sorted(flat(record_in(body, envelope)).items())) for body in world.written()}
    good = []
    for record in world.good_records():
        bodies = expected_bodies(pair.mapping, [record])
        if bodies and str(sorted(flat(record_in(bodies[0], envelope)).items())) in written:
            good.append(record)
    world.publish("source", pair.source, seed=1, seed_records={pair.source_key: good})
    world.publish("dest", pair.dest, seed=2)
    world.profile = profile_records(good)
    await world.warm()
    return world, expected_bodies(pair.mapping, good)


async def run_case(case: Case, world: World, truth: list[dict[str, Any]]) -> Outcome | None:
    """One case on one prepared world; None when it cannot happen there."""
    outcome = Outcome(case.name, world.pair.name, expected=case.answer, has_cause=bool(case.causes))
    monitor = Monitor()
    calm = RuntimeStatus(
        integration_id="i", definition_version=1, definition_digest="", read_back=world.read_back
    )
    monitor.observe(calm, 0.0)
    try:
        injected = case.inject(world)
    except NotHere:
        return None
    episode = Episode(world, injected, world.definition(world.pair.mapping), world.pair.mapping)
    started = time.monotonic()
    report, status, handled = await notice(episode, monitor)
    if report is None:
        outcome.end = "nothing"
        outcome.is_cause_right = "nothing" in case.answer
    else:
        outcome.noticed_after = handled
        judge_writes(world, injected, outcome, truth)
        outcome.meanwhile, outcome.incomplete = outcome.incomplete, 0
        episode.drift = await asyncio.to_thread(documents_drift, world)
        episode.diagnosis = await examine(episode, report, status)
        named = {(episode.diagnosis.cause, episode.diagnosis.side)}
        named |= {(also["cause"], also["side"]) for also in episode.diagnosis.detail.get("also", [])}
        outcome.cause = f"{episode.diagnosis.cause} ({episode.diagnosis.side})"
        first = (episode.diagnosis.cause, episode.diagnosis.side)
        outcome.is_cause_right = first in case.causes and set(case.causes) <= named if case.causes else False
        outcome.notes += episode.diagnosis.evidence[:3]
        outcome.end = await heal(episode, outcome)
    outcome.seconds = time.monotonic() - started
    judge_writes(world, injected, outcome, truth)
    # a repair after which records still lack values that they could have is none
    outcome.is_end_right = outcome.end in case.answer and not (outcome.end == "heal" and outcome.incomplete)
    if outcome.end == "person":
        outcome.lost = 0  # waits in the ledger for that person
    return outcome
