"""The candidate pairs that are looked at closely: a cheap first ranking of all of them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import sparse

from vitesse_graph.mapping.sides import Floats, Ints, Side, kind_compatibility
from vitesse_graph.mapping.terms import Term
from vitesse_graph.mapping.words import lexicon

CANDIDATES = 24
"""Source fields looked at for each destination field."""


def text_similarity(source: Side, dest: Side) -> Floats:
    """Cosine of the descriptions' words, rare words counting more."""
    counts: dict[str, int] = {}
    for words in (*source.desc_words, *dest.desc_words):
        for word in set(words):
            counts[word] = counts.get(word, 0) + 1
    total = len(source.fields) + len(dest.fields)
    weight = {word: float(np.log(1 + total / n)) for word, n in counts.items()}
    vocabulary: dict[str, int] = {word: at for at, word in enumerate(sorted(counts))}

    def normed(side: Side) -> sparse.csr_matrix:
        rows = []
        for words in side.desc_words:
            row = {w: weight[w] for w in dict.fromkeys(words)}
            norm = sum(v * v for v in row.values()) ** 0.5 or 1.0
            rows.append({w: v / norm for w, v in row.items()})
        return _with_width(_vectors(rows, vocabulary), len(vocabulary))

    product = normed(source) @ normed(dest).T
    return np.asarray(product.todense(), dtype=np.float64)


def _vectors(rows: list[dict[str, float]], vocabulary: dict[str, int]) -> sparse.csr_matrix:
    data, indices, starts = [], [], [0]
    for row in rows:
        for word, weight in row.items():
            indices.append(vocabulary.setdefault(word, len(vocabulary)))
            data.append(weight)
        starts.append(len(indices))
    return sparse.csr_matrix((data, indices, starts), shape=(len(rows), max(len(vocabulary), 1)))


def _with_width(matrix: sparse.csr_matrix, width: int) -> sparse.csr_matrix:
    matrix.resize((matrix.shape[0], max(width, 1)))
    return matrix


@lru_cache(maxsize=1)
def _neighbours() -> dict[str, tuple[tuple[str, float], ...]]:
    near: dict[str, list[tuple[str, float]]] = {}
    for (one, other), strength in lexicon().related.items():
        near.setdefault(one, []).append((other, strength))
    return {word: tuple(found) for word, found in near.items()}


def shortlist(source: Side, dest: Side, texts: Floats) -> tuple[Ints, Ints]:
    """Positions of source and destination for each candidate pair. `texts`: see `text_similarity`."""
    vocabulary: dict[str, int] = {}
    rows_s = [_name_vector(t, widen=False) for t in source.terms]
    rows_d = [_name_vector(t, widen=True) for t in dest.terms]
    left, right = _vectors(rows_s, vocabulary), _vectors(rows_d, vocabulary)
    left, right = _with_width(left, len(vocabulary)), _with_width(right, len(vocabulary))
    score = np.asarray((left @ right.T).todense(), dtype=np.float64) + 0.6 * texts
    score += 0.15 * kind_compatibility()[np.ix_(source.kind_index, dest.kind_index)]
    score -= 0.04 * source.depth[:, None]
    keep = min(CANDIDATES, score.shape[0])
    if not keep or not score.shape[1]:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    best = np.argsort(-score, axis=0, kind="stable")[:keep].T
    si = best.reshape(-1).astype(np.int64)
    di = np.repeat(np.arange(score.shape[1], dtype=np.int64), keep)
    return si, di


def _name_vector(term: Term, widen: bool) -> dict[str, float]:
    row: dict[str, float] = {f"n:{term.notion}": 1.6}
    for word in term.words:
        row[f"w:{word}"] = 0.5
    for word in sorted(term.narrowing):
        row[f"c:{word}"] = 0.5
    for at, word in enumerate(term.context[:4]):
        row.setdefault(f"c:{word}", 0.35 / (1 + at))
    if widen:
        for word, strength in _neighbours().get(term.notion, ()):
            row[f"n:{word}"] = 1.6 * strength
    return row
