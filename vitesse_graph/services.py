"""What nodes need from outside, opened once per process and event loop.

Clients, pools and clocks are no state: they never enter a channel. A graph opened with
`open_graph(settings)` brings its own services; under the LangGraph server, where nobody opens
anything, the first node that asks opens them from the environment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from vitesse_graph.checkpoints import SharedStateLimiter, open_pool
from vitesse_graph.database import database_url
from vitesse_graph.registry import Registry
from vitesse_graph.settings import Settings, get_settings

if TYPE_CHECKING:
    from vitesse_graph.deployers.base import Deployer
    from vitesse_graph.registry.store import Pool
    from vitesse_graph.specs import SpecCache, SpecDocument
    from vitesse_graph.state.api_spec import ApiSpec
    from vitesse_graph.state.deployment import Deployment

_log = logging.getLogger(__name__)
_current: ContextVar[Services | None] = ContextVar("vitesse_services", default=None)
_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[Services]] = WeakKeyDictionary()


class Services:
    """Open with `open_services`; everything here is safe for concurrent use in one event loop."""

    def __init__(self, settings: Settings, url: str, pool: Pool) -> None:
        from vitesse_graph.specs import SpecCache

        self.settings = settings
        self.database_url = url
        self.pool = pool
        self.registry = Registry(pool, patience_seconds=settings.database_patience_seconds)
        self.limiter = SharedStateLimiter(url)
        self.spec_cache: SpecCache = SpecCache(
            settings.data_dir / "specs", max_ref_depth=settings.max_ref_depth
        )

    async def load_document(self, location: str, overlay: dict[str, Any] | None = None) -> SpecDocument:
        """Reads a specification from where it lies now (conditionally, where it was read before).

        `overlay` corrects it, as it did when it was first read.
        """
        from vitesse_graph.specs import load_document

        document = await load_document(
            location, settings=self.settings, cache=self.spec_cache, overlay=overlay
        )
        await asyncio.to_thread(lambda: document.spec)  # the index, made off the event loop
        return document

    async def open_document(self, spec: ApiSpec) -> SpecDocument:
        """The document a thread was built on, from the cache; read again where it is not there.

        Raises SpecError when it has to be read again and has changed since.
        """
        from vitesse_graph.errors import NotFoundError, SpecError

        try:
            document = await self.spec_cache.open(spec.digest)
            await asyncio.to_thread(lambda: document.spec)
            return document
        except NotFoundError:
            document = await self.load_document(spec.spec_url, spec.overlay)
        if document.digest != spec.digest:
            raise SpecError(
                f"{spec.spec_url} has changed since it was read and the earlier text is not in the cache; "
                "run the ingest step again"
            )
        return document

    def read_secret(self, reference: str) -> str:
        """The value behind `secret:ID`. Raises NotFoundError: this process has no secret store."""
        from vitesse_graph.errors import NotFoundError

        raise NotFoundError(f"no stored secret {reference}; use env:NAME or file:PATH")

    def deployer(self, target: str, **config: Any) -> Deployer:
        """The deployer for a target; InputError for one that is unknown or not installed."""
        from vitesse_graph.deployers import DeployerFactory

        return DeployerFactory.create_deployer(target, {"settings": self.settings, **config})

    async def undeploy(self, integration_id: str, deployment: Deployment) -> None:
        """Takes down the workload and what was started beside it."""
        await self.deployer(deployment.target).destroy(integration_id)
        # without an address the monitor no longer looks for a runtime that is meant to be gone
        await self.registry.save_integration(integration_id, service_url=None)
        if deployment.sandboxes and deployment.target != "process":
            # sandboxes are local processes whatever the target
            await self.deployer("process").destroy(integration_id)
        await self.registry.audit(integration_id, "undeploy", detail={"target": deployment.target})

    async def aclose(self) -> None:
        await self.limiter.aclose()
        await self.pool.close(timeout=2.0)


async def _open(settings: Settings) -> Services:
    url = await database_url(settings)
    services = Services(settings, url, await open_pool(url))
    await services.registry.setup()
    return services


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Services for as long as the block lasts."""
    services = await _open(settings)
    try:
        yield services
    finally:
        await services.aclose()


@asynccontextmanager
async def use_services(services: Services) -> AsyncIterator[None]:
    """Makes these the services of everything that runs inside the block."""
    token = _current.set(services)
    try:
        yield
    finally:
        try:
            _current.reset(token)
        except ValueError:
            _log.debug("a stream was closed from another context; nothing to put back")


async def get_services() -> Services:
    """The services of the graph that is running, or the process's own, opened on first use."""
    bound = _current.get()
    if bound is not None:
        return bound
    loop = asyncio.get_running_loop()
    opening = _by_loop.get(loop)
    if opening is None or (opening.done() and (opening.cancelled() or opening.exception() is not None)):
        opening = loop.create_task(_open(await asyncio.to_thread(get_settings)))
        _by_loop[loop] = opening
    return await asyncio.shield(opening)


async def close_default_services() -> None:
    """Closes what `get_services` opened on this loop; for a server's shutdown."""
    opening = _by_loop.pop(asyncio.get_running_loop(), None)
    if opening is not None and opening.done() and opening.exception() is None:
        await opening.result().aclose()
