"""What an answer means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from vitesse_graph.runtime.classify import (
    Element,
    batch_elements,
    body_error,
    retry_after_seconds,
    summary,
    verdict_of,
)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, "ok"), (201, "ok"), (204, "ok"), (301, "refused"), (400, "refused"), (401, "auth"),
        (403, "refused"), (404, "missing"), (408, "busy"), (409, "conflict"), (410, "missing"),
        (422, "refused"), (425, "busy"), (429, "limited"), (500, "unknown"), (502, "unknown"),
        (503, "busy"), (504, "unknown"),
    ],
)  # fmt: skip
def test_each_status_has_its_verdict(status: int, verdict: str) -> None:
    assert verdict_of(status) == verdict


@pytest.mark.parametrize(
    "body",
    [
        {"errors": [{"message": "taken"}]},
        {"errors": "taken"},
        {"data": {}, "userErrors": [{"field": "email", "message": "taken"}]},
        {"HasErrors": True, "ValidationErrors": [{"Message": "taken"}]},
        {"success": False, "message": "taken"},
        {"ok": False, "error": "taken"},
    ],
)
def test_a_success_that_carries_errors_is_none(body: Any) -> None:
    assert "taken" in (body_error(body) or "")


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"id": 1},
        {"errors": []},
        {"error": None},
        {"errors": 0},
        {"ok": True},
        {"success": True},
    ],
)
def test_a_success_is_believed_otherwise(body: Any) -> None:
    assert body_error(body) is None


def test_elements_are_matched_by_position() -> None:
    body = {"Contacts": [{"ContactID": "a"}, {"HasErrors": True, "Message": "bad"}, {"ContactID": 3}]}
    found = batch_elements(body, "Contacts[0].ContactID", "Contacts", 3)
    assert found is not None
    assert [element.dest_id for element in found] == ["a", None, "3"]
    assert [element.error is None for element in found] == [True, False, True]


def test_an_answer_that_does_not_speak_of_each_record_says_nothing_of_any() -> None:
    assert batch_elements({"accepted": 3}, None, "contacts", 3) is None
    assert batch_elements({"contacts": [{"id": 1}]}, "contacts[0].id", "contacts", 3) is None
    assert batch_elements([{"id": 1}], "[0].id", "", 1) == [Element(dest_id="1")]


def test_retry_after_is_read_in_seconds_and_as_a_date() -> None:
    assert retry_after_seconds({"Retry-After": "7"}) == 7.0
    theirs = {"Date": "Thu, 01 Jan 2026 12:00:00 GMT"}  # whatever our own clock says
    assert retry_after_seconds({**theirs, "Retry-After": "Thu, 01 Jan 2026 12:00:30 GMT"}) == 30.0
    assert retry_after_seconds({**theirs, "Retry-After": "Thu, 01 Jan 2026 11:00:30 GMT"}) == 0.0
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after_seconds({"Retry-After": soon}) == pytest.approx(30.0, abs=2.0)
    assert retry_after_seconds({"Retry-After": "soon"}) is None
    assert retry_after_seconds({}) is None


def test_an_error_body_of_any_shape_becomes_one_short_line() -> None:
    text = summary({"errors": [{"detail": "a\nb", "source": {"pointer": "/x"}}], "trace": ["y" * 500]})
    assert text.startswith("a b; pointer: /x")
    assert len(text) <= 300
    assert "\n" not in text
