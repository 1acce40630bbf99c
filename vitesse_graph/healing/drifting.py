"""Changes a specification the way vendors do, so that healing can be tried before it is needed. Pure.

Works on the raw OpenAPI 3 or Swagger 2 document: the property is looked up through the operation that
uses it, followed through `$ref` and `allOf`, and changed where it is declared, so that whatever else
uses that schema changes too, as it would in truth. The document given is left alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from vitesse_graph.errors import InputError
from vitesse_graph.healing.impact import Side

ChangeKind = Literal[
    "rename", "drop", "retype", "require", "add", "grow_enum", "shrink_enum", "format", "move", "version"
]

Json = dict[str, Any]
_MAX_REFS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change. `field` is a path in ONE record (source) or in the whole body (dest).

    `to`: the new name (rename), type (retype), format (format), enum value (grow_enum), path (move)
    or version (version). `add` and `require` on a field that is not there add it, as a text.
    """

    kind: ChangeKind
    side: Side
    field: str = ""
    to: str = ""


def drift_document(document: Json, change: Change, *, key: str, items_at: str = "") -> Json:
    """A copy of the document with the change made. `key` is the operation, `items_at` where its records lie.

    Raises InputError when the operation or the field cannot be found.
    """
    changed = copy.deepcopy(document)
    if change.kind == "version":
        changed["info"]["version"] = change.to
        return changed
    method, _, path = key.partition(" ")
    operation = changed.get("paths", {}).get(path, {}).get(method.lower())
    if not isinstance(operation, dict):
        raise InputError(f"the document has no operation {key}")
    if change.kind == "move":
        _move(changed, path, change.to)
        return changed
    root = _record_schema(changed, operation, change.side, items_at)
    *parents, leaf = change.field.replace("[]", ".[]").split(".")
    holders = list(_descend(changed, root, parents))
    _change_leaf(changed, holders, leaf, change)
    return changed


def _move(document: Json, path: str, to: str) -> None:
    """The path and those below it (`/x/{id}`) live under another name; order is kept."""
    below = f"{path}/"
    document["paths"] = {
        (to + name[len(path) :] if name == path or name.startswith(below) else name): item
        for name, item in document["paths"].items()
    }


def _deref(document: Json, node: Any) -> Json:
    for _ in range(_MAX_REFS):
        if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
            break
        target: Any = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step.replace("~1", "/").replace("~0", "~")]
        node = target
    return node if isinstance(node, dict) else {}


def _record_schema(document: Json, operation: Json, side: Side, items_at: str) -> Json:
    if side == "dest":
        return _request_schema(document, operation)
    for status, response in operation.get("responses", {}).items():
        if not str(status).startswith("2"):
            continue
        node = _deref(document, response)
        schema = node.get("schema") or _json_schema(node.get("content", {}))
        if schema is None:
            continue
        steps = [*filter(None, items_at.split(".")), "[]"]
        found = next(_descend(document, schema, steps), None)
        if found is not None:
            return found
    raise InputError("the operation declares no records where they should lie")


def _request_schema(document: Json, operation: Json) -> Json:
    body = _deref(document, operation.get("requestBody"))
    schema = _json_schema(body.get("content", {}))
    if schema is None:
        parameters = [_deref(document, parameter) for parameter in operation.get("parameters", [])]
        schema = next((p["schema"] for p in parameters if p.get("in") == "body"), None)
    if schema is None:
        raise InputError("the operation declares no request body")
    return _deref(document, schema)


def _json_schema(content: Json) -> Json | None:
    for name, media in content.items():
        if "json" in name or "form" in name:
            schema: Json | None = media.get("schema")
            return schema
    return None


def _parts(document: Json, node: Any) -> Iterator[Json]:
    """The node and everything it is put together from."""
    real = _deref(document, node)
    yield real
    for keyword in ("allOf", "oneOf", "anyOf"):
        for part in real.get(keyword, ()):
            yield from _parts(document, part)


def _descend(document: Json, node: Any, steps: list[str]) -> Iterator[Json]:
    """Every node at the end of the steps."""
    if not steps:
        yield _deref(document, node)
        return
    for part in _parts(document, node):
        child = part.get("items") if steps[0] == "[]" else part.get("properties", {}).get(steps[0])
        if child is not None:
            yield from _descend(document, child, steps[1:])


def _change_leaf(document: Json, holders: list[Json], leaf: str, change: Change) -> None:
    parts = [part for holder in holders for part in _parts(document, holder)]
    declaring = [part for part in parts if leaf in part.get("properties", {})]
    if not declaring and change.kind in ("add", "require") and parts:
        holder = next((part for part in parts if part.get("properties")), parts[0])
        holder.setdefault("properties", {})[leaf] = {"type": "string", "description": f"The {leaf}."}
        declaring = [holder]
    if not declaring:
        raise InputError(f"the document has no field {change.field}")
    seen: set[int] = set()
    for part in parts:
        if id(part) not in seen:
            seen.add(id(part))
            _change_demand(part, leaf, change)
    for part in {id(part): part for part in declaring}.values():
        _change_property(document, part, leaf, change)
    if change.kind == "require":
        required = declaring[0].setdefault("required", [])
        if leaf not in required:
            required.append(leaf)


def _change_demand(part: Json, leaf: str, change: Change) -> None:
    """`required` follows a rename and forgets what was dropped."""
    required = part.get("required")
    if not isinstance(required, list) or leaf not in required:
        return
    if change.kind == "rename":
        part["required"] = [change.to if name == leaf else name for name in required]
    elif change.kind == "drop":
        part["required"] = [name for name in required if name != leaf]


def _change_property(document: Json, part: Json, leaf: str, change: Change) -> None:
    properties = part["properties"]
    if change.kind == "rename":
        part["properties"] = {
            change.to if name == leaf else name: value for name, value in properties.items()
        }
    elif change.kind == "drop":
        del properties[leaf]
    elif change.kind in ("retype", "format", "grow_enum", "shrink_enum"):
        # a copy: a schema that many fields share must not change for all of them
        beside = {name: value for name, value in properties[leaf].items() if name != "$ref"}
        schema = properties[leaf] = copy.deepcopy({**_deref(document, properties[leaf]), **beside})
        _change_value(schema, change)


_BOUNDS = (
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "multipleOf",
    "example",
    "examples",
    "default",
    "items",
    "anyOf",
    "oneOf",
    "allOf",
)


def _change_value(schema: Json, change: Change) -> None:
    if change.kind == "retype":
        for name in _BOUNDS:
            schema.pop(name, None)
        schema["type"] = change.to
        if change.to == "array":
            schema["items"] = {"type": "string"}
    elif change.kind == "format":
        schema["format"] = change.to
        schema.pop("pattern", None)
    elif change.kind == "grow_enum":
        schema["enum"] = [*schema.get("enum", []), change.to]
    elif change.kind == "shrink_enum":
        schema["enum"] = schema.get("enum", [change.to, "other"])[:-1]
