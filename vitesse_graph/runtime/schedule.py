"""When to sync: words (`hourly`, `every 30 minutes`) or cron, by APScheduler's triggers."""

from __future__ import annotations

import re
from datetime import UTC
from typing import Any

from vitesse_graph.errors import InputError

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
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
    "every minute": "* * * * *",
}
_EVERY = re.compile(r"every (\d+) ?(second|minute|hour|day|week)s?")
_AT = re.compile(r"(?:daily|every day) at (\d{1,2}):(\d{2})")
_ON_DEMAND = ("manual", "on demand", "never", "")


def trigger_for(schedule: str | None, interval_seconds: int | None = None) -> Any | None:
    """An APScheduler trigger in UTC, or None for on demand. The definition's schedule wins over the interval.

    Raises InputError, with examples, for words that are not understood.
    """
    text = " ".join((schedule or "").lower().split())
    if text in _ON_DEMAND:
        if schedule or not interval_seconds:
            return None
        return _interval(interval_seconds)
    every = _EVERY.fullmatch(text)
    if every:
        return _interval(int(every[1]) * _UNITS[every[2]])
    daily = _AT.fullmatch(text)
    cron = f"{int(daily[2])} {int(daily[1])} * * *" if daily else _WORDS.get(text, text)
    from apscheduler.triggers.cron import CronTrigger

    try:
        return CronTrigger.from_crontab(cron, timezone=UTC)
    except ValueError as error:
        raise InputError(
            f"the schedule {schedule!r} is not understood; write it like 'hourly', 'every 30 minutes', "
            "'daily at 06:30' or cron ('*/5 * * * *')"
        ) from error


def _interval(seconds: int) -> Any:
    from apscheduler.triggers.interval import IntervalTrigger

    if seconds < 1:
        raise InputError("a schedule needs at least one second between runs")
    return IntervalTrigger(seconds=seconds, timezone=UTC)
