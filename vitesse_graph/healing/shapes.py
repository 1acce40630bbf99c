"""A JSON Schema laid flat: one entry per field, with what a comparison asks about it.

Paths as everywhere: `a.b` nests, `a[]` is an element of an array, `a[].b` a field of an element.
Variants (`oneOf`, `anyOf`) are united: a field of any variant is a field, and it is required only
where every variant requires it. A schema that contains itself is followed once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from vitesse_graph.state.jsontypes import JsonSchema

MAX_DEPTH = 10
MAX_FIELDS = 5_000
CONSTRAINTS = (
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldShape:
    """One field as the specification has it. `types` is empty where any type may come."""

    path: str
    parent: str
    position: int
    """Its place among its parent's properties, from 0."""
    types: frozenset[str] = frozenset()
    format: str | None = None
    enum: tuple[Any, ...] | None = None
    is_required: bool = False
    """By its own parent; see `is_required_throughout` for the whole way from the root."""
    is_required_throughout: bool = False
    is_read_only: bool = False
    is_write_only: bool = False
    is_deprecated: bool = False
    sunset: str = ""
    description: str = ""
    constraints: dict[str, Any] = field(default_factory=dict)

    @property
    def leaf(self) -> str:
        """The name without its parents: `b` of `a[].b`."""
        return self.path.removesuffix("[]").rsplit(".", 1)[-1]

    @property
    def is_nullable(self) -> bool:
        return not self.types or "null" in self.types

    @property
    def plain_types(self) -> frozenset[str]:
        """Its types without null."""
        return self.types - {"null"}

    @property
    def is_container(self) -> bool:
        return bool(self.types & {"object", "array"})


@dataclass(slots=True)
class _Merged:
    """A schema node with its references followed and its parts put together."""

    types: set[str] = field(default_factory=set)
    any_type: bool = False
    format: str | None = None
    enum: list[Any] | None = None
    properties: dict[str, JsonSchema] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    items: JsonSchema | None = None
    read_only: bool = False
    write_only: bool = False
    deprecated: bool = False
    sunset: str = ""
    description: str = ""
    constraints: dict[str, Any] = field(default_factory=dict)
    refs: frozenset[str] = frozenset()


def flatten_schema(schema: JsonSchema) -> dict[str, FieldShape]:
    """Every field by its path, parents before children, in the order of the document."""
    defs = schema.get("$defs", {})
    fields: dict[str, FieldShape] = {}
    root = _merge(schema, defs, frozenset())
    if root.items is not None and not root.properties:
        root = _merge(root.items, defs, root.refs)
    _walk(root, "", True, defs, 0, fields)
    return fields


def _walk(
    node: _Merged,
    path: str,
    is_required_throughout: bool,
    defs: dict[str, JsonSchema],
    depth: int,
    fields: dict[str, FieldShape],
) -> None:
    if depth >= MAX_DEPTH:
        return
    for position, (name, child_schema) in enumerate(node.properties.items()):
        if len(fields) >= MAX_FIELDS:
            return
        child = _merge(child_schema, defs, node.refs)
        child_path = f"{path}.{name}" if path else name
        is_required = name in node.required
        throughout = is_required and is_required_throughout
        _add(fields, child, child_path, path, position, is_required, throughout)
        inner = child
        while inner.items is not None and len(child_path) < 500:
            child_path += "[]"
            element = _merge(inner.items, defs, inner.refs)
            _add(fields, element, child_path, child_path.removesuffix("[]"), 0, True, throughout)
            inner = element
        _walk(inner, child_path, throughout, defs, depth + 1, fields)


def _add(
    fields: dict[str, FieldShape],
    node: _Merged,
    path: str,
    parent: str,
    position: int,
    is_required: bool,
    is_required_throughout: bool,
) -> None:
    fields[path] = FieldShape(
        path=path,
        parent=parent,
        position=position,
        types=frozenset() if node.any_type else frozenset(node.types),
        format=node.format,
        enum=tuple(node.enum) if node.enum is not None else None,
        is_required=is_required,
        is_required_throughout=is_required_throughout,
        is_read_only=node.read_only,
        is_write_only=node.write_only,
        is_deprecated=node.deprecated,
        sunset=node.sunset,
        description=node.description,
        constraints=node.constraints,
    )


