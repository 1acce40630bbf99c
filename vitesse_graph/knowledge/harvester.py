"""The harvester: reads specifications and writes down what they offer, so that it is found again.

It opens no address itself: `load` (ingest's guarded, caching reader) does, with its limits and its
safety. A job's plan is in Postgres; documents are written under stable keys before their item is
ticked off, so a crash in between repeats one item and doubles nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from vitesse_graph.errors import ConflictError, InputError, UpstreamError, VitesseError
from vitesse_graph.knowledge.catalogue import catalogue
from vitesse_graph.knowledge.documents import CollectionName, Document, Where
from vitesse_graph.knowledge.extract import documents_of, spec_document
from vitesse_graph.knowledge.jobs import HarvestItem, HarvestJob, HarvestJobs, HarvestType
from vitesse_graph.knowledge.learned import LearnedPattern, PatternMemory
from vitesse_graph.knowledge.manager import KnowledgeDBManager
from vitesse_graph.knowledge.seed import FINANCIAL
from vitesse_graph.state.discovery import DiscoveryResult
from vitesse_graph.state.ports import SpecReader

_log = logging.getLogger(__name__)
Load = Callable[[str], Awaitable[SpecReader]]
_SPEC_ENDINGS = (".json", ".yaml", ".yml", ".json.gz", ".yaml.gz", ".yml.gz")
COLLECTION: CollectionName = "api_specifications"


def _of_folder(folder: Path) -> list[HarvestItem]:
    """Every file below a folder that is named like a specification, in name order."""
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; give a folder of specification files")
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name.lower().endswith(_SPEC_ENDINGS))
    return [HarvestItem(name=p.stem, location=str(p.resolve())) for p in paths]


def plan(
    harvest_type: HarvestType, *, source: str | None = None, folder: Path | None = None
) -> list[HarvestItem]:
    """What a harvest reads: the catalogue's published specifications, a folder's files, or one source.

    Raises InputError when `source` is missing for `source`, or the folder does not exist.
    """
    if harvest_type == "source":
        if not source:
            raise InputError("a harvest of one source needs its URL, file or name")
        facts = next((f for f in catalogue() if f.name.casefold() == source.casefold() and f.spec), None)
        return [
            HarvestItem(name=facts.name, location=facts.spec)
            if facts
            else HarvestItem(name=source, location=source)
        ]
    if folder is not None:
        return _of_folder(folder)
    return [
        HarvestItem(name=facts.name, location=facts.spec)
        for facts in catalogue()
        if facts.spec and (harvest_type != "financial" or facts.category in FINANCIAL)
    ]


def _known_name(item: HarvestItem) -> str:
    """The catalogue's name of the API whose specification this is, else ""."""
    return next((facts.name for facts in catalogue() if facts.spec == item.location), "")


def _host(location: str) -> str:
    return urlsplit(location).hostname or ""


