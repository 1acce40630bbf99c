"""One ranking out of two: how near in meaning, and how many words in common."""

from __future__ import annotations

from collections.abc import Sequence

from vitesse_graph.knowledge.engine import Hit


def _scaled(hits: Sequence[Hit], floor: float) -> dict[str, float]:
    """Scores to 0..1 against the best one, so that both rankings speak in the same range."""
    if not hits:
        return {}
    best = hits[0].score
    width = best - floor
    return {hit.id: max(0.0, (hit.score - floor) / width) if width > 0 else 0.0 for hit in hits}


def fuse(
    by_meaning: Sequence[Hit], by_words: Sequence[Hit], *, meaning_share: float, limit: int
) -> list[Hit]:
    """Best first, scores 0..1: the place in both rankings, lowered where even the best is far off.

    Ranks come from a convex sum of scaled scores: with the model 0.934 recall@5 on our queries
    against 0.913–0.928 with reciprocal ranks (k of 60 to 2), and level with them on hashed words.
    Ties fall to the id, so the order is the same every time.
    """
    meaning = _scaled(by_meaning, by_meaning[-1].score if len(by_meaning) > 1 else 0.0)
    words = _scaled(by_words, 0.0)
    payloads = {hit.id: hit.payload for hit in (*by_words, *by_meaning)}
    nearest = max(0.0, min(1.0, by_meaning[0].score)) if by_meaning else 0.5

    def together(id_: str) -> float:
        return meaning_share * meaning.get(id_, 0.0) + (1 - meaning_share) * words.get(id_, 0.0)

    ranked = sorted(payloads, key=lambda id_: (-together(id_), id_))[:limit]
    return [Hit(id_, round(together(id_) * nearest, 4), payloads[id_]) for id_ in ranked]
