"""The sync engine: one run from taking the lease to the report."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vitesse_graph.errors import ConflictError, InputError, UpstreamError, VitesseError
from vitesse_graph.runtime.client import NeedsReauth
from vitesse_graph.runtime.connect import Options, Sides, open_sides
from vitesse_graph.runtime.encoding import array_path
from vitesse_graph.runtime.lease import Lease, LeaseLost
from vitesse_graph.runtime.ledger import RunLedger
from vitesse_graph.runtime.paginate import END
from vitesse_graph.runtime.pipeline import OnCommit, Pipeline
from vitesse_graph.runtime.plan import Planner, Range, Work
from vitesse_graph.runtime.readback import EVERY_SECONDS, MANY_WRITES, Sample, read_back
from vitesse_graph.runtime.reader import PositionExpired, SourceReader
from vitesse_graph.runtime.recovery import Recovery
from vitesse_graph.runtime.secrets import Redactor, SecretResolver
from vitesse_graph.runtime.store import Store
from vitesse_graph.runtime.tracing import Tracing
from vitesse_graph.runtime.watermark import filter_value, moment_from_text, with_overlap
from vitesse_graph.runtime.writer import DestWriter
from vitesse_graph.state.definition import IntegrationDefinition, ReadBack, SyncReport
from vitesse_graph.transforms import compile_mapping

if TYPE_CHECKING:
    from vitesse_graph.http import AddressPolicy
    from vitesse_graph.settings import Settings

_log = logging.getLogger(__name__)
_CONFIRM_EVERY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """What a person or the schedule asks for. `since`/`until` bound a backfill: ISO moments or epoch seconds."""

    full: bool = False
    dry_run: bool = False
    since: str | None = None
    until: str | None = None
    even_if_held: bool = False

    @classmethod
    def of_run(cls, run: dict[str, Any]) -> SyncRequest:
        """What a run that was cut off was asked to do."""
        return cls(since=run["since"], until=run["until"])

    def range(self) -> Range | None:
        """The backfill's range, or None for an ordinary run. Raises InputError."""
        if self.since is None and self.until is None:
            return None
        within = Range(_moment("since", self.since), _moment("until", self.until))
        if within.since is not None and within.until is not None and within.since >= within.until:
            raise InputError(f"until ({self.until}) must be later than since ({self.since})")
        return within


def _moment(name: str, text: str | None) -> float | None:
    if text is None:
        return None
    moment = moment_from_text(text)
    if moment is None:
        raise InputError(f"{name}: {text!r} is no moment; write it like 2026-01-31T10:00:00Z")
    return moment


