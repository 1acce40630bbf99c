"""What the store needs of a vector engine. Two satisfy it: in-process and client (path or server).

An engine knows physical collections, points and filters; it knows no documents and no embedders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from vitesse_graph.errors import UpstreamError
from vitesse_graph.knowledge.documents import Where
from vitesse_graph.knowledge.embedders import Sparse

DENSE = "dense"
WORDS = "words"
INDEXED = ("kind", "key", "meta.category", "meta.api")
"""Payload keys that filters use; without an index a filter visits every point."""


class StoreBusyError(UpstreamError):
    """Another process has the embedded store open: it may be free in a moment."""


@dataclass(frozen=True)
class PointData:
    """`id` is a UUID."""

    id: str
    dense: list[list[float]]
    """One vector or several; a search is held against the nearest."""
    sparse: Sparse
    payload: dict[str, Any]


@dataclass(frozen=True)
class Hit:
    id: str
    score: float
    payload: dict[str, Any]


class VectorEngine(Protocol):
    """All calls block. Raises UpstreamError when the engine is away or refuses."""

    @property
    def description(self) -> str: ...
    def collections(self) -> list[str]: ...
    def create(self, name: str, dimension: int) -> None:
        """Makes a collection; does nothing where it exists."""
        ...

    def drop(self, name: str) -> None: ...
    def upsert(self, name: str, points: Sequence[PointData]) -> None: ...
    def delete(self, name: str, ids: Sequence[str]) -> None: ...
    def nearest(
        self, name: str, dense: list[float], sparse: Sparse, limit: int, where: Where | None
    ) -> tuple[list[Hit], list[Hit]]:
        """The nearest by meaning (cosine) and by words (BM25), each best first."""
        ...

    def retrieve(self, name: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Payloads by id; unknown ids are left out."""
        ...

    def scroll(
        self, name: str, where: Where | None, limit: int, offset: str | None
    ) -> tuple[list[Hit], str | None]:
        """A page of points in the order of their ids, and where the next begins (None: the end)."""
        ...

    def count(self, name: str) -> int: ...
    def optimize(self, name: str, *, quantize: bool) -> None:
        """Builds indexes after much was written; may take seconds.

        `quantize`: the vectors bear one bit a dimension, for an engine that is large enough to gain.
        """
        ...

    def close(self) -> None: ...
