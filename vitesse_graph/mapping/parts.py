"""Parts of a body that demand what nothing feeds: left out where they may be, empty where they may be that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vitesse_graph.mapping.lookup import Paths
from vitesse_graph.mapping.rework import STICKY
from vitesse_graph.mapping.schema import Field
from vitesse_graph.mapping.sides import Side
from vitesse_graph.state.mapping import Finding, Transformation

EMPTY_LIST = 0.6
"""Confidence of an empty list: below what is taken unasked."""


def incomplete_parts(
    rows: Mapping[str, Transformation], dest: Side, findings: Sequence[Finding]
) -> tuple[set[str], list[str]]:
    """The rows to leave out, by destination field, and a note for each part.

    A part is the innermost object that may be absent around a field which the guardian found unfilled.
    Where a person decided on a row of it, the part stays as it is; so does one that holds most of what is
    mapped: that is the record itself, and its demands are a person's to meet.
    """
    left_out: set[str] = set()
    notes = []
    for finding in findings:
        at = dest.by_path.get(finding.dest_field or "")
        if finding.kind != "required_unfilled" or at is None or finding.dest_field in rows:
            continue
        part = optional_part(dest.fields[at])
        inside = {path for path in rows if part and path.startswith(f"{part}.")} - left_out
        fed = [path for path, row in rows.items() if row.source_field and path not in left_out]
        if len(inside & set(fed)) * 2 > len(fed):
            continue
        if inside and all(rows[path].origin not in STICKY for path in inside):
            left_out |= inside
            notes.append(f"{part}: left out, as it demands {finding.dest_field} and nothing feeds that")
    return left_out, notes


def optional_part(field: Field) -> str:
    """The innermost object around a field that its own holder does not require; "" where there is none."""
    steps = field.path.split(".")
    for depth in range(len(steps) - 1, 0, -1):
        if field.names[depth - 1] not in field.ancestors[depth - 1].required:
            return ".".join(steps[:depth])
    return ""


def empty_lists(
    rows: Mapping[str, Transformation], dest: Side, paths: Paths, findings: Sequence[Finding]
) -> list[Transformation]:
    """Empty lists for what the guardian found demanded and unfed, where none is allowed to be empty.

    Nothing is known of their entries, so none are sent; sure enough to go on, not enough to be left
    unasked.
    """
    found: dict[str, Transformation] = {}
    for finding in findings:
        path = finding.dest_field or ""
        if finding.kind != "required_unfilled" or not path:
            continue
        demanded = next((f for f in dest.fields if _is_at(f.path, path)), None)
        outermost = _demanded_list(demanded, rows) if demanded is not None else ""
        place = paths.find(outermost) if outermost and _is_at(outermost, path) else None
        if place is None or "array" not in place.types or place.constraints.get("minItems"):
            continue
        found[outermost] = Transformation(
            source_field=[],
            dest_field=outermost,
            transform_type="custom",
            transform_config={"function": "constant", "params": {"value": []}},
            confidence=EMPTY_LIST,
            reason="demanded, and may be empty: nothing in the source says what belongs into it",
            required=True,
            origin="heal",
        )
    return list(found.values())


def _demanded_list(field: Field, rows: Mapping[str, Transformation]) -> str:
    """The outermost list around a field that is required all the way from the root and has no row; "" for none."""
    steps = field.path.split(".")
    for at, step in enumerate(steps):
        if field.names[at] not in field.ancestors[at].required:
            return ""
        part = ".".join(steps[: at + 1])
        if step.endswith("[]") and not _has_rows(part, rows):
            return part.removesuffix("[]")
    return ""


def _is_at(path: str, other: str) -> bool:
    """Whether one of the two lies at or inside the other."""
    return any(a == b or a.startswith((f"{b}.", f"{b}[")) for a, b in ((path, other), (other, path)))


def _has_rows(part: str, rows: Mapping[str, Transformation]) -> bool:
    return any(_is_at(path, part.removesuffix("[]")) and not part.startswith(f"{path}.") for path in rows)
