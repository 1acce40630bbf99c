"""The monitor's hands: reports of deployed runtimes in, heal runs on their threads out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from vitesse_graph.api.service import IntegrationService, Outcome
from vitesse_graph.errors import ConflictError, VitesseError
from vitesse_graph.healing import (
    HealEnd,
    HealPolicy,
    Hooks,
    MonitorDecision,
    MonitorSettings,
    MonitorState,
    Watch,
    policy_of,
)
from vitesse_graph.nodes.telling import tell
from vitesse_graph.state.context import VitesseContext
from vitesse_graph.state.health import DriftItem, HealthReport
from vitesse_graph.state.whiteboard import now_iso

_log = logging.getLogger(__name__)
ERROR_SAMPLES = 20
SPEC_SECONDS = 3600.0
"""How often both specifications (conditionally) and a few records are looked at."""
MONITOR = "monitor"
HandOver = Callable[[str, dict[str, Any], dict[str, Any]], Awaitable[None]]
"""Takes the thread, the input and the context of a run to be started."""
WATCH_LOCK = "vitesse:monitor"
"""One process watches at a time: two would start two heals."""
_LONG_AGO = 0.0


async def report_of(service: IntegrationService, integration_id: str, reason: str) -> HealthReport:
    """What the runtime says of itself, as heal takes it; a runtime that is silent says that much."""
    try:
        status = await service.runtime_status(integration_id)
        letters = await service.call_runtime(integration_id, "GET", f"/dead-letters?limit={ERROR_SAMPLES}")
    except VitesseError as error:
        return HealthReport(reason=f"{reason}; {error}", health=0.0, reported_at=now_iso())
    rows = letters.get("dead_letters", []) if isinstance(letters, dict) else letters
    last = status.last_sync
    samples = [str(row.get("reason", "")) for row in rows]
    if last is not None and last.error and last.status in ("failed", "paused"):
        samples.insert(0, last.error)
    return HealthReport(
        reason=reason,
        health=status.health,
        success_rate=0.0 if last is not None and last.status == "failed" else status.success_rate,
        p95_latency_ms=status.p95_latency_ms,
        error_distribution=status.error_distribution,
        error_samples=samples[:ERROR_SAMPLES],
        reported_at=now_iso(),
    )


def heal_end(outcome: Outcome, version_before: int) -> HealEnd:
    """How a heal run ended, for the monitor's cool-down."""
    episode, deployment = outcome.state.healing, outcome.state.deployment
    deployed = deployment is not None and deployment.version != version_before
    if outcome.waiting is not None:
        return HealEnd(outcome="needs_person", deployed=False)
    if episode is None or episode.outcome == "open" or episode.outcome == "rolled_back":
        return HealEnd(outcome="gave_up", deployed=deployed)
    ended = "needs_person" if episode.outcome == "rejected" else episode.outcome
    return HealEnd(outcome=ended, deployed=deployed)


