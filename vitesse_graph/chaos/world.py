"""A small world in which an integration can be broken: two sandboxes, the real sync engine, real probes.

Each side stands behind a `Front`, which swaps the API under its clients, knows which credential is
good, and measures how long answers take. Everything else is the product's own: the documents' reader,
the mapper, the runtime on the embedded Postgres, the guarded client.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from vitesse_graph.database import database_url, stop_embedded
from vitesse_graph.healing import Credential, RecordProfile, profile_records
from vitesse_graph.healing.impact import Side
from vitesse_graph.http import AddressPolicy, guarded_httpx
from vitesse_graph.mapping import map_fields
from vitesse_graph.nodes.definition import build_definition
from vitesse_graph.runtime import Store, SyncEngine, list_dead_letters, retry_dead_letters, run_sync
from vitesse_graph.runtime.auth import build_credentials
from vitesse_graph.runtime.connect import Options
from vitesse_graph.sandbox import Faults, Sandbox, create_sandbox, serve
from vitesse_graph.settings import Settings
from vitesse_graph.specs import SpecDocument
from vitesse_graph.state.definition import IntegrationDefinition, ReadBack, RuntimeStatus
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.state.whiteboard import SharedWhiteboardState
from vitesse_graph.transforms import compile_mapping

RECORDS = 40
PATIENCE_SECONDS = 1.5
"""How long the runtime waits for a side that is away: minutes in life, scaled down here."""
POLICY = AddressPolicy(allow_loopback=True)

Json = dict[str, Any]


class Front:
    """An ASGI application that stands before one API."""

    def __init__(self) -> None:
        self.app: Any = None
        self.good_credential: str | None = None
        """When set, requests that do not carry it are answered 401 with `refusal`."""
        self.refusal = "invalid token"
        self.is_gone = False
        """The address answers to nobody: connections are closed without a word."""
        self.latencies_ms: list[float] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        started = time.monotonic()
        if self.is_gone:
            raise ConnectionResetError
        if self.good_credential is not None and not _carries(scope, self.good_credential):
            body = json.dumps({"error": self.refusal}).encode()
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        await self.app(scope, receive, send)
        self.latencies_ms.append((time.monotonic() - started) * 1000)

    def p95_ms(self) -> float:
        ordered = sorted(self.latencies_ms)
        return ordered[int(0.95 * (len(ordered) - 1))] if ordered else 0.0


def _carries(scope: Any, credential: str) -> bool:
    text = scope.get("query_string", b"") + b" ".join(value for _, value in scope["headers"])
    return credential.encode() in text


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two APIs, the operations to be joined, and the mapping found between them."""

    name: str
    source: SpecDocument
    source_key: str
    dest: SpecDocument
    dest_key: str
    mapping: MappingLogic

    def reader(self, side: Side) -> SpecDocument:
        return self.source if side == "source" else self.dest

    def key(self, side: Side) -> str:
        return self.source_key if side == "source" else self.dest_key


