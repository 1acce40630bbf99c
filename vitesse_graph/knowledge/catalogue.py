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
    source: str = ""
    as_of: str = ""


def data_file(name: str) -> Any:
    """The parsed JSON of `data/<name>`. Raises FileNotFoundError."""
    return orjson.loads((files(__package__) / "data" / name).read_bytes())


def _read_category(document: dict[str, Any]) -> Iterable[ApiFacts]:
    shared = {key: document[key] for key in ("category", "category_words", "needs", "as_of")}
    for entry in document["apis"]:
        yield ApiFacts.model_validate({"source": entry["docs"], **shared, **entry})


@lru_cache(maxsize=1)
def catalogue() -> tuple[ApiFacts, ...]:
    """All entries, in a stable order (by file, then as written). Read once per process."""
    folder = files(__package__) / "data" / "apis"
    found: list[ApiFacts] = []
    for path in sorted(folder.iterdir(), key=lambda item: item.name):
        if path.name.endswith(".json"):
            found.extend(_read_category(orjson.loads(path.read_bytes())))
    return tuple(found)
