"""An integration's containers, as they are found on an engine."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vitesse_graph.deployers import images
from vitesse_graph.deployers.engine import INTEGRATION, Engine
from vitesse_graph.deployers.images import LABEL, PORT
from vitesse_graph.deployers.names import container_name, host_name, route_path
from vitesse_graph.deployers.traefik import checked_domain
from vitesse_graph.errors import DeployError
from vitesse_graph.settings import Settings
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.deployment import Deployment, DeploymentConfig

if TYPE_CHECKING:
    from docker.models.containers import Container


async def current(engine: Engine, integration_id: str) -> Container | None:
    """The container that serves: the one with the name, else (a deployer died between two renames)
    the one that served before."""
    found = await engine.containers(integration_id)
    name = container_name(integration_id)
    for wanted in (name, f"{name}.old-"):
        for one in found:
            if one.name == name or (wanted != name and str(one.name).startswith(wanted)):
                return one
    return None


def is_same(
    found: Container, definition: IntegrationDefinition, wishes: DeploymentConfig, revision: str
) -> bool:
    """Whether a container was made from this very definition, with these limits and these secrets."""
    labels: dict[str, str] = found.labels
    kept = tuple(labels.get(f"{LABEL}.{name}") for name in ("digest", "limits", "secrets"))
    return kept == (definition.digest(), limits_text(wishes), revision)


async def definition_in(engine: Engine, container: Container) -> IntegrationDefinition | None:
    """The definition that a container was made from, out of its own file system."""

    def read(_: object) -> bytes:
        parts, _stat = container.get_archive("/app/definition.json")
        return b"".join(parts)

    try:
        with tarfile.open(fileobj=io.BytesIO(await engine.ask(read))) as archive:
            file = archive.extractfile("definition.json")
            return IntegrationDefinition.model_validate_json(file.read()) if file is not None else None
    except (DeployError, tarfile.TarError, KeyError, ValueError):
        return None


def deployment_of(
    settings: Settings,
    engine: Engine,
    integration_id: str,
    found: Container,
    router: str | None,
    seconds: float,
) -> Deployment:
    state, labels = found.attrs["State"], found.labels
    published = ((found.attrs.get("NetworkSettings") or {}).get("Ports") or {}).get(f"{PORT}/tcp")
    url = ""
    if published:
        url = f"http://127.0.0.1:{published[0]['HostPort']}"
    elif router is not None:
        url = routes(settings, engine, integration_id, router)[0]
    health = (state.get("Health") or {}).get("Status")
    runs = state["Status"] == "running" and health != "unhealthy"
    return Deployment(
        target="local",
        workload_id=container_name(integration_id),
        service_url=url,
        version=int(labels.get(f"{LABEL}.version", 1)),
        definition_digest=labels.get(f"{LABEL}.digest", ""),
        status="running" if runs else "stopped" if state["Status"] in ("exited", "created") else "failed",
        duration_seconds=round(seconds, 3),
        environments={side: labels.get(f"{LABEL}.{side}", "live") for side in ("source", "dest")},
        detail={
            "container_id": found.id,
            "image": found.attrs["Config"]["Image"],
            "network": settings.docker_network,
            "health": health,
            "restarts": found.attrs["RestartCount"],
            "engine": engine.host or "this machine",
            "routes": [url] if published else routes(settings, engine, integration_id, router),
        },
    )


def routes(settings: Settings, engine: Engine, integration_id: str, router: str | None) -> list[str]:
    """Where it answers through the router, by path and by host name; the first is its service URL."""
    if router is None:
        where = f" on {engine.machine}" if engine.is_remote else ""
        return [f"http://127.0.0.1:PORT{where}"]
    base = router.rstrip("/")
    scheme, _, authority = base.partition("://")
    port = authority.partition(":")[2]
    host = host_name(integration_id, checked_domain(settings.domain))
    return [base + route_path(integration_id), f"{scheme}://{host}" + (f":{port}" if port else "")]


def secrets_volume(integration_id: str) -> Any:
    """A volume of the container's own, which the engine keeps as long as the container and removes with
    it: so the secrets are there when it restarts it by itself, on this machine or another."""
    from docker.types import Mount

    return Mount(images.SECRETS_AT, None, type="volume", labels={INTEGRATION: integration_id})


def secret_files(secret: Mapping[str, str]) -> bytes:
    """A tar archive with one file for each variable, readable by the runtime's user alone."""
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, value in secret.items():
            body = value.encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.uid, entry.gid = len(body), 0o400, images.USER, images.USER
            archive.addfile(entry, io.BytesIO(body))
    return into.getvalue()


def limits_text(wishes: DeploymentConfig) -> str:
    """The limits as they are kept on a container."""
    return f"{wishes.memory_mb} MB, {wishes.cpu_cores:g} cores"


async def answers(engine: Engine, container: Container) -> bool:
    """Whether it is ready, asked from inside: that works on any engine, wherever it runs."""
    try:
        ended = await engine.ask(lambda _: container.exec_run(list(images.HEALTH_COMMAND)))
    except DeployError:  # it ended in this very moment: the next look at its state says so
        return False
    return bool(ended.exit_code == 0)


async def logs_of(engine: Engine, container: Container, lines: int) -> str:
    """The last lines of a container's output."""
    text: bytes = await engine.ask(lambda _: container.logs(tail=lines))
    return text.decode("utf-8", "replace").rstrip("\n")


async def image_ids(engine: Engine, integration_id: str) -> set[str]:
    """Images that an integration's containers are made of."""
    return {str(one.attrs["Image"]) for one in await engine.containers(integration_id)}
