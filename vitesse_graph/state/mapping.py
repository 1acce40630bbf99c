"""Which source field feeds which destination field, and how its value changes on the way.

Paths: `a.b` nests, `a[].b` goes into arrays. Source paths start at ONE source record; destination
paths start at the whole request body (`Contacts[].EmailAddress`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, get_args

from pydantic import Field

from vitesse_graph.state.base import Model

TransformType = Literal["direct", "mapping", "parse", "stringify", "parse_bool", "collect", "custom"]
TRANSFORM_TYPES: tuple[TransformType, ...] = get_args(TransformType)


class Alternative(Model):
    """Another source for the same destination field, ready to be switched to."""

    source_field: str | list[str]
    transform_type: TransformType = "direct"
    transform_config: dict[str, Any] = Field(default_factory=dict)
    confidence: float = Field(default=0.0, ge=0.0, le=1.0)
    reason: str = ""


class Transformation(Model):
    """One row of a mapping.

    `source_field` is a path, a list of paths (joined, or first that has a value, as
    `transform_config` says), or [] for a constant. `transform_config` is what the named transform
    needs; its keys are documented in `vitesse_graph.transforms`.
    """

    source_field: str | list[str]
    dest_field: str
    transform_type: TransformType = "direct"
    transform_config: dict[str, Any] = Field(default_factory=dict)
    confidence: float = Field(default=1.0, ge=0.0, le=1.0)
    reason: str = ""
    required: bool = False
    """The destination demands this field."""
    origin: Literal["found", "hint", "person", "model", "pattern", "heal"] = "found"
    """Who decided. Rows of a person or a hint survive re-mapping."""
    alternatives: list[Alternative] = Field(default_factory=list)


class Question(Model):
    """Something only a person can decide: a required field that nothing feeds, a doubtful row."""

    dest_field: str
    text: str
    required: bool = True
    suggestions: list[Alternative] = Field(default_factory=list)

    def is_answered_by(self, filled: Collection[str]) -> bool:
        """Whether one of these destination paths is the field asked about, or lies in it."""
        below = (self.dest_field + ".", self.dest_field + "[")
        return any(path == self.dest_field or path.startswith(below) for path in filled)


class MappingLogic(Model):
    """A whole mapping, versioned: `version` grows with every change on the thread."""

    transformations: list[Transformation] = Field(default_factory=list)
    questions: list[Question] = Field(default_factory=list)
    """Unmapped required fields first."""
    unmapped_dest: list[str] = Field(default_factory=list)
    """Optional destination fields left empty on purpose."""
    unmapped_source: list[str] = Field(default_factory=list)
    left_empty: list[str] = Field(default_factory=list)
    """Destination fields that a person or a hint emptied: they stay so through re-mapping."""
    complexity_score: float = 1.0
    """1–10; the formula is documented in `vitesse_graph.mapping.complexity`."""
    confidence: float = 0.0
    """Mean of the rows' confidences; 0 when there are none."""
    version: int = 1
    notes: list[str] = Field(default_factory=list)
    """What was refused or fell back, in one line each (a hint whose path does not exist …)."""


class MappingHint(Model):
    """A person's wish: this source (or constant) feeds this destination field; source None: leave empty."""

    dest_field: str
    source_field: str | list[str] | None = None
    transform_type: TransformType | None = None
    transform_config: dict[str, Any] = Field(default_factory=dict)
    constant: Any = None


class Finding(Model):
    """What the next `map` needs to know to do better; made by guardian and heal."""

    kind: Literal[
        "dest_rejects_value",
        "required_unfilled",
        "enum_untranslated",
        "source_missing",
        "transform_failed",
        "always_empty",
        "lossy",
        "source_renamed",
        "source_removed",
        "source_retyped",
        "dest_changed",
    ]
    dest_field: str | None = None
    source_field: str | None = None
    detail: str = ""
    """One line; never a record's value."""
    share: float = 1.0
    """Share of the records concerned, 0..1."""
    hint: dict[str, Any] = Field(default_factory=dict)
    """Machine-readable: {"expected_type": …, "format": …, "enum": […], "renamed_to": …}."""
