"""Required destination fields that no row of the mapping feeds: known before any call is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vitesse_graph.guardian.paths import plain
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.synthetic.schemas import branches, flatten, items_of, types_of

_MAX_DEPTH = 12


def unfed_required(schema: JsonSchema, mapping: MappingLogic) -> list[str]:
    """Paths of required fields (through required or fed parents) that nothing fills, in the schema's order.

    `readOnly` fields are not demanded. Where alternatives (`oneOf`, `anyOf`) demand different
    fields, the one that lacks the least counts.
    """
    fed = {plain(row.dest_field) for row in mapping.transformations}
    return list(dict.fromkeys(_missing(schema, schema, "", fed, 0)))


def _is_fed(path: str, fed: Iterable[str]) -> bool:
    wanted = plain(path)
    return any(
        field == wanted or field.startswith((f"{wanted}.", f"{wanted}[]")) or _covers(field, wanted)
        for field in fed
    )


def _covers(field: str, wanted: str) -> bool:
    """A row that fills a whole object fills what lies in it."""
    return bool(field) and wanted.startswith((f"{field}.", f"{field}[]"))


def _missing(schema: Any, root: JsonSchema, path: str, fed: set[str], depth: int) -> list[str]:
    if depth > _MAX_DEPTH:
        return []
    flat = flatten(schema, root)
    found: list[str] = []
    options = [option for option in branches(flat) if types_of(flatten(option, root)) != ["null"]]
    if options:
        lists = [_missing(option, root, path, fed, depth + 1) for option in options]
        found += min(lists, key=lambda missing: len(list(missing)))
    properties: dict[str, Any] = flat.get("properties") or {}
    required = flat.get("required") or []
    for name in dict.fromkeys([*required, *properties]):
        sub = properties.get(name, {})
        inner = f"{path}.{name}" if path else name
        if isinstance(sub, dict) and flatten(sub, root).get("readOnly"):
            continue
        if not _is_fed(inner, fed):
            if name in required:
                found.append(inner)
        elif plain(inner) not in fed:
            found += _missing(sub, root, inner, fed, depth + 1)
    element = items_of(flat, root)
    if element is not None:
        found += _missing(element, root, f"{path}[]", fed, depth + 1)
    return found
