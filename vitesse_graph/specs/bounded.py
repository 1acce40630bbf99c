"""A record's schema written out: references inlined, four object levels deep, bounded in size.

What the mapper reads. Recursion and cuts become `{"type": "object"}`; a reference that is returned as
an id unless expanded keeps the id and a bare object. `compact_schema` prunes further.
"""

from __future__ import annotations

from typing import Any

import orjson

from vitesse_graph.specs.flatten import Flattener
from vitesse_graph.specs.keywords import own_keywords
from vitesse_graph.state.jsontypes import JsonSchema

OBJECT_LEVELS = 4
MAX_NODES = 6_000
"""Schema nodes in one record; with more, one level less is written out."""

_MAX_EXAMPLE_BYTES = 300
_ID_NAMES = ("id", "gid", "sid", "uuid", "key")


class _TooMany(Exception):
    """The record grew beyond MAX_NODES at this depth."""


class BoundedWriter:
    def __init__(self, flattener: Flattener) -> None:
        self._flattener = flattener
        self._left = 0

    def write(self, node: Any, levels: int = OBJECT_LEVELS) -> JsonSchema:
        """The schema of `node`, as many object levels deep as fit (`levels` at most, at least one)."""
        for depth in range(levels, 0, -1):
            self._left = MAX_NODES if depth > 1 else 1_000_000
            try:
                return self._node(node, depth, ())
            except _TooMany:
                continue
        return {"type": "object"}

    def _node(self, node: Any, levels: int, stack: tuple[int, ...]) -> JsonSchema:
        self._left -= 1
        if self._left < 0:
            raise _TooMany
        flat = self._flattener.flat(node)
        out = own_keywords(flat, self._flattener.resolver.findings)
        nullable = out.pop("nullable", False)
        if "examples" in out and len(_dump(out["examples"])) > _MAX_EXAMPLE_BYTES:
            del out["examples"]
        identity = self._flattener.identity(node)
        if identity in stack or len(stack) > 24:
            return {"type": out.get("type", "object")}
        inner = (*stack, identity)
        choices = self._flattener.choices(node)
        if choices:
            out["anyOf"] = self._choices(choices, levels, inner)
            if nullable:
                out["anyOf"].append({"type": "null"})
        properties = self._flattener.properties(node)
        if properties:
            self._object(out, flat, properties, levels, inner)
        if type(flat.get("items")) is dict:
            out.setdefault("type", "array")
            out["items"] = self._node(flat["items"], levels, inner)
        extra = flat.get("additionalProperties")
        if type(extra) is bool:
            out["additionalProperties"] = extra
        elif type(extra) is dict and extra and levels > 1:
            out["additionalProperties"] = self._node(extra, levels - 1, inner)
        if nullable and "type" in out and "anyOf" not in out:
            names = out["type"] if isinstance(out["type"], list) else [out["type"]]
            out["type"] = [*names, "null"]
        return out

    def _object(
        self,
        out: JsonSchema,
        flat: dict[str, Any],
        properties: dict[str, Any],
        levels: int,
        stack: tuple[int, ...],
    ) -> None:
        out.setdefault("type", "object")
        if levels < 1:
            out.pop("required", None)
            return
        out["properties"] = {
            str(name): self._node(child, levels - 1, stack) for name, child in properties.items()
        }
        # `required: true` at the property itself: a habit from before JSON Schema's fourth draft.
        own = [
            name
            for name, child in properties.items()
            if type(child) is dict and child.get("required") is True
        ]
        if own:
            out["required"] = list(dict.fromkeys([*out.get("required", []), *own]))
        if "required" in out:
            out["required"] = [name for name in out["required"] if name in properties]
            if not out["required"]:
                del out["required"]

    def _choices(self, choices: list[Any], levels: int, stack: tuple[int, ...]) -> list[JsonSchema]:
        kinds = [self._flattener.type_of(choice) for choice in choices]
        has_text = "string" in kinds
        written: list[JsonSchema] = []
        for choice, kind in zip(choices, kinds, strict=True):
            if has_text and kind == "object" and "$ref" in choice and self._is_referable(choice):
                item: JsonSchema = {"type": "object"}
            else:
                item = self._node(choice, levels, stack)
            if item not in written:
                written.append(item)
        return written

    def _is_referable(self, choice: Any) -> bool:
        """Another record (a schema of its own, with an id) offered beside a string: the string is its id."""
        names = self._flattener.properties(choice)
        return any(name in names for name in _ID_NAMES)


def _dump(value: Any) -> bytes:
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)
