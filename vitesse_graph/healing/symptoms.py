"""What an error says, in one word: from a code, a status or a sentence to a symptom. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from vitesse_graph.healing.impact import Side

Symptom = Literal[
    "unauthorised",
    "forbidden",
    "not_found",
    "limited",
    "server_error",
    "no_answer",
    "timeout",
    "connection",
    "refused_value",
    "missing_value",
    "transform",
    "answer_shape",
    "conflict",
    "ours",
    "other",
]

_STATUS: dict[int, Symptom] = {
    301: "not_found",
    308: "not_found",
    400: "refused_value",
    401: "unauthorised",
    402: "forbidden",
    403: "forbidden",
    404: "not_found",
    405: "not_found",
    406: "refused_value",
    407: "connection",
    408: "timeout",
    409: "conflict",
    410: "not_found",
    412: "conflict",
    415: "refused_value",
    422: "refused_value",
    423: "conflict",
    429: "limited",
}
# Looked for in this order: the first that fits is the symptom. Codes of our own runtime come first.
_PHRASES: tuple[tuple[str, Symptom], ...] = (
    (r"^transform\b", "transform"),
    (r"^not_json\b", "ours"),
    (r"^(natural_key_taken|conflict)\b", "conflict"),
    (r"^(errors_in_2xx|refused_before)\b", "refused_value"),
    (r"^unknown_outcome\b", "no_answer"),
    (r"no records at|no list at|no json|runs in circles|another host", "answer_shape"),
    (
        r"\b(unauthori[sz]ed|reauth|credential|invalid.{0,20}token|token.{0,20}(expired|revoked))",
        "unauthorised",
    ),
    (r"\b(forbidden|permission|scope)\b", "forbidden"),
    (r"rate.?limit|too many requests|throttl|quota", "limited"),
    (r"time.?d? ?-?out|deadline", "timeout"),
    (
        r"dns|resolve|certificate|ssl|tls|connect(ion|or)?|refused the connection|reset by|disconnected",
        "connection",
    ),
    (
        r"no.?answer|did not answer|unreachable|not reachable|5xx|server.?error|unavailable|bad gateway",
        "no_answer",
    ),
    (r"not.?found|no longer exists|gone\b", "not_found"),
    (r"missing|is required|was not given|has no value", "missing_value"),
    (r"cannot be (read|parsed|converted)|is no (number|date|time)|transform", "transform"),
    (r"schema|validation|invalid|not allowed|not a known field|unprocessable|refused", "refused_value"),
    (r"database|postgres|internal|traceback|out of memory|disk", "ours"),
)
_HTTP_STATUS = re.compile(r"(?:http[ _]?|status[ :=]*|^)([1-5]\d\d)\b", re.I)
_SOURCE = re.compile(r"\bsource\b", re.I)
_DEST = re.compile(r"\b(dest|destination)\b", re.I)


@dataclass(frozen=True, slots=True)
class Reading:
    """One error as understood; `side` None where the text does not tell."""

    symptom: Symptom
    side: Side | None = None
    status: int | None = None
    fields: tuple[str, ...] = ()
    """Of the names asked about, those that the text mentions."""


def read_error(text: str, *, names: dict[str, Side] | None = None, fields: Collection[str] = ()) -> Reading:
    """`text` is a key of an error distribution (`http_422`, `source:401`, `timeout`) or a sentence.

    `names` maps API names to their sides; `fields` are paths to be looked for in the text.
    """
    status = _status(text)
    symptom = _STATUS.get(status) if status is not None else None
    if status is not None and status >= 500:
        symptom = "server_error"
    if symptom is None or symptom == "refused_value":
        said = _phrase(text)
        if symptom is None or said == "missing_value":
            symptom = said
    return Reading(symptom, _side(text, symptom, status, names or {}), status, _mentioned(text, fields))


def _status(text: str) -> int | None:
    found = _HTTP_STATUS.search(text) or re.search(r":([1-5]\d\d)$", text)
    return int(found[1]) if found else None


def _phrase(text: str) -> Symptom:
    lowered = text.lower()
    for pattern, symptom in _PHRASES:
        if re.search(pattern, lowered):
            return symptom
    return "other"


def _side(text: str, symptom: Symptom, status: int | None, names: dict[str, Side]) -> Side | None:
    for name, side in names.items():
        if name and name.lower() in text.lower():
            return side
    is_source, is_dest = bool(_SOURCE.search(text)), bool(_DEST.search(text))
    if is_source != is_dest:
        return "source" if is_source else "dest"
    if symptom == "transform":
        return "source"
    # what the runtime counts as http_NNN is the destination's answer to a write
    return "dest" if text.startswith("http_") or symptom == "refused_value" else None


def _mentioned(text: str, fields: Collection[str]) -> tuple[str, ...]:
    words = {word.lower() for word in re.findall(r"\w+", text)}
    return tuple(path for path in fields if path.removesuffix("[]").rsplit(".", 1)[-1].lower() in words)
