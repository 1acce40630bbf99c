"""What the deployers of the cloud targets do alike: environment, database role, image, one at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vitesse_graph.deployers.base import Deployer, SecretReader
from vitesse_graph.deployers.cloud import (
    CloudEnvironment,
    cloud_environment,
    ensure_reachable,
    ownership_tags,
)
from vitesse_graph.deployers.cloud_image import forget_image
from vitesse_graph.deployers.images import Progress
from vitesse_graph.deployers.locking import lock_path, one_at_a_time
from vitesse_graph.deployers.workload_database import close_database, open_database
from vitesse_graph.errors import InputError
from vitesse_graph.settings import Settings
from vitesse_graph.state.definition import IntegrationDefinition


class CloudDeployer(Deployer):
    """Holds no state of its own: the target has it all."""

    def __init__(
        self,
        settings: Settings,
        *,
        secret_reader: SecretReader | None = None,
        on_progress: Progress | None = None,
        poll_seconds: float = 2.0,
        gone_within_seconds: float = 120.0,
    ) -> None:
        super().__init__(settings, secret_reader=secret_reader)
        self._say: Progress = on_progress or (lambda line: None)
        self._poll_seconds = poll_seconds
        self._gone_within_seconds = gone_within_seconds

    def _planned_environment(self, definition: IntegrationDefinition) -> CloudEnvironment:
        """The environment's names; its database is the configured one, before there is a role."""
        url = ensure_reachable(self.settings)
        return cloud_environment(definition, self.settings, url, secret_reader=self.secret_reader)

    async def _environment(self, definition: IntegrationDefinition) -> CloudEnvironment:
        """The environment, with a database role that sees this integration's rows only."""
        self._planned_environment(definition)  # what is missing is said before a role is made
        database = await open_database(
            self.settings, definition.integration_id, self.settings.data_dir, can_mount=False
        )
        return cloud_environment(definition, self.settings, database.url, secret_reader=self.secret_reader)

    async def _forget(self, integration_id: str) -> None:
        """What lies beside the workload: its image's repository and its database role."""
        await forget_image(integration_id, self.settings, tags=self._tags(integration_id))
        if self.settings.conninfo() is not None:
            await close_database(self.settings, integration_id)

    async def sandbox_host(self) -> str:
        raise InputError(
            f"the target {self.target} runs elsewhere and cannot call a sandbox on this machine: deploy with live "
            "APIs, or to another target"
        )

    def _tags(self, integration_id: str) -> dict[str, str]:
        return ownership_tags(integration_id, self.target)

    @asynccontextmanager
    async def _alone(self, integration_id: str, *, for_good: bool = False) -> AsyncIterator[None]:
        """One deploy at a time. `for_good`: nothing is left of the integration afterwards, not even the lock."""
        root = self.settings.data_dir.expanduser().resolve() / "deployments"
        patience = self.settings.rollout_timeout_seconds
        async with one_at_a_time(root, integration_id, patience_seconds=patience):
            yield
            if for_good:
                lock_path(root, integration_id).unlink(missing_ok=True)
