"""Each named transform on values that tell."""

import pytest

from vitesse_graph.errors import MappingError
from vitesse_graph.transforms import TransformProblem, build, named, transform_names

GIVES = [
    ("minor_to_major", {}, 1999, 19.99),
    ("minor_to_major", {}, 1990, 19.9),
    ("minor_to_major", {"as_string": True}, 1990, "19.90"),
    ("minor_to_major", {"decimals": 0}, 500, 500),
    ("minor_to_major", {}, [500, "JPY"], 500),
    ("minor_to_major", {}, [5000, "kwd"], 5),
    ("major_to_minor", {}, "19.99", 1999),
    ("major_to_minor", {}, 0.29, 29),
    ("major_to_minor", {}, 1.005, 101),
    ("scale", {"factor": "0.001"}, 1500, 1.5),
    ("absolute", {}, -3.5, 3.5),
    ("negate", {}, "2", -2),
    ("sign_to_enum", {"positive": "DEBIT", "negative": "CREDIT"}, -1, "CREDIT"),
    ("sum", {}, ["0.1", 0.2], 0.3),
    ("parse_iso8601_to_date", {}, "2024-03-17T23:30:00-05:00", "2024-03-18"),
    ("parse_iso8601_to_date", {"timezone": "America/New_York"}, "2024-03-17T23:30:00-04:00", "2024-03-17"),
    ("parse_iso8601_to_date", {}, "2024-03-17", "2024-03-17"),
    ("parse_iso8601_to_date", {}, "2024-03-17T10:00:00.123456789Z", "2024-03-17"),
    ("normalize_iso8601", {}, "2024-03-17T10:00:00+02:00", "2024-03-17T08:00:00Z"),
    (
        "normalize_iso8601",
        {"assume_timezone": "Europe/Berlin"},
        "2024-07-01T10:00:00",
        "2024-07-01T08:00:00Z",
    ),
    ("iso8601_to_unix", {}, "1970-01-01T00:01:00Z", 60),
    ("iso8601_to_unix", {}, "1969-12-31T23:59:59Z", -1),
    ("unix_to_iso8601", {}, 60, "1970-01-01T00:01:00Z"),
    ("unix_to_iso8601", {}, "60", "1970-01-01T00:01:00Z"),
    ("unix_ms_to_iso8601", {}, 1500, "1970-01-01T00:00:01.500000Z"),
    ("unix_to_date", {}, 86400, "1970-01-02"),
    ("date_to_iso8601", {}, "2024-02-29", "2024-02-29T00:00:00Z"),
    ("rfc2822_to_iso8601", {}, "Mon, 16 Aug 2010 03:45:01 +0000", "2010-08-16T03:45:01Z"),
    (
        "convert_time",
        {"source": "iso8601", "target": "unix_seconds", "as_string": True},
        "1970-01-01T00:01:00Z",
        "60",
    ),
    ("upper", {}, "usd", "USD"),
    ("trim", {}, "  ", None),
    ("split", {}, "a, b,,c", ["a", "b", "c"]),
    ("split_part", {"index": -1}, "a b c", "c"),
    ("split_part", {"index": 7}, "a b c", None),
    ("split_name", {"part": "first"}, "Ludwig van Beethoven", "Ludwig"),
    ("split_name", {"part": "last"}, "Ludwig van Beethoven", "van Beethoven"),
    ("split_name", {"part": "last"}, "Lovelace, Ada", "Lovelace"),
    ("split_name", {"part": "last"}, "Plato", None),
    ("slugify", {}, "Über uns & Co.", "uber-uns-co"),
    ("html_to_text", {}, "<p>a &amp; b</p><script>x()</script>", "a & b"),
    ("text_to_html", {}, "a < b\nc", "<p>a &lt; b<br>c</p>"),
    ("affix", {"prefix": "#"}, 5, "#5"),
    ("number_in_text", {}, "12.5 kg", 12.5),
    ("enum_map", {"table": {"open": "new"}}, "OPEN", "new"),
    ("enum_map", {"table": {"true": "on"}}, True, "on"),
    ("enum_map", {"table": {}, "unmatched": "keep"}, "x", "x"),
    ("enum_map", {"table": {}, "unmatched": "otherwise", "otherwise": "z"}, "x", "z"),
    ("enum_map", {"table": {}, "unmatched": "skip"}, "x", None),
    ("bool_to_enum", {"true": "closed", "false": "open"}, False, "open"),
    ("is_set", {}, "", False),
    ("is_set", {"invert": True}, "x", False),
    ("first", {}, [None, "", "a"], "a"),
    ("wrap", {}, "a", ["a"]),
    ("count", {}, [1, 2], 2),
    ("pick", {"fields": {"a": "b"}}, {"a": 1, "c": 2}, {"b": 1}),
    ("phone_to_e164", {}, "+1 (202) 555-0123", "+12025550123"),
    ("phone_to_e164", {"region": "DE"}, "030 1234567", "+49301234567"),
    ("phone_to_e164", {}, ["1", "202", "5550123"], "+12025550123"),
    ("phone_to_e164", {"unparsable": "keep"}, "ext 12", "ext 12"),
    ("country_to_alpha2", {}, "United States", "US"),
    ("country_to_alpha2", {}, "deu", "DE"),
    ("country_to_alpha2", {}, "UK", "GB"),
    ("country_to_alpha2", {"unmatched": "keep"}, "Atlantis", "Atlantis"),
    ("country_to_name", {}, "DE", "Germany"),
    ("country_to_alpha3", {}, "Germany", "DEU"),
    ("locale_to_language", {}, "pt_BR", "pt"),
    ("locale_to_language", {"allowed": ["en", "pt-BR"]}, "pt-PT", "pt-BR"),
    ("locale_to_language", {"style": "hyphen"}, "pt_br", "pt-BR"),
    ("join", {"separator": ", "}, ["a", None, " b "], "a, b"),
]


