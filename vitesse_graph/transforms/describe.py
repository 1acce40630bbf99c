"""A row in words, and the row that undoes it."""

from __future__ import annotations

from typing import Any

from vitesse_graph.errors import MappingError
from vitesse_graph.state.mapping import Transformation
from vitesse_graph.transforms.registry import named

_MAX_WORDS = 60


def describe(transformation: Transformation) -> str:
    """The conversion in a few words, for tables shown to people: `decimal string → number, 2 places`."""
    config = transformation.transform_config
    words = _DESCRIBERS[transformation.transform_type](config)
    if config.get("reduce") and transformation.transform_type != "collect":
        words += f" ({config['reduce']} of the list)"
    several = isinstance(transformation.source_field, list) and len(transformation.source_field) > 1
    if several and "function" not in config:
        words += f" ({config.get('combine', 'first')} of {len(transformation.source_field)} fields)"
    return words


def _parse(config: dict[str, Any]) -> str:
    places = f", {config['decimals']} places" if config.get("decimals") is not None else ""
    return f"text → {config.get('to', 'number')}{places}"


def _collect(config: dict[str, Any]) -> str:
    if "separator" in config:
        return f"list joined by {config['separator']!r}"
    return "list" + (f", each: {config['item'].get('function')}" if "item" in config else "")


def _custom(config: dict[str, Any]) -> str:
    if "expression" in config:
        return f"JSONata: {_short(config['expression'])}"
    steps = config.get("steps") or [config]
    return ", then ".join(_step(step) for step in steps)


def _step(step: dict[str, Any]) -> str:
    name, params = str(step.get("function")), step.get("params") or {}
    if name == "constant":
        return f"always {_short(params.get('value'))}"
    if name == "enum_map":
        return "table " + _short(", ".join(f"{k} → {v}" for k, v in (params.get("table") or {}).items()))
    given = ", ".join(f"{key} {_short(value, 20)}" for key, value in params.items())
    return f"{name}({given})" if given else name


def _short(value: Any, length: int = _MAX_WORDS) -> str:
    text = str(value)
    return text if len(text) <= length else text[: length - 1] + "…"


_DESCRIBERS = {
    "direct": lambda config: "as it is",
    "mapping": lambda config: "as it is, under another name",
    "parse": _parse,
    "stringify": lambda config: "→ text",
    "parse_bool": lambda config: "→ true / false" + (" (turned around)" if config.get("invert") else ""),
    "collect": _collect,
    "custom": _custom,
}


def inverse(transformation: Transformation) -> Transformation | None:
    """The row that brings the value back; None where what was there cannot be known again."""
    config = transformation.transform_config
    source = transformation.source_field
    if isinstance(source, list):
        if len(source) != 1:
            return None
        source = source[0]
    found = _inverse_config(transformation.transform_type, config)
    if found is None or "reduce" in config or "where" in config:
        return None
    kind, back = found
    return transformation.evolve(
        source_field=transformation.dest_field,
        dest_field=source,
        transform_type=kind,
        transform_config=back,
        alternatives=[],
        required=False,
    )


def _inverse_config(kind: str, config: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    if kind in ("direct", "mapping"):
        return kind, {}
    if kind == "parse":
        return "stringify", {k: v for k, v in config.items() if k == "decimals"}
    if kind == "stringify":
        return "parse", {}
    if kind == "collect" and not config.keys() & {"item", "separator", "unique"}:
        return "collect", {}
    if kind == "custom" and "function" in config:
        return _inverse_of_function(config)
    return None


def _inverse_of_function(config: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    try:
        entry = named(config["function"])
    except MappingError:
        return None
    back = entry.inverse(config.get("params") or {}) if entry.inverse is not None else None
    return None if back is None else ("custom", {"function": back[0], "params": back[1]})
