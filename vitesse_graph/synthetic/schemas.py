"""Walking JSON Schema safely: which keywords hold schemas, following `$ref`, merging `allOf`.

A property may be called `required`, `items` or `$ref`; only positions where the specification
expects a schema are ever read as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from vitesse_graph.state.jsontypes import JsonSchema

Direction = Literal["request", "response", "any"]

_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_ONES = (
    "items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames",
    "unevaluatedItems", "unevaluatedProperties", "additionalItems",
)  # fmt: skip
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAX_MERGE_DEPTH = 24


def rebuild(schema: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """A copy of `schema` in which `change` was applied to every sub-schema, the innermost first."""
    if not isinstance(schema, dict):
        return schema
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _MAPS and isinstance(value, dict):
            out[key] = {name: rebuild(sub, change) for name, sub in value.items()}
        elif key in _ONES:
            out[key] = rebuild(value, change)
        elif key in _LISTS and isinstance(value, list):
            out[key] = [rebuild(sub, change) for sub in value]
        else:
            out[key] = value
    return change(out)


def resolve(schema: JsonSchema, root: JsonSchema) -> JsonSchema:
    """The schema behind `$ref` (siblings kept beside it); `{}` where the reference dangles."""
    seen: set[str] = set()
    while isinstance(ref := schema.get("$ref"), str):
        if ref in seen:
            return {}
        seen.add(ref)
        target = pointed_at(ref, root)
        siblings = {key: value for key, value in schema.items() if key != "$ref"}
        schema = merge(target, siblings) if siblings else target
    return schema


def pointed_at(ref: str, root: JsonSchema) -> JsonSchema:
    """What `#/$defs/name` (or any local JSON pointer) points to; `{}` when nothing is there."""
    node: Any = root
    if not ref.startswith("#"):
        return {}
    for step in ref[1:].split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, Mapping) or name not in node:
            return {}
        node = node[name]
    return node if isinstance(node, dict) else {}


def flatten(schema: Any, root: JsonSchema, depth: int = 0) -> JsonSchema:
    """`$ref` followed and `allOf` merged at this level; children are left as they are."""
    if not isinstance(schema, dict):
        return {}
    if depth > _MAX_MERGE_DEPTH:
        return {}
    whole: JsonSchema = resolve(schema, root)
    parts = whole.get("allOf")
    if not isinstance(parts, list):
        return whole
    merged: JsonSchema = {key: value for key, value in whole.items() if key != "allOf"}
    for part in parts:
        merged = merge(merged, flatten(part, root, depth + 1))
    return merged


def types_of(schema: JsonSchema) -> list[str]:
    """The JSON types a schema names or implies; [] when it says nothing."""
    declared = schema.get("type")
    if isinstance(declared, str):
        return [declared]
    if isinstance(declared, list):
        return [str(name) for name in declared]
    if "properties" in schema or ("additionalProperties" in schema and "items" not in schema):
        return ["object"]
    if "items" in schema:
        return ["array"]
    return []


def merge(left: JsonSchema, right: JsonSchema) -> JsonSchema:
    """One schema that demands both (as `allOf` does), as far as generation and naming need it."""
    out = dict(left)
    for key, value in right.items():
        have = out.get(key)
        if key not in out or have is None:
            out[key] = value
        else:
            out[key] = _MERGERS.get(key, _keep_left)(have, value)
    return out


def _keep_left(have: Any, _: Any) -> Any:
    return have


def _merge_properties(have: Any, more: Any) -> Any:
    out = dict(have)
    for name, sub in more.items():
        out[name] = {"allOf": [out[name], sub]} if name in out and out[name] != sub else sub
    return out


def _merge_required(have: Any, more: Any) -> Any:
    return list(dict.fromkeys([*have, *more]))


def _merge_type(have: Any, more: Any) -> Any:
    mine = [have] if isinstance(have, str) else list(have)
    theirs = [more] if isinstance(more, str) else list(more)
    both = [
        name
        for name in (*mine, *theirs)
        if (name in mine or (name == "integer" and "number" in mine))
        and (name in theirs or (name == "integer" and "number" in theirs))
    ]
    both = list(dict.fromkeys(both)) or mine
    return both[0] if len(both) == 1 else both


def _merge_enum(have: Any, more: Any) -> Any:
    return [value for value in have if value in more] or have


def _merge_additional(have: Any, more: Any) -> Any:
    if have is False or more is False:
        return False
    return more if have is True else have


def _merge_items(have: Any, more: Any) -> Any:
    return have if have == more else {"allOf": [have, more]}


_MERGERS: dict[str, Callable[[Any, Any], Any]] = {
    "properties": _merge_properties,
    "$defs": _merge_properties,
    "required": _merge_required,
    "type": _merge_type,
    "enum": _merge_enum,
    "additionalProperties": _merge_additional,
    "items": _merge_items,
    "minimum": max,
    "exclusiveMinimum": max,
    "minLength": max,
    "minItems": max,
    "maximum": min,
    "exclusiveMaximum": min,
    "maxLength": min,
    "maxItems": min,
}


def branches(schema: JsonSchema) -> list[Any]:
    """The alternatives of `oneOf`/`anyOf`; [] when there are none."""
    for key in ("oneOf", "anyOf"):
        found = schema.get(key)
        if isinstance(found, list) and found:
            return found
    return []


def properties_of(schema: Any, root: JsonSchema, depth: int = 0) -> dict[str, Any]:
    """All properties an object of this schema may have, through `$ref`, `allOf` and alternatives."""
    flat = flatten(schema, root)
    found: dict[str, Any] = {}
    if depth < 4:
        for branch in branches(flat):
            found.update(properties_of(branch, root, depth + 1))
    own = flat.get("properties")
    if isinstance(own, dict):
        found.update(own)
    return found


def items_of(schema: Any, root: JsonSchema) -> JsonSchema | None:
    """The schema of an array's elements, or None when the schema is not an array."""
    flat = flatten(schema, root)
    if "array" not in types_of(flat):
        for branch in branches(flat):
            inner = items_of(branch, root)
            if inner is not None:
                return inner
        return None
    items = flat.get("items")
    return items if isinstance(items, dict) else {}


def at_path(schema: Any, path: str, root: JsonSchema) -> JsonSchema | None:
    """The sub-schema at `a.b[].c` (`""`: the schema itself); None when the path leads nowhere."""
    node: Any = schema
    for name, arrays in steps(path):
        if name:
            found = properties_of(node, root)
            if name not in found:
                return None
            node = found[name]
        for _ in range(arrays):
            node = items_of(node, root)
            if node is None:
                return None
    return node if isinstance(node, dict) else {}


def steps(path: str) -> Iterator[tuple[str, int]]:
    """`a.b[][].c` as (`a`, 0), (`b`, 2), (`c`, 0); `[0]` counts as `[]`."""
    if not path:
        return
    for part in path.split("."):
        name, _, rest = part.partition("[")
        yield name, rest.count("]")
