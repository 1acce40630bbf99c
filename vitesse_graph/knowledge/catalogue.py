"""The catalogue: public facts about widely used APIs, kept as data files beside this module.

One file per category under `data/apis`. Each entry says where its facts come from (`source`, the
vendor's documentation unless stated) and which month's documentation they describe (`as_of`).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from typing import Any

import orjson
from pydantic import Field

from vitesse_graph.state.api_spec import AuthType, PaginationStyle
from vitesse_graph.state.base import Model


class ApiFacts(Model):
    """What is known of one API without having read its specification."""

    name: str
    aliases: list[str] = Field(default_factory=list)
    category: str = ""
    category_words: list[str] = Field(default_factory=list)
    """What people call a system of this kind when they do not name one: `our CRM`."""
    needs: str = ""
    """What people want of systems of this kind, in everyday words."""
    common_word: bool = False
    """The name is also an English word or a weekday; in lower case it needs more evidence."""
    purpose: str = ""
    base_url: str = ""
    """`{braces}` stand for what differs between customers."""
    docs: str = ""
    spec: str = ""
    """Address of a published specification; "" where the vendor publishes none that we know."""
    auth: AuthType = "none"
    pagination: PaginationStyle = "none"
    resources: list[str] = Field(default_factory=list)
    kinds: list[str] = Field(default_factory=list)
    """What kinds of system it is, finer than the category: the keys of `data/kinds.json`."""
    kind_words: list[str] = Field(default_factory=list)
    """What systems of these kinds are called."""
    asked: list[str] = Field(default_factory=list)
    """What people say who need this one or one of its kinds."""
    source: str = ""
    as_of: str = ""


def data_file(name: str) -> Any:
    """The parsed JSON of `data/<name>`. Raises FileNotFoundError."""
    return orjson.loads((files(__package__) / "data" / name).read_bytes())


class Kind(Model):
    """A kind of system: its names, what people who need one say, and which APIs are one."""

    key: str
    words: list[str]
    asked: list[str]
    apis: list[str]


@lru_cache(maxsize=1)
def kinds() -> tuple[Kind, ...]:
    """All kinds, as written; within one, the best-known APIs come first."""
    return tuple(Kind.model_validate(row) for row in data_file("kinds.json")["kinds"])


def _of_kinds(name: str) -> dict[str, list[str]]:
    own = [kind for kind in kinds() if name in kind.apis]
    return {
        "kinds": [kind.key for kind in own],
        "kind_words": [word for kind in own for word in kind.words],
        "asked": [phrase for kind in own for phrase in kind.asked],
    }


def _read_category(document: dict[str, Any]) -> Iterable[ApiFacts]:
    shared = {key: document[key] for key in ("category", "category_words", "needs", "as_of")}
    for entry in document["apis"]:
        of_kinds = _of_kinds(entry["name"])
        own = entry.get("asked", [])
        yield ApiFacts.model_validate(
            {"source": entry["docs"], **shared, **of_kinds, **entry, "asked": [*own, *of_kinds["asked"]]}
        )


@lru_cache(maxsize=1)
def catalogue() -> tuple[ApiFacts, ...]:
    """All entries, in a stable order (by file, then as written). Read once per process."""
    folder = files(__package__) / "data" / "apis"
    found: list[ApiFacts] = []
    for path in sorted(folder.iterdir(), key=lambda item: item.name):
        if path.name.endswith(".json"):
            found.extend(_read_category(orjson.loads(path.read_bytes())))
    return tuple(found)
