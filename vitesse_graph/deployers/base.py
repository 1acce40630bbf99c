"""The one interface of all deploy targets."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import ClassVar
from urllib.parse import urlsplit

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
        self.on_progress: Callable[[str], None] | None = None
        """Told what goes on (a build's lines, a rollout's state); called in the event loop."""

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

    async def sandbox_host(self) -> str:
        """An address of this machine that workloads of this target can call, for sandboxes beside them.
        Raises InputError where there is none."""
        return "127.0.0.1"


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
    found = {name: around[name] for name in _NEEDED if name in around}
    found["VITESSE_DATA_DIR"] = str(settings.data_dir.expanduser().resolve())
    conninfo = settings.conninfo()
    if conninfo is not None:
        found["DATABASE_URL"] = conninfo
    found["VITESSE_LOG_JSON"] = str(settings.log_json).lower()
    found.update(_own_environment(definition, settings, secret_reader, around))
    return found


def container_environment(
    definition: IntegrationDefinition,
    settings: Settings,
    *,
    database_url: str,
    secret_reader: SecretReader | None = None,
    environ: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The whole environment of a runtime in an image: nothing of this machine's own.

    Raises InputError when a variable that the definition refers to is not set.
    """
    around = os.environ if environ is None else environ
    found = _own_environment(definition, settings, secret_reader, around)
    sandboxes = [
        side.base_url for side in (definition.source, definition.dest) if side.environment == "sandbox"
    ]
    hosts = [settings.allowed_hosts, *(urlsplit(url).netloc for url in sandboxes)]
    return {
        **found,
        "VITESSE_ALLOWED_HOSTS": ",".join(dict.fromkeys(host for host in hosts if host)),
        "DATABASE_URL": database_url,
    }


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SECRET_NAMES = re.compile(r"(HEADERS|TOKEN|PASSWORD|SECRET|_KEY)$")


def told_apart(
    environment: Mapping[str, str], definition: IntegrationDefinition
) -> tuple[dict[str, str], dict[str, str]]:
    """The plain and the secret part of a workload's environment. Raises InputError for a name that no
    file, manifest or task definition takes."""
    for name in environment:
        if not _VARIABLE.fullmatch(name):
            raise InputError(f"the variable {name!r} has a name that no container takes; rename it")
    secret = {
        name: value
        for name, value in environment.items()
        if name in secret_names(definition) or _SECRET_NAMES.search(name)
    }
    return {name: value for name, value in environment.items() if name not in secret}, secret


def secret_names(definition: IntegrationDefinition) -> set[str]:
    """Names of the variables in a workload's environment whose values are secrets."""
    found = {"DATABASE_URL"}
    for reference in references_of(definition):
        kind, _, name = reference.partition(":")
        if kind in ("env", "secret"):
            found.add(name if kind == "env" else secret_variable(reference))
    return found


def _own_environment(
    definition: IntegrationDefinition,
    settings: Settings,
    secret_reader: SecretReader | None,
    around: Mapping[str, str],
) -> dict[str, str]:
    names = sorted(name for name in around if name.startswith(("OTEL_", "VITESSE_RUNTIME_")))
    found = {name: around[name] for name in names}
    found["VITESSE_ALLOW_PRIVATE_ADDRESSES"] = str(settings.allow_private_addresses).lower()
    found["VITESSE_ALLOW_LOOPBACK"] = str(settings.allow_loopback).lower()
    found["VITESSE_ALLOWED_HOSTS"] = settings.allowed_hosts
    found["VITESSE_HTTP2"] = str(settings.http2).lower()
    found["VITESSE_DATABASE_PATIENCE_SECONDS"] = str(settings.database_patience_seconds)
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


def redacted(text: str, environment: Mapping[str, str], definition: IntegrationDefinition) -> str:
    """A log without secret values."""
    for name in secret_names(definition) - {"DATABASE_URL"}:
        value = environment.get(name, "")
        if len(value) >= 4:
            text = text.replace(value, "***")
    return text


def changes_between(before: IntegrationDefinition, after: IntegrationDefinition) -> list[str]:
    """What differs from what runs now, in words."""
    found = []
    for name in ("version", "schedule", "batch_size", "concurrency"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            found.append(f"{name}: {old} → {new}")
    for side in ("source", "dest"):
        old, new = getattr(before, side), getattr(after, side)
        if old != new:
            names = [key for key, value in new.dump().items() if old.dump().get(key) != value]
            found.append(f"{side}: {', '.join(names)}")
    rows_before = {row.dest_field: row for row in before.mapping.transformations}
    rows_after = {row.dest_field: row for row in after.mapping.transformations}
    for field in dict.fromkeys((*rows_before, *rows_after)):
        old_row, new_row = rows_before.get(field), rows_after.get(field)
        if old_row != new_row:
            how = "added" if old_row is None else "removed" if new_row is None else "changed"
            found.append(f"mapping of {field}: {how}")
    return found
