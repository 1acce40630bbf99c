"""The deployed runtime itself, run against two sandboxes behind real servers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "unit" / "guardian"))

from pair import BEARER, DEST_SHAPE, SOURCE_SHAPE, dest_api, mapping, source_api

from vitesse_graph.database import database_url
from vitesse_graph.guardian import TwinReport, run_twin, shadow_records
from vitesse_graph.http import AddressPolicy
from vitesse_graph.runtime import run_sync
from vitesse_graph.runtime.store import Store
from vitesse_graph.sandbox import Sandbox, create_sandbox, parse_faults, serve
from vitesse_graph.settings import Settings
from vitesse_graph.state.definition import Call, DestSide, IntegrationDefinition, SourceSide, SyncReport
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.synthetic import TYPICAL


@pytest.fixture
async def store(data_dir: Path) -> AsyncIterator[Store]:
    settings = Settings(data_dir=data_dir, database_url=None, postgres_server=None, _env_file=None)
    async with Store(lambda: database_url(settings), patience_seconds=30) as opened:
        yield opened


class Servers:
    """Both sandboxes over HTTP."""

    def __init__(self) -> None:
        records = [r.value for r in shadow_records(SOURCE_SHAPE, sample_size=60, mix=TYPICAL)]
        self.source = create_sandbox(source_api(), seed_records={"GET /contacts": records})
        self.dest = create_sandbox(dest_api(), records=0)
        self.urls: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Servers:
        for app in (self.source, self.dest):
            self.urls.append(await self._start(app))
        return self

    async def _start(self, app: Sandbox) -> str:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._tasks.append(asyncio.create_task(serve(app, on_ready=ready.set_result)))
        return await asyncio.wait_for(ready, 10)

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def definition(servers: Servers, name: str, logic: MappingLogic, **dest: Any) -> IntegrationDefinition:
    paging = SOURCE_SHAPE.endpoint.pagination
    assert paging is not None
    return IntegrationDefinition(
        integration_id=name,
        source=SourceSide(
            api_name="contacts", base_url=servers.urls[0], auth=BEARER, auth_ref="env:TWIN_TOKEN", id_field="id",
            read=Call(method="GET", path="/contacts"), pagination=paging.evolve(max_page_size=20),
        ),
        dest=DestSide(
            api_name="customers", base_url=servers.urls[1], auth=BEARER, auth_ref="env:TWIN_TOKEN",
            create=Call(method="POST", path="/customers"), id_at="id",
            **{"update": Call(method="PATCH", path="/customers/{customerId}"), "update_id_param": "customerId", **dest},
        ),
        mapping=logic,
    )  # fmt: skip


async def twin(
    servers: Servers, store: Store, name: str, deployed: MappingLogic, meant: MappingLogic, **dest: Any
) -> TwinReport:
    made = definition(servers, name, deployed, **dest)

    async def sync() -> SyncReport:
        return await run_sync(made, full=True, store=store, policy=AddressPolicy(allow_loopback=True))

    return await run_twin(
        source=servers.source,
        dest=servers.dest,
        source_shape=SOURCE_SHAPE,
        dest_shape=DEST_SHAPE,
        mapping=meant,
        sync=sync,
    )


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIN_TOKEN", "twin-secret")


async def test_the_runtime_brings_every_record_once_and_updates_it(store: Store) -> None:
    async with Servers() as servers:
        report = await twin(servers, store, "twin-good", mapping(), mapping())
    assert report.differences == []
    assert report.passed
    assert [step.name for step in report.steps] == ["create", "read back", "repeat", "update"]
    assert report.steps[0].expected >= 50


async def test_a_runtime_that_runs_another_mapping_is_found_out_by_field(store: Store) -> None:
    async with Servers() as servers:
        report = await twin(servers, store, "twin-other", mapping(without="address.city"), mapping())
    assert not report.passed
    assert "address.city" in report.differences[0]


async def test_a_runtime_whose_updates_go_astray_is_found_out(store: Store) -> None:
    async with Servers() as servers:
        lost = Call(method="PATCH", path="/customers/{customerId}/nowhere")
        report = await twin(servers, store, "twin-astray", mapping(), mapping(), update=lost)
    assert not report.passed
    assert any(line.startswith("update") for line in report.differences)


async def test_a_runtime_that_cannot_log_in_is_found_out(store: Store) -> None:
    async with Servers() as servers:
        servers.dest.set_faults(parse_faults("401=1"))
        report = await twin(servers, store, "twin-locked", mapping(), mapping())
    assert not report.passed
    assert report.differences[0].startswith("create")
    assert "twin-secret" not in " ".join(report.differences)
