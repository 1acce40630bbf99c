"""The application: the same routes over the compiled graph here and over a LangGraph server's threads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from vitesse_graph.api.accepted import STALE_SECONDS, Acceptance
from vitesse_graph.api.access import Access
from vitesse_graph.api.doors import Api
from vitesse_graph.api.limits import RequestLimiter
from vitesse_graph.api.monitoring import Monitoring, watch
from vitesse_graph.api.problems import as_response, problem_of
from vitesse_graph.api.progress import Progress
from vitesse_graph.api.redo import Redo
from vitesse_graph.api.rest_service import RestService
from vitesse_graph.api.routes import all_routes
from vitesse_graph.api.secret_services import open_vault_services
from vitesse_graph.api.steps import PREFIX
from vitesse_graph.registry.keys import ApiKeys
from vitesse_graph.registry.requests import AcceptedRequests
from vitesse_graph.settings import Settings

ServiceProvider = Callable[[], AbstractAsyncContextManager[RestService]]

_log = logging.getLogger(__name__)
MONITOR_STOP_SECONDS = 10.0
REFUSED_PER_MINUTE = 60
"""Requests with a wrong credential, by address: a key cannot be guessed fast."""

_DESCRIPTION = """\
From one sentence to a running, self-healing integration between two APIs.

An integration is made in steps, and waits after each for an answer: `POST /integrations` finds both
APIs, then `ingest`, `map`, `test` and `deploy`. Every answer says what to call next. Each step may be
called again; what follows it is then invalid.
"""


@asynccontextmanager
async def open_api(
    provider: ServiceProvider, settings: Settings, *, stale_seconds: float = STALE_SECONDS
) -> AsyncIterator[Api]:
    """Everything the routes need, for as long as the block lasts."""
    async with provider() as service:
        pool, patience = service.services.pool, settings.database_patience_seconds
        keys = ApiKeys(pool, patience_seconds=patience)
        progress = Progress()
        acceptance = Acceptance(
            AcceptedRequests(pool, patience_seconds=patience),
            service.services.registry,
            progress,
            Redo(service, progress),
            stale_seconds=stale_seconds,
        )
        acceptance.start()
        try:
            yield Api(
                settings=settings,
                service=service,
                registry=service.services.registry,
                vault=service.services.vault,
                keys=keys,
                access=Access(keys, settings),
                acceptance=acceptance,
                progress=progress,
                limiter=RequestLimiter(settings.requests_per_minute),
                strangers=RequestLimiter(min(REFUSED_PER_MINUTE, settings.requests_per_minute)),
            )
        finally:
            await acceptance.aclose()


async def _elsewhere(request: Request, error: Exception) -> Response:
    """Addresses that are nobody's: in our form under our prefix, as they were anywhere else."""
    if not isinstance(error, HTTPException):
        raise error
    if not request.url.path.startswith(PREFIX):
        return await http_exception_handler(request, error)
    problem = problem_of(error)
    if error.status_code == 404:
        problem.error = f"there is no such address; {PREFIX}/docs shows what there is"
    return as_response(problem, dict(error.headers or {}))


@asynccontextmanager
async def _monitored(api: Api, is_on: bool) -> AsyncIterator[None]:
    """The monitor beside the API, for as long as the block lasts; heals under way are let finish."""
    if not is_on:
        yield
        return
    stop = asyncio.Event()
    task = asyncio.create_task(
        watch(Monitoring(api.service), interval_seconds=api.settings.monitor_interval_seconds, stop=stop)
    )
    try:
        yield
    finally:
        stop.set()
        try:
            async with asyncio.timeout(MONITOR_STOP_SECONDS):
                await asyncio.gather(task, return_exceptions=True)
        except TimeoutError:
            _log.warning("a heal was under way; its thread goes on where it stopped when it is resumed")


@asynccontextmanager
async def _harvesting(settings: Settings, is_on: bool) -> AsyncIterator[None]:
    """Specifications of the catalogue read again every so often, for as long as the block lasts."""
    if not is_on or not settings.harvest_interval_seconds:
        yield
        return
    from vitesse_graph.knowledge import HarvestJobs, KnowledgeHarvester, get_knowledge_db
    from vitesse_graph.services import open_services

    knowledge = get_knowledge_db(settings)
    async with open_services(settings) as services:
        jobs = HarvestJobs(services.database_url)
        await jobs.setup()
        harvester = KnowledgeHarvester(knowledge, jobs, services.load_document)
        stop = asyncio.Event()
        task = asyncio.create_task(harvester.run_periodically(settings.harvest_interval_seconds, stop=stop))
        try:
            yield
        finally:
            stop.set()
            task.cancel()  # a job that is cut off goes on where it was left
            await asyncio.gather(task, return_exceptions=True)
            await knowledge.aclose()


def create_app(
    provider: ServiceProvider,
    settings: Settings,
    *,
    stale_seconds: float = STALE_SECONDS,
    with_monitor: bool = False,
) -> FastAPI:
    """The REST API. `provider` opens the service when the application starts.

    `with_monitor`: deployed integrations are watched, and healed, by this process, and
    specifications harvested where the settings say so.

    `stale_seconds`: after how long without a sign of life another process's request is taken up.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_api(provider, settings, stale_seconds=stale_seconds) as api,
            _monitored(api, with_monitor),
            _harvesting(settings, with_monitor),
        ):
            app.state.vitesse = api
            try:
                yield
            finally:
                app.state.vitesse = None

    app = FastAPI(
        title="Vitesse",
        version=version("vitesse-graph"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        exception_handlers={HTTPException: _elsewhere},
        docs_url=f"{PREFIX}/docs",
        openapi_url=f"{PREFIX}/openapi.json",
        redoc_url=None,
    )
    origins = [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]
    if origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"], max_age=600
        )
    app.include_router(all_routes(PREFIX))

    @app.get(PREFIX, include_in_schema=False)
    async def to_the_document() -> RedirectResponse:
        return RedirectResponse(f"{PREFIX}/docs")

    _without_null_parameters(app)
    return app


def _without_null_parameters(app: FastAPI) -> None:
    """An optional parameter may be left out; it cannot be sent as null, and the document says so."""
    described = app.openapi

    def describe() -> dict[str, Any]:
        is_new = app.openapi_schema is None
        document = described()
        if is_new:
            for operation in (o for path in document["paths"].values() for o in path.values()):
                for parameter in operation.get("parameters", []):
                    _without_null(parameter["schema"])
        return document

    app.openapi = describe  # type: ignore[method-assign]


def _without_null(schema: dict[str, Any]) -> None:
    choices = schema.get("anyOf", [])
    left = [choice for choice in choices if choice != {"type": "null"}]
    if len(left) == 1 and len(choices) > 1:
        del schema["anyOf"]
        schema.update(left[0])


def in_process(settings: Settings) -> ServiceProvider:
    """The compiled graph with the Postgres saver, in this process."""

    @asynccontextmanager
    async def provide() -> AsyncIterator[RestService]:
        from vitesse_graph.checkpoints import open_saver
        from vitesse_graph.graph import compile_graph

        async with open_saver(settings) as saver, open_vault_services(settings) as services:
            yield RestService(compile_graph(saver).with_services(services), services)

    return provide
