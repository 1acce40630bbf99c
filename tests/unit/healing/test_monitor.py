"""When the monitor acts: once per fall, one heal at a time, with hysteresis, cool-down and a watch window."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitesse_graph.healing import (
    HealPolicy,
    Monitor,
    MonitorSettings,
    MonitorState,
    rolling_health,
    status_health,
)
from vitesse_graph.state.definition import RuntimeStatus, SyncReport
from vitesse_graph.state.health import DriftItem


def status(
    run: int, failed: int = 0, of: int = 100, ended: Any = "completed", version: int = 1, **words: Any
) -> RuntimeStatus:
    report = SyncReport(run_id=str(run), fetched=of, written=of - failed, quarantined=failed, status=ended)
    return RuntimeStatus(
        integration_id="i",
        definition_version=version,
        definition_digest="",
        last_sync=report,
        **{"success_rate": 1 - failed / of, **words},
    )


def breaking(path: str = "email", severity: Any = "breaking", **words: Any) -> DriftItem:
    return DriftItem(
        **{
            "kind": "field_removed",
            "side": "source",
            "severity": severity,
            "path": path,
            "affects": ["x"],
            **words,
        }
    )


@pytest.mark.parametrize(
    ("given_status", "usual_ms", "interval", "health"),
    [
        (status(1), None, None, 100),
        (status(1, failed=50), None, None, 50),
        (status(1, failed=100), None, None, 0),
        (status(1, ended="failed"), None, None, 0),
        (status(1, failed=2, of=4), None, None, 50),
        (status(1, failed=20, of=25, ended="paused", success_rate=0.98), None, None, 20),
        (status(1, p95_latency_ms=200), 1.0, None, 100),
        (status(1, p95_latency_ms=800), 400.0, None, 100),
        (status(1, p95_latency_ms=4_000), 100.0, None, 75),
        (status(1, lag_seconds=100), None, 60, 100),
        (status(1, lag_seconds=360), None, 60, 92.5),
        (status(1, lag_seconds=99_999, p95_latency_ms=99_999), 100.0, 60, 60),
        (status(1, failed=30, p95_latency_ms=4_000), 100.0, None, 52.5),
    ],
)
def test_health_follows_its_formula(
    given_status: RuntimeStatus, usual_ms: float | None, interval: float | None, health: float
) -> None:
    assert status_health(given_status, usual_p95_ms=usual_ms, interval_seconds=interval) == pytest.approx(
        health
    )


def test_rolling_health_weighs_the_newest_most() -> None:
    assert rolling_health([]) == 100
    assert rolling_health([40]) == 40
    assert rolling_health([100, 40]) == pytest.approx((3 * 40 + 2 * 100) / 5)
    assert rolling_health([0, 100, 100, 40]) == pytest.approx((3 * 40 + 2 * 100 + 100) / 6)


@given(st.floats(0, 1), st.floats(0, 1e6), st.floats(0, 1e6))
def test_health_stays_between_nothing_and_all(rate: float, p95: float, lag: float) -> None:
    value = status_health(
        status(1, success_rate=rate, p95_latency_ms=p95, lag_seconds=lag),
        usual_p95_ms=50.0,
        interval_seconds=60.0,
    )
    assert 0 <= value <= 100.000001


def test_a_fall_starts_one_heal_with_a_report() -> None:
    monitor = Monitor()
    assert monitor.observe(status(1), 0).action == "none"
    decision = monitor.observe(status(2, failed=100, error_distribution={"transform": 100}), 60)
    assert decision.action == "start_heal"
    assert decision.report is not None
    assert decision.report.error_distribution == {"transform": 100}
    for poll in range(10):
        assert monitor.observe(status(3 + poll, failed=100), 120 + poll).action == "none"


def test_one_bad_run_among_good_ones_starts_nothing() -> None:
    monitor = Monitor()
    for run in range(30):
        failed = 60 if run % 10 == 5 else 0
        assert monitor.observe(status(run, failed=failed), run).action == "none"


def test_asking_again_without_news_makes_nobody_iller() -> None:
    monitor = Monitor()
    monitor.observe(status(1), 0)
    ill = status(2, failed=30)
    first = monitor.observe(ill, 1)
    for poll in range(50):
        assert monitor.observe(ill, 2 + poll).health == first.health


def test_no_second_heal_within_the_cool_down_and_longer_after_each_failure() -> None:
    monitor = Monitor(MonitorSettings(cool_down_seconds=100))
    monitor.observe(status(1), 0)
    starts = []
    for second in range(2, 1_000):
        if monitor.observe(status(second, failed=100), second).action == "start_heal":
            starts.append(second)
            monitor.heal_ended("gave_up", second)
    assert starts == [2, 102, 302, 702]


def test_between_the_two_limits_nothing_changes() -> None:
    monitor = Monitor(MonitorSettings(cool_down_seconds=10))
    monitor.observe(status(1, failed=100), 0)
    monitor.heal_ended("gave_up", 1)
    for run in range(2, 8):
        monitor.observe(status(run, failed=35), run)
    assert monitor.state.phase == "cooling"
    assert 60 < monitor.health < 75
    for run in range(8, 14):
        monitor.observe(status(run), run)
    assert monitor.state.phase == "armed"


def test_a_person_is_left_in_peace_until_it_is_well_or_another_version_is_live() -> None:
    monitor = Monitor(MonitorSettings(cool_down_seconds=1))
    monitor.observe(status(1, failed=100), 0)
    monitor.heal_ended("needs_person", 1)
    for run in range(2, 50):
        assert monitor.observe(status(run, failed=100), run * 1_000).action == "none"
    # another version, as a person lets one through, is watched as every repair is
    assert monitor.observe(status(60, failed=100, version=2), 60_000).action == "roll_back"
    assert monitor.observe(status(61, failed=100, version=3), 60_001).action == "start_heal"


def test_a_fall_within_the_watch_window_of_a_repair_rolls_it_back_once() -> None:
    monitor = Monitor(MonitorSettings(watch_seconds=100, cool_down_seconds=1_000))
    monitor.observe(status(1, failed=100), 0)
    monitor.heal_ended("healed", 10, deployed=True)
    assert monitor.observe(status(2, version=2), 20).action == "none"
    decisions = [monitor.observe(status(run, failed=100, version=2), 20 + run).action for run in range(3, 10)]
    assert decisions == ["roll_back", "none", "none", "none", "none", "none", "none"]


def test_a_fall_after_the_watch_window_is_an_episode_of_its_own() -> None:
    monitor = Monitor(MonitorSettings(watch_seconds=100, cool_down_seconds=10))
    monitor.observe(status(1, failed=100), 0)
    monitor.heal_ended("healed", 10, deployed=True)
    for run in range(2, 6):
        monitor.observe(status(run, version=2), 10 + run)
    actions = [monitor.observe(status(run, failed=100, version=2), 500 + run).action for run in range(6, 9)]
    assert actions.count("start_heal") == 1
    assert "roll_back" not in actions


def test_a_runtime_that_does_not_answer_is_ill_after_some_polls() -> None:
    monitor = Monitor(MonitorSettings(unreachable_polls=2))
    monitor.observe(status(1), 0)
    actions = [monitor.unreachable(second).action for second in range(1, 6)]
    assert actions == ["none", "start_heal", "none", "none", "none"]


def test_a_runtime_that_was_paused_by_a_person_is_not_ill() -> None:
    monitor = Monitor()
    assert monitor.observe(status(1, state="paused"), 0).action == "none"
    assert monitor.health == 100


def test_a_breaking_change_is_acted_on_before_traffic_breaks_and_only_once() -> None:
    monitor = Monitor()
    monitor.observe(status(1), 0)
    decision = monitor.observe_drift([breaking(), breaking("note", "safe", affects=[])], 1)
    assert decision.action == "start_heal"
    assert decision.report is not None
    assert [item.path for item in decision.report.drift] == ["email"]
    monitor.heal_ended("needs_person", 2)
    assert monitor.observe_drift([breaking()], 3).action == "none"
    assert monitor.observe_drift([breaking(), breaking("phone")], 4).action == "start_heal"


@pytest.mark.parametrize(
    ("policy", "item", "action"),
    [
        (HealPolicy(), breaking(severity="safe"), "none"),
        (HealPolicy(breaking="pause"), breaking(), "pause"),
        (HealPolicy(breaking="ignore"), breaking(), "none"),
        (HealPolicy(risky="ignore"), breaking(severity="risky"), "none"),
        (HealPolicy(), breaking(severity="risky"), "start_heal"),
        (HealPolicy(), breaking(kind="field_added", severity="safe"), "none"),
        (HealPolicy(new_source_fields="ask"), breaking(kind="field_added", severity="safe"), "start_heal"),
    ],
)
def test_the_policy_of_the_integration_decides_about_drift(
    policy: HealPolicy, item: DriftItem, action: str
) -> None:
    assert Monitor(policy=policy).observe_drift([item], 0).action == action


def test_a_restart_goes_on_where_it_stood() -> None:
    first = Monitor(MonitorSettings(cool_down_seconds=100))
    first.observe(status(1, failed=100), 0)
    first.heal_ended("gave_up", 1)
    second = Monitor(first.settings, state=MonitorState.model_validate_json(first.state.model_dump_json()))
    assert second.observe(status(2, failed=100), 50).action == "none"
    assert second.observe(status(3, failed=100), 150).action == "start_heal"


@given(st.lists(st.tuples(st.integers(0, 100), st.booleans()), max_size=60))
def test_never_two_heals_at_once(runs: list[tuple[int, bool]]) -> None:
    monitor = Monitor(MonitorSettings(cool_down_seconds=2))
    under_way = False
    for number, (failed, ends) in enumerate(runs):
        decision = monitor.observe(status(number, failed=failed), number)
        if decision.action == "start_heal":
            assert not under_way
            under_way = True
        elif ends and under_way:
            monitor.heal_ended("gave_up", number)
            under_way = False
