"""Filters of lists, where they are obvious: a field by its name, since a moment, a few common query languages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from vitesse_graph.sandbox.places import read_path
from vitesse_graph.sandbox.store import Entry
from vitesse_graph.state.api_spec import Incremental

Test = Callable[[dict[str, Any]], bool]

_SINCE = re.compile(r"(since|after|from|gte|gt|min|start|newer)", re.IGNORECASE)
_UNTIL = re.compile(r"(until|before|to|lte|lt|max|end)$", re.IGNORECASE)
_ABOUT_TIME = re.compile(r"(updat|modif|creat|since|date|time|timestamp|changed|last_edited)", re.IGNORECASE)
# `equals(email,"x")`, `greater-than(updated,2024-01-01)`: JSON:API vendors.
_CALLS = re.compile(
    r"(equals|greater-than|greater-or-equal|less-than|less-or-equal)\(\s*([\w.\-]+)\s*,\s*(?:\"([^\"]*)\"|'([^']*)'|([^)]*))\)"
)
# `EmailAddress=="x"`, `email:'x'`, `email = "x"`: where clauses and search languages.
_PAIRS = re.compile(r"([\w.\-]+)\s*(==|=|:|>=|>)\s*(?:\"([^\"]*)\"|'([^']*)')")
_LANGUAGES = frozenset(("filter", "where", "query", "q", "search", "filters"))
_OPERATORS = {"equals": "eq", "==": "eq", "=": "eq", ":": "eq", "greater-than": "gt", ">": "gt",
              "greater-or-equal": "ge", ">=": "ge", "less-than": "lt", "less-or-equal": "le"}  # fmt: skip


def select(
    entries: Iterable[Entry],
    given: Mapping[str, Any],
    incremental: Incremental | None,
    ignored: Iterable[str],
) -> list[Entry]:
    """The entries that all understood parameters let through. Parameters not understood filter nothing."""
    rows = list(entries)
    skip = set(ignored)
    for name, value in given.items():
        if name in skip or value in (None, ""):
            continue
        for test in tests_of(name, value, incremental, rows):
            rows = [entry for entry in rows if test(entry.record)]
    return rows


def tests_of(name: str, value: Any, incremental: Incremental | None, rows: list[Entry]) -> list[Test]:
    """What one parameter demands of a record; [] when it is not a filter that we understand."""
    if incremental is not None and name == incremental.param and incremental.field:
        return _compare(incremental.field, "ge", value)
    plain = name.replace("[]", "").split("[", 1)
    if isinstance(value, dict):
        return _nested(plain[0], value)
    if plain[0].lower() in _LANGUAGES and isinstance(value, str):
        found = [*_CALLS.findall(value), *_PAIRS.findall(value)]
        tests: list[Test] = []
        for left, middle, *quoted in found:
            field, operator = (middle, left) if left in _OPERATORS else (left, middle)
            tests += _compare(field, _OPERATORS[operator], next((q for q in quoted if q), ""))
        return tests
    field = _field_named(plain[0], rows)
    if field is not None and isinstance(value, str | int | float | bool):
        return [_equal(field, value)]
    if _ABOUT_TIME.search(name) and _SINCE.search(name) and moment(value) is not None:
        return _compare(_time_field(name, rows), "ge", value)
    return []


_RANGE = {"gte": "ge", "gt": "gt", "lte": "le", "lt": "lt", "$gte": "ge", "$gt": "gt"}


def _nested(name: str, value: Mapping[str, Any]) -> list[Test]:
    """`created[gte]=…`, and search bodies: `filterGroups`, `{"filter": {"email": {"exact": …}}}`."""
    tests: list[Test] = []
    for operator, bound in value.items():
        if operator in _RANGE:
            tests += _compare(name, _RANGE[operator], bound)
    if tests:
        return tests
    if {"field", "operator", "value"} <= set(value) and value.get("operator") in ("=", "eq", "EQ"):
        return [_equal(str(value["field"]), value["value"])]
    inner = value.get("filter")
    if isinstance(inner, dict):
        for field, condition in inner.items():
            exact = condition.get("exact") if isinstance(condition, dict) else None
            if exact is not None:
                tests.append(_equal(str(field), exact))
    return tests


def group_tests(groups: Any) -> list[Test]:
    """`filterGroups: [{filters: [{propertyName, operator: EQ, value}]}]`: any group, all its filters."""
    made: list[list[Test]] = []
    for group in groups if isinstance(groups, list) else []:
        filters = group.get("filters") if isinstance(group, dict) else None
        tests: list[Test] = []
        for one in filters if isinstance(filters, list) else []:
            if isinstance(one, dict) and one.get("operator") == "EQ":
                tests.append(_equal(str(one.get("propertyName")), one.get("value")))
        if tests:
            made.append(tests)
    if not made:
        return []
    return [lambda record: any(all(test(record) for test in tests) for tests in made)]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _field_named(name: str, rows: list[Entry]) -> str | None:
    """The path of the field that a parameter names, judged by the first records that have it."""
    wanted = _plain(name)
    for entry in rows[:20]:
        for path, value in _fields(entry.record):
            if _plain(path.rsplit(".", 1)[-1]) == wanted and not isinstance(value, dict | list):
                return path
    return None


def _fields(record: dict[str, Any], prefix: str = "", depth: int = 0) -> Iterable[tuple[str, Any]]:
    for name, value in record.items():
        yield prefix + name, value
    if depth < 1:
        for name, value in record.items():
            if isinstance(value, dict) and name in ("attributes", "properties", "fields", "data"):
                yield from _fields(value, f"{prefix}{name}.", depth + 1)


def find(record: dict[str, Any], field: str) -> Any:
    """The field's value, also where it lies under `attributes`, `properties` and their like."""
    value = read_path(record, field)
    if value is not None:
        return value
    wanted = _plain(field.rsplit(".", 1)[-1])
    return next((value for path, value in _fields(record) if _plain(path.rsplit(".", 1)[-1]) == wanted), None)