@pytest.mark.parametrize(("name", "params", "value", "expected"), GIVES)
def test_a_transform_gives(name, params, value, expected):
    assert build(name, params)(value) == expected


REFUSES = [
    ("minor_to_major", {}, "12,50"),
    ("minor_to_major", {}, True),
    ("scale", {"factor": 2}, "NaN"),
    ("scale", {"factor": 2}, "1e9999999"),
    ("parse_iso8601_to_date", {}, "17.03.2024"),
    ("parse_iso8601_to_date", {}, 5),
    ("parse_iso8601_to_date", {}, "0001-01-01T00:00:00+14:00"),
    ("parse_iso8601_to_date", {}, "9999-12-31T23:00:00-14:00"),
    ("unix_to_iso8601", {}, 10**20),
    ("unix_to_iso8601", {}, "soon"),
    ("enum_map", {"table": {"a": "b"}}, "c"),
    ("phone_to_e164", {}, "030 1234567"),
    ("country_to_alpha2", {}, "Atlantis"),
    ("locale_to_language", {"allowed": ["de"]}, "en-US"),
    ("number_in_text", {}, "12 of 30"),
    ("upper", {}, {"a": 1}),
    ("pick", {"fields": ["a"]}, "text"),
]


@pytest.mark.parametrize(("name", "params", "value"), REFUSES)
def test_a_transform_refuses_without_naming_the_value(name, params, value):
    with pytest.raises(TransformProblem) as caught:
        build(name, params)(value)
    assert str(value) not in str(caught.value) or len(str(value)) < 2


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("minor_to_major", {"decimals": 99}),
        ("convert_time", {"source": "stardate", "target": "date"}),
        ("parse_iso8601_to_date", {"timezone": "Mars/Olympus"}),
        ("split", {"separator": ""}),
        ("enum_map", {"table": [], "unmatched": "error"}),
        ("truncate", {}),
        ("upper", {"loud": True}),
        ("no_such_transform", {}),
    ],
)
def test_wrong_params_are_refused_when_the_mapping_is_compiled(name, params):
    with pytest.raises(MappingError):
        build(name, params)


def test_every_transform_says_what_it_does_takes_and_gives():
    for name in transform_names():
        entry = named(name)
        assert entry.summary, name
        assert entry.accepts
        assert entry.returns


INVERTIBLE = [
    ("minor_to_major", {}, 1999),
    ("iso8601_to_unix", {}, "2024-03-17T09:26:53Z"),
    ("unix_to_iso8601", {}, 1710667613),
    ("unix_ms_to_iso8601", {}, 1710667613123),
    ("date_to_iso8601", {}, "2024-02-29"),
    ("date_to_unix", {}, "2024-02-29"),
    ("convert_time", {"source": "rfc2822", "target": "unix_seconds"}, "Mon, 16 Aug 2010 03:45:01 +0000"),
    ("negate", {}, 5),
    ("country_to_alpha2", {"source": "name"}, "Germany"),
    ("enum_map", {"table": {"open": "new", "closed": "solved"}}, "open"),
    ("wrap", {}, "a"),
    ("text_to_html", {}, "plain text"),
]


@pytest.mark.parametrize(("name", "params", "value"), INVERTIBLE)
def test_the_inverse_brings_the_value_back(name, params, value):
    back = named(name).inverse
    assert back is not None
    found = back(params)
    assert found is not None
    assert build(*found)(build(name, params)(value)) == value


def test_a_table_that_merges_values_has_no_inverse():
    back = named("enum_map").inverse
    assert back is not None
    assert back({"table": {"a": "x", "b": "x"}}) is None
