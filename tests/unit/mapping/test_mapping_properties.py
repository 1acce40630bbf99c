"""What holds for any two schemas."""

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mapping_helpers import arr, obj, pairs, string

from vitesse_graph.mapping import flatten, map_fields, validate_rows
from vitesse_graph.transforms import compile_mapping

NAMES = st.sampled_from(
    [
        "id",
        "name",
        "first_name",
        "lastName",
        "email",
        "phone_number",
        "address",
        "city",
        "zip",
        "country",
        "status",
        "created_at",
        "updatedAt",
        "due_date",
        "amount",
        "currency",
        "quantity",
        "tags",
        "type",
        "description",
        "note",
        "url",
        "image",
        "sku",
        "price",
        "total",
        "external_id",
        "active",
        "x",
        "foo_bar",
    ]
)
LEAVES = st.sampled_from(
    [
        string(),
        string(format="date-time"),
        string(format="date"),
        string(format="email"),
        string(enum=["open", "closed", "draft"]),
        string(enum=["ACTIVE", "INACTIVE"]),
        {"type": "integer"},
        {"type": "integer", "description": "In cents."},
        {"type": "number"},
        {"type": "boolean"},
        {"type": ["string", "null"]},
        arr(string()),
        {"type": "object"},
        {},
    ]
)
SCHEMAS = st.recursive(
    st.dictionaries(NAMES, LEAVES, min_size=1, max_size=6).map(lambda p: {"type": "object", "properties": p}),
    lambda inner: st.dictionaries(
        NAMES, st.one_of(LEAVES, inner, inner.map(arr)), min_size=1, max_size=6
    ).map(lambda p: {"type": "object", "properties": p, "required": sorted(p)[:1]}),
    max_leaves=12,
)
QUICK = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def example(schema, rng):
    """A value that the schema allows, now and then null or absent."""
    kinds = schema.get("type", "string")
    kind = kinds[0] if isinstance(kinds, list) else kinds
    if "enum" in schema:
        return rng.choice(schema["enum"])
    if kind == "object":
        return {k: example(v, rng) for k, v in schema.get("properties", {}).items() if rng.random() > 0.1}
    if kind == "array":
        return [example(schema["items"], rng) for _ in range(rng.randrange(3))]
    texts = {"date-time": "2024-03-17T09:26:53+02:00", "date": "2024-03-17", "email": "a@b.c"}
    return {
        "string": texts.get(schema.get("format"), rng.choice(["", "12.50", "true", "Ünï 🦊", "\x00"])),
        "integer": rng.randrange(-5, 10**12),
        "number": rng.random() * 1000,
        "boolean": rng.random() < 0.5,
    }[kind]


@QUICK
@given(SCHEMAS, SCHEMAS, st.integers())
def test_every_path_exists_and_every_transform_runs_on_every_value(source, dest, seed):
    mapping = map_fields(source, dest)
    validate_rows(mapping.transformations, source, dest)
    for row in mapping.transformations:
        for other in row.alternatives:
            validate_rows(
                [
                    row.evolve(
                        **other.model_dump(include={"source_field", "transform_type", "transform_config"})
                    )
                ],
                source,
                dest,
            )
    compiled = compile_mapping(mapping)
    rng = random.Random(seed)
    allowed = {f.path for f in flatten(dest)}
    for _ in range(3):
        made = compiled.apply(example(source, rng))
        assert {e.dest_field for e in made.errors} <= allowed
        assert all(e.reason and e.value_type for e in made.errors)


def shuffled(schema, rng):
    if isinstance(schema, dict):
        items = [(k, shuffled(v, rng)) for k, v in schema.items()]
        rng.shuffle(items)
        return dict(items)
    return schema


@QUICK
@given(SCHEMAS, SCHEMAS, st.integers())
def test_the_order_of_fields_changes_nothing(source, dest, seed):
    rng = random.Random(seed)
    one, other = map_fields(source, dest), map_fields(shuffled(source, rng), shuffled(dest, rng))
    assert sorted(map(repr, one.transformations)) == sorted(map(repr, other.transformations))


@QUICK
@given(SCHEMAS, SCHEMAS)
def test_the_same_question_has_the_same_answer(source, dest):
    assert map_fields(source, dest) == map_fields(source, dest)


@QUICK
@given(SCHEMAS, SCHEMAS)
def test_the_mapping_adds_up(source, dest):
    mapping = map_fields(source, dest)
    writable = {f.path for f in flatten(dest) if not f.read_only}
    filled = {r.dest_field for r in mapping.transformations}
    asked = {q.dest_field for q in mapping.questions if q.required}
    inside = {path for path in writable for whole in asked if path.startswith((whole + ".", whole + "["))}
    assert filled | (asked & writable) | inside | set(mapping.unmapped_dest) == writable
    assert all(whole in writable or any(p.startswith(whole) for p in inside) for whole in asked)
    assert not filled & (asked | inside)
    assert 1 <= mapping.complexity_score <= 10
    assert all(0 <= r.confidence <= 1 for r in mapping.transformations)


SAME = {
    "first_name": "given_name",
    "last_name": "family_name",
    "email": "email_address",
    "phone": "telephone",
    "city": "locality",
    "zip": "postal_code",
    "country": "country_code",
    "company": "organization",
    "note": "remarks",
    "created_at": "date_created",
    "tags": "labels",
    "quantity": "qty",
    "currency": "currency_code",
    "due_date": "due_on",
    "job_title": "position",
    "birth_date": "date_of_birth",
}


def record(names, spelling):
    """The fields, those of the address in an object of their own."""
    leaf = {"tags": arr(string()), "quantity": {"type": "integer"}}
    placed = {name: leaf.get(name, "") for name in names}
    address = {spelling(n): v for n, v in placed.items() if n in ("city", "zip", "country")}
    rest = {spelling(n): v for n, v in placed.items() if n not in ("city", "zip", "country")}
    return obj(**rest, **({"address": obj(**address)} if address else {}))


@settings(deadline=None, max_examples=30)
@given(st.sets(st.sampled_from(sorted(SAME)), min_size=6))
def test_other_words_for_every_field_change_little(names):
    turned = sorted(names)
    dest = record(turned, str)
    plain = pairs(map_fields(record(turned, str), dest))
    other = pairs(map_fields(record(turned, SAME.__getitem__), dest))
    at = {name: f"address.{name}" if name in ("city", "zip", "country") else name for name in turned}
    assert len(plain) >= len(turned) - 1
    kept = sum(
        str(other.get(at[name], "")).rpartition(".")[2].removesuffix("[]") == SAME[name] for name in turned
    )
    assert kept >= len(turned) - 2


def test_the_properties_are_about_something():
    """Schemas of this kind do give rows of every sort, so that the laws above are not empty."""
    seen: dict[str, int] = {}
    made = filled = 0

    @settings(deadline=None, max_examples=40, derandomize=True, database=None)
    @given(SCHEMAS, SCHEMAS, st.integers())
    def count(source, dest, seed):
        nonlocal made, filled
        mapping = map_fields(source, dest)
        for row in mapping.transformations:
            seen[row.transform_type] = seen.get(row.transform_type, 0) + 1
        body = compile_mapping(mapping).apply(example(source, random.Random(seed)))
        made += len(mapping.transformations)
        filled += len(body.body) + len(body.errors)

    count()
    assert made > 20
    assert filled > 10
    assert len(seen) >= 4
