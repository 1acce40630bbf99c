"""Services whose nodes can read stored secrets, for the length of a run and no longer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from vitesse_graph.checkpoints import open_pool
from vitesse_graph.database import database_url
from vitesse_graph.errors import NotFoundError
from vitesse_graph.registry.queries import Pool
from vitesse_graph.registry.vault import Vault, open_vault
from vitesse_graph.services import Services
from vitesse_graph.settings import Settings

if TYPE_CHECKING:
    from vitesse_graph.deployers.base import Deployer

_readable: ContextVar[Callable[[str], str] | None] = ContextVar("vitesse_readable_secrets", default=None)


class VaultServices(Services):
    """As `Services`, with a vault. Inside `reading(...)` the secrets named there can be read."""

    def __init__(self, settings: Settings, url: str, pool: Pool, vault: Vault) -> None:
        super().__init__(settings, url, pool)
        self.vault = vault

    @asynccontextmanager
    async def reading(self, references: Iterable[str | None]) -> AsyncIterator[None]:
        """Makes these secrets readable to what runs inside the block. Raises NotFoundError."""
        token = _readable.set(await self.vault.reader(references))
        try:
            yield
        finally:
            _readable.reset(token)

    def read_secret(self, reference: str) -> str:
        """The value behind `secret:ID`, with or without its prefix. Raises NotFoundError."""
        read = _readable.get()
        if read is None:
            raise NotFoundError(f"{reference} cannot be read outside a run")
        return read(reference)

    def deployer(self, target: str, **config: Any) -> Deployer:
        return super().deployer(target, **{"secret_reader": self.read_secret, **config})


@asynccontextmanager
async def open_vault_services(settings: Settings) -> AsyncIterator[VaultServices]:
    """Services with a vault, for as long as the block lasts."""
    url = await database_url(settings)
    pool = await open_pool(url)
    services = VaultServices(settings, url, pool, await open_vault(settings, pool))
    try:
        await services.registry.setup()
        yield services
    finally:
        await services.aclose()
