"""The catalogue made ready to be asked, and which of its APIs meet a need put into words.

No names are read here, and nothing touches a model or a store: words, kinds and fame decide.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from vitesse_graph.knowledge.catalogue import ApiFacts, catalogue, kinds
from vitesse_graph.knowledge.lexical import LexicalHit, LexicalIndex
from vitesse_graph.knowledge.mentions import find_mentions
from vitesse_graph.knowledge.names import NameIndex
from vitesse_graph.knowledge.words import terms
from vitesse_graph.state.discovery import DiscoveryResult

MIN_CONFIDENCE = 0.2
"""Weaker finds are left out: just above this, one in three is right (bench/knowledge.py)."""
FAME_SHARE = 0.15
"""How far the best-known of a kind may overtake what fits the words as well."""
_STRANGER = 0.3
"""What is said of a system that nobody knows fits some that are known, by chance."""


@dataclass(frozen=True)
class CatalogueIndex:
    entries: tuple[ApiFacts, ...]
    names: NameIndex
    lexical: LexicalIndex
    kinds: dict[str, tuple[ApiFacts, ...]]
    """What people call a system they do not name ("crm", "help desk") → which it may be, the
    best-known first."""
    fame: dict[str, float]
    """1 for the best-known of a kind, less for each that comes after; decides between equals."""


def _kinds_of(entries: Sequence[ApiFacts]) -> dict[str, tuple[ApiFacts, ...]]:
    by_name = {facts.name: facts for facts in entries}
    records = {" ".join(terms(noun)) for facts in entries for noun in facts.resources}
    found: dict[str, list[ApiFacts]] = {}
    for facts in entries:
        for word in facts.category_words:
            found.setdefault(word.lower(), []).append(facts)
    for kind in kinds():
        for word in kind.words:
            # "subscriptions" and "calendar" are records far more often than systems.
            if " ".join(terms(word)) not in records:
                found[word.lower()] = [by_name[name] for name in kind.apis]
    return {word: tuple(of_kind) for word, of_kind in found.items()}


def _fame(entries: Sequence[ApiFacts]) -> dict[str, float]:
    in_kind: dict[str, float] = {}
    for kind in kinds():
        for place, name in enumerate(kind.apis):
            in_kind[name] = max(in_kind.get(name, 0.0), 1 / (1 + place / 3))
    found: dict[str, float] = {}
    places: Counter[str] = Counter()
    for facts in entries:  # a category, too, names its best-known first
        found[facts.name] = (in_kind[facts.name] + 1 / (1 + places[facts.category] / 5)) / 2
        places[facts.category] += 1
    return found


@lru_cache(maxsize=1)
def catalogue_index() -> CatalogueIndex:
    entries = catalogue()
    texts = [
        (
            (" ".join([facts.name, *facts.aliases]), 1.0),
            (facts.category + " " + " ".join(facts.category_words), 0.5),
            (facts.purpose, 1.0),
            (facts.needs, 0.3),
            (" ".join(facts.resources), 0.6),
            *((phrase, 1.0) for phrase in (*facts.kind_words, *facts.asked)),
        )
        for facts in entries
    ]
    return CatalogueIndex(
        entries, NameIndex.build(entries), LexicalIndex.build(texts), _kinds_of(entries), _fame(entries)
    )


def catalogue_result(facts: ApiFacts, confidence: float, why: str) -> DiscoveryResult:
    return DiscoveryResult(
        api_name=facts.name,
        description=facts.purpose,
        base_url=facts.base_url,
        documentation_url=facts.docs,
        spec_url=facts.spec,
        confidence_score=round(confidence, 3),
        source="catalogue",
        why=f"{why}; facts from {facts.source}, {facts.as_of}",
    )


def _need_confidence(words: int, coverage: float, score: float, runner_up: float) -> float:
    """How sure a described need is met: above all by how much of what was said is found.

    Fitted to the queries of bench/knowledge.py. A single word is not enough to be sure, and a
    description never names one system only.
    """
    if words < 2:
        return min(0.5, coverage)
    margin = (score - runner_up) / score if score else 0.0
    odds = math.exp(-4.0 + 5.3 * coverage + 2.2 * min(words, 6) / 6 + 0.8 * margin)
    return min(0.85, odds / (1 + odds))


def _by_fame(index: CatalogueIndex, hits: Sequence[LexicalHit]) -> list[LexicalHit]:
    """Hits in a new order: between two that fit about as well, the better known first."""

    def weighed(hit: LexicalHit) -> float:
        return hit.score * (1 + FAME_SHARE * index.fame[index.entries[hit.position].name])

    return sorted((replace(hit, score=weighed(hit)) for hit in hits), key=lambda hit: -hit.score)


def members_of_kind(kind: str) -> tuple[ApiFacts, ...]:
    """The APIs of a kind by what people call it, the best-known first; none when it is no kind."""
    known = catalogue_index().kinds
    word = kind.lower()
    return known.get(word) or known.get(word.removesuffix("s")) or ()


def apis_of_kind(query: str) -> list[DiscoveryResult]:
    """The APIs of a kind, where the query is nothing but its name; none of them is surer than 0.5."""
    word = re.sub(r"^(?:an?|the|our|my|some|any) ", "", query.lower().strip(" .!?"))
    return [
        catalogue_result(facts, 0.5 - 0.2 * min(1.0, place / 10), f"one of those that people call {word}")
        for place, facts in enumerate(members_of_kind(word))
    ]


def _has_stranger(query: str) -> bool:
    """Whether the query names a system that nobody knows (`Zebrafy CRM`)."""
    index = catalogue_index()
    unknown = (m.text for m in find_mentions(query, index.names, ()) if m.kind == "unknown")
    return any(
        name[0].isupper() and not name.isupper() and not set(terms(name)) & index.lexical.postings.keys()
        for name in unknown
    )


def is_strange(query: str) -> bool:
    """Whether a query is hardly more than the name of a system that nobody knows."""
    return len(set(terms(query))) <= 3 and _has_stranger(query)


def apis_by_need(query: str, limit: int) -> list[DiscoveryResult]:
    index = catalogue_index()
    words = len(set(terms(query)))
    if is_strange(query):
        return []
    has_stranger = _has_stranger(query)
    hits = _by_fame(index, index.lexical.search(query, limit + 20))
    found: list[DiscoveryResult] = []
    for place, hit in enumerate(hits[:limit]):
        if place == 0:
            sure = _need_confidence(words, hit.coverage, hit.score, hits[1].score if hits[1:] else 0.0)
            confidence = min(sure, _STRANGER) if has_stranger else sure
        else:  # one of them is meant: the others are less likely by as much as they fit less
            confidence = min(0.5, found[0].confidence_score * hit.score / hits[0].score)
        found.append(
            catalogue_result(index.entries[hit.position], confidence, "what it is for fits the description")
        )
    return [result for result in found if result.confidence_score >= MIN_CONFIDENCE]
