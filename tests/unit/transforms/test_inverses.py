"""Every transform has an inverse that brings the value back, or a stated reason why there is none."""

import datetime as dt
import string
from decimal import Decimal
from zoneinfo import ZoneInfo

import pycountry
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transform_rows import row

from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.transforms import build, compile_mapping, inverse, named, transform_names


def moment(milliseconds):
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(milliseconds=milliseconds)


def written(when):
    return when.isoformat().removesuffix("+00:00") + "Z"


unix = st.integers(0, 4_102_444_799)
seconds = unix.map(lambda s: moment(s * 1000))
iso = seconds.map(written)
iso_ms = st.integers(0, 4_102_444_799_999).map(moment).map(written)
days = st.dates(dt.date(1971, 1, 2), dt.date(2099, 12, 30)).map(dt.date.isoformat)
zones = st.sampled_from(["UTC", "Asia/Tokyo", "America/New_York", "Pacific/Kiritimati"])
words = st.text(string.ascii_lowercase, min_size=1, max_size=8)
cents = st.integers(-(10**12), 10**12)
numbers = st.one_of(st.integers(-(10**12), 10**12), st.decimals(-(10**6), 10**6, places=3).map(float))
tables = st.dictionaries(words, words, min_size=1, max_size=5).filter(
    lambda table: len(set(table.values())) == len(table)
)


def nothing(values):
    return st.tuples(st.just({}), values)


def in_zone(values):
    return st.tuples(zones.map(lambda z: {"timezone": z}), values)


COUNTRIES = sorted(c.alpha_2 for c in pycountry.countries)
FORMS = {
    "alpha2": lambda code: code,
    "alpha3": lambda code: pycountry.countries.get(alpha_2=code).alpha_3,
    "name": lambda code: build("country_to_name", {})(code),
}


def countries(target):
    def both(source):
        return st.sampled_from(COUNTRIES).map(lambda code: ({"source": source}, FORMS[source](code)))

    return st.sampled_from([form for form in FORMS if form != target]).flatmap(both)


def of_patterns(values):
    patterns = st.sampled_from(["MM/DD/YYYY", "DD.MM.YYYY", "YYYYMMDD", "YYYY/MM/DD", "DD-MM-YYYY"])
    return patterns.flatmap(lambda p: values(p).map(lambda value: ({"pattern": p}, value)))


ROUND_TRIPS = {
    "affix": st.tuples(st.fixed_dictionaries({"prefix": words, "suffix": words}), words),
    "strip_affix": words.flatmap(lambda p: words.map(lambda w: ({"prefix": p}, p + w))),
    "bool_to_enum": st.tuples(
        st.lists(words, min_size=2, max_size=2, unique=True).map(
            lambda two: {"true": two[0], "false": two[1]}
        ),
        st.booleans(),
    ),
    "to_boolean": st.tuples(
        st.lists(words, min_size=2, max_size=2, unique=True), st.integers(0, 1), st.booleans()
    ).map(lambda t: ({"true_values": [t[0][0]], "false_values": [t[0][1]], "invert": t[2]}, t[0][t[1]])),
    "convert_time": st.one_of(
        st.tuples(st.just({"source": "iso8601", "target": "unix_milliseconds"}), iso_ms),
        st.tuples(st.just({"source": "unix_seconds", "target": "http_date"}), unix),
        st.tuples(st.just({"source": "unix_seconds", "target": "iso8601", "timezone": "Asia/Tokyo"}), unix),
        st.tuples(zones.map(lambda z: {"source": "date", "target": "iso8601", "timezone": z}), days),
    ),
    "country_to_alpha2": countries("alpha2"),
    "country_to_alpha3": countries("alpha3"),
    "country_to_name": countries("name"),
    "date_to_iso8601": in_zone(days),
    "date_to_unix": in_zone(days),
    "date_to_pattern": of_patterns(lambda pattern: days),
    "pattern_to_date": of_patterns(
        lambda pattern: days.map(lambda day: build("date_to_pattern", {"pattern": pattern})(day))
    ),
    "enum_map": st.one_of(
        tables.flatmap(lambda t: st.sampled_from(sorted(t)).map(lambda k: ({"table": t}, k))),
        st.integers(0, 4).map(
            lambda n: ({"table": {str(i): f"v{i}" for i in range(5)}, "keys": "integer"}, n)
        ),
        st.booleans().map(lambda b: ({"table": {"true": "on", "false": "off"}, "keys": "boolean"}, b)),
    ),
    "iso8601_to_unix": nothing(iso),
    "iso8601_to_unix_ms": nothing(iso_ms),
    "unix_to_iso8601": nothing(unix),
    "unix_ms_to_iso8601": nothing(st.integers(0, 4_102_444_799_999)),
    "rfc2822_to_iso8601": nothing(seconds.map(lambda m: m.strftime("%a, %d %b %Y %H:%M:%S +0000"))),
    "minor_to_major": st.tuples(st.sampled_from([{}, {"decimals": 3}, {"as_string": True}]), cents),
    "major_to_minor": nothing(st.decimals(-(10**9), 10**9, places=2).map(float)),
    "negate": nothing(numbers),
    "scale": st.tuples(
        st.sampled_from([{"factor": "1000"}, {"factor": "60000", "divisor": "3600000"}, {"factor": "0.01"}]),
        st.integers(-(10**6), 10**6),
    ),
    "split": st.tuples(st.just({"separator": ";"}), st.lists(words, min_size=1, max_size=4).map(";".join)),
    "text_to_html": nothing(st.text(string.ascii_letters + "&<>", min_size=1, max_size=12)),
    "to_number": nothing(numbers.map(lambda n: format(Decimal(str(n)), "f").removesuffix(".0"))),
    "to_text": nothing(numbers),
    "wrap": nothing(words),
}
NO_INVERSE = {
    "absolute": "the sign is gone",
    "constant": "nothing of the value is left",
    "count": "only how many there were is left",
    "first": "the others are gone",
    "first_filled": "which field it was is gone",
    "html_to_text": "the markup is gone",
    "is_set": "the value is gone",
    "join": "where one ends and the next begins is gone",
    "locale_to_language": "the region is gone",
    "lower": "the capitals are gone",
    "normalize_iso8601": "the offset is gone",
    "normalize_text": "the other form is gone",
    "number_in_text": "the text around is gone",
    "parse_iso8601_to_date": "the time of day is gone",
    "phone_to_e164": "the notation is gone",
    "pick": "the other properties are gone",
    "rfc2822_to_date": "the time of day is gone",
    "set_to_enum": "the value is gone",
    "sign_to_enum": "the amount is gone",
    "slugify": "spaces, marks and accents are gone",
    "split_name": "the other part is gone",
    "split_part": "the other parts are gone",
    "sum": "the summands are gone",
    "trim": "the spaces are gone",
    "truncate": "the rest is gone",
    "unix_ms_to_date": "the time of day is gone",
    "unix_to_date": "the time of day is gone",
    "upper": "the small letters are gone",
}


