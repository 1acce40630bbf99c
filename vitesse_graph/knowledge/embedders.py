"""Text to vectors: the fastembed model where it can be had, hashed words where it cannot.

Both also give the sparse vector of words that hybrid search fuses with the dense one. A collection
belongs to one embedder, so `name` changes whenever the numbers would.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vitesse_graph.errors import InputError
from vitesse_graph.knowledge.documents import Document
from vitesse_graph.knowledge.words import terms, widen
from vitesse_graph.settings import Settings

_log = logging.getLogger(__name__)
MODEL = "sentence-transformers/all-MiniLM-L6-v2"
_MODEL_HOST = ("huggingface.co", 443)
Matrix = NDArray[np.float32]


class Embedder(Protocol):
    """`embed` gives one row per text, each of length one (or all zero for an empty text)."""

    @property
    def name(self) -> str: ...
    @property
    def dimension(self) -> int: ...
    @property
    def keeps_meaning_in_bits(self) -> bool:
        """Whether the signs alone still order neighbours: what binary quantization rests on."""
        ...

    def embed(self, texts: Sequence[str]) -> Matrix: ...


@dataclass(frozen=True)
class Sparse:
    """Word weights by hashed word; `indices` ascend."""

    indices: list[int]
    values: list[float]


def embed_documents(embedder: Embedder, documents: Sequence[Document]) -> list[Matrix]:
    """The rows of each document: one between its text and its gist, then that one leaning towards
    each thing asked. A question is held against the nearest of them.

    Leaning, not the phrase alone: 0.97 recall@5 against 0.93 on the queries of bench/knowledge.py.
    """
    texts = [text for d in documents for text in (d.searched, d.gist, *d.asked) if text]
    unique = list(dict.fromkeys(texts))
    row_of = dict(zip(unique, embedder.embed(unique), strict=True))
    found = []
    for document in documents:
        main = row_of.get(document.searched, np.zeros(embedder.dimension, np.float32))
        if document.gist:
            main = main + row_of[document.gist]
        main = _unit(main[None, :])[0]
        found.append(_unit(np.stack([main, *(main + row_of[phrase] for phrase in document.asked if phrase)])))
    return found


def _slot(term: str) -> int:
    return zlib.crc32(term.encode())


AVERAGE_WORDS = 40.0
"""Length at which a document's word weights are neither raised nor lowered (BM25's avgdl)."""


def sparse_of_document(text: str) -> Sparse:
    """BM25 term weights; the engine multiplies by inverse document frequency."""
    bag: Counter[str] = Counter()
    for term, weight in widen(text):
        bag[term] += weight  # type: ignore[assignment]
    norm = 1.2 * (0.4 + 0.6 * sum(bag.values()) / AVERAGE_WORDS)
    return _sparse({_slot(term): count * 2.2 / (count + norm) for term, count in bag.items()})


def sparse_of_query(text: str) -> Sparse:
    """The query's own words at 1, its concepts below."""
    weights: dict[int, float] = {}
    for term, weight in widen(text):
        weights[_slot(term)] = max(weight, weights.get(_slot(term), 0.0))
    return _sparse(weights)


def _sparse(weights: dict[int, float]) -> Sparse:
    ordered = sorted(weights.items())
    return Sparse([slot for slot, _ in ordered], [round(value, 5) for _, value in ordered])


class LexicalEmbedder:
    """Hashed words, concepts and letter triples: no model, no download, tolerant of slips."""

    dimension = 768
    keeps_meaning_in_bits = False  # most components are zero: one bit each leaves nothing
    name = "lexical-768-v1"

    def embed(self, texts: Sequence[str]) -> Matrix:
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for place, text in enumerate(texts):
            for term, weight in self._features(text).items():
                slot = zlib.crc32(term.encode())
                sign = 1.0 if slot & 0x8000_0000 else -1.0
                rows[place, slot % self.dimension] += sign * weight
        return _unit(rows)

    @staticmethod
    def _features(text: str) -> dict[str, float]:
        counts: Counter[str] = Counter(term for term, _ in widen(text))
        features = {
            term: (0.8 if term.startswith("~") else 1.0) * (1 + math.log(n)) for term, n in counts.items()
        }
        for word in set(terms(text)):
            padded = f"^{word}$"
            for start in range(len(padded) - 2):
                key = f"#{padded[start : start + 3]}"
                features[key] = features.get(key, 0.0) + 0.25
        return features


def _unit(rows: Matrix) -> Matrix:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Matrix = (rows / np.where(norms == 0, 1, norms)).astype(np.float32)
    return unit


