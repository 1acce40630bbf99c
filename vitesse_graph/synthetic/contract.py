"""Whether a value keeps a schema, and if not, where and why: a compiled jsonschema-rs validator.

Compiling repairs what vendors publish (a PCRE-only or broken `pattern` is left out rather than
refused; `oneOf` is read as `anyOf`, since published forms overlap so often that no value at all would
fit exactly one; `allOf` parts that forbid each other's fields are read as one object; what requires
itself without end is required no longer; of two rules that no value keeps at once the vaguer one goes,
see `contradictions`) and minds the direction: `readOnly` fields are not demanded
of a request, `writeOnly` ones not of a response. Messages never hold the offending value.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs
import orjson

from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.synthetic.contradictions import without_contradictions
from vitesse_graph.synthetic.endless import open_rings
from vitesse_graph.synthetic.schemas import Direction, flatten, rebuild, resolve

# What the library raises for a schema that it cannot compile.
_BROKEN: tuple[Any, ...] = (ValueError, jsonschema_rs.ReferencingError)
_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=20_000)
_EMAIL = jsonschema_rs.EmailOptions(require_tld=False, allow_display_text=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One broken rule. `path` is dotted with `[]` for array steps, as mappings write it."""

    path: str
    rule: str
    """The JSON Schema keyword: `type`, `required`, `format`, `enum`, `pattern`, `maxLength` …"""
    message: str
    expected: dict[str, Any] = field(default_factory=dict)
    """Machine-readable: {"type": …}, {"format": …}, {"enum": […]}, {"maxLength": …}."""
    pointer: tuple[str | int, ...] = ()
    """The exact place in the value, array positions kept."""


class Contract:
    """A schema, compiled when it is first used. `is_valid` costs microseconds; `problems` is for the invalid."""

    __slots__ = ("_direction", "_given", "_made")

    def __init__(self, schema: JsonSchema, direction: Direction = "any") -> None:
        self._given, self._direction = schema, direction
        self._made: tuple[JsonSchema, Any] | None = None

    def _compiled(self) -> tuple[JsonSchema, Any]:
        if self._made is None:
            self._made = _compiled(self._given, self._direction)
        return self._made

    @property
    def schema(self) -> JsonSchema:
        """The schema as it is checked: repaired, and for one direction."""
        return self._compiled()[0]

    def is_valid(self, value: Any) -> bool:
        return bool((self._made or self._compiled())[1].is_valid(value))

    def problems(self, value: Any, limit: int = 20) -> list[Problem]:
        """What is wrong with `value`, at most `limit` problems, [] when nothing is."""
        found: list[Problem] = []
        for error in self._compiled()[1].iter_errors(value):
            found.extend(_problems(error))
            if len(found) >= limit:
                break
        return found[:limit]


_KEPT = 512
_LARGEST_KEY = 400_000
_known: OrderedDict[tuple[str, bytes], tuple[JsonSchema, Any]] = OrderedDict()
_lock = threading.Lock()


def _compiled(schema: JsonSchema, direction: Direction) -> tuple[JsonSchema, Any]:
    """The schema as prepared and its validator; the last few hundred are kept.

    One run compiles the same schema several times (the generator of records, the sandbox that holds them,
    the list that shows them), and a text field's few rules come again in every second field.
    """
    try:
        text = orjson.dumps(schema)
    except (TypeError, RecursionError):
        text = b""  # integers beyond 64 bits, lone surrogates
    if not text or len(text) > _LARGEST_KEY:
        prepared = prepare(schema, direction)
        return prepared, _compile(prepared)
    key = (direction, text if len(text) < 64 else hashlib.blake2b(text, digest_size=16).digest())
    with _lock:
        known = _known.get(key)
        if known is not None:
            _known.move_to_end(key)
            return known
    prepared = prepare(schema, direction)
    made = (prepared, _compile(prepared))
    with _lock:
        _known[key] = made
        if len(_known) > _KEPT:
            _known.popitem(last=False)
    return made


def prepare(schema: JsonSchema, direction: Direction) -> JsonSchema:
    """The schema as it applies to one direction, without patterns that no engine compiles."""
    hidden = hidden_mark(direction)

    def change(node: dict[str, Any]) -> dict[str, Any]:
        pattern = node.get("pattern")
        if isinstance(pattern, str) and not _compiles(pattern):
            node.pop("pattern")
        if _excludes_itself(node, schema):
            node = flatten(node, schema)
        without_contradictions(node, schema)
        if "oneOf" in node and "anyOf" not in node:
            node["anyOf"] = node.pop("oneOf")
        if "patternProperties" in node:
            kept = {key: sub for key, sub in node["patternProperties"].items() if _compiles(key)}
            node["patternProperties"] = kept
        if hidden and isinstance(node.get("required"), list) and isinstance(node.get("properties"), dict):
            node["required"] = [
                name
                for name in node["required"]
                if not is_marked(node["properties"].get(name), hidden, schema)
            ]
        return node

    prepared = rebuild(schema, change)
    if not isinstance(prepared, dict):
        return {}
    prepared.pop("$schema", None)
    prepared.pop("$id", None)
    return open_rings(prepared)


def _excludes_itself(node: dict[str, Any], root: JsonSchema) -> bool:
    """Whether `allOf` parts forbid each other's fields: `additionalProperties: false` meant for the whole."""
    parts = node.get("allOf")
    if not isinstance(parts, list) or len(parts) + ("properties" in node) < 2:
        return False
    resolved = [resolve(part, root) for part in parts if isinstance(part, dict)]
    return any(part.get("additionalProperties") is False for part in resolved)


def hidden_mark(direction: Direction) -> str:
    """The keyword that keeps a field out of this direction; "" where none does."""
    return {"request": "readOnly", "response": "writeOnly"}.get(direction, "")