class SyncEngine:
    """Runs one integration's syncs over an open store. One run at a time, across processes."""

    def __init__(
        self,
        definition: IntegrationDefinition,
        store: Store,
        *,
        policy: AddressPolicy,
        options: Options | None = None,
        redactor: Redactor | None = None,
        resolver: SecretResolver | None = None,
        on_commit: OnCommit | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.tracing = tracing or Tracing()
        self.definition = definition
        self.store = store
        self.options = options or Options()
        self.redactor = redactor or Redactor()
        self._policy = policy
        self._resolver = resolver
        self._on_commit = on_commit
        self._compiled = compile_mapping(definition.mapping)
        self._pipeline: Pipeline | None = None
        self._is_stopping = False
        self._sample = Sample()
        self._read_back_at: float | None = None
        self.sides: Sides | None = None
        """The open APIs while a run lasts: limiters and latencies for the metrics."""

    @property
    def queue_depth(self) -> int:
        """Write calls waiting for a worker in the current run."""
        return self._pipeline.queue_depth if self._pipeline else 0

    def stop(self) -> None:
        """Finish what is in flight, commit, leave; the next run goes on from there."""
        self._is_stopping = True
        if self._pipeline is not None:
            self._pipeline.stop()

    def interrupt(self) -> None:
        """Ends the current run as `stop` does; later runs may begin."""
        if self._pipeline is not None:
            self._pipeline.stop()

    async def run(self, request: SyncRequest | None = None) -> SyncReport:
        """One run; its report also when it failed.

        Raises ConflictError when a sync of this integration runs elsewhere or is held, InputError for
        a credential that cannot be read, VitesseError when the database stays away.
        """
        request = request or SyncRequest()
        self._ensure_can_tell(request.range())
        if request.dry_run:
            from vitesse_graph.runtime.previews import dry_run

            return await dry_run(self, request)
        await self._check_hold(request)
        async with Lease(self.store, self.definition.integration_id) as lease, self.open() as sides:
            with self.tracing.span("sync.run", integration_id=self.definition.integration_id):
                return await self._run(request, lease, sides)

    def _ensure_can_tell(self, within: Range | None) -> None:
        """Raises InputError for a range of records whose moments nobody can know: it would be everything."""
        incremental = self.definition.source.incremental
        if within is None or (incremental is not None and (incremental.field or within.until is None)):
            return
        name = self.definition.source.api_name
        if incremental is None:
            raise InputError(f"{name} shows no moment of change, so no range can be told apart; use full")
        raise InputError(f"the records of {name} carry no moment, so `until` cannot be kept; give only since")

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Sides]:
        """Both APIs, for as long as the block lasts."""
        async with open_sides(
            self.definition,
            policy=self._policy,
            redactor=self.redactor,
            store=self.store,
            options=self.options,
            resolver=self._resolver,
        ) as sides:
            self.sides = sides
            yield sides

    async def _check_hold(self, request: SyncRequest) -> None:
        held = await self.store.rows(
            "held", {"id": self.definition.integration_id, "version": self.definition.version}
        )
        if held and not request.even_if_held:
            raise ConflictError(f"syncs are held: {held[0][0]} (POST /unpause lets them go on)")

    async def _run(self, request: SyncRequest, lease: Lease, sides: Sides) -> SyncReport:
        started = time.monotonic()
        ledger = RunLedger(self.store, self.definition, lease)
        filters, is_full = await self.read_plan(request)
        within = request.range()
        taken_up = await ledger.open_run()
        if taken_up is not None and not _continues(taken_up, is_full, request):
            taken_up = None
        if taken_up is not None:
            filters, is_full = taken_up["filters"], taken_up["is_full"]
        await ledger.begin(
            taken_up=taken_up,
            is_full=is_full,
            filters=filters,
            kind="sync" if within is None else "backfill",
            since=request.since,
            until=request.until,
        )
        _log.info("sync run %d begins%s", ledger.run_id, ", taken up" if taken_up else "")
        self._sample = Sample()
        watch = asyncio.create_task(self._watch(lease))
        try:
            pipeline = await self._move(ledger, sides, filters, within)
        except (UpstreamError, InputError) as error:
            return await self._end(ledger, error, None, started, within)
        finally:
            watch.cancel()
            self._pipeline = None
        report = await self._end(ledger, pipeline.error, pipeline, started, within)
        report.read_back = await self._look_again(sides, report)
        return report

    async def _look_again(self, sides: Sides, report: SyncReport) -> ReadBack | None:
        """Reads a few of the written records back: after many writes, or seldom; never after a run that did
        not go well."""
        now = time.monotonic()
        is_due = self._read_back_at is None or now - self._read_back_at >= EVERY_SECONDS
        is_due = is_due or report.written >= MANY_WRITES
        if report.status != "completed" or self._is_stopping or not is_due:
            return None
        found = await read_back(self.definition, sides.dest, self._sample, run_id=report.run_id)
        if found is not None:
            self._read_back_at = now
        return found

    def _committed(self, counts: dict[str, int], works: list[Work]) -> None:
        self._sample.take(works)
        if self._on_commit is not None:
            self._on_commit(counts, works)

    async def _move(
        self, ledger: RunLedger, sides: Sides, filters: dict[str, str], within: Range | None
    ) -> Pipeline:
        writer = DestWriter(self.definition, sides.dest)
        await Recovery(self.definition, sides.dest, writer, ledger).run()
        if writer.must_look_up and await writer.is_empty():
            writer.must_look_up = False
        pipeline = await self._pump(ledger, sides, writer, filters, within)
        if isinstance(pipeline.error, PositionExpired):
            _log.warning("%s; reading from the beginning", pipeline.error)
            await ledger.restart()
            pipeline = await self._pump(ledger, sides, writer, filters, within)
        return pipeline

    async def _pump(
        self,
        ledger: RunLedger,
        sides: Sides,
        writer: DestWriter,
        filters: dict[str, str],
        within: Range | None,
    ) -> Pipeline:
        definition, run = self.definition, ledger.run
        planner = Planner(definition, self._compiled.run, within=within)
        if run["high_watermark"] is not None:
            planner.high = float(run["high_watermark"])
        pipeline = self._pipeline = Pipeline(
            SourceReader(definition.source, sides.source, filters=filters),
            planner,
            writer,
            ledger,
            concurrency=definition.concurrency,
            batch_size=self._batch_size(),
            max_failure_share=definition.max_failure_share,
            grace_seconds=self.options.stop_grace_seconds,
            on_commit=self._committed,
            tracing=self.tracing,
        )
        if run["position"] == END:
            pipeline.is_complete = True
            return pipeline
        if self._is_stopping:
            pipeline.stop()
        await pipeline.run(run["position"], run["page"])
        return pipeline

    def _batch_size(self) -> int:
        dest = self.definition.dest
        if array_path(dest.envelope) is None or not dest.batch_size:
            return 1
        return min(dest.batch_size, self.definition.batch_size, self.options.batch_size)

    async def read_plan(self, request: SyncRequest) -> tuple[dict[str, str], bool]:
        """(filter parameters, whether everything is read) for this request."""
        incremental = self.definition.source.incremental
        within = request.range()
        if within is not None:
            if incremental is None or within.since is None:
                return {}, True
            return {incremental.param: filter_value(within.since, incremental.format)}, False
        cursor = await self.store.one("cursor", {"id": self.definition.integration_id})
        is_full = (
            request.full
            or incremental is None
            or cursor is None
            or cursor["definition_version"] != self.definition.version
            or cursor["watermark"] is None
        )
        if is_full:
            return {}, True
        assert incremental is not None
        assert cursor is not None
        moment = with_overlap(float(cursor["watermark"]), self.definition.source.watermark_overlap_seconds)
        return {incremental.param: filter_value(moment, incremental.format)}, False

    async def _watch(self, lease: Lease) -> None:
        """Makes sure of the lease while the run lasts, and hears a pause that was asked for elsewhere: of
        another replica, or of the version that replaces this one."""
        held = await self._held_since()
        while True:
            await asyncio.sleep(_CONFIRM_EVERY_SECONDS)
            try:
                await lease.confirm()
                if held != (held := await self._held_since()) and held is not None:
                    _log.info("paused: what is in flight is finished first")
                    self.interrupt()
            except LeaseLost as error:
                if self._pipeline is not None:
                    self._pipeline.fail(error)
                return
            except Exception as error:  # noqa: BLE001 - the watch outlives a database that is away
                _log.warning("the lease could not be confirmed: %s", error)

    async def _end(
        self,
        ledger: RunLedger,
        error: BaseException | None,
        pipeline: Pipeline | None,
        started: float,
        within: Range | None,
    ) -> SyncReport:
        if error is not None and not isinstance(error, (UpstreamError, InputError)):
            raise error if isinstance(error, VitesseError) else _unexpected(error, self.redactor)
        text = self.redactor(str(error)) if error is not None else None
        keep_open = False
        if error is not None:
            status = "failed"
            keep_open = isinstance(error, NeedsReauth) or getattr(error, "is_transient", False)
        elif pipeline is not None and pipeline.pause_reason is not None:
            status, text = "paused", pipeline.pause_reason
            await self.hold(text)
        elif pipeline is not None and pipeline.is_complete:
            status = "completed"
        else:
            status, keep_open = "stopped", True
        seconds = time.monotonic() - started
        report = await ledger.end(
            status,
            error=text,
            seconds=seconds,
            moves=within is None,
            keep_open=keep_open,
            code="needs_reauth" if isinstance(error, NeedsReauth) else None,
        )
        _log.info(
            "sync run %s %s: %d fetched, %d written, %d unchanged, %d filtered, %d quarantined, %d deleted",
            report.run_id,
            report.status,
            report.fetched,
            report.written,
            report.unchanged,
            report.filtered,
            report.quarantined,
            report.deleted,
        )
        return report

    async def _held_since(self) -> Any:
        values = {"id": self.definition.integration_id, "version": self.definition.version}
        return (await self.store.rows("hold_now", values))[0][0]

    async def hold(self, reason: str) -> None:
        """No further run until `release`, or until another version of the definition comes."""
        values = {
            "id": self.definition.integration_id,
            "reason": reason,
            "version": self.definition.version,
        }
        await self.store.run("hold", values)

    async def release(self) -> None:
        """Runs may go on."""
        await self.store.run("release", {"id": self.definition.integration_id})

    def planner(self, within: Range | None = None) -> Planner:
        """A planner of this definition, for previews."""
        return Planner(self.definition, self._compiled.run, within=within)


