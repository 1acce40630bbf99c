"""One row of a mapping, checked and made ready: what `transform_config` may say is defined here.

Keys for every type
  on_null   what a missing, null (or, see `empty`, empty) source becomes: `skip` (default: the field
            is left out, an error where it is required), `default`, `null`, `error`
  on_error  what a value becomes that the transform refuses: `error` (default: reported and left
            out), `skip` (left out silently), `default`, `null`, `keep` (the value as it is)
  default   the value for `default`; when given, it is also what `on_null` falls to
  empty     whether "" counts as missing: `null` (default where a value is parsed) or `keep`
  combine   several source fields: `first` that has a value, `join` (texts, with `separator`) or
            `list`; left out where a custom function takes the values itself
  reduce    a source array that does not go into a destination array: `first` (default), `last`,
            `join`, `sum`, `min`, `max`, `count`, `all`
  where     only array elements with these values: {"type": "eu_vat"}; a list means any of them
  prefer    array elements with these values before others: {"primary": true}
  separator what `join` puts between (default: one space)
  unique    with lists: later doubles are left out

`direct`, `mapping`   no further keys
`parse`               to (number, integer), decimals, rounding, decimal_separator, thousands_separator
`stringify`           decimals, rounding (numbers only); source_type (number, boolean, object) says what
                      came in, so that the inverse is known
`parse_bool`          true_values, false_values, invert
`collect`             item {"function", "params"} for each element; separator joins them into a text
`custom`              function + params, or steps [{"function", "params"}, …] one after another,
                      or expression (JSONata over the value; over the record with no source)

A constant is `custom` with function `constant`, params {"value": …} and source_field [].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from vitesse_graph.errors import MappingError
from vitesse_graph.state.mapping import TRANSFORM_TYPES, Transformation
from vitesse_graph.transforms.expression import expression_function
from vitesse_graph.transforms.numbers import number_parser
from vitesse_graph.transforms.paths import Step, parse_path, without_last_array
from vitesse_graph.transforms.registry import Apply, build, named
from vitesse_graph.transforms.text import as_text, to_text
from vitesse_graph.transforms.values import boolean_parser

COMMON_KEYS = frozenset(
    ("on_null", "on_error", "default", "empty", "combine", "reduce", "where", "prefer", "separator", "unique")
)
TYPE_KEYS: dict[str, frozenset[str]] = {
    "direct": frozenset(),
    "mapping": frozenset(),
    "parse": frozenset(("to", "decimals", "rounding", "decimal_separator", "thousands_separator")),
    "stringify": frozenset(("decimals", "rounding", "source_type")),
    "parse_bool": frozenset(("true_values", "false_values", "invert")),
    "collect": frozenset(("item",)),
    "custom": frozenset(("function", "params", "steps", "expression")),
}
CHOICES: dict[str, tuple[str, ...]] = {
    "on_null": ("skip", "default", "null", "error"),
    "on_error": ("error", "skip", "default", "null", "keep"),
    "empty": ("null", "keep"),
    "combine": ("first", "join", "list"),
    "reduce": ("first", "last", "join", "sum", "min", "max", "count", "all"),
}


@dataclass(slots=True)
class Row:
    """A checked row. `dest` has no array step at its end: `as_list` says that a list goes there."""

    index: int
    name: str
    source_name: str
    dest: tuple[Step, ...]
    sources: list[tuple[Step, ...]]
    required: bool
    function: Apply | None = None
    """One value → one value; None: as it is."""
    whole_record: bool = False
    many: bool = False
    """The function takes the list of all the sources' values."""
    as_list: bool = False
    """All values of the source arrays, as one list."""
    combine: str = "first"
    reduce: str = "first"
    explicit_reduce: bool = False
    where: dict[str, Any] = field(default_factory=dict)
    prefer: dict[str, Any] = field(default_factory=dict)
    separator: str = " "
    unique: bool = False
    on_null: str = "skip"
    on_error: str = "error"
    default: Any = None
    empty_is_null: bool = False
    sees_null: bool = False
    """The function also wants to see that there is no value."""
    is_constant: bool = False
    constant: Any = None


def plan_row(index: int, row: Transformation) -> Row:
    """The checked row. Raises MappingError with one line that names its destination field."""
    try:
        return _plan(index, row)
    except MappingError as error:
        raise MappingError(f"{row.dest_field}: {error}") from error


def _plan(index: int, row: Transformation) -> Row:
    config = row.transform_config
    _check_keys(row)
    paths = [row.source_field] if isinstance(row.source_field, str) else list(row.source_field)
    planned = Row(
        index=index,
        name=row.dest_field,
        source_name=", ".join(paths),
        dest=without_last_array(parse_path(row.dest_field)),
        sources=[parse_path(p) for p in paths if p],
        required=row.required,
        as_list=row.transform_type != "collect" and row.dest_field.endswith("[]"),
    )
    if any(a.is_array and b.is_array for a, b in zip(planned.dest, planned.dest[1:], strict=False)):
        raise MappingError("arrays directly inside arrays cannot be filled")
    _set_behaviour(planned, config, row.transform_type)
    _set_function(planned, config, row)
    if planned.as_list and row.transform_type != "collect":
        planned.function = _each(planned.function)
    if not planned.sources and not planned.is_constant and not planned.whole_record:
        raise MappingError("names no source field and is not a constant")
    return planned


