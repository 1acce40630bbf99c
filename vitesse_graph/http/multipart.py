"""Bodies as `multipart/form-data`: one part for each field, files with a name, nested values as JSON.

What OpenAPI says of such bodies when nothing else is declared: objects and arrays of objects travel as
`application/json`, arrays of simple values as a part for each, everything else as plain text.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import orjson

MULTIPART = "multipart/form-data"
_Part = tuple[str | None, bytes] | tuple[str | None, bytes, str]


def encode_multipart(body: Any, files: Collection[str] = ()) -> tuple[bytes, str]:
    """(the bytes, the content type with its boundary). `files` names the fields that are files."""
    import httpx

    parts = _parts(body if isinstance(body, dict) else {"": body}, files)
    if not parts:
        return b"--empty--\r\n", f"{MULTIPART}; boundary=empty"
    # The address is never called: the request is only written.
    written = httpx.Request("POST", "http://localhost/", files=parts)
    return written.read(), written.headers["content-type"]


def _parts(body: dict[str, Any], files: Collection[str]) -> list[tuple[str, _Part]]:
    found: list[tuple[str, _Part]] = []
    for name, value in body.items():
        if value is None:
            continue
        if isinstance(value, list) and not any(isinstance(one, dict | list) for one in value):
            found += [(name, _part(name, one, name in files)) for one in value if one is not None]
        else:
            found.append((name, _part(name, value, name in files)))
    return found


def _part(name: str, value: Any, is_file: bool) -> _Part:
    if isinstance(value, dict | list):
        return None, orjson.dumps(value), "application/json"
    raw = value if isinstance(value, bytes) else _text(value).encode("utf-8", "surrogatepass")
    return (f"{name}.bin", raw, "application/octet-stream") if is_file else (None, raw)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
