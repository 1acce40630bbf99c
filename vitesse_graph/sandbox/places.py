"""Where in a body the record lies: `data`, `customer`, `Contacts[]`, `` for the body itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.synthetic.schemas import flatten, items_of, properties_of, steps, types_of

_LEAST_SCORE = 0.35
_ID_NAMES = ("id", "gid", "sid", "uid", "uuid", "guid", "key", "_id", "code", "slug", "name")


def read_path(value: Any, path: str) -> Any:
    """The value at `a.b`, None where it is missing; `[]` reads the first element."""
    for name, arrays in steps(path):
        if name:
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        for _ in range(arrays):
            if not isinstance(value, list) or not value:
                return None
            value = value[0]
    return value


def write_path(value: Any, path: str, new: Any) -> Any:
    """Puts `new` at `path`, making objects (and one-element arrays) on the way; returns the root."""
    if not path:
        return new
    root = value if isinstance(value, dict | list) else {}
    node: Any = root
    trail: list[str | int] = []
    for name, arrays in steps(path):
        if name:
            trail.append(name)
        trail += [0] * arrays
    for step, following in zip(trail, [*trail[1:], None], strict=True):
        last = following is None
        empty: Any = new if last else [] if isinstance(following, int) else {}
        if isinstance(step, int):
            if not isinstance(node, list):
                return root
            if not node:
                node.append(empty)
            elif last or not isinstance(node[0], type(empty)):
                node[0] = empty
            node = node[0]
        else:
            if not isinstance(node, dict):
                return root
            if last or not isinstance(node.get(step), type(empty)):
                node[step] = empty
            node = node[step]
    return root


def locate_record(schema: JsonSchema, names: Iterable[str]) -> str | None:
    """The place in a body of this schema that resembles a record with these fields, or None."""
    wanted = set(names)
    if not wanted:
        return None
    best: tuple[float, str] | None = None
    for path, properties in _objects(schema, schema, "", 0):
        common = len(wanted & set(properties))
        if not common:
            continue
        score = (
            common / len(properties) + common / len(wanted) + (0.15 if not path else -0.05 * path.count("."))
        )
        if best is None or score > best[0]:
            best = (score, path)
    return best[1] if best is not None and best[0] >= _LEAST_SCORE else None


def _objects(schema: Any, root: JsonSchema, path: str, depth: int) -> Iterable[tuple[str, dict[str, Any]]]:
    properties = properties_of(schema, root)
    if properties:
        yield path, properties
    if depth >= 2:
        return
    items = items_of(schema, root)
    if items is not None and path == "":
        yield from _objects(items, root, "[]", depth + 1)
    for name, sub in properties.items():
        inner = f"{path}.{name}" if path else name
        element = items_of(sub, root)
        if element is not None:
            found = properties_of(element, root)
            if found:
                yield f"{inner}[]", found
        elif isinstance(sub, dict) and "object" in (types_of(flatten(sub, root)) or ["object"]):
            yield from _objects(sub, root, inner, depth + 1)


def locate_items(schema: JsonSchema) -> str | None:
    """The array of records in a list's answer: the widest array of objects, the shallowest first; None without one."""
    if items_of(schema, schema) is not None:
        return ""
    best: tuple[float, str] | None = None
    level: list[tuple[str, Any]] = [("", schema)]
    for depth in range(3):
        following: list[tuple[str, Any]] = []
        for path, node in level:
            for name, sub in properties_of(node, schema).items():
                inner = f"{path}.{name}" if path else name
                element = items_of(sub, schema)
                if element is None:
                    following.append((inner, sub))
                    continue
                score = (
                    len(properties_of(element, schema)) - 100 * depth - (50 if "error" in name.lower() else 0)
                )
                if best is None or score > best[0]:
                    best = (score, inner)
        level = following
    return best[1] if best is not None else None


def guess_id(properties: dict[str, Any], resource: str, parameter: str | None) -> str | None:
    """The field that identifies a record: by the item path's parameter, the resource's name, custom."""
    plain = {name.replace("_", "").replace("-", "").lower(): name for name in reversed(list(properties))}
    noun = resource.replace(" ", "").replace("_", "").lower()
    parameter_plain = (parameter or "").replace("_", "").replace("-", "").lower()
    if "id" in plain:
        return plain["id"]
    for candidate in (parameter_plain, f"{noun}id", f"{noun}sid", f"{noun}gid", *_ID_NAMES[1:7]):
        if candidate and candidate in plain:
            return plain[candidate]
    for suffix in ("id", "sid", "gid", "uuid", "number"):
        for name, original in plain.items():
            if name.endswith(suffix) and (
                noun.endswith(name[: -len(suffix)]) or name[: -len(suffix)] in noun
            ):
                return original
    for candidate in _ID_NAMES[7:]:
        if candidate in plain and parameter_plain and candidate in parameter_plain:
            return plain[candidate]
    for name, original in plain.items():
        if name.endswith("id") and "string" in (types_of(properties[original]) or ["string"]):
            return original
    return None
