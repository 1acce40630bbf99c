"""What a collection holds: short texts with their source, each under an identity of its own."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any, Literal, get_args

import orjson
from pydantic import Field

from vitesse_graph.state.base import Model

CollectionName = Literal[
    "financial_apis",
    "financial_schemas",
    "financial_standards",
    "api_specifications",
    "mapping_patterns",
    "domain_knowledge",
]
COLLECTIONS: tuple[CollectionName, ...] = get_args(CollectionName)
_NAMESPACE = uuid.UUID("6f3c0d9e-8f6e-5a41-9c1b-5a0f0a4f7c55")


class Document(Model):
    """One thing worth finding again. `text` is what is searched; `meta` is what is read."""

    text: str
    key: str = ""
    """Who this is (`api:Stripe`, `standard:psd2`): adding the same key again replaces. "": the content."""
    gist: str = ""
    """What it is in one sentence. The vector lies between gist and text, so that lists of names do
    not drown the meaning; "": the text alone."""
    asked: list[str] = Field(default_factory=list)
    """What people say who look for this, in words of their own: each a vector beside the text's."""
    kind: str = ""
    """api, spec, resource, schema, standard, pattern, learned, guidance: what filters ask for."""
    title: str = ""
    source: str = ""
    as_of: str = ""
    meta: dict[str, Any] = Field(default_factory=dict)

    @property
    def digest(self) -> str:
        """sha256 of everything: equal digests need no writing."""
        content = orjson.dumps(self.dump(), option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(content).hexdigest()

    @property
    def id(self) -> str:
        """A UUID made of the key, or of the content where there is no key."""
        return str(uuid.uuid5(_NAMESPACE, self.key or self.digest))

    @property
    def searched(self) -> str:
        """Title and text, as their meaning is indexed."""
        return f"{self.title}. {self.text}" if self.title else self.text

    @property
    def words(self) -> str:
        """Everything whose words are indexed: title, text and what people ask."""
        return "\n".join([self.searched, *self.asked])


class AddReport(Model):
    """What `add_documents` did; `unchanged` ones cost no embedding."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0

    @property
    def written(self) -> int:
        return self.added + self.updated


Where = dict[str, str | list[str]]
"""A filter: each key (`kind`, `meta.category`) must equal the text, or one of a list. No booleans:
the engine in this process reads them as numbers and finds nothing."""


def matches(document: Document, where: Where | None) -> bool:
    """Whether a document passes the filter: the meaning every engine keeps to."""
    if not where:
        return True
    payload = document.dump()
    for key, wanted in where.items():
        value: Any = payload
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        options = wanted if isinstance(wanted, list) else [wanted]
        values = value if isinstance(value, list) else [value]
        if not any(option == own for option in options for own in values):
            return False
    return True
