"""One run's moving parts: read ahead → map → plan → keep intents → write side by side → commit in order.

Between them stand bounded queues, so memory depends on the size of pages, not on the number of
records. Each part is a task, so that this process maps one chunk while the database looks up another and
keeps a third. A chunk is a page, a part of a large one, or a few small ones that were read already; chunks
are written side by side and committed one after another: the cursor moves only when everything before it
is settled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from vitesse_graph.runtime.ledger import RunLedger
from vitesse_graph.runtime.paginate import END, Position
from vitesse_graph.runtime.plan import (
    Action,
    Planner,
    Work,
    fold,
    goes_by_natural_key,
    keep_naturals_apart,
)
from vitesse_graph.runtime.reader import Page, SourceReader
from vitesse_graph.runtime.tracing import Tracing
from vitesse_graph.runtime.watermark import moment_of
from vitesse_graph.runtime.writer import DestWriter, Job

_log = logging.getLogger(__name__)

_CHUNK_RECORDS = 1000
_GROUPED_RECORDS = 500
_CHUNKS_UNDER_WAY = 4
_PAGES_AHEAD = 4

OnCommit = Callable[[dict[str, int], list[Work]], None]


@dataclass(slots=True)
class Chunk:
    """A page, a part of one, or a few small ones, on their way."""

    works: list[Work]
    jobs: list[Job] = field(default_factory=list)
    intent: int | None = None
    moves_to: tuple[Position | None, int] | None = None
    high: float | None = None
    left: int = 0
    sending: set[int] = field(default_factory=set)
    """Indexes of jobs whose request may be under way."""
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Pipeline:
    """Runs once. `stop` asks it to finish what is under way; `run` returns when all is committed."""

    def __init__(
        self,
        reader: SourceReader,
        planner: Planner,
        writer: DestWriter,
        ledger: RunLedger,
        *,
        concurrency: int,
        batch_size: int,
        max_failure_share: float,
        grace_seconds: float,
        on_commit: OnCommit | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._tracing = tracing or Tracing()
        self._reader, self._planner, self._writer, self._ledger = reader, planner, writer, ledger
        self._concurrency = max(1, concurrency)
        self._batch_size = max(1, batch_size)
        self._max_failure_share = max_failure_share
        self._grace_seconds = grace_seconds
        self._on_commit = on_commit
        self._pages: asyncio.Queue[Page | None] = asyncio.Queue(_PAGES_AHEAD)
        self._mapped: asyncio.Queue[Chunk | None] = asyncio.Queue(1)
        self._planned: asyncio.Queue[Chunk | None] = asyncio.Queue()
        self._jobs: asyncio.Queue[tuple[Chunk, int] | None] = asyncio.Queue()
        self._chunks: asyncio.Queue[Chunk | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(_CHUNKS_UNDER_WAY)
        self._under_way: dict[str, Chunk] = {}
        self._naturals_under_way: dict[str, str] = {}
        self._committed = asyncio.Event()
        self._is_stopping = asyncio.Event()
        self._is_incomplete = False
        self._fetched = 0
        self._failed = 0
        self._chunk_records, self._grouped_records = _CHUNK_RECORDS, _GROUPED_RECORDS
        if self._batch_size > 1:
            self._grouped_records = _CHUNK_RECORDS
        if not writer.can_find_out:
            # An unknown outcome can neither be looked up nor repeated: little is under way at once.
            self._chunk_records, self._grouped_records = self._concurrency * self._batch_size, 0
        self.error: BaseException | None = None
        self.pause_reason: str | None = None
        self.is_complete = False
        """Whether the source was read to its end and everything is committed."""

    @property
    def queue_depth(self) -> int:
        """Write calls that wait for a worker."""
        return self._jobs.qsize()

    def stop(self) -> None:
        """Finish what is under way, commit, leave."""
        self._is_stopping.set()

    def fail(self, error: BaseException) -> None:
        """The first error ends the run, after what is settled has been committed."""
        if self.error is None:
            self.error = error
        self._is_stopping.set()

    async def run(self, start: Position | None, page: int) -> None:
        """From `start` to the end, or until stopped; errors are in `error`."""
        workers = [asyncio.create_task(self._work()) for _ in range(self._concurrency)]
        front = [
            asyncio.create_task(part)
            for part in (self._read(start, page), self._map(), self._plan(), self._announce())
        ]
        hurry = asyncio.create_task(self._hurry(workers, front))
        try:
            await self._commit_all()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - kept and raised by the engine after winding down
            self.fail(error)
        finally:
            for task in (*front, *workers, hurry):
                task.cancel()
            await asyncio.gather(*front, *workers, hurry, return_exceptions=True)

    async def _hurry(self, workers: list[asyncio.Task[None]], front: list[asyncio.Task[None]]) -> None:
        """Once stopping, the front stops at once and writes under way get their grace, then are cut."""
        await self._is_stopping.wait()
        front[0].cancel()
        await asyncio.sleep(self._grace_seconds)
        for task in workers:
            task.cancel()

    # -- stages ------------------------------------------------------------------------------------

    async def _read(self, start: Position | None, number: int) -> None:
        try:
            async for page in self._reader.pages(start, number):
                await self._pages.put(page)
        except asyncio.CancelledError:
            pass
        except Exception as error:  # noqa: BLE001 - what was read before is written, then the run ends
            self.error = self.error or error
        # The planner may have left already; then there is no room to wait for.
        while True:
            try:
                self._pages.put_nowait(None)
                return
            except asyncio.QueueFull:
                await asyncio.sleep(0.01)
                if self._is_stopping.is_set() and not self._pages.empty():
                    self._pages.get_nowait()

    async def _map(self) -> None:
        try:
            more = True
            while more and not self._is_stopping.is_set():
                pages, more = await self._next_pages()
                if pages:
                    for chunk in await self._chunks_of(pages):
                        await self._mapped.put(chunk)
        except Exception as error:  # noqa: BLE001 - see _read
            self.fail(error)
        await self._mapped.put(None)

    async def _next_pages(self) -> tuple[list[Page], bool]:
        """The next page with those that are ready behind it, up to a good size; False at the end."""
        pages: list[Page] = []
        size = 0
        while not pages or (size < self._grouped_records and not self._pages.empty()):
            page = await self._pages.get()
            if page is None:
                return pages, False
            pages.append(page)
            size += len(page.records)
        return pages, True

    async def _chunks_of(self, pages: list[Page]) -> list[Chunk]:
        planner = self._planner
        works: list[Work] = []
        for page in pages:
            if page.number == 0 and planner.high is None and planner.uses_clock:
                planner.high = moment_of(page.server_date, "http_date")
            works += planner.prepare(page.records, page.number)
            await asyncio.sleep(0)  # what has arrived meanwhile gets its turn
        planner.supersede(works)
        size = self._chunk_records
        parts = [works[i : i + size] for i in range(0, len(works), size)] or [[]]
        chunks = [Chunk(part, high=planner.high) for part in parts]
        last = pages[-1]
        chunks[-1].moves_to = (last.next or END, last.number + 1)
        return chunks

    async def _plan(self) -> None:
        try:
            while (chunk := await self._mapped.get()) is not None:
                await self._room.acquire()
                if self._is_stopping.is_set():
                    break
                with self._tracing.span("sync.plan", records=len(chunk.works)):
                    await self._decide(chunk)
                    chunk.jobs = self._jobs_of(chunk.works)
                    chunk.left = len(chunk.jobs)
                self._planned.put_nowait(chunk)
                self._chunks.put_nowait(chunk)
        except Exception as error:  # noqa: BLE001 - see _read
            self.fail(error)
        self._planned.put_nowait(None)
        self._chunks.put_nowait(None)

    async def _decide(self, chunk: Chunk) -> None:
        """Settles what the ledger can settle; the rest becomes jobs. Keys under way are waited for."""
        pending = [work for work in chunk.works if work.outcome is None or work.outcome == "quarantined"]
        keys = [work.key for work in pending]
        while not self._under_way.keys().isdisjoint(keys) and not self._is_stopping.is_set():
            self._committed.clear()
            await self._committed.wait()
        known = await self._ledger.known(keys) if pending else {}
        decide, run_id = self._planner.decide, self._ledger.run_id
        for work in pending:
            decide(work, known.get(work.key), run_id)
        await self._refuse_shared_naturals(chunk)
        self._under_way.update(dict.fromkeys([work.key for work in chunk.works], chunk))

    async def _refuse_shared_naturals(self, chunk: Chunk) -> None:
        fresh = [work for work in chunk.works if goes_by_natural_key(work)]
        if not fresh:
            return
        # Taken before the ledger is asked: what is committed meanwhile would be in neither.
        under_way = dict(self._naturals_under_way)
        owners = await self._ledger.owners([fold(work.natural or "") for work in fresh])
        keep_naturals_apart(fresh, owners | under_way, self._naturals_under_way)

    async def _announce(self) -> None:
        """Keeps what is about to be created, then hands it to the workers."""
        while (chunk := await self._planned.get()) is not None:
            risky = [job for job in chunk.jobs if job.action == "create"]
            if risky and not self._is_stopping.is_set():
                try:
                    chunk.intent = await self._ledger.save_intent(risky)
                except Exception as error:  # noqa: BLE001 - see _read
                    self.fail(error)
            if not chunk.jobs or self._is_stopping.is_set():
                chunk.done.set()  # nothing of it was sent, and nothing will be
                continue
            for index in range(len(chunk.jobs)):
                self._jobs.put_nowait((chunk, index))

    def _jobs_of(self, works: list[Work]) -> list[Job]:
        todo: dict[Action, list[Work]] = {"create": [], "upsert": [], "update": [], "delete": [], "none": []}
        for work in works:
            if work.outcome is None:
                todo[work.action].append(work)
        jobs: list[Job] = []
        for action in ("create", "upsert"):
            at_once, size = todo[action], self._batch_size
            jobs += [self._writer.job(at_once[i : i + size], action) for i in range(0, len(at_once), size)]
        return jobs + [self._writer.job([work], work.action) for work in todo["update"] + todo["delete"]]

    async def _work(self) -> None:
        while (item := await self._jobs.get()) is not None:
            chunk, index = item
            if not self._is_stopping.is_set():
                chunk.sending.add(index)
                try:
                    await self._writer.deliver(chunk.jobs[index])
                    chunk.sending.discard(index)
                except asyncio.CancelledError:
                    self._untaken(chunk, index)
                    self._finish(chunk)
                    self._drain()
                    raise
                except Exception as error:  # noqa: BLE001 - see _read
                    self._untaken(chunk, index)
                    self.fail(error)
            self._finish(chunk)

    @staticmethod
    def _untaken(chunk: Chunk, index: int) -> None:
        """What was surely not taken leaves nothing to find out: it is simply sent again."""
        if chunk.jobs[index].is_untaken:
            chunk.sending.discard(index)

    def _drain(self) -> None:
        while not self._jobs.empty():
            item = self._jobs.get_nowait()
            if item is not None:
                self._finish(item[0])

    @staticmethod
    def _finish(chunk: Chunk) -> None:
        chunk.left -= 1
        if chunk.left <= 0:
            chunk.done.set()

    # -- committing --------------------------------------------------------------------------------

    async def _commit_all(self) -> None:
        while (chunk := await self._chunks.get()) is not None:
            await chunk.done.wait()
            with self._tracing.span("sync.commit", records=len(chunk.works)):
                await self._commit(chunk)
            self._forget(chunk)
            self._room.release()

    async def _commit(self, chunk: Chunk) -> None:
        ambiguous = [chunk.jobs[index] for index in sorted(chunk.sending)]
        settled = [work for work in chunk.works if work.outcome is not None]
        if len(settled) < len(chunk.works):
            self._is_incomplete = True
        if chunk.intent is not None and ambiguous:
            await self._ledger.save_intent(ambiguous, chunk=chunk.intent)
        counts = await self._ledger.commit(
            settled,
            chunk=None if ambiguous else chunk.intent,
            moves_to=None if self._is_incomplete else chunk.moves_to,
            high=None if self._is_incomplete else chunk.high,
        )
        self.is_complete = not self._is_incomplete and chunk.moves_to is not None and chunk.moves_to[0] is END
        if self._on_commit is not None:
            self._on_commit(counts, settled)
        self._watch_failures(settled, counts)

    def _watch_failures(self, works: list[Work], counts: dict[str, int]) -> None:
        if not counts["quarantined"]:
            self._fetched += len(works)
            return
        fresh = [work for work in works if not work.is_known_refusal]
        self._fetched += len(fresh)
        self._failed += sum(work.outcome == "quarantined" for work in fresh)
        if self._failed >= 20 and self._failed > self._max_failure_share * self._fetched:
            self.pause_reason = (
                f"{self._failed} of {self._fetched} records could not be written, more than the allowed share "
                f"of {self._max_failure_share:.0%}; look at the dead letters, then resume"
            )
            self._is_stopping.set()

    def _forget(self, chunk: Chunk) -> None:
        under_way, naturals = self._under_way, self._naturals_under_way
        for work in chunk.works:
            if under_way.get(work.key) is chunk:
                del under_way[work.key]
            if naturals and work.natural:
                naturals.pop(fold(work.natural), None)
        self._committed.set()