def _continues(run: dict[str, Any], is_full: bool, request: SyncRequest) -> bool:
    """Whether an open run does what is asked for now."""
    if (run["since"], run["until"]) != (request.since, request.until):
        return False
    return bool(run["is_full"]) or not is_full


def _unexpected(error: BaseException, redactor: Redactor) -> VitesseError:
    _log.error("the run broke", exc_info=error)
    wrapped = VitesseError(redactor(f"the run broke: {type(error).__name__}: {error}"))
    wrapped.__cause__ = error
    return wrapped


async def run_sync(
    definition: IntegrationDefinition,
    *,
    full: bool = False,
    dry_run: bool = False,
    since: str | None = None,
    until: str | None = None,
    settings: Settings | None = None,
    store: Store | None = None,
    policy: AddressPolicy | None = None,
    options: Options | None = None,
    resolver: SecretResolver | None = None,
    on_commit: Callable[..., None] | None = None,
) -> SyncReport:
    """One run of an integration in this process; opens and closes what it was not given."""
    from vitesse_graph.http import AddressPolicy
    from vitesse_graph.settings import get_settings

    settings = settings or get_settings()
    own_store = store is None
    # Each connection costs the server as much as a thousand records; one run has use for three.
    store = store or open_store(settings, connections=3)
    engine = SyncEngine(
        definition,
        store,
        policy=policy or AddressPolicy.from_settings(settings),
        options=options or Options(batch_size=settings.batch_size, http2=settings.http2),
        resolver=resolver,
        on_commit=on_commit,
    )
    try:
        if own_store:
            await store.open()
        return await engine.run(SyncRequest(full=full, dry_run=dry_run, since=since, until=until))
    finally:
        if own_store:
            await store.close()


def open_store(settings: Settings, *, connections: int = 4) -> Store:
    """The store on the settings' database; not connected yet."""
    from vitesse_graph.database import database_url

    patience = settings.database_patience_seconds
    return Store(lambda: database_url(settings), patience_seconds=patience, max_size=connections)
