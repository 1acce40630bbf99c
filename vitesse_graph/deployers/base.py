"""The one interface of all deploy targets."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import ClassVar

from vitesse_graph.errors import InputError
from vitesse_graph.settings import Settings
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.deployment import Deployment, DeploymentConfig, DeploymentPlan

SecretReader = Callable[[str], str]
"""The value behind a `secret:ID` reference (the whole reference is given); raises NotFoundError."""


class Deployer(ABC):
    """Brings definitions into the world at one target. Every method may be called again without harm.

    Made by `DeployerFactory.create_deployer(target, config)`. `config` has `settings` (the process's
    `Settings`) and, where stored secrets are used, `secret_reader`.
    """

    target: ClassVar[str]

    def __init__(self, settings: Settings, *, secret_reader: SecretReader | None = None) -> None:
        self.settings = settings
        self.secret_reader = secret_reader

    @abstractmethod
    async def plan(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> DeploymentPlan:
        """What `deploy` would do now. Changes nothing."""

    @abstractmethod
    async def deploy(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> Deployment:
        """Starts it, or replaces what runs; returns when it is healthy. The same definition running
        already is left alone. Raises DeployError, after which the version before runs as it did."""

    @abstractmethod
    async def update(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> Deployment:
        """Replaces what runs without losing a sync in flight. Raises NotFoundError when nothing runs,
        DeployError when the new version does not become healthy; the old one then goes on."""

    @abstractmethod
    async def destroy(self, integration_id: str) -> Deployment:
        """Takes down everything that was made for this integration, and nothing else."""

    @abstractmethod
    async def get_status(self, integration_id: str) -> Deployment:
        """What runs now. Raises NotFoundError when nothing was deployed."""

    @abstractmethod
    async def get_logs(self, integration_id: str, lines: int = 100) -> str:
        """The last log lines. Raises NotFoundError when nothing was deployed."""


def secret_variable(reference: str) -> str:
    """Name of the environment variable that carries a stored secret (`secret:ID`) into a workload."""
    return "VITESSE_SECRET_" + sha256(reference.encode()).hexdigest()[:16].upper()


def references_of(definition: IntegrationDefinition) -> list[str]:
    """The definition's secret references, each once."""
    found = (definition.source.auth_ref, definition.dest.auth_ref, definition.alert_secret_ref)
    return list(dict.fromkeys(ref for ref in found if ref))


_NEEDED = (
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_RUNTIME_DIR", "SSL_CERT_FILE"),
    *("SSL_CERT_DIR", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "COVERAGE_PROCESS_START"),
)


def host_only_names() -> tuple[str, ...]:
    """Variables of `workload_environment` that mean something on this machine only."""
    return _NEEDED


def workload_environment(
    definition: IntegrationDefinition,
    settings: Settings,
    *,
    secret_reader: SecretReader | None = None,
    environ: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The whole environment of a runtime beside us: what it needs, and no key that is not its own.

    Raises InputError when a variable that the definition refers to is not set.
    """
    around = os.environ if environ is None else environ
    names = {name for name in around if name.startswith(("OTEL_", "VITESSE_RUNTIME_"))}
    found = {name: around[name] for name in (*_NEEDED, *sorted(names)) if name in around}
    found["VITESSE_DATA_DIR"] = str(settings.data_dir.expanduser().resolve())
    conninfo = settings.conninfo()
    if conninfo is not None:
        found["DATABASE_URL"] = conninfo
    found["VITESSE_ALLOW_PRIVATE_ADDRESSES"] = str(settings.allow_private_addresses).lower()
    found["VITESSE_ALLOW_LOOPBACK"] = str(settings.allow_loopback).lower()
    found["VITESSE_ALLOWED_HOSTS"] = settings.allowed_hosts
    found["VITESSE_DATABASE_PATIENCE_SECONDS"] = str(settings.database_patience_seconds)
    found["VITESSE_LOG_JSON"] = str(settings.log_json).lower()
    found["BATCH_SIZE"] = str(settings.batch_size)
    if settings.sync_interval_seconds is not None:
        found["SYNC_INTERVAL_SECONDS"] = str(settings.sync_interval_seconds)
    for reference in references_of(definition):
        found.update(_secret(reference, around, secret_reader))
    return found


def _secret(reference: str, around: Mapping[str, str], reader: SecretReader | None) -> dict[str, str]:
    kind, _, name = reference.partition(":")
    if kind == "env":
        if name not in around:
            raise InputError(f"the environment variable {name} is not set; the definition refers to it")
        return {name: around[name]}
    if kind == "secret":
        if reader is None:
            raise InputError(f"{reference} names a stored secret, and no store was given to the deployer")
        return {secret_variable(reference): reader(reference)}
    return {}


def folder_name(integration_id: str) -> str:
    """A folder name of its own for any id, however strange."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", integration_id):
        return integration_id
    plain = re.sub(r"[^A-Za-z0-9]+", "-", integration_id).strip("-")[:40] or "integration"
    return f"{plain}-{sha256(integration_id.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
