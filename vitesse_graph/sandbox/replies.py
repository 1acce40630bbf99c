"""Answers as they leave: the declared success with a body, an error in the declared shape, declared headers."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import orjson

from vitesse_graph.sandbox.answers import error_body, plain_error
from vitesse_graph.sandbox.operation import Answer, Operation, plain_type
from vitesse_graph.synthetic import Draw, RecordGenerator


@dataclass(slots=True)
class Reply:
    """One answer, rendered."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def json(cls, status: int, value: Any) -> Reply:
        return cls(status, orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))

    @classmethod
    def error(cls, status: int, text: str) -> Reply:
        return cls(status, plain_error(status, text))


def refuse(operation: Operation, status: int, text: str) -> Reply:
    """An error in the shape that the operation declares for this status."""
    answer = operation.answer(status)
    if answer is None or not answer.is_json:
        if answer is not None and answer.media is not None:
            return Reply(status, text.encode(), answer.media.content_type)
        if answer is not None and not answer.response.content:
            return Reply(status)
        return Reply.error(status, text)
    reply = Reply.json(status, error_body(answer, text))
    reply.content_type = answer.media.content_type if answer.media else reply.content_type
    reply.headers += _declared_headers(answer)
    return reply


def answer_with(operation: Operation, body: Any) -> Reply:
    """The success answer with this body (bytes are taken as rendered JSON)."""
    answer = operation.success
    if answer.media is None:
        reply = Reply(answer.status)
    elif not answer.is_json:
        return Reply(answer.status, _other(answer), _concrete(answer.media.content_type))
    else:
        raw = body if isinstance(body, bytes) else orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)
        reply = Reply(answer.status, raw, answer.media.content_type)
    if answer.response.headers:
        reply.headers += _declared_headers(answer)
    return reply


def _declared_headers(answer: Answer) -> list[tuple[str, str]]:
    made = []
    for name, schema in answer.response.headers.items():
        if name.lower() in ("content-type", "content-length", "link", "set-cookie", "transfer-encoding"):
            continue
        value = RecordGenerator(schema, name=name).draw(seeded_draw(name))
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if text.isascii() and text.isprintable():
            made.append((name, text))
    return made


def seeded_draw(seed: str) -> Draw:
    """Randomness that is the same for the same seed."""
    return Draw(random.Random(seed))


def _concrete(content_type: str) -> str:
    return "application/octet-stream" if "*" in content_type else content_type


def _other(answer: Answer) -> bytes:
    """A body for content that is not JSON: a text of the declared kind, or a few bytes."""
    kind = plain_type(answer.media.content_type) if answer.media else ""
    if kind == "text/csv":
        return b"id,name\n1,Example\n"
    if kind.endswith("xml"):
        return b'<?xml version="1.0" encoding="UTF-8"?><response/>'
    return b"Example" if kind.startswith("text/") else b"\x00\x01\x02"
