"""What a sync would do, shown on real records field by field, without writing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from vitesse_graph.runtime.plan import Known, Planner, Work
from vitesse_graph.runtime.reader import SourceReader
from vitesse_graph.runtime.writer import DestWriter
from vitesse_graph.state.base import Model
from vitesse_graph.state.definition import SyncReport

if TYPE_CHECKING:
    from vitesse_graph.runtime.engine import SyncEngine, SyncRequest


class FieldPreview(Model):
    """One destination field: the value it would get."""

    field: str
    source: str | list[str] = ""
    value: Any = None


class RecordPreview(Model):
    """One record and what would become of it."""

    source_key: str
    would: Literal["create", "update", "skip", "delete", "quarantine"]
    dest_id: str | None = None
    reason: str | None = None
    fields: list[FieldPreview] = Field(default_factory=list)


class Preview(Model):
    """The first records of the source, planned."""

    records: list[RecordPreview] = Field(default_factory=list)
    counts: dict[str, int] = Field(default_factory=dict)


_WOULD: dict[str, Literal["create", "update", "delete"]] = {
    "create": "create",
    "upsert": "create",
    "update": "update",
    "delete": "delete",
}


async def preview(engine: SyncEngine, *, limit: int = 20) -> Preview:
    """Plans the first `limit` records. Reads the source and, where there is a lookup, the destination."""
    found = Preview()
    async with engine.open() as sides:
        writer = DestWriter(engine.definition, sides.dest)
        planner = engine.planner()
        async for page in SourceReader(engine.definition.source, sides.source).pages():
            records = page.records[: limit - len(found.records)]
            for work in await _planned(engine, planner, records, page.number):
                found.records.append(await _shown(engine, writer, work))
            if len(found.records) >= limit:
                break
    for record in found.records:
        found.counts[record.would] = found.counts.get(record.would, 0) + 1
    return found


async def dry_run(engine: SyncEngine, request: SyncRequest) -> SyncReport:
    """Counts over everything that the run would read; nothing is written, nothing committed."""
    started = time.monotonic()
    filters, is_full = await engine.read_plan(request)
    report = SyncReport(full=is_full, dry_run=True)
    async with engine.open() as sides:
        planner = engine.planner(request.range())
        async for page in SourceReader(engine.definition.source, sides.source, filters=filters).pages():
            for work in await _planned(engine, planner, page.records, page.number):
                _count(report, work)
    report.duration_seconds = round(time.monotonic() - started, 3)
    return report


def _count(report: SyncReport, work: Work) -> None:
    report.fetched += 1
    if work.outcome in ("unchanged", "filtered", "quarantined", "deleted"):
        setattr(report, work.outcome, getattr(report, work.outcome) + 1)
    elif work.action == "delete":
        report.deleted += 1
    else:
        report.written += 1
        if work.dest_id is None:
            report.created += 1
        else:
            report.updated += 1


async def _planned(engine: SyncEngine, planner: Planner, records: list[Any], page: int) -> list[Work]:
    works = planner.prepare(records, page)
    planner.supersede(works)
    pending = [work for work in works if work.outcome is None or work.outcome == "quarantined"]
    keys = [work.key for work in pending]
    known: dict[str, Known] = {}
    if keys:
        import orjson

        values = {"id": engine.definition.integration_id, "keys": orjson.dumps(keys).decode()}
        for row in await engine.store.rows("known", values):
            known[row[0]] = Known(*row[1:])
    for work in pending:
        planner.decide(work, known.get(work.key), 0)
    return works


async def _shown(engine: SyncEngine, writer: DestWriter, work: Work) -> RecordPreview:
    would: Literal["create", "update", "skip", "delete", "quarantine"]
    if work.outcome == "quarantined":
        would = "quarantine"
    elif work.outcome is not None:
        would = "skip"
    else:
        would = _WOULD[work.action]
        if work.action == "create" and work.natural:
            work.dest_id = await writer.look_up(work.natural)
        if work.dest_id is not None and would == "create":
            would = "update" if engine.definition.dest.update is not None else "skip"
    if work.is_known_refusal:
        work.reason = "refused before with the same content; see the dead letters"
    reason = work.reason or ("unchanged since the last sync" if would == "skip" else None)
    record = RecordPreview(source_key=work.key, would=would, dest_id=work.dest_id, reason=reason)
    if work.body is not None:
        rows = {row.dest_field: row.source_field for row in engine.definition.mapping.transformations}
        record.fields = [
            FieldPreview(field=path, source=rows.get(path, ""), value=value)
            for path, value in _leaves("", work.body)
        ]
    return record


def _leaves(prefix: str, value: Any) -> list[tuple[str, Any]]:
    """(path, value) of every leaf; arrays of objects are written `a[].b`."""
    if isinstance(value, dict):
        return [
            leaf
            for key, inner in value.items()
            for leaf in _leaves(f"{prefix}.{key}" if prefix else key, inner)
        ]
    if isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        return [leaf for inner in value for leaf in _leaves(f"{prefix}[]", inner)]
    return [(prefix, value)]
