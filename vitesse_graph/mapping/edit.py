"""A person's edit of a mapping, and the difference between two mappings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from vitesse_graph.errors import MappingError
from vitesse_graph.mapping.complexity import complexity_score
from vitesse_graph.mapping.lookup import Paths
from vitesse_graph.mapping.schema import read_fields
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.state.mapping import MappingLogic, Transformation
from vitesse_graph.transforms import compile_mapping


@dataclass(slots=True)
class MappingDiff:
    """What changed between two mappings, by destination field."""

    added: list[Transformation] = field(default_factory=list)
    removed: list[Transformation] = field(default_factory=list)
    changed: list[tuple[Transformation, Transformation]] = field(default_factory=list)
    """(before, after): another source or another conversion; confidence alone is no change."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def lines(self) -> list[str]:
        """One line for each change, for logs and tables."""
        return [
            *(f"+ {r.dest_field} ← {sources_text(r)}" for r in self.added),
            *(f"- {r.dest_field} ← {sources_text(r)}" for r in self.removed),
            *(f"~ {b.dest_field} ← {sources_text(b)} (was {sources_text(a)})" for a, b in self.changed),
        ]


def sources_of(row: Transformation) -> list[str]:
    """The row's source paths; [] for a constant."""
    return [row.source_field] if isinstance(row.source_field, str) else list(row.source_field)


def sources_text(row: Transformation) -> str:
    """The row's sources for people."""
    return ", ".join(sources_of(row)) or "a fixed value"


def substance(row: Transformation) -> tuple[Any, ...]:
    """What a row does, without how sure it is or who made it."""
    return (
        tuple(sources_of(row)),
        row.dest_field,
        row.transform_type,
        repr(sorted(row.transform_config.items())),
    )


def diff_mappings(old: MappingLogic, new: MappingLogic) -> MappingDiff:
    """What changed from `old` to `new`, in the order of the rows."""
    before = {r.dest_field: r for r in old.transformations}
    after = {r.dest_field: r for r in new.transformations}
    return MappingDiff(
        added=[r for path, r in after.items() if path not in before],
        removed=[r for path, r in before.items() if path not in after],
        changed=[
            (before[path], r)
            for path, r in after.items()
            if path in before and substance(before[path]) != substance(r)
        ],
    )


def apply_edit(
    mapping: MappingLogic,
    edits: Sequence[Transformation],
    source_schema: JsonSchema,
    dest_schema: JsonSchema,
) -> MappingLogic:
    """The mapping with the rows as a person wants them (`edits` is the whole list).

    Rows that differ become the person's (origin `person`, confidence 1) and survive re-mapping,
    as do fields that they emptied. Raises one MappingError that names every row that cannot be:
    a path that does not exist, a read-only field, two rows for one field, a transform that cannot
    be built.
    """
    validate_rows(edits, source_schema, dest_schema)
    before = {r.dest_field: r for r in mapping.transformations}
    rows = [_as_edited(before.get(r.dest_field), r) for r in edits]
    filled = {r.dest_field for r in rows}
    emptied = [path for path in before if path not in filled]
    dest_fields = [f for f in read_fields(dest_schema) if not f.read_only]
    edited = mapping.evolve(
        transformations=rows,
        questions=[q for q in mapping.questions if not q.is_answered_by(filled)],
        left_empty=sorted({*(p for p in mapping.left_empty if p not in filled), *emptied}),
        unmapped_dest=[f.path for f in dest_fields if f.path not in filled and not f.required],
        unmapped_source=_unused(source_schema, rows),
        confidence=round(sum(r.confidence for r in rows) / len(rows), 3) if rows else 0.0,
        version=mapping.version + 1,
    )
    edited.complexity_score = complexity_score(edited)
    return edited


def _unused(source_schema: JsonSchema, rows: list[Transformation]) -> list[str]:
    used = {path for row in rows for path in sources_of(row)}
    return [f.path for f in read_fields(source_schema) if f.path not in used]


def _as_edited(before: Transformation | None, row: Transformation) -> Transformation:
    if before is not None and substance(before) == substance(row):
        return before
    required = row.required or (before is not None and before.required)
    return row.evolve(
        origin="person", confidence=1.0, required=required, reason=row.reason or "set by a person"
    )


def validate_rows(rows: Sequence[Transformation], source_schema: JsonSchema, dest_schema: JsonSchema) -> None:
    """Raises one MappingError that names every row that cannot be."""
    source, dest = Paths(source_schema), Paths(dest_schema)
    known_source = [f.path for f in read_fields(source_schema)]
    known_dest = [f.path for f in read_fields(dest_schema)]
    bad: list[str] = []
    for row in rows:
        try:
            place = dest.require(row.dest_field, "destination", known_dest)
            if place.read_only:
                raise MappingError(f"the destination's '{row.dest_field}' is read-only")
            for path in sources_of(row):
                source.require(path, "source", known_source)
        except MappingError as error:
            bad.append(str(error))
    doubled = sorted({r.dest_field for r in rows if sum(o.dest_field == r.dest_field for o in rows) > 1})
    bad += [f"two rows fill '{path}'" for path in doubled]
    if not bad:
        compile_mapping(MappingLogic(transformations=list(rows)))
        return
    raise MappingError("; ".join(bad))
