"""`$dynamicRef` (JSON Schema 2020-12) turned into plain references, before anything else looks at a document.

It is how OpenAPI 3.1 writes generics: a page schema refers to `#T`, and whoever uses the page binds `T`
beside his `$ref` (`$defs` with a `$dynamicAnchor`, or the anchor at the schema itself). Each such use gets
a copy of the page with its `T` filled in; what nobody binds means the anchor where it stands.

Not followed: a binding that reaches its use only through a third schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vitesse_graph.specs.findings import escape
from vitesse_graph.specs.resolve import Resolver

MAX_COPIED = 20_000
"""Nodes of one schema that is copied; a larger one keeps its anchors as they stand."""


def bind_dynamic(tree: dict[str, Any]) -> None:
    """Rewrites `tree` in place."""
    resolver = Resolver(tree)
    uses = [(pointer, node) for pointer, node in _objects(tree) if type(node.get("$ref")) is str]
    for pointer, node in uses:
        bindings = _bindings(pointer, node)
        if not bindings:
            continue
        try:
            generic = resolver.target(node["$ref"])
        except LookupError:
            continue
        if type(generic) is dict and _size(generic) <= MAX_COPIED:
            filled = _filled(generic, bindings)
            del node["$ref"]
            node["allOf"] = [filled, *(node["allOf"] if type(node.get("allOf")) is list else [])]
    for _, node in _objects(tree):
        if type(node.get("$dynamicRef")) is str:
            node.setdefault("$ref", node.pop("$dynamicRef"))


def _bindings(pointer: str, node: dict[str, Any]) -> dict[str, str]:
    """Anchor → reference to what it stands for at this use of a generic schema."""
    found: dict[str, str] = {}
    if type(node.get("$dynamicAnchor")) is str:
        found[f"#{node['$dynamicAnchor']}"] = f"#{pointer}"
    inner = node.get("$defs")
    for name, child in inner.items() if type(inner) is dict else ():
        if type(child) is dict and type(child.get("$dynamicAnchor")) is str:
            found[f"#{child['$dynamicAnchor']}"] = f"#{pointer}/$defs/{escape(str(name))}"
    return found


def _filled(node: Any, bindings: dict[str, str]) -> Any:
    if type(node) is list:
        return [_filled(child, bindings) for child in node]
    if type(node) is not dict:
        return node
    out = {
        key: _filled(child, bindings) for key, child in node.items() if key not in ("$dynamicAnchor", "$id")
    }
    bound = bindings.get(out["$dynamicRef"]) if type(out.get("$dynamicRef")) is str else None
    if bound is not None:
        del out["$dynamicRef"]
        out["$ref"] = bound
    return out


def _objects(tree: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """(pointer, object) of every object, each once; iterative, as documents may be deep."""
    waiting: list[tuple[str, Any]] = [("", tree)]
    seen: set[int] = set()
    while waiting:
        pointer, node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if type(node) is dict:
            yield pointer, node
            children = [(escape(str(key)), child) for key, child in node.items()]
        else:
            children = [(str(index), child) for index, child in enumerate(node)]
        waiting += [(f"{pointer}/{key}", child) for key, child in children if type(child) in (dict, list)]


def _size(node: Any) -> int:
    return sum(1 for _ in _objects(node))
