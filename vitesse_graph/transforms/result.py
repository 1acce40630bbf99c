"""What applying a mapping to one record gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, frozen=True)
class FieldError:
    """One destination field that could not be filled.

    It is fit for logs and answers: it says where and why, and never holds the value. `value_type`
    is the JSON type that was found (`string`, `object` …, `missing`).
    """

    dest_field: str
    source_field: str
    value_type: str
    reason: str


@dataclass(slots=True)
class Transformed:
    """`body` is the whole request body; a field with an error in `errors` is left out of it."""

    body: dict[str, Any]
    errors: list[FieldError] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every row of the mapping went through."""
        return not self.errors


class TransformProblem(ValueError):
    """A value that a transform cannot take. The message is a fixed sentence: never the value itself."""


def json_type(value: Any) -> str:
    """The JSON type of a Python value: string, number, integer, boolean, array, object, null."""
    if value is None:
        return "null"
    for python_type, name in _NAMES:
        if isinstance(value, python_type):
            return name
    return "unknown"


_NAMES: tuple[tuple[type, str], ...] = (
    (str, "string"),
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (dict, "object"),
    (list, "array"),
)
