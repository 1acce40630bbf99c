"""A schema with its `$ref`s and `allOf`s folded into one level: the view that detection works on.

One level only: properties keep pointing into the raw document. Answers are remembered by node, so
an `allOf` diamond costs each node once.
"""

from __future__ import annotations

import json
from typing import Any

from vitesse_graph.specs.resolve import Resolver

_NULL_WORDS = frozenset({"type", "nullable", "description", "title"})
_EMPTY: dict[str, Any] = {}
_TYPES = frozenset({"string", "integer", "number", "boolean", "object", "array", "null"})


def name_of(key: Any) -> str:
    """A key as the name that was meant: YAML reads `1:`, `true:` and `null:` as something else."""
    return key if type(key) is str else json.dumps(key, default=str)


def _is_null(choice: dict[str, Any]) -> bool:
    """`{type: "null"}`, or what stands for it before OpenAPI 3.1: `{type: object, nullable: true}` and no more."""
    kind = choice.get("type")
    if kind == "null" or kind == ["null"] or choice.get("enum") == [None]:
        return True
    return choice.get("nullable") is True and kind in (None, "object") and set(choice) <= _NULL_WORDS


class Flattener:
    """Folds schema nodes of one document. Results must not be changed by callers."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self._known: dict[int, dict[str, Any]] = {}
        self._named: dict[int, dict[str, Any]] = {}

    def flat(self, node: Any) -> dict[str, Any]:
        """`properties` and `required` merged over references and allOf; the outermost wins elsewhere.

        A choice of one, or of one and null, is folded in as well.
        """
        if type(node) is not dict:
            return _EMPTY
        known = self._known.get(id(node))
        if known is None:
            if len(node) == 1 and type(node.get("$ref")) is str:
                known = self.flat(self.resolver.deref(node))  # one view for all who refer to it
            elif "$ref" not in node and "allOf" not in node and "anyOf" not in node and "oneOf" not in node:
                known = node  # by far the most: nothing to fold
            else:
                known = self._fold(node)
            self._known[id(node)] = known
        return known

    def _fold(self, node: dict[str, Any]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        properties: dict[str, Any] = {}
        required: list[str] = []
        seen: set[int] = set()
        waiting = [node]
        while waiting:
            part = waiting.pop()
            if type(part) is not dict or id(part) in seen:
                continue
            seen.add(id(part))
            if type(part.get("$ref")) is str:
                for key, value in part.items():
                    if key != "$ref" and key not in ("properties", "required", "allOf"):
                        out.setdefault(key, value)
                waiting.append(self.resolver.deref(part))
                continue
            self._take(part, out, properties, required)
            inner = part.get("allOf")
            if type(inner) is list:
                waiting.extend(reversed(inner))
            only = self._only_choice(part)
            if only is not None:
                waiting.append(only[0])
                if only[1]:
                    out["nullable"] = True
        if properties:
            out["properties"] = properties
        if required:
            out["required"] = required
        return out

    def _take(
        self, part: dict[str, Any], out: dict[str, Any], properties: dict[str, Any], required: list[str]
    ) -> None:
        lone = self._only_choice(part) is not None
        for key, value in part.items():
            if key == "properties":
                for name, child in self.resolver.mapping(value).items():
                    known = properties.setdefault(name, child)
                    if known is not child and child:
                        properties[name] = {"allOf": [known, child]}  # both parts say something of it
            elif key == "required":
                if type(value) is list:
                    required.extend(name for name in value if type(name) is str and name not in required)
            elif key != "allOf" and not (lone and key in ("anyOf", "oneOf")):
                out.setdefault(key, value)

    def _only_choice(self, part: dict[str, Any]) -> tuple[Any, bool] | None:
        """(the one alternative, whether null is the other) of a choice that is none."""
        for key in ("anyOf", "oneOf"):
            choice = part.get(key)
            if type(choice) is list and choice:
                real = [c for c in choice if not (type(c) is dict and _is_null(c))]
                if len(real) == 1 and type(real[0]) is dict:
                    return real[0], len(choice) > 1
        return None

    def identity(self, node: Any) -> int:
        """The same number for all nodes that stand for one schema: for telling recursion."""
        for _ in range(8):
            node = self.resolver.deref(node)
            inner = node.get("allOf") if type(node) is dict else None
            if type(inner) is not list or len(inner) != 1 or "properties" in node:
                break
            node = inner[0]
        return id(node)

    def properties(self, node: Any) -> dict[str, Any]:
        """Name → raw schema node of an object's properties; {} where it has none."""
        found = self.flat(node).get("properties")
        if type(found) is not dict:
            return {}
        named = self._named.get(id(found))
        if named is None:
            named = self.resolver.mapping(found)
            for name in named:
                if type(name) is not str:
                    named = {name_of(key): child for key, child in named.items()}
                    break
            self._named[id(found)] = named
        return named

    def type_of(self, node: Any) -> str:
        """The JSON type, null left aside; guessed from keywords where none is named; "" if unknown."""
        if type(node) is dict:
            plain = node.get("type")
            if type(plain) is str and "$ref" not in node:
                return plain if plain in _TYPES else plain.lower()
        flat = self.flat(node)
        given = flat.get("type")
        if type(given) is list:
            given = next((t for t in given if t != "null"), None)
        if type(given) is str:
            return given.lower()
        if "properties" in flat or "additionalProperties" in flat:
            return "object"
        return "array" if "items" in flat else ""

    def choices(self, node: Any) -> list[Any]:
        """The alternatives of a real choice (`oneOf`, `anyOf`); [] where there is none."""
        flat = self.flat(node)
        for key in ("oneOf", "anyOf"):
            if type(flat.get(key)) is list:
                return [c for c in flat[key] if type(c) is dict]
        return []
