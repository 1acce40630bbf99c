"""What an answer means for the one who asked: pure functions from status, headers and body to a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from vitesse_graph.runtime.fields import dig, steps_of

Verdict = Literal["ok", "refused", "conflict", "missing", "auth", "limited", "busy", "unknown"]
"""`limited` and `busy` were surely not processed and may be sent again; `unknown` may have been."""

_BY_STATUS: dict[int, Verdict] = {
    401: "auth",
    404: "missing",
    409: "conflict",
    410: "missing",
    408: "busy",
    425: "busy",
    429: "limited",
    503: "busy",
}


def verdict_of(status: int) -> Verdict:
    """The verdict on a status alone; a 2xx may still be refused by its body."""
    if 200 <= status < 300:
        return "ok"
    known = _BY_STATUS.get(status)
    if known is not None:
        return known
    return "unknown" if status >= 500 else "refused"


_TRUTHY_IS_ERROR = ("errors", "error", "userErrors", "user_errors", "ValidationErrors", "validationErrors")
_TRUE_IS_ERROR = ("HasErrors", "hasErrors", "has_errors", "HasValidationErrors", "isError")
_FALSE_IS_ERROR = ("success", "ok")


def body_error(body: Any) -> str | None:
    """One line when a 2xx body says that the write failed, else None. Never holds more than 300 characters."""
    if not isinstance(body, dict):
        return None
    for name in _TRUTHY_IS_ERROR:
        found = body.get(name)
        if found and found is not True and not isinstance(found, (int, float)):
            return f"{name}: {summary(found)}"
    for name in _TRUE_IS_ERROR:
        if body.get(name) is True:
            return f"{name}: {summary({k: v for k, v in body.items() if 'rror' in k})}"
    for name in _FALSE_IS_ERROR:
        if body.get(name) is False:
            return f"{name} is false: {summary(body.get('message') or body.get('detail') or '')}"
    return None


def summary(value: Any, limit: int = 300) -> str:
    """The words of an error body: messages first, then names; cut at `limit` characters."""
    words: list[str] = []
    _collect(value, "", words, 0)
    text = "; ".join(dict.fromkeys(words)) or "no message"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _collect(value: Any, name: str, words: list[str], depth: int) -> None:
    if len(words) >= 12 or depth > 6:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            _collect(inner, str(key), words, depth + 1)
    elif isinstance(value, list):
        for inner in value[:12]:
            _collect(inner, name, words, depth + 1)
    elif isinstance(value, str) and value.strip():
        plain = name.lower() in ("", "message", "detail", "error", "errors", "title", "description", "msg")
        words.append(" ".join(value.split()) if plain else f"{name}: {' '.join(value.split())}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One record's part of a batch answer."""

    dest_id: str | None = None
    error: str | None = None


def batch_elements(body: Any, id_at: str | None, container: str, count: int) -> list[Element] | None:
    """The answer's elements by position; None when the answer does not speak of each record.

    `id_at` names the id of the first element (`Contacts[0].ContactID`); without it the array is
    looked for where the request had it (`container`).
    """
    before, _, after = (id_at or "").partition("[0]")
    holder = dig(body, steps_of(before if "[0]" in (id_at or "") else container))
    if not isinstance(holder, list) or len(holder) != count:
        return None
    id_steps = steps_of(after.lstrip("."))
    return [
        Element(dest_id=as_id(dig(item, id_steps) if id_steps else None), error=body_error(item))
        for item in holder
    ]


def as_id(value: Any) -> str | None:
    """An id as text; None for what cannot be one."""
    if value is None or isinstance(value, (dict, list, bool)):
        return None
    return str(value)


def server_now(headers: Mapping[str, str]) -> datetime:
    """The moment of the answer by the clock that its other moments are of: its `Date`, else our own."""
    return _http_date(headers.get("Date")) or datetime.now(UTC)


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds from now: seconds or an HTTP date (RFC 9110 §10.2.3), else None."""
    text = headers.get("Retry-After")
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    moment = _http_date(text)
    return None if moment is None else max(0.0, (moment - server_now(headers)).total_seconds())


def _http_date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, TypeError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
