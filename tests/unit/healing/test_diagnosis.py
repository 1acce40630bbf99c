"""The cause is named right from what was seen, with evidence, and the strategies fit the cause."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from vitesse_graph.healing import STRATEGIES, HealPolicy, Probe, Shift, choose_strategy, diagnose
from vitesse_graph.state.definition import RuntimeStatus
from vitesse_graph.state.health import Diagnosis, DriftItem, HealStrategy, HealthReport, RootCause
from vitesse_graph.state.mapping import MappingLogic, Transformation

MAPPING = MappingLogic(
    transformations=[
        Transformation(source_field="email", dest_field="email", required=True),
        Transformation(source_field="tags", dest_field="segments", transform_type="collect"),
    ]
)


def source(**words: Any) -> Probe:
    return Probe(
        **{"side": "source", "kind": "read", "target": "GET https://a.example/x", "status": 200, **words}
    )


def dest(**words: Any) -> Probe:
    return Probe(
        **{"side": "dest", "kind": "reach", "target": "GET https://b.example/y", "status": 200, **words}
    )


def elsewhere(side: str, **words: Any) -> Probe:
    return Probe(
        **{"side": side, "kind": "alternative", "target": "GET https://c.example/y", "status": 200, **words}
    )


def drift(kind: str, side: str, severity: str = "breaking", **words: Any) -> DriftItem:
    return DriftItem(
        **{"kind": kind, "side": side, "severity": severity, "path": "email", "affects": ["email"], **words}
    )


def report(rate: float = 0.0, *samples: str, **errors: int) -> HealthReport:
    return HealthReport(success_rate=rate, error_distribution=errors, error_samples=list(samples))


def calm(count: int = 5) -> list[RuntimeStatus]:
    return [
        RuntimeStatus(integration_id="i", definition_version=1, definition_digest="", p95_latency_ms=80.0)
        for _ in range(count)
    ]


Case = tuple[str, HealthReport, dict[str, Any], str, str]
CASES: list[Case] = [
    ("a token that expired", report(0.0, "the source refused the credential (HTTP 401)"),
     {"probes": [source(status=401, signals=["expired"]), dest()]}, "auth_expired", "source"),
    ("a key that was revoked at the destination", report(0.0, http_401=12),
     {"probes": [source(), dest(status=401)]}, "auth_expired", "dest"),
    ("403 that speaks of the token", report(), {"probes": [source(status=403, signals=["revoked"]), dest()]},
     "auth_expired", "source"),
    ("a scope that was taken away", report(0.0, http_403=40),
     {"probes": [source(), dest(status=403, signals=["scope"])]}, "permission_lost", "dest"),
    ("a renamed source field, told by the document", report(0.0, "email: required, but the source has no value", transform=25),
     {"drift": [drift("field_renamed", "source", new_path="email_address", confidence=0.9)], "probes": [source(), dest()]},
     "source_schema_changed", "source"),
    ("a renamed source field, seen in records only", report(0.0, transform=25),
     {"probes": [source(drift=[drift("field_renamed", "source", new_path="mail", confidence=0.8)]), dest()]},
     "source_schema_changed", "source"),
    ("records that lie elsewhere in the answer", report(0.0, "the answer of Shop has no records at 'items'"),
     {"probes": [source(signals=["no_records"]), dest()]}, "source_schema_changed", "source"),
    ("a destination field newly required", report(0.0, "HTTP 422 (consent: is required)", http_422=25),
     {"drift": [drift("field_required", "dest", path="consent", affects=["consent"])], "probes": [source(), dest()]},
     "dest_schema_changed", "dest"),
    ("a destination that refuses everything without a word", report(0.0, http_422=100),
     {"probes": [source(), dest()]}, "dest_schema_changed", "dest"),
    ("a source endpoint that is gone", report(0.0, "Shop refused to be read: HTTP 404"),
     {"probes": [source(status=404), dest()]}, "endpoint_moved", "source"),
    ("an endpoint with a successor", report(0.0, "Shop refused to be read: HTTP 410"),
     {"probes": [source(status=410), elsewhere("source", switch_to={"endpoint": "GET /v2/x"}), dest()]},
     "endpoint_moved", "source"),
    ("a permanent redirect on the same host", report(),
     {"probes": [source(status=301, moved_to="https://a.example/new/x", switch_to={"endpoint": "GET /new/x"}), dest()]},
     "endpoint_moved", "source"),
    ("a permanent redirect to another host", report(),
     {"probes": [source(status=308, moved_to="https://z.example/x", switch_to={"base_url": "https://z.example"}), dest()]},
     "base_url_changed", "source"),
    ("a host that is gone while the new one answers", report(0.0, "no answer (ClientConnectorDNSError)"),
     {"probes": [source(status=None, fault="dns"), elsewhere("source", switch_to={"base_url": "https://c.example"}), dest()],
      "drift": [drift("base_url_changed", "source", "risky", path="https://a.example", new_path="https://c.example")]},
     "base_url_changed", "source"),
    ("fewer calls allowed", report(0.4, http_429=60), {"probes": [source(), dest(status=429, retry_after_seconds=7)]},
     "rate_limit_lowered", "dest"),
    ("fewer calls allowed, though one question passes", report(0.4, http_429=60), {"probes": [source(), dest()]},
     "rate_limit_lowered", "dest"),
    ("a destination that is down", report(0.0, http_503=50), {"probes": [source(), dest(status=503)]}, "outage", "dest"),
    ("a source that does not answer", report(0.0, "Shop did not answer: no answer (TimeoutError)"),
     {"probes": [source(status=None, fault="timeout", seconds=10.0), dest()]}, "outage", "source"),
    ("a source that refuses connections", report(), {"probes": [source(status=None, fault="refused"), dest()]},
     "outage", "source"),
    ("latency forty times the usual and nothing refused", HealthReport(success_rate=0.97, p95_latency_ms=3_200),
     {"probes": [source(seconds=3.1), dest()], "history": calm()}, "slow", "source"),
    ("a few records with values that do not fit", report(0.93, http_422=70), {"probes": [source(), dest()]},
     "data_quality", "source"),
    ("values that validate and are wrong", HealthReport(success_rate=1.0),
     {"probes": [source(), dest()], "shifts": [Shift(path="total", kind="rescaled", detail="100 times larger")]},
     "data_quality", "source"),
    ("our own part", report(0.0, "internal error in the runtime: out of memory", internal=9),
     {"probes": [source(), dest()]}, "own_fault", "ours"),
    ("nothing that can be seen", HealthReport(success_rate=1.0), {"probes": [source(), dest()]}, "unknown", "ours"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("report", "seen", "cause", "side"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_the_cause_is_named_with_its_side_and_evidence(
    report: HealthReport, seen: dict[str, Any], cause: str, side: str
) -> None:
    diagnosis = diagnose(report, mapping=MAPPING, names={"Shop": "source"}, **seen)
    assert (diagnosis.cause, diagnosis.side) == (cause, side), diagnosis
    assert diagnosis.evidence
    assert diagnosis.strategies == list(STRATEGIES[diagnosis.cause])


def test_every_cause_is_tried_above_and_has_strategies_that_end_with_a_person() -> None:
    assert {case[3] for case in CASES} == set(get_args(RootCause))
    assert set(STRATEGIES) == set(get_args(RootCause))
    assert all(strategies[-1] == "ask_a_person" for strategies in STRATEGIES.values())


def test_two_things_at_once_are_both_told() -> None:
    diagnosis = diagnose(
        report(0.0, http_401=3, transform=25),
        probes=[source(drift=[drift("field_renamed", "source", new_path="mail")]), dest(status=401)],
        mapping=MAPPING,
    )
    causes = {diagnosis.cause, *(also["cause"] for also in diagnosis.detail["also"])}
    assert causes == {"auth_expired", "source_schema_changed"}
    assert set(diagnosis.strategies) >= {"refresh_auth", "refresh_schema", "remap_fields"}
    assert diagnosis.strategies[-1] == "ask_a_person"


def test_an_outage_is_waited_for_whatever_else_is_wrong() -> None:
    diagnosis = diagnose(
        report(0.0, http_503=50),
        probes=[source(), dest(status=503)],
        drift=[drift("field_renamed", "source", new_path="mail")],
        mapping=MAPPING,
    )
    if diagnosis.cause == "outage":
        assert diagnosis.strategies == ["wait_and_retry", "ask_a_person"]
    causes = {diagnosis.cause, *(also["cause"] for also in diagnosis.detail.get("also", []))}
    assert causes == {"outage", "source_schema_changed"}


def test_a_latency_jump_with_server_errors_leads_to_no_new_mapping() -> None:
    diagnosis = diagnose(
        HealthReport(success_rate=0.7, p95_latency_ms=3_200, error_distribution={"http_502": 300}),
        probes=[source(), dest(status=502)],
        history=calm(),
        mapping=MAPPING,
    )
    assert diagnosis.cause in ("outage", "slow")
    assert not set(diagnosis.strategies) & {"refresh_schema", "remap_fields"}


def test_the_text_of_an_error_alone_does_not_convince_against_a_probe() -> None:
    diagnosis = diagnose(
        report(0.9, "the source refused the credential (HTTP 401)"),
        probes=[source(), dest()],
        mapping=MAPPING,
    )
    assert diagnosis.cause != "auth_expired" or diagnosis.confidence < 0.5


def test_where_all_runs_are_refused_the_runtime_may_hold_another_credential_than_we_do() -> None:
    diagnosis = diagnose(
        report(0.0, "the source refused the credential (HTTP 401)"),
        probes=[source(), dest()],
        mapping=MAPPING,
    )
    assert (diagnosis.cause, diagnosis.side, diagnosis.strategies[0]) == (
        "auth_expired",
        "source",
        "refresh_auth",
    )


def test_findings_tell_the_next_mapping_where_a_field_went() -> None:
    items = [
        drift("field_renamed", "source", new_path="email_address", confidence=0.9),
        drift("field_removed", "source", path="tags", affects=["segments"]),
        drift("field_required", "dest", path="consent", affects=["consent"]),
        drift("field_renamed", "dest", path="segments", new_path="labels", affects=["segments"]),
        drift("field_removed", "source", "safe", path="note", affects=[]),
    ]
    findings = diagnose(report(), drift=items, mapping=MAPPING).findings
    told = {(f.kind, f.dest_field, f.hint.get("renamed_to")) for f in findings}
    assert told == {
        ("source_renamed", "email", "email_address"),
        ("source_removed", "segments", None),
        ("required_unfilled", "consent", None),
        ("dest_changed", "segments", "labels"),
    }


def test_what_to_switch_to_is_said_where_a_probe_found_it() -> None:
    diagnosis = diagnose(
        report(), probes=[source(status=404), elsewhere("source", switch_to={"endpoint": "GET /v2/x"})]
    )
    assert diagnosis.detail["endpoint"] == "GET /v2/x"
    assert choose_strategy(diagnosis, []) == "switch_endpoint"


def test_the_time_to_wait_is_handed_on() -> None:
    diagnosis = diagnose(report(), probes=[source(status=429, retry_after_seconds=7.0)])
    assert diagnosis.detail["retry_after_seconds"] == 7.0


def test_each_strategy_is_tried_once_then_a_person_then_nothing() -> None:
    diagnosis = Diagnosis(cause="source_schema_changed", strategies=list(STRATEGIES["source_schema_changed"]))
    tried: list[HealStrategy] = []
    while (strategy := choose_strategy(diagnosis, tried)) is not None:
        tried.append(strategy)
    assert tried == ["refresh_schema", "remap_fields", "ask_a_person"]


@pytest.mark.parametrize("cause", ["outage", "slow", "own_fault"])
def test_no_mapping_answers_what_no_mapping_can_mend(cause: RootCause) -> None:
    everything = Diagnosis(cause=cause, strategies=list(get_args(HealStrategy)))
    tried: list[HealStrategy] = []
    while (strategy := choose_strategy(everything, tried)) is not None:
        tried.append(strategy)
    assert not set(tried) & {"refresh_schema", "remap_fields"}


def test_there_is_no_switching_to_nowhere_and_the_policy_is_kept() -> None:
    moved = Diagnosis(cause="endpoint_moved", strategies=list(STRATEGIES["endpoint_moved"]))
    assert choose_strategy(moved, []) == "refresh_schema"
    assert choose_strategy(moved, [], HealPolicy(allowed=["ask_a_person"])) == "ask_a_person"
    assert choose_strategy(moved, [], HealPolicy(allowed=[])) is None
