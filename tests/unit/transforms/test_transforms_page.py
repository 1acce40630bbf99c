"""The page on transforms says what the registry says, and what a row does with nothing and with nonsense."""

from pathlib import Path

import pytest
from transform_rows import row

from vitesse_graph.state.mapping import TRANSFORM_TYPES, MappingLogic
from vitesse_graph.transforms import compile_mapping, named, transform_names

PAGE = (Path(__file__).parents[3] / "docs" / "transforms.md").read_text("utf-8")
LINES = {
    cells[1].strip(" `"): [cell.strip() for cell in cells[2:-1]]
    for cells in (line.split("|") for line in PAGE.splitlines() if line.startswith("| `"))
}


@pytest.mark.parametrize("name", transform_names())
def test_every_function_is_on_the_page_as_it_is(name):
    if not named(name).build.__module__.startswith("vitesse_graph."):
        pytest.skip("another package's")
    takes, what, refuses, inverse = LINES[name]
    entry = named(name)
    assert takes == f"{', '.join(entry.accepts)} → {entry.returns}"
    assert what == entry.summary.rstrip(".")
    assert refuses
    assert inverse.startswith("none: ") == (entry.inverse is None)


def test_every_type_is_on_the_page():
    assert set(TRANSFORM_TYPES) <= {word for key in LINES for word in key.replace("`", "").split(", ")}


ROWS = {
    "parse": {},
    "parse_bool": {},
    "collect": {"item": {"function": "minor_to_major"}},
    "custom": {"function": "iso8601_to_unix"},
}


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize(
    ("config", "record", "body", "reasons"),
    [
        ({}, {}, {}, 0),
        ({}, {"a": None}, {}, 0),
        ({"on_null": "error"}, {"a": None}, {}, 1),
        ({"on_null": "null"}, {}, {"b": None}, 0),
        ({"default": 7}, {"a": None}, {"b": 7}, 0),
        ({}, {"a": "s3cret-nonsense"}, {}, 1),
        ({"on_error": "skip"}, {"a": "s3cret-nonsense"}, {}, 0),
        ({"on_error": "null"}, {"a": "s3cret-nonsense"}, {"b": None}, 0),
        ({"on_error": "default", "default": 7}, {"a": "s3cret-nonsense"}, {"b": 7}, 0),
        ({"on_error": "keep"}, {"a": "s3cret-nonsense"}, {"b": "s3cret-nonsense"}, 0),
    ],
)
def test_nothing_and_nonsense_become_what_the_page_says(kind, config, record, body, reasons):
    compiled = compile_mapping(MappingLogic(transformations=[row("a", "b", kind, **ROWS[kind], **config)]))
    made = compiled.apply(record)
    kept = {"b": ["s3cret-nonsense"]} if kind == "collect" and body == {"b": "s3cret-nonsense"} else body
    assert made.body == kept
    assert len(made.errors) == reasons
    for error in made.errors:
        assert error.dest_field == "b"
        assert error.source_field == "a"
        assert error.value_type in ("string", "array", "null", "missing")
        assert error.reason
        assert "s3cret" not in repr(error)


def test_a_required_field_that_is_missing_is_an_error():
    compiled = compile_mapping(MappingLogic(transformations=[row("a", "b", required=True)]))
    assert [e.value_type for e in compiled.apply({}).errors] == ["missing"]