def _check_keys(row: Transformation) -> None:
    config = row.transform_config
    if row.transform_type not in TRANSFORM_TYPES:
        raise MappingError(
            f"transform_type '{row.transform_type}' is not one of {', '.join(TRANSFORM_TYPES)}"
        )
    unknown = sorted(set(config) - COMMON_KEYS - TYPE_KEYS[row.transform_type])
    if unknown:
        raise MappingError(f"{row.transform_type} knows no '{unknown[0]}' in transform_config")
    for key, allowed in CHOICES.items():
        if config.get(key, allowed[0]) not in allowed:
            raise MappingError(f"{key} must be one of {', '.join(allowed)}")
    for key in ("where", "prefer", "params"):
        if not isinstance(config.get(key, {}), dict):
            raise MappingError(f"{key} must be an object")


def _set_behaviour(row: Row, config: dict[str, Any], kind: str) -> None:
    row.default = config.get("default")
    row.on_null = config.get("on_null", "default" if row.default is not None else "skip")
    row.on_error = config.get("on_error", "error")
    parses = kind not in ("direct", "mapping", "collect")
    row.empty_is_null = config.get("empty", "null" if parses else "keep") == "null"
    row.combine = config.get("combine", "first")
    row.reduce = config.get("reduce", "first")
    row.explicit_reduce = "reduce" in config
    row.where, row.prefer = config.get("where", {}), config.get("prefer", {})
    row.separator = str(config.get("separator", " "))
    row.unique = bool(config.get("unique", False))
    if "default" in (row.on_null, row.on_error) and "default" not in config:
        raise MappingError("falls to a default that is not given")


def _set_function(row: Row, config: dict[str, Any], spec: Transformation) -> None:
    kind = spec.transform_type
    own = {key: value for key, value in config.items() if key in TYPE_KEYS[kind]}
    if kind == "collect":
        row.as_list = True
        row.function = _list_function(row, config)
    elif kind == "custom":
        _set_custom(row, config)
    elif kind != "direct" and kind != "mapping":
        row.function = _SIMPLE[kind](own)


def _build_simple(builder: Callable[..., Apply]) -> Callable[[dict[str, Any]], Apply]:
    def make(own: dict[str, Any]) -> Apply:
        try:
            return builder(**own)
        except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
            raise MappingError(f"transform_config does not fit: {error}") from error

    return make


def _text_writer(
    decimals: int | None = None, rounding: str = "half_up", source_type: str = "number"
) -> Apply:
    if source_type not in ("number", "boolean", "object"):
        raise ValueError("source_type must be number, boolean or object")
    write: Apply = to_text(decimals, rounding)
    return write


_SIMPLE = {
    "parse": _build_simple(number_parser),
    "stringify": _build_simple(_text_writer),
    "parse_bool": _build_simple(boolean_parser),
}


def _list_function(row: Row, config: dict[str, Any]) -> Apply | None:
    item = _one_step(config["item"]) if "item" in config else None
    join = config.get("separator")
    unique = row.unique
    if item is None and join is None and not unique:
        return None

    def collect(values: list[Any]) -> Any:
        if item is not None:
            values = [made for made in map(item, values) if made is not None]
        if unique:
            values = _without_doubles(values)
        return values if join is None else join.join(map(as_text, values))

    return collect


def _each(function: Apply | None) -> Apply | None:
    if function is None:
        return None
    return lambda values: [made for made in map(function, values) if made is not None]


def _without_doubles(values: list[Any]) -> list[Any]:
    seen: set[bytes] = set()
    kept = []
    for value in values:
        key = orjson.dumps(value)
        if key not in seen:
            seen.add(key)
            kept.append(value)
    return kept


def _set_custom(row: Row, config: dict[str, Any]) -> None:
    steps = config.get("steps")
    if sum(key in config for key in ("function", "steps", "expression")) != 1:
        raise MappingError("custom needs exactly one of function, steps and expression in transform_config")
    if "expression" in config:
        row.whole_record = not row.sources
        row.many = len(row.sources) > 1
        row.function = expression_function(config["expression"])
        return
    first = steps[0] if isinstance(steps, list) and steps else config
    functions = [_one_step(step) for step in steps] if steps else [_one_step(config)]
    if not isinstance(first, dict):
        raise MappingError("steps must be a list of objects")
    entry = named(str(first.get("function")))
    if entry.name == "constant" and not row.sources:
        row.is_constant, row.constant = True, first["params"]["value"]
        return
    row.many = entry.many and len(row.sources) > 1 and "combine" not in config
    if entry.whole and not row.many:
        row.reduce = "all" if not row.explicit_reduce else row.reduce
    if entry.name in _SEES_EMPTY:
        row.empty_is_null, row.sees_null = False, entry.name != "enum_map"
    row.function = functions[0] if len(functions) == 1 else _chain(functions)


_SEES_EMPTY = frozenset(("is_set", "set_to_enum", "enum_map"))


def _one_step(step: Any) -> Apply:
    if not isinstance(step, dict) or not isinstance(step.get("function"), str):
        raise MappingError("a step is an object with a function's name and its params")
    params = step.get("params") or {}
    if not isinstance(params, dict):
        raise MappingError("params must be an object")
    return build(step["function"], params)


def _chain(functions: list[Apply]) -> Apply:
    def run(value: Any) -> Any:
        for function in functions:
            value = function(value)
            if value is None:
                return None
        return value

    return run
