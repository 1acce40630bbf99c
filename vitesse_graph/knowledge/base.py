"""What every knowledge store does, whatever keeps it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence

from vitesse_graph.knowledge.documents import AddReport, CollectionName, Document, Where

Scored = list[tuple[Document, float]]


class KnowledgeDB(ABC):
    """Six collections of documents that can be searched by meaning and by words.

    Calls raise UpstreamError when the store is away; `KnowledgeDBManager` turns that into a
    poorer answer instead of a stop.
    """

    @property
    @abstractmethod
    def embedder_name(self) -> str:
        """Who made the vectors; documents of different embedders never meet in one collection."""

    @property
    @abstractmethod
    def description(self) -> str:
        """Where the store is and what runs it, in a few words."""

    @abstractmethod
    async def add_documents(self, collection: CollectionName, documents: Sequence[Document]) -> AddReport:
        """Writes what is new or changed (by `Document.id` and `digest`); repeats cost nothing."""

    @abstractmethod
    async def search(
        self, collection: CollectionName, query: str, top_k: int = 5, *, where: Where | None = None
    ) -> Scored:
        """The best documents with scores 0..1, best first; fewer than `top_k` when there are fewer."""

    @abstractmethod
    async def get(self, collection: CollectionName, keys: Sequence[str]) -> dict[str, Document]:
        """Documents by key; unknown keys are left out."""

    @abstractmethod
    async def delete(self, collection: CollectionName, keys: Sequence[str]) -> None:
        """Forgets documents; unknown keys do no harm."""

    @abstractmethod
    def documents(self, collection: CollectionName, *, where: Where | None = None) -> AsyncIterator[Document]:
        """Every document that passes the filter, in a stable order."""

    @abstractmethod
    async def count(self, collection: CollectionName) -> int: ...

    @abstractmethod
    async def optimize(self, collection: CollectionName) -> None:
        """Builds indexes after a large load; changes no answer."""

    @abstractmethod
    async def aclose(self) -> None: ...
