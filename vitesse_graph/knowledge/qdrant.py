"""The store on Qdrant: hybrid search, idempotent writes, one embedder per collection.

The physical name of a collection carries its embedder and its layout
(`api_specifications--lexical-768-v1--2`). When another embedder serves, the documents move over, embedded again, before the old collection goes: a
crash in between leaves both, and the next opening finishes the move.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from threading import RLock

from vitesse_graph.knowledge.base import KnowledgeDB, Scored
from vitesse_graph.knowledge.documents import AddReport, CollectionName, Document, Where
from vitesse_graph.knowledge.embedders import Embedder, embed_documents, sparse_of_document, sparse_of_query
from vitesse_graph.knowledge.engine import PointData, VectorEngine
from vitesse_graph.knowledge.fusion import fuse

BATCH = 256
LAYOUT = "2"
"""How a document becomes vectors (2: several each); a collection of another layout moves over."""
CANDIDATES = 40
"""How many hits of each kind are fused, at least."""
MODEL_SHARE = 0.65
LEXICAL_SHARE = 0.2
"""Weight of the dense ranking against words: hashed words say less than a model does."""


def _id_of(key: str) -> str:
    return Document(text="", key=key).id


class QdrantKnowledge(KnowledgeDB):
    """Blocking engine calls run in a thread; writes to one store are serialised."""

    def __init__(self, engine: VectorEngine, embedder: Embedder) -> None:
        self._engine = engine
        self._embedder = embedder
        self._ready: set[str] = set()
        self._lock = RLock()
        self._share = LEXICAL_SHARE if embedder.name.startswith("lexical") else MODEL_SHARE

    @property
    def embedder_name(self) -> str:
        return self._embedder.name

    @property
    def description(self) -> str:
        return self._engine.description

    def _physical(self, collection: str) -> str:
        """The collection's physical name, made (and filled from another embedder's) on first use."""
        name = f"{collection}--{self._embedder.name}--{LAYOUT}"
        if name in self._ready:
            return name
        with self._lock:
            if name not in self._ready:
                existing = self._engine.collections()
                if name not in existing:
                    self._engine.create(name, self._embedder.dimension)
                for other in existing:
                    if other.startswith(f"{collection}--") and other != name:
                        self._move(other, name)
                self._ready.add(name)
        return name

    def _move(self, old: str, new: str) -> None:
        offset: str | None = None
        while True:
            hits, offset = self._engine.scroll(old, None, BATCH, offset)
            documents = [Document.model_validate(hit.payload) for hit in hits]
            self._write(new, documents)
            if offset is None:
                break
        self._engine.drop(old)

    def _write(self, name: str, documents: Sequence[Document]) -> AddReport:
        """Embeds and writes what is not there in the same words."""
        latest = {document.id: document for document in documents}
        known = self._engine.retrieve(name, list(latest)) if latest else {}
        old = {id_: payload.get("digest") for id_, payload in known.items()}
        fresh = [document for id_, document in latest.items() if old.get(id_) != document.digest]
        if fresh:
            rows = embed_documents(self._embedder, fresh)
            points = [
                PointData(
                    document.id,
                    row.tolist(),
                    sparse_of_document(document.words),
                    {**document.dump(), "digest": document.digest},
                )
                for document, row in zip(fresh, rows, strict=True)
            ]
            self._engine.upsert(name, points)
        updated = sum(1 for document in fresh if document.id in old)
        return AddReport(added=len(fresh) - updated, updated=updated, unchanged=len(latest) - len(fresh))

    def _add(self, collection: str, documents: Sequence[Document]) -> AddReport:
        with self._lock:
            name = self._physical(collection)
            total = AddReport()
            for start in range(0, len(documents), BATCH):
                part = self._write(name, documents[start : start + BATCH])
                total.added += part.added
                total.updated += part.updated
                total.unchanged += part.unchanged
            return total

    async def add_documents(self, collection: CollectionName, documents: Sequence[Document]) -> AddReport:
        return await asyncio.to_thread(self._add, collection, documents)

    def _search(self, collection: str, query: str, top_k: int, where: Where | None) -> Scored:
        name = self._physical(collection)
        dense = self._embedder.embed([query])[0].tolist()
        limit = max(CANDIDATES, 2 * top_k)
        by_meaning, by_words = self._engine.nearest(name, dense, sparse_of_query(query), limit, where)
        hits = fuse(by_meaning, by_words, meaning_share=self._share, limit=top_k)
        return [(Document.model_validate(hit.payload), hit.score) for hit in hits]

    async def search(
        self, collection: CollectionName, query: str, top_k: int = 5, *, where: Where | None = None
    ) -> Scored:
        if not query.strip() or top_k < 1:
            return []
        return await asyncio.to_thread(self._search, collection, query, top_k, where)

    async def get(self, collection: CollectionName, keys: Sequence[str]) -> dict[str, Document]:
        def read() -> dict[str, Document]:
            found = self._engine.retrieve(self._physical(collection), [_id_of(key) for key in keys])
            documents = [Document.model_validate(payload) for payload in found.values()]
            return {document.key: document for document in documents}

        return await asyncio.to_thread(read) if keys else {}

    async def delete(self, collection: CollectionName, keys: Sequence[str]) -> None:
        def remove() -> None:
            with self._lock:
                self._engine.delete(self._physical(collection), [_id_of(key) for key in keys])

        if keys:
            await asyncio.to_thread(remove)

    async def documents(
        self, collection: CollectionName, *, where: Where | None = None
    ) -> AsyncIterator[Document]:
        name = await asyncio.to_thread(self._physical, collection)
        offset: str | None = None
        while True:
            hits, offset = await asyncio.to_thread(self._engine.scroll, name, where, BATCH, offset)
            for hit in hits:
                yield Document.model_validate(hit.payload)
            if offset is None:
                return

    async def count(self, collection: CollectionName) -> int:
        return await asyncio.to_thread(lambda: self._engine.count(self._physical(collection)))

    async def optimize(self, collection: CollectionName) -> None:
        quantize = self._embedder.keeps_meaning_in_bits
        await asyncio.to_thread(lambda: self._engine.optimize(self._physical(collection), quantize=quantize))

    async def aclose(self) -> None:
        await asyncio.to_thread(self._engine.close)
