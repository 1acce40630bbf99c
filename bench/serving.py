"""Serving: what the layers around the steps cost, beside a bare LangGraph graph, and how fast REST answers.

Three runs of as many nodes, on one Postgres and one saver: a bare graph of empty nodes, our graph
with its steps emptied (so what is left is whiteboard, gates, locks, retries and durability), and our
graph with its real work on the two demo specifications. Then `vitesse serve` over HTTP: its calls
with 10,000 integrations in the database, and whole integrations step by step.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, TypedDict

import aiohttp
from langgraph.graph import END, START, StateGraph

import vitesse_graph.graph as workflow
from bench.graph import thread_bytes
from vitesse_graph.checkpoints import open_saver
from vitesse_graph.nodes.running import IntegrationGraph
from vitesse_graph.services import Services, open_services
from vitesse_graph.settings import Settings
from vitesse_graph.state.whiteboard import SharedWhiteboardState

PREFIX = "/api/v1/vitesse"
ROWS = 10_000
AT_ONCE = (1, 8, 32)
NODES = 9
"""Supersteps of a run that nobody is asked about: four steps, their gates, deploy."""
PASSED = {"health_score": 100.0, "passed": True}
SPECS = files("vitesse_graph.demo")
REQUEST = {
    "user_intent": "Sync Shopify customers into our Credo CRM contacts",
    "source": str(SPECS / "shopify_like.json"),
    "dest": str(SPECS / "credo_like.json"),
    "test_sample_size": 5,
}


class Small(TypedDict, total=False):
    """State of the bare graph."""

    user_intent: str
    last: str


def bare_graph(saver: Any) -> Any:
    """A chain of empty nodes."""
    builder = StateGraph(Small)
    names = [f"node_{number}" for number in range(NODES)]
    for name in names:

        async def node(state: Small, name: str = name) -> Small:
            return {"last": name}

        builder.add_node(name, node)
    for before, after in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(before, after)
    return builder.compile(checkpointer=saver)


def emptied_graph(saver: Any, services: Services) -> IntegrationGraph:
    """Our graph, whose steps do nothing but say where it goes on."""
    said: dict[str, dict[str, Any]] = {
        "discovery": {"status": "discovering", "next_step": "review_discovery"},
        "ingest": {"status": "mapping", "next_step": "review_ingest"},
        "map_step": {"status": "testing", "next_step": "review_map"},
        "guardian": {"status": "deploying", "next_step": "review_guardian", "test_results": PASSED},
        "deploy": {"status": "active", "next_step": None},
    }
    kept = {name: getattr(workflow, name) for name in said}
    try:
        for name, update in said.items():

            async def step(state: SharedWhiteboardState, update: dict[str, Any] = update) -> dict[str, Any]:
                return update

            setattr(workflow, name, step)
        return workflow.compile_graph(saver).with_services(services)
    finally:
        for name, step_function in kept.items():
            setattr(workflow, name, step_function)


def config() -> dict[str, Any]:
    return {"configurable": {"thread_id": str(uuid.uuid4())}}


async def per_second(run: Callable[[], Awaitable[Any]], at_once: int, count: int) -> float:
    """Runs per second, with so many under way."""
    gate = asyncio.Semaphore(at_once)

    async def one() -> None:
        async with gate:
            await run()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(count)))
    return count / (time.perf_counter() - began)


async def graphs(settings: Settings) -> None:
    """The three graphs, interleaved, so that a busy moment hits all of them."""
    async with open_saver(settings) as saver, open_services(settings) as services:
        bare: Any = bare_graph(saver)
        emptied: Any = emptied_graph(saver, services)
        ours: Any = workflow.compile_graph(saver).with_services(services)
        alone, asked = {"approvals": "none"}, {"approvals": "before_deploy"}

        async def run_bare() -> Any:
            return await bare.ainvoke({"user_intent": REQUEST["user_intent"]}, config())

        async def run_emptied() -> Any:
            return await emptied.ainvoke({"user_intent": REQUEST["user_intent"]}, config(), context=alone)

        async def run_ours() -> Any:
            return await ours.ainvoke(REQUEST, config(), context=asked)

        for warm in (run_bare, run_emptied, run_ours):
            assert await warm()
        print(f"\n### {NODES} nodes a run, embedded Postgres, one saver\n")
        print(
            "| at once | bare graph, runs/s (steps/s) | ours, steps emptied | bare ÷ ours | ours, real work to the last gate |"
        )
        print("|---|---|---|---|---|")
        for at_once in AT_ONCE:
            rates: dict[str, list[float]] = {"bare": [], "emptied": []}
            for _ in range(3):
                rates["bare"].append(await per_second(run_bare, at_once, 64))
                rates["emptied"].append(await per_second(run_emptied, at_once, 64))
            work = await per_second(run_ours, at_once, 16 if at_once == 1 else 32)
            plain, mine = statistics.median(rates["bare"]), statistics.median(rates["emptied"])
            print(
                f"| {at_once} | {plain:.0f} ({plain * NODES:.0f}) | {mine:.0f} ({mine * NODES:.0f}) "
                f"| {plain / mine:.2f} × | {work:.1f} ({work * (NODES - 1):.0f}) |"
            )
        thread = config()
        await ours.ainvoke(REQUEST, thread, context=asked)
        size = await thread_bytes(ours, thread["configurable"]["thread_id"])
        thread = config()
        await bare.ainvoke({"user_intent": REQUEST["user_intent"]}, thread)
        floor = await thread_bytes(ours, thread["configurable"]["thread_id"])
        print(
            f"\nCheckpoints of one integration: {size / 1024:.0f} KiB; of one bare run: {floor / 1024:.0f} KiB."
        )


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[str]:
    """`vitesse serve` in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vitesse_graph.cli.main", "serve", "--port", "0"),
        env={**os.environ, "VITESSE_DATA_DIR": str(folder), "VITESSE_REQUESTS_PER_MINUTE": "0"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().split()[0]
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"{url}/health") as answer:
                        if answer.status == 200:
                            break
                except aiohttp.ClientError:
                    await asyncio.sleep(0.1)
        yield url
    finally:
        process.terminate()
        await process.wait()


