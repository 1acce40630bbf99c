"""Harvest jobs on a real Postgres: progress, faults, crash and resume, incremental refresh."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from vitesse_graph.database import database_url
from vitesse_graph.errors import ConflictError, InputError, NotFoundError
from vitesse_graph.knowledge import (
    HarvestJobs,
    KnowledgeDBManager,
    KnowledgeHarvester,
    SpecDirectory,
    complete_pair,
    discover_pair,
    discover_widely,
    harvested_apis,
)
from vitesse_graph.knowledge.harvester import plan
from vitesse_graph.knowledge.plain import PlainKnowledge
from vitesse_graph.settings import Settings
from vitesse_graph.specs import load_document
from vitesse_graph.state.ports import SpecReader


def specification(noun: str, *fields: str) -> dict[str, object]:
    record = {"type": "object", "properties": {field: {"type": "string"} for field in ("id", *fields)}}
    many = {"type": "object", "properties": {"data": {"type": "array", "items": record}}}
    answer = {"200": {"description": "ok", "content": {"application/json": {"schema": many}}}}
    body = {"content": {"application/json": {"schema": record}}}
    return {
        "openapi": "3.0.3",
        "info": {"title": f"{noun.title()} API", "version": "1"},
        "servers": [{"url": f"https://{noun}.example.com"}],
        "paths": {
            f"/{noun}s": {
                "get": {"summary": f"List {noun}s", "operationId": f"list_{noun}s", "responses": answer},
                "post": {
                    "summary": f"Create a {noun}",
                    "requestBody": body,
                    "responses": {"201": {"description": "made"}},
                },
            }
        },
    }


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    return Settings(data_dir=data_dir, _env_file=None)


@pytest.fixture
async def jobs(settings: Settings) -> HarvestJobs:
    jobs = HarvestJobs(await database_url(settings))
    await jobs.setup()
    await jobs.setup()
    return jobs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "specs"
    folder.mkdir()
    for noun in ("badger", "ferret", "walrus"):
        (folder / f"{noun}.json").write_text(json.dumps(specification(noun, "name", "burrow")))
    return folder


@pytest.fixture
async def knowledge(tmp_path: Path) -> AsyncIterator[KnowledgeDBManager]:
    manager = KnowledgeDBManager(lambda: (PlainKnowledge(tmp_path / "store"), "words"))
    yield manager
    await manager.aclose()


class Reader:
    """The real reader of specifications, which can be stopped in the middle and counts its calls."""

    def __init__(self, settings: Settings, *, stop_at: str = "") -> None:
        self.settings = settings
        self.stop_at = stop_at
        self.read: list[str] = []
        self.reached = asyncio.Event()

    async def __call__(self, location: str) -> SpecReader:
        self.read.append(Path(location).stem)
        if self.stop_at and self.stop_at in location:
            self.reached.set()
            await asyncio.Event().wait()
        return await load_document(location, settings=self.settings)


async def held(knowledge: KnowledgeDBManager) -> list[str]:
    return sorted([d.key async for d in knowledge.documents("api_specifications")])


async def test_a_folder_is_harvested_with_progress(
    knowledge: KnowledgeDBManager, jobs: HarvestJobs, folder: Path, settings: Settings
) -> None:
    seen: list[tuple[int, int]] = []
    harvester = KnowledgeHarvester(knowledge, jobs, Reader(settings))
    job = await harvester.harvest("full", folder=folder, progress=lambda _, done, of: seen.append((done, of)))
    assert (job.status, job.done, job.failed, job.total) == ("completed", 3, 0, 3)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    found = await knowledge.search("api_specifications", "walrus burrow", 1, where={"kind": "resource"})
    assert found[0][0].meta["api"] == "Walrus API"
    assert {"id", "name", "burrow"} <= set(found[0][0].meta["fields"])
    assert job.documents == len(await held(knowledge))


async def test_a_crash_in_the_middle_is_resumed_without_doubles(
    knowledge: KnowledgeDBManager, jobs: HarvestJobs, folder: Path, settings: Settings
) -> None:
    reader = Reader(settings, stop_at="ferret")
    harvester = KnowledgeHarvester(knowledge, jobs, reader)
    job = await harvester.start("full", folder=folder)
    running = asyncio.create_task(harvester.resume(job.id))
    await reader.reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    half = await jobs.job(job.id)
    assert (half.status, half.done) == ("running", 1)

    second = Reader(settings)
    ended = await KnowledgeHarvester(knowledge, jobs, second).resume(job.id)
    assert second.read == ["ferret", "walrus"]
    assert (ended.status, ended.done, ended.total) == ("completed", 3, 3)
    keys = await held(knowledge)
    assert len(keys) == len(set(keys)) == ended.documents
    assert await KnowledgeHarvester(knowledge, jobs, second).resume(job.id) == ended


async def test_an_item_written_but_not_ticked_off_is_repeated_without_doubles(
    knowledge: KnowledgeDBManager, jobs: HarvestJobs, folder: Path, settings: Settings
) -> None:
    harvester = KnowledgeHarvester(knowledge, jobs, Reader(settings))
    await harvester.harvest("full", folder=folder)
    before = await held(knowledge)
    await harvester.harvest("full", folder=folder)
    assert await held(knowledge) == before


async def test_one_bad_specification_fails_its_item_and_not_the_job(
    knowledge: KnowledgeDBManager, jobs: HarvestJobs, folder: Path, settings: Settings
) -> None:
    (folder / "broken.json").write_text("{ this is not")
    job = await KnowledgeHarvester(knowledge, jobs, Reader(settings)).harvest("full", folder=folder)
    assert (job.status, job.done, job.failed) == ("completed", 4, 1)
    assert [item.name for item in job.failures] == ["broken"]
    assert job.failures[0].error


async def test_an_incremental_harvest_passes_over_what_did_not_change(
    knowledge: KnowledgeDBManager, jobs: HarvestJobs, folder: Path, settings: Settings
) -> None:
    harvester = KnowledgeHarvester(knowledge, jobs, Reader(settings))
    await harvester.harvest("incremental", folder=folder)
    (folder / "badger.json").write_text(json.dumps(specification("badger", "name", "sett")))
    job = await harvester.harvest("incremental", folder=folder)
    assert 0 < job.documents < len(await held(knowledge))
    found = await knowledge.search("api_specifications", "badger", 1, where={"kind": "resource"})
    assert "sett" in found[0][0].meta["fields"]


async def test_two_workers_do_not_take_the_same_job(
    knowledge: KnowledgeDBManager, jobs: HarvestJobs, folder: Path, settings: Settings
) -> None:
    reader = Reader(settings, stop_at="ferret")
    harvester = KnowledgeHarvester(knowledge, jobs, reader)
    job = await harvester.start("full", folder=folder)
    running = asyncio.create_task(harvester.resume(job.id))
    await reader.reached.wait()
    with pytest.raises(ConflictError):
        await harvester.resume(job.id)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_unknown_jobs_and_empty_plans_are_said(jobs: HarvestJobs, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        await jobs.job("no-such-job")
    with pytest.raises(InputError):
        plan("source")
    with pytest.raises(InputError):
        plan("full", folder=tmp_path / "nothing")


def test_plans_follow_the_harvest_type() -> None:
    everything, financial = plan("full"), plan("financial")
    assert len(everything) > len(financial) > 5
    assert {item.location for item in financial} <= {item.location for item in everything}
    assert plan("source", source="stripe")[0].location.startswith("https://")
    assert plan("source", source="https://x.example/o.json")[0].location == "https://x.example/o.json"


async def test_similar_apis_leave_out_the_one_asked_about(
    knowledge: KnowledgeDBManager, jobs: HarvestJobs, settings: Settings
) -> None:
    await knowledge.seed_all()
    harvester = KnowledgeHarvester(knowledge, jobs, Reader(settings))
    names = [result.api_name for result in await harvester.find_similar_apis("Xero")]
    assert names
    assert "Xero" not in names
    standards = await harvester.find_applicable_standards("storing card numbers")
    assert standards[0][0].key == "standard:pci-dss"


LISTING = {
    "walrus.example:main": {
        "preferred": "1",
        "versions": {
            "1": {
                "info": {"title": "Walrus API", "description": "Tusks."},
                "swaggerUrl": "https://d.example/w.json",
            }
        },
    },
    "nothing.example": {"preferred": "1", "versions": {"1": {"info": {}}}},
}


async def test_the_directory_is_fetched_once_and_serves_from_its_file_when_away(tmp_path: Path) -> None:
    calls: list[str] = []

    async def fetch(url: str) -> bytes:
        calls.append(url)
        if len(calls) > 1:
            raise OSError("away")
        return json.dumps(LISTING).encode()

    directory = SpecDirectory(fetch, tmp_path)
    found = await directory.search("walrus")
    assert [(r.spec_url, r.source) for r in found] == [("https://d.example/w.json", "directory")]
    assert len(await directory.harvest_items()) == 1
    again = SpecDirectory(fetch, tmp_path, keep_seconds=-1)
    assert [r.api_name for r in await again.search("Walrus API")] == ["Walrus API"]
    assert len(calls) == 2


async def test_what_was_harvested_is_found_by_name_and_used_for_intents(
    knowledge: KnowledgeDBManager, jobs: HarvestJobs, folder: Path, settings: Settings
) -> None:
    await KnowledgeHarvester(knowledge, jobs, Reader(settings)).harvest("full", folder=folder)
    first = (await discover_widely("Walrus API", knowledge=knowledge))[0]
    assert (first.source, Path(first.spec_url).name) == ("ingested", "walrus.json")
    found = discover_pair("copy walruses", source="walrus api", known=await harvested_apis(knowledge))
    assert found.source is not None
    assert found.source.spec_url == first.spec_url


async def test_the_directory_answers_for_names_that_the_catalogue_lacks(
    knowledge: KnowledgeDBManager, tmp_path: Path
) -> None:
    async def fetch(url: str) -> bytes:
        return json.dumps(LISTING).encode()

    found = await discover_widely("walrus", knowledge=knowledge, directory=SpecDirectory(fetch, tmp_path))
    assert found[0].source == "directory"


async def test_the_directory_completes_an_intent_with_what_it_lists_under_that_very_name(
    tmp_path: Path,
) -> None:
    def entry(title: str, url: str) -> dict[str, object]:
        return {"preferred": "1", "versions": {"1": {"info": {"title": title}, "swaggerUrl": url}}}

    listing = {
        "w": entry("Walrus API", "https://d.example/walrus.json"),
        "s": entry("Shopify", "https://d.example/shopify.json"),
        "x": entry("Xero Extras", "https://d.example/other.json"),
    }

    async def fetch(url: str) -> bytes:
        return json.dumps(listing).encode()

    directory = SpecDirectory(fetch, tmp_path)
    intent = "copy Walrus orders into Shopify"
    found = await complete_pair(discover_pair(intent), intent, directory)
    assert found.source is not None
    assert (found.source.spec_url, found.source.source) == ("https://d.example/walrus.json", "directory")
    assert found.dest is not None
    assert (found.dest.api_name, found.dest.spec_url) == ("Shopify", "https://d.example/shopify.json")
    assert found.notes == []
    intent = "copy Porpoise orders into Monzo"
    assert await complete_pair(discover_pair(intent), intent, directory) == discover_pair(intent)


async def test_the_configured_directory_is_asked_over_the_guarded_client_and_may_be_away(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    from aiohttp import web

    from vitesse_graph.nodes.public_directory import public_directory

    listing = {
        "walrus.example": {
            "preferred": "1",
            "versions": {
                "1": {"info": {"title": "Walrus Ledger"}, "swaggerUrl": "https://walrus.example/o.json"}
            },
        }
    }
    app = web.Application()

    async def listed(request: web.Request) -> web.Response:
        return web.json_response(listing)

    app.router.add_get("/list.json", listed)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = Settings(data_dir=tmp_path, _env_file=None)
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/list.json"
    try:
        there = public_directory(base.model_copy(update={"spec_directory_url": url}))
        assert there is not None
        assert [entry.spec_url for entry in await there.search("walrus ledger")] == [
            "https://walrus.example/o.json"
        ]
    finally:
        await runner.cleanup()
    other = base.model_copy(update={"data_dir": tmp_path / "other"})
    away = public_directory(
        other.model_copy(update={"spec_directory_url": f"http://127.0.0.1:{unused_tcp_port}/list.json"})
    )
    assert away is not None
    assert await away.search("walrus ledger") == []
    assert public_directory(base.model_copy(update={"spec_directory_url": ""})) is None
