"""The spine: from intent to active, what a thread costs in the database, how fast the command starts.

Markdown on stdout. The limits beside the figures are what we build for (see the README here).
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vitesse_graph.api.service import IntegrationService
from vitesse_graph.graph import open_graph
from vitesse_graph.nodes.running import IntegrationGraph
from vitesse_graph.settings import Settings
from vitesse_graph.state.context import VitesseContext

ROOT = Path(__file__).parent.parent
SPECS = ROOT.parent / "shared" / "specs"
TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
PAIRS = {
    "Stripe customers → Xero contacts": ("stripe/stripe-spec3-json.json.gz", "xero/xero-accounting.yaml", "Create a Xero contact for every Stripe customer"),
    "GitHub issues → Asana tasks": ("github/github-api-full.json.gz", "asana/asana.yaml.gz", "Copy GitHub issues into Asana tasks"),
}  # fmt: skip


async def thread_bytes(graph: IntegrationGraph, thread_id: str) -> int:
    """Bytes of all rows that the saver keeps for one thread, as Postgres stores them."""
    assert graph.services is not None
    total = 0
    async with graph.services.pool.connection() as connection:
        for table in TABLES:
            cursor = await connection.execute(
                f"SELECT coalesce(sum(pg_column_size({table}.*)), 0) AS b FROM {table} WHERE thread_id = %s",
                (thread_id,),
            )
            row = await cursor.fetchone()
            total += int(row["b"]) if row else 0
    return total


def command_start() -> float:
    """Median seconds of `vitesse --help` over seven runs."""
    seconds = []
    for _ in range(7):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "vitesse_graph.cli.main", "--help"], capture_output=True, check=True
        )
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def demo(folder: Path) -> dict[str, float]:
    """The laps of one `vitesse demo`."""
    ended = subprocess.run(
        [sys.executable, "-m", "vitesse_graph.cli.main", "demo", "--json"],
        env={**os.environ, "VITESSE_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    laps: dict[str, float] = json.loads(ended.stdout)["seconds"]
    return laps


async def real_pairs(folder: Path) -> list[tuple[str, float, int]]:
    """(pair, seconds from intent to the last gate with every gate answered, bytes of the thread)."""
    measured = []
    async with open_graph(Settings(VITESSE_DATA_DIR=folder)) as graph:
        assert graph.services is not None
        service = IntegrationService(graph, graph.services)
        for name, (source, dest, intent) in PAIRS.items():
            request = {"user_intent": intent, "source": str(SPECS / source), "dest": str(SPECS / dest)}
            began = time.perf_counter()
            outcome = await service.start(request, context=VitesseContext(approvals="every_step"))
            while outcome.waiting is not None and outcome.waiting.gate != "review_guardian":
                outcome = await service.answer(outcome.integration_id, "approve")
            seconds = time.perf_counter() - began
            measured.append((name, seconds, await thread_bytes(graph, outcome.integration_id)))
    return measured


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="vitesse-bench-"))
    folder.chmod(0o755)
    print("| what | measured | build for |\n|---|---|---|")
    print(f"| `vitesse --help` | {command_start():.2f} s | 0.3 s |")
    laps = demo(folder)
    print(f"| demo: intent to active, embedded everything | {laps['intent to active']:.1f} s | 15 s |")
    for name in ("first sync", "heal", "sync after the repair"):
        print(f"| demo: {name} | {laps[name]:.1f} s | |")
    if not SPECS.exists():
        print(
            "\nthe shared folder with real specifications is not here: pairs of published specifications not measured"
        )
        return
    for name, seconds, size in asyncio.run(real_pairs(folder)):
        print(f"| {name}: intent to the last gate | {seconds:.1f} s | |")
        print(f"| {name}: checkpoints of the thread | {size / 1024:.0f} KiB | 256 KiB |")


if __name__ == "__main__":
    main()
