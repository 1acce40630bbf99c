"""What the cloud targets share: the environment of a workload away from this machine, pure of any client.

A value is either plain (it may be read in a manifest or a task definition) or secret (it travels in a
Kubernetes Secret or AWS Secrets Manager, and only its name appears anywhere else).
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vitesse_graph.deployers.base import (
    SecretReader,
    container_environment,
    references_of,
    told_apart,
)
from vitesse_graph.deployers.images import PORT, USER
from vitesse_graph.deployers.names import dns_label
from vitesse_graph.deployers.workload_database import needs_door
from vitesse_graph.errors import InputError
from vitesse_graph.settings import Settings
from vitesse_graph.state.definition import IntegrationDefinition

WORKING_DIR = "/app"
CONTAINER_PORT = PORT
RUN_AS = USER


@dataclass(frozen=True)
class CloudEnvironment:
    """The whole environment of a workload, told apart by what may be seen."""

    plain: dict[str, str]
    secret: dict[str, str] = field(repr=False)
    files: dict[str, str] = field(default_factory=dict, repr=False)
    """Contents of the secret files (`file:PATH`) by path; secret as well."""

    def names(self) -> list[str]:
        return sorted([*self.plain, *self.secret, *self.files])

    def redact(self, text: str) -> str:
        """Text from the workload without its secrets."""
        for value in sorted({*self.secret.values(), *self.files.values()}, key=len, reverse=True):
            if len(value) >= 4:
                text = text.replace(value, "***")
        return text


def ensure_reachable(settings: Settings) -> str:
    """The configured database's address. Raises InputError where only this machine has it."""
    conninfo = settings.conninfo()
    if conninfo is None or needs_door(settings):
        raise InputError(
            "the database is on this machine only, and the workload will not be: set DATABASE_URL to a "
            "Postgres server that both can reach"
        )
    return conninfo


def cloud_environment(
    definition: IntegrationDefinition,
    settings: Settings,
    database_url: str,
    *,
    secret_reader: SecretReader | None = None,
    environ: Mapping[str, str] | None = None,
) -> CloudEnvironment:
    """Environment of the definition's runtime away from here. Raises InputError for what is missing."""
    found = container_environment(
        definition, settings, database_url=database_url, secret_reader=secret_reader, environ=environ
    )
    # Loopback there is the container itself, where nothing of the integration listens.
    found["VITESSE_ALLOW_LOOPBACK"] = "false"
    plain, secret = told_apart(found, definition)
    return CloudEnvironment(plain=dict(sorted(plain.items())), secret=secret, files=_files(definition))


def environment_names(definition: IntegrationDefinition, settings: Settings) -> CloudEnvironment:
    """The environment with its plain values, and of the secrets the names alone: for files that people keep.

    Nothing needs to be set or stored here for it. Raises InputError for a name that no target takes.
    """
    references = references_of(definition)
    here = {**os.environ, **{ref.partition(":")[2]: "" for ref in references if ref.startswith("env:")}}
    files = {ref.partition(":")[2]: "" for ref in references if ref.startswith("file:")}
    without_files = definition.model_copy(
        update={
            "source": definition.source.model_copy(update={"auth_ref": _no_file(definition.source.auth_ref)}),
            "dest": definition.dest.model_copy(update={"auth_ref": _no_file(definition.dest.auth_ref)}),
            "alert_secret_ref": _no_file(definition.alert_secret_ref),
        }
    )
    found = cloud_environment(
        without_files, settings, settings.conninfo() or "", secret_reader=lambda reference: "", environ=here
    )
    return CloudEnvironment(plain=found.plain, secret=dict.fromkeys(found.secret, ""), files=files)


def _no_file(reference: str | None) -> str | None:
    return None if reference is not None and reference.startswith("file:") else reference


def _files(definition: IntegrationDefinition) -> dict[str, str]:
    found = {}
    for reference in references_of(definition):
        kind, _, path = reference.partition(":")
        if kind != "file":
            continue
        try:
            found[path] = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise InputError(
                f"the secret file {path!r} of the definition cannot be read here "
                f"({getattr(error, 'strerror', None) or 'not text'})"
            ) from error
    return found


def path_inside(path: str) -> str:
    """Where the container finds a secret file. Raises InputError for a path that cannot be mounted."""
    inside = posixpath.normpath(posixpath.join(WORKING_DIR, path))
    if ":" in inside or not inside.isprintable():
        raise InputError(f"the secret file {path!r} has a path that cannot be mounted; rename it")
    return inside


def ownership_tags(integration_id: str, target: str) -> dict[str, str]:
    """What marks a cloud resource as made for this integration by this target; only such are deleted."""
    return {
        "vitesse:managed-by": "vitesse",
        "vitesse:integration": dns_label(integration_id, prefix=""),
        "vitesse:target": target,
    }


def called_ports(definition: IntegrationDefinition, environment: CloudEnvironment) -> list[int]:
    """TCP ports the workload calls out to: those of its APIs, its database, and HTTPS."""
    from psycopg.conninfo import conninfo_to_dict

    database = conninfo_to_dict(environment.secret.get("DATABASE_URL", ""))
    ports = {443, *(int(port or 5432) for port in str(database.get("port") or "5432").split(","))}
    for text in _texts([definition.dump(), environment.plain]):
        if text.startswith(("http://", "https://")):
            port = _port(text, 80 if text.startswith("http://") else 443)
            if port:
                ports.add(port)
    return sorted(ports)


def local_addresses(definition: IntegrationDefinition) -> list[str]:
    """Warnings about addresses that mean this machine, and so something else over there."""
    return [
        f"the {side} is at {_host(url)}, which is this machine: the workload cannot reach it from the cloud"
        for side, url in (("source", definition.source.base_url), ("destination", definition.dest.base_url))
        if _is_local(url)
    ]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _port(url: str, default: int) -> int | None:
    try:
        return urlsplit(url).port or default
    except ValueError:
        return None


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_local(url: str) -> bool:
    host = _host(url)
    return host == "localhost" or host.startswith("127.") or host == "::1"
