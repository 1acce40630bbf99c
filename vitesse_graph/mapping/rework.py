"""What people said, what was mapped before, and what failed since: all of it before what is found anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from vitesse_graph.errors import MappingError
from vitesse_graph.mapping.conversion import Conversion, End
from vitesse_graph.mapping.convert import convert
from vitesse_graph.mapping.convert_values import enum_values
from vitesse_graph.mapping.edit import sources_of, sources_text
from vitesse_graph.mapping.lookup import Paths
from vitesse_graph.mapping.sides import Side
from vitesse_graph.mapping.tables import value_table
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.state.mapping import Finding, MappingHint, MappingLogic, Transformation
from vitesse_graph.transforms import compile_mapping

STICKY = ("person", "hint")
"""Rows of these origins survive whatever is found."""


def pair_conversion(source: Side, dest: Side, source_path: str, dest_path: str) -> Conversion | None:
    """The conversion between two fields by path; None where a field is unknown or nothing converts."""
    if source_path not in source.by_path or dest_path not in dest.by_path:
        return None
    return convert(end_at(source, source.by_path[source_path]), end_at(dest, dest.by_path[dest_path]))


def end_at(side: Side, at: int) -> End:
    """One end of a pair, by position."""
    own = side.fields[at]
    return End(own, side.terms[at], side.entry_of(own) if own.array_at else ())


def from_hints(
    hints: Sequence[MappingHint], source: Side, dest: Side, source_schema: JsonSchema, dest_schema: JsonSchema
) -> tuple[dict[str, Transformation], set[str], list[str]]:
    """The rows that hints ask for, the fields they want empty, and why others were refused."""
    rows: dict[str, Transformation] = {}
    empty: set[str] = set()
    notes: list[str] = []
    paths_s, paths_d = Paths(source_schema), Paths(dest_schema)
    for hint in hints:
        try:
            paths_d.require(hint.dest_field, "destination", list(dest.by_path))
            if hint.source_field is None and hint.constant is None and not hint.transform_config:
                empty.add(hint.dest_field)
                continue
            row = _hinted(hint, source, dest, paths_s)
            compile_mapping(MappingLogic(transformations=[row]))
            rows[hint.dest_field] = row
        except MappingError as error:
            notes.append(f"hint refused: {error}")
    return rows, empty, notes


def _hinted(hint: MappingHint, source: Side, dest: Side, paths: Paths) -> Transformation:
    at = dest.by_path.get(hint.dest_field.removesuffix("[]"))
    required = dest.fields[at].required if at is not None else False
    common: dict[str, Any] = {
        "dest_field": hint.dest_field,
        "confidence": 1.0,
        "origin": "hint",
        "required": required,
        "reason": "as the hint says",
    }
    if hint.source_field is None:
        config = hint.transform_config or {"function": "constant", "params": {"value": hint.constant}}
        return Transformation(source_field=[], transform_type="custom", transform_config=config, **common)
    wanted = [hint.source_field] if isinstance(hint.source_field, str) else list(hint.source_field)
    for path in wanted:
        paths.require(path, "source", list(source.by_path))
    if hint.transform_type is not None or hint.transform_config:
        kind = hint.transform_type or ("custom" if hint.transform_config else "mapping")
        return Transformation(
            source_field=hint.source_field,
            transform_type=kind,
            transform_config=hint.transform_config,
            **common,
        )
    if len(wanted) > 1:
        return Transformation(
            source_field=wanted, transform_type="custom", transform_config={"function": "join"}, **common
        )
    found = pair_conversion(source, dest, wanted[0].removesuffix("[]"), hint.dest_field.removesuffix("[]"))
    conversion = found or Conversion("mapping")
    return Transformation(
        source_field=hint.source_field,
        transform_type=conversion.type,
        transform_config=conversion.config,
        **common,
    )


def still_valid(row: Transformation, source: Paths, dest: Paths) -> bool:
    """Whether all of a row's paths still exist and its destination can be written."""
    try:
        place = dest.find(row.dest_field)
        if place is None or place.read_only:
            return False
        return all(source.find(path) is not None for path in sources_of(row))
    except MappingError:
        return False


