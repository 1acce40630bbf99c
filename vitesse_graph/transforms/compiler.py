"""A mapping, compiled once to Python source, then run for every record.

The source is made of our own identifiers (`v3`, `d5`) and of `repr` of property names, which are
strings; everything else (functions, constants, error rows) reaches it by index through its globals.
Nothing that a specification or a person wrote is ever executed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vitesse_graph.errors import MappingError
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.transforms.emit import Emitter
from vitesse_graph.transforms.gather import elements
from vitesse_graph.transforms.layout import lay_out
from vitesse_graph.transforms.plan import Row, plan_row
from vitesse_graph.transforms.result import FieldError, Transformed, TransformProblem, json_type

Run = Callable[[dict[str, Any], list[FieldError]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class CompiledMapping:
    """A mapping that is ready to run. Thread-safe; holds no state of a record."""

    run: Run
    """The body, as `apply` makes it; what could not be filled is added to the list."""
    source: str
    """The generated source, for debugging."""
    dest_fields: tuple[str, ...]

    def apply(self, record: dict[str, Any]) -> Transformed:
        """The request body for one record, and what could not be filled. Never raises for a record.

        The body may share nested values with the record: neither is changed here.
        """
        errors: list[FieldError] = []
        return Transformed(self.run(record, errors), errors)


def compile_mapping(mapping: MappingLogic) -> CompiledMapping:
    """Compiles a mapping. Raises one MappingError that names every bad row."""
    rows: list[Row] = []
    bad: list[str] = []
    for index, transformation in enumerate(mapping.transformations):
        try:
            rows.append(plan_row(index, transformation))
        except MappingError as error:
            bad.append(str(error))
    if bad:
        raise MappingError(f"{len(bad)} of the mapping's rows cannot be built: " + "; ".join(bad))
    emitter = Emitter()
    text = emitter.module(lay_out(rows))
    scope: dict[str, Any] = {"__builtins__": {"isinstance": isinstance, "dict": dict, "list": list}}
    scope |= {
        "EMPTY": {},
        "Exception": Exception,
        "copied": copy.deepcopy,
        "items_of": items_of,
        "elements": elements,
    }
    scope |= {"together": together, "fail": fail, "listed": listed, "all_of": all_of}
    scope |= {"no_object": no_object, **emitter.constants}
    exec(compile(text, "<vitesse mapping>", "exec"), scope)
    return CompiledMapping(scope["run"], text, tuple(row.name for row in rows))


def items_of(value: Any) -> list[Any]:
    """What an array step goes into: a list's elements; one object counts as a list of one."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def listed(value: Any) -> list[Any] | None:
    """One field as a list of its values; None where there is none."""
    if value is None:
        return None
    return [v for v in value if v is not None] if isinstance(value, list) else [value]


def no_object(record: Any, errors: list[FieldError]) -> dict[str, Any]:
    """For a record that nothing can be read from."""
    errors.append(FieldError("", "", json_type(record), "the record is not an object"))
    return {}


def all_of(value: Any) -> list[Any] | None:
    """One field's elements, or the one value that it has, as a list of its own; None where there is none."""
    if isinstance(value, list):
        return value.copy() or None
    return None if value is None else [value]


def together(*values: Any) -> list[Any] | None:
    """The values of several fields, or None where all are missing."""
    return None if all(v is None or v == "" for v in values) else list(values)


def fail(errors: list[FieldError], row: Row, value: Any, error: Exception) -> None:
    """Notes what a transform refused. Only our own problems' texts are shown: others may hold the value."""
    if isinstance(error, TransformProblem):
        reason = str(error)
    else:
        reason = f"the transform failed ({type(error).__name__})"
    errors.append(FieldError(row.name, row.source_name, json_type(value), reason))
