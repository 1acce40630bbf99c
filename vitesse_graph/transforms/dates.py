"""Points in time and days, between the notations in which APIs write them.

Notations: `iso8601` (with date and time), `date` (YYYY-MM-DD), `unix_seconds`,
`unix_milliseconds`, `rfc2822`, `http_date`. A time without an offset is taken to be in
`assume_timezone` (UTC unless stated); a wall-clock time that a DST change skips or repeats is read
with the offset before the change. A day is taken from a time in `timezone` (UTC unless stated).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from zoneinfo import ZoneInfo

from vitesse_graph.transforms.numbers import to_decimal
from vitesse_graph.transforms.registry import Apply, transform
from vitesse_graph.transforms.result import TransformProblem

NOTATIONS = ("iso8601", "date", "unix_seconds", "unix_milliseconds", "rfc2822", "http_date")
_BASIC_DAY = re.compile(r"(\d{4})(\d{2})(\d{2})\Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_TEXT = 64


def zone(name: str | None) -> tzinfo:
    """The named time zone. Raises ValueError for an unknown name."""
    if name in (None, "", "UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(str(name))
    except (KeyError, OSError, ValueError):
        raise ValueError(f"unknown time zone {str(name)[:60]!r}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TransformProblem("not a text")
    text = value.strip()
    if not text or len(text) > _MAX_TEXT:
        raise TransformProblem("not a date or time")
    return text


def read_iso(value: Any, assume: tzinfo) -> datetime:
    """An ISO 8601 text (a bare day counts as its midnight) as an aware datetime."""
    text = _text(value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise TransformProblem("not an ISO 8601 date or time") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=assume)


def _read_day(value: Any, assume: tzinfo) -> datetime:
    text = _text(value)
    basic = _BASIC_DAY.match(text)
    try:
        day = date(*map(int, basic.groups())) if basic else date.fromisoformat(text[:10])
    except ValueError:
        raise TransformProblem("not a date") from None
    return datetime.combine(day, time(), assume)


def _read_unix(per_second: int) -> Callable[[Any, tzinfo], datetime]:
    def read(value: Any, assume: tzinfo) -> datetime:
        micro = int(to_decimal(value) * (1_000_000 // per_second))
        return _EPOCH + timedelta(microseconds=micro)

    return read


def _read_mail(value: Any, assume: tzinfo) -> datetime:
    try:
        moment = parsedate_to_datetime(_text(value))
    except (ValueError, TypeError, IndexError):
        raise TransformProblem("not an RFC 2822 date") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=assume)


_READERS: dict[str, Callable[[Any, tzinfo], datetime]] = {
    "iso8601": read_iso,
    "date": _read_day,
    "unix_seconds": _read_unix(1),
    "unix_milliseconds": _read_unix(1000),
    "rfc2822": _read_mail,
    "http_date": _read_mail,
}


def _iso(moment: datetime) -> str:
    text = moment.isoformat()
    return text[:-6] + "Z" if text.endswith("+00:00") else text


_WRITERS: dict[str, Callable[[datetime], Any]] = {
    "iso8601": _iso,
    "date": lambda moment: moment.date().isoformat(),
    "unix_seconds": lambda moment: (moment - _EPOCH) // timedelta(seconds=1),
    "unix_milliseconds": lambda moment: (moment - _EPOCH) // timedelta(milliseconds=1),
    "rfc2822": format_datetime,
    "http_date": lambda moment: format_datetime(moment.astimezone(UTC), usegmt=True),
}


def _day_of_iso(value: Any) -> str:
    """The commonest of all, as short as can be: the UTC day of an ISO 8601 time."""
    if type(value) is str and 10 < len(value) <= _MAX_TEXT and value[4] == value[7] == "-":
        try:
            if datetime.fromisoformat(value).tzinfo is UTC:
                return value[:10]  # `2026-01-31T10:00:00Z` says its day itself
        except ValueError:
            pass  # blanks around it, or no date: the long way tells
    moment = read_iso(value, UTC)
    if moment.tzinfo is not UTC:
        try:
            moment = moment.astimezone(UTC)
        except (OverflowError, OSError):
            raise TransformProblem("date out of range") from None
    return moment.date().isoformat()


def time_converter(
    source: str,
    target: str,
    timezone: str | None = None,
    assume_timezone: str | None = None,
    as_string: bool = False,
) -> Apply:
    """From one notation to another. `timezone` is where days are cut and offsets are written."""
    if source not in _READERS or target not in _WRITERS:
        raise ValueError(f"from and to are among {', '.join(NOTATIONS)}")
    read, write = _READERS[source], _WRITERS[target]
    there, assume = zone(timezone), zone(assume_timezone or timezone)
    keep_day = source == "date" and target == "date"
    if source == "iso8601" and target == "date" and there is UTC and assume is UTC and not as_string:
        return _day_of_iso

    def convert(value: Any) -> Any:
        try:
            moment = read(value, assume)
            written = write(moment if keep_day or moment.tzinfo is there else moment.astimezone(there))
        except (OverflowError, OSError):
            raise TransformProblem("date out of range") from None
        return str(written) if as_string else written

    return convert


def _flip(params: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    turned = {k: v for k, v in params.items() if k not in ("source", "target", "as_string")}
    if params["target"] == "date" and params["source"] != "date":
        return None  # the time of day is gone
    return "convert_time", {**turned, "source": params["target"], "target": params["source"]}


transform(
    "convert_time",
    accepts=("string", "integer", "number"),
    returns="any",
    summary="a point in time, from one notation to another",
    builder=True,
    inverse=_flip,
)(time_converter)


def _alias(
    name: str, source: str, target: str, summary: str, back: tuple[str, dict[str, Any]] | None
) -> None:
    def inverse(params: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        # In the same zones: midnight in Tokyo is another day in UTC.
        return None if back is None else (back[0], {**params, **back[1]})

    def build(timezone: str | None = None, assume_timezone: str | None = None) -> Apply:
        return time_converter(source, target, timezone, assume_timezone)

    transform(
        name,
        accepts=("integer", "number", "string") if source.startswith("unix") else ("string",),
        returns="integer" if target.startswith("unix") else "string",
        summary=summary,
        builder=True,
        inverse=inverse if back is not None else None,
    )(build)


_alias("parse_iso8601_to_date", "iso8601", "date", "ISO 8601 time → day (YYYY-MM-DD)", None)
_alias("normalize_iso8601", "iso8601", "iso8601", "ISO 8601 time → the same moment in UTC", None)
_alias("iso8601_to_unix", "iso8601", "unix_seconds", "ISO 8601 time → Unix seconds", ("unix_to_iso8601", {}))
_alias(
    "iso8601_to_unix_ms",
    "iso8601",
    "unix_milliseconds",
    "ISO 8601 time → Unix milliseconds",
    ("unix_ms_to_iso8601", {}),
)
_alias("unix_to_iso8601", "unix_seconds", "iso8601", "Unix seconds → ISO 8601 time", ("iso8601_to_unix", {}))
_alias(
    "unix_ms_to_iso8601",
    "unix_milliseconds",
    "iso8601",
    "Unix milliseconds → ISO 8601 time",
    ("iso8601_to_unix_ms", {}),
)
_alias("unix_to_date", "unix_seconds", "date", "Unix seconds → day", None)
_alias("unix_ms_to_date", "unix_milliseconds", "date", "Unix milliseconds → day", None)
_alias("date_to_iso8601", "date", "iso8601", "day → ISO 8601 time at midnight", ("parse_iso8601_to_date", {}))
_alias("date_to_unix", "date", "unix_seconds", "day → Unix seconds at midnight", ("unix_to_date", {}))
_alias(
    "rfc2822_to_iso8601",
    "rfc2822",
    "iso8601",
    "RFC 2822 date → ISO 8601 time",
    ("convert_time", {"source": "iso8601", "target": "rfc2822"}),
)
_alias("rfc2822_to_date", "rfc2822", "date", "RFC 2822 date → day", None)


_DAY_TOKENS = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "M": "%m", "D": "%d"}


def _day_format(pattern: str) -> str:
    """`DD.MM.YYYY` for strptime: year, month and day once each, and marks between them."""
    pieces = re.findall(r"YYYY|MM?|DD?|[/. -]", pattern)
    if "".join(pieces) != pattern or sorted(p[0] for p in pieces if p[0] in "YMD") != ["D", "M", "Y"]:
        raise ValueError("pattern is made of YYYY, MM and DD, with / . - or a space between")
    return "".join(_DAY_TOKENS.get(piece, piece) for piece in pieces)


@transform(
    "pattern_to_date",
    accepts=("string",),
    returns="string",
    builder=True,
    inverse=lambda params: ("date_to_pattern", dict(params)),
)
def pattern_to_date(pattern: str) -> Apply:
    """a day in a stated notation (MM/DD/YYYY, DD.MM.YYYY, YYYYMMDD) → day (YYYY-MM-DD)"""
    written = _day_format(pattern)

    def read(value: Any) -> str:
        text = _text(value)
        try:
            return datetime.strptime(text, written).date().isoformat()  # noqa: DTZ007
        except ValueError:
            raise TransformProblem("not a day in the stated notation") from None

    return read


@transform(
    "date_to_pattern",
    accepts=("string",),
    returns="string",
    builder=True,
    inverse=lambda params: ("pattern_to_date", dict(params)),
)
def date_to_pattern(pattern: str) -> Apply:
    """day (YYYY-MM-DD) → the day in a stated notation (MM/DD/YYYY, DD.MM.YYYY, YYYYMMDD)"""
    _day_format(pattern)
    pieces = re.findall(r"YYYY|MM?|DD?|[/. -]", pattern)

    def write(value: Any) -> str:
        day = _read_day(value, UTC)
        parts = {
            "YYYY": f"{day.year:04}",
            "MM": f"{day.month:02}",
            "DD": f"{day.day:02}",
            "M": str(day.month),
            "D": str(day.day),
        }
        return "".join(parts.get(piece, piece) for piece in pieces)

    return write
