"""The deployed integration as a service: one engine, its schedule, its state."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vitesse_graph.errors import ConflictError, VitesseError
from vitesse_graph.runtime.alerts import Alerts
from vitesse_graph.runtime.connect import Options
from vitesse_graph.runtime.engine import SyncEngine, SyncRequest, open_store
from vitesse_graph.runtime.ledger import report_of
from vitesse_graph.runtime.metrics import Metrics, health_of
from vitesse_graph.runtime.plan import Work
from vitesse_graph.runtime.reauth import SideName, refresh_auth
from vitesse_graph.runtime.schedule import trigger_for
from vitesse_graph.runtime.secrets import Redactor, SecretResolver
from vitesse_graph.runtime.tracing import Tracing
from vitesse_graph.state.definition import (
    AuthRefresh,
    IntegrationDefinition,
    ReadBack,
    RuntimeStatus,
    SyncReport,
)

if TYPE_CHECKING:
    from vitesse_graph.settings import Settings

_log = logging.getLogger(__name__)


class RuntimeService:
    """Owns the engine of one definition. `start` opens, `stop` finishes what is in flight and closes."""

    def __init__(
        self,
        definition: IntegrationDefinition,
        settings: Settings,
        *,
        resolver: SecretResolver | None = None,
        options: Options | None = None,
    ) -> None:
        from vitesse_graph.http import AddressPolicy

        self.definition = definition
        self.settings = settings
        self.redactor = Redactor()
        self.store = open_store(settings)
        self.tracing = Tracing()
        self.metrics = Metrics(definition.integration_id)
        policy = self._policy = AddressPolicy.from_settings(settings)
        self._resolver = resolver
        self.engine = SyncEngine(
            definition,
            self.store,
            policy=policy,
            options=options or Options(batch_size=settings.batch_size, http2=settings.http2),
            redactor=self.redactor,
            resolver=resolver,
            on_commit=self._committed,
            tracing=self.tracing,
        )
        self.alerts = Alerts(definition, policy=policy, redactor=self.redactor, resolver=resolver)
        self._running: asyncio.Task[SyncReport] | None = None
        self._retries: set[asyncio.Task[dict[str, int]]] = set()
        self._is_stopping = False
        self._scheduler: Any = None
        self._last: SyncReport | None = None
        self._last_at: datetime | None = None
        self._read_back: ReadBack | None = None
        self._is_open = False
        self._tasks: set[asyncio.Task[Any]] = set()

    # -- life --------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Opens the store, takes up a run that was cut off, starts the schedule.

        Raises InputError for a schedule that is not understood, VitesseError without a database.
        """
        trigger = trigger_for(self.definition.schedule, self.settings.sync_interval_seconds)
        self.tracing.start(self.definition.integration_id)
        await self.store.open()
        await self._recall()
        self._define_gauges()
        self._is_open = True
        if trigger is not None:
            from apscheduler.schedulers.asyncio import AsyncIOScheduler

            self._scheduler = AsyncIOScheduler(timezone=UTC)
            self._scheduler.add_job(
                self._scheduled, trigger, coalesce=True, max_instances=1, misfire_grace_time=None
            )
            self._scheduler.start()
        if await self.store.one("open_run", {"id": self.definition.integration_id}):
            self._background(self._take_up())

    async def drain(self) -> None:
        """Begins nothing new, and returns when the run under way has come to its own end: for a version that
        is replaced while it syncs."""
        self._begin_to_leave()
        busy = [task for task in (self._running, *self._retries) if task is not None]
        await asyncio.gather(*busy, return_exceptions=True)

    async def stop(self) -> None:
        """Finishes what is in flight, commits, leaves."""
        self._begin_to_leave()
        self.engine.stop()
        if self._retries:
            await asyncio.wait(self._retries, timeout=self.engine.options.stop_grace_seconds)
            for retry in self._retries:
                retry.cancel()
        busy = [task for task in (self._running, *self._retries) if task is not None]
        await asyncio.gather(*busy, return_exceptions=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self.tracing.stop)
        await self.store.close()

    def _begin_to_leave(self) -> None:
        if self._scheduler is not None and not self._is_stopping:
            self._scheduler.shutdown(wait=False)
        self._is_stopping = True

    async def _recall(self) -> None:
        row = await self.store.one("last_run", {"id": self.definition.integration_id})
        if row is not None:
            shown = {**row, "status": "failed"} if row["status"] == "running" else row
            self._last = report_of(shown)
            self._last_at = row["ended_at"] or row["started_at"]

    def _background(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- syncing -----------------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether syncs can be asked for."""
        return self._is_open and not self._is_stopping

    @property
    def is_syncing(self) -> bool:
        return self._running is not None and not self._running.done()

    async def sync(self, request: SyncRequest) -> SyncReport:
        """One run; the caller may leave, the run goes on. Raises ConflictError while one runs."""
        if request.dry_run:
            return await self.engine.run(request)
        if self.is_syncing:
            raise ConflictError("a sync is already running; wait for it")
        if self._is_stopping:
            raise ConflictError("the runtime is stopping")
        self._running = asyncio.create_task(self._sync(request))
        return await asyncio.shield(self._running)

    async def retry_dead_letters(self, ids: list[int] | None, *, with_unknown: bool = True) -> dict[str, int]:
        """Tries them again; the caller may leave, it goes on. Raises ConflictError while a sync runs."""
        from vitesse_graph.runtime.dead_letters import retry_dead_letters

        if self._is_stopping:
            raise ConflictError("the runtime is stopping")
        task = asyncio.create_task(retry_dead_letters(self.engine, ids, with_unknown=with_unknown))
        self._retries.add(task)
        task.add_done_callback(self._retries.discard)
        return await asyncio.shield(task)

    async def _sync(self, request: SyncRequest) -> SyncReport:
        report = await self.engine.run(request)
        self._last, self._last_at = report, datetime.now(UTC)
        self._read_back = report.read_back or self._read_back
        self._collect_latencies()
        self.metrics.ended(report.status)
        if report.status in ("failed", "paused"):
            self._background(
                self.alerts.send(
                    f"sync.{report.code or report.status}",
                    report.error or "",
                    run_id=report.run_id,
                    quarantined=report.quarantined,
                )
            )
        return report

    async def _take_up(self) -> None:
        """Goes on with a run that was cut off, once its runner (an older version, finishing) has left."""
        pause = 0.5
        while run := await self.store.one("open_run", {"id": self.definition.integration_id}):
            try:
                await self.sync(SyncRequest.of_run(run))
                return
            except ConflictError as error:
                if await self.held_reason() is not None:
                    return
                _log.info("waiting to take up a run that was cut off: %s", error)
            except VitesseError as error:
                _log.error("the run that was cut off cannot be taken up: %s", self.redactor(str(error)))
                return
            await asyncio.sleep(pause)
            pause = min(pause * 1.3, 5.0)

    async def _scheduled(self) -> None:
        """A run by the schedule: what prevents it is logged, not raised."""
        try:
            await self.sync(SyncRequest())
        except ConflictError as error:
            _log.info("scheduled sync skipped: %s", error)
        except VitesseError as error:
            _log.error("scheduled sync failed: %s", self.redactor(str(error)))
            await self.alerts.send("sync.failed", str(error))

    def _committed(self, counts: dict[str, int], works: list[Work]) -> None:
        self.metrics.committed(counts, works)
        self._collect_latencies()

    def _collect_latencies(self) -> None:
        sides = self.engine.sides
        if sides is None:
            return
        for side, client in (("source", sides.source), ("dest", sides.dest)):
            self.metrics.answered(side, client.latencies_ms)
            client.latencies_ms.clear()

    async def pause(self, reason: str = "paused by a person") -> None:
        """No runs until `resume`; a run under way finishes what is in flight."""
        await self.engine.hold(reason)
        self.engine.interrupt()

    async def resume(self) -> None:
        """Runs may go on."""
        await self.engine.release()

    async def refresh_auth(self, side: SideName) -> AuthRefresh:
        """Renews one side's credential and tries it; the next run uses what came of it."""
        return await refresh_auth(
            self.definition,
            side,
            store=self.store,
            policy=self._policy,
            redactor=self.redactor,
            resolver=self._resolver,
        )

    # -- telling -----------------------------------------------------------------------------------

    async def held_reason(self) -> str | None:
        """Why runs are held, or None."""
        values = {"id": self.definition.integration_id, "version": self.definition.version}
        found = await self.store.rows("held", values)
        return str(found[0][0]) if found else None

    async def status(self) -> RuntimeStatus:
        """What `GET /status` says."""
        held = await self.held_reason()
        letters = await self.store.rows("open_letters", {"id": self.definition.integration_id})
        metrics = self.metrics
        state = "stopping" if self._is_stopping else "syncing" if self.is_syncing else "idle"
        if held is not None and state == "idle":
            state = "paused"
        sides = self.engine.sides
        return RuntimeStatus.model_validate(
            {
                "integration_id": self.definition.integration_id,
                "definition_version": self.definition.version,
                "definition_digest": self.definition.digest(),
                "state": state,
                "last_sync": self._last,
                "last_sync_at": self._last_at.isoformat() if self._last_at else None,
                "success_rate": round(metrics.success_rate, 4),
                "p95_latency_ms": metrics.p95_latency_ms,
                "error_distribution": metrics.error_distribution,
                "health": health_of(
                    metrics.success_rate,
                    metrics.p95_latency_ms,
                    is_held=held is not None,
                    has_failed=self._last is not None and self._last.status == "failed",
                    is_open=sides is not None
                    and (sides.source.breaker.is_open or sides.dest.breaker.is_open),
                ),
                "dead_letters": letters[0][0],
                "needs_reauth": self._last is not None and self._last.code == "needs_reauth",
                "lag_seconds": self._lag_seconds(),
                "read_back": self._read_back,
            }
        )

    def _lag_seconds(self) -> float | None:
        if self._last_at is None:
            return None
        return round((datetime.now(UTC) - self._last_at).total_seconds(), 1)

    def _define_gauges(self) -> None:
        metrics, engine = self.metrics, self.engine
        metrics.gauge("vitesse_success_rate", "Share of the last records", lambda: metrics.success_rate)
        metrics.gauge("vitesse_p95_latency_ms", "Of the last calls", lambda: metrics.p95_latency_ms)
        metrics.gauge("vitesse_queue_depth", "Write calls waiting", lambda: float(engine.queue_depth))
        metrics.gauge("vitesse_lag_seconds", "Since the last run", lambda: self._lag_seconds() or 0.0)
        metrics.gauge(
            "vitesse_limiter_waited_seconds",
            "Time spent waiting for slots",
            lambda: sum(c.limiter.waited_seconds for c in _clients(engine)),
        )
        metrics.gauge(
            "vitesse_limit_per_second",
            "The strictest limit believed now; 0: none known",
            lambda: min((rate for c in _clients(engine) if (rate := c.limiter.rate_per_second)), default=0.0),
        )
        metrics.gauge(
            "vitesse_breakers_open",
            "Sides left alone",
            lambda: float(sum(c.breaker.is_open for c in _clients(engine))),
        )


def _clients(engine: SyncEngine) -> tuple[Any, ...]:
    return () if engine.sides is None else (engine.sides.source, engine.sides.dest)
