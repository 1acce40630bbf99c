"""Request bodies and query strings as values: JSON, forms with nested brackets, multipart.

Text that came by form or query is turned into the type that the schema demands (`limit=5`), as every
server does; what does not turn stays text and is refused by the contract.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import parse_qsl

import orjson

from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.synthetic.contract import Contract
from vitesse_graph.synthetic.schemas import branches, flatten, items_of, properties_of, types_of

_STEP = re.compile(r"\[([^\[\]]*)\]")
_MAX_STEPS = 16
_MAX_INDEX = 1_000


class BadBody(ValueError):
    """A body that cannot be read at all. The message is fit for an answer."""


def is_json(content_type: str) -> bool:
    return content_type == "application/json" or content_type.endswith("+json") or content_type == "text/json"


def is_form(content_type: str) -> bool:
    return content_type == "application/x-www-form-urlencoded"


def parse_json(raw: bytes) -> Any:
    """The value of a JSON text. Raises BadBody."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadBody(f"the body is not JSON (line {error.lineno}, column {error.colno})") from None


def parse_pairs(text: str, whole: Collection[str] = ()) -> dict[str, Any]:
    """`a[b]=1&c[0][d]=2&e[]=3&f=4&f=5` as nested objects and arrays; a name given twice is a list.

    Names in `whole` are taken as they are: specifications that list `vendor[name]` as one field exist.
    Raises BadBody for nesting beyond 16 steps.
    """
    return nested(parse_qsl(text, keep_blank_values=True), whole)


def parse_multipart(raw: bytes, content_type: str, whole: Collection[str] = ()) -> dict[str, Any]:
    """The parts by name, nested as in a form: texts as texts, files as their (latin-1) content. Raises BadBody."""
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import Field, File, FormParser, parse_options_header

    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise BadBody("the body is multipart/form-data without a stated boundary")
    pairs: list[tuple[str, str]] = []
    ended: list[bool] = []

    def on_field(field: Field) -> None:
        pairs.append((_name(field.field_name), _decoded(field.value or b"")))

    def on_file(file: File) -> None:
        file.file_object.seek(0)
        pairs.append((_name(file.field_name), file.file_object.read().decode("latin-1")))
        file.close()

    parser = FormParser(
        "multipart/form-data", on_field, on_file, lambda: ended.append(True), boundary=boundary,
        config={"MAX_FIELD_SIZE": len(raw) + 1, "MAX_MEMORY_FILE_SIZE": len(raw) + 1},
    )  # fmt: skip
    try:
        parser.write(raw)
        parser.finalize()
    except FormParserError:
        raise BadBody("the body is not multipart/form-data with the stated boundary") from None
    finally:
        parser.close()
    if not ended:
        raise BadBody("the body is not multipart/form-data with the stated boundary")
    return nested(pairs, whole)


def _name(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def nested(pairs: Iterable[tuple[str, str]], whole: Collection[str] = ()) -> dict[str, Any]:
    """Names with brackets as nested objects and arrays. Raises BadBody for nesting beyond 16 steps."""
    root: dict[str, Any] = {}
    for name, value in pairs:
        head, steps = (name, []) if name in whole else split_name(name)
        _put(root, [head, *steps], value)
    return {name: _as_lists(value) for name, value in root.items()}


def split_name(name: str) -> tuple[str, list[str]]:
    """`a[b][]` as (`a`, [`b`, ``]); a name without well-formed brackets is taken as it is."""
    bracket = name.find("[")
    if bracket <= 0 or not re.fullmatch(r"(\[[^\[\]]*\])+", name[bracket:]):
        return name, []
    steps = _STEP.findall(name[bracket:])
    if len(steps) > _MAX_STEPS:
        raise BadBody("the form is nested too deeply")
    return name[:bracket], steps


def _put(node: dict[str, Any], steps: list[str], value: str) -> None:
    for index, step in enumerate(steps[:-1]):
        if step == "":
            step = str(_next_index(node, steps[index + 1]))
        inner = node.get(step)
        if not isinstance(inner, dict):
            inner = {}
            node[step] = inner
        node = inner
    last = steps[-1]
    if last == "":
        last = str(len(node))
    have = node.get(last)
    if have is None:
        node[last] = value
    elif isinstance(have, list):
        have.append(value)
    else:
        node[last] = [have, value]


def _next_index(node: dict[str, Any], following: str) -> int:
    """`a[][x]=1&a[][y]=2&a[][x]=3` is two elements: a new one begins where a name comes again."""
    if not node:
        return 0
    last = len(node) - 1
    current = node.get(str(last))
    return last + 1 if isinstance(current, dict) and following in current else last


def _as_lists(value: Any) -> Any:
    """Objects whose keys are 0, 1, 2 … are arrays."""
    if not isinstance(value, dict):
        return value
    inner = {key: _as_lists(sub) for key, sub in value.items()}
    if inner and all(key.isdigit() and int(key) < _MAX_INDEX for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner


def coerce(value: Any, schema: Any, root: JsonSchema, depth: int = 0) -> Any:
    """Text turned into what the schema wants, where it can be; everything else unchanged."""
    if depth > _MAX_STEPS or not isinstance(schema, dict):
        return value
    flat = flatten(schema, root)
    options = branches(flat)
    if options:
        return _coerce_any(value, options, flat, root, depth)
    types = types_of(flat)
    if isinstance(value, dict):
        known = properties_of(flat, root)
        extra = flat.get("additionalProperties")
        return {key: coerce(sub, known.get(key, extra), root, depth + 1) for key, sub in value.items()}
    if isinstance(value, list):
        inner = items_of(flat, root)
        if inner is None and value and "array" not in types:
            return coerce(value[-1], schema, root, depth + 1)
        return [coerce(sub, inner, root, depth + 1) for sub in value]
    if isinstance(value, str):
        return _coerce_text(value, types, flat, root, depth)
    return value


def _coerce_any(value: Any, options: list[Any], flat: JsonSchema, root: JsonSchema, depth: int) -> Any:
    defs = {"$defs": root["$defs"]} if "$defs" in root else {}
    for option in options:
        tried = coerce(value, option, root, depth + 1)
        if isinstance(option, dict) and Contract({**option, **defs}, "request").is_valid(tried):
            return tried
    kind = "object" if isinstance(value, dict) else "array" if isinstance(value, list) else None
    for option in options:
        if kind and kind in types_of(flatten(option, root)):
            return coerce(value, option, root, depth + 1)
    return value


def _coerce_text(text: str, types: list[str], flat: JsonSchema, root: JsonSchema, depth: int) -> Any:
    for kind in types:
        if kind == "integer" and re.fullmatch(r"[+-]?\d{1,19}", text):
            return int(text)
        if kind == "number" and re.fullmatch(r"[+-]?\d{1,19}(\.\d{1,19})?([eE][+-]?\d{1,3})?", text):
            return float(text) if "." in text or "e" in text.lower() else int(text)
        if kind == "boolean" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kind == "array":
            inner = items_of(flat, root)
            return [coerce(part, inner, root, depth + 1) for part in text.split(",")] if text else []
        if kind == "string":
            return text
    return None if "null" in types and text in ("", "null") else text
