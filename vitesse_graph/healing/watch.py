"""The loop around the monitors: asks runtimes, re-reads specifications, starts heals.

Everything it touches is a callable of the caller's, so it runs inside `vitesse serve`, as a cron of
the LangGraph server (`tick` once) or alone (`run`). A failure of one integration is its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vitesse_graph.errors import VitesseError
from vitesse_graph.healing.monitor import HealOutcome, Monitor, MonitorDecision, MonitorSettings, MonitorState
from vitesse_graph.healing.policy import HealPolicy
from vitesse_graph.state.definition import RuntimeStatus
from vitesse_graph.state.health import DriftItem, HealthReport

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HealEnd:
    """How a heal run ended; `deployed`: a repair is live now."""

    outcome: HealOutcome
    deployed: bool = False


class StartHeal(Protocol):
    """Runs a heal to its end. Raises ConflictError when the thread is busy."""

    async def __call__(self, integration_id: str, report: HealthReport) -> HealEnd: ...


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What the watch needs of the world; each takes the integration's id first."""

    list_integrations: Callable[[], Awaitable[Collection[str]]]
    """Those that are active."""
    fetch_status: Callable[[str], Awaitable[RuntimeStatus]]
    """Raises VitesseError, OSError or TimeoutError when the runtime does not answer."""
    start_heal: StartHeal
    refetch_specs: Callable[[str], Awaitable[Sequence[DriftItem]]] | None = None
    """Reads both specifications again (conditionally) and compares; [] when nothing changed."""
    roll_back: Callable[[str, str], Awaitable[None]] | None = None
    """Puts the definition before the repair back; the second argument is the reason."""
    pause: Callable[[str, str], Awaitable[None]] | None = None
    recovered: Callable[[str], Awaitable[None]] | None = None
    """Told when an integration that was ill is well again."""
    on_decision: Callable[[str, MonitorDecision], Awaitable[None]] | None = None
    """Told of every decision that does something: alerts, audit."""
    save_state: Callable[[str, MonitorState], Awaitable[None]] | None = None
    load_state: Callable[[str], Awaitable[MonitorState | None]] | None = None
    settings_for: Callable[[str], Awaitable[tuple[MonitorSettings, HealPolicy]]] | None = None


@dataclass
class Watch:
    """The monitors of all integrations of this process."""

    hooks: Hooks
    poll_seconds: float = 60.0
    spec_seconds: float = 3600.0
    status_timeout_seconds: float = 10.0
    at_once: int = 8
    """Integrations polled at the same time."""
    clock: Callable[[], float] = time.monotonic
    monitors: dict[str, Monitor] = field(default_factory=dict)
    _heals: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Ticks until `stop` is set, then lets the heals under way go on to their end."""
        while not stop.is_set():
            started = self.clock()
            try:
                await self.tick()
            except Exception:  # noqa: BLE001
                # The one place that must survive: a watch that dies silently heals nobody.
                _log.exception("the monitor could not look after the integrations")
            left = self.poll_seconds - (self.clock() - started)
            try:
                async with asyncio.timeout(max(0.05, left)):
                    await stop.wait()
            except TimeoutError:
                continue
        await self.join()

    async def join(self) -> None:
        """Waits for the heals under way."""
        while self._heals:
            await asyncio.gather(*self._heals.values(), return_exceptions=True)

    async def tick(self) -> Mapping[str, MonitorDecision]:
        """Looks at every integration once; heals run on beside. Returns the decisions."""
        ids = list(await self.hooks.list_integrations())
        for gone in set(self.monitors) - set(ids) - set(self._heals):
            del self.monitors[gone]
        gate = asyncio.Semaphore(self.at_once)

        async def one(integration_id: str) -> MonitorDecision:
            async with gate:
                try:
                    return await self._look(integration_id)
                except (VitesseError, OSError, TimeoutError) as error:
                    _log.warning("integration %s could not be looked after: %s", integration_id, error)
                    return MonitorDecision()

        return dict(zip(ids, await asyncio.gather(*map(one, ids)), strict=True))

    async def _look(self, integration_id: str) -> MonitorDecision:
        monitor = await self._monitor(integration_id)
        try:
            async with asyncio.timeout(self.status_timeout_seconds):
                status = await self.hooks.fetch_status(integration_id)
        except (VitesseError, OSError, TimeoutError):
            decision = monitor.unreachable(self.clock())
        else:
            decision = monitor.observe(status, self.clock())
        if decision.action == "none" and self._specs_due(monitor) and self.hooks.refetch_specs:
            drift = await self.hooks.refetch_specs(integration_id)
            decision = monitor.observe_drift(drift, self.clock())
        await self._act(integration_id, monitor, decision)
        return decision

    async def _monitor(self, integration_id: str) -> Monitor:
        monitor = self.monitors.get(integration_id)
        if monitor is None:
            state = await self.hooks.load_state(integration_id) if self.hooks.load_state else None
            if state is not None and state.phase == "healing":
                # a heal of a process that is gone: its run is resumed by others, ours is to look on
                state = state.evolve(phase="cooling")
            monitor = self.monitors[integration_id] = Monitor(state=state)
        if self.hooks.settings_for is not None:
            # read each time: the owner may change them while we watch
            monitor.settings, monitor.policy = await self.hooks.settings_for(integration_id)
        return monitor

    def _specs_due(self, monitor: Monitor) -> bool:
        """The first look comes one period after the start, unless the memory says otherwise."""
        state = monitor.state
        if state.specs_read_at is None:
            state.specs_read_at = self.clock()
        if self.clock() - state.specs_read_at < self.spec_seconds:
            return False
        state.specs_read_at = self.clock()
        return True

    async def _act(self, integration_id: str, monitor: Monitor, decision: MonitorDecision) -> None:
        if decision.action != "none" and self.hooks.on_decision is not None:
            await self.hooks.on_decision(integration_id, decision)
        if decision.has_recovered and self.hooks.recovered is not None:
            await self.hooks.recovered(integration_id)
        if decision.action == "start_heal" and decision.report is not None:
            task = asyncio.create_task(self._heal(integration_id, monitor, decision.report))
            self._heals[integration_id] = task
            task.add_done_callback(lambda _: self._heals.pop(integration_id, None))
        elif decision.action == "roll_back" and self.hooks.roll_back is not None:
            await self.hooks.roll_back(integration_id, decision.reason)
            monitor.heal_ended("gave_up", self.clock())
        elif decision.action == "pause" and self.hooks.pause is not None:
            await self.hooks.pause(integration_id, decision.reason)
        await self._save(integration_id, monitor)

    async def _heal(self, integration_id: str, monitor: Monitor, report: HealthReport) -> None:
        try:
            end = await self.hooks.start_heal(integration_id, report)
        except (VitesseError, OSError, TimeoutError) as error:
            _log.warning("integration %s: the heal did not run: %s", integration_id, error)
            monitor.heal_not_started(self.clock())
        except BaseException:
            monitor.heal_not_started(self.clock())
            raise
        else:
            monitor.heal_ended(end.outcome, self.clock(), deployed=end.deployed)
        await self._save(integration_id, monitor)

    async def _save(self, integration_id: str, monitor: Monitor) -> None:
        if self.hooks.save_state is not None:
            await self.hooks.save_state(integration_id, monitor.state)