def test_every_transform_is_known_to_come_back_or_not():
    ours = [n for n in transform_names() if named(n).build.__module__.startswith("vitesse_graph.")]
    assert sorted(ours) == sorted([*ROUND_TRIPS, *NO_INVERSE])
    assert {name for name in ours if named(name).inverse is None} == set(NO_INVERSE)


@pytest.mark.parametrize("name", sorted(ROUND_TRIPS))
def test_there_and_back_is_where_it_was(name):
    @settings(deadline=None, max_examples=25)
    @given(ROUND_TRIPS[name])
    def there_and_back(case):
        params, value = case
        there = row("a", "b", "custom", function=name, **({"params": params} if params else {}))
        back = inverse(there)
        assert back is not None
        assert applied(back, applied(there, value)) == nearly(value)

    there_and_back()


def nearly(value):
    """A third of an hour is a number that no float holds: it comes back to fifteen digits."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return pytest.approx(value, rel=1e-14) if is_number else value


def applied(transformation, value):
    compiled = compile_mapping(MappingLogic(transformations=[transformation]))
    made = compiled.apply({transformation.source_field: value})
    assert made.ok, made.errors
    return made.body[transformation.dest_field]


BY_TYPE = [
    (row("a", "b", "direct"), words),
    (row("a", "b", "mapping"), st.one_of(words, numbers, st.booleans())),
    (row("a", "b", "parse"), cents.map(str)),
    (row("a", "b", "parse", decimals=2), st.decimals(0, 10**6, places=2).map(str)),
    (row("a", "b", "stringify"), numbers),
    (row("a", "b", "stringify", source_type="boolean"), st.booleans()),
    (row("a", "b", "parse_bool", invert=True), st.booleans()),
    (
        row("a", "b", "parse_bool", true_values=["won"], false_values=["lost"]),
        st.sampled_from(["won", "lost"]),
    ),
    (row("a", "b", "collect"), st.lists(words, min_size=1)),
    (
        row("a", "b", "collect", item={"function": "minor_to_major", "params": {}}),
        st.lists(cents, min_size=1, max_size=3),
    ),
    (
        row("a", "b", "custom", steps=[{"function": "unix_to_iso8601"}, {"function": "wrap"}]),
        unix,
    ),
]


@pytest.mark.parametrize(("there", "values"), BY_TYPE, ids=lambda v: getattr(v, "transform_type", ""))
def test_a_row_of_each_type_comes_back(there, values):
    back = inverse(there)
    assert back is not None

    @settings(deadline=None, max_examples=25)
    @given(values)
    def there_and_back(value):
        assert applied(back, applied(there, value)) == value

    there_and_back()


@pytest.mark.parametrize(
    "lossy",
    [
        row("a", "b", "stringify", source_type="object"),
        row("a", "b", "parse", decimal_separator=","),
        row("a", "b", "parse_bool", true_values=["won", "paid"]),
        row("a", "b", "collect", separator=", "),
        row("a", "b", "collect", item={"function": "upper"}),
        row("a", "b", "custom", function="minor_to_major", params={"absolute": True}),
        row("a", "b", "custom", function="scale", params={"factor": "0.001", "decimals": 0}),
        row("a", "b", "custom", function="country_to_alpha2"),
        row("a", "b", "custom", function="enum_map", params={"table": {"a": "x", "b": "X"}}),
        row("a", "b", "custom", function="enum_map", params={"table": {"a": "x"}, "unmatched": "skip"}),
        row("a", "b", "custom", steps=[{"function": "trim"}, {"function": "wrap"}]),
        row("a", "b", "custom", function="iso8601_to_unix", reduce="first"),
    ],
)
def test_what_two_values_may_become_has_no_inverse(lossy):
    assert inverse(lossy) is None


def test_a_day_comes_back_in_its_own_zone():
    there = row("a", "b", "custom", function="date_to_iso8601", params={"timezone": "Asia/Tokyo"})
    midnight = applied(there, "2024-03-01")
    assert dt.datetime.fromisoformat(midnight) == dt.datetime(2024, 3, 1, tzinfo=ZoneInfo("Asia/Tokyo"))
    assert applied(inverse(there), midnight) == "2024-03-01"