class ModelEmbedder:
    """The fastembed model, read when first used (about a second)."""

    dimension = 384
    keeps_meaning_in_bits = True
    name = "all-minilm-l6-v2-384"

    def __init__(self, model: Any) -> None:
        self._model = model
        self._known: dict[str, Matrix] = {}
        """Rows by text: the same facts stand in two collections, the same question comes again."""

    def embed(self, texts: Sequence[str]) -> Matrix:
        fresh = list(dict.fromkeys(text for text in texts if text not in self._known))
        if len(self._known) + len(fresh) > 8_192:
            self._known.clear()
            fresh = list(dict.fromkeys(texts))
        if fresh:
            # Alike lengths together: a batch costs as much as its longest text times its number.
            fresh.sort(key=len)
            for text, row in zip(fresh, self._model.embed(fresh, batch_size=32), strict=True):
                self._known[text] = np.asarray(row, dtype=np.float32)
        return _unit(
            np.stack([self._known[text] for text in texts])
            if texts
            else np.zeros((0, self.dimension), np.float32)
        )


def _open_model(**options: Any) -> Any:
    from fastembed import TextEmbedding
    from loguru import logger

    # The library reports a model that is merely absent as errors on stderr; we say it in one line.
    logger.disable("fastembed")
    return TextEmbedding(MODEL, threads=min(4, os.cpu_count() or 1), **options)


def _may_download() -> bool:
    """Whether the model's host answers at all: offline, the library would retry for minutes."""
    if os.environ.get("HF_HUB_OFFLINE", "").strip().lower() in {"1", "true", "yes", "on"}:
        return False
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "HF_ENDPOINT")):
        return True
    try:
        socket.create_connection(_MODEL_HOST, timeout=2.0).close()
    except OSError:
        return False
    return True


_NO_MODEL = (
    "lexical search: no embedding model here and none could be downloaded "
    "(set VITESSE_EMBEDDING_MODEL_PATH to a folder with all-MiniLM-L6-v2)"
)


@dataclass(frozen=True)
class ChosenEmbedder:
    """`why` says in a line what serves and how to get the other; `vitesse doctor` prints it."""

    embedder: Embedder
    why: str


def choose_embedder(settings: Settings, *, allow_download: bool = True) -> ChosenEmbedder:
    """The model at the configured path, the one in the cache, a download, or hashed words, in that order.

    Blocks (seconds, minutes when it downloads). Raises InputError where a path is configured and
    holds no model: a silent fallback would rebuild every collection.
    """
    path = settings.embedding_model_path
    cache = settings.data_dir / "models"
    if path is None and not allow_download and not cache.exists():
        return ChosenEmbedder(
            LexicalEmbedder(), _NO_MODEL
        )  # without the second that fastembed's import takes
    try:
        import fastembed  # noqa: F401
    except ImportError:
        if path is not None:
            raise InputError(
                "VITESSE_EMBEDDING_MODEL_PATH is set but fastembed is not installed; "
                "pip install 'vitesse-graph[knowledge]'"
            ) from None
        return ChosenEmbedder(
            LexicalEmbedder(),
            "lexical search: fastembed is not installed (pip install 'vitesse-graph[knowledge]')",
        )
    if path is not None:
        return ChosenEmbedder(_model_at(Path(path)), f"the model in {path}")
    # Not the library's own default, which lies in /tmp and is gone after a restart.
    try:
        return ChosenEmbedder(
            ModelEmbedder(_open_model(local_files_only=True, cache_dir=str(cache))),
            "the model in fastembed's cache",
        )
    except Exception as error:  # noqa: BLE001 - the library raises ValueError, OSError and its hub's own kinds
        _log.debug("no cached embedding model", exc_info=error)
    if allow_download and _may_download():
        try:
            return ChosenEmbedder(
                ModelEmbedder(_open_model(cache_dir=str(cache))), "the model fastembed downloaded"
            )
        except Exception as error:  # noqa: BLE001 - a failed download must not stop anything
            _log.warning("the embedding model could not be downloaded (%s)", type(error).__name__)
    return ChosenEmbedder(LexicalEmbedder(), _NO_MODEL)


def _model_at(path: Path) -> ModelEmbedder:
    try:
        return ModelEmbedder(_open_model(specific_model_path=str(path)))
    except Exception as error:
        raise InputError(
            f"VITESSE_EMBEDDING_MODEL_PATH={path} holds no usable all-MiniLM-L6-v2 ({type(error).__name__}); "
            "it needs model.onnx and tokenizer.json, or unset it"
        ) from error