class KnowledgeHarvester:
    """`load` reads a specification from a URL or file; `pause_seconds` passes between calls to one host."""

    def __init__(
        self,
        knowledge: KnowledgeDBManager,
        jobs: HarvestJobs,
        load: Load,
        *,
        pause_seconds: float = 1.0,
        item_timeout_seconds: float = 120.0,
    ) -> None:
        self._knowledge = knowledge
        self._jobs = jobs
        self._load = load
        self._pause_seconds = pause_seconds
        self._item_timeout_seconds = item_timeout_seconds
        self.patterns = PatternMemory(knowledge)

    async def start(
        self,
        harvest_type: HarvestType = "incremental",
        *,
        source: str | None = None,
        folder: Path | None = None,
        extra: Sequence[HarvestItem] = (),
    ) -> HarvestJob:
        """Plans a job without running it; `extra` comes from elsewhere, such as a directory listing."""
        return await self._jobs.create(
            harvest_type, [*plan(harvest_type, source=source, folder=folder), *extra]
        )

    async def harvest(
        self,
        harvest_type: HarvestType = "incremental",
        *,
        source: str | None = None,
        folder: Path | None = None,
        progress: Callable[[HarvestItem, int, int], None] | None = None,
    ) -> HarvestJob:
        """Plans and runs a job to its end."""
        job = await self.start(harvest_type, source=source, folder=folder)
        return await self.resume(job.id, progress=progress)

    async def resume(
        self, job_id: str, *, progress: Callable[[HarvestItem, int, int], None] | None = None
    ) -> HarvestJob:
        """Goes on where a job was left; one that is completed stays as it is.

        A specification that cannot be read fails its item, not the job. Raises NotFoundError,
        ConflictError when another worker has the job, UpstreamError when the store is away.
        """
        job = await self._jobs.job(job_id)
        if job.status == "completed":
            return job
        claim = await self._jobs.try_claim(job_id)
        if claim is None:
            raise ConflictError(f"harvest job {job_id} is being worked on by another process")
        async with claim:
            await self._jobs.reopen(job_id)
            waiting = await self._jobs.waiting(job_id)
            known = (
                await self._jobs.last_digests([item.location for item in waiting])
                if job.harvest_type == "incremental"
                else {}
            )
            last_host = ""
            for place, item in enumerate(waiting):
                host = _host(item.location)
                if host and host == last_host:
                    await asyncio.sleep(self._pause_seconds)
                last_host = host
                ended = await self._read(item, known.get(item.location, ""))
                await self._jobs.finish_item(job_id, ended)
                if progress is not None:
                    progress(ended, job.done + place + 1, job.total)
            await (await self._knowledge.database()).optimize(COLLECTION)
            await self._jobs.close(job_id, "completed")
        return await self._jobs.job(job_id)

    async def _read(self, item: HarvestItem, known_digest: str) -> HarvestItem:
        """Reads one specification and writes its documents; a fault of its own is the item's, not the job's."""
        try:
            async with asyncio.timeout(self._item_timeout_seconds):
                reader = await self._load(item.location)
            digest = reader.spec.digest
            if digest and digest == known_digest:
                return item.evolve(status="unchanged", digest=digest)
            documents = await asyncio.to_thread(documents_of, reader, item.location, name=_known_name(item))
        except (VitesseError, TimeoutError, OSError, ValueError) as error:
            reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
            _log.warning("harvest of %s failed: %s", item.name, reason)
            return item.evolve(status="failed", error=reason)
        await self._replace(documents)
        return item.evolve(status="done", digest=digest, documents=len(documents))

    async def _replace(self, documents: Sequence[Document]) -> None:
        """Writes an API's documents and forgets those of its earlier text that are gone."""
        await self._knowledge.add_documents(COLLECTION, documents)
        api = str(documents[0].meta["api"])
        wanted = {document.key for document in documents}
        where: Where = {"meta.api": api, "kind": ["spec", "resource"]}
        stale = [
            d.key async for d in self._knowledge.documents(COLLECTION, where=where) if d.key not in wanted
        ]
        await self._knowledge.delete(COLLECTION, stale)

    async def run_periodically(
        self, interval_seconds: float, *, harvest_type: HarvestType = "incremental", stop: asyncio.Event
    ) -> None:
        """Refreshes until `stop` is set; a failed round is logged and tried again at the next."""
        while not stop.is_set():
            try:
                async with self._knowledge.session():  # between rounds others may open the store
                    await self._knowledge.seed_all()
                    await self.harvest(harvest_type)
            except UpstreamError as error:
                _log.warning("harvest put off: %s", error)
            try:
                async with asyncio.timeout(interval_seconds):
                    await stop.wait()
            except TimeoutError:
                continue

    async def find_similar_apis(self, name_or_need: str, *, limit: int = 5) -> list[DiscoveryResult]:
        """APIs that serve the same end as a named one or as a described need, without the named one."""
        held = await self._knowledge.get(COLLECTION, [f"api:{name_or_need}"])
        own = held.get(f"api:{name_or_need}")
        query = own.text if own is not None else name_or_need
        where: Where = {"kind": ["api", "spec"]}
        if own is not None:
            where["meta.category"] = str(own.meta.get("category", ""))
        hits = await self._knowledge.search(COLLECTION, query, limit + 1, where=where)
        return [discovered(d, score) for d, score in hits if own is None or d.key != own.key][:limit]

    async def find_applicable_standards(self, query: str, *, limit: int = 5) -> list[tuple[Document, float]]:
        """Standards that a described integration touches, best first."""
        return await self._knowledge.search("financial_standards", query, limit)

    async def find_relevant_patterns(
        self,
        source_fields: Sequence[str],
        dest_fields: Sequence[str],
        *,
        source_api: str = "",
        dest_api: str = "",
    ) -> list[LearnedPattern]:
        """See `PatternMemory.find_relevant_patterns`."""
        return await self.patterns.find_relevant_patterns(
            source_fields, dest_fields, source_api=source_api, dest_api=dest_api
        )


async def remember_specification(knowledge: KnowledgeDBManager, reader: SpecReader, location: str) -> None:
    """Notes that a specification was read and where, so that its API is found by name from now on.

    Raises UpstreamError when the store is away.
    """
    name = _known_name(HarvestItem(name="", location=location))
    document = await asyncio.to_thread(spec_document, reader, location, name=name)
    await knowledge.add_documents(COLLECTION, [document])


def discovered(document: Document, score: float) -> DiscoveryResult:
    """A document about an API as a discovery result; its score is likeness, so never above 0.9."""
    is_harvested = document.kind in {"spec", "resource"}
    return DiscoveryResult(
        api_name=str(document.meta.get("api") or document.title),
        description=document.text[:300],
        base_url=str(document.meta.get("base_url", "")),
        documentation_url=str(document.meta.get("docs", "")),
        spec_url=str(document.meta.get("spec", "")),
        confidence_score=round(min(0.9, score), 3),
        source="ingested" if is_harvested else "catalogue",
        why=f"similar to what was asked; from {document.source}",
    )