async def fill(settings: Settings) -> None:
    """Rows as the registry keeps them, of every status."""
    async with open_services(settings) as services, services.pool.connection() as connection:
        await connection.execute(
            "INSERT INTO vitesse.integrations (id, user_intent, source_api, dest_api, status, created_at) "
            "SELECT gen_random_uuid()::text, 'Sync customers of shop ' || n, 'Shop ' || n, 'CRM', "
            "(ARRAY['discovering','mapping','testing','deploying','active','failed'])[1 + n %% 6], "
            "now() - n * interval '1 minute' FROM generate_series(1, %s) AS n",
            (ROWS,),
        )
        await connection.execute("ANALYZE vitesse.integrations")


async def answers(
    session: aiohttp.ClientSession, url: str, *, count: int = 200, at_once: int = 1
) -> tuple[float, float]:
    """p50 and p95 of one call in milliseconds."""
    gate = asyncio.Semaphore(at_once)
    taken: list[float] = []

    async def one() -> None:
        async with gate:
            began = time.perf_counter()
            async with session.get(url) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()
            taken.append((time.perf_counter() - began) * 1000)

    await asyncio.gather(*(one() for _ in range(count)))
    taken.sort()
    return taken[len(taken) // 2], taken[int(len(taken) * 0.95)]


async def step_by_step(session: aiohttp.ClientSession, url: str) -> str:
    """One integration over REST, to the gate before deploying."""
    body = {
        "user_intent": REQUEST["user_intent"],
        "source_api_url": REQUEST["source"],
        "dest_api_url": REQUEST["dest"],
    }
    async with session.post(f"{url}/integrations", json=body) as answer:
        said = await answer.json()
        assert answer.status == 201, said
    name = str(said["integration_id"])
    for step in ("ingest", "map", "test"):
        async with session.post(f"{url}/integrations/{name}/{step}") as answer:
            assert answer.status == 200, await answer.text()
    return name


async def rest(settings: Settings, folder: Path) -> None:
    await fill(settings)
    connector = aiohttp.TCPConnector(limit=64)
    async with served(folder) as url, aiohttp.ClientSession(connector=connector) as session:
        name = await step_by_step(session, url)
        print(f"\n### `vitesse serve` over HTTP, {ROWS:,} integrations in the database\n")
        print("| call | p50 alone | p95 alone | p50 of 32 at once | p95 |")
        print("|---|---|---|---|---|")
        for shown, path in (
            ("GET /status", "/status"),
            ("GET /integrations/{id}, with all that its steps made", f"/integrations/{name}"),
            ("GET /integrations, the first 50", "/integrations"),
            (
                "GET /integrations?status=active, 500 from the 1,000th",
                "/integrations?status=active&limit=500&offset=1000",
            ),
        ):
            alone, together = (
                await answers(session, url + path),
                await answers(session, url + path, at_once=32),
            )
            print(
                f"| {shown} | {alone[0]:.1f} ms | {alone[1]:.1f} ms | {together[0]:.0f} ms | {together[1]:.0f} ms |"
            )
        laps = []
        for _ in range(5):
            began = time.perf_counter()
            for offset in range(0, ROWS, 500):
                async with session.get(f"{url}/integrations?limit=500&offset={offset}") as answer:
                    await answer.read()
            laps.append(time.perf_counter() - began)
        print(f"\nAll {ROWS:,} one after another in pages of 500: {statistics.median(laps):.2f} s.")
        print(
            "\n| integrations at once, step by step over REST | integrations/s | step calls/s |\n|---|---|---|"
        )
        for at_once in AT_ONCE:
            rate = await per_second(lambda: step_by_step(session, url), at_once, 8 if at_once == 1 else 32)
            print(f"| {at_once} | {rate:.1f} | {rate * 4:.0f} |")


async def measure(folder: Path) -> None:
    settings = Settings(VITESSE_DATA_DIR=folder)
    await graphs(settings)
    await rest(settings, folder)


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="vitesse-bench-"))
    folder.chmod(0o755)
    asyncio.run(measure(folder))


if __name__ == "__main__":
    main()
