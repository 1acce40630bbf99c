"""Qdrant through its client: a server (`QDRANT_URL`), or the client's own local mode at a path.

Binary quantization with rescoring is switched on where it pays: on servers, from `QUANTIZE_FROM`
vectors on, for embedders that keep their meaning in signs. At 384 dimensions it keeps 0.86 of the
first ten at a ratio of 32 with ten times the candidates rescored (bench/knowledge.py), which is a
poor trade for collections that fit in memory anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException

from vitesse_graph.errors import UpstreamError
from vitesse_graph.knowledge.documents import Where
from vitesse_graph.knowledge.embedders import Sparse
from vitesse_graph.knowledge.engine import DENSE, INDEXED, WORDS, Hit, PointData, StoreBusyError

TIMEOUT_SECONDS = 10
RESCORE = models.SearchParams(quantization=models.QuantizationSearchParams(rescore=True, oversampling=10.0))
"""Ten times as many candidates by their bits, ordered again by their full vectors."""
QUANTIZE_FROM = 200_000


@contextmanager
def _mapped(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # client, transport and local mode raise unrelated kinds
        if "already accessed by another instance" in str(error):
            raise StoreBusyError(
                f"the knowledge store cannot {what}: another process has it open; "
                "stop that one, or set QDRANT_URL to share a server"
            ) from error
        hint = type(error).__name__
        if isinstance(error, ResponseHandlingException):
            hint = "the server does not answer; start it, or unset QDRANT_URL"
        raise UpstreamError(f"the knowledge store cannot {what}: {hint}") from error


def _filter(where: Where | None) -> models.Filter | None:
    if not where:
        return None
    conditions: list[models.Condition] = [
        models.FieldCondition(
            key=key,
            match=models.MatchAny(any=wanted)
            if isinstance(wanted, list)
            else models.MatchValue(value=wanted),
        )
        for key, wanted in where.items()
    ]
    return models.Filter(must=conditions)


class ClientEngine:
    """Give `url` for a server, or `path` for the local mode (one process at a time)."""

    def __init__(
        self, *, url: str | None = None, api_key: SecretStr | None = None, path: Path | None = None
    ) -> None:
        self._is_server = url is not None
        self._where = url or str(path)
        with _mapped("be opened"):
            if url is not None:
                self._client = QdrantClient(
                    url=url,
                    api_key=api_key.get_secret_value() if api_key else None,
                    timeout=TIMEOUT_SECONDS,
                    check_compatibility=False,
                )
            else:
                self._client = QdrantClient(path=str(path))

    @property
    def description(self) -> str:
        return (
            f"Qdrant server {self._where}"
            if self._is_server
            else f"qdrant-client's local mode, in {self._where}"
        )

    def collections(self) -> list[str]:
        with _mapped("list its collections"):
            return sorted(c.name for c in self._client.get_collections().collections)

    def create(self, name: str, dimension: int) -> None:
        with _mapped(f"create {name}"):
            if self._client.collection_exists(name):
                return
            self._client.create_collection(
                name,
                vectors_config={
                    DENSE: models.VectorParams(
                        size=dimension,
                        distance=models.Distance.COSINE,
                        multivector_config=models.MultiVectorConfig(
                            comparator=models.MultiVectorComparator.MAX_SIM
                        ),
                    )
                },
                sparse_vectors_config={WORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            )
            if self._is_server:
                for field in INDEXED:
                    self._client.create_payload_index(name, field, models.PayloadSchemaType.KEYWORD)

    def drop(self, name: str) -> None:
        with _mapped(f"drop {name}"):
            self._client.delete_collection(name)

    def upsert(self, name: str, points: Sequence[PointData]) -> None:
        rows = [
            models.PointStruct(
                id=point.id,
                vector={
                    DENSE: point.dense,
                    WORDS: models.SparseVector(indices=point.sparse.indices, values=point.sparse.values),
                },
                payload=point.payload,
            )
            for point in points
        ]
        with _mapped(f"write to {name}"):
            self._client.upsert(name, rows, wait=True)

    def delete(self, name: str, ids: Sequence[str]) -> None:
        with _mapped(f"delete from {name}"):
            self._client.delete(name, points_selector=models.PointIdsList(points=list(ids)), wait=True)

    def nearest(
        self, name: str, dense: list[float], sparse: Sparse, limit: int, where: Where | None
    ) -> tuple[list[Hit], list[Hit]]:
        condition = _filter(where)
        requests = [
            models.QueryRequest(
                query=[dense],  # several vectors a point, so several a query: here one
                using=DENSE,
                limit=limit,
                filter=condition,
                with_payload=True,
                params=RESCORE if self._is_server else None,
            )
        ]
        if sparse.indices:
            words = models.SparseVector(indices=sparse.indices, values=sparse.values)
            requests.append(
                models.QueryRequest(
                    query=words, using=WORDS, limit=limit, filter=condition, with_payload=True
                )
            )
        with _mapped(f"search {name}"):
            answers = self._client.query_batch_points(name, requests)
        found = [[Hit(str(p.id), p.score, p.payload or {}) for p in answer.points] for answer in answers]
        return found[0], found[1] if len(found) > 1 else []

    def retrieve(self, name: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        with _mapped(f"read {name}"):
            records = self._client.retrieve(name, list(ids), with_payload=True)
        return {str(record.id): record.payload or {} for record in records}

    def scroll(
        self, name: str, where: Where | None, limit: int, offset: str | None
    ) -> tuple[list[Hit], str | None]:
        with _mapped(f"read {name}"):
            records, following = self._client.scroll(
                name, scroll_filter=_filter(where), limit=limit, offset=offset, with_payload=True
            )
        return [Hit(str(r.id), 0.0, r.payload or {}) for r in records], None if following is None else str(
            following
        )

    def count(self, name: str) -> int:
        with _mapped(f"count {name}"):
            return self._client.count(name, exact=True).count

    def optimize(self, name: str, *, quantize: bool) -> None:
        if not self._is_server or not quantize or self.count(name) < QUANTIZE_FROM:
            return
        binary = models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
        with _mapped(f"quantize {name}"):
            self._client.update_collection(name, quantization_config=binary)

    def close(self) -> None:
        self._client.close()
