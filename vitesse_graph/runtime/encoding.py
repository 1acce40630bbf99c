"""From mapped records to the bytes of one request: envelopes, batches, JSON or form, hashes and keys."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote_plus

import orjson

from vitesse_graph.runtime.fields import Steps, dig, steps_of

FORM = "application/x-www-form-urlencoded"


def array_path(envelope: str) -> str | None:
    """Path of the array that carries records (`Contacts[]` → `Contacts`), or None when there is none."""
    return envelope.partition("[]")[0] if "[]" in envelope else None


def merge_bodies(bodies: list[dict[str, Any]], envelope: str) -> Any:
    """One body that carries every record: the arrays at the envelope joined, the rest of the first."""
    if len(bodies) == 1:
        return bodies[0]
    path = array_path(envelope) or ""
    steps = steps_of(path)
    joined: list[Any] = []
    if len(steps) == 1 and isinstance(name := steps[0], str):  # as it mostly is
        for body in bodies:
            part = body.get(name)
            joined += part if isinstance(part, list) else [part]
        return {**bodies[0], name: joined}
    for body in bodies:
        part = dig(body, steps)
        joined.extend(part if isinstance(part, list) else [part])
    return with_value(bodies[0], steps, joined)


def rewrap(body: Any, envelope: str, other: str) -> Any:
    """The record taken out of one envelope (`contacts[]`) and put into another ("" for none)."""
    record = dig(body, steps_of(envelope))
    for step in reversed(steps_of(other)):
        record = [record] if isinstance(step, int) else {step: record}
    return record


def with_value(body: Any, steps: Steps, value: Any) -> Any:
    """A shallow copy of `body` with `value` at `steps`."""
    if not steps:
        return value
    copy = dict(body)
    copy[str(steps[0])] = with_value(copy.get(str(steps[0]), {}), steps[1:], value)
    return copy


def encode_json(body: Any) -> bytes:
    """The body as JSON bytes. Raises TypeError for what JSON cannot hold."""
    return orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)


def encode_form(body: Any) -> bytes:
    """Form encoding with nested brackets (`metadata[a]=1&items[0][b]=2`); nulls are left out."""
    pairs: list[tuple[str, str]] = []
    _flatten("", body, pairs)
    return "&".join(f"{quote_plus(name, safe='[]')}={quote_plus(text)}" for name, text in pairs).encode()


def _flatten(prefix: str, value: Any, pairs: list[tuple[str, str]]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _flatten(f"{prefix}[{key}]" if prefix else str(key), inner, pairs)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _flatten(f"{prefix}[{index}]", inner, pairs)
    elif value is not None:
        pairs.append((prefix, ("true" if value else "false") if isinstance(value, bool) else str(value)))


def encode(body: Any, content_type: str) -> bytes:
    """The body as its content type wants it."""
    return encode_form(body) if content_type.startswith(FORM) else encode_json(body)


_DIGEST = hashlib.blake2b(digest_size=16)
_HASHED = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


def content_hash(body: Any) -> str:
    """32 hex digits that are equal for equal content, whatever the order of keys."""
    digest = _DIGEST.copy()  # making one anew takes longer than to hash a short body
    digest.update(orjson.dumps(body, option=_HASHED))
    return digest.hexdigest()


def idempotency_key(integration_id: str, mapping_version: int, *parts: str) -> str:
    """The key under which a destination may see one write again: record, content and mapping version."""
    text = "\0".join((integration_id, str(mapping_version), *parts))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
