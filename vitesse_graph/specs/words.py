"""Words of identifiers: splitting, singular forms, and which nouns stand for the same thing."""

from __future__ import annotations

import re
from functools import lru_cache

_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_IRREGULAR = {
    "people": "person", "children": "child", "men": "man", "women": "woman", "indices": "index",
    "statuses": "status", "data": "data", "media": "media", "series": "series", "news": "news",
    "analytics": "analytics", "sms": "sms", "gas": "gas", "vertices": "vertex", "criteria": "criterion",
    "movies": "movie", "cookies": "cookie", "categories": "category", "aliases": "alias",
    "taxes": "tax", "leaves": "leave", "databases": "database", "responses": "response",
}  # fmt: skip

ALIKE: tuple[frozenset[str], ...] = (
    frozenset(
        {"customer", "contact", "client", "person", "profile", "lead", "subscriber", "member", "party"}
    ),
    frozenset({"contact", "user", "person", "member"}),
    frozenset({"company", "organization", "organisation", "account", "business"}),
    frozenset({"issue", "ticket", "task", "case", "incident", "story", "card", "todo"}),
    frozenset({"deal", "opportunity", "quote"}),
    frozenset({"order", "purchase", "sale"}),
    frozenset({"invoice", "bill"}),
    frozenset({"payment", "charge", "transaction"}),
    frozenset({"product", "item", "sku", "article", "variant"}),
    frozenset({"message", "email", "sms", "mail"}),
    frozenset({"vendor", "supplier"}),
    frozenset({"employee", "worker", "staff"}),
    frozenset({"event", "appointment", "booking", "meeting"}),
    frozenset({"repo", "repository"}),
    frozenset({"address", "location"}),
    frozenset({"file", "document"}),
)
"""Nouns that APIs use for nearly the same thing; a match between two of one row counts partly."""

VERBS = frozenset(
    {
        "get", "list", "fetch", "find", "search", "query", "read", "retrieve", "show", "view", "lookup", "browse",
        "create", "add", "insert", "new", "post", "make", "register", "submit", "issue", "open",
        "update", "edit", "modify", "patch", "change", "set", "replace", "put", "upsert",
        "delete", "remove", "destroy", "archive", "cancel", "void", "close", "merge", "send", "test", "batch",
        "bulk", "enable", "disable", "activate", "deactivate", "approve", "reject", "count", "export", "import",
        "sync", "download", "upload", "restore", "clone", "copy", "move", "verify", "validate", "confirm", "refund",
        "capture", "complete", "finalize", "pay", "publish", "refresh", "revoke", "rotate", "start", "stop",
        "gdpr", "login", "logout", "attach", "detach", "assign", "unassign", "convert", "preview", "calculate",
    }
)  # fmt: skip


@lru_cache(maxsize=65_536)
def split_words(text: str) -> tuple[str, ...]:
    """`bankTransactions_v2` → ("bank", "transactions", "v", "2"), lower case."""
    return tuple(part.lower() for part in _PARTS.findall(text))


@lru_cache(maxsize=16_384)
def singular(word: str) -> str:
    """The singular of a lower-case English noun, well enough for path segments."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("xes", "zes", "ches", "shes", "sses", "uses")) and not word.endswith(("axes", "auses")):
        return word[:-2]
    return word[:-1]


@lru_cache(maxsize=16_384)
def stems(text: str) -> tuple[str, ...]:
    """Singular words of an identifier or phrase."""
    return tuple(singular(word) for word in split_words(text))


@lru_cache(maxsize=65_536)
def squash(name: str) -> str:
    """`page[cursor]`, `pageCursor`, `page_cursor` → `pagecursor`: for tables of well-known names."""
    return "".join(c for c in name.lower() if c.isalnum())


@lru_cache(maxsize=16_384)
def likeness(one: str, other: str) -> float:
    """How far two singular nouns mean the same: 1 the same, 0.55 of one row of `ALIKE`, else 0."""
    if one == other:
        return 1.0
    return 0.55 if any(one in row and other in row for row in ALIKE) else 0.0
