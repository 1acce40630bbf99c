"""Breaks integrations in some thirty ways and looks whether they are noticed, understood and healed.

    python -m bench.healing [--pairs N] [--case TEXT] [--verbose]

For every pair of APIs a mapping is found and synced; then one thing (or two) breaks, the runtime syncs
on, the monitor decides, the cause is named from drift and live probes, and strategies are tried until
one repair passes or a person is asked. A repair is proven on a sandbox of the destination as it is
published before it is used. Prints Markdown. What waits for a person by policy (`risky`) is let
through here and counted.

Noticed after: records that the runtime handled before the monitor acted; 0 is before any traffic.
Wrong writes: records at the destination with a value that the first mapping, on the records as they
were, would not have given. Lost: records that should be there in the end and are not.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench._healing_cases import CASES, Case, Injected, NotHere
from bench._healing_world import (
    POLICY,
    RECORDS,
    Front,
    Pair,
    World,
    build_world,
    expected_bodies,
    make_pair,
    open_servers,
)
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
from vitesse_graph.http import guarded_httpx
from vitesse_graph.mapping import map_fields
from vitesse_graph.runtime import Store
from vitesse_graph.sandbox import create_sandbox
from vitesse_graph.settings import Settings
from vitesse_graph.specs import SpecDocument, load_document
from vitesse_graph.state.definition import IntegrationDefinition, RuntimeStatus
from vitesse_graph.state.health import Diagnosis, DriftItem, HealStrategy, HealthReport
from vitesse_graph.state.mapping import MappingLogic

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "specs"
DEMO = ROOT / "vitesse_graph" / "demo"
SHOP, CRM = DEMO / "shopify_like.json", DEMO / "credo_like.json"
STRIPE, XERO = SHARED / "stripe" / "stripe-spec3-json.json.gz", SHARED / "xero" / "xero-accounting.yaml"
SQUARE, KLAVIYO = SHARED / "square" / "square.json.gz", SHARED / "klaviyo" / "klaviyo.json.gz"
INTERCOM = SHARED / "intercom" / "intercom-2.16.yaml.gz"
PAIRS = (
    ("shop → CRM", SHOP, "GET /customers.json", CRM, "POST /contacts"),
    ("Stripe → Xero", STRIPE, "GET /v1/customers", XERO, "PUT /Contacts"),
    ("Square → CRM", SQUARE, "GET /v2/customers", CRM, "POST /contacts"),
    ("shop → Intercom", SHOP, "GET /customers.json", INTERCOM, "POST /contacts"),
    ("Klaviyo → CRM", KLAVIYO, "GET /api/profiles", CRM, "POST /contacts"),
    ("Stripe → Klaviyo", STRIPE, "GET /v1/customers", KLAVIYO, "POST /api/profiles"),
    ("Intercom → Square", INTERCOM, "GET /contacts", SQUARE, "POST /v2/customers"),
    ("shop → Square", SHOP, "GET /customers.json", SQUARE, "POST /v2/customers"),
)
PASSING_SHARE = 0.9
WAITING: frozenset[HealStrategy] = frozenset({"refresh_auth", "throttle", "wait_and_retry"})


@dataclass
class Outcome:
    """How one case went on one pair."""

    case: str
    pair: str
    noticed_after: int | None = None
    cause: str = ""
    is_cause_right: bool = False
    end: str = ""
    is_end_right: bool = False
    was_remapped: bool = False
    asks: bool = False
    wrong: int = 0
    incomplete: int = 0
    meanwhile: int = 0
    """Written without a value that they should have, before it was noticed."""
    lost: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


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
    drift = [*episode.drift, *(episode.observed if strategy == "remap_fields" else [])]
    source_schema = documents["source"].source_shape(keys.get("source", pair.source_key)).record_schema
    if strategy == "remap_fields":
        source_schema = amend_schema(source_schema, episode.observed)
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
    return world.definition(repaired, documents=documents, keys=keys)


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
            if is_well(status):
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
        outcome.notes.append(f"after repair: {status.last_sync.error if status.last_sync else ''}")
    return "person"


def judge_writes(world: World, injected: Injected, outcome: Outcome, truth: list[dict[str, Any]]) -> None:
    """Every record at the destination against what it should be."""
    envelope = world.pair.dest.dest_shape(world.pair.dest_key).envelope
    renamed = {_inside(old, envelope): _inside(new, envelope) for old, new in injected.renamed.items()}
    excused = {_inside(path, envelope) for path in injected.excused}
    wanted = [_flat(_record(body, envelope)) for body in truth]
    wanted = [{renamed.get(path, path): value for path, value in record.items()} for record in wanted]
    actual = [_flat(_record(body, envelope)) for body in world.written()]
    identity = _identity([{p: v for p, v in record.items() if p not in excused} for record in wanted])
    if identity is None:
        outcome.notes.append("no field tells the records apart")
        return
    by_id = {str(record[identity]): record for record in wanted if record.get(identity) is not None}
    found = set()
    wrong = 0
    for record in actual:
        key = str(record.get(identity))
        should = by_id.get(key)
        if should is None:
            wrong += record.get(identity) is not None
            continue
        found.add(key)
        mine = {path: value for path, value in should.items() if path not in excused}
        wrong += any(path in record and record[path] != value for path, value in mine.items())
        outcome.incomplete += any(path not in record for path in mine)
    # what was wrong before the repair counts, also where the repair has put it right since
    outcome.wrong = max(outcome.wrong, wrong)
    outcome.lost = len(set(by_id) - found)


def _inside(path: str, envelope: str) -> str:
    return path.removeprefix(f"{envelope}.") if envelope else path


def _record(body: Any, envelope: str) -> Any:
    for step in filter(None, envelope.replace("[]", "").split(".")):
        if isinstance(body, dict) and step in body:
            body = body[step]
    return body[0] if isinstance(body, list) and body else body


def _flat(node: Any, path: str = "") -> dict[str, Any]:
    if isinstance(node, dict):
        return {
            k: v
            for name, value in node.items()
            for k, v in _flat(value, f"{path}.{name}" if path else name).items()
        }
    if isinstance(node, list) and node and isinstance(node[0], dict):
        return _flat(node[0], f"{path}[]")
    return {} if node is None or node == [] else {path: node}


def _identity(records: list[dict[str, Any]]) -> str | None:
    """A field whose values tell the records apart."""
    paths = Counter(path for record in records for path in record)
    for path, count in paths.most_common():
        if count == len(records) and len({str(record[path]) for record in records}) == count:
            return path
    return None


async def prepare(
    pair: Pair, fronts: dict[Side, Front], urls: dict[Side, str], store: Store, folder: Path, name: str
) -> tuple[World, list[dict[str, Any]]]:
    """The pair, well, with records of which every one can be written; and what they should become."""
    world = await build_world(pair, fronts, urls, store, folder, name)
    envelope = pair.dest.dest_shape(pair.dest_key).envelope
    written = {str(sorted(_flat(_record(body, envelope)).items())) for body in world.written()}
    good = []
    for record in world.good_records():
        bodies = expected_bodies(pair.mapping, [record])
        if bodies and str(sorted(_flat(_record(bodies[0], envelope)).items())) in written:
            good.append(record)
    world.publish("source", pair.source, seed=1, seed_records={pair.source_key: good})
    world.publish("dest", pair.dest, seed=2)
    world.profile = profile_records(good)
    await world.warm()
    return world, expected_bodies(pair.mapping, good)


async def run_case(case: Case, world: World, truth: list[dict[str, Any]]) -> Outcome | None:
    """One case on one prepared world; None when it cannot happen there."""
    outcome = Outcome(case.name, world.pair.name)
    monitor = Monitor()
    calm = RuntimeStatus(integration_id="i", definition_version=1, definition_digest="")
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
        outcome.is_cause_right = set(case.causes) <= named if case.causes else False
        outcome.notes += episode.diagnosis.evidence[:3]
        outcome.end = await heal(episode, outcome)
    outcome.seconds = time.monotonic() - started
    outcome.is_end_right = outcome.end in case.answer
    judge_writes(world, injected, outcome, truth)
    if outcome.end != "heal":
        outcome.lost = 0  # waits in the ledger for a person
    return outcome


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


def render(outcomes: list[Outcome]) -> str:
    """One line per case over all pairs, then the sums."""
    by_case: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_case[outcome.case].append(outcome)
    lines = [
        "| what broke | pairs | noticed after (records) | cause right | ended | right end | wrong writes | incomplete before / after | lost | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for case, found in by_case.items():
        noticed = [one.noticed_after for one in found if one.noticed_after is not None]
        ends = ", ".join(f"{count} {end}" for end, count in Counter(one.end for one in found).most_common())
        seconds = sorted(one.seconds for one in found)[len(found) // 2]
        lines.append(
            f"| {case} | {len(found)} | {f'{min(noticed)}–{max(noticed)}' if noticed else '–'} "
            f"| {sum(one.is_cause_right for one in found)}/{len(found)} | {ends} "
            f"| {sum(one.is_end_right for one in found)}/{len(found)} | {sum(one.wrong for one in found)} "
            f"| {sum(one.meanwhile for one in found)} / {sum(one.incomplete for one in found)} | {sum(one.lost for one in found)} | {seconds:.1f} |"
        )
    broken = [one for one in outcomes if one.end != "nothing" or not one.is_end_right]
    outages = [one for one in outcomes if "down" in one.case]
    total = len(outcomes)
    lines += [
        "",
        f"{len({one.pair for one in outcomes})} pairs, {total} episodes of {RECORDS} records. "
        f"Causes named right: {sum(one.is_cause_right for one in outcomes)} of {total} "
        f"({sum(one.is_cause_right for one in outcomes) / total:.0%}). "
        f"Right end: {sum(one.is_end_right for one in outcomes)} of {total} ({sum(one.is_end_right for one in outcomes) / total:.0%}). "
        f"Wrong writes: {sum(one.wrong for one in outcomes)}. Lost after healing: {sum(one.lost for one in outcomes)}. "
        f"Outages answered by a new mapping: {sum(one.was_remapped for one in outages)} of {len(outages)}. "
        f"Repairs that would ask a person under the policy `risky`: {sum(one.asks for one in broken)}.",
    ]
    return "\n".join(lines)


async def main(arguments: argparse.Namespace) -> int:
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(data_dir=folder, database_url=None, postgres_server=None, _env_file=None)  # type: ignore[call-arg]
        documents: dict[Path, SpecDocument] = {}
        here = [row for row in PAIRS if row[1].exists() and row[3].exists()][: arguments.pairs]
        if len(here) < len(PAIRS):
            print(f"{len(PAIRS) - len(here)} of {len(PAIRS)} pairs left out.\n", file=sys.stderr)
        async with open_servers(folder) as (fronts, urls, store):
            for number, (title, source, source_key, dest, dest_key) in enumerate(here):
                for path in (source, dest):
                    if path not in documents:
                        documents[path] = await load_document(str(path), settings=settings)
                pair = make_pair(title, documents[source], source_key, documents[dest], dest_key)
                for position, case in enumerate(CASES):
                    if arguments.case and arguments.case not in case.name:
                        continue
                    label = f"p{number}-c{position}"
                    world, truth = await prepare(pair, fronts, urls, store, folder / label, label)
                    try:
                        outcome = await run_case(case, world, truth)
                    except Exception as error:
                        outcome = Outcome(
                            case.name,
                            pair.name,
                            end=f"error: {type(error).__name__}",
                            notes=[str(error)[:200]],
                        )
                        if arguments.verbose:
                            raise
                    if outcome is None:
                        continue
                    outcomes.append(outcome)
                    if arguments.verbose or not (
                        outcome.is_cause_right and outcome.is_end_right and not outcome.wrong
                    ):
                        print(
                            f"{pair.name} · {case.name}: {outcome.cause} → {outcome.end}; wrong {outcome.wrong}, "
                            f"incomplete {outcome.incomplete}, lost {outcome.lost}; {'; '.join(outcome.notes)[:600]}",
                            file=sys.stderr,
                        )
    print(render(outcomes))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=len(PAIRS))
    parser.add_argument("--case", default="")
    parser.add_argument("--verbose", action="store_true")
    raise SystemExit(asyncio.run(main(parser.parse_args())))
