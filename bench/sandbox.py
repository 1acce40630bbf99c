"""How fast a sandbox is, and over how many published operations its answers keep the contract.

    python -m bench.sandbox [--operations N]

The first table: requests a second, in-process and over HTTP with 16 at once. The second: every
specification beside the repository, with up to N operations of each kind (list, read, create) called
once; an answer counts as right when it has the declared status and its body keeps the schema.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp

from bench._guardian_pairs import load_pairs
from vitesse_graph.guardian import AppTarget, Call
from vitesse_graph.guardian.plan import content_type_of, file_fields, fixed_for
from vitesse_graph.guardian.targets import path_of
from vitesse_graph.sandbox import Sandbox, create_sandbox, serve
from vitesse_graph.sandbox.resources import place_of
from vitesse_graph.settings import Settings
from vitesse_graph.specs import SpecDocument, load_document
from vitesse_graph.state.api_spec import Endpoint
from vitesse_graph.synthetic import Contract, Draw, RecordGenerator

SPECS = Path(__file__).resolve().parents[2] / "shared" / "specs"
WARM_UP, MEASURED = 50, 2_000


async def in_process(app: Sandbox, call: Call) -> float:
    """Requests a second through the ASGI door."""
    target = AppTarget(app)
    for _ in range(WARM_UP):
        await target.call(call)
    began = time.perf_counter()
    for _ in range(MEASURED):
        await target.call(call)
    return MEASURED / (time.perf_counter() - began)


async def over_http(app: Sandbox, call: Call) -> float:
    """Requests a second over loopback, 16 at once, client and server in one process."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(serve(app, on_ready=ready.set_result))
    url = await ready + call.path
    body = json.dumps(call.body).encode() if call.body is not None else None
    left = iter(range(MEASURED))

    async def worker(session: aiohttp.ClientSession) -> None:
        for _ in left:
            headers = {"content-type": "application/json"}
            async with session.request(
                call.method, url, data=body, headers=headers, params=call.query
            ) as response:
                await response.read()

    async with aiohttp.ClientSession() as session:
        began = time.perf_counter()
        await asyncio.gather(*(worker(session) for _ in range(16)))
        took = time.perf_counter() - began
    server.cancel()
    await asyncio.gather(server, return_exceptions=True)
    return MEASURED / took


async def speed_table() -> None:
    pairs = load_pairs("stripe-customer--xero-contact")
    if not pairs:
        print("the labelled pairs are not here; speed was not measured")
        return
    pair = pairs[0]
    source = create_sandbox(pair.source_api, records=200, require_auth=False)
    dest = create_sandbox(pair.dest_api, records=0, require_auth=False)
    body = RecordGenerator(pair.dest_shape.request_schema, direction="request").draw(Draw(random.Random(1)))
    print("| request | in-process /s | over HTTP /s |\n|---|---|---|")
    for name, app, call in (
        ("list, 20 records of 4 KB", source, Call("GET", "/records", query={"limit": "20"})),
        ("create, 3 KB, contract checked", dest, Call("POST", "/targets", body=body)),
    ):
        print(f"| {name} | {await in_process(app, call):,.0f} | {await over_http(app, call):,.0f} |")


def chosen(document: SpecDocument, role: str, limit: int) -> list[Endpoint]:
    """Operations of one kind."""
    return [endpoint for endpoint in document.spec.endpoints if endpoint.role == role][:limit]


def request(app: Sandbox, document: SpecDocument, endpoint: Endpoint) -> Call:
    """A valid request for one operation; reads ask for a record that exists."""
    fixed = fixed_for(endpoint, document.operation(endpoint.key), {}, invent=True)
    params = dict(fixed.path_params)
    place = place_of(endpoint)
    found = app.holdings.collection(place, params) if place.id_param else None
    if found is not None and place.id_param and len(found[1]):
        params[place.id_param] = next(iter(found[1])).id
    body: Any = None
    operation = app.holdings.operation(endpoint.key)
    if endpoint.method != "GET" and operation.media_types:
        generator = RecordGenerator(operation.body_schema, direction="request")
        body = generator.draw(Draw(random.Random(1)), minimal=endpoint.role == "list")
    return Call(
        endpoint.method, path_of(endpoint, params), fixed.query, fixed.headers, body, content_type_of(endpoint),
        key=endpoint.key, auth=endpoint.auth, files=file_fields(operation.body_schema),
    )  # fmt: skip


async def coverage_table(limit: int) -> None:
    if not (SPECS / "index.json").exists():
        print("the published specifications are not here; nothing was called")
        return
    print("\n| specification | start ms | list | read | create |\n|---|---|---|---|---|")
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(VITESSE_DATA_DIR=Path(folder))
        for entry in json.loads((SPECS / "index.json").read_text("utf-8")):
            document = await load_document(str(SPECS / entry["file"]), settings=settings)
            _ = document.spec
            began = time.perf_counter()
            app = create_sandbox(document, records=20)
            started = (time.perf_counter() - began) * 1000
            counts: Counter[str] = Counter()
            for role in ("list", "read", "create"):
                for endpoint in chosen(document, role, limit):
                    operation = app.holdings.operation(endpoint.key)
                    answer = await AppTarget(app, document.spec.auth).call(request(app, document, endpoint))
                    success = operation.success
                    right = answer.status == success.status
                    if right and success.is_json:
                        right = Contract(success.schema, "response").is_valid(answer.value())
                    counts[role] += 1
                    counts[f"{role} right"] += right
            total += counts
            cells = " | ".join(
                f"{counts[f'{role} right']}/{counts[role]}" for role in ("list", "read", "create")
            )
            print(f"| {entry['id']} | {started:.0f} | {cells} |")
    cells = " | ".join(f"{total[f'{role} right']}/{total[role]}" for role in ("list", "read", "create"))
    print(f"| **all** | | {cells} |")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=20)
    options = parser.parse_args()
    await speed_table()
    await coverage_table(options.operations)


if __name__ == "__main__":
    asyncio.run(main())
