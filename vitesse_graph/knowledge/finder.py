"""Discovery beyond the catalogue: what was harvested before, likeness in the store, the public directory."""

from __future__ import annotations

from vitesse_graph.errors import UpstreamError
from vitesse_graph.knowledge.directory import SpecDirectory
from vitesse_graph.knowledge.discovery import MIN_NAME_CONFIDENCE, discover
from vitesse_graph.knowledge.harvester import COLLECTION, discovered
from vitesse_graph.knowledge.manager import KnowledgeDBManager
from vitesse_graph.knowledge.needs import is_strange
from vitesse_graph.state.discovery import DiscoveryResult

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
