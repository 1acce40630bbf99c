"""Schemas that no finite value keeps: an object that requires itself, directly or by way of others.

Vendors publish such things (a folder that requires its parent folder, which requires its own …) and
mean "there is one, until there is none". Read literally, nothing could ever be sent. So inside such a
ring, and only there, what leads back into the ring is not required.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.synthetic.schemas import rebuild, types_of

_PREFIX = "#/$defs/"
_MAX_DEPTH = 40

Needs = frozenset[str]
"""Names of definitions that a value cannot do without and that are not known to have a finite one."""


def open_rings(schema: JsonSchema) -> JsonSchema:
    """The schema with every ring of requirements opened; the very same one where there is none."""
    defs = schema.get("$defs")
    if not isinstance(defs, dict) or not defs:
        return schema
    needs = _unresolved(defs)
    if not needs:
        return schema
    ring = {name: _reachable(name, needs) for name in needs}
    opened = {
        name: rebuild(body, _without(name, ring)) if name in needs and name in ring[name] else body
        for name, body in defs.items()
    }
    return {**schema, "$defs": opened}


def _unresolved(defs: dict[str, Any]) -> dict[str, Needs]:
    """The definitions without a finite value, each with what it waits for."""
    needs = {name: _needs(body, frozenset(defs)) for name, body in defs.items()}
    if not _in_circles(needs):
        return {}
    left = {name: waits for name, waits in needs.items() if waits}
    while left:
        open_names = frozenset(left)
        after = {name: _needs(defs[name], open_names) for name in left}
        after = {name: waits for name, waits in after.items() if waits}
        if len(after) == len(left):
            return after
        left = after
    return left


def _in_circles(needs: dict[str, Needs]) -> bool:
    """Whether definitions need each other in a circle: told without reading any schema again."""
    left = {name: waits for name, waits in needs.items() if waits}
    while left:
        after = {name: waits for name, waits in left.items() if not waits.isdisjoint(left)}
        if len(after) == len(left):
            return True
        left = after
    return False


def _reachable(start: str, needs: dict[str, Needs]) -> set[str]:
    seen: set[str] = set()
    front = [start]
    while front:
        for name in needs.get(front.pop(), frozenset()):
            if name not in seen:
                seen.add(name)
                front.append(name)
    return seen


def _without(owner: str, ring: dict[str, set[str]]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A change for `rebuild`: takes back the requirements inside `owner` that lead back to it."""
    names = frozenset(ring)

    def leads_back(sub: Any) -> bool:
        return any(name == owner or owner in ring.get(name, ()) for name in _needs(sub, names))

    def change(node: dict[str, Any]) -> dict[str, Any]:
        properties = node.get("properties")
        if isinstance(node.get("required"), list) and isinstance(properties, dict):
            node["required"] = [name for name in node["required"] if not leads_back(properties.get(name))]
        if node.get("minItems") and leads_back(node.get("items")):
            node.pop("minItems")
        return node

    return change


def _needs(node: Any, unresolved: frozenset[str], depth: int = 0) -> Needs:
    """Which of the unresolved definitions every value of `node` must hold."""
    if not isinstance(node, dict) or depth > _MAX_DEPTH:
        return frozenset()
    found: Needs = frozenset()
    ref = node.get("$ref")
    if isinstance(ref, str) and ref.startswith(_PREFIX):
        name = ref[len(_PREFIX) :].replace("~1", "/").replace("~0", "~")
        if name in unresolved:
            found |= {name}
    for part in node.get("allOf") or []:
        found |= _needs(part, unresolved, depth + 1)
    for key in ("anyOf", "oneOf"):
        options = [_needs(option, unresolved, depth + 1) for option in node.get(key) or []]
        if options and all(options):
            found |= frozenset().union(*options)
    return found | _own_needs(node, unresolved, depth)


def _own_needs(node: dict[str, Any], unresolved: frozenset[str], depth: int) -> Needs:
    types = set(types_of(node))
    if "enum" in node or "const" in node or types - {"object", "array"}:
        return frozenset()
    found: Needs = frozenset()
    properties = node.get("properties")
    if isinstance(properties, dict) and isinstance(node.get("required"), list):
        for name in node["required"]:
            found |= _needs(properties.get(name), unresolved, depth + 1)
    if node.get("minItems"):
        found |= _needs(node.get("items"), unresolved, depth + 1)
    return found
