"""Whatever the values: an answer or a stated error, the same again, nothing changed, nothing leaked."""

import copy

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from transform_rows import row

from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.transforms import TransformProblem, build, compile_mapping, transform_names

PARAMS = {
    "affix": {"prefix": "x"},
    "bool_to_enum": {"true": "a", "false": "b"},
    "constant": {"value": 1},
    "convert_time": {"source": "iso8601", "target": "unix_seconds"},
    "date_to_pattern": {"pattern": "MM/DD/YYYY"},
    "pattern_to_date": {"pattern": "YYYYMMDD"},
    "enum_map": {"table": {"a": "b"}, "unmatched": "keep"},
    "pick": {"fields": ["a"]},
    "scale": {"factor": "0.5"},
    "set_to_enum": {"present": "a"},
    "sign_to_enum": {"positive": "a", "negative": "b"},
    "truncate": {"length": 3},
}
BUILT = [build(name, PARAMS.get(name, {})) for name in transform_names()]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.sampled_from(
        [
            "2024-03-17T09:26:53Z",
            "1999.99",
            "1.999,99",
            "",
            "\x00",
            "🦊",
            "مرحبا",
            "e\u0301",
            "é",
            "US",
            "+12025550123",
            "9" * 500,
        ]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=150)
@given(values)
def test_every_transform_answers_or_says_why_not(value):
    before = copy.deepcopy(value)
    for function in BUILT:
        try:
            made = function(value)
        except TransformProblem:
            continue
        orjson.dumps(made, option=orjson.OPT_PASSTHROUGH_SUBCLASS) if made is not None and not _is_huge(
            made
        ) else None
        assert function(value) == made
    assert value == before


def _is_huge(made):
    return any(
        isinstance(v, int) and abs(v) > 2**63 for v in (made if isinstance(made, list) else [made])
    ) or isinstance(made, (dict, list))


MAPPING = MappingLogic(
    transformations=[
        row("a", "x"),
        row("b.c", "y.z", "parse", decimals=2),
        row("l[].a", "items[].n", "stringify"),
        row("l[].b[].c", "items[].sum", reduce="sum"),
        row("t", "tags", "collect"),
        row(["a", "b.c"], "both", "custom", function="join"),
        row("d", "day", "custom", function="parse_iso8601_to_date", required=True),
    ]
)
COMPILED = compile_mapping(MAPPING)
records = st.fixed_dictionaries(
    {}, optional={"a": values, "b": values, "l": values, "t": values, "d": values}
)


@settings(deadline=None, max_examples=150)
@given(records)
def test_a_compiled_mapping_never_raises_and_never_changes_the_record(record):
    before = copy.deepcopy(record)
    made = COMPILED.apply(record)
    assert record == before
    assert COMPILED.apply(record) == made
    assert set(made.body) <= {"x", "y", "items", "tags", "both", "day"}
    assert ("day" in made.body) != any(e.dest_field == "day" for e in made.errors)
