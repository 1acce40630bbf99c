"""The one door to the store: opens what can be had, seeds it, and answers though it be away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from threading import Lock

from pydantic import Field

from vitesse_graph.errors import UpstreamError
from vitesse_graph.knowledge.base import KnowledgeDB, Scored
from vitesse_graph.knowledge.documents import (
    COLLECTIONS,
    AddReport,
    CollectionName,
    Document,
    Where,
)
from vitesse_graph.knowledge.embedders import ChosenEmbedder, choose_embedder
from vitesse_graph.knowledge.engine import StoreBusyError, VectorEngine
from vitesse_graph.knowledge.plain import PlainKnowledge
from vitesse_graph.knowledge.seed import seed_documents, seed_version
from vitesse_graph.settings import Settings, get_settings
from vitesse_graph.state.base import Model

_log = logging.getLogger(__name__)


class KnowledgeStatus(Model):
    """What serves and why: lines for `vitesse doctor`."""

    store: str = ""
    embedder: str = ""
    why: str = ""
    is_degraded: bool = False
    """True while answers come from the built-in facts only, because the store is away."""


class SeedStatus(Model):
    """Which collections hold the built-in facts of this version."""

    version: str = Field(default_factory=seed_version)
    is_seeded: bool = False
    counts: dict[str, int] = Field(default_factory=dict)
    expected: dict[str, int] = Field(default_factory=dict)
    missing: dict[str, int] = Field(default_factory=dict)


def _engine_of(settings: Settings) -> VectorEngine:
    """A server when one is configured, else the engine in this process, else the client's local mode.

    Raises ImportError where none of the packages is installed, UpstreamError where it cannot open.
    """
    folder = settings.data_dir / "knowledge"
    if settings.qdrant_url:
        from vitesse_graph.knowledge.engine_client import ClientEngine

        return ClientEngine(url=settings.qdrant_url, api_key=settings.qdrant_api_key)
    try:
        from vitesse_graph.knowledge.engine_edge import EdgeEngine
    except ImportError:
        from vitesse_graph.knowledge.engine_client import ClientEngine

        return ClientEngine(path=folder / "client")
    return EdgeEngine(folder / "edge")


def open_store(settings: Settings, chosen: ChosenEmbedder) -> tuple[KnowledgeDB, str]:
    """The best store that can be had, and why it is that one. Blocks for some milliseconds."""
    try:
        engine = _engine_of(settings)
    except ImportError:
        why = "word search in files: qdrant is not installed (pip install 'vitesse-graph[knowledge]')"
        return PlainKnowledge(settings.data_dir / "knowledge" / "plain"), why
    from vitesse_graph.knowledge.qdrant import QdrantKnowledge

    return QdrantKnowledge(engine, chosen.embedder), chosen.why


def _best_of(found: Scored, facts: Scored) -> Scored:
    """Two answers as one, best first; what stands in both keeps its better score."""
    best: dict[str, tuple[Document, float]] = {}
    for document, score in (*found, *facts):
        if document.id not in best or best[document.id][1] < score:
            best[document.id] = (document, score)
    return sorted(best.values(), key=lambda hit: -hit[1])


class KnowledgeDBManager:
    """Opens on first use. While the store is away, searches are answered from the built-in facts.

    `opener` makes the store (blocking); it is called again after a failure, at most once a minute.
    """

    RETRY_SECONDS = 60.0

    def __init__(self, opener: Callable[[], tuple[KnowledgeDB, str]]) -> None:
        self._opener = opener
        self._opening = Lock()
        self._db: KnowledgeDB | None = None
        self._why = ""
        self._away_until = 0.0
        self._stand_in: PlainKnowledge | None = None
        self._sessions = 0
        self._seeded: set[str] = set()

    def _open(self) -> KnowledgeDB:
        with self._opening:
            if time.monotonic() < self._away_until:
                raise UpstreamError(self._why)
            if self._db is not None:
                return self._db
            try:
                db, self._why = self._opener()
            except UpstreamError as error:
                self._note_away(error)
                raise
            self._db = db
            return db

    def _note_away(self, error: UpstreamError) -> None:
        """Not tried again for a while: a server that is down costs every call its time-out.

        A store that another process has open is no such case, it may be free at once.
        """
        if not isinstance(error, StoreBusyError) and time.monotonic() >= self._away_until:
            self._why, self._away_until = str(error), time.monotonic() + self.RETRY_SECONDS

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except UpstreamError as error:
            self._note_away(error)
            raise

    @asynccontextmanager
    async def session(self) -> AsyncIterator[KnowledgeDBManager]:
        """The store for the length of the block. After the last block it is closed: an embedded one
        serves one process at a time, and another may be waiting for it."""
        self._sessions += 1
        try:
            yield self
        finally:
            self._sessions -= 1
            if not self._sessions:
                await self.aclose()

    async def database(self) -> KnowledgeDB:
        """The open store. Raises UpstreamError when it cannot be opened."""
        db = self._db
        if db is not None and time.monotonic() >= self._away_until:
            return db
        return await asyncio.to_thread(self._open)

    async def _facts(self) -> PlainKnowledge:
        """The built-in facts in memory: what answers while the store is away."""
        if self._stand_in is None:
            stand_in = PlainKnowledge(None)
            for collection, documents in seed_documents().items():
                await stand_in.add_documents(collection, documents)
            self._stand_in = stand_in
        return self._stand_in

    async def _holds_facts(self, db: KnowledgeDB, collection: CollectionName) -> bool:
        """Whether the built-in facts were written to this store, of whatever version."""
        if collection not in self._seeded:
            first = seed_documents()[collection][0].key
            if await db.get(collection, [first]):
                self._seeded.add(collection)
        return collection in self._seeded

    async def search(
        self, collection: CollectionName, query: str, top_k: int = 5, *, where: Where | None = None
    ) -> Scored:
        """`[(document, score)]`, best first; from the built-in facts, by their words, as well while
        they are not in the store, and alone when the store is away."""
        try:
            with self._noticing():
                return await self._search(collection, query, top_k, where)
        except UpstreamError as error:
            _log.warning("knowledge search without the store: %s", error)
            return await (await self._facts()).search(collection, query, top_k, where=where)

    async def _search(
        self, collection: CollectionName, query: str, top_k: int, where: Where | None
    ) -> Scored:
        db = await self.database()
        found = await db.search(collection, query, top_k, where=where)
        if await self._holds_facts(db, collection):
            return found
        facts = await (await self._facts()).search(collection, query, top_k, where=where)
        return _best_of(found, facts)[:top_k]

    async def add_documents(self, collection: CollectionName, documents: Sequence[Document]) -> AddReport:
        """Writes documents. Raises UpstreamError when the store is away: what is learned must not be lost silently."""
        with self._noticing():
            return await (await self.database()).add_documents(collection, documents)

    async def get(self, collection: CollectionName, keys: Sequence[str]) -> dict[str, Document]:
        try:
            with self._noticing():
                db = await self.database()
                held = await db.get(collection, keys)
                if len(held) == len(set(keys)) or await self._holds_facts(db, collection):
                    return held
                return {**await (await self._facts()).get(collection, keys), **held}
        except UpstreamError as error:
            _log.warning("knowledge read without the store: %s", error)
            return await (await self._facts()).get(collection, keys)

    async def delete(self, collection: CollectionName, keys: Sequence[str]) -> None:
        await (await self.database()).delete(collection, keys)

    async def documents(
        self, collection: CollectionName, *, where: Where | None = None
    ) -> AsyncIterator[Document]:
        """Every document of a collection that passes the filter."""
        with self._noticing():
            async for document in (await self.database()).documents(collection, where=where):
                yield document

    async def seed_all(
        self,
        *,
        only: Sequence[CollectionName] = COLLECTIONS,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> dict[str, AddReport]:
        """Writes the built-in facts where they are missing or of another version; a repeat takes milliseconds.

        Facts that this version no longer holds are removed. `progress(collection, done, of)`; `only`
        for a caller that cannot wait for the rest.
        """
        db = await self.database()
        reports: dict[str, AddReport] = {}
        for collection, documents in seed_documents().items():
            if collection not in only:
                continue
            total = AddReport()
            for start in range(0, len(documents), 128):
                part = await db.add_documents(collection, documents[start : start + 128])
                total = AddReport(
                    added=total.added + part.added,
                    updated=total.updated + part.updated,
                    unchanged=total.unchanged + part.unchanged,
                )
                if progress is not None:
                    progress(collection, min(start + 128, len(documents)), len(documents))
            wanted = {document.key for document in documents}
            stale = [
                d.key
                async for d in db.documents(collection, where={"meta.origin": "built-in"})
                if d.key not in wanted
            ]
            await db.delete(collection, stale)
            reports[collection] = total
        return reports

    async def check_seed_status(self) -> SeedStatus:
        """What is there and what is missing of the built-in facts."""
        db = await self.database()
        status = SeedStatus()
        for collection, documents in seed_documents().items():
            held = {d.key: d.digest for d in (await db.get(collection, [d.key for d in documents])).values()}
            missing = sum(1 for document in documents if held.get(document.key) != document.digest)
            status.counts[collection] = await db.count(collection)
            status.expected[collection] = len(documents)
            if missing:
                status.missing[collection] = missing
        status.is_seeded = not status.missing
        return status

    async def status(self) -> KnowledgeStatus:
        try:
            with self._noticing():
                db = await self.database()
                await db.count("domain_knowledge")  # a server is opened without being asked anything
        except UpstreamError as error:
            return KnowledgeStatus(store="away", embedder="words", why=str(error), is_degraded=True)
        return KnowledgeStatus(store=db.description, embedder=db.embedder_name, why=self._why)

    async def aclose(self) -> None:
        db, self._db = self._db, None
        self._seeded.clear()
        if db is not None:
            await db.aclose()


_managers: dict[tuple[str, ...], KnowledgeDBManager] = {}
_managers_lock = Lock()


def _opener(settings: Settings, allow_download: bool) -> Callable[[], tuple[KnowledgeDB, str]]:
    """Opens the store as often as it is asked to, and loads the embedding model once."""
    embedder = cache(lambda: choose_embedder(settings, allow_download=allow_download))
    return lambda: open_store(settings, embedder())


def get_knowledge_db(settings: Settings | None = None, *, allow_download: bool = True) -> KnowledgeDBManager:
    """The process's manager for these settings (the environment's by default); opened on first use.

    `allow_download` lets the first use fetch the embedding model, which takes minutes: not in the
    middle of a run. A model that cannot be used raises InputError at first use.
    """
    chosen = settings or get_settings()
    key = (
        str(chosen.data_dir),
        str(chosen.qdrant_url),
        str(chosen.embedding_model_path),
        str(allow_download),
    )
    with _managers_lock:
        if key not in _managers:
            _managers[key] = KnowledgeDBManager(_opener(chosen, allow_download))
        return _managers[key]