def _equal(field: str, wanted: Any) -> Test:
    def test(record: dict[str, Any]) -> bool:
        value = find(record, field)
        if isinstance(value, bool) or isinstance(wanted, bool):
            return str(value).lower() == str(wanted).lower()
        if isinstance(value, str) and isinstance(wanted, str):
            return value.casefold() == wanted.casefold()
        return value is not None and str(value) == str(wanted)

    return test


def _time_field(name: str, rows: list[Entry]) -> str:
    """The field that a parameter such as `since` or `updated_after` speaks of."""
    stems = ("creat",) if "creat" in name.lower() else ("updat", "modif", "chang", "creat", "date", "time")
    for stem in stems:
        for entry in rows[:20]:
            for path, value in _fields(entry.record):
                if stem in path.lower() and moment(value) is not None:
                    return path
    return "updated_at"


def _compare(field: str, operator: str, bound: Any) -> list[Test]:
    if operator == "eq":
        return [_equal(field, bound)]
    limit = moment(bound)
    if limit is None:
        return []
    checks: dict[str, Callable[[float, float], bool]] = {
        "ge": lambda a, b: a >= b, "gt": lambda a, b: a > b, "le": lambda a, b: a <= b, "lt": lambda a, b: a < b,
    }  # fmt: skip
    check = checks[operator]

    def test(record: dict[str, Any]) -> bool:
        at = moment(find(record, field))
        return at is None or check(at, limit)

    return [test]


def moment(value: Any) -> float | None:
    """Seconds since 1970 of a time in any usual notation; None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return value / 1000 if value > 10**11 else float(value)
    text = str(value).strip()
    if re.fullmatch(r"\d{9,14}(\.\d+)?", text):
        return moment(float(text))
    if len(text) < 8 or len(text) > 64:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        try:
            parsed = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError):
            return None
    try:
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        return None
