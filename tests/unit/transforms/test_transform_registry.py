"""Transforms of third parties, descriptions, inverses, and what must not be imported."""

import subprocess
import sys

import pytest
from transform_rows import constant, row, run

from vitesse_graph.errors import MappingError
from vitesse_graph.transforms import describe, inverse, registry, transform


@pytest.fixture
def own_transform():
    @transform("shout_for_test", accepts=("string",), returns="string")
    def shout(value, mark="!"):
        """text with a mark"""
        if value == "secret":
            raise RuntimeError(f"cannot shout {value}")
        return value.upper() + mark

    yield shout
    del registry._REGISTRY["shout_for_test"]


def test_a_registered_function_is_used_with_its_params(own_transform):
    made = run({"a": "hey"}, row("a", "x", "custom", function="shout_for_test", params={"mark": "?"}))
    assert made.body == {"x": "HEY?"}


def test_what_a_strange_function_raises_never_shows_the_value(own_transform):
    made = run({"a": "secret"}, row("a", "x", "custom", function="shout_for_test"))
    assert made.errors[0].reason == "the transform failed (RuntimeError)"


def test_params_that_a_function_does_not_take_are_refused(own_transform):
    with pytest.raises(MappingError, match="shout_for_test"):
        run({}, row("a", "x", "custom", function="shout_for_test", params={"volume": 11}))


def test_a_name_can_be_registered_once(own_transform):
    with pytest.raises(MappingError, match="already"):
        transform("shout_for_test")(own_transform)


@pytest.mark.parametrize(
    ("described", "words"),
    [
        (row("a", "x"), "as it is"),
        (row("a", "x", "parse", decimals=2), "text → number, 2 places"),
        (constant("x", "ACCREC"), "always ACCREC"),
        (row("a", "x", "custom", function="enum_map", params={"table": {"a": "b"}}), "table a → b"),
        (row("a", "x", "custom", expression="a & b"), "JSONata: a & b"),
        (row("a[].b", "x", reduce="sum"), "as it is (sum of the list)"),
    ],
)
def test_a_row_is_described_in_words(described, words):
    assert describe(described) == words


def test_the_inverse_of_a_row_swaps_its_ends():
    back = inverse(row("a", "x.y", "custom", function="iso8601_to_unix"))
    assert back is not None
    assert (back.source_field, back.dest_field) == ("x.y", "a")
    assert run({"x": {"y": 60}}, back).body == {"a": "1970-01-01T00:01:00Z"}


@pytest.mark.parametrize(
    "lossy",
    [
        row(["a", "b"], "x", "custom", function="join"),
        row("a", "x", "custom", function="parse_iso8601_to_date"),
        row("a[].b", "x", reduce="sum"),
        constant("x", 1),
    ],
)
def test_what_loses_something_has_no_inverse(lossy):
    assert inverse(lossy) is None


def test_the_package_stays_light():
    heavy = (
        "langgraph",
        "langchain_core",
        "qdrant_client",
        "numpy",
        "scipy",
        "phonenumbers",
        "pycountry",
        "jsonata",
        "sqlalchemy",
    )
    code = f"import sys, vitesse_graph.transforms; print([m for m in {heavy!r} if m in sys.modules])"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )
