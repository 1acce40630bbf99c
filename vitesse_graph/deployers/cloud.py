"""What the cloud targets share: the environment of a workload away from this machine, pure of any client.

A value is either plain (it may be read in a manifest or a task definition) or secret (it travels in a
Kubernetes Secret or AWS Secrets Manager, and only its name appears anywhere else).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vitesse_graph.deployers.base import (
    SecretReader,
    host_only_names,
    references_of,
    secret_variable,
    workload_environment,
)
from vitesse_graph.deployers.names import dns_label
from vitesse_graph.errors import InputError
from vitesse_graph.settings import Settings
from vitesse_graph.state.definition import IntegrationDefinition

DATA_DIR = "/tmp/vitesse"  # inside the container, on a volume of its own
WORKING_DIR = "/app"
CONTAINER_PORT = 8080
# One identity for every image: a numeric one, since `runAsNonRoot` cannot check a name.
RUN_AS = 10001
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SECRET_NAMES = re.compile(r"(HEADERS|TOKEN|PASSWORD|SECRET|_KEY)$")


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


def cloud_environment(
    definition: IntegrationDefinition,
    settings: Settings,
    *,
    secret_reader: SecretReader | None = None,
    environ: Mapping[str, str] | None = None,
) -> CloudEnvironment:
    """Environment of the definition's runtime away from here. Raises InputError for what is missing."""
    if settings.conninfo() is None:
        raise InputError(
            "a cloud target cannot reach the embedded Postgres of this machine: set DATABASE_URL to a server "
            "that both reach"
        )
    found = workload_environment(definition, settings, secret_reader=secret_reader, environ=environ)
    for name in host_only_names():
        found.pop(name, None)
    found |= {
        "VITESSE_DATA_DIR": DATA_DIR,
        "HOME": "/tmp",  # the only writable place
        # Loopback there is the container itself, where nothing of the integration listens.
        "VITESSE_ALLOW_LOOPBACK": "false",
        "VITESSE_LOG_JSON": "true",
    }
    for name in _reference_names(definition):
        if not _VARIABLE.fullmatch(name):
            raise InputError(f"the variable {name!r} of the definition has a name that no cloud target takes")
    secrets = {
        name: found.pop(name)
        for name in list(found)
        if name in _reference_names(definition) or name == "DATABASE_URL" or _SECRET_NAMES.search(name)
    }
    return CloudEnvironment(plain=dict(sorted(found.items())), secret=secrets, files=_files(definition))


def _reference_names(definition: IntegrationDefinition) -> set[str]:
    names = set()
    for reference in references_of(definition):
        kind, _, name = reference.partition(":")
        if kind != "file":
            names.add(name if kind == "env" else secret_variable(reference))
    return names


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
    ports = {443, _port(environment.secret.get("DATABASE_URL", ""), 5432) or 5432}
    for text in _texts([definition.dump(), environment.plain]):
        if text.startswith(("http://", "https://")):
            port = _port(text, 80 if text.startswith("http://") else 443)
            if port:
                ports.add(port)
    return sorted(ports)


def local_addresses(definition: IntegrationDefinition, settings: Settings) -> list[str]:
    """Warnings about addresses that mean this machine, and so something else over there."""
    found = []
    for side, url in (("source", definition.source.base_url), ("destination", definition.dest.base_url)):
        if _is_local(url):
            found.append(f"the {side} is at {_host(url)}, which the workload cannot reach from the cloud")
    if _is_local(settings.conninfo() or ""):
        found.append("DATABASE_URL names this machine, which the workload cannot reach from the cloud")
    return found


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
    return host == "localhost" or host.startswith("127.") or host == "::1" or (bool(url) and not host)
