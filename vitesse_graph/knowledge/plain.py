"""The store without Qdrant: documents as lines of JSON, searched by BM25 over widened words.

It serves where the extra `knowledge` is not installed, or Qdrant is away. Every write appends one
line; reading keeps the last line of each key, so a torn last line loses nothing but itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from threading import RLock

import orjson

from vitesse_graph.knowledge.base import KnowledgeDB, Scored
from vitesse_graph.knowledge.documents import AddReport, CollectionName, Document, Where, matches
from vitesse_graph.knowledge.lexical import LexicalIndex

_log = logging.getLogger(__name__)


class PlainKnowledge(KnowledgeDB):
    """`folder` None: nothing is kept after the process (a stand-in while Qdrant is away)."""

    embedder_name = "words"

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._documents: dict[str, dict[str, Document]] = {}
        self._indexes: dict[str, tuple[LexicalIndex, list[Document]]] = {}
        self._lock = RLock()

    @property
    def description(self) -> str:
        return f"lines of JSON in {self._folder}" if self._folder else "memory only"

    def _file(self, collection: str) -> Path | None:
        return self._folder / f"{collection}.jsonl" if self._folder else None

    def _held(self, collection: str) -> dict[str, Document]:
        with self._lock:
            if collection not in self._documents:
                held: dict[str, Document] = {}
                for line in self._lines(collection):
                    if "deleted" in line:
                        held.pop(str(line["deleted"]), None)
                    else:
                        document = Document.model_validate(line)
                        held[document.id] = document
                self._documents[collection] = held
            return self._documents[collection]

    def _lines(self, collection: str) -> Iterable[dict[str, object]]:
        path = self._file(collection)
        if path is None or not path.exists():
            return
        for raw in path.read_bytes().splitlines():
            try:
                yield orjson.loads(raw)
            except orjson.JSONDecodeError:
                _log.warning("a torn line in %s was passed over", path)

    def _append(self, collection: str, lines: Sequence[dict[str, object]]) -> None:
        self._indexes.pop(collection, None)
        path = self._file(collection)
        if path is None or not lines:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        # A line break in front ends a line that a crash may have torn.
        text = b"\n" + b"".join(orjson.dumps(line) + b"\n" for line in lines)
        with path.open("ab") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    async def add_documents(self, collection: CollectionName, documents: Sequence[Document]) -> AddReport:
        return await asyncio.to_thread(self._add, collection, documents)

    def _add(self, collection: str, documents: Sequence[Document]) -> AddReport:
        report = AddReport()
        with self._lock:
            held = self._held(collection)
            fresh = []
            for document in {document.id: document for document in documents}.values():
                old = held.get(document.id)
                if old is not None and old.digest == document.digest:
                    report.unchanged += 1
                    continue
                report.added += old is None
                report.updated += old is not None
                held[document.id] = document
                fresh.append(document.dump())
            self._append(collection, fresh)
        return report

    def _index(self, collection: str) -> tuple[LexicalIndex, list[Document]]:
        with self._lock:
            if collection not in self._indexes:
                ordered = sorted(self._held(collection).values(), key=lambda document: document.id)
                texts = [
                    ((d.title, 1.5), (d.text, 1.0), *((phrase, 0.7) for phrase in d.asked)) for d in ordered
                ]
                self._indexes[collection] = (LexicalIndex.build(texts), ordered)
            return self._indexes[collection]

    def _search(self, collection: str, query: str, top_k: int, where: Where | None) -> Scored:
        index, ordered = self._index(collection)
        found: Scored = []
        for hit in index.search(query, limit=len(ordered)):
            if matches(ordered[hit.position], where):
                found.append((ordered[hit.position], round(min(1.0, hit.coverage), 4)))
            if len(found) == top_k:
                break
        return found

    async def search(
        self, collection: CollectionName, query: str, top_k: int = 5, *, where: Where | None = None
    ) -> Scored:
        return await asyncio.to_thread(self._search, collection, query, top_k, where) if top_k > 0 else []

    async def get(self, collection: CollectionName, keys: Sequence[str]) -> dict[str, Document]:
        held = self._held(collection)
        found = (held.get(Document(text="", key=key).id) for key in keys)
        return {document.key: document for document in found if document is not None}

    async def delete(self, collection: CollectionName, keys: Sequence[str]) -> None:
        await asyncio.to_thread(self._delete, collection, keys)

    def _delete(self, collection: str, keys: Sequence[str]) -> None:
        with self._lock:
            held = self._held(collection)
            ids = [Document(text="", key=key).id for key in keys]
            gone = [id_ for id_ in ids if held.pop(id_, None) is not None]
            self._append(collection, [{"deleted": id_} for id_ in gone])

    async def documents(
        self, collection: CollectionName, *, where: Where | None = None
    ) -> AsyncIterator[Document]:
        for document in sorted(self._held(collection).values(), key=lambda item: item.id):
            if matches(document, where):
                yield document

    async def count(self, collection: CollectionName) -> int:
        return len(self._held(collection))

    async def optimize(self, collection: CollectionName) -> None:
        """The index is made again when it is next asked."""

    async def aclose(self) -> None:
        with self._lock:
            self._documents.clear()
            self._indexes.clear()
