"""What the next mapping needs to know to do better, from the tally of a run."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from vitesse_graph.guardian.paths import plain
from vitesse_graph.guardian.verdict import Failure, FieldTally, Rows, Tally
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.state.mapping import Finding, Transformation
from vitesse_graph.synthetic.schemas import at_path, flatten

_MISSING_SHARE = 0.4
_ENOUGH = 5
"""Ordinary records below which nothing is said about what is always empty."""


def findings_of(
    tally: Tally, unfed: list[str], source_schema: JsonSchema, dest_schema: JsonSchema
) -> list[Finding]:
    """All findings, the gravest first: unfed required fields, refused values, absent sources, empty fields."""
    found = [
        Finding(
            kind="required_unfilled",
            dest_field=path,
            detail=f"{path} is required and no row fills it",
            hint=_expectation(dest_schema, path),
        )
        for path in unfed
    ]
    known = {plain(path) for path in unfed}
    for path, field in tally.fields.items():
        if path in known:
            continue
        found += _of_field(tally, field, path, source_schema, dest_schema)
    found.sort(key=lambda finding: (finding.kind != "required_unfilled", -finding.share))
    return found


def _of_field(
    tally: Tally, field: FieldTally, path: str, source_schema: JsonSchema, dest_schema: JsonSchema
) -> list[Finding]:
    found: list[Finding] = []
    groups: dict[tuple[str, str], list[tuple[Failure, int]]] = defaultdict(list)
    for failure, count in field.causes.items():
        if failure.cause != "absent":
            groups[(failure.cause, failure.rule)].append((failure, count))
    row = tally.rows.feeding(path)
    for _, failures in sorted(groups.items(), key=lambda group: -sum(count for _, count in group[1])):
        failure, _ = max(failures, key=lambda pair: pair[1])
        share = sum(count for _, count in failures) / max(1, tally.ordinary)
        found.append(_refused(failure, row, min(1.0, share), source_schema, dest_schema))
    found += _absent(tally, field, path, row, dest_schema)
    return found


def _refused(
    failure: Failure,
    row: Transformation | None,
    share: float,
    source_schema: JsonSchema,
    dest_schema: JsonSchema,
) -> Finding:
    hint = {
        **_expectation(dest_schema, failure.dest_field),
        **{k: _plain_value(v) for k, v in failure.expected},
    }
    base: dict[str, Any] = {
        "dest_field": failure.dest_field,
        "source_field": failure.source_field or None,
        "share": round(share, 3),
    }
    if failure.rule == "required":
        detail = f"{failure.dest_field} is required and stays empty"
        return Finding(kind="required_unfilled", detail=detail, hint=hint, **base)
    options = _options(source_schema, failure.source_field)
    if failure.rule == "enum" or _is_table(row):
        hint |= {"values": options} if options else {}
        hint |= _allowed(dest_schema, failure.dest_field)
        detail = f"{failure.source_field or 'a constant'} has values for which {failure.dest_field} has no translation"
        return Finding(kind="enum_untranslated", detail=detail, hint=hint, **base)
    if failure.cause == "transform":
        kind_of_value = f"the transform of {failure.source_field} refuses values: {failure.reason}"
        return Finding(kind="transform_failed", detail=kind_of_value, hint=hint, **base)
    detail = f"the value of {failure.dest_field} {failure.reason}" + _wanted(failure)
    return Finding(kind="dest_rejects_value", detail=detail, hint=hint, **base)


def _wanted(failure: Failure) -> str:
    return "".join(
        f" ({key.replace('_', ' ')}: {_plain_value(value)})" for key, value in failure.expected[:1]
    )


def _plain_value(value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    return value[0] if len(value) == 1 and isinstance(value[0], str) else list(value)


def _absent(
    tally: Tally, field: FieldTally, path: str, row: Transformation | None, dest_schema: JsonSchema
) -> list[Finding]:
    if row is None or not tally.ordinary:
        return []
    sources = Rows.sources(row)
    share = field.absent / tally.ordinary
    if not sources:
        return []
    if field.filled == 0 and not field.refused and tally.ordinary >= _ENOUGH:
        detail = f"{row.dest_field} is empty in every record"
        return [
            Finding(
                kind="always_empty", dest_field=row.dest_field, source_field=sources[0], detail=detail,
                hint=_expectation(dest_schema, path),
            )
        ]  # fmt: skip
    required = sum(count for failure, count in field.causes.items() if failure.cause == "absent")
    if share >= _MISSING_SHARE or required:
        shown = max(share, required / tally.ordinary)
        detail = f"{', '.join(sources)} is absent in {shown:.0%} of the records"
        if required:
            detail += f", and {row.dest_field} cannot do without it"
        return [
            Finding(
                kind="source_missing", dest_field=row.dest_field, source_field=sources[0], detail=detail,
                share=round(shown, 3), hint={"required": bool(required)},
            )
        ]  # fmt: skip
    return []


def _is_table(row: Transformation | None) -> bool:
    if row is None:
        return False
    config = row.transform_config
    return config.get("function") == "enum_map" or any(
        step.get("function") == "enum_map" for step in config.get("steps", []) if isinstance(step, dict)
    )


def _options(schema: JsonSchema, path: str) -> list[Any]:
    found = at_path(schema, path, schema) if path else None
    options = flatten(found, schema).get("enum") if found else None
    return list(options) if isinstance(options, list) else []


def _expectation(schema: JsonSchema, path: str) -> dict[str, Any]:
    """What the destination's schema says of a field, for the mapper."""
    found = at_path(schema, path, schema)
    if not found:
        return {}
    flat = flatten(found, schema)
    names = {"type": "expected_type", "format": "format", "default": "default"}
    hint = {name: flat[key] for key, name in names.items() if key in flat}
    if isinstance(hint.get("expected_type"), list):
        hint["expected_type"] = next((kind for kind in hint["expected_type"] if kind != "null"), "null")
    return hint


def _allowed(schema: JsonSchema, path: str) -> dict[str, Any]:
    options = _options(schema, path)
    return {"enum": options} if options else {}
