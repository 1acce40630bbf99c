"""An API that changes under its clients: a field renamed, dropped, retyped, an enum grown, a path moved.

    rename:OLD:NEW     answers carry NEW; requests must use NEW, OLD is an unknown field
    drop:FIELD         answers lack it; requests that send it are told that it is unknown
    retype:FIELD:TYPE  answers carry TYPE (string, integer, number, boolean, array); requests must
    enum:FIELD:VALUE   every third answer carries the new VALUE
    moved:OLD:NEW      the path OLD answers 404, NEW serves in its place

FIELD is a dotted path in the record, or a bare name that is found at any depth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vitesse_graph.errors import InputError

_ARGUMENTS = {"rename": 2, "drop": 1, "retype": 2, "enum": 2, "moved": 2}
_TYPES: dict[str, Callable[[Any], Any]] = {
    "string": lambda value: (
        value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    ),
    "integer": lambda value: (
        int(value) if _is_numeric(value) else abs(hash(str(value))) % 10_000 if value else 0
    ),
    "number": lambda value: float(value) if _is_numeric(value) else 0.0,
    "boolean": bool,
    "array": lambda value: value if isinstance(value, list) else [value],
}
_PYTHON: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DriftRule:
    kind: str
    field: str
    to: str = ""


def parse_drift(text: str) -> DriftRule:
    """One rule. Raises InputError that says how it is written."""
    kind, *arguments = text.split(":")
    count = _ARGUMENTS.get(kind)
    if count is None or len(arguments) != count or not all(arguments):
        raise InputError(
            f"drift '{text}' is not known: use rename:OLD:NEW, drop:FIELD, retype:FIELD:TYPE, enum:FIELD:VALUE "
            "or moved:OLD_PATH:NEW_PATH"
        )
    if kind == "retype" and arguments[1] not in _TYPES:
        raise InputError(f"drift '{text}': the type is one of {', '.join(_TYPES)}")
    return DriftRule(kind, *arguments)


def _is_numeric(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def apply_to_answer(rules: list[DriftRule], record: Any, serial: int) -> Any:
    """The record as a drifted API shows it: a copy. `serial` chooses which records carry a new enum value."""
    for rule in rules:
        change = _answer_change(rule, serial)
        if change is not None:
            record = _visit(record, rule.field.split("."), change)
    return record


def _answer_change(rule: DriftRule, serial: int) -> Callable[[dict[str, Any], str], None] | None:
    def rename(holder: dict[str, Any], name: str) -> None:
        holder[rule.to] = holder.pop(name)

    def drop(holder: dict[str, Any], name: str) -> None:
        holder.pop(name)

    def retype(holder: dict[str, Any], name: str) -> None:
        if holder[name] is not None:
            holder[name] = _TYPES[rule.to](holder[name])

    def grow(holder: dict[str, Any], name: str) -> None:
        if serial % 3 == 0:
            holder[name] = rule.to

    return {"rename": rename, "drop": drop, "retype": retype, "enum": grow}.get(rule.kind)


def apply_to_request(rules: list[DriftRule], body: Any) -> tuple[Any, list[str]]:
    """The body as the undrifted contract knows it, and the complaints of the drifted one about it."""
    complaints: list[str] = []
    for rule in rules:
        change = _request_change(rule, complaints)
        if change is None:
            continue
        name = rule.to if rule.kind == "rename" else rule.field
        if rule.kind == "rename":
            body = _visit(body, rule.field.split("."), _forget(complaints))
            name = ".".join([*rule.field.split(".")[:-1], rule.to.split(".")[-1]])
        body = _visit(body, name.split("."), change)
    return body, complaints


def _forget(complaints: list[str]) -> Callable[[dict[str, Any], str], None]:
    def forget(holder: dict[str, Any], name: str) -> None:
        holder.pop(name)
        complaints.append(f"{name}: is not a field of this request")

    return forget


def _request_change(rule: DriftRule, complaints: list[str]) -> Callable[[dict[str, Any], str], None] | None:
    def restore(holder: dict[str, Any], name: str) -> None:
        holder[rule.field.split(".")[-1]] = holder.pop(name)

    def check(holder: dict[str, Any], name: str) -> None:
        value = holder[name]
        is_right = isinstance(value, _PYTHON[rule.to]) and (
            rule.to == "boolean" or not isinstance(value, bool)
        )
        if not is_right:
            complaints.append(f"{name}: has the wrong type, {rule.to} is expected")

    known = {"rename": restore, "drop": _forget(complaints)}
    return check if rule.kind == "retype" else known.get(rule.kind)


def _visit(value: Any, steps: list[str], change: Callable[[dict[str, Any], str], None]) -> Any:
    """A copy of `value` in which `change` was applied to each holder of the path (or of the bare name)."""
    if isinstance(value, list):
        return [_visit(item, steps, change) for item in value]
    if not isinstance(value, dict):
        return value
    copied = dict(value)
    if len(steps) == 1:
        if steps[0] in copied:
            change(copied, steps[0])
        else:
            for name, inner in copied.items():
                copied[name] = _visit(inner, steps, change)
        return copied
    if steps[0] in copied:
        copied[steps[0]] = _visit(copied[steps[0]], steps[1:], change)
    else:
        # The path is told from the record; an envelope may lie around it.
        for name, inner in copied.items():
            copied[name] = _visit(inner, steps, change)
    return copied


def moved_path(rules: list[DriftRule], path: str) -> str | None:
    """Where a request for `path` goes: elsewhere when moved, None when the old path is gone."""
    for rule in rules:
        if rule.kind != "moved":
            continue
        if path == rule.to or path.startswith(rule.to.rstrip("/") + "/"):
            return rule.field + path[len(rule.to) :]
        if path == rule.field or path.startswith(rule.field.rstrip("/") + "/"):
            return None
    return path
