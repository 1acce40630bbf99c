"""Bytes → tree. JSON by orjson, YAML by ryaml, each with a slower and more patient reader behind it.

YAML is read with the JSON-like core schema of YAML 1.2: dates, `18:00` and `yes` stay text. Anchors
are bounded by what they would expand to; tags that name Python objects are refused.
"""

from __future__ import annotations

import codecs
import gc
import json
import re
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import re2

from vitesse_graph.errors import SpecError
from vitesse_graph.specs.dynamic import bind_dynamic
from vitesse_graph.specs.findings import Findings, escape

_JSON_START = (b"{", b"[", b"/")
"""How JSON begins, also with a comment before it."""
_PATH_KEY = re2.compile(rb'"(/[^"\\]*)"\s*:\s*\{')
"""RE2, since these two run over every byte: a third faster here, eight times in `bundle`."""
_DYNAMIC = re2.compile(rb"\$dynamicRef")
_SIGNS_OF_PATIENCE = ("<<:", "<< :", "!!python/", "tag:yaml.org,2002:python")
_JSON_NOISE = re.compile(
    r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/|,(?=\s*(?:(?://[^\n]*|/\*.*?\*/)\s*)*[}\]])', re.DOTALL
)
"""A string (to be kept), or a comment or trailing comma (to be dropped)."""
_ANCHOR = re.compile(r"&(?<=[\s\[{,]&)([^\s,\[\]{}&;]+)")

_pause_lock = threading.Lock()
_paused = 0
_was_enabled = False


@contextmanager
def collector_paused() -> Iterator[None]:
    """Parsing makes a million containers and no garbage: collecting meanwhile doubles the time."""
    global _paused, _was_enabled
    with _pause_lock:
        if _paused == 0:
            _was_enabled = gc.isenabled()
            gc.disable()
        _paused += 1
    try:
        yield
    finally:
        with _pause_lock:
            _paused -= 1
            if _paused == 0 and _was_enabled:
                gc.enable()


def gunzip(data: bytes, max_bytes: int, name: str) -> bytes:
    """Decompressed bytes, cut off at the limit instead of after it. Raises SpecError."""
    inflater = zlib.decompressobj(wbits=31)
    parts: list[bytes] = []
    size = 0
    rest = data
    while rest:
        try:
            part = inflater.decompress(rest, max_bytes + 1 - size)
        except zlib.error as error:
            raise SpecError(f"{name} begins like gzip but does not decompress: {error}") from error
        size += len(part)
        parts.append(part)
        if size > max_bytes:
            raise SpecError(
                f"{name} is larger than {max_bytes} bytes when decompressed; VITESSE_MAX_SPEC_BYTES raises the limit"
            )
        rest = inflater.unconsumed_tail
        if inflater.eof:
            rest = inflater.unused_data.lstrip(b"\0")
            inflater = zlib.decompressobj(wbits=31)
        elif not rest:
            raise SpecError(f"{name} breaks off in the middle of its gzip stream (truncated?)")
    return b"".join(parts)


def to_utf8(data: bytes) -> bytes:
    """The same text as UTF-8 without a byte-order mark."""
    if data.startswith(codecs.BOM_UTF8):
        return data[3:]
    for mark, encoding in (
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(encoding, "replace").encode("utf-8", "replace")
    if len(data) > 3 and data[1:2] == b"\0" and data[3:4] == b"\0":
        return data.decode("utf-16-le", "replace").encode("utf-8", "replace")
    if len(data) > 3 and data[0:1] == b"\0" and data[2:3] == b"\0":
        return data.decode("utf-16-be", "replace").encode("utf-8", "replace")
    return data


def parse(data: bytes, name: str, findings: Findings, *, max_bytes: int) -> Any:
    """The tree that UTF-8 bytes hold. Raises SpecError with the place of the first fault."""
    with collector_paused():
        is_json = data[:200].lstrip()[:1] in _JSON_START or data.lstrip()[:1] in _JSON_START
        tree = (_parse_json if is_json else _parse_yaml)(data, name, findings, max_bytes)
        if type(tree) is dict and _DYNAMIC.search(data) is not None:
            bind_dynamic(tree)
        return tree


def _parse_json(data: bytes, name: str, findings: Findings, max_bytes: int) -> Any:
    try:
        tree = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return _parse_odd_json(data, name, findings, max_bytes, error)
    # A search from behind for the end of `paths` would cost more than looking through what follows them.
    keys = _PATH_KEY.findall(data, max(data.find(b'"paths"'), 0))
    if type(tree) is dict and type(tree.get("paths")) is dict and len(keys) < len(tree["paths"]):
        keys = _PATH_KEY.findall(data)
    if len(keys) != len(set(keys)):
        tree = _merge_duplicate_paths(data, tree, findings)
    return tree


def _merge_duplicate_paths(data: bytes, tree: Any, findings: Findings) -> Any:
    """JSON readers keep the last of two equal keys; a path given twice would lose its operations."""

    def merge(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for key, value in pairs:
            old = merged.get(key)
            if old is not None and key.startswith("/") and type(old) is dict and type(value) is dict:
                findings.add("duplicate_key", f"{key} stands twice; both were read", f"/paths/{escape(key)}")
                value = {**old, **value}
            merged[key] = value
        return merged

    try:
        return json.loads(data, object_pairs_hook=merge)
    except (ValueError, RecursionError):
        return tree


def _parse_odd_json(
    data: bytes, name: str, findings: Findings, max_bytes: int, error: orjson.JSONDecodeError
) -> Any:
    text = data.decode("utf-8", "replace")
    try:
        tree = json.loads(_without_comments(text, error), strict=False)
    except RecursionError as deep:
        raise SpecError(
            f"{name} nests deeper than a JSON reader follows (about 1000 levels, fixed)"
        ) from deep
    except ValueError as second:
        if "ecursion" in str(error):
            raise SpecError(f"{name} nests deeper than 1024 levels (fixed limit)") from error
        try:
            tree = _patient_yaml(text, name, findings, max_bytes)
        except SpecError:
            where = f"line {getattr(second, 'lineno', '?')}, column {getattr(second, 'colno', '?')}"
            at_end = getattr(second, "pos", 0) >= len(text.rstrip()) - 1
            hint = " (it breaks off there: truncated?)" if at_end else ""
            what = str(second).split(":", 1)[0]
            raise SpecError(f"{name} is not valid JSON: {what} at {where}{hint}") from error
    findings.add(
        "odd_json", f"not strict JSON ({str(error).split(':', 1)[0]}); read with a more patient reader"
    )
    try:
        return _without_surrogates(tree)
    except RecursionError as deep:
        raise SpecError(
            f"{name} nests deeper than a JSON reader follows (about 1000 levels, fixed)"
        ) from deep


def _without_comments(text: str, error: orjson.JSONDecodeError) -> str:
    """Without `//` and `/* */` comments and trailing commas, where such may be what the strict reader stumbled over."""
    if "//" not in text and "/*" not in text and "control" in str(error):
        return text
    return _JSON_NOISE.sub(lambda found: found.group() if found.group()[0] == '"' else "", text)


def _without_surrogates(tree: Any) -> Any:
    """Lone surrogates cannot be stored or sent as UTF-8: they become U+FFFD."""
    text = json.dumps(tree, ensure_ascii=False)
    cleaned = text.encode("utf-8", "replace").decode()
    return tree if cleaned == text else json.loads(cleaned)


def _parse_yaml(data: bytes, name: str, findings: Findings, max_bytes: int) -> Any:
    import ryaml

    invalid: type[Exception] = ryaml.InvalidYamlError  # type: ignore[attr-defined]

    text = data.decode("utf-8", "replace")
    if "\0" in text:
        raise SpecError(f"{name} holds binary data, not text")
    if any(sign in text for sign in _SIGNS_OF_PATIENCE) or any(
        f"*{name}" in text for name in set(_ANCHOR.findall(text))
    ):
        # ryaml copies at every alias, and knows no merge keys; the other reader shares.
        return _patient_yaml(text, name, findings, max_bytes)
    try:
        return ryaml.loads(text)  # type: ignore[attr-defined]
    except (invalid, ValueError, TypeError, RecursionError):
        return _patient_yaml(text, name, findings, max_bytes)


def _patient_yaml(text: str, name: str, findings: Findings, max_bytes: int) -> Any:
    from vitesse_graph.specs.yaml_patient import load_patiently

    return load_patiently(text, name, findings, max_bytes=max_bytes)
