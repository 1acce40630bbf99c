"""Paths, moments, schedules, secrets, logs, imports."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import vitesse_graph.runtime as package
from vitesse_graph.errors import InputError
from vitesse_graph.runtime.fields import at
from vitesse_graph.runtime.logs import LineFormatter
from vitesse_graph.runtime.metrics import health_of
from vitesse_graph.runtime.schedule import trigger_for
from vitesse_graph.runtime.secrets import Redactor, resolve_secret, secret_variable, take_secret_files
from vitesse_graph.runtime.store import migrations, statements
from vitesse_graph.runtime.watermark import filter_value, moment_from_text, moment_of, with_overlap


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.b", 1), ("list[0].x", 2), ("list[1].x", 3), ("list[].x", 2), ("list[9].x", None),
        ("a.b.c", None), ("nothing", None), ("", {"a": {"b": 1}, "list": [{"x": 2}, {"x": 3}]}),
    ],
)  # fmt: skip
def test_paths_lead_to_values_or_nowhere(path: str, found: Any) -> None:
    assert at({"a": {"b": 1}, "list": [{"x": 2}, {"x": 3}]}, path) == found


@pytest.mark.parametrize(
    ("value", "kind", "moment"),
    [
        ("2026-01-01T00:00:00Z", "iso8601", 1767225600.0),
        ("2026-01-01T02:00:00+02:00", "iso8601", 1767225600.0),
        ("2026-01-01", "date", 1767225600.0),
        ("Thu, 01 Jan 2026 00:00:00 GMT", "http_date", 1767225600.0),
        (1767225600, "unix_seconds", 1767225600.0),
        ("1767225600", "unix_seconds", 1767225600.0),
        (1767225600000, "unix_milliseconds", 1767225600.0),
        ("yesterday", "iso8601", None),
        (None, "iso8601", None),
        (True, "unix_seconds", None),
    ],
)
def test_moments_are_read_in_the_source_s_notation(value: Any, kind: Any, moment: float | None) -> None:
    assert moment_of(value, kind) == moment


@pytest.mark.parametrize("kind", ["iso8601", "unix_seconds", "unix_milliseconds", "http_date"])
def test_a_moment_that_is_sent_is_read_as_the_same_moment(kind: Any) -> None:
    assert moment_of(filter_value(1767225600.0, kind), kind) == 1767225600.0


def test_an_incremental_read_begins_a_little_earlier() -> None:
    assert with_overlap(1000.0, 300) == 700.0
    assert moment_from_text("2026-01-01T00:00:00Z") == moment_from_text("1767225600")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("hourly", "2026-01-01T11:00"), ("every 30 minutes", "2026-01-01T10:47"), ("daily", "2026-01-02T00:00"),
        ("daily at 06:30", "2026-01-02T06:30"), ("*/5 * * * *", "2026-01-01T10:20"), ("Every  Hour", "2026-01-01T11:00"),
    ],
)  # fmt: skip
def test_schedules_are_understood_in_words_and_cron(words: str, expected: str) -> None:
    now = datetime(2026, 1, 1, 10, 17, tzinfo=UTC)
    trigger = trigger_for(words)
    assert trigger is not None
    first = trigger.get_next_fire_time(None, now)
    assert first is not None
    if "minutes" in words:  # an interval begins to count when it is made
        second = trigger.get_next_fire_time(first, now)
        assert second is not None
        assert (second - first).total_seconds() == 1800
    else:
        assert first.isoformat().startswith(expected)


@pytest.mark.parametrize(
    ("words", "days", "hour"),
    [
        ("0 9 * * 1", "Mon", 9), ("0 9 * * 0", "Sun", 9), ("0 9 * * 7", "Sun", 9), ("0 9 * * 1-5", "Mon Tue Wed Thu Fri", 9),
        ("0 9 * * 5-7", "Fri Sat Sun", 9), ("0 9 * * fri-sun", "Fri Sat Sun", 9), ("0 9 * * */2", "Sun Tue Thu Sat", 9),
        ("0 9 * * 1,3", "Mon Wed", 9), ("0 9 * * 0-6", "Sun Mon Tue Wed Thu Fri Sat", 9), ("weekly", "Sun", 0), ("@weekly", "Sun", 0),
        ("every monday at 09:00", "Mon", 9), ("Tuesdays at 9pm", "Tue", 21), ("weekdays at 12 am", "Mon Tue Wed Thu Fri", 0),
        ("every day at 7", "Sun Mon Tue Wed Thu Fri Sat", 7),
    ],
)  # fmt: skip
def test_weekdays_are_those_of_the_calendar(words: str, days: str, hour: int) -> None:
    trigger = trigger_for(words)
    assert trigger is not None
    now, found = datetime(2026, 1, 1, 0, 30, tzinfo=UTC), []
    for _ in range(7):
        now = trigger.get_next_fire_time(None, now) + timedelta(minutes=1)
        found.append(now)
    assert {f"{moment:%a}" for moment in found} == set(days.split())
    assert {moment.hour for moment in found} == {hour}


def test_a_day_of_the_month_or_a_weekday_is_enough_as_in_crontab() -> None:
    trigger = trigger_for("0 9 13 * 5")
    assert trigger is not None
    first = trigger.get_next_fire_time(None, datetime(2026, 1, 10, tzinfo=UTC))
    second = trigger.get_next_fire_time(None, datetime(2026, 1, 14, tzinfo=UTC))
    assert (f"{first:%a %d}", f"{second:%a %d}") == ("Tue 13", "Fri 16")


@pytest.mark.parametrize(
    ("words", "seconds"),
    [("every 5 min", 300), ("every 2 hrs", 7200), ("each 30m", 1800), ("every 1 day", 86400)],
)
def test_units_may_be_written_short(words: str, seconds: int) -> None:
    trigger = trigger_for(words)
    assert trigger is not None
    assert trigger.interval.total_seconds() == seconds


def test_no_schedule_is_on_demand_and_words_that_mean_nothing_are_refused() -> None:
    assert trigger_for(None) is None
    assert trigger_for("on demand", 60) is None
    assert trigger_for(None, 60) is not None
    for words in (
        "whenever",
        "61 * * * *",
        "every 0 minutes",
        "0 9 * * 8",
        "daily at 25:00",
        "0 9 * *",
        "monday at 13 pm",
    ):
        with pytest.raises(InputError):
            trigger_for(words)


def test_secrets_are_found_by_reference_and_named_in_errors_never_shown() -> None:
    assert resolve_secret("env:A", environ={"A": "value"}) == "value"
    assert resolve_secret("secret:7", environ={secret_variable("secret:7"): "kept"}) == "kept"
    assert resolve_secret("secret:7", environ={}, resolver=lambda name: f"of {name}") == "of 7"
    for reference in ("env:MISSING", "file:/no/such/file", "secret:7", "plain-secret-value"):
        with pytest.raises(InputError) as caught:
            resolve_secret(reference, environ={})
        assert "plain-secret-value" not in str(caught.value)


def test_the_longest_secret_is_replaced_first() -> None:
    redact = Redactor(["abcd", "abcd-efgh", "no"])
    assert redact("x abcd-efgh y abcd no") == "x *** y *** no"


def test_a_log_record_is_one_line_without_secrets() -> None:
    record = logging.LogRecord("vitesse_graph.x", logging.INFO, "", 0, "a\nb %s", ("topsecret",), None)
    for as_json in (True, False):
        line = LineFormatter("i-1", Redactor(["topsecret"]), as_json=as_json).format(record)
        assert "\n" not in line
        assert "topsecret" not in line
        if as_json:
            assert json.loads(line)["integration_id"] == "i-1"


def test_health_falls_with_failures_and_is_nothing_while_held() -> None:
    assert health_of(1.0, 10, is_held=False, has_failed=False, is_open=False) == 100.0
    assert health_of(0.9, 10, is_held=False, has_failed=True, is_open=False) == 60.0
    assert health_of(1.0, 10, is_held=True, has_failed=False, is_open=False) == 0.0


def test_statements_and_migrations_are_read_whole() -> None:
    assert {"commit_chunk", "known", "forget"} <= set(statements())
    numbers = [number for number, _ in migrations()]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 1


def test_the_public_names_are_there() -> None:
    assert all(getattr(package, name) is not None for name in package.__all__)


def test_the_runtime_imports_no_graph_no_model_and_no_cloud() -> None:
    script = (
        "import sys, vitesse_graph.runtime.__main__, vitesse_graph.runtime.service, vitesse_graph.runtime.surface;"
        "print(','.join(m for m in ('langgraph', 'langchain_core', 'qdrant_client', 'boto3', 'kubernetes', 'docker',"
        " 'httpx', 'authlib', 'apscheduler') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_mounted_secrets_stand_where_variables_do_and_the_environment_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("MOUNTED_KEY", "from-a-file"), ("SET_KEY", "from-a-file"), ("..data", "bookkeeping")):
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("SET_KEY", "from-the-environment")
    monkeypatch.setenv("MOUNTED_KEY", "x")
    monkeypatch.delenv("MOUNTED_KEY")
    take_secret_files(str(tmp_path))
    assert resolve_secret("env:MOUNTED_KEY") == "from-a-file"
    assert resolve_secret("env:SET_KEY") == "from-the-environment"
    assert "..data" not in os.environ
    with pytest.raises(InputError, match="cannot be read"):
        take_secret_files(str(tmp_path / "nowhere"))
    monkeypatch.delenv("MOUNTED_KEY")
