"""When to heal: once per fall, one heal at a time, not again at once. Pure; the loop is in `watch`.

States of one integration, and what moves it between them:

    armed ──rolling health < 60, or breaking drift──► healing ──heal ended──► cooling
    cooling ──rolling health ≥ 75──► armed
    cooling ──still < 60 when the cool-down is over──► healing      (each time twice as long)
    cooling, within the watch window of a deployed repair ──health falls──► roll back, then cooling
    handed to a person ──rolling health ≥ 75, or a new definition──► armed

Between 60 and 75 nothing happens in either direction: that gap is the hysteresis.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from pydantic import Field

from vitesse_graph.healing.health import WINDOW, rolling_health, status_health
from vitesse_graph.healing.kept import FieldFates, with_ignored
from vitesse_graph.healing.policy import HealPolicy
from vitesse_graph.state.base import Model
from vitesse_graph.state.definition import RuntimeStatus
from vitesse_graph.state.health import DriftItem, HealthReport

MonitorAction = Literal["none", "start_heal", "roll_back", "pause"]
Phase = Literal["armed", "healing", "cooling", "with_person"]
HealOutcome = Literal["healed", "waiting", "needs_person", "gave_up"]

HISTORY = 20
IGNORED_HEALTH = 40.0
"""At most, while the destination ignores a field that it used to keep: every record is written incomplete."""


class MonitorSettings(Model):
    """Figures of the monitor; seconds and health points."""

    heal_below: float = 60.0
    well_from: float = 75.0
    cool_down_seconds: float = 300.0
    """After a heal; doubled after each that did not help, up to the longest."""
    longest_cool_down_seconds: float = 6 * 3600.0
    watch_seconds: float = 900.0
    """After a repair was deployed: a fall in this time rolls it back."""
    unreachable_polls: int = Field(default=2, ge=1)
    """Polls in a row without an answer before the runtime counts as down."""
    interval_seconds: float | None = None
    """What the integration's schedule promises; None: it has none."""


class MonitorState(Model):
    """What is remembered of one integration; plain data, so that a restart goes on where it stood."""

    phase: Phase = "armed"
    healths: list[float] = Field(default_factory=list)
    history: list[RuntimeStatus] = Field(default_factory=list)
    """Statuses of good times, for what is usual."""
    last_seen: str = ""
    """What the last status said, to tell news from repetition."""
    silent_polls: int = 0
    failed_heals: int = 0
    cool_until: float = 0.0
    watch_until: float = 0.0
    definition_version: int = 0
    is_rolling_back: bool = False
    """The next version to be seen is the one before, put back: it is not watched as a repair is."""
    specs_read_at: float | None = None
    """When both specifications and a few records were looked at last; None: never."""
    known_drift: list[str] = Field(default_factory=list)
    """Changes already acted on: the same ones do not start a second heal."""
    fates: FieldFates = Field(default_factory=FieldFates)
    """What became of written fields, by the records that the runtime read back."""


class MonitorDecision(Model):
    """What is to be done now. `report` is set for `start_heal`."""

    action: MonitorAction = "none"
    health: float = 100.0
    """The rolling one."""
    reason: str = ""
    report: HealthReport | None = None
    has_recovered: bool = False
    """What was ill, or with a person, is well again."""


