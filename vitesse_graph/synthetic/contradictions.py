"""Rules of one schema that no value keeps at once, as vendors publish them, and which of them goes.

Each is a slip of the pen with one plain reading: a `uuid` of 24 letters is an id of 24 letters; a
pattern written as in JavaScript (`/^a$/`) or escaped once too often is meant without that; an array
whose `enum` lists texts means its elements; an object of several forms (`anyOf`) that forbids all
fields but its own, of which it names none, means those of its forms; a field that is required and not
listed is one more field.
"""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs

from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.synthetic.meaning import example_of
from vitesse_graph.synthetic.schemas import branches, flatten, types_of

# Format → (shortest, longest) text of it.
_LENGTHS = {
    "uuid": (36, 36), "date": (10, 10), "date-time": (20, 40), "time": (9, 30), "ipv4": (7, 15), "email": (3, 320),
}  # fmt: skip
_QUOTED = re.compile(r"/(\^.*\$)/[gimsuy]*", re.DOTALL)
_OF: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,),
    "object": (dict,), "null": (type(None),),
}  # fmt: skip


def without_contradictions(node: JsonSchema, root: JsonSchema) -> None:
    """Takes the rule that goes out of `node`, in place."""
    # Asked of every node of every schema: first whether there is anything to look at.
    if "format" in node and ("minLength" in node or "maxLength" in node):
        _length(node)
    if "pattern" in node:
        _pattern(node)
    if "enum" in node:
        _enum(node)
    if node.get("additionalProperties") is False and not node.get("patternProperties"):
        _closed(node, root)


def _closed(node: JsonSchema, root: JsonSchema) -> None:
    own, required = node.get("properties"), node.get("required")
    if not own:
        forms = [flatten(branch, root) for branch in branches(node)]
        if any(form.get("properties") for form in forms):
            node.pop("additionalProperties")
    elif isinstance(required, list) and isinstance(own, dict):
        unlisted = [name for name in required if isinstance(name, str) and name not in own]
        node["properties"] = {**own, **dict.fromkeys(unlisted, True)} if unlisted else own


def _length(node: JsonSchema) -> None:
    shortest, longest = _LENGTHS.get(str(node.get("format")), (0, 1 << 40))
    low, high = node.get("minLength"), node.get("maxLength")
    if (isinstance(low, int) and low > longest) or (isinstance(high, int) and high < shortest):
        node.pop("format")


def _pattern(node: JsonSchema) -> None:
    pattern = node.get("pattern")
    if not isinstance(pattern, str):
        return
    quoted = _QUOTED.fullmatch(pattern)
    if quoted:
        node["pattern"] = pattern = quoted[1]
    example = example_of(node)
    once = pattern.replace("\\\\", "\\")
    if isinstance(example, str) and once != pattern and _fits(once, example) and not _fits(pattern, example):
        node["pattern"] = once


def _fits(pattern: str, text: str) -> bool:
    # Never run by Python's own engine: a hostile expression would hang it.
    try:
        return bool(jsonschema_rs.Draft202012Validator({"pattern": pattern}).is_valid(text))
    except ValueError:
        return False


def _enum(node: JsonSchema) -> None:
    options, kinds = node.get("enum"), types_of(node)
    if not isinstance(options, list) or not options or not kinds:
        return
    allowed = tuple(kind for name in kinds for kind in _OF.get(name, (object,)))
    if any(isinstance(option, allowed) for option in options):
        return
    node.pop("enum")
    if "array" in kinds and _has_no_own_enum(node.get("items")):
        node["items"] = {**(node.get("items") or {}), "enum": options}


def _has_no_own_enum(items: Any) -> bool:
    return items is None or (isinstance(items, dict) and not {"enum", "$ref", "allOf"} & items.keys())
