"""The Docker Engine as the deployer sees it: connected once, asked from threads, its errors in one line."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from vitesse_graph.deployers.images import LABEL, reason_of
from vitesse_graph.errors import DeployError
from vitesse_graph.settings import Settings

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

T = TypeVar("T")
_MEGABYTE = 1 << 20
INTEGRATION = f"{LABEL}.integration"
CONNECT_TIMEOUT_SECONDS = 120


class Engine:
    """One engine. Every call to the SDK goes through `ask`, which runs it in a thread."""

    def __init__(self, client: DockerClient, host: str) -> None:
        self.client = client
        self.host = host

    @classmethod
    async def connect(cls, settings: Settings) -> Engine:
        """The engine of DOCKER_HOST (unix, tcp with TLS, ssh), or this machine's. Raises DeployError."""
        import docker
        from docker.errors import DockerException

        host = settings.docker_host or os.environ.get("DOCKER_HOST") or ""
        environment = {**os.environ, **({"DOCKER_HOST": host} if host else {})}

        def connect() -> DockerClient:
            return docker.from_env(
                environment=environment,
                timeout=CONNECT_TIMEOUT_SECONDS,
                use_ssh_client=host.startswith("ssh://"),
            )

        try:
            return cls(await asyncio.to_thread(connect), host)
        except (DockerException, OSError, ValueError) as error:
            where = f"at {host}" if host else "on this machine"
            raise DeployError(
                f"no Docker Engine answers {where} ({reason_of(error)}); start one, or set DOCKER_HOST to one "
                "that runs"
            ) from error

    @property
    def is_remote(self) -> bool:
        """Whether containers run on another machine, where no folder of ours can be mounted."""
        return bool(self.host) and urlsplit(self.host).scheme not in ("unix", "npipe", "")

    @property
    def machine(self) -> str:
        """Where the engine's published ports are found."""
        return (urlsplit(self.host).hostname or "localhost") if self.is_remote else "localhost"

    async def ask(self, call: Callable[[DockerClient], T]) -> T:
        """`call` in a thread. Raises DeployError with the engine's own words."""
        from docker.errors import DockerException

        try:
            return await asyncio.to_thread(call, self.client)
        except DockerException as error:
            raise DeployError(f"the Docker Engine refused: {reason_of(error)}") from error
        except OSError as error:
            raise DeployError(f"the Docker Engine does not answer ({type(error).__name__})") from error

    async def containers(self, integration_id: str) -> list[Container]:
        """Every container of an integration, running or not."""
        from docker.errors import NotFound

        def find(client: DockerClient) -> list[Container]:
            found: list[Container] = client.containers.list(
                all=True, ignore_removed=True, filters={"label": INTEGRATION}
            )
            return [one for one in found if one.labels.get(INTEGRATION) == integration_id]

        try:
            return await self.ask(find)
        except NotFound:
            return []

    async def start(self, create: Callable[[], Container], folder: str, files: bytes) -> Container:
        """Creates a container, puts a tar archive of files into a volume of its at `folder`, and starts it.

        What cannot be started is taken away again.
        """

        def act(_: DockerClient) -> Container:
            container = create()
            try:
                container.put_archive(folder, files)
                container.start()
            except BaseException:
                container.remove(force=True, v=True)
                raise
            return container

        return await self.ask(act)

    async def remove(self, container: Container, *, grace_seconds: int) -> None:
        """Asks it to stop, after the grace kills it, and takes it away. Harmless when it is gone."""
        from docker.errors import APIError, NotFound

        def act(client: DockerClient) -> None:
            try:
                container.stop(timeout=grace_seconds)
                container.remove(force=True, v=True)
            except NotFound:
                return
            except APIError as error:
                if error.status_code != 409:  # somebody else is removing it at this moment
                    raise

        await self.ask(act)

    async def ensure_network(self, name: str) -> None:
        """The network of all integrations (and of a Traefik that runs as a container)."""

        def act(client: DockerClient) -> None:
            if client.networks.list(names=[name], filters={"driver": "bridge"}):
                found = client.networks.list(names=[name])
                if any(one.name == name for one in found):
                    return
            # The labels let docker-compose.yml take the network for its own, whoever came first.
            labels = {
                f"{LABEL}.network": "true",
                "com.docker.compose.project": "vitesse",
                "com.docker.compose.network": "vitesse",
            }
            client.networks.create(name, driver="bridge", check_duplicate=True, labels=labels)

        await self.ask(act)

    async def network_gateway(self, name: str) -> str | None:
        """This machine's address on the network: what a container can call."""

        def act(client: DockerClient) -> str | None:
            for network in client.networks.list(names=[name]):
                if network.name == name:
                    network.reload()
                    for entry in (network.attrs.get("IPAM") or {}).get("Config") or []:
                        if entry.get("Gateway"):
                            return str(entry["Gateway"])
            return None

        return await self.ask(act)

    async def drop_network(self, name: str) -> None:
        """Removes the network if we made it and nobody is on it."""
        from docker.errors import APIError

        def act(client: DockerClient) -> None:
            for network in client.networks.list(names=[name], filters={"label": f"{LABEL}.network"}):
                network.reload()
                if network.name == name and not network.attrs.get("Containers"):
                    try:
                        network.remove()
                    except APIError as error:
                        if error.status_code not in (403, 404, 409):  # in use again, or gone
                            raise

        await self.ask(act)

    async def drop_images(self, integration_id: str, *, keep: set[str]) -> None:
        """Removes an integration's images but those with an id in `keep`. One in use stays."""
        from docker.errors import APIError

        def act(client: DockerClient) -> None:
            for image in client.images.list(filters={"label": INTEGRATION}):
                if image.labels.get(INTEGRATION) != integration_id or image.id in keep:
                    continue
                for tag in image.tags or [image.id]:
                    try:
                        client.images.remove(tag)
                    except APIError as error:
                        if error.status_code not in (404, 409):
                            raise

        await self.ask(act)

    async def traefik_url(self) -> str | None:
        """Where a Traefik that runs as a container answers, or None."""

        def act(client: DockerClient) -> int | None:
            for one in client.containers.list(ignore_removed=True):
                if _is_traefik(one.attrs.get("Config") or {}):
                    for bound in ((one.attrs.get("NetworkSettings") or {}).get("Ports") or {}).get(
                        "80/tcp"
                    ) or []:
                        return int(bound["HostPort"])
            return None

        port = await self.ask(act)
        if port is None:
            return None
        return f"http://{self.machine}" + ("" if port == 80 else f":{port}")


def _is_traefik(config: dict[str, Any]) -> bool:
    if (config.get("Labels") or {}).get(f"{LABEL}.router") == "traefik":
        return True
    name = str(config.get("Image", "")).split("@")[0].rpartition("/")[2].split(":")[0]
    return name == "traefik"


def limits(memory_mb: int, cpu_cores: float) -> dict[str, Any]:
    """What keeps one container from harming the others, as the engine takes it."""
    return {
        "mem_limit": memory_mb * _MEGABYTE,
        "memswap_limit": memory_mb * _MEGABYTE,
        "nano_cpus": int(cpu_cores * 1_000_000_000),
        "pids_limit": 256,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "read_only": True,
        "tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=64m,mode=1777"},
        "restart_policy": {"Name": "unless-stopped"},
        "log_config": {"Type": "json-file", "Config": {"max-size": "5m", "max-file": "3"}},
    }
