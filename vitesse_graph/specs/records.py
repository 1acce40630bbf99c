"""Where in a response the records lie: `data`, `results`, a top-level array, `_embedded.orders`, …"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vitesse_graph.specs.flatten import Flattener
from vitesse_graph.specs.words import squash, stems

USUAL = (
    "data", "results", "items", "entries", "records", "value", "values", "elements", "objects", "rows", "content",
    "list", "hits", "resources", "edges", "nodes", "collection", "result", "members", "docs", "documents", "added",
    "entry",
)  # fmt: skip
"""Names that envelopes give to the array of records, the likeliest first."""

_BESIDE = frozenset(
    {
        "errors", "error", "warnings", "links", "included", "meta", "facets", "aggregations", "messages", "notices",
        "validationerrors", "fields", "columns", "headers", "filters", "sort", "debug", "tags", "breadcrumbs",
    }
)  # fmt: skip
"""Arrays that stand beside the records."""

_WRAPPERS = (
    "d",
    "data",
    "response",
    "result",
    "embedded",
    "payload",
    "body",
    "page",
    "list",
    "value",
    "hits",
)
_MOST_UNKNOWN = 8
_CHANGES = frozenset({"added", "modified", "removed", "created", "updated", "deleted"})


@dataclass(frozen=True, slots=True)
class Records:
    """`at` is the dotted path of the array ("" for a top-level one); `item` the raw schema of one record.

    `is_usual` says that the place alone is good evidence of a list; `by_noun` that the array is
    called what the path is about.
    """

    at: str
    item: Any
    is_usual: bool
    by_noun: bool = False


def find_records(flattener: Flattener, node: Any, noun: str) -> Records | None:
    """The records in a response schema, or None where it holds no array of objects.

    `noun` is what the endpoint is about (`bank transaction`).
    """
    return _find(flattener, node, noun, "", 0)


def _find(flattener: Flattener, node: Any, noun: str, at: str, depth: int) -> Records | None:
    flat = flattener.flat(node)
    if flattener.type_of(node) == "array":
        return Records(at, flat.get("items", {}), is_usual=True)
    properties = flattener.properties(node)
    if not properties:
        for choice in flattener.choices(node)[:6]:
            found = _find(flattener, choice, noun, at, depth + 1) if depth < 3 else None
            if found is not None:
                return found
        return None
    arrays = _arrays(flattener, properties, noun) or _talk(flattener, properties)
    prefix = f"{at}." if at else ""
    best = _choose(arrays, noun)
    if best is not None:
        name, usual, by_noun = best
        return Records(prefix + name, arrays[name], usual, by_noun)
    inside = _in_wrapper(flattener, properties, noun, prefix, depth) if depth < 2 else None
    if inside is None and depth < 3 and not arrays:
        inside = _in_named(flattener, properties, noun, prefix, depth)
    if inside is not None:
        return inside
    if len(arrays) == 1:
        ((name, item),) = arrays.items()
        return Records(prefix + name, item, is_usual=False)
    return None


def _in_wrapper(
    flattener: Flattener, properties: dict[str, Any], noun: str, prefix: str, depth: int
) -> Records | None:
    """Records inside `data`, `response`, `_embedded` and the like; an array there that no table knows comes last."""
    unknown: Records | None = None
    for name in _wrappers(properties):
        inner = properties[name]
        if flattener.type_of(inner) in ("object", ""):
            found = _find(flattener, inner, noun, prefix + name, depth + 1)
            if found is not None and (found.is_usual or found.by_noun or "embedded" in name):
                return Records(found.at, found.item, is_usual=True, by_noun=found.by_noun)
            unknown = unknown or found
    return unknown


def _in_named(
    flattener: Flattener, properties: dict[str, Any], noun: str, prefix: str, depth: int
) -> Records | None:
    """Records in an object that no table knows: called like the noun (`products.edges`), or holding an array that is (`QueryResponse.Invoice`)."""
    last = stems(noun)[-1:]
    for name, child in list(properties.items())[:_MOST_UNKNOWN]:
        if not last or flattener.type_of(child) != "object":
            continue
        is_named = stems(name)[-1:] == last and squash(name) not in _BESIDE
        if not is_named and depth > 0:
            continue
        found = _find(flattener, child, noun, prefix + name, 2 if not is_named else depth + 1)
        if found is not None and (found.by_noun or (is_named and found.is_usual)):
            return Records(found.at, found.item, is_usual=False, by_noun=True)
    return None


def _wrappers(properties: dict[str, Any]) -> list[str]:
    """Properties that may hold the records one level deeper, the likeliest first: `data`, `Result`, `_embedded`."""
    by_squash = {squash(name): name for name in properties}
    return [by_squash[usual] for usual in _WRAPPERS if usual in by_squash]


def _arrays(flattener: Flattener, properties: dict[str, Any], noun: str) -> dict[str, Any]:
    """Name → item node of the properties that are arrays and may hold records."""
    found: dict[str, Any] = {}
    wanted = stems(noun)
    for name, child in properties.items():
        if type(child) is not dict or flattener.type_of(child) != "array":
            continue
        if squash(name) not in _BESIDE or stems(name) == wanted:
            found[name] = flattener.flat(child).get("items", {})
    return found


def _talk(flattener: Flattener, properties: dict[str, Any]) -> dict[str, Any]:
    """`messages`, where nothing else could be the records: then it is hardly a list of remarks."""
    for name, child in properties.items():
        if squash(name) == "messages" and flattener.type_of(child) == "array":
            item = flattener.flat(child).get("items", {})
            return {name: item} if flattener.type_of(item) == "object" else {}
    return {}


def _choose(arrays: dict[str, Any], noun: str) -> tuple[str, bool, bool] | None:
    """(name, is a usual envelope, is called like the noun) of the array that holds the records."""
    if not arrays:
        return None
    wanted = stems(noun)
    for name in arrays:
        if wanted and stems(name) == wanted:
            return name, True, True
    changes = [name for name in arrays if squash(name) in _CHANGES]
    if len(changes) >= 2:
        return changes[0], True, False
    by_squash = {squash(name): name for name in arrays}
    for usual in USUAL:
        if usual in by_squash:
            return by_squash[usual], True, False
    for name in arrays:
        if wanted and stems(name)[-1:] == wanted[-1:]:
            return name, True, True
    return None
