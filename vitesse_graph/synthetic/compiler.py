"""A JSON Schema compiled to nested closures that draw values which keep it.

Depth and width are bounded: optional parts fade out with depth, recursion ends where only required
fields are left. Sub-schemas behind `$ref` are compiled when first drawn.
"""

from __future__ import annotations

import re
from typing import Any

from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.synthetic.contract import Contract, is_marked
from vitesse_graph.synthetic.draw import Draw, Generate, Profile
from vitesse_graph.synthetic.material import Pools
from vitesse_graph.synthetic.meaning import COMPANIES, PEOPLE, example_of, meaning_of
from vitesse_graph.synthetic.numbers import number_generator
from vitesse_graph.synthetic.schemas import branches, flatten, merge, types_of
from vitesse_graph.synthetic.texts import text_generator

# What a record that is well does not have: `ValidationErrors`, `field_errors`.
_COMPLAINTS = re.compile(r"(?i)(^|[a-z_])(errors|problems|violations)$")
# Which pool stands beside the address, by what an enum lists.
_LISTED = {
    "country": "country_code", "country_code": "country_code", "country_name": "country_name", "currency": "currency",
    "language": "language", "language_short": "language_short", "time_zone": "time_zone", "state": "state",
}  # fmt: skip
_OPTIONAL_DEPTH = 5
"""Objects nested deeper hold only their required fields."""
_MAX_DEPTH = 14
_WIDE = 60

# How often an optional field is there, and how often a nullable one is null.
_PRESENT: dict[Profile, tuple[float, ...]] = {
    "typical": (0.95, 0.9, 0.8, 0.6, 0.5, 0.0),
    "boundary": (0.75, 0.6, 0.5, 0.4, 0.3, 0.0),
    "adversarial": (0.8, 0.7, 0.5, 0.4, 0.3, 0.0),
}
_NULL: dict[Profile, float] = {"typical": 0.04, "boundary": 0.25, "adversarial": 0.2}
_NULL_BRANCH: dict[Profile, float] = {"typical": 0.06, "boundary": 0.3, "adversarial": 0.25}


