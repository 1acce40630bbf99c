"""The simple types: parse, stringify, parse_bool, and money without drift."""

import pytest
from transform_rows import row, run


@pytest.mark.parametrize(
    ("value", "config", "expected"),
    [
        ("199.65", {"decimals": 2}, 199.65),
        ("199.655", {"decimals": 2}, 199.66),
        ("0.615", {"decimals": 2}, 0.62),
        ("2.675", {"decimals": 2, "rounding": "half_even"}, 2.68),
        ("1e3", {}, 1000),
        (" 42 ", {}, 42),
        ("5.00", {"to": "integer"}, 5),
        ("1.999,99", {"decimal_separator": ",", "thousands_separator": "."}, 1999.99),
        ("-0.5", {"to": "integer", "decimals": 0}, -1),
        (7, {}, 7),
        ("12345678901234567890", {"to": "integer"}, 12345678901234567890),
    ],
)
def test_text_becomes_the_number_it_spells(value, config, expected):
    made = run({"a": value}, row("a", "x", "parse", **config))
    assert made.body == {"x": expected}
    assert type(made.body["x"]) is type(expected)


@pytest.mark.parametrize(
    "value", ["1.999,99", "1,5", "NaN", "Infinity", "1_000", "٣", "0x10", "", True, [1], {}]
)
def test_what_is_not_clearly_a_number_is_not_guessed(value):
    made = run({"a": value}, row("a", "x", "parse", empty="keep"))
    assert made.body == {}
    assert len(made.errors) == 1


def test_a_fraction_is_not_silently_cut_off():
    assert run({"a": "1.5"}, row("a", "x", "parse", to="integer")).errors[0].reason == "not a whole number"


@pytest.mark.parametrize(
    ("value", "config", "expected"),
    [
        (5, {}, "5"),
        (5.5, {}, "5.5"),
        (1e21, {}, "1000000000000000000000"),
        (0.1, {"decimals": 2}, "0.10"),
        (True, {}, "true"),
        ({"a": [1]}, {}, '{"a":[1]}'),
    ],
)
def test_a_value_becomes_text(value, config, expected):
    assert run({"a": value}, row("a", "x", "stringify", **config)).body == {"x": expected}


@pytest.mark.parametrize(
    ("value", "config", "expected"),
    [
        ("Yes", {}, True),
        (0, {}, False),
        (1.0, {}, True),
        (True, {"invert": True}, False),
        ("closed", {"true_values": ["closed", "done"]}, True),
        ("open", {"true_values": ["closed", "done"]}, False),
    ],
)
def test_words_become_true_or_false(value, config, expected):
    assert run({"a": value}, row("a", "x", "parse_bool", **config)).body == {"x": expected}


def test_an_unknown_word_is_neither_true_nor_false():
    assert run({"a": "perhaps"}, row("a", "x", "parse_bool")).errors
