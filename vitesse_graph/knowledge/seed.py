"""The built-in facts as documents: what `seed_all` writes and what answers when the store is away."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files
from typing import Any

from vitesse_graph.knowledge.catalogue import ApiFacts, catalogue, data_file
from vitesse_graph.knowledge.documents import CollectionName, Document

FINANCIAL = frozenset({"payments", "billing", "banking data", "accounting"})
"""Categories whose APIs are also in `financial_apis`."""


def api_document(facts: ApiFacts) -> Document:
    """One catalogue entry as it is searched."""
    kinds = ", ".join(facts.category_words)
    names = f" Also called {', '.join(facts.aliases)}." if facts.aliases else ""
    return Document(
        key=f"api:{facts.name}",
        kind="api",
        title=facts.name,
        gist=f"{facts.name}: {facts.purpose}",
        text=f"{facts.purpose} ({kinds}).{names} Records: {', '.join(facts.resources)}. {facts.needs}",
        asked=[*facts.kind_words, *facts.asked],
        source=facts.source,
        as_of=facts.as_of,
        meta={
            "origin": "built-in",
            "api": facts.name,
            "category": facts.category,
            "base_url": facts.base_url,
            "docs": facts.docs,
            "spec": facts.spec,
            "auth": facts.auth,
            "pagination": facts.pagination,
            "resources": facts.resources,
        },
    )


def _standard(row: dict[str, Any], as_of: str) -> Document:
    duties = "; ".join(row["obligations"])
    return Document(
        key=f"standard:{row['key']}",
        kind="standard",
        title=row["title"],
        gist=row["text"],
        asked=row["asked"],
        text=f"{row['text']} What to do: {duties}.",
        source=row["source"],
        as_of=as_of,
        meta={
            "origin": "built-in",
            "nature": row["nature"],
            "regions": row["regions"],
            "applies_to": row["applies_to"],
            "data_kinds": row["data_kinds"],
            "obligations": row["obligations"],
        },
    )


def _schema(row: dict[str, Any], as_of: str) -> Document:
    fields = "; ".join(f"{name}: {', '.join(names)}" for name, names in row["fields"].items())
    return Document(
        key=f"schema:{row['key']}",
        kind="schema",
        title=row["title"],
        gist=row["text"],
        asked=row["asked"],
        text=f"{row['text']} Fields: {fields}.",
        source=row["source"],
        as_of=as_of,
        meta={"origin": "built-in", "fields": row["fields"]},
    )


def _pattern(row: dict[str, Any], as_of: str) -> Document:
    names = ", ".join([*row["source_fields"], *row["dest_fields"]])
    return Document(
        key=f"pattern:{row['key']}",
        kind="pattern",
        title=row["title"],
        gist=row["text"],
        asked=row["asked"],
        text=f"{row['text']} How: {row['how']}. Seen in fields {names}.",
        source=row["source"],
        as_of=as_of,
        meta={
            "origin": "built-in",
            "source_fields": row["source_fields"],
            "dest_fields": row["dest_fields"],
            "transform_type": row["transform_type"],
            "how": row["how"],
        },
    )


def _guidance(row: dict[str, Any], as_of: str) -> Document:
    return Document(
        key=f"guidance:{row['key']}",
        kind="guidance",
        title=row["title"],
        text=row["text"],
        asked=row["asked"],
        source=row["source"],
        as_of=as_of,
        meta={"origin": "built-in", "from": row["from"], "to": row["to"]},
    )


_FILES: tuple[tuple[CollectionName, str, Callable[[dict[str, Any], str], Document]], ...] = (
    ("financial_standards", "standards.json", _standard),
    ("financial_schemas", "schemas.json", _schema),
    ("mapping_patterns", "patterns.json", _pattern),
    ("domain_knowledge", "guidance.json", _guidance),
)


@lru_cache(maxsize=1)
def seed_documents() -> dict[CollectionName, tuple[Document, ...]]:
    """All built-in facts by collection, in a stable order."""
    apis = [api_document(facts) for facts in catalogue()]
    found: dict[CollectionName, tuple[Document, ...]] = {
        "financial_apis": tuple(d for d in apis if d.meta["category"] in FINANCIAL),
        "api_specifications": tuple(apis),
    }
    for collection, name, build in _FILES:
        data = data_file(name)
        found[collection] = tuple(build(row, data["as_of"]) for row in data["documents"])
    return found


@lru_cache(maxsize=1)
def seed_version() -> str:
    """A short digest of the data files: another value, other facts."""
    digest = hashlib.sha256()
    root = files(__package__) / "data"
    for folder in (root / "apis", root):
        for path in sorted(folder.iterdir(), key=lambda item: item.name):
            if path.name.endswith(".json"):
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
