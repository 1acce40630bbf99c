"""Qdrant's engine inside this process (`qdrant-edge-py`): the default.

Chosen by measurement at 10,000 documents of 384 dimensions (bench/knowledge.py): loading takes
0.3 s against 10 s of qdrant-client's local mode, a word query 0.2 ms against 70 ms.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

import qdrant_edge as qe

from vitesse_graph.errors import UpstreamError
from vitesse_graph.knowledge.documents import Where
from vitesse_graph.knowledge.embedders import Sparse
from vitesse_graph.knowledge.engine import DENSE, INDEXED, WORDS, Hit, PointData, StoreBusyError

INDEX_FROM = 2_000
"""Below this many points a filter that visits them all is quicker than making its index."""


@contextmanager
def _mapped(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if (
            type(error) is not Exception
        ):  # the binding raises plain Exception, and nothing else, for its faults
            raise
        if "WouldBlock" in str(error):
            raise StoreBusyError(
                f"the knowledge store cannot {what}: another process has it open; "
                "stop that one, or set QDRANT_URL to share a server"
            ) from error
        raise UpstreamError(f"the knowledge store cannot {what}: {error}") from error


def _filter(where: Where | None) -> qe.Filter | None:
    if not where:
        return None
    conditions: list[Any] = [
        qe.FieldCondition(
            key=key, match=qe.MatchAny(wanted) if isinstance(wanted, list) else qe.MatchValue(wanted)
        )
        for key, wanted in where.items()
    ]
    return qe.Filter(must=conditions)


class EdgeEngine:
    """One folder per collection below `path`; one process at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shards: dict[str, qe.EdgeShard] = {}
        self._lock = RLock()
        path.mkdir(parents=True, exist_ok=True)

    @property
    def description(self) -> str:
        return f"Qdrant in this process, in {self._path}"

    def collections(self) -> list[str]:
        return sorted(p.name for p in self._path.iterdir() if (p / "edge_config.json").exists())

    def _shard(self, name: str) -> qe.EdgeShard:
        with self._lock:
            if name not in self._shards:
                with _mapped(f"open {name}"):
                    self._shards[name] = qe.EdgeShard.load(str(self._path / name))
            return self._shards[name]

    def create(self, name: str, dimension: int) -> None:
        with self._lock:
            if name in self._shards or (self._path / name / "edge_config.json").exists():
                return
            config = qe.EdgeConfig(
                vectors={
                    DENSE: qe.EdgeVectorParams(
                        size=dimension,
                        distance=qe.Distance.Cosine,
                        multivector_config=qe.MultiVectorConfig(qe.MultiVectorComparator.MaxSim),
                    )
                },
                sparse_vectors={WORDS: qe.EdgeSparseVectorParams(modifier=qe.Modifier.Idf)},
            )
            with _mapped(f"create {name}"):
                shard = qe.EdgeShard.create(str(self._path / name), config)
            self._shards[name] = shard

    def drop(self, name: str) -> None:
        with self._lock:
            shard = self._shards.pop(name, None)
            if shard is not None:
                with _mapped(f"close {name}"):
                    shard.close()
            shutil.rmtree(self._path / name, ignore_errors=True)

    def _update(self, name: str, operation: qe.UpdateOperation) -> None:
        with self._lock, _mapped(f"write to {name}"):
            # No flush: the write-ahead log holds it across a crash of this process.
            self._shard(name).update(operation)

    def upsert(self, name: str, points: Sequence[PointData]) -> None:
        rows = [
            qe.Point(
                id=point.id,
                vector={
                    DENSE: point.dense,
                    WORDS: qe.SparseVector(point.sparse.indices, point.sparse.values),
                },
                payload=point.payload,
            )
            for point in points
        ]
        self._update(name, qe.UpdateOperation.upsert_points(rows))

    def delete(self, name: str, ids: Sequence[str]) -> None:
        self._update(name, qe.UpdateOperation.delete_points(list(ids)))

    def nearest(
        self, name: str, dense: list[float], sparse: Sparse, limit: int, where: Where | None
    ) -> tuple[list[Hit], list[Hit]]:
        shard, condition = self._shard(name), _filter(where)

        def ask(vector: Any, using: str) -> list[Hit]:
            request = qe.QueryRequest(
                limit=limit, query=qe.Query.Nearest(vector, using=using), filter=condition, with_payload=True
            )
            return [Hit(str(row.id), row.score, row.payload or {}) for row in shard.query(request)]

        with _mapped(f"search {name}"):
            by_words = ask(qe.SparseVector(sparse.indices, sparse.values), WORDS) if sparse.indices else []
            return ask(dense, DENSE), by_words

    def retrieve(self, name: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        with _mapped(f"read {name}"):
            records = self._shard(name).retrieve(list(ids), with_payload=True, with_vector=False)
        return {str(record.id): record.payload or {} for record in records}

    def scroll(
        self, name: str, where: Where | None, limit: int, offset: str | None
    ) -> tuple[list[Hit], str | None]:
        request = qe.ScrollRequest(offset=offset, limit=limit, filter=_filter(where), with_payload=True)
        with _mapped(f"read {name}"):
            records, following = self._shard(name).scroll(request)
        return [Hit(str(r.id), 0.0, r.payload or {}) for r in records], None if following is None else str(
            following
        )

    def count(self, name: str) -> int:
        with _mapped(f"count {name}"):
            return int(self._shard(name).count(qe.CountRequest(exact=True)))

    def optimize(self, name: str, *, quantize: bool) -> None:
        # Never quantized: collections that fit a process are searched in a millisecond as they are.
        with self._lock, _mapped(f"index {name}"):
            shard = self._shard(name)
            if self.count(name) >= INDEX_FROM:
                for field in INDEXED:
                    shard.update(qe.UpdateOperation.create_field_index(field, qe.PayloadSchemaType.Keyword))
            shard.optimize()
            shard.flush()

    def close(self) -> None:
        with self._lock:
            actions: list[Callable[[], None]] = [shard.close for shard in self._shards.values()]
            self._shards.clear()
            for action in actions:
                with _mapped("close"):
                    action()
