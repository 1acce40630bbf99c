"""JSONata: what it can do, and that it cannot do harm."""

import time

import pytest
from transform_rows import row, run

from vitesse_graph.errors import MappingError
from vitesse_graph.transforms.expression import expression_function


def test_an_expression_sees_the_value_or_the_whole_record():
    record = {"a": {"first": "Ada", "last": "L"}, "n": 2}
    made = run(
        record,
        row("a", "name", "custom", expression="first & ' ' & last"),
        row([], "twice", "custom", expression="n * 2"),
        row(["n", "a.first"], "both", "custom", expression="$join([$string($[0]), $[1]], '-')"),
    )
    assert made.body == {"name": "Ada L", "twice": 4, "both": "2-Ada"}


def test_an_expression_that_finds_nothing_is_missing():
    assert run({"a": {}}, row("a", "x", "custom", expression="no.such")).body == {}


@pytest.mark.parametrize("text", ["", "((((", "a b c", "x" * 5000, "(" * 100 + "1" + ")" * 100, 5])
def test_what_is_no_expression_is_refused_when_compiled(text):
    with pytest.raises(MappingError):
        run({}, row("a", "x", "custom", expression=text))


@pytest.mark.parametrize(
    "endless",
    [
        "( $f := function($x){ $f($x+1) }; $f(1) )",
        "$match($, /(a+)+$/)",
        "$sum($map([1..9999999], function($i){ $i * $i }))",
    ],
)
def test_an_endless_expression_is_stopped_and_the_next_value_works(endless):
    started = time.monotonic()
    made = run({"a": "a" * 40 + "b"}, row("a", "x", "custom", expression=endless))
    assert made.body == {}
    assert len(made.errors) == 1
    assert time.monotonic() - started < 10
    assert run({"a": 2}, row("a", "x", "custom", expression="$ + 1")).body == {"x": 3}


def test_an_expression_has_no_way_to_python():
    for text in ("$eval('1+1')", "__class__", "$.__class__.__mro__"):
        made = run({"a": {}}, row("a", "x", "custom", expression=text))
        assert made.body in ({}, {"x": 2})


def test_what_an_expression_raises_never_shows_the_value():
    with pytest.raises(ValueError, match="failed on this value") as caught:
        expression_function("$number($)")("hunter2")
    assert "hunter2" not in str(caught.value)
