"""A JSON Schema as a flat list of the fields that a mapping can read or fill.

`$ref` into the schema's own `$defs` is followed, recursion at most twice through the same
definition; `allOf`, `anyOf` and `oneOf` are merged (a field of any branch counts); type lists and
`nullable` are understood.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from vitesse_graph.state.api_spec import FieldInfo
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.transforms.paths import escape_name

MAX_DEPTH = 9
MAX_FIELDS = 20_000
_SCALARS = ("string", "integer", "number", "boolean")


@dataclass(slots=True)
class Merged:
    """One place of a schema, with its combinators folded in."""

    types: list[str] = field(default_factory=list)
    format: str | None = None
    enum: list[Any] | None = None
    const: Any = None
    has_const: bool = False
    default: Any = None
    example: Any = None
    title: str = ""
    description: str = ""
    read_only: bool = False
    write_only: bool = False
    deprecated: bool = False
    properties: dict[str, list[JsonSchema]] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    items: list[JsonSchema] = field(default_factory=list)
    constraints: dict[str, Any] = field(default_factory=dict)
    refs: frozenset[str] = frozenset()


_CONSTRAINTS = ("maxLength", "minLength", "multipleOf", "pattern", "minimum", "maximum", "minItems")


@dataclass(slots=True)
class Field:
    """A leaf: a scalar, an array of scalars, or an object without known properties.

    `names` are the property names from the root; `arrays` the positions in `names` of arrays of
    objects on the way. `depth` counts objects around it.
    """

    path: str
    names: tuple[str, ...]
    array_at: tuple[int, ...]
    place: Merged
    type: str
    is_list: bool
    required: bool
    """Required all the way from the root."""
    required_here: bool
    """Required by the object that holds it."""
    read_only: bool
    parent: str
    ancestors: tuple[Merged, ...]
    siblings: tuple[str, ...] = ()

    @property
    def leaf(self) -> str:
        return self.names[-1]

    @property
    def depth(self) -> int:
        return len(self.names) - 1

    @property
    def nullable(self) -> bool:
        return "null" in self.place.types

    def info(self) -> FieldInfo:
        """The public form."""
        return FieldInfo(
            path=self.path,
            type="array" if self.is_list else self.type,
            format=self.place.format,
            enum=self.place.enum,
            description=self.place.description,
            example=self.place.example,
            default=self.place.default,
            required=self.required,
            read_only=self.read_only,
            write_only=self.place.write_only,
            nullable=self.nullable,
        )


def flatten(schema: JsonSchema) -> list[FieldInfo]:
    """Every field of the schema in the order of the document."""
    return [f.info() for f in read_fields(schema)]


def read_fields(schema: JsonSchema) -> list[Field]:
    """The leaves of a schema, at most 20,000, not deeper than nine objects."""
    reader = SchemaReader(schema)
    found: list[Field] = []
    for item in reader.walk():
        found.append(item)
        if len(found) >= MAX_FIELDS:
            break
    return found


class SchemaReader:
    """Follows one schema's own references; see the module for what is merged."""

    def __init__(self, schema: JsonSchema) -> None:
        self._root = schema

    def walk(self) -> Iterator[Field]:
        """Every leaf, in the order of the document."""
        yield from self._object(self.root(), "", (), (), (), True, False, {})

    def root(self) -> Merged:
        """The schema's own place."""
        return self.merge([self._root], frozenset(), {})

    def _object(
        self,
        place: Merged,
        path: str,
        names: tuple[str, ...],
        array_at: tuple[int, ...],
        ancestors: tuple[Merged, ...],
        required: bool,
        read_only: bool,
        seen: dict[str, int],
    ) -> Iterator[Field]:
        if len(names) >= MAX_DEPTH:
            return
        seen = {**seen, **{ref: seen.get(ref, 0) + 1 for ref in place.refs}}
        above = (*ancestors, place)
        siblings = tuple(place.properties)
        for name, schemas in place.properties.items():
            child = self.merge(schemas, frozenset(), seen)
            here = f"{path}.{escape_name(name)}" if path else escape_name(name)
            must = name in place.required
            hidden = read_only or child.read_only
            yield from self._place(
                child, here, (*names, name), array_at, above, required and must, must, hidden, seen, siblings
            )

    def _place(
        self,
        place: Merged,
        path: str,
        names: tuple[str, ...],
        array_at: tuple[int, ...],
        above: tuple[Merged, ...],
        required: bool,
        required_here: bool,
        read_only: bool,
        seen: dict[str, int],
        siblings: tuple[str, ...],
    ) -> Iterator[Field]:
        parent = path.rpartition(".")[0]
        scalars = [t for t in place.types if t in _SCALARS]
        if place.items or "array" in place.types:
            item = self.merge(place.items, frozenset(), seen)
            if item.properties:
                at = (*array_at, len(names) - 1)
                seen_item = {**seen, **{ref: seen.get(ref, 0) + 1 for ref in place.refs}}
                yield from self._object(item, path + "[]", names, at, above, required, read_only, seen_item)
            elif not item.items:
                kind = next((t for t in item.types if t in _SCALARS), "object" if item.types else "any")
                merged = _over(place, item)
                yield Field(
                    path,
                    names,
                    array_at,
                    merged,
                    kind,
                    True,
                    required,
                    required_here,
                    read_only,
                    parent,
                    above,
                    siblings,
                )
        if place.properties:
            yield from self._object(place, path, names, array_at, above, required, read_only, seen)
        if scalars or not (place.properties or place.items or "array" in place.types):
            kind = scalars[0] if scalars else ("object" if "object" in place.types else "any")
            yield Field(
                path,
                names,
                array_at,
                place,
                kind,
                False,
                required,
                required_here,
                read_only,
                parent,
                above,
                siblings,
            )

    def merge(self, schemas: list[JsonSchema], inside: frozenset[str], seen: dict[str, int]) -> Merged:
        """One place made of all these schemas and their branches."""
        merged = Merged()
        for schema in schemas:
            self._fold(schema, merged, inside, seen, True, 0)
        return merged

    def _fold(
        self,
        schema: Any,
        into: Merged,
        inside: frozenset[str],
        seen: dict[str, int],
        demands: bool,
        depth: int,
    ) -> None:
        if not isinstance(schema, dict) or depth > 16:
            return
        ref = schema.get("$ref")
        if isinstance(ref, str):
            target = self._target(ref)
            if target is not None and ref not in inside and seen.get(ref, 0) < 2:
                into.refs = into.refs | {ref}
                self._fold(target, into, inside | {ref}, seen, demands, depth + 1)
        _fold_own(schema, into, demands)
        for part in _list_of(schema.get("allOf")):
            self._fold(part, into, inside, seen, demands, depth + 1)
        for keyword in ("anyOf", "oneOf"):
            branches = [b for b in _list_of(schema.get(keyword)) if isinstance(b, dict)]
            for part in branches:
                self._fold(part, into, inside, seen, demands and len(branches) == 1, depth + 1)

    def _target(self, ref: str) -> Any:
        if not ref.startswith("#"):
            return None
        node: Any = self._root
        for part in ref[1:].strip("/").split("/") if ref != "#" else []:
            part = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, dict) or part not in node:
                return None
            node = node[part]
        return node