def concerned(row: Transformation, findings: Sequence[Finding]) -> list[Finding]:
    """The findings about this row, by destination or by source."""
    paths = {p.replace("[]", "") for p in sources_of(row)}
    target = row.dest_field.replace("[]", "")
    found = []
    for finding in findings:
        by_dest = finding.dest_field is not None and finding.dest_field.replace("[]", "") == target
        by_source = finding.source_field is not None and finding.source_field.replace("[]", "") in paths
        if by_dest or (finding.dest_field is None and by_source):
            found.append(finding)
    return found


def mended(
    row: Transformation, findings: Sequence[Finding], source: Side, dest: Side
) -> Transformation | None:
    """The row changed just enough to answer its findings; None where it must be found anew.

    Only what the findings name is touched: a renamed source keeps its conversion, a refused value
    gets a table, a length or a notation.
    """
    changed: Transformation | None = row
    for finding in findings:
        if changed is None:
            return None
        mend = _MENDERS.get(finding.kind)
        changed = mend(changed, finding, source, dest) if mend is not None else changed
    return changed


def _renamed(row: Transformation, finding: Finding, source: Side, dest: Side) -> Transformation | None:
    new = finding.hint.get("renamed_to")
    if not isinstance(new, str) or finding.source_field is None or new not in source.by_path:
        return None
    was = sources_of(row)
    now = [new if p.replace("[]", "") == finding.source_field.replace("[]", "") else p for p in was]
    if now == was:
        return row
    kind = row.transform_type
    if kind == "direct":
        kind = "mapping"
    field = now if isinstance(row.source_field, list) else now[0]
    return row.evolve(
        source_field=field,
        transform_type=kind,
        origin=_keep(row),
        reason=f"the source renamed {finding.source_field} to {new}",
    )


def _keep(row: Transformation) -> str:
    return row.origin if row.origin in STICKY else "heal"


def _gone(row: Transformation, finding: Finding, source: Side, dest: Side) -> Transformation | None:
    return None


def _converted_anew(row: Transformation, finding: Finding, source: Side, dest: Side) -> Transformation | None:
    """The same fields, with the conversion that the schemas now ask for."""
    wanted = sources_of(row)
    if len(wanted) != 1:
        return row
    found = pair_conversion(source, dest, wanted[0], row.dest_field)
    if found is None:
        return None
    if found.type == row.transform_type and found.config == row.transform_config:
        return _softened(row, finding)
    return row.evolve(
        transform_type=found.type, transform_config=found.config, origin=_keep(row), reason=found.why
    )


def _softened(row: Transformation, finding: Finding) -> Transformation:
    """The conversion is right, some values are not: those are left out instead of failing the record."""
    if row.required or finding.share >= 0.9:
        return row
    config = {**row.transform_config, "on_error": "skip"}
    return row.evolve(
        transform_config=config,
        origin=_keep(row),
        reason=f"{row.reason}; values that do not fit are left out",
    )


def _refused(row: Transformation, finding: Finding, source: Side, dest: Side) -> Transformation | None:
    hint = finding.hint
    if isinstance(hint.get("enum"), list):
        return _with_table(row, hint["enum"], source)
    limit = hint.get("max_length", hint.get("maxLength"))
    if isinstance(limit, int) and row.transform_type in ("direct", "mapping"):
        config = {**row.transform_config, "function": "truncate", "params": {"length": limit}}
        return row.evolve(
            transform_type="custom",
            transform_config=config,
            origin=_keep(row),
            reason=f"cut to the {limit} characters allowed",
        )
    return _to_expected(row, hint, source, dest)


def _to_expected(
    row: Transformation, hint: dict[str, Any], source: Side, dest: Side
) -> Transformation | None:
    """A conversion to the type or format that the destination asked for, though its schema did not say so."""
    at = dest.by_path.get(row.dest_field)
    wanted = sources_of(row)
    if at is None or len(wanted) != 1 or wanted[0] not in source.by_path:
        return row
    end = end_at(dest, at)
    place, kind = end.field.place, hint.get("expected_type")
    changed = _with(end, kind if isinstance(kind, str) else None, hint.get("format"))
    found = convert(end_at(source, source.by_path[wanted[0]]), changed)
    if found is None or (changed is end and place is end.field.place and not hint):
        return row
    if (found.type, found.config) == (row.transform_type, row.transform_config):
        return row
    return row.evolve(
        transform_type=found.type,
        transform_config=found.config,
        origin=_keep(row),
        reason=f"{found.why}, as the destination demanded",
    )


