"""Discovery beyond the catalogue: what was harvested before, likeness in the store, the public directory."""

from __future__ import annotations

from collections.abc import Sequence

from vitesse_graph.errors import UpstreamError
from vitesse_graph.knowledge.directory import SpecDirectory
from vitesse_graph.knowledge.discovery import (
    MIN_NAME_CONFIDENCE,
    discover,
    discover_pair,
    strangers,
    without_spec_note,
)
from vitesse_graph.knowledge.harvester import COLLECTION, discovered
from vitesse_graph.knowledge.manager import KnowledgeDBManager
from vitesse_graph.knowledge.needs import is_strange
from vitesse_graph.state.discovery import DiscoveredApis, DiscoveryResult

SURE = 0.86
"""A name alone: nothing else is asked."""
LIKENESS_CAP = 0.6
"""Likeness of meaning alone names a kind of system, seldom the one that is meant."""


async def harvested_apis(knowledge: KnowledgeDBManager) -> list[DiscoveryResult]:
    """Every API whose specification was read before; [] when the store is away. For `known`."""
    try:
        documents = [d async for d in knowledge.documents(COLLECTION, where={"kind": "spec"})]
    except UpstreamError:
        return []
    return [
        discovered(document, 0.0).evolve(confidence_score=0.95, why=f"read before from {document.source}")
        for document in documents
    ]


async def complete_pair(
    found: DiscoveredApis,
    intent: str,
    directory: SpecDirectory,
    *,
    source: str | None = None,
    dest: str | None = None,
    known: Sequence[DiscoveryResult] = (),
) -> DiscoveredApis:
    """What a pair still lacks, from the public directory: an API that is not known here, or the
    specification of one that is. Only what is listed under that very name is taken."""
    if found.source is None or found.dest is None:
        given = [
            value for value, role in ((source, found.source), (dest, found.dest)) if value and role is None
        ]
        listed = [await _listed(directory, name) for name in [*given, *strangers(intent)]]
        more = [result for result in listed if result is not None]
        if more:
            found = discover_pair(intent, source=source, dest=dest, known=[*known, *more])
    for role in ("source", "dest"):
        result: DiscoveryResult | None = getattr(found, role)
        if result is None or result.spec_url:
            continue
        entry = await _listed(directory, result.api_name)
        if entry is not None:
            filled = result.evolve(spec_url=entry.spec_url, why=f"{result.why}; specification {entry.why}")
            found = found.evolve(**{role: filled.dump(), "notes": without_spec_note(found.notes, result)})
    return found


async def _listed(directory: SpecDirectory, name: str) -> DiscoveryResult | None:
    """The entry of exactly this name, under the name as it was given; None when there is none."""
    hits = await directory.search(name, limit=1)
    is_same = bool(hits) and hits[0].confidence_score >= MIN_NAME_CONFIDENCE
    return hits[0].evolve(api_name=name) if is_same else None


async def discover_widely(
    query: str,
    *,
    knowledge: KnowledgeDBManager,
    directory: SpecDirectory | None = None,
    limit: int = 5,
) -> list[DiscoveryResult]:
    """`discover`, and where that is not sure: likeness in the store and the public directory.

    Every source may be away; the catalogue always answers. The surest first, one result per API.
    """
    found = discover(query, limit=limit, known=await harvested_apis(knowledge))
    if (not found or found[0].confidence_score < SURE) and not is_strange(query):
        hits = await knowledge.search(COLLECTION, query, limit, where={"kind": ["api", "spec"]})
        found += [discovered(document, min(LIKENESS_CAP, score)) for document, score in hits]
    if directory is not None and (not found or found[0].confidence_score < MIN_NAME_CONFIDENCE):
        found += await directory.search(query, limit=limit)
    unique: dict[str, DiscoveryResult] = {}
    for result in sorted(found, key=lambda r: -r.confidence_score):
        unique.setdefault(result.api_name.casefold(), result)
    return list(unique.values())[:limit]