@dataclass
class World:
    """One pair, alive. `source` and `dest` are the documents as published now; they may change."""

    pair: Pair
    fronts: dict[Side, Front]
    urls: dict[Side, str]
    store: Store
    secrets: Path
    name: str
    documents: dict[Side, SpecDocument] = field(default_factory=dict)
    sandboxes: dict[Side, Sandbox] = field(default_factory=dict)
    profile: RecordProfile | None = None
    usual_p95_ms: float = 0.0
    """Of the first sync, when all was well."""
    read_back: ReadBack | None = None
    """Of the first sync as well."""
    base_urls: dict[Side, str] = field(default_factory=dict)
    """Where the definition thinks the APIs are."""
    dest_key: str = ""
    """Where records are written now, as the sandbox knows it."""
    runs: int = 0
    version: int = 1

    # -- the APIs ------------------------------------------------------------------------------------

    def publish(self, side: Side, document: SpecDocument, *, seed: int, seed_records: Any = None) -> None:
        """The API behaves after this document from now on; its store starts anew."""
        count = RECORDS if side == "source" else 0
        self.sandboxes[side] = create_sandbox(
            document, seed=seed, records=count, seed_records=seed_records, require_auth=True
        )
        # what nobody declares is not kept: that is how most APIs answer an old name
        self.sandboxes[side].effects.keeps_unknown = False
        self.fronts[side].app = self.sandboxes[side]

    def faults(self, side: Side, faults: Faults) -> None:
        self.sandboxes[side].set_faults(faults)

    def good_records(self) -> list[Json]:
        """The source's records, as they were before anything drifted."""
        return self.sandboxes["source"].records(self.pair.source_key)

    def written(self) -> list[Any]:
        """The bodies that reached the destination."""
        return [
            orjson.loads(orjson.dumps(body))
            for body in self.sandboxes["dest"].sent(self.dest_key or self.pair.dest_key)
        ]

    def credential(self, side: Side, token: str) -> None:
        """What lies where the definition's reference points."""
        (self.secrets / side).write_text(token)

    async def warm(self) -> None:
        """One read of the source as it is, so that its sandbox knows its own answers before they drift."""
        definition = self.definition(self.pair.mapping)
        call, given = definition.source.read, self.credentials(definition)["source"]
        url = definition.source.base_url.rstrip("/") + "/" + call.path.lstrip("/")
        async with guarded_httpx(POLICY) as client:
            await client.request(
                call.method,
                url,
                headers={**call.headers, **given.headers},
                params={**call.query, **given.query},
            )

    # -- the integration -----------------------------------------------------------------------------

    def definition(
        self,
        mapping: MappingLogic,
        *,
        documents: dict[Side, SpecDocument] | None = None,
        keys: dict[Side, str] | None = None,
    ) -> IntegrationDefinition:
        """What would be deployed for this mapping over these documents."""
        readers = documents or {"source": self.pair.source, "dest": self.pair.dest}
        used = {"source": self.pair.source_key, "dest": self.pair.dest_key, **(keys or {})}
        state = SharedWhiteboardState(
            workflow_id=self.name,
            source_api_spec=readers["source"].spec,
            dest_api_spec=readers["dest"].spec,
            source_auth=f"file:{self.secrets / 'source'}",
            dest_auth=f"file:{self.secrets / 'dest'}",
            mapping_logic=mapping,
        )
        return build_definition(
            state,
            readers["source"].source_shape(used["source"]),
            readers["dest"].dest_shape(used["dest"]),
            version=self.version,
            base_urls={side: self.base_urls.get(side, url) for side, url in self.urls.items()},
        )

    async def sync(self, definition: IntegrationDefinition, *, replay: bool = False) -> RuntimeStatus:
        """One full run, and what the runtime would report after it; `replay`: dead letters are tried first."""
        self.runs += 1
        for front in self.fronts.values():
            front.latencies_ms.clear()
        options = Options(patience_seconds=PATIENCE_SECONDS, stop_grace_seconds=1.0)
        if replay:
            engine = SyncEngine(definition, self.store, policy=POLICY, options=options)
            await retry_dead_letters(engine, with_unknown=False)
        report = await run_sync(definition, full=True, store=self.store, policy=POLICY, options=options)
        letters = await list_dead_letters(self.store, definition.integration_id, limit=500)
        codes = Counter(str(letter["code"]) for letter in letters)
        fetched = max(1, report.fetched)
        if report.error and not letters:
            codes[report.error[:80]] += 1
        return RuntimeStatus(
            integration_id=definition.integration_id,
            definition_version=definition.version,
            definition_digest="",
            last_sync=report,
            success_rate=0.0 if report.status == "failed" else 1 - report.quarantined / fetched,
            p95_latency_ms=max(front.p95_ms() for front in self.fronts.values()),
            error_distribution=dict(codes),
            read_back=report.read_back,
        )

    async def reasons(self, definition: IntegrationDefinition) -> list[str]:
        letters = await list_dead_letters(self.store, definition.integration_id, limit=20)
        return list(dict.fromkeys(str(letter["reason"]) for letter in letters))

    def credentials(self, definition: IntegrationDefinition) -> dict[Side, Credential]:
        made: dict[Side, Credential] = {}
        for side, part in (("source", definition.source), ("dest", definition.dest)):
            found = build_credentials(part.auth, (self.secrets / side).read_text())
            made[side] = Credential(headers=found.headers, query=found.query)  # type: ignore[index]
        return made


def make_pair(name: str, source: SpecDocument, source_key: str, dest: SpecDocument, dest_key: str) -> Pair:
    mapping = map_fields(
        source.source_shape(source_key).record_schema, dest.dest_shape(dest_key).request_schema, intent=name
    )
    return Pair(
        name=name, source=source, source_key=source_key, dest=dest, dest_key=dest_key, mapping=mapping
    )


def expected_bodies(mapping: MappingLogic, records: list[Json]) -> list[Json]:
    """What the mapping makes of these records; those that it cannot transform are left out."""
    apply = compile_mapping(mapping).apply
    made = [apply(record) for record in records]
    return [body.body for body in made if body.ok]


@asynccontextmanager
async def open_servers(data_dir: Path) -> AsyncIterator[tuple[dict[Side, Front], dict[Side, str], Store]]:
    """Two listening fronts and the runtime's store."""
    settings = Settings(data_dir=data_dir, database_url=None, postgres_server=None, _env_file=None)
    fronts: dict[Side, Front] = {"source": Front(), "dest": Front()}
    urls: dict[Side, str] = {}
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, stop_embedded, data_dir)
        store = await stack.enter_async_context(Store(lambda: database_url(settings), patience_seconds=30))
        for side, front in fronts.items():
            ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(serve(front, on_ready=ready.set_result))
            stack.push_async_callback(_end, task)
            urls[side] = await ready
        yield fronts, urls, store


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def build_world(
    pair: Pair, fronts: dict[Side, Front], urls: dict[Side, str], store: Store, folder: Path, name: str
) -> World:
    """The pair, well and synced once."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    world = World(pair=pair, fronts=fronts, urls=urls, store=store, secrets=folder, name=f"{name}-before")
    for side, front in fronts.items():
        front.good_credential, front.is_gone = None, False
        world.credential(side, "first-credential")
        world.documents[side] = pair.reader(side)
        world.publish(side, pair.reader(side), seed=1)
    status = await world.sync(world.definition(pair.mapping))
    world.usual_p95_ms, world.read_back = status.p95_latency_ms, status.read_back
    world.profile = profile_records(world.good_records())
    world.name = f"{name}-after"
    return world
