"""What a conversion is: the piece that the kinds of conversions have in common."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from vitesse_graph.mapping.schema import Field
from vitesse_graph.mapping.terms import Term
from vitesse_graph.state.mapping import TransformType


@dataclass(slots=True)
class Conversion:
    """`config` is what `vitesse_graph.transforms` understands. `doubt` (0..1) lowers the row's confidence."""

    type: TransformType
    config: dict[str, Any] = field(default_factory=dict)
    why: str = ""
    doubt: float = 0.0


@dataclass(frozen=True, slots=True)
class End:
    """One end of a pair."""

    field: Field
    term: Term
    side_fields: tuple[Field, ...] = ()
    """The fields of the same object, for what stands beside (`type`, `primary`)."""


def same_name(source: Field, dest: Field) -> bool:
    """Whether the last names are the same but for case and separators."""
    return bare(source.leaf) == bare(dest.leaf)


def bare(name: str) -> str:
    """A name without case and separators."""
    return re.sub(r"[^0-9a-z]", "", name.lower())


def as_is(source: End, dest: End, why: str = "") -> Conversion:
    """The value unchanged."""
    if same_name(source.field, dest.field):
        return Conversion("direct", {}, why or "same name, same kind of value")
    return Conversion("mapping", {}, why or "same kind of value under another name")


def custom(function: str, why: str, doubt: float = 0.0, **params: Any) -> Conversion:
    """A named function with its params."""
    config: dict[str, Any] = {"function": function}
    if params:
        config["params"] = params
    return Conversion("custom", config, why, doubt)


IMPOSSIBLE = Conversion("direct", {}, "impossible")
"""No value of one field can become the other: compared by identity, never changed."""
