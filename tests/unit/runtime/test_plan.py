"""What is done with a record, from what the ledger knows of it."""

from __future__ import annotations

from typing import Any

import pytest

from vitesse_graph.runtime.plan import Known, Planner, Range, Work
from vitesse_graph.state.api_spec import Incremental
from vitesse_graph.state.definition import Call, DestSide, IntegrationDefinition, SourceSide
from vitesse_graph.state.mapping import MappingLogic


def planner(within: Range | None = None, **dest: Any) -> Planner:
    made = IntegrationDefinition(
        integration_id="i",
        source=SourceSide(
            api_name="s",
            base_url="http://s",
            read=Call(method="GET", path="/"),
            id_field="id",
            deleted_field="deleted_at",
            incremental=Incremental(param="since", field="at"),
        ),
        dest=DestSide(api_name="d", base_url="http://d", create=Call(method="POST", path="/c"), **dest),
        mapping=MappingLogic(version=3),
    )
    return Planner(made, lambda record, errors: {"name": record["name"]}, within=within)


UPDATE = {"update": Call(method="PUT", path="/c/{id}")}
UPSERT = {"update": Call(method="POST", path="/c")}
DELETE = {"delete": Call(method="DELETE", path="/c/{id}")}


def known(outcome: str = "written", **changes: Any) -> Known:
    made = {"dest_id": "d1", "content_hash": "other", "refused_hash": None, "run_id": 1, "mapping_version": 3}
    return Known(outcome=outcome, **{**made, **changes})


def decide(of: Planner, row: Known | None, **record: Any) -> Work:
    work = of.prepare([{"id": 1, "name": "n", **record}], 0)[0]
    if row is not None and row.content_hash == "same":
        row = known(row.outcome, content_hash=work.hash, dest_id=row.dest_id)
    if row is not None and row.refused_hash == "same":
        row = known(
            row.outcome,
            refused_hash=work.hash,
            mapping_version=row.mapping_version,
            content_hash=None,
            dest_id=None,
        )
    of.decide(work, row, run_id=9)
    return work


@pytest.mark.parametrize(
    ("dest", "row", "record", "expected"),
    [
        ({}, None, {}, "create"),
        (UPSERT, None, {}, "upsert"),
        ({}, known(content_hash="same"), {}, "unchanged"),
        (UPDATE, known(), {}, "update"),
        (UPSERT, known(), {}, "upsert"),
        ({}, known(), {}, "filtered"),
        (UPDATE, known(dest_id=None), {}, "filtered"),
        (UPDATE, known("deleted"), {}, "create"),
        ({}, known("quarantined", refused_hash="same"), {}, "quarantined"),
        ({}, known("quarantined", refused_hash="same", mapping_version=2), {}, "create"),
        ({}, known("quarantined", refused_hash="older", content_hash=None, dest_id=None), {}, "create"),
        ({}, known("unknown"), {}, "quarantined"),
        (DELETE, known(), {"deleted_at": "2026-01-01"}, "delete"),
        ({}, known(), {"deleted_at": "2026-01-01"}, "filtered"),
        (DELETE, None, {"deleted_at": "2026-01-01"}, "filtered"),
        (DELETE, known("deleted"), {"deleted_at": "2026-01-01"}, "unchanged"),
    ],
)
def test_each_case_has_its_decision(
    dest: dict[str, Any], row: Known | None, record: dict[str, Any], expected: str
) -> None:
    work = decide(planner(**dest), row, **record)
    assert (work.outcome or work.action) == expected


def test_of_one_key_the_last_one_goes_on() -> None:
    of = planner()
    works = of.prepare([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 1, "name": "c"}], 0)
    of.supersede(works)
    assert [work.outcome for work in works] == ["filtered", None, None]
    assert [work.rows for work in works] == [False, True, True]


def test_a_record_without_an_id_is_known_by_its_content() -> None:
    of = planner()
    one, two = of.prepare(
        [{"id": None, "name": "a", "x": 1, "y": 2}, {"y": 2, "x": 1, "name": "a", "id": None}], 0
    )
    assert one.key == two.key
    assert one.key.startswith("hash:")


def test_the_watermark_is_the_highest_moment_of_the_source() -> None:
    of = planner()
    moments = (
        "2026-01-01T10:00:00Z",
        "2026-01-01T14:00:00+02:00",
        "2026-01-01T11:00:00Z",
        "not a time",
        None,
    )
    of.prepare([{"id": n, "name": "a", "at": at} for n, at in enumerate(moments)], 0)
    assert of.high == 1767268800.0  # 12:00 UTC


def test_a_backfill_leaves_out_what_lies_outside_its_range() -> None:
    of = planner(Range(since=1767265200.0, until=1767268800.0))
    records = [
        {"id": n, "name": "a", "at": f"2026-01-01T{hour}:00:00Z"} for n, hour in enumerate((10, 11, 12))
    ]
    assert [work.outcome for work in of.prepare(records, 0)] == ["filtered", None, "filtered"]
