"""One schema object's own keywords, from any dialect (Swagger 2, OpenAPI 3.0, 3.1) to JSON Schema 2020-12.

Subschemas are not touched here. What would not compile (a regex no linear engine takes, a type that
does not exist, `enum` that is no list) is dropped and noted.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from vitesse_graph.specs.findings import Findings

TYPES = frozenset({"string", "integer", "number", "boolean", "object", "array", "null"})
_NEARLY: dict[str, tuple[str, str | None]] = {
    "int": ("integer", None), "int32": ("integer", "int32"), "int64": ("integer", "int64"),
    "long": ("integer", "int64"), "float": ("number", "float"), "double": ("number", "double"),
    "decimal": ("number", None), "bool": ("boolean", None), "str": ("string", None), "text": ("string", None),
    "date": ("string", "date"), "datetime": ("string", "date-time"), "date-time": ("string", "date-time"),
    "timestamp": ("string", "date-time"), "uuid": ("string", "uuid"), "email": ("string", "email"),
    "url": ("string", "uri"), "uri": ("string", "uri"), "file": ("string", "binary"),
    "binary": ("string", "binary"), "list": ("array", None), "map": ("object", None), "dict": ("object", None),
}  # fmt: skip
_COUNTS = (
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minContains",
    "maxContains",
)
_TEXTS = ("title", "description", "format", "$comment", "contentEncoding", "contentMediaType")
_FLAGS = ("readOnly", "writeOnly", "deprecated", "uniqueItems")


def own_keywords(node: dict[str, Any], findings: Findings) -> dict[str, Any]:
    """The assertions and annotations of `node` in 2020-12 words, without its subschemas.

    `nullable` has become a null in `type` and `enum`; a node that is nullable without naming a
    type keeps the pseudo keyword `nullable` for the caller, who knows its subschemas.
    """
    out: dict[str, Any] = {}
    _types(node, out, findings)
    for key in _TEXTS:
        if type(node.get(key)) is str and node[key]:
            out[key] = node[key]
    for key in _FLAGS:
        if node.get(key) is True or node.get(key) == "true":
            out[key] = True
    for key in _COUNTS:
        count = node.get(key)
        if (
            isinstance(count, int | float)
            and not isinstance(count, bool)
            and count >= 0
            and int(count) == count
        ):
            out[key] = int(count)
    _range(node, out)
    _values(node, out, findings)
    _pattern(node, out, findings)
    required = node.get("required")
    if isinstance(required, list):
        names = list(dict.fromkeys(name for name in required if isinstance(name, str)))
        if names:
            out["required"] = names
    dependent = node.get("dependentRequired")
    if isinstance(dependent, dict):
        clean = {k: [n for n in v if isinstance(n, str)] for k, v in dependent.items() if isinstance(v, list)}
        out["dependentRequired"] = clean
    _null(node, out)
    return out


def _types(node: dict[str, Any], out: dict[str, Any], findings: Findings) -> None:
    given = node.get("type")
    if given is None:
        return
    names: list[str] = []
    for name in given if isinstance(given, list) else [given]:
        word = name.strip().lower() if isinstance(name, str) else ""
        if word in TYPES:
            names.append(word)
        elif word in _NEARLY:
            standard, format_ = _NEARLY[word]
            names.append(standard)
            if format_ is not None and "format" not in node:
                out["format"] = format_
        elif word != "any" and not isinstance(name, dict):
            findings.add("unknown_type", f"there is no type {str(name)[:40]!r}; taken for anything")
    names = list(dict.fromkeys(names))
    if names:
        out["type"] = names[0] if len(names) == 1 else names


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, str):
        try:
            parsed = float(value)
        except ValueError:
            return None
        return int(parsed) if parsed.is_integer() else parsed
    return None


def _range(node: dict[str, Any], out: dict[str, Any]) -> None:
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        bound, strict = _number(node.get(limit)), node.get(exclusive)
        if strict is True and bound is not None:
            out[exclusive] = bound
        else:
            if bound is not None:
                out[limit] = bound
            if not isinstance(strict, bool) and _number(strict) is not None:
                out[exclusive] = _number(strict)
    step = _number(node.get("multipleOf"))
    if step is not None and step > 0:
        out["multipleOf"] = step


def _values(node: dict[str, Any], out: dict[str, Any], findings: Findings) -> None:
    enum = node.get("enum")
    if isinstance(enum, list) and enum:
        unique: list[Any] = []
        for value in enum:
            if not any(value == seen and type(value) is type(seen) for seen in unique):
                unique.append(value)
        out["enum"] = unique
    elif enum is not None and enum != []:
        findings.add("odd_enum", "an `enum` is no list; passed over")
    if "const" in node:
        out["const"] = node["const"]
    if "default" in node:
        out["default"] = node["default"]
    examples = node.get("examples")
    if isinstance(examples, dict):
        examples = [e["value"] if isinstance(e, dict) and "value" in e else e for e in examples.values()]
    if isinstance(examples, list) and examples:
        out["examples"] = examples[:3]
    elif "example" in node and node["example"] is not None:
        out["examples"] = [node["example"]]


def _pattern(node: dict[str, Any], out: dict[str, Any], findings: Findings) -> None:
    pattern = node.get("pattern")
    if not isinstance(pattern, str) or not pattern:
        return
    if is_linear_pattern(pattern):
        out["pattern"] = pattern
    else:
        findings.add(
            "odd_pattern", f"the pattern {pattern[:60]!r} cannot be checked in linear time; passed over"
        )


@lru_cache(maxsize=4096)
def is_linear_pattern(pattern: str) -> bool:
    """Whether engines without backtracking (RE2, Rust's regex) take this pattern."""
    import jsonschema_rs
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
        jsonschema_rs.validator_for({"pattern": pattern}, pattern_options=jsonschema_rs.RegexOptions())
    except (re2.error, ValueError):
        return False
    return True


def _null(node: dict[str, Any], out: dict[str, Any]) -> None:
    if node.get("nullable") is not True and node.get("x-nullable") is not True:
        return
    type_ = out.get("type")
    if type_ is None:
        out["nullable"] = True
    else:
        names = type_ if isinstance(type_, list) else [type_]
        out["type"] = names if "null" in names else [*names, "null"]
    if "enum" in out and None not in out["enum"]:
        out["enum"] = [*out["enum"], None]
