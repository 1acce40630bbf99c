"""A destination that begins to ignore a field without a word is noticed by what is read back."""

from __future__ import annotations

from vitesse_graph.healing import (
    FieldFates,
    HealPolicy,
    Monitor,
    MonitorDecision,
    MonitorState,
    diagnose,
    findings_of,
    repair_mapping,
)
from vitesse_graph.state.definition import FieldReadBack, ReadBack, RuntimeStatus, SyncReport
from vitesse_graph.state.health import HealthReport
from vitesse_graph.state.mapping import MappingLogic, Transformation

ALL_KEPT = {"email": (5, 5), "name": (5, 5)}
NO_EMAIL = {"email": (5, 0), "name": (5, 5)}


def read(run: int, fields: dict[str, tuple[int, int]], others: tuple[str, ...] = ()) -> RuntimeStatus:
    figures = {path: FieldReadBack(sent=sent, kept=kept) for path, (sent, kept) in fields.items()}
    return RuntimeStatus(
        integration_id="i",
        definition_version=1,
        definition_digest="",
        last_sync=SyncReport(run_id=str(run), fetched=40, written=40),
        read_back=ReadBack(run_id=str(run), records=5, fields=figures, others=list(others)),
    )


def after(*statuses: RuntimeStatus, policy: HealPolicy | None = None) -> tuple[Monitor, MonitorDecision]:
    monitor, decision = Monitor(policy=policy), MonitorDecision()
    for now, one in enumerate(statuses):
        decision = monitor.observe(one, float(now))
    return monitor, decision


def test_a_field_that_no_longer_comes_back_starts_a_heal_which_names_it() -> None:
    _, decision = after(read(1, ALL_KEPT), read(2, NO_EMAIL))
    assert decision.action == "start_heal"
    assert decision.report is not None
    assert [(item.kind, item.side, item.path) for item in decision.report.drift] == [
        ("field_ignored", "dest", "email")
    ]


def test_the_diagnosis_names_the_destination_and_the_field() -> None:
    _, decision = after(read(1, ALL_KEPT), read(2, NO_EMAIL, others=("email_address",)))
    found = diagnose(decision.report or HealthReport())
    assert (found.cause, found.side) == ("dest_schema_changed", "dest")
    assert "email is accepted and no longer kept" in found.evidence[0]
    assert "email_address" in found.evidence[0]


def test_it_lowers_the_health_and_starts_one_heal_only() -> None:
    monitor, _ = after(read(1, ALL_KEPT), read(2, NO_EMAIL))
    monitor.heal_ended("needs_person", 3.0)
    again = [monitor.observe(read(n, NO_EMAIL), float(n)) for n in range(4, 9)]
    assert {one.action for one in again} == {"none"}
    assert not any(one.has_recovered for one in again)
    assert monitor.health < 60


def test_once_it_comes_back_the_integration_is_well_again() -> None:
    monitor, _ = after(read(1, ALL_KEPT), read(2, NO_EMAIL))
    monitor.heal_ended("needs_person", 3.0)
    assert any(monitor.observe(read(n, ALL_KEPT), float(n)).has_recovered for n in range(4, 8))


def test_a_look_at_the_documents_does_not_make_it_news_again() -> None:
    monitor, _ = after(read(1, ALL_KEPT), read(2, NO_EMAIL))
    monitor.heal_ended("needs_person", 3.0)
    assert monitor.observe_drift([], 4.0).action == "none"
    assert monitor.observe(read(5, NO_EMAIL), 5.0).action == "none"


def test_a_field_that_never_came_back_is_no_alarm() -> None:
    monitor, decision = after(*(read(n, NO_EMAIL) for n in range(6)))
    assert (decision.action, monitor.health) == ("none", 100.0)


def test_two_records_without_it_are_no_alarm() -> None:
    _, decision = after(read(1, ALL_KEPT), read(2, {"email": (2, 0)}))
    assert decision.action == "none"


def test_a_field_that_a_few_records_lose_is_no_alarm() -> None:
    _, decision = after(read(1, ALL_KEPT), *(read(n, {"email": (10, 6)}) for n in range(2, 9)))
    assert decision.action == "none"


def test_a_field_that_comes_and_goes_is_no_alarm() -> None:
    """An API that drops what it finds invalid, in runs of one record each."""
    came_back = [1, 1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1]
    monitor, _ = after(*(read(n, {"email": (1, one)}) for n, one in enumerate(came_back)))
    assert (monitor.state.phase, monitor.state.fates.kept) == ("armed", [])


def test_the_same_status_asked_for_again_counts_once() -> None:
    fates = FieldFates()
    assert fates.take(read(1, ALL_KEPT))
    assert not fates.take(read(1, ALL_KEPT))
    assert fates.marks["email"] == "kkkkk"


def test_what_is_known_to_be_kept_outlives_a_restart() -> None:
    monitor, _ = after(read(1, ALL_KEPT))
    again = Monitor(state=MonitorState.model_validate_json(monitor.state.model_dump_json()))
    assert again.observe(read(2, NO_EMAIL), 9.0).action == "start_heal"


def test_another_version_is_judged_by_its_own_records() -> None:
    monitor, _ = after(read(1, ALL_KEPT), read(2, NO_EMAIL))
    monitor.heal_ended("healed", 3.0, deployed=True)
    repaired = read(3, {"name": (5, 5)}).model_copy(update={"definition_version": 2})
    assert monitor.observe(repaired, 4.0).action == "none"
    still = read(4, NO_EMAIL).model_copy(update={"definition_version": 2})
    assert [monitor.observe(still, 5.0).action, monitor.state.fates.ignored()] == ["roll_back", ["email"]]


def test_the_policy_may_ignore_it() -> None:
    monitor, decision = after(read(1, ALL_KEPT), read(2, NO_EMAIL), policy=HealPolicy(breaking="ignore"))
    assert (decision.action, monitor.health) == ("none", 100.0)


def test_no_mapping_is_changed_for_it() -> None:
    """Nobody knows where the field went: its row stays as a person approved it."""
    rows = MappingLogic(transformations=[Transformation(source_field="mail", dest_field="email")])
    _, decision = after(read(1, ALL_KEPT), read(2, NO_EMAIL))
    drift = decision.report.drift if decision.report else []
    assert findings_of(drift, rows) == []
    assert repair_mapping(rows, MappingLogic(), drift).transformations == rows.transformations
