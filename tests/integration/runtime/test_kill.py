"""Killed at any moment, a sync loses nothing and doubles nothing.

`VITESSE_KILL_ROUNDS` sets the number of kills for each kind of destination (3 by default, 50 for proof).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.runtime.apis import Apis, person
from tests.integration.runtime.definitions import batched, definition, with_lookup
from vitesse_graph.database import database_url
from vitesse_graph.runtime.store import Store
from vitesse_graph.settings import Settings
from vitesse_graph.state.definition import IntegrationDefinition, SyncReport

ROUNDS = int(os.environ.get("VITESSE_KILL_ROUNDS", "3"))
ROOT = Path(__file__).parents[3]

Shape = Callable[[IntegrationDefinition], IntegrationDefinition]


def start(file: Path, url: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "DATABASE_URL": url, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "tests.integration.runtime.runner", str(file)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)


def kill_somewhere(process: subprocess.Popen[bytes], apis: Apis, chance: random.Random) -> None:
    """Some moments after the first write of this process, or in the middle of finding out about the last one."""
    before = apis.requests.total()
    while process.poll() is None and apis.requests.total() == before:
        time.sleep(0.005)
    time.sleep(chance.uniform(0.0, 0.25))
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def finish(file: Path, url: str) -> SyncReport:
    process = start(file, url)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return SyncReport.model_validate_json(out.decode().strip().splitlines()[-1])


@pytest.mark.parametrize(
    "shape",
    [lambda made: made, with_lookup, batched],
    ids=["idempotency keys", "lookup by natural key", "batches"],
)
async def test_killed_at_random_moments_every_record_is_there_once(
    shape: Shape, apis: Apis, store: Store, settings: Settings, tmp_path: Path, name: str
) -> None:
    chance = random.Random(name)
    apis.people = [person(n) for n in range(150 * (ROUNDS + 1))]
    apis.delay_seconds = 0.003
    made = shape(definition(apis.url, name, page_size=40))
    file = tmp_path / "definition.json"
    file.write_text(made.model_dump_json())
    url = await database_url(settings)
    for _ in range(ROUNDS):
        kill_somewhere(start(file, url), apis, chance)
        changed = chance.randrange(len(apis.people))
        apis.people[changed]["last_name"] = f"Changed{chance.random()}"
    apis.delay_seconds = 0.0
    report = finish(file, url)
    again = finish(file, url)  # what changed behind the reader's back is caught up with
    assert report.status == again.status == "completed"
    assert apis.emails == {p["email"]: 1 for p in apis.people}
    stored = {
        c["email"]: (c["first_name"], c["last_name"], c["lifetime_value"]) for c in apis.contacts.values()
    }
    wanted = {p["email"]: (p["first_name"], p["last_name"], float(p["total_spent"])) for p in apis.people}
    assert stored == wanted
    for row in await store.records("runs", {"id": name, "limit": 1000}):
        outcomes = ("created", "updated", "unchanged", "filtered", "quarantined", "deleted")
        assert row["fetched"] == sum(row[outcome] for outcome in outcomes)
    assert await store.rows("intents", {"id": name}) == []
