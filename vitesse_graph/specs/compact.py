"""Pruning a bounded schema until it fits on the whiteboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from vitesse_graph.state.jsontypes import JsonSchema


@dataclass(frozen=True)
class _Measure:
    """How much one pass leaves standing."""

    characters: int
    """of a description or title"""
    levels: int
    """of objects"""
    examples: bool
    enum_values: int
    """An enum longer than this is left out whole: cut short it would refuse what is allowed."""


_PASSES = (
    _Measure(400, 9, True, 200),
    _Measure(200, 9, False, 100),
    _Measure(100, 9, False, 60),
    _Measure(100, 4, False, 50),
    _Measure(50, 4, False, 50),
    _Measure(100, 3, False, 50),
    _Measure(50, 3, False, 30),
    _Measure(0, 3, False, 30),
    _Measure(100, 2, False, 30),
    _Measure(50, 2, False, 20),
    _Measure(0, 2, False, 20),
    _Measure(0, 1, False, 10),
)


def compact_schema(schema: JsonSchema, max_bytes: int) -> JsonSchema:
    """`schema`, pruned until its JSON takes at most `max_bytes`; itself when it fits already.

    In this order, each only as far as needed: examples, long descriptions, long enums, objects
    below the third and second level, all descriptions, and at last optional properties from the
    end. Names and types of the first level survive longest, required ones always.
    """
    if _size(schema) <= max_bytes:
        return schema
    pruned = schema
    for measure in _PASSES:
        pruned = dict(_prune(schema, measure, measure.levels))
        if _size(pruned) <= max_bytes:
            return pruned
    return _drop_optional(pruned, max_bytes)


def _size(value: Any) -> int:
    return len(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS))


def _prune(node: Any, measure: _Measure, levels: int) -> Any:
    if not isinstance(node, dict):
        return node
    out: dict[str, Any] = {}
    for key, value in node.items():
        if key in ("properties", "$defs"):
            if levels > 0:
                out[key] = {name: _prune(child, measure, levels - 1) for name, child in value.items()}
        elif isinstance(value, list) and key in ("anyOf", "oneOf", "allOf", "prefixItems"):
            out[key] = [_prune(child, measure, levels) for child in value]
        elif key in ("items", "additionalProperties", "not"):
            out[key] = _prune(value, measure, levels)
        elif _stays(key, value, measure, levels):
            out[key] = _shorten(value, measure.characters) if key in ("description", "title") else value
    return out


def _stays(key: str, value: Any, measure: _Measure, levels: int) -> bool:
    if key in ("description", "title"):
        return measure.characters > 0
    if key in ("examples", "example"):
        return measure.examples
    if key == "enum":
        return len(value) <= measure.enum_values
    return key != "required" or levels > 0


def _shorten(text: Any, characters: int) -> Any:
    if not isinstance(text, str) or len(text) <= characters:
        return text
    return text[: characters - 1].rstrip() + "…"


def _drop_optional(schema: JsonSchema, max_bytes: int) -> JsonSchema:
    """Without the last optional properties of the record (which may lie inside an array)."""
    out = dict(schema)
    record = out
    while "properties" not in record and isinstance(record.get("items"), dict):
        record["items"] = dict(record["items"])
        record = record["items"]
    properties = dict(record.get("properties") or {})
    record["properties"] = properties
    required = set(record.get("required") or [])
    size = _size(out)
    for name in reversed(list(properties)):
        if size <= max_bytes:
            break
        if name not in required:
            size -= _size({name: properties.pop(name)}) - 1
    return out
