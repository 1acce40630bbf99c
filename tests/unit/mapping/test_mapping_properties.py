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
}


def test_other_words_for_every_field_change_little():
    dest = obj(**{name: arr(string()) if name == "tags" else "" for name in SAME})
    plain = pairs(map_fields(obj(**{name: arr(string()) if name == "tags" else "" for name in SAME}), dest))
    other = pairs(
        map_fields(obj(**{SAME[name]: arr(string()) if name == "tags" else "" for name in SAME}), dest)
    )
    assert len(plain) == len(SAME)
    kept = sum(other.get(name) == SAME[name] for name in SAME)
    assert kept >= len(SAME) - 1
