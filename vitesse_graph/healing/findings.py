"""What the next mapping needs to know of the drift: one finding per row concerned. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from vitesse_graph.healing.impact import is_within, source_paths
from vitesse_graph.state.health import DriftItem
from vitesse_graph.state.mapping import Finding, MappingLogic, Transformation


def findings_of(drift: Collection[DriftItem], mapping: MappingLogic) -> list[Finding]:
    """Findings for every row that a breaking or risky item touches, each once, the surest kept.

    A field that the specification says was renamed is not also told as removed.
    """
    found: dict[tuple[str | None, str | None], Finding] = {}
    for item in sorted(drift, key=lambda item: (_RANK.get(item.kind, 9), -item.confidence)):
        if item.severity == "safe" or item.kind == "field_ignored":
            continue  # where an ignored field has gone no mapping can know: its row stays as it is
        rows = _source_rows(item, mapping) if item.side == "source" else _dest_rows(item, mapping)
        for finding in rows:
            found.setdefault((finding.dest_field, finding.source_field), finding)
    return list(found.values())


_RANK = {"field_renamed": 0, "field_removed": 1, "field_retyped": 2, "field_required": 3}


def _source_rows(item: DriftItem, mapping: MappingLogic) -> Iterator[Finding]:
    for row in mapping.transformations:
        for path in source_paths(row):
            if is_within(path, item.path) or (is_within(item.path, path) and item.kind == "field_retyped"):
                yield _source_finding(item, row, path)


def _source_finding(item: DriftItem, row: Transformation, path: str) -> Finding:
    hint: dict[str, Any] = {"confidence": item.confidence}
    if item.kind == "field_renamed" and item.new_path:
        hint["renamed_to"] = item.new_path + path[len(item.path) :]
        return _finding("source_renamed", item, row, path, hint)
    if item.kind == "field_removed":
        return _finding("source_removed", item, row, path, hint)
    if item.kind == "enum_grown":
        return _finding("enum_untranslated", item, row, path, hint)
    return _finding("source_retyped", item, row, path, hint)


def _dest_rows(item: DriftItem, mapping: MappingLogic) -> Iterator[Finding]:
    if item.kind == "field_required" and not any(
        is_within(row.dest_field, item.path) for row in mapping.transformations
    ):
        yield Finding(kind="required_unfilled", dest_field=item.path, detail=f"{item.path} {item.detail}")
        return
    for row in mapping.transformations:
        if is_within(row.dest_field, item.path):
            hint: dict[str, Any] = {"confidence": item.confidence}
            if item.kind == "field_renamed" and item.new_path:
                hint["renamed_to"] = item.new_path + row.dest_field[len(item.path) :]
            elif item.kind == "field_removed":
                hint["removed"] = True
            yield _finding("dest_changed", item, row, None, hint)


def _finding(
    kind: Any, item: DriftItem, row: Transformation, path: str | None, hint: dict[str, Any]
) -> Finding:
    return Finding(
        kind=kind,
        dest_field=row.dest_field,
        source_field=path,
        detail=f"{item.path} {item.detail}",
        hint=hint,
    )