def _list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _fold_own(schema: JsonSchema, into: Merged, demands: bool) -> None:
    declared = schema.get("type")
    for kind in declared if isinstance(declared, list) else [declared]:
        if isinstance(kind, str) and kind not in into.types:
            into.types.append(kind)
    if schema.get("nullable") is True and "null" not in into.types:
        into.types.append("null")
    into.format = into.format or _text(schema.get("format")) or None
    if isinstance(schema.get("enum"), list):
        known = into.enum or []
        into.enum = known + [v for v in schema["enum"] if v is not None and v not in known]
    if "const" in schema:
        into.const, into.has_const = schema["const"], True
    into.default = schema.get("default") if into.default is None else into.default
    into.example = _example(schema) if into.example is None else into.example
    into.title = into.title or _text(schema.get("title"))
    into.description = into.description or _text(schema.get("description"))
    into.read_only = into.read_only or schema.get("readOnly") is True
    into.write_only = into.write_only or schema.get("writeOnly") is True
    into.deprecated = into.deprecated or schema.get("deprecated") is True
    properties = schema.get("properties")
    for name, child in (properties if isinstance(properties, dict) else {}).items():
        into.properties.setdefault(str(name), []).append(child)
    if demands:
        into.required |= {name for name in _list_of(schema.get("required")) if isinstance(name, str)}
    if isinstance(schema.get("items"), dict):
        into.items.append(schema["items"])
    for key in _CONSTRAINTS:
        if key in schema:
            into.constraints.setdefault(key, schema[key])


def _example(schema: JsonSchema) -> Any:
    if "example" in schema:
        return schema["example"]
    examples = schema.get("examples")
    return examples[0] if isinstance(examples, list) and examples else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _over(array: Merged, item: Merged) -> Merged:
    """The item's place with what only the array says."""
    item.description = array.description or item.description
    item.title = array.title or item.title
    item.read_only = item.read_only or array.read_only
    item.default = item.default if item.default is not None else array.default
    item.example = item.example if item.example is not None else array.example
    return item