class Monitor:
    """The judgement about one integration. Times are seconds of any clock that only goes forward."""

    def __init__(
        self,
        settings: MonitorSettings | None = None,
        *,
        policy: HealPolicy | None = None,
        state: MonitorState | None = None,
    ) -> None:
        self.settings = settings or MonitorSettings()
        self.policy = policy or HealPolicy()
        self.state = state or MonitorState()

    @property
    def health(self) -> float:
        """The rolling health, 100 while nothing is known."""
        return rolling_health(self.state.healths)

    def observe(self, status: RuntimeStatus, now: float) -> MonitorDecision:
        """Takes one status in and says what to do."""
        state = self.state
        state.silent_polls = 0
        if status.definition_version != state.definition_version:
            self._new_definition(status.definition_version, now)
        state.fates.take(status)
        ignored = [item for item in state.fates.drift() if self.policy.action_for(item) != "ignore"]
        seen = self._news(status)
        if seen != state.last_seen:
            state.last_seen = seen
            current = status_health(
                status,
                usual_p95_ms=self.usual_p95_ms(),
                interval_seconds=self.settings.interval_seconds,
            )
            current = min(current, IGNORED_HEALTH) if ignored else current
            state.healths = [*state.healths, current][-WINDOW:]
            if current >= self.settings.well_from:
                state.history = [*state.history, status][-HISTORY:]
        decision = self._decide(now, status)
        if decision.action == "none" and ignored and now < state.watch_until:
            return self._roll_back(f"after the repair {ignored[0].path} is not kept", now)
        if decision.action == "none" and ignored:
            return self._changed(ignored, status, [*state.known_drift, *map(_mark, ignored)])
        return decision

    def unreachable(self, now: float) -> MonitorDecision:
        """The runtime itself did not answer."""
        self.state.silent_polls += 1
        if self.state.silent_polls >= self.settings.unreachable_polls:
            self.state.healths = [*self.state.healths, 0.0][-WINDOW:]
            self.state.last_seen = ""
        return self._decide(now, None)

    def observe_drift(self, items: Collection[DriftItem], now: float) -> MonitorDecision:
        """Takes a comparison of the specifications in: a breaking change is healed before traffic breaks."""
        seen = with_ignored(items, self.state.fates)
        alerts = [item for item in seen if self.policy.action_for(item) != "ignore"]
        return self._changed(alerts, None, [_mark(item) for item in alerts])

    def _changed(
        self, alerts: list[DriftItem], status: RuntimeStatus | None, known: list[str]
    ) -> MonitorDecision:
        """Acts on changes that were not acted on before; `known` is what counts as such from then on."""
        state = self.state
        fresh = [item for item in alerts if _mark(item) not in state.known_drift]
        if not fresh or state.phase == "healing":
            return MonitorDecision(health=self.health)
        state.known_drift = list(dict.fromkeys(known))
        action = self.policy.action_for_all(fresh)
        reason = f"{len(fresh)} change(s) of the APIs touch this mapping"
        if action == "pause":
            state.phase = "with_person"
            return MonitorDecision(action="pause", health=self.health, reason=reason)
        return self._start(reason, status, list(alerts))

    def heal_ended(self, outcome: HealOutcome, now: float, *, deployed: bool = False) -> None:
        """The heal run is over. `deployed`: a repair is live now and is watched for a while."""
        state = self.state
        state.phase = "with_person" if outcome == "needs_person" else "cooling"
        # a credential that was renewed is proven by the runs that follow, not by the heal itself
        state.failed_heals = 0 if outcome == "healed" and deployed else state.failed_heals + 1
        pause = self.settings.cool_down_seconds * 2 ** max(0, state.failed_heals - 1)
        state.cool_until = now + min(pause, self.settings.longest_cool_down_seconds)
        if deployed:
            # the repaired one is judged by what it does itself
            state.healths, state.last_seen = [], ""
            state.watch_until = now + self.settings.watch_seconds

    def heal_not_started(self, now: float) -> None:
        """The run could not be started (the thread is busy): asked again after the cool-down."""
        self.state.phase = "cooling"
        self.state.cool_until = now + self.settings.cool_down_seconds

    def usual_p95_ms(self) -> float | None:
        """The middle p95 of good times; None with fewer than three."""
        figures = sorted(s.p95_latency_ms for s in self.state.history if s.p95_latency_ms > 0)
        return figures[len(figures) // 2] if len(figures) >= 3 else None

    def _new_definition(self, version: int, now: float) -> None:
        """Another definition is live: what was known of the old one's health is no longer about it.

        One that came while the integration was ill is a repair, whoever let it through: it is watched.
        """
        state = self.state
        if state.definition_version:
            state.healths, state.last_seen, state.known_drift = [], "", []
            state.fates.forget_marks()
            if state.phase != "armed" and not state.is_rolling_back:
                state.watch_until = now + self.settings.watch_seconds
            if state.phase in ("with_person", "healing"):
                state.phase = "armed"
        state.is_rolling_back = False
        state.definition_version = version

    def _news(self, status: RuntimeStatus) -> str:
        """What of a status counts as news: a run ended, or the rate moved while one is under way."""
        last = status.last_sync
        run = f"{last.run_id}/{last.status}/{last.fetched}/{last.quarantined}" if last else ""
        back = status.read_back.run_id if status.read_back else ""
        return (
            f"{run}|{back}|{status.success_rate:.3f}|{status.p95_latency_ms:.0f}|{status.state == 'paused'}"
        )

    def _decide(self, now: float, status: RuntimeStatus | None) -> MonitorDecision:
        state, health = self.state, self.health
        if state.phase == "healing":
            return MonitorDecision(health=health)
        if health >= self.settings.well_from:
            has_recovered = state.phase != "armed" and bool(state.healths)
            if has_recovered:
                state.phase, state.failed_heals, state.cool_until = "armed", 0, 0.0
            return MonitorDecision(health=health, has_recovered=has_recovered)
        if health >= self.settings.heal_below or state.phase == "with_person":
            return MonitorDecision(health=health)
        if now < state.watch_until:
            return self._roll_back(f"health fell to {health:.0f} after the repair", now)
        if state.phase == "cooling" and now < state.cool_until:
            return MonitorDecision(health=health)
        ignored = state.fates.drift() if status is not None else []
        state.known_drift = list(dict.fromkeys([*state.known_drift, *map(_mark, ignored)]))
        reason = f"health {health:.0f} is under {self.settings.heal_below:.0f}"
        return self._start(reason, status, ignored)

    def _roll_back(self, reason: str, now: float) -> MonitorDecision:
        state = self.state
        state.watch_until = 0.0
        state.is_rolling_back = True
        state.phase = "cooling"
        state.cool_until = now + self.settings.cool_down_seconds
        return MonitorDecision(action="roll_back", health=self.health, reason=reason)

    def _start(self, reason: str, status: RuntimeStatus | None, drift: list[DriftItem]) -> MonitorDecision:
        self.state.phase = "healing"
        last = status.last_sync if status is not None else None
        report = HealthReport(
            reason=reason if status is not None or drift else "the runtime does not answer",
            health=round(self.health, 1),
            success_rate=status.success_rate if status is not None else None,
            p95_latency_ms=status.p95_latency_ms if status is not None else None,
            error_distribution=dict(status.error_distribution) if status is not None else {},
            error_samples=[last.error] if last is not None and last.error else [],
            drift=drift,
        )
        return MonitorDecision(action="start_heal", health=self.health, reason=report.reason, report=report)


def _mark(item: DriftItem) -> str:
    if item.kind == "field_ignored":
        return f"{item.side}:{item.kind}:{item.path}"
    return f"{item.side}:{item.kind}:{item.path}:{item.new_path or ''}:{item.detail}"
