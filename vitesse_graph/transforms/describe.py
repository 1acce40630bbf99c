"""A row in words, and the row that undoes it."""

from __future__ import annotations

from typing import Any

from vitesse_graph.errors import MappingError
from vitesse_graph.state.mapping import Transformation, TransformType
from vitesse_graph.transforms.registry import named
from vitesse_graph.transforms.values import boolean_back

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


def _inverse_config(kind: str, config: dict[str, Any]) -> tuple[TransformType, dict[str, Any]] | None:
    if kind in ("direct", "mapping"):
        return ("direct" if kind == "direct" else "mapping"), {}
    if kind == "parse":
        if config.keys() & {"decimal_separator", "thousands_separator"}:
            return None  # numbers are written plainly only
        return "stringify", {k: v for k, v in config.items() if k == "decimals"}
    if kind == "stringify":
        return _TEXT_BACK[config.get("source_type", "number")]
    if kind == "parse_bool":
        found = boolean_back(config)
        if found is not None and found[0] == "to_boolean":
            return "parse_bool", found[1]
        return None if found is None else ("custom", {"function": found[0], "params": found[1]})
    if kind == "collect" and not config.keys() & {"separator", "unique"}:
        return _inverse_of_list(config)
    if kind == "custom":
        return _inverse_of_steps(config)
    return None


_TEXT_BACK: dict[str, tuple[TransformType, dict[str, Any]] | None] = {
    "number": ("parse", {}),
    "boolean": ("parse_bool", {}),
    "object": None,  # JSON text is not read back
}


def _inverse_of_list(config: dict[str, Any]) -> tuple[TransformType, dict[str, Any]] | None:
    if "item" not in config:
        return "collect", {}
    back = _inverse_of_step(config["item"])
    return None if back is None else ("collect", {"item": back})


def _inverse_of_steps(config: dict[str, Any]) -> tuple[TransformType, dict[str, Any]] | None:
    steps = config.get("steps") or ([config] if "function" in config else [])
    back = [_inverse_of_step(step) for step in reversed(steps)]
    if not back or any(step is None for step in back):
        return None
    return ("custom", back[0] or {}) if len(back) == 1 else ("custom", {"steps": back})


def _inverse_of_step(step: dict[str, Any]) -> dict[str, Any] | None:
    try:
        entry = named(step["function"])
    except MappingError:
        return None
    back = entry.inverse(step.get("params") or {}) if entry.inverse is not None else None
    return None if back is None else {"function": back[0], "params": back[1]}
