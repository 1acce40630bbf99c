"""A record's schema brought up to what was observed, where the vendor's document has not caught up. Pure."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

from vitesse_graph.state.health import DriftItem
from vitesse_graph.state.jsontypes import JsonSchema


def amend_schema(schema: JsonSchema, drift: Collection[DriftItem], *, side: str = "source") -> JsonSchema:
    """A copy in which fields that records no longer have are renamed or taken out, as `drift` says.

    Only `field_renamed` and `field_removed` of this side are applied; a path that the schema does not
    have is passed over. For re-mapping when a probe saw what the specification does not say.
    """
    amended = copy.deepcopy(schema)
    for item in drift:
        if item.side != side or item.kind not in ("field_renamed", "field_removed"):
            continue
        *parents, leaf = item.path.replace("[]", ".[]").split(".")
        new = (item.new_path or "").rsplit(".", 1)[-1]
        for holder in _holders(amended, amended, parents, 0):
            _change(holder, leaf, new if item.kind == "field_renamed" else None)
    return amended


def _holders(root: JsonSchema, node: Any, steps: list[str], depth: int) -> list[JsonSchema]:
    """Every part that may declare properties at the end of the steps."""
    if not isinstance(node, dict) or depth > 40:
        return []
    ref = node.get("$ref")
    parts = [node]
    if isinstance(ref, str):
        parts.append(root.get("$defs", {}).get(ref.removeprefix("#/$defs/")))
    for keyword in ("allOf", "oneOf", "anyOf"):
        parts += node.get(keyword, [])
    found: list[JsonSchema] = []
    for part in parts[1:]:
        found += _holders(root, part, steps, depth + 1)
    if not steps:
        return [node, *found]
    child = node.get("items") if steps[0] == "[]" else node.get("properties", {}).get(steps[0])
    return found + _holders(root, child, steps[1:], depth + 1)


def _change(holder: JsonSchema, leaf: str, new: str | None) -> None:
    properties = holder.get("properties")
    if isinstance(properties, dict) and leaf in properties:
        if new is None:
            del properties[leaf]
        else:
            holder["properties"] = {(new if k == leaf else k): v for k, v in properties.items()}
    required = holder.get("required")
    if isinstance(required, list) and leaf in required:
        holder["required"] = [new if name == leaf else name for name in required if new or name != leaf]
