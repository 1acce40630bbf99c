"""What an answer says about going on: where the next position, `has_more` and a total stand in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from vitesse_graph.specs.flatten import Flattener
from vitesse_graph.specs.paging_words import (
    HAS_MORE,
    HOLDERS,
    LINKS,
    NEXT_URLS,
    NEXT_VALUES,
    RELATIONS,
    TARGETS,
    TOTAL,
    VAGUE,
)
from vitesse_graph.specs.words import squash

_DEEPEST = 3


@dataclass(frozen=True, slots=True)
class Next:
    """Where the next position is found: `at` a dotted path."""

    at: str
    is_url: bool
    is_sure: bool = True
    """False for one of an array of links: whether it ever leads to a next page is not said."""


class AnswerReader:
    """Looks through the answer of one list endpoint whose records lie at `items_at`."""

    def __init__(self, flattener: Flattener, response: Any, items_at: str) -> None:
        self._flattener = flattener
        self.properties = self._deep(response) if items_at else {}
        self._numbers: tuple[str, ...] = ()
        self._records = squash(items_at.rpartition(".")[2])
        self._levels = list(self._along(items_at))

    def next(self, *, may_be_number: bool = False) -> Next | None:
        """The next position; the outermost envelope is asked first.

        `next` as a number is most often the next page's, and taken only where a cursor is asked for.
        """
        self._numbers = () if may_be_number else ("integer", "number")
        for prefix, properties in self._levels:
            found = self._next_in(properties, prefix)
            if found is not None:
                return found
        for prefix, properties in self._levels:
            found = self._of_links(properties, prefix)
            if found is not None:
                return found
        return None

    def has_more(self) -> str | None:
        return self._named(HAS_MORE, "boolean")

    def total(self) -> str | None:
        """How many records there are in all, also as `total_transactions` beside `transactions`."""
        return self._named((*TOTAL, f"total{self._records}", f"{self._records}total"), "integer")

    def echoed(self, names: Iterable[str]) -> Next | None:
        """A text that is called exactly as the parameter it is for (`Marker`, `offset`)."""
        called = {squash(name) for name in names}
        for prefix, properties in self._levels if called else ():
            holders = [(f"{prefix}{name}.", self._deep(child)) for name, child in self._holders(properties)]
            for place, inner in ((prefix, properties), *holders):
                for name, child in inner.items():
                    if squash(name) in called and self._flattener.type_of(child) == "string":
                        return Next(f"{place}{name}", is_url=False)
        return None

    def _along(self, items_at: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(prefix, properties) of every object on the way to the records, the outermost first."""
        properties, prefix = self.properties, ""
        if properties:
            yield prefix, properties
        for name in items_at.split(".")[:-1]:
            if name not in properties:
                return
            properties, prefix = self._deep(properties[name]), f"{prefix}{name}."
            yield prefix, properties

    def _next_in(self, properties: dict[str, Any], prefix: str = "", depth: int = 0) -> Next | None:
        """Looks among properties, some holders deep; values before URLs.

        A bare `next` or `next_page` that does not say whether it is one or the other comes last.
        """
        url: Next | None = None
        vague: Next | None = None
        for name, child in properties.items():
            found = self._as_next(name, child, prefix)
            if found is None:
                continue
            if found.is_url:
                url = url or found
            elif squash(name) in VAGUE:
                vague = vague or found
            else:
                return found
        if url is None and depth < _DEEPEST:
            for name, child in self._holders(properties):
                found = self._next_in(self._deep(child), f"{prefix}{name}.", depth + 1)
                if found is not None:
                    return found
        return url or vague

    def _holders(self, properties: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, child in properties.items():
            if squash(name) in HOLDERS and self._flattener.type_of(child) in ("object", ""):
                yield name, child

    def _as_next(self, name: str, child: Any, prefix: str) -> Next | None:
        """The property as a next position, if its name (and what holds it) says so."""
        short, holder = squash(name), squash(prefix)
        kind = self._flattener.type_of(child)
        if kind in ("array", "boolean", "object"):
            return None
        if short in NEXT_VALUES or (short == "cursor" and not prefix):
            return Next(f"{prefix}{name}", is_url=False)
        in_next = holder.endswith(("next", "nextpage"))
        if short in ("after", "startingafter", "offset", "token", "cursor") and (
            in_next
            or (short == "after" and holder.endswith(("cursors", "cursor", "paging", "pagination", "page")))
        ):
            return Next(f"{prefix}{name}", is_url=False)
        if short in NEXT_URLS or (short in TARGETS and in_next):
            return Next(f"{prefix}{name}", is_url=True)
        if short in VAGUE and kind not in self._numbers:
            return Next(f"{prefix}{name}", is_url=self._is_url(child, prefix))
        return None

    def _of_links(self, properties: dict[str, Any], prefix: str) -> Next | None:
        """One of an array of links, by its relation: FHIR's `link[relation=next].url`, `links[rel=next].href`."""
        for name, child in properties.items():
            if squash(name) not in LINKS or self._flattener.type_of(child) != "array":
                continue
            item = self._flattener.properties(self._flattener.flat(child).get("items", {}))
            by = next((field for field in RELATIONS if field in item), None)
            to = next((field for field in TARGETS if field in item), None)
            if by is not None and to is not None:
                return Next(f"{prefix}{name}[{by}=next].{to}", is_url=True, is_sure=False)
        return None

    def _deep(self, node: Any) -> dict[str, Any]:
        properties = self._flattener.properties(node)
        if properties:
            return properties
        for choice in self._flattener.choices(node):
            properties = self._flattener.properties(choice)
            if properties:
                return properties
        return {}

    def _is_url(self, node: Any, prefix: str) -> bool:
        flat = self._flattener.flat(node)
        said = f"{flat.get('format', '')} {flat.get('description', '')} {flat.get('example', '')}".lower()
        return "links" in squash(prefix) or any(word in said for word in ("uri", "url", "link", "http"))

    def _named(self, names: tuple[str, ...], kind: str) -> str | None:
        """Dotted path of a property with one of these names: on the way to the records, or in a holder beside it."""
        for prefix, properties in self._levels:
            found = self._named_in(properties, prefix, names, kind, 0)
            if found is not None:
                return found
        return None

    def _named_in(
        self, properties: dict[str, Any], prefix: str, names: tuple[str, ...], kind: str, depth: int
    ) -> str | None:
        for name, child in properties.items():
            if squash(name) not in names:
                continue
            found = self._flattener.type_of(child)
            if found in (kind, "number", ""):
                return f"{prefix}{name}"
            if found == "object" and "value" in self._flattener.properties(child):
                return f"{prefix}{name}.value"
        if depth < _DEEPEST - 1:
            for name, child in self._holders(properties):
                inner = self._named_in(self._deep(child), f"{prefix}{name}.", names, kind, depth + 1)
                if inner is not None:
                    return inner
        return None


def header_token(names: Iterable[str]) -> str | None:
    """The answer's header that carries a token of the next page (`X-MS-ContinuationToken`), or None."""
    for name in names:
        short = squash(name)
        if short.endswith((*NEXT_VALUES, "nextpage")):
            return name
    return None
