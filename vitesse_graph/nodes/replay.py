"""The last proof of a repair before it is deployed: records as they are now, and those that failed.

The guardian has shown that the candidate fits both contracts. Here it is laid beside the live version:
what each makes of the same records, how many come out as they were written before, how many that
failed would be written. What the live version can do and the candidate cannot is no repair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from vitesse_graph.errors import VitesseError
from vitesse_graph.services import Services
from vitesse_graph.state.base import Model
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.health import HealingEpisode
from vitesse_graph.state.testing import TestResults
from vitesse_graph.state.whiteboard import SharedWhiteboardState

if TYPE_CHECKING:
    from vitesse_graph.runtime import Store, SyncEngine

RECORDS = 100
LETTERS = 100


class Replay(Model):
    """Counts of records, and the difference in words. No value of any record."""

    read: int = 0
    as_before: int = 0
    """Of those read: the body that the destination holds already, as the ledger knows it."""
    written_before: int = 0
    """Of those read: written once by whichever version."""
    broken: int = 0
    """The live version writes them, the candidate cannot."""
    letters: int = 0
    mended: int = 0
    """Of the dead letters: would be written now."""
    difference: str = ""
    note: str = ""

    @property
    def is_passed(self) -> bool:
        return self.broken == 0

    def lines(self) -> list[str]:
        """For the episode's log."""
        if self.note:
            return [f"replay: {self.note}"]
        found = [f"replayed {self.read} records as they are now"]
        if self.written_before:
            found[0] += f": {self.as_before} of {self.written_before} come out as they were written before"
        if self.letters:
            found.append(f"replayed {self.letters} that failed: {self.mended} would be written")
        found += [
            f"beside the live version: {line.removeprefix('- ')}" for line in self.difference.splitlines()
        ]
        return found[:12]


async def replay(services: Services, live: IntegrationDefinition, candidate: IntegrationDefinition) -> Replay:
    """Reads a page or more of the source and the open dead letters; writes nothing.

    A source that cannot be read now is a note, not a failure: the guardian has had its say.
    """
    from vitesse_graph.healing import compare_outputs
    from vitesse_graph.http import AddressPolicy
    from vitesse_graph.runtime import SyncEngine, list_dead_letters, open_store

    found = Replay()
    async with open_store(services.settings) as store:
        engine = SyncEngine(
            candidate,
            store,
            policy=AddressPolicy.from_settings(services.settings),
            resolver=services.read_secret,
        )
        letters = await list_dead_letters(store, candidate.integration_id, limit=LETTERS)
        failed = [letter["payload"] for letter in letters if isinstance(letter["payload"], dict)]
        try:
            records = await _read(engine)
        except VitesseError as error:
            return Replay(note=f"the source cannot be read now: {error}")
        await _beside_the_ledger(found, engine, store, records)
    both = compare_outputs(live.mapping, candidate.mapping, records)
    again = compare_outputs(live.mapping, candidate.mapping, failed)
    found.read, found.letters = len(records), len(failed)
    found.broken = both.broken
    found.mended = len(failed) - again.failed_now
    found.difference = both.render()
    return found


async def _read(engine: SyncEngine) -> list[dict[str, Any]]:
    from vitesse_graph.runtime.reader import SourceReader

    records: list[dict[str, Any]] = []
    async with engine.open() as sides:
        async for page in SourceReader(engine.definition.source, sides.source).pages():
            records += [record for record in page.records if isinstance(record, dict)]
            if len(records) >= RECORDS:
                break
    return records[:RECORDS]


async def _beside_the_ledger(
    found: Replay, engine: SyncEngine, store: Store, records: list[dict[str, Any]]
) -> None:
    """The candidate's bodies against the hashes of what was written."""
    works = engine.planner().prepare(records, 0)
    keys = orjson.dumps([work.key for work in works]).decode()
    rows = await store.rows("known", {"id": engine.definition.integration_id, "keys": keys})
    written = {row[0]: row[2] for row in rows if row[2] is not None}
    known = [work for work in works if work.key in written]
    found.written_before = len(known)
    found.as_before = sum(work.outcome is None and work.hash == written[work.key] for work in known)


async def prove(
    services: Services, state: SharedWhiteboardState, candidate: IntegrationDefinition, results: TestResults
) -> tuple[TestResults, HealingEpisode | None]:
    """While an integration heals: the guardian's results with what the replay adds, and the episode with
    its log. Anything else comes back as it was."""
    episode = state.healing
    from vitesse_graph.healing.repair import changes_anything

    if episode is None or episode.outcome != "open":
        return results, None
    if not results.passed:
        return results, episode
    kept = await services.registry.latest_version(state.workflow_id)
    if kept is None:
        return results, episode
    live = IntegrationDefinition.model_validate(kept["definition"])
    candidate = _beside(live, candidate)
    if not changes_anything(live, candidate):
        fail = "the repair changes nothing, so what failed would fail again"
        return _failed(results, fail), episode.evolve(log=[*episode.log, fail])
    found = await replay(services, live, candidate)
    log = [*episode.log, f"verified: health {results.health_score:.0f} in shadow calls", *found.lines()]
    if not found.is_passed:
        fail = f"{found.broken} of {found.read} records that the live version writes could not be written"
        results = _failed(results, fail)
    return results, episode.evolve(log=log)


def _failed(results: TestResults, fail: str) -> TestResults:
    return results.model_copy(update={"passed": False, "hard_fails": [*results.hard_fails, fail]})


def _beside(live: IntegrationDefinition, candidate: IntegrationDefinition) -> IntegrationDefinition:
    """The candidate where the live version's sandboxes are: their addresses stand in no document."""
    update: dict[str, Any] = {}
    for name in ("source", "dest"):
        own, side = getattr(candidate, name), getattr(live, name)
        if own.environment == side.environment == "sandbox":
            update[name] = own.model_copy(update={"base_url": side.base_url})
    return candidate.model_copy(update=update)