class Compiler:
    """Compiles one schema for one profile."""

    def __init__(
        self,
        root: JsonSchema,
        profile: Profile,
        material: Pools,
        *,
        minimal: bool = False,
        hidden: str = "",
    ) -> None:
        self.root = root
        self.hidden = hidden
        """`writeOnly` for answers: fields marked so are never drawn."""
        self.profile = profile
        self.material = material
        self.minimal = minimal
        """Only required fields: the shape of a record just created, and the way out of deep recursion."""
        self._referenced: dict[tuple[str, str, int], Generate] = {}

    def compile(self, schema: Any, name: str = "", parent: str = "", depth: int = 0) -> Generate:
        """The generator of one value. `name` and `parent` say what it is called and where it lies."""
        if not isinstance(schema, dict):
            return (lambda draw: None) if schema is False else self._anything(name, parent, depth)
        if depth > _MAX_DEPTH:
            return _nothing_of(flatten(schema, self.root))
        if isinstance(schema.get("$ref"), str) and depth > 0:
            return self._lazily(schema, name, parent, depth)
        flat = flatten(schema, self.root)
        if "const" in flat:
            const = flat["const"]
            return lambda draw: const
        if isinstance(flat.get("enum"), list) and flat["enum"]:
            return self._enum(flat, name, parent)
        if branches(flat):
            return self._alternatives(flat, name, parent, depth)
        return self._typed(flat, name, parent, depth)

    def _lazily(self, schema: JsonSchema, name: str, parent: str, depth: int) -> Generate:
        key = (str(schema["$ref"]), f"{parent}.{name}", depth)
        if len(schema) == 1 and key in self._referenced:
            return self._referenced[key]
        made: list[Generate] = []

        def generate(draw: Draw) -> Any:
            if not made:
                made.append(self.compile(flatten(schema, self.root), name, parent, depth))
            return made[0](draw)

        if len(schema) == 1:
            self._referenced[key] = generate
        return generate

    def _enum(self, flat: JsonSchema, name: str, parent: str) -> Generate:
        allowed = types_of(flat)
        values = [value for value in flat["enum"] if value is not None and value != ""] or flat["enum"]
        if allowed:
            contract = Contract({"type": allowed})
            values = [value for value in values if contract.is_valid(value)] or values
        share = _NULL[self.profile] if None in flat["enum"] else 0.0
        count, related = len(values), self._related(flat, values, name, parent)

        def generate(draw: Draw) -> Any:
            if share and draw.random() < share:
                return None
            if related:
                return related[draw.who % len(related)]
            return values[int(draw.random() * count)]

        return generate

    def _related(self, flat: JsonSchema, values: list[Any], name: str, parent: str) -> list[Any]:
        """Listed countries, currencies and languages in step with the record's place; [] for other enums."""
        plain = {key: value for key, value in flat.items() if key != "enum"}
        pool = _LISTED.get(meaning_of(name, {"type": "string", **plain}, parent), "")
        if not pool or self.profile == "adversarial":
            return []
        wanted = [str(entry).lower() for entry in getattr(self.material, pool)]
        by_text = {str(value).lower(): value for value in values}
        known = [by_text[text] for text in wanted if text in by_text]
        return (
            [by_text.get(text, known[index % len(known)]) for index, text in enumerate(wanted)]
            if known
            else []
        )

    def _alternatives(self, flat: JsonSchema, name: str, parent: str, depth: int) -> Generate:
        base = {key: value for key, value in flat.items() if key not in ("oneOf", "anyOf")}
        options = [flatten(branch, self.root) for branch in branches(flat)]
        nulls = [option for option in options if types_of(option) == ["null"]]
        real = [option for option in options if types_of(option) != ["null"]] or options
        if depth >= _OPTIONAL_DEPTH - 1 and len(real) > 1:
            scalars = [o for o in real if not {"object", "array"} & set(types_of(o))]
            real = scalars or real
        is_reference = _is_reference(real)
        called = f"{name}_id" if is_reference and not name.lower().endswith("id") else name
        made = [
            self._branch(base, option, name if position else called, parent, depth)
            for position, option in enumerate(real[:12])
        ]
        count = len(made)
        null_share = _NULL_BRANCH[self.profile] if nulls and real is not options else 0.0
        if null_share and self._ends_here(real, depth):
            null_share = 1.0
        first_share = 0.6 if self.profile == "typical" else 0.3
        if is_reference:
            first_share = 1.0 if self.profile == "typical" else 0.85

        def generate(draw: Draw) -> Any:
            if null_share and draw.random() < null_share:
                return None
            if count == 1 or draw.random() < first_share:
                return made[0](draw)
            return made[int(draw.random() * count)](draw)

        return generate

    def _branch(self, base: JsonSchema, option: JsonSchema, name: str, parent: str, depth: int) -> Generate:
        made: list[Generate] = []

        def generate(draw: Draw) -> Any:
            if not made:
                made.append(self.compile(merge(base, option), name, parent, depth + (1 if depth else 0)))
            return made[0](draw)

        return generate

    def _typed(self, flat: JsonSchema, name: str, parent: str, depth: int) -> Generate:
        types = types_of(flat)
        nullable = "null" in types and len(types) > 1
        types = [kind for kind in types if kind != "null"] or types
        if not types:
            return self._anything(name, parent, depth, flat)
        made = [self._single(kind, flat, name, parent, depth) for kind in types]
        generate = made[0]
        if len(made) > 1 and self.profile != "typical":
            count = len(made)

            def generate(draw: Draw) -> Any:
                return made[int(draw.random() * count)](draw)

        if not nullable:
            return generate
        return _or_null(generate, 1.0 if self._ends_here([flat], depth) else _NULL[self.profile])

    def _ends_here(self, options: list[JsonSchema], depth: int) -> bool:
        """Whether a value that may be null is null: deep down, or where only what must be is wanted, and
        everything else would be an object or a list."""
        if depth < _OPTIONAL_DEPTH and not (self.minimal and depth > 0):
            return False
        return all({"object", "array"} & set(types_of(option)) for option in options)

    def _single(self, kind: str, flat: JsonSchema, name: str, parent: str, depth: int) -> Generate:
        if kind == "object":
            return self._object(flat, name, parent, depth)
        if kind == "array":
            return self._array(flat, name, parent, depth)
        if kind == "string":
            return text_generator(name, parent, flat, self.profile, self.material)
        if kind in ("integer", "number"):
            return number_generator(name, parent, flat, kind == "integer", self.profile)
        if kind == "boolean":
            return lambda draw: draw.random() < 0.5
        return lambda draw: None

    def _anything(self, name: str, parent: str, depth: int, flat: JsonSchema | None = None) -> Generate:
        example = example_of(flat or {})
        if example is not None:
            return lambda draw: example
        return text_generator(name, parent, {"type": "string"}, "typical", self.material)

    # objects and arrays

    def _object(self, flat: JsonSchema, name: str, parent: str, depth: int) -> Generate:
        declared = flat.get("properties")
        properties: dict[str, Any] = declared if isinstance(declared, dict) else {}
        required = [field for field in flat.get("required") or [] if isinstance(field, str)]
        about = _subject(flat, name, parent)
        always: list[tuple[str, Generate]] = []
        maybe: list[tuple[str, Generate, float]] = []
        share = self._presence(depth, len(properties))
        for field, sub in properties.items():
            if sub is False or (self.hidden and is_marked(sub, self.hidden, self.root)):
                continue
            if field in required:
                always.append((field, self.compile(sub, field, about, depth + 1)))
            elif share > 0:
                maybe.append((field, self.compile(sub, field, about, depth + 1), share))
        for field in required:
            if field not in properties:
                always.append(
                    (field, self.compile(flat.get("additionalProperties", True), field, about, depth + 1))
                )
        if not properties and not required:
            return self._map(flat, name, parent, depth)
        return _object_of(always, maybe, int(flat.get("minProperties", 0) or 0))

    def _presence(self, depth: int, width: int) -> float:
        if self.minimal:
            return 0.0
        shares = _PRESENT[self.profile]
        share = shares[min(depth, len(shares) - 1)]
        return share * 0.5 if width > _WIDE and depth > 0 else share

    def _map(self, flat: JsonSchema, name: str, parent: str, depth: int) -> Generate:
        """A free-form object: a few entries where the values' schema is known, else empty."""
        values = flat.get("additionalProperties")
        low = int(flat.get("minProperties", 0) or 0)
        if (self.minimal or depth >= _OPTIONAL_DEPTH or values is False) and not low:
            return lambda draw: {}
        if not isinstance(values, dict) or not values:
            if not low:
                return lambda draw: {}
            values = {"type": "string"}
        texts = types_of(flatten(values, self.root)) == ["string"]
        known = _keys_of(flat, name, parent) if texts else []
        if known:
            made = [(key, self.compile(values, key, parent or name, depth + 1)) for key in known]
            return _object_of([], [(key, inner, 0.8) for key, inner in made], low)
        inner = self.compile(values, name, name, depth + 1)
        keys = self.material.word

        def generate(draw: Draw) -> dict[str, Any]:
            count = max(low, int(draw.random() * 3))
            drawn = (keys[(draw.who + i) % len(keys)] for i in range(count))
            return {f"{key}_{i}" if low > 1 else key: inner(draw) for i, key in enumerate(drawn)}

        return generate

    def _array(self, flat: JsonSchema, name: str, parent: str, depth: int) -> Generate:
        low = int(flat.get("minItems", 0) or 0)
        if not low and _COMPLAINTS.search(name):
            return lambda draw: []
        most = flat.get("maxItems")
        high = int(most) if isinstance(most, int) else low + 3
        singular = name[:-1] if name.endswith("s") and len(name) > 3 else name
        inner = self.compile(flat.get("items", {}), singular, parent if not name else singular, depth + 1)
        unique = bool(flat.get("uniqueItems"))
        usual_low = low if self.minimal else max(low, min(1, high))
        usual_high = low if self.minimal else max(usual_low, min(high, low + (3 if depth < 3 else 1)))
        edges = sorted({low, min(high, low + 10)}) if self.profile != "typical" and not self.minimal else []

        def generate(draw: Draw) -> list[Any]:
            count = usual_low + int(draw.random() * (usual_high - usual_low + 1))
            if edges and draw.random() < 0.4:
                count = edges[int(draw.random() * len(edges))]
            who, created = draw.who, draw.created
            out: list[Any] = []
            for _ in range(count * 4 if unique else count):
                if len(out) >= count:
                    break
                value = inner(draw)
                if not (unique and value in out):
                    out.append(value)
                draw.next_subject()
            draw.who, draw.created = who, created
            return out

        return generate