def _with(end: End, kind: str | None, form: Any) -> End:
    place = replace(
        end.field.place,
        types=[kind] if kind else end.field.place.types,
        format=form if isinstance(form, str) else end.field.place.format,
    )
    return End(replace(end.field, place=place, type=kind or end.field.type), end.term, end.side_fields)


def _with_table(
    row: Transformation, allowed: list[Any], source: Side, seen: Sequence[Any] = ()
) -> Transformation | None:
    """The row with a table to the values allowed; None where it can be left out and no value translates.

    `seen` are values met in records, beside those that the source's schema lists.
    """
    wanted = sources_of(row)
    at = source.by_path.get(wanted[0]) if len(wanted) == 1 else None
    params = row.transform_config.get("params") or {}
    table = dict(params.get("table") or {})
    given = enum_values(source.fields[at]) if at is not None else list(table)
    given = [*given, *(value for value in seen if value not in given)]
    found, left = value_table(given, allowed)
    kept = {k: v for k, v in table.items() if v in allowed}
    merged = {**found, **kept}
    if given and not merged and not row.required and row.origin not in STICKY:
        return None
    new: dict[str, Any] = {"table": merged, "unmatched": "keep" if not left and not given else "skip"}
    config = {
        **{k: v for k, v in row.transform_config.items() if k not in ("function", "params")},
        "function": "enum_map",
        "params": new,
    }
    if row.transform_config == config:
        return row
    return row.evolve(
        transform_type="custom",
        transform_config=config,
        origin=_keep(row),
        reason="values brought to those that the destination knows",
    )


def _untranslated(row: Transformation, finding: Finding, source: Side, dest: Side) -> Transformation | None:
    at = dest.by_path.get(row.dest_field)
    allowed = finding.hint.get("enum") or (dest.fields[at].place.enum if at is not None else None)
    values = finding.hint.get("values")
    if not isinstance(allowed, list):
        return _softened(row, finding)
    seen = [v for v in values if isinstance(v, (str, bool, int))] if isinstance(values, list) else []
    changed = _with_table(row, allowed, source, seen)
    if changed is None or changed.required or changed.origin in STICKY:
        return changed
    params = changed.transform_config.get("params") or {}
    table = params.get("table") or {value: value for value in allowed if isinstance(value, str)}
    if not params.get("table") and finding.share >= 0.9:
        return None  # next to nothing of it fits, and nobody demands it
    # what has no translation is left out instead of failing the record
    params = {**params, "table": table, "unmatched": "skip"}
    return changed.evolve(transform_config={**changed.transform_config, "params": params})


def _unfilled(row: Transformation, finding: Finding, source: Side, dest: Side) -> Transformation | None:
    """A required field that stays empty for some records: a default, where the destination has one."""
    at = dest.by_path.get(row.dest_field)
    default = dest.fields[at].place.default if at is not None else None
    if default is None or "default" in row.transform_config:
        return None if finding.share >= 0.99 and row.origin not in STICKY else row
    config = {**row.transform_config, "default": default}
    return row.evolve(
        transform_config=config,
        origin=_keep(row),
        reason=f"{row.reason}; the schema's default where it is empty",
    )


def _empty(row: Transformation, finding: Finding, source: Side, dest: Side) -> Transformation | None:
    return None if finding.share >= 0.99 else row


_MENDERS: dict[str, Callable[[Transformation, Finding, Side, Side], Transformation | None]] = {
    "source_renamed": _renamed,
    "source_removed": _gone,
    "source_missing": _empty,
    "source_retyped": _converted_anew,
    "dest_changed": _converted_anew,
    "dest_rejects_value": _refused,
    "enum_untranslated": _untranslated,
    "transform_failed": _converted_anew,
    "required_unfilled": _unfilled,
}
"""`always_empty` and `lossy` are shown to a person and change nothing."""


def note_for(row: Transformation, after: Transformation | None, findings: Sequence[Finding]) -> str:
    """One line about what a finding led to."""
    kinds = ", ".join(sorted({f.kind for f in findings}))
    if after is None:
        return f"{row.dest_field}: {kinds}; {sources_text(row)} no longer feeds it"
    if after is row:
        return f"{row.dest_field}: {kinds}; kept as it is"
    return f"{row.dest_field}: {kinds}; {after.reason}"