class Monitoring:
    """Binds the monitor's decisions to a service; `only`: just these integrations."""

    def __init__(
        self,
        service: IntegrationService,
        *,
        say: Callable[[str], Any] | None = None,
        only: Collection[str] | None = None,
    ) -> None:
        self._service = service
        self._registry = service.services.registry
        self._say = say or (lambda line: None)
        self._only = only

    def hooks(self) -> Hooks:
        return Hooks(
            list_integrations=self._deployed,
            fetch_status=self._service.runtime_status,
            start_heal=self._heal,
            refetch_specs=self._drift,
            roll_back=self._roll_back,
            pause=self._pause,
            recovered=self._recovered,
            on_decision=self._told,
            save_state=self._keep,
            load_state=self._recall,
            settings_for=self._settings,
        )

    def watch(self, *, poll_seconds: float, spec_seconds: float = SPEC_SECONDS) -> Watch:
        """The loop over them. Its clock is the wall's: what it remembers outlives the process."""
        return Watch(self.hooks(), poll_seconds=poll_seconds, spec_seconds=spec_seconds, clock=time.time)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Raises ConflictError while another process watches."""
        try:
            async with self._service.services.limiter.hold(WATCH_LOCK):
                yield
        except ConflictError as error:
            if WATCH_LOCK not in str(error):
                raise
            raise ConflictError("another process is watching the integrations already") from error

    async def _deployed(self) -> Collection[str]:
        ids = await self._registry.deployed()
        return [one for one in ids if self._only is None or one in self._only]

    async def _heal(self, integration_id: str, report: HealthReport) -> HealEnd:
        before = (await self._service.deployment(integration_id)).version
        complete = await self._report(integration_id, report)
        context = VitesseContext(actor=MONITOR)
        outcome = await self._service.heal(integration_id, complete.dump(), context=context)
        end = heal_end(outcome, before)
        self._say(
            f"{integration_id}: {outcome.state.healing.log[-1] if outcome.state.healing else outcome.status}"
        )
        if end.deployed or end.outcome == "healed":
            # What failed during the episode is read again, under the repaired definition or credential.
            report_after = await self._service.sync(integration_id)
            self._say(
                f"{integration_id}: synced, {report_after.written} written, {report_after.quarantined} quarantined"
            )
        return end

    async def _report(self, integration_id: str, report: HealthReport) -> HealthReport:
        """The monitor's report with what the runtime says besides."""
        seen = await report_of(self._service, integration_id, report.reason)
        return seen.model_copy(update={"drift": report.drift, "health": report.health or seen.health})

    async def _drift(self, integration_id: str) -> Sequence[DriftItem]:
        return await self._service.drift(integration_id)

    async def _roll_back(self, integration_id: str, reason: str) -> None:
        await self._service.roll_back(integration_id, reason, context=VitesseContext(actor=MONITOR))

    async def _pause(self, integration_id: str, reason: str) -> None:
        await self._service.pause(integration_id, reason)
        await tell(self._service.services, integration_id, "integration.paused", reason)

    async def _recovered(self, integration_id: str) -> None:
        self._say(f"{integration_id}: well again")
        await self._service.mark_recovered(integration_id)

    async def _told(self, integration_id: str, decision: MonitorDecision) -> None:
        self._say(f"{integration_id}: {decision.action}: {decision.reason}")
        await self._registry.audit(
            integration_id, f"monitor.{decision.action}", actor=MONITOR, detail={"reason": decision.reason}
        )

    async def _keep(self, integration_id: str, state: MonitorState) -> None:
        await self._registry.save_monitor_memory(integration_id, state=state.dump())

    async def _recall(self, integration_id: str) -> MonitorState:
        kept = (await self._registry.monitor_memory(integration_id)).get("state")
        # one that was never looked at is looked at now: later looks are compared with this one
        return MonitorState.model_validate(kept) if kept else MonitorState(specs_read_at=_LONG_AGO)

    async def _settings(self, integration_id: str) -> tuple[MonitorSettings, HealPolicy]:
        row = await self._registry.integration(integration_id)
        return MonitorSettings(), policy_of(row.metadata)


class HandingOver(Monitoring):
    """As `Monitoring`, for a look that must not wait for the heals it starts: `hand_over` gives the report
    to somebody who runs it. How it ends is seen at the next look."""

    def __init__(self, service: IntegrationService, hand_over: HandOver) -> None:
        super().__init__(service)
        self._hand_over = hand_over

    async def _heal(self, integration_id: str, report: HealthReport) -> HealEnd:
        complete = await self._report(integration_id, report)
        await self._hand_over(integration_id, {"health_report": complete.dump()}, {"actor": MONITOR})
        return HealEnd(outcome="waiting")


async def look_once(monitoring: Monitoring, *, with_specs: bool = True) -> Mapping[str, MonitorDecision]:
    """One look at every integration, and the heals that follow from it, to their end.

    `with_specs`: the specifications as well, whether it is time for that or not. Raises ConflictError
    while another process watches.
    """
    watching = monitoring.watch(poll_seconds=0.0, spec_seconds=0.0 if with_specs else SPEC_SECONDS)
    async with monitoring.alone():
        decisions = await watching.tick()
        await watching.join()
    return decisions


async def watch(
    monitoring: Monitoring, *, interval_seconds: float, once: bool = False, stop: asyncio.Event | None = None
) -> None:
    """Looks after every deployed integration until `stop` is set.

    `once`: one look, at the specifications as well. Otherwise it waits while another process watches.
    """
    if once:
        await look_once(monitoring)
        return
    ended = stop or asyncio.Event()
    while not ended.is_set():
        try:
            async with monitoring.alone():
                await monitoring.watch(poll_seconds=interval_seconds).run(ended)
        except ConflictError:
            _log.debug("another process watches")
        except Exception:  # noqa: BLE001 - a monitor that dies silently heals nobody
            _log.exception("the monitor was interrupted")
        try:
            async with asyncio.timeout(interval_seconds):
                await ended.wait()
        except TimeoutError:
            continue