def _object_of(
    always: list[tuple[str, Generate]], maybe: list[tuple[str, Generate, float]], low: int
) -> Generate:
    def generate(draw: Draw) -> dict[str, Any]:
        out = {field: inner(draw) for field, inner in always}
        random = draw.random
        for field, inner, share in maybe:
            if random() < share:
                out[field] = inner(draw)
        if len(out) < low:
            for field, inner, _ in maybe:
                if field not in out and len(out) < low:
                    out[field] = inner(draw)
        return out

    return generate


def _keys_of(flat: JsonSchema, name: str, parent: str) -> list[str]:
    """Names of fields for a free-form object of texts: its example's, else usual ones of what it is about."""
    example = example_of(flat)
    if isinstance(example, dict) and example and all(isinstance(value, str) for value in example.values()):
        return [str(key) for key in list(example)[:12]]
    if not _FREE_FORM.search(name.lower()):
        return []
    return next(
        (keys for pattern, keys in _USUAL_KEYS if pattern.search(parent.lower())), ["reference", "source"]
    )


_FREE_FORM = re.compile(r"properties$|attributes$|fields$|metadata$|custom")
_USUAL_KEYS: tuple[tuple[re.Pattern[str], list[str]], ...] = (
    (PEOPLE, ["email", "first_name", "last_name", "phone", "company", "city"]),
    (COMPANIES, ["name", "domain", "phone", "city", "country"]),
)


def _is_reference(options: list[JsonSchema]) -> bool:
    """An id or the whole object behind it ("expandable"): a plain request is answered with the id."""
    kinds = [set(types_of(option)) for option in options]
    return (
        len(kinds) > 1 and kinds[0] <= {"string", "integer"} and all(kind == {"object"} for kind in kinds[1:])
    )


def _or_null(generate: Generate, share: float) -> Generate:
    return lambda draw: None if draw.random() < share else generate(draw)


def _nothing_of(flat: JsonSchema) -> Generate:
    """The emptiest value of a type: where recursion has to end."""
    types = types_of(flat)
    if "null" in types or not types:
        return lambda draw: None
    empty: dict[str, Any] = {"object": {}, "array": [], "string": "", "boolean": False}
    value = empty.get(types[0], 0)
    return lambda draw: value


_GENERIC = frozenset(
    ("", "data", "attributes", "item", "items", "properties", "object", "record", "result", "fields")
)


def _subject(flat: JsonSchema, name: str, parent: str) -> str:
    """What an object is about: its own name, its title, or what it lies in."""
    if name.lower() not in _GENERIC:
        return name
    title = flat.get("title")
    return str(title) if isinstance(title, str) and title else parent
