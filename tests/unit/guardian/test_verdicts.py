"""What the guardian says of good and bad mappings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pair import DEST_SHAPE, SOURCE_SHAPE, judge, mapping, row

from vitesse_graph.errors import MappingError
from vitesse_graph.guardian import health_score
from vitesse_graph.guardian.calls import capped
from vitesse_graph.guardian.health import endpoint_coverage
from vitesse_graph.guardian.losses import Losses
from vitesse_graph.guardian.plausible import Plausibility
from vitesse_graph.guardian.verdict import Failure, Rows, Tally, Trial
from vitesse_graph.mapping import map_fields
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.state.testing import ShadowCall, TestResults
from vitesse_graph.synthetic import Profile


def finding(results: TestResults, kind: str, dest_field: str) -> Any:
    return next((f for f in results.findings if (f.kind, f.dest_field) == (kind, dest_field)), None)


async def test_a_good_mapping_is_healthy_and_every_operation_was_used() -> None:
    results = await judge(mapping())
    assert results.passed
    assert results.health_score >= 95
    assert results.endpoint_coverage == 1.0
    assert results.calls_made >= 100
    assert results.hard_fails == []
    assert {stats.endpoint for stats in results.latency} == {
        "GET /contacts", "POST /customers", "PATCH /customers/{customerId}", "GET /customers",
    }  # fmt: skip


async def test_a_required_field_that_nothing_feeds_never_passes() -> None:
    results = await judge(mapping(without="email"), threshold=0)
    assert not results.passed
    assert "email" in results.hard_fails[0]
    assert finding(results, "required_unfilled", "email").share == 1.0
    assert results.issues[0].kind == "required_unfed"


async def test_a_value_that_the_contract_refuses_is_named_with_what_is_expected() -> None:
    results = await judge(mapping(row("first_name", "email")))
    found = finding(results, "dest_rejects_value", "email")
    assert results.health_score < 70
    assert found.source_field == "first_name"
    assert found.hint["format"] == "email"
    assert results.error_distribution["400"] >= 90
    assert any(call.failing_field == "email" for call in results.samples)


async def test_an_enum_without_translation_is_named_with_both_sides_values() -> None:
    results = await judge(mapping(row("state", "status")))
    found = finding(results, "enum_untranslated", "status")
    assert results.health_score < 70
    assert found.hint["enum"] == ["active", "paused"]
    assert found.hint["values"] == ["on", "off"]


async def test_a_transform_that_fails_is_named() -> None:
    results = await judge(mapping(row("first_name", "balance", "major_to_minor")))
    assert finding(results, "transform_failed", "balance").share > 0.5
    assert results.health_score < 70


async def test_records_refused_for_their_own_data_do_not_lower_the_health() -> None:
    # Names are allowed to be of any length at the source, and of sixty letters at the destination.
    results = await judge(mapping())
    assert any("refused" in warning for warning in results.warnings)
    assert results.success_rate == 1.0
    assert results.reliability < 1.0


async def test_amounts_in_the_wrong_unit_are_named_with_the_unit_wanted() -> None:
    results = await judge(mapping(row("fee", "balance", "minor_to_major")))
    assert finding(results, "dest_rejects_value", "balance") is not None


async def test_values_of_another_meaning_are_a_finding_though_the_contract_is_kept() -> None:
    results = await judge(mapping(row("fax", "address.country"), row("first_name", "address.line1")))
    assert results.passed
    assert finding(results, "dest_rejects_value", "address.country") is None
    shape = DEST_SHAPE.evolve(request_schema=with_web_site(DEST_SHAPE.request_schema))
    results = await judge(mapping(row("first_name", "web_site")), dest_shape=shape)
    assert finding(results, "dest_rejects_value", "web_site").hint["meaning"] == "url"
    assert finding(results, "dest_rejects_value", "email") is None


@pytest.mark.parametrize(
    ("source_field", "dest_field", "is_named"),
    [("unit_price", "quantity", True), ("quantity", "unit_price", True), ("quantity", "quantity", False)],
)
def test_money_where_a_number_of_things_is_wanted_is_named(
    source_field: str, dest_field: str, is_named: bool
) -> None:
    number = {"type": "number"}
    schema = {"type": "object", "properties": {"unit_price": number, "quantity": number}}
    rows = [row(source_field, dest_field)]
    assert bool(Plausibility(rows, schema, schema).findings(set())) is is_named


def with_web_site(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "properties": {**schema["properties"], "web_site": {"type": "string"}}}


async def test_a_conversion_that_loses_something_is_told_and_fails_nothing() -> None:
    one_for_all = row("state", "status", "enum_map", table={"on": "active", "off": "active"})
    results = await judge(mapping(one_for_all))
    found = finding(results, "lossy", "status")
    assert results.passed
    assert found.detail == "status: 2 different values become 1"
    assert found.detail in results.warnings
    assert finding(await judge(mapping()), "lossy", "status") is None


@pytest.mark.parametrize(
    ("given", "made", "loss"),
    [
        ("2026-01-02T10:30:00Z", "2026-01-02", "the time of day is dropped"),
        ("2026-01-02T00:00:00Z", "2026-01-02", None),
        (12.75, 13, "digits are rounded away"),
        (1275, 12.75, None),
        ("a name of many letters", "a name of", "the text is cut short"),
        (["a", "b"], ["a"], "only some of the elements are kept"),
        ("same", "same", None),
    ],
)
def test_losses_are_seen_in_the_values(given: Any, made: Any, loss: str | None) -> None:
    path = "a[]" if isinstance(given, list) else "a"
    losses = Losses([row(path, "b[]" if isinstance(made, list) else "b")])
    for _ in range(6):
        losses.look_at({"a": given}, {"b": made})
    assert [found.hint["loss"] for found in losses.findings(set())] == ([loss] if loss else [])


async def test_a_source_that_is_often_absent_is_told_with_its_share() -> None:
    results = await judge(mapping(row("no.such", "address.line1")))
    found = finding(results, "always_empty", "address.line1")
    assert found is not None
    assert found.source_field == "no.such"


async def test_the_same_seed_gives_the_same_verdict() -> None:
    first, second = [(await judge(mapping(row("state", "status")), seed=3)).dump() for _ in range(2)]
    for results in (first, second):
        for volatile in ("duration_seconds", "latency", "samples"):
            results.pop(volatile)
    assert first == second


@pytest.mark.parametrize(
    ("faults", "kind"), [("401=1", "auth"), ("403=1", "auth"), ("dropped=1", "connectivity")]
)
async def test_a_refused_credential_or_a_dead_connection_never_passes_and_stops_early(
    faults: str, kind: str
) -> None:
    results = await judge(mapping(), dest_faults=faults, threshold=0)
    assert not results.passed
    assert [issue.kind for issue in results.issues if issue.critical] == [kind]
    assert results.calls_made < 60


async def test_rate_limits_and_server_errors_are_recognised_with_a_remedy() -> None:
    results = await judge(mapping(), dest_faults="429=0.1,500=0.1")
    kinds = {issue.kind: issue for issue in results.issues}
    assert {"rate_limit", "server_error"} <= set(kinds)
    assert all(issue.remedy and not issue.critical for issue in results.issues)
    assert results.success_rate < 1


async def test_a_source_that_cannot_be_read_fails_with_a_reason() -> None:
    results = await judge(mapping(), source_faults="500=1")
    assert not results.passed
    assert "no records" in results.hard_fails[0]


async def test_samples_hold_no_secrets_and_are_few() -> None:
    results = await judge(mapping(row("first_name", "email")))
    text = results.model_dump_json()
    assert len(results.samples) <= 10
    assert not results.samples[0].success
    assert "vitesse-shadow-call" not in text


def test_secrets_are_hidden_whatever_holds_them() -> None:
    kept = capped(
        {
            "api_key": "s3cret",
            "tokens": ["s3cret"],
            "credential": {"value": "s3cret", "kind": 7},
            "note": "sent with Bearer s3cret and kept",
            "next": "https://api.example/x?page=2&access_token=s3cret&size=5",
            "has_password": True,
            "token": None,
            "city": "Basic Harbour",
        }
    )
    assert "s3cret" not in json.dumps(kept)
    assert kept["next"] == "https://api.example/x?page=2&access_token=***&size=5"
    assert (kept["has_password"], kept["token"], kept["note"]) == (
        True,
        None,
        "sent with Bearer *** and kept",
    )


def test_large_bodies_are_cut_and_cost_little() -> None:
    kept = capped({"rows": [{"id": number, "password": "s3cret"} for number in range(100_000)]})
    assert isinstance(kept, str)
    assert len(kept) <= 2_010
    assert "s3cret" not in kept
    small = {"rows": list(range(400))}
    assert capped(small) == small


async def test_progress_is_told_and_every_call_is_handed_out() -> None:
    steps: list[tuple[int, int]] = []
    calls: list[ShadowCall] = []

    async def keep(call: ShadowCall) -> None:
        calls.append(call)

    results = await judge(
        mapping(), size=40, on_progress=lambda done, total: steps.append((done, total)), on_result=keep
    )
    assert steps[-1] == (40, 40)
    assert len(calls) == results.calls_made


async def test_a_mapping_that_cannot_be_built_is_refused_before_any_call() -> None:
    with pytest.raises(MappingError):
        await judge(mapping(row("mail", "email", "no_such_function")))


async def test_the_next_mapping_passes_because_of_the_findings() -> None:
    logic = mapping(row("state", "status"), without="email")
    results = await judge(logic)
    assert not results.passed
    for _ in range(3):
        logic = map_fields(
            SOURCE_SHAPE.record_schema, DEST_SHAPE.request_schema, previous=logic, findings=results.findings
        )
        results = await judge(logic)
        if results.passed:
            break
    assert results.passed
    assert results.health_score > 90


async def test_an_empty_mapping_fails_with_every_required_field_named() -> None:
    results = await judge(MappingLogic())
    assert not results.passed
    assert [f.dest_field for f in results.findings if f.kind == "required_unfilled"] == ["email"]


def test_the_score_is_seventy_parts_success_and_thirty_parts_coverage() -> None:
    assert health_score(1, 1) == 100
    assert health_score(0.5, 1) == 65
    assert health_score(1, 0.5) == 85


def test_coverage_is_the_share_of_planned_operations_that_worked_once() -> None:
    assert endpoint_coverage(["GET /a", "POST /b"], {"GET /a", "GET /other"}) == 0.5
    assert endpoint_coverage([], {"GET /a"}) == 0.0


@pytest.mark.parametrize(("profile", "outcome"), [("typical", "failed"), ("adversarial", "refused")])
def test_what_nobody_promises_to_take_is_refused_and_does_not_fail(profile: Profile, outcome: str) -> None:
    tally = Tally(Rows([]))
    tally.add(Trial(profile, (Failure("a", "b", "contract", "type", "has the wrong type"),)), {}, {})
    assert tally.outcome(tally.trials[0]) == outcome


async def test_quality_counts_values_and_reliability_counts_calls() -> None:
    good, wrong = await judge(mapping()), await judge(mapping(row("first_name", "email")))
    faulty = await judge(mapping(), dest_faults="500=0.3")
    assert good.data_quality > wrong.data_quality > 0.5
    assert good.reliability > faulty.reliability > 0.5
    assert faulty.data_quality == good.data_quality