def _merge(schema: Any, defs: dict[str, JsonSchema], refs: frozenset[str]) -> _Merged:
    """The node with its references, `allOf` and variants put together."""
    merged = _Merged(refs=refs)
    if not isinstance(schema, dict):
        merged.any_type = True
        return merged
    ref = schema.get("$ref")
    if isinstance(ref, str):
        if ref in refs:
            merged.types = {"object"}
            return merged
        _join(merged, _merge(_target(ref, defs), defs, refs | {ref}))
    _own(merged, schema)
    for part in _dicts(schema.get("allOf")):
        _join(merged, _merge(part, defs, merged.refs))
    for keyword in ("oneOf", "anyOf"):
        variants = [_merge(part, defs, merged.refs) for part in _dicts(schema.get(keyword))]
        if variants:
            _join(merged, _unite(variants))
    if not merged.types and merged.properties:
        merged.types = {"object"}
    elif not merged.types and merged.items is not None:
        merged.types = {"array"}
    if not merged.types:
        merged.any_type = True
    return merged


def _target(ref: str, defs: dict[str, JsonSchema]) -> Any:
    name = ref.removeprefix("#/$defs/").replace("~1", "/").replace("~0", "~")
    return defs.get(name)


def _dicts(value: Any) -> Iterator[JsonSchema]:
    if isinstance(value, list):
        yield from (part for part in value if isinstance(part, dict))


def _own(merged: _Merged, schema: JsonSchema) -> None:
    kind = schema.get("type")
    merged.types |= {kind} if isinstance(kind, str) else set(kind or ())
    if schema.get("nullable") is True and merged.types:
        merged.types.add("null")
    merged.format = schema.get("format", merged.format)
    values = [schema["const"]] if "const" in schema else schema.get("enum", schema.get("x-extensible-enum"))
    if isinstance(values, list):
        merged.enum = [value for value in values if value is not None]
    if isinstance(schema.get("properties"), dict):
        merged.properties.update(schema["properties"])
    merged.required |= set(schema.get("required", ()) if isinstance(schema.get("required"), list) else ())
    if isinstance(schema.get("items"), dict):
        merged.items = schema["items"]
    merged.read_only = merged.read_only or schema.get("readOnly") is True
    merged.write_only = merged.write_only or schema.get("writeOnly") is True
    merged.deprecated = merged.deprecated or schema.get("deprecated") is True
    merged.sunset = str(schema.get("x-sunset", merged.sunset) or "")
    merged.description = str(schema.get("description") or merged.description)
    merged.constraints.update({name: schema[name] for name in CONSTRAINTS if name in schema})


def _join(merged: _Merged, other: _Merged) -> None:
    """Adds what another part of the same node says (`allOf`, `$ref`, the united variants)."""
    if merged.types and other.types:
        # both must hold: what they share, or, where they contradict each other, either
        merged.types = (merged.types & other.types) or (merged.types | other.types)
    else:
        merged.types |= other.types
    merged.format = merged.format or other.format
    merged.enum = merged.enum if merged.enum is not None else other.enum
    for name, schema in other.properties.items():
        merged.properties.setdefault(name, schema)
    merged.required |= other.required
    merged.items = merged.items if merged.items is not None else other.items
    merged.read_only = merged.read_only or other.read_only
    merged.write_only = merged.write_only or other.write_only
    merged.deprecated = merged.deprecated or other.deprecated
    merged.sunset = merged.sunset or other.sunset
    merged.description = merged.description or other.description
    merged.constraints = {**other.constraints, **merged.constraints}
    merged.refs = merged.refs | other.refs


def _unite(variants: list[_Merged]) -> _Merged:
    """The variants as one node: what any of them allows."""
    united = _Merged()
    real = [variant for variant in variants if variant.types != {"null"}]
    for variant in variants:
        united.types |= variant.types
        united.refs = united.refs | variant.refs
        for name, schema in variant.properties.items():
            united.properties.setdefault(name, schema)
    united.any_type = any(variant.any_type for variant in variants)
    if united.any_type:
        united.types = set()
    if real:
        united.required = set.intersection(*(variant.required for variant in real))
        united.items = next((variant.items for variant in real if variant.items is not None), None)
        united.description = next((variant.description for variant in real if variant.description), "")
        formats = {variant.format for variant in real}
        united.format = formats.pop() if len(formats) == 1 else None
        if all(variant.enum is not None for variant in real):
            united.enum = [value for variant in real for value in variant.enum or ()]
    if len(real) == 1:
        united.constraints = real[0].constraints
        united.read_only, united.deprecated = real[0].read_only, real[0].deprecated
        united.write_only = real[0].write_only
    return united
