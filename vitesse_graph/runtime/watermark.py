"""How far an incremental read came, in the source's own clock and format; never this machine's time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Literal

Format = Literal["iso8601", "unix_seconds", "unix_milliseconds", "date", "http_date"]


def moment_of(value: Any, kind: Format) -> float | None:
    """The value as seconds since the epoch, or None when it is no moment. Naive texts are taken as UTC."""
    if value is None or isinstance(value, bool):
        return None
    if kind in ("unix_seconds", "unix_milliseconds"):
        try:
            number = float(value)
        except (TypeError, ValueError):
            return moment_of(value, "iso8601") if isinstance(value, str) else None
        return number / 1000.0 if kind == "unix_milliseconds" else number
    if isinstance(value, (int, float)):
        return float(value) / (1000.0 if value > 1e11 else 1.0)
    try:
        parsed = parsedate_to_datetime(value) if kind == "http_date" else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def filter_value(moment: float, kind: Format) -> str:
    """A moment as the filter parameter wants it."""
    if kind == "unix_seconds":
        return str(int(moment))
    if kind == "unix_milliseconds":
        return str(int(moment * 1000))
    when = datetime.fromtimestamp(moment, UTC)
    if kind == "date":
        return when.date().isoformat()
    if kind == "http_date":
        return format_datetime(when, usegmt=True)
    return when.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def moment_from_text(text: str) -> float | None:
    """A person's moment (`--since 2026-01-31T10:00:00Z`, a date, or epoch seconds)."""
    try:
        return float(text)
    except ValueError:
        return moment_of(text, "iso8601")


def with_overlap(moment: float, overlap_seconds: int) -> float:
    """The moment an incremental read starts from: a little earlier, for records written late."""
    return (datetime.fromtimestamp(moment, UTC) - timedelta(seconds=overlap_seconds)).timestamp()
