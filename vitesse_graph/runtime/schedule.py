"""When to sync: words (`hourly`, `every 30 minutes`, `every monday at 09:00`) or cron, by APScheduler's triggers.

Cron is read as crontab(5) has it: Sunday is 0 or 7, and where both a day of the month and a weekday are
given, either of them is enough. (APScheduler's own reading counts weekdays from Monday and wants both.)
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import Any

from vitesse_graph.errors import InputError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_WORDS = {
    "hourly": "0 * * * *",
    "daily": "0 0 * * *",
    "nightly": "0 2 * * *",
    "weekly": "0 0 * * 0",
    "monthly": "0 0 1 * *",
    "every hour": "0 * * * *",
    "every day": "0 0 * * *",
    "every night": "0 2 * * *",
    "every week": "0 0 * * 0",
    "every month": "0 0 1 * *",
    "every minute": "* * * * *",
}
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_EVERY = re.compile(
    r"every (\d+) ?(s|m|h|d|w)(?:ec|econd|in|inute|r|our|ay|eek)?s?", re.ASCII
)  # every 5 min, every 2 hrs, every 30m
_AT = re.compile(
    r"(daily|every day|(?:every )?weekdays?|(?:every )?(?:sun|mon|tues|wednes|thurs|fri|satur)days?)"
    r"(?: at (\d{1,2})(?::(\d{2}))? ?(am|pm)?)?",
    re.ASCII,
)
_ON_DEMAND = ("manual", "on demand", "never", "")


def trigger_for(schedule: str | None, interval_seconds: int | None = None) -> Any | None:
    """An APScheduler trigger in UTC, or None for on demand. The definition's schedule wins over the interval.

    Raises InputError, with examples, for words that are not understood.
    """
    text = " ".join((schedule or "").lower().split()).removeprefix("@")
    text = re.sub(r"^each ", "every ", text)
    if text in _ON_DEMAND:
        if schedule or not interval_seconds:
            return None
        return _interval(interval_seconds)
    every = _EVERY.fullmatch(text)
    if every:
        return _interval(int(every[1]) * _UNITS[every[2]])
    try:
        return _cron(_WORDS.get(text) or _at_a_time(text) or text)
    except ValueError as error:
        raise InputError(
            f"the schedule {schedule!r} is not understood; write it like 'hourly', 'every 30 minutes', "
            "'daily at 06:30', 'every monday at 09:00' or cron ('*/5 * * * *')"
        ) from error


def _at_a_time(text: str) -> str | None:
    """`weekdays at 9:30 pm` as cron, or None when it is nothing of the kind."""
    found = _AT.fullmatch(text)
    if found is None:
        return None
    day, hour, minute, half = found.groups()
    if half:
        if not 1 <= int(hour) <= 12:
            return None
        hour = str(int(hour) % 12 + (12 if half == "pm" else 0))
    name = day.removeprefix("every ")
    days = "*" if name in ("daily", "day") else "1-5" if name.startswith("weekday") else name[:3]
    return f"{int(minute or 0)} {int(hour or 0)} * * {days}"


def _cron(text: str) -> Any:
    """The trigger of a crontab line. Raises ValueError."""
    from apscheduler.triggers.combining import OrTrigger
    from apscheduler.triggers.cron import CronTrigger

    fields = text.split()
    if len(fields) != 5:
        raise ValueError("a crontab line has five fields")
    minute, hour, day, month, weekday = fields

    def trigger(day: str, weekday: str) -> Any:
        return CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=weekday, timezone=UTC)

    if day.startswith("*") or weekday.startswith("*"):
        return trigger(day, _weekdays(weekday))
    return OrTrigger([trigger(day, "*"), trigger("*", _weekdays(weekday))])


def _weekdays(field: str) -> str:
    """A crontab's weekdays by name, which mean the same everywhere. Raises ValueError."""
    chosen: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            begin, end = 0, 6
        else:
            begin = _weekday(first)
            end = _weekday(last) if last else 6 if step else begin
        if end < begin:
            end += 7  # `fri-sun`, `5-7`
        chosen.update(number % 7 for number in range(begin, end + 1, int(step or 1)))
    return "*" if len(chosen) == 7 else ",".join(_DAYS[number] for number in sorted(chosen))


def _weekday(text: str) -> int:
    if text[:3] in _DAYS and text.isalpha():
        return _DAYS.index(text[:3])
    number = int(text)
    if not 0 <= number <= 7:
        raise ValueError("weekdays are 0 to 7")
    return number


def _interval(seconds: int) -> Any:
    from apscheduler.triggers.interval import IntervalTrigger

    if seconds < 1:
        raise InputError("a schedule needs at least one second between runs")
    return IntervalTrigger(seconds=seconds, timezone=UTC)