def is_marked(sub: Any, mark: str, root: JsonSchema) -> bool:
    """Whether a field is `readOnly` or `writeOnly`, by itself, behind its `$ref` or in a part of its `allOf`."""
    if not isinstance(sub, dict):
        return False
    whole = resolve(sub, root)
    return any(
        bool(part.get(mark)) for part in (sub, whole, *(whole.get("allOf") or [])) if isinstance(part, dict)
    )


_known_patterns: dict[str, bool] = {}


def _compiles(pattern: str) -> bool:
    known = _known_patterns.get(pattern)
    if known is None:
        try:
            jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=_PATTERNS)
            known = True
        except _BROKEN:
            known = False
        _known_patterns[pattern] = known
    return known


def _compile(schema: JsonSchema) -> Any:
    """The validator; a schema that cannot be compiled at all (a broken keyword) accepts anything."""
    try:
        return jsonschema_rs.Draft202012Validator(
            schema, validate_formats=True, pattern_options=_PATTERNS, email_options=_EMAIL
        )
    except _BROKEN:
        cleaned = rebuild(schema, _only_sound_keywords)
        try:
            return jsonschema_rs.Draft202012Validator(
                cleaned, validate_formats=True, pattern_options=_PATTERNS
            )
        except _BROKEN:
            return jsonschema_rs.Draft202012Validator({})


def _only_sound_keywords(node: dict[str, Any]) -> dict[str, Any]:
    """Keeps only keywords whose value has the form the vocabulary demands."""
    kept: dict[str, Any] = {}
    for key, value in node.items():
        probe = {key: value}
        if key in ("$ref", "$defs", "properties", "items", "allOf", "anyOf", "oneOf", "additionalProperties"):
            kept[key] = value
            continue
        try:
            jsonschema_rs.Draft202012Validator(probe, pattern_options=_PATTERNS)
        except _BROKEN:
            continue
        kept[key] = value
    return kept


def dotted(pointer: tuple[str | int, ...] | list[str | int]) -> str:
    """`["Contacts", 0, "Name"]` as `Contacts[].Name`."""
    out = ""
    for step in pointer:
        if isinstance(step, int):
            out += "[]"
        else:
            out += f".{step}" if out else step
    return out


_WORDS = {
    "Type": "has the wrong type",
    "Enum": "is not one of the allowed values",
    "Constant": "is not the one allowed value",
    "Pattern": "does not match the pattern",
    "Format": "is not in the demanded format",
    "MaxLength": "is too long",
    "MinLength": "is too short",
    "Maximum": "is too large",
    "ExclusiveMaximum": "is too large",
    "Minimum": "is too small",
    "ExclusiveMinimum": "is too small",
    "MultipleOf": "is not a multiple of the demanded step",
    "MaxItems": "has too many elements",
    "MinItems": "has too few elements",
    "UniqueItems": "has an element twice",
    "AdditionalProperties": "has a field that is not allowed",
    "UnevaluatedProperties": "has a field that is not allowed",
    "AnyOf": "fits none of the allowed forms",
    "OneOfNotValid": "fits none of the allowed forms",
    "OneOfMultipleValid": "fits several forms where one is demanded",
    "Not": "has a form that is not allowed",
    "MinProperties": "has too few fields",
    "MaxProperties": "has too many fields",
}
_EXPECTED = {
    "Type": ("types", "expected_type"),
    "Format": ("format", "format"),
    "Enum": ("options", "enum"),
    "Constant": ("expected_value", "const"),
    "Pattern": ("pattern", "pattern"),
    "MaxLength": ("limit", "max_length"),
    "MinLength": ("limit", "min_length"),
    "Maximum": ("limit", "maximum"),
    "Minimum": ("limit", "minimum"),
    "ExclusiveMaximum": ("limit", "exclusive_maximum"),
    "ExclusiveMinimum": ("limit", "exclusive_minimum"),
    "MaxItems": ("limit", "max_items"),
    "MinItems": ("limit", "min_items"),
    "MultipleOf": ("multiple_of", "multiple_of"),
}


def _problems(error: Any) -> list[Problem]:
    kind = type(error.kind).__name__
    pointer = tuple(error.instance_path)
    details: dict[str, Any] = error.kind.as_dict()
    rule = str(error.kind.name)
    if kind == "Required":
        missing = str(details.get("property", ""))
        where = (*pointer, missing)
        return [
            Problem(path=dotted(where), rule="required", message="is required and missing", pointer=where)
        ]
    if kind in ("AdditionalProperties", "UnevaluatedProperties"):
        return [
            Problem(
                path=dotted((*pointer, str(name))),
                rule=rule,
                message="is not a field of this request",
                pointer=(*pointer, str(name)),
            )
            for name in details.get("unexpected", [])
        ]
    if kind in ("AnyOf", "OneOfNotValid"):
        deeper = _deepest(details.get("context"), pointer)
        if deeper:
            return deeper
    expected = {}
    if kind in _EXPECTED:
        source, name = _EXPECTED[kind]
        if source in details:
            expected[name] = details[source]
    return [
        Problem(
            path=dotted(pointer),
            rule=rule,
            message=_WORDS.get(kind, f"breaks `{rule}`"),
            expected=expected,
            pointer=pointer,
        )
    ]


def _deepest(context: Any, pointer: tuple[str | int, ...]) -> list[Problem]:
    """The problem inside the alternatives that lies deepest: the branch that was probably meant."""
    best: list[Problem] = []
    for branch in context or []:
        for inner in branch:
            if not hasattr(inner, "kind"):
                continue
            for problem in _problems(inner):
                if len(problem.pointer) > len(pointer) and (
                    not best or len(problem.pointer) > len(best[0].pointer)
                ):
                    best = [problem]
    return best
