"""BM25 over widened words: search that needs no model and no vector store."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from vitesse_graph.knowledge.words import widen

K1 = 1.2
B = 0.6


@dataclass(frozen=True)
class LexicalHit:
    """`position` in the indexed texts; `coverage`: share of the query's weight that was found, 0..1."""

    position: int
    score: float
    coverage: float


@dataclass
class LexicalIndex:
    """Texts of several weighted fields; build once, search many times."""

    postings: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    idf: dict[str, float] = field(default_factory=dict)
    size: int = 0

    @classmethod
    def build(cls, texts: Sequence[Sequence[tuple[str, float]]]) -> LexicalIndex:
        """One item per document: its fields as (text, weight)."""
        bags: list[Counter[str]] = []
        for fields in texts:
            bag: Counter[str] = Counter()
            for text, weight in fields:
                for term, own in widen(text):
                    bag[term] += weight * own  # type: ignore[assignment]
            bags.append(bag)
        lengths = [sum(bag.values()) for bag in bags]
        mean = (sum(lengths) / len(lengths)) if lengths else 1.0
        postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for position, bag in enumerate(bags):
            norm = K1 * (1 - B + B * lengths[position] / mean)
            for term, count in bag.items():
                postings[term].append((position, count * (K1 + 1) / (count + norm)))
        size = len(bags)
        idf = {
            term: math.log(1 + (size - len(rows) + 0.5) / (len(rows) + 0.5))
            for term, rows in postings.items()
        }
        return cls(dict(postings), idf, size)

    def search(self, query: str, limit: int = 10) -> list[LexicalHit]:
        """Best documents first; documents without any common term are left out."""
        wanted: dict[str, float] = {}
        for term, weight in widen(query):
            wanted[term] = max(wanted.get(term, 0.0), weight)
        unknown = math.log(1 + self.size)
        total = sum(weight * self.idf.get(term, unknown) for term, weight in wanted.items())
        scores: dict[int, float] = defaultdict(float)
        covered: dict[int, float] = defaultdict(float)
        for term, weight in wanted.items():
            for position, value in self.postings.get(term, ()):
                scores[position] += weight * self.idf[term] * value
                covered[position] += weight * self.idf[term]
        best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:limit]
        return [LexicalHit(position, score, covered[position] / total) for position, score in best]
