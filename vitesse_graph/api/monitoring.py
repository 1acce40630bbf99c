"""The monitor's hands: reports of deployed runtimes in, heal runs on their threads out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any

from vitesse_graph.api.service import IntegrationService, Outcome
from vitesse_graph.errors import VitesseError
from vitesse_graph.healing import HealEnd, Hooks, MonitorDecision, Watch
from vitesse_graph.nodes.evidence import drift_since_deployed
from vitesse_graph.state.context import VitesseContext
from vitesse_graph.state.definition import RuntimeStatus
from vitesse_graph.state.health import DriftItem, HealthReport
from vitesse_graph.state.whiteboard import now_iso

ERROR_SAMPLES = 20
SPEC_SECONDS = 3600.0
"""How often both specifications are read again (conditionally)."""
MONITOR = "monitor"


async def report_of(service: IntegrationService, integration_id: str, reason: str) -> HealthReport:
    """What the runtime says of itself, as heal takes it; a runtime that is silent says that much."""
    try:
        status = await service.runtime_status(integration_id)
        letters = await service.call_runtime(integration_id, "GET", f"/dead-letters?limit={ERROR_SAMPLES}")
    except VitesseError as error:
        return HealthReport(reason=f"{reason}; {error}", health=0.0, reported_at=now_iso())
    rows = letters.get("dead_letters", []) if isinstance(letters, dict) else letters
    return HealthReport(
        reason=reason,
        health=status.health,
        success_rate=status.success_rate,
        p95_latency_ms=status.p95_latency_ms,
        error_distribution=status.error_distribution,
        error_samples=[str(row.get("reason", "")) for row in rows][:ERROR_SAMPLES],
        reported_at=now_iso(),
    )


def heal_end(outcome: Outcome, version_before: int) -> HealEnd:
    """How a heal run ended, for the monitor's cool-down."""
    episode, deployment = outcome.state.healing, outcome.state.deployment
    deployed = deployment is not None and deployment.version != version_before
    if outcome.waiting is not None:
        return HealEnd(outcome="needs_person", deployed=False)
    if episode is None or episode.outcome == "open":
        return HealEnd(outcome="gave_up", deployed=deployed)
    return HealEnd(outcome=episode.outcome, deployed=deployed)


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
        self._say = say or (lambda line: None)
        self._only = only

    def hooks(self) -> Hooks:
        return Hooks(
            list_integrations=self._active,
            fetch_status=self._status,
            start_heal=self._heal,
            refetch_specs=self._drift,
            on_decision=self._told,
        )

    async def _active(self) -> Collection[str]:
        rows, _ = await self._service.services.registry.integrations(status="active", limit=1_000)
        return [row.id for row in rows if self._only is None or row.id in self._only]

    async def _status(self, integration_id: str) -> RuntimeStatus:
        return await self._service.runtime_status(integration_id)

    async def _heal(self, integration_id: str, report: HealthReport) -> HealEnd:
        before = (await self._service.deployment(integration_id)).version
        seen = await report_of(self._service, integration_id, report.reason)
        complete = seen.model_copy(update={"drift": report.drift, "health": report.health or seen.health})
        context = VitesseContext(actor=MONITOR)
        outcome = await self._service.heal(integration_id, complete.dump(), context=context)
        end = heal_end(outcome, before)
        self._say(
            f"{integration_id}: {outcome.state.healing.log[-1] if outcome.state.healing else outcome.status}"
        )
        if end.deployed:
            # What failed during the episode is read again under the repaired definition.
            report_after = await self._service.sync(integration_id)
            self._say(
                f"{integration_id}: synced, {report_after.written} written, {report_after.quarantined} quarantined"
            )
        return end

    async def _drift(self, integration_id: str) -> Sequence[DriftItem]:
        return await drift_since_deployed(self._service.services, integration_id)

    async def _told(self, integration_id: str, decision: MonitorDecision) -> None:
        self._say(f"{integration_id}: {decision.action}: {decision.reason}")
        await self._service.services.registry.audit(
            integration_id, f"monitor.{decision.action}", actor=MONITOR, detail={"reason": decision.reason}
        )


async def watch(
    monitoring: Monitoring, *, interval_seconds: float, once: bool = False, stop: asyncio.Event | None = None
) -> None:
    """Looks after every active integration until `stop` is set.

    `once`: one look, at the specifications as well, and the heals that follow from it.
    """
    watching = Watch(
        monitoring.hooks(), poll_seconds=interval_seconds, spec_seconds=0.0 if once else SPEC_SECONDS
    )
    if once:
        await watching.tick()
        await watching.join()
        return
    await watching.run(stop or asyncio.Event())
