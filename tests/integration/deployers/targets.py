"""What the suite of all deployers needs to know of a target: how it is set up, and how it is looked into.

A target is added by a class here and a row in `TARGETS`.
"""

from __future__ import annotations

import os
import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import psutil
import psycopg
import pytest

from vitesse_graph.database import database_url
from vitesse_graph.deployers import Deployer, DeployerFactory
from vitesse_graph.deployers.base import folder_name
from vitesse_graph.deployers.names import role_name
from vitesse_graph.settings import Settings
from vitesse_graph.state.deployment import Deployment


def engine_or_skip() -> Any:
    """A client of the Docker Engine; without one the test is skipped, or fails where one is required."""
    try:
        import docker

        return docker.from_env()
    except Exception as error:  # noqa: BLE001 - whatever is missing, it is said
        if os.environ.get("VITESSE_REQUIRE_DOCKER") == "1":
            pytest.fail(f"VITESSE_REQUIRE_DOCKER is set and no Docker Engine answers: {error}")
        pytest.skip("no Docker Engine answers on this machine")


def base_image(client: Any) -> str:
    """What test images are built on: the local base where it is, else the one that users have."""
    tags = {tag for image in client.images.list() for tag in image.tags}
    return "vitesse-base:local" if "vitesse-base:local" in tags else "python:3.12-slim"


class Target(ABC):
    """One target in this test session."""

    name: ClassVar[str]

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.changes: dict[str, Any] = {}
        """Settings that differ for this target."""

    async def open(self) -> None:  # noqa: B027 - most targets stand on nothing of ours
        """What the target stands on in this test."""

    async def close(self) -> None:  # noqa: B027 - the same
        """Takes that down."""

    def url(self, deployed: Deployment) -> str:
        """Where this test reaches what answers at the service's URL."""
        return deployed.service_url

    async def apis_host(self) -> str:
        """Where test APIs must listen so that a workload can call them."""
        return await self.deployer().sandbox_host()

    def deployer(self, **config: Any) -> Deployer:
        settings = self.settings.model_copy(update=self.changes)
        return DeployerFactory.create_deployer(self.name, {"settings": settings, **config})

    @abstractmethod
    def kill(self, deployed: Deployment) -> None:
        """Kills the running program as a crash would."""

    @abstractmethod
    def everything_visible(self, deployed: Deployment) -> str:
        """All text in which a secret would be seen by somebody who may look at the workload's making:
        files, image layers, command lines, what an engine tells of a container."""

    @abstractmethod
    async def leftovers(self, integration_id: str) -> list[str]:
        """What is still there of an integration; empty after a destroy."""


class ProcessTarget(Target):
    name = "process"

    def kill(self, deployed: Deployment) -> None:
        os.kill(deployed.detail["pid"], signal.SIGKILL)

    def everything_visible(self, deployed: Deployment) -> str:
        lines = [
            " ".join(psutil.Process(deployed.detail[pid]).cmdline()) for pid in ("pid", "supervisor_pid")
        ]
        files = [p for p in Path(deployed.detail["folder"]).parent.rglob("*") if p.is_file()]
        return "\n".join([*lines, *(path.read_text(errors="replace") for path in files)])

    async def leftovers(self, integration_id: str) -> list[str]:
        return on_this_machine(self.settings, integration_id)


class DockerTarget(Target):
    name = "docker"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.client = engine_or_skip()
        self.changes = {
            "image_base": base_image(self.client),
            "allow_private_addresses": True,
            # Of its own, as the ids are: several sessions may use one engine at a time.
            "docker_network": f"vitesse-test-{os.getpid()}",
        }

    def kill(self, deployed: Deployment) -> None:
        # Not through the engine: that would count as somebody's wish to stop it.
        os.kill(
            self.client.api.inspect_container(deployed.detail["container_id"])["State"]["Pid"], signal.SIGKILL
        )

    def everything_visible(self, deployed: Deployment) -> str:
        image = self.client.images.get(deployed.detail["image"])
        found = self.client.api.inspect_container(deployed.detail["container_id"])
        files = b"".join(self.client.containers.get(found["Id"]).get_archive("/app")[0])
        home = (
            self.settings.data_dir
            / "deployments"
            / folder_name(found["Config"]["Labels"]["io.vitesse.integration"])
        )
        below = [path.read_text(errors="replace") for path in home.rglob("*") if path.is_file()]
        return "\n".join([repr(image.history()), repr(image.attrs), repr(found), repr(files), *below])

    async def leftovers(self, integration_id: str) -> list[str]:
        here: list[Any] = [*self.client.containers.list(all=True), *self.client.images.list()]
        found = [str(one) for one in here if one.labels.get("io.vitesse.integration") == integration_id]
        found += [
            str(one)
            for one in self.client.volumes.list()
            if (one.attrs.get("Labels") or {}).get("io.vitesse.integration") == integration_id
        ]
        role = role_name(integration_id)
        async with await psycopg.AsyncConnection.connect(await database_url(self.settings)) as connection:
            roles = await connection.execute("select rolname from pg_roles where rolname = %s", (role,))
            found += [str(row[0]) for row in await roles.fetchall()]
        return found + on_this_machine(self.settings, integration_id)


def on_this_machine(settings: Settings, integration_id: str) -> list[str]:
    """Files and processes of an integration."""
    name = folder_name(integration_id)
    found = [str(path) for path in (settings.data_dir / "deployments").glob(f"*{name}*")]
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return found + [line for line in lines if f"/{name}/" in line]


TARGETS: dict[str, type[Target]] = {"process": ProcessTarget, "docker": DockerTarget}
