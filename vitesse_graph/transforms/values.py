"""Constants, tables of values, booleans, lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vitesse_graph.transforms.registry import Apply, transform
from vitesse_graph.transforms.result import TransformProblem
from vitesse_graph.transforms.text import as_text

TRUE_WORDS = ("true", "yes", "y", "1", "on", "t", "enabled", "active")
FALSE_WORDS = ("false", "no", "n", "0", "off", "f", "disabled", "inactive")


def boolean_parser(
    true_values: list[Any] | None = None, false_values: list[Any] | None = None, invert: bool = False
) -> Apply:
    """text or number → boolean.

    Without lists the usual words and 1/0 are understood, everything else is refused. With only
    one list every other value is the opposite.
    """
    if true_values is None and false_values is None:
        true_values, false_values = list(TRUE_WORDS), list(FALSE_WORDS)
    yes = frozenset(_fold(v) for v in true_values or ())
    no = frozenset(_fold(v) for v in false_values or ())
    other: bool | None = None
    if true_values is None or false_values is None:
        other = true_values is None

    def parse(value: Any) -> bool:
        if isinstance(value, bool) and not ("true" in yes or "false" in yes):
            return value is not invert
        key = _fold(value)
        answer = True if key in yes else False if key in no else other
        if answer is None:
            raise TransformProblem("not one of the values that mean true or false")
        return answer is not invert

    return parse


def _fold(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return as_text(value).strip().casefold()


def _enum_inverse(params: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    table = params.get("table") or {}
    if len({_fold(v) for v in table.values()}) != len(table):
        return None  # two source values became one
    if params.get("unmatched", "error") in ("otherwise", "skip"):
        return None  # so did all that the table does not hold
    typed = _KEY_TYPES[params.get("keys", "string")]
    back = {as_text(v): typed(k) for k, v in table.items()}
    kept = {"unmatched": "keep"} if params.get("unmatched") == "keep" else {}
    return "enum_map", {"table": back, **kept}


_KEY_TYPES: dict[str, Callable[[str], Any]] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": lambda key: key == "true",
}


@transform("enum_map", returns="any", builder=True, inverse=_enum_inverse)
def enum_map(
    table: dict[str, Any], unmatched: str = "error", otherwise: Any = None, keys: str = "string"
) -> Apply:
    """one value of a table for another (compared without regard to case)

    `keys` is the JSON type of the values that come in, which a table in JSON cannot show: the
    inverse gives it back. `unmatched` says what a value outside the table becomes: `error`, `keep` (itself), `skip`
    (nothing), or `otherwise` (the value given there).
    """
    if not isinstance(table, dict) or unmatched not in ("error", "keep", "skip", "otherwise"):
        raise ValueError("needs a table, and unmatched among error, keep, skip, otherwise")
    if keys not in _KEY_TYPES:
        raise ValueError(f"keys must be one of {', '.join(_KEY_TYPES)}")
    exact = {_fold(key): result for key, result in table.items()}

    def look_up(value: Any) -> Any:
        key = _fold(value)
        if key in exact:
            return exact[key]
        if unmatched == "error":
            raise TransformProblem("a value that the table does not hold")
        return {"keep": value, "skip": None, "otherwise": otherwise}[unmatched]

    return look_up


def _two_values_back(params: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    if _fold(params["true"]) == _fold(params["false"]):
        return None
    return "to_boolean", {"true_values": [params["true"]], "false_values": [params["false"]]}


def boolean_back(params: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """What undoes `to_boolean` and `parse_bool`: only where one word means true and one means false."""
    yes, no = params.get("true_values"), params.get("false_values")
    if yes is None and no is None:
        # Booleans themselves come back; of several words for true nobody knows which it was.
        return ("to_boolean", {"invert": True}) if params.get("invert") else None
    if not (isinstance(yes, list) and isinstance(no, list) and len(yes) == len(no) == 1):
        return None
    true, false = (no[0], yes[0]) if params.get("invert") else (yes[0], no[0])
    return "bool_to_enum", {"true": true, "false": false}


@transform(
    "bool_to_enum",
    accepts=("boolean", "string"),
    returns="any",
    builder=True,
    inverse=_two_values_back,
)
def bool_to_enum(true: Any, false: Any) -> Apply:
    """true and false → two values"""
    parse = boolean_parser()
    return lambda value: true if parse(value) else false


@transform("is_set", returns="boolean", builder=True)
def is_set(invert: bool = False) -> Apply:
    """whether the field has a value (an empty text or list counts as none)"""
    return lambda value: (value not in ("", [], {}, None)) is not invert


@transform("set_to_enum", returns="any", builder=True)
def set_to_enum(present: Any, absent: Any = None) -> Apply:
    """one value where the field is filled, another where it is empty"""
    return lambda value: present if value not in ("", [], {}, None) else absent


@transform("constant", returns="any", builder=True)
def constant(value: Any) -> Apply:
    """always the same value, whatever the record holds"""
    return lambda _: value


@transform("first", accepts=("array",), returns="any", whole=True)
def first(value: Any) -> Any:
    """the first element that has a value"""
    if not isinstance(value, list):
        return value
    return next((v for v in value if v is not None and v != ""), None)


@transform("first_filled", returns="any", many=True)
def first_filled(values: Any) -> Any:
    """the first of several fields that has a value"""
    return first(values)


@transform("wrap", returns="array", inverse=lambda _: ("first", {}))
def wrap(value: Any) -> list[Any]:
    """one value as a list of one"""
    return value if isinstance(value, list) else [value]


@transform("count", accepts=("array",), returns="integer", whole=True)
def count(value: Any) -> int:
    """how many elements a list has"""
    return len(value) if isinstance(value, list) else 1


@transform("pick", accepts=("object",), returns="object", builder=True)
def pick(fields: dict[str, str] | list[str]) -> Apply:
    """an object with only some of its properties, renamed where a table is given"""
    table = dict(fields) if isinstance(fields, dict) else {name: name for name in fields}

    def take(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise TransformProblem("not an object")
        return {new: value[old] for old, new in table.items() if old in value}

    return take


transform(
    "to_boolean",
    accepts=("string", "number", "integer", "boolean"),
    returns="boolean",
    summary="words or 1/0 → true or false (what `parse_bool` does, for elements and steps)",
    builder=True,
    inverse=boolean_back,
)(boolean_parser)
