"""A vendor's schema as self-contained JSON Schema 2020-12: references kept, only what is reachable.

Recursion stays a `$ref` into the schema's own `$defs`; nothing is inlined, so the result is as small
as what the vendor wrote, however it folds back on itself.
"""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import unquote

from vitesse_graph.specs.findings import unescape
from vitesse_graph.specs.flatten import name_of
from vitesse_graph.specs.keywords import is_linear_pattern, own_keywords
from vitesse_graph.specs.resolve import Resolver
from vitesse_graph.state.jsontypes import JsonSchema

MAX_NESTING = 80
"""Levels written out inside one schema, references not counted; deeper ones accept anything."""

_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLES = (
    "not",
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "propertyNames",
    "contains",
    "if",
    "then",
    "else",
)
_MAPS = ("properties", "dependentSchemas")
_SIBLINGS_30 = (
    "description",
    "title",
    "readOnly",
    "writeOnly",
    "deprecated",
    "nullable",
    "x-nullable",
    "default",
    "example",
)


class SchemaWriter:
    """Translates schemas of one document, each with the closure of its references.

    A definition is translated once for the whole document, whichever operation asks first.
    """

    def __init__(self, resolver: Resolver, *, has_sibling_refs: bool) -> None:
        self._resolver = resolver
        self._has_siblings = has_sibling_refs
        self._names: dict[str, str] = {}
        """Reference → its name under `$defs`."""
        self._taken: set[str] = set()
        self._definitions: dict[str, tuple[Any, frozenset[str]]] = {}
        """Reference → (translated target, references that it holds itself)."""
        self._met: set[str] = set()
        self._lock = threading.Lock()

    def write(self, node: Any) -> JsonSchema:
        """The schema of `node`; {} for what is none. Callers must not change it: parts are shared."""
        with self._lock:
            written, waiting = self._translated(node)
            definitions: dict[str, Any] = {}
            queue = list(waiting)
            while queue:
                ref = queue.pop()
                name = self._names[ref]
                if name in definitions:
                    continue
                known = self._definitions.get(ref)
                if known is None:
                    known = self._definitions[ref] = self._translated(self._resolver.target(ref))
                definitions[name] = known[0]
                queue.extend(known[1])
        if isinstance(written, bool):
            written = {} if written else {"not": {}}
        out: JsonSchema = written
        if definitions:
            out = {**out, "$defs": dict(sorted(definitions.items()))}
        return out

    def _translated(self, node: Any) -> tuple[Any, frozenset[str]]:
        self._met = set()
        written = self._schema(node, 0)
        return written, frozenset(self._met)

    def _schema(self, node: Any, depth: int) -> Any:
        if type(node) is bool:
            return node
        if type(node) is not dict:
            if node is not None:
                self._resolver.findings.add(
                    "odd_schema", f"a schema is a {type(node).__name__}; taken for anything"
                )
            return {}
        if depth > MAX_NESTING:
            self._resolver.findings.add(
                "deep_schema", f"a schema nests deeper than {MAX_NESTING} levels; cut there"
            )
            return {}
        if type(node.get("$ref")) is str:
            return self._reference(node, depth)
        return self._object(node, depth)

    def _reference(self, node: dict[str, Any], depth: int) -> Any:
        ref: str = node["$ref"]
        try:
            self._resolver.target(ref)
        except LookupError:
            self._resolver.deref(node)  # keeps the warning
            return {}
        name = self._names.get(ref)
        if name is None:
            name = self._names[ref] = self._free_name(ref)
            self._taken.add(name)
        self._met.add(ref)
        out: dict[str, Any] = {"$ref": f"#/$defs/{name}"}
        siblings = {
            k: v for k, v in node.items() if k != "$ref" and (self._has_siblings or k in _SIBLINGS_30)
        }
        if siblings:
            extra = self._object(siblings, depth + 1)
            if node.get("nullable") is True or node.get("x-nullable") is True:
                extra.pop("anyOf", None)
                return {**extra, "anyOf": [out, {"type": "null"}]}
            out = {**extra, **out}
        return out

    def _free_name(self, ref: str) -> str:
        last = unescape(unquote(ref.rsplit("/", 1)[-1]))
        base = "".join(c if c.isalnum() or c in "._-" else "_" for c in last) or "schema"
        name, n = base, 2
        while name in self._taken:
            name, n = f"{base}_{n}", n + 1
        return name

    def _object(self, node: dict[str, Any], depth: int) -> dict[str, Any]:
        out = own_keywords(node, self._resolver.findings)
        for key in _MAPS:
            children = self._resolver.mapping(node.get(key)) if key in node else {}
            if children:
                out[key] = {name_of(name): self._schema(child, depth + 1) for name, child in children.items()}
        patterns = node.get("patternProperties")
        if type(patterns) is dict:
            out["patternProperties"] = {
                p: self._schema(child, depth + 1)
                for p, child in patterns.items()
                if is_linear_pattern(str(p))
            }
        for key in _LISTS:
            children_list = node.get(key)
            if type(children_list) is list and children_list:
                out[key] = [self._schema(child, depth + 1) for child in children_list]
        for key in _SINGLES:
            if type(node.get(key)) in (dict, bool):
                out[key] = self._schema(node[key], depth + 1)
        items = node.get("items")
        if type(items) is list:
            out["prefixItems"] = [self._schema(child, depth + 1) for child in items]
        elif type(items) in (dict, bool):
            out["items"] = self._schema(items, depth + 1)
        self._file_away_null(out)
        return out

    def _file_away_null(self, out: dict[str, Any]) -> None:
        """`nullable` on a schema without a type: one of its alternatives becomes null."""
        if not out.pop("nullable", False):
            return
        for key in ("anyOf", "oneOf"):
            if key in out:
                if {"type": "null"} not in out[key]:
                    out[key] = [*out[key], {"type": "null"}]
                return
        if "allOf" in out:
            out["anyOf"] = [{"allOf": out.pop("allOf")}, {"type": "null"}]
