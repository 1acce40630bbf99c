"""Opening what commands need: settings, logging, the graph and its service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from vitesse_graph.settings import Settings, get_settings

_T = TypeVar("_T")


def configure_logging(settings: Settings) -> None:
    """Standard logging to stderr: plain lines, or one JSON object each with VITESSE_LOG_JSON."""
    handler = logging.StreamHandler()
    if settings.log_json:
        import structlog

        handler.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.dict_tracebacks,
                    structlog.processors.JSONRenderer(),
                ],
                foreign_pre_chain=[
                    structlog.stdlib.add_log_level,
                    structlog.stdlib.add_logger_name,
                    structlog.processors.TimeStamper(fmt="iso"),
                ],
            )
        )
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    if settings.log_level.upper() == "WARNING":
        # What these say at WARNING is part of waiting for a database; the outcome is reported anyway.
        for name in ("psycopg.pool", "vitesse_graph.nodes.step"):
            logging.getLogger(name).setLevel(logging.ERROR)


def run_async(work: Coroutine[Any, Any, _T]) -> _T:
    """Runs a command's coroutine with logging configured."""
    configure_logging(get_settings())
    return asyncio.run(work)


@asynccontextmanager
async def open_service(settings: Settings | None = None) -> AsyncIterator[Any]:
    """An `IntegrationService` over the compiled graph, for as long as the block lasts."""
    from vitesse_graph.api.service import IntegrationService
    from vitesse_graph.graph import open_graph

    async with open_graph(settings) as graph:
        if graph.services is None:
            raise AssertionError("open_graph binds services")
        yield IntegrationService(graph, graph.services)
