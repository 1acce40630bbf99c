"""What the factory knows before it starts, and what it learns.

`discover` and `discover_pair` work from the catalogue alone. The vector store, its embedder and
the harvester are imported when they are first asked for; without the extra `knowledge` plain files
and word search serve, and `KnowledgeDBManager.status` says so.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vitesse_graph.knowledge.discovery import discover, discover_pair

if TYPE_CHECKING:
    from vitesse_graph.knowledge.advice import (
        check_regulatory_compliance,
        enriched_discovery_workflow,
        get_integration_guidance,
        pair_guidance,
    )
    from vitesse_graph.knowledge.base import KnowledgeDB
    from vitesse_graph.knowledge.directory import SpecDirectory
    from vitesse_graph.knowledge.documents import COLLECTIONS, Document
    from vitesse_graph.knowledge.finder import complete_pair, discover_widely, harvested_apis
    from vitesse_graph.knowledge.harvester import KnowledgeHarvester, remember_specification
    from vitesse_graph.knowledge.jobs import HarvestJobs
    from vitesse_graph.knowledge.learned import (
        LearnedPattern,
        PatternMemory,
        as_transformation,
        rename_document,
    )
    from vitesse_graph.knowledge.manager import KnowledgeDBManager, get_knowledge_db
    from vitesse_graph.knowledge.qdrant import QdrantKnowledge

_LATER = {
    "COLLECTIONS": "documents",
    "Document": "documents",
    "HarvestJobs": "jobs",
    "KnowledgeDB": "base",
    "KnowledgeDBManager": "manager",
    "KnowledgeHarvester": "harvester",
    "LearnedPattern": "learned",
    "PatternMemory": "learned",
    "as_transformation": "learned",
    "rename_document": "learned",
    "QdrantKnowledge": "qdrant",
    "SpecDirectory": "directory",
    "check_regulatory_compliance": "advice",
    "complete_pair": "finder",
    "discover_widely": "finder",
    "harvested_apis": "finder",
    "enriched_discovery_workflow": "advice",
    "get_integration_guidance": "advice",
    "pair_guidance": "advice",
    "remember_specification": "harvester",
    "get_knowledge_db": "manager",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)


__all__ = [
    "COLLECTIONS",
    "Document",
    "HarvestJobs",
    "KnowledgeDB",
    "KnowledgeDBManager",
    "KnowledgeHarvester",
    "LearnedPattern",
    "PatternMemory",
    "QdrantKnowledge",
    "SpecDirectory",
    "as_transformation",
    "check_regulatory_compliance",
    "complete_pair",
    "discover",
    "discover_pair",
    "discover_widely",
    "enriched_discovery_workflow",
    "get_integration_guidance",
    "get_knowledge_db",
    "harvested_apis",
    "pair_guidance",
    "remember_specification",
    "rename_document",
]
