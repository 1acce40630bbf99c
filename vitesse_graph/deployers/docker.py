"""Target `local` (also `docker`): the runtime in a container, reached through Traefik where one runs.

The container that serves bears the integration's name. An update starts the new version beside it, under
a name of its own; only when that one is ready do the names change, and the old one finishes what is in
flight and leaves. A version that does not become ready is taken away, and the old one never stopped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitesse_graph.deployers import images
from vitesse_graph.deployers.base import (
    Deployer,
    SecretReader,
    changes_between,
    container_environment,
    folder_name,
    redacted,
    references_of,
    told_apart,
)
from vitesse_graph.deployers.containers import (
    answers,
    current,
    definition_in,
    deployment_of,
    image_ids,
    is_same,
    limits_text,
    logs_of,
    routes,
    secret_files,
    secrets_volume,
)
from vitesse_graph.deployers.engine import INTEGRATION, Engine, limits
from vitesse_graph.deployers.images import LABEL, PORT
from vitesse_graph.deployers.locking import lock_path, one_at_a_time
from vitesse_graph.deployers.names import container_name
from vitesse_graph.deployers.supervisor import free_port, remove_all_below
from vitesse_graph.deployers.traefik import routing_labels
from vitesse_graph.deployers.workload_database import (
    MOUNTED_AT,
    WorkloadDatabase,
    close_database,
    needs_door,
    open_database,
    secrets_revision,
)
from vitesse_graph.errors import DeployError, InputError, NotFoundError
from vitesse_graph.settings import Settings
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.deployment import Deployment, DeploymentConfig, DeploymentPlan

if TYPE_CHECKING:
    from docker.models.containers import Container

_HEALTHY_WITHIN_SECONDS = 90.0
_DRAIN_SECONDS = 45
_POLL_SECONDS = 0.15
_TAIL = 40


class DockerDeployer(Deployer):
    """Runs the integration's image on a Docker Engine, this machine's or another's."""

    target = "local"

    def __init__(
        self,
        settings: Settings,
        *,
        secret_reader: SecretReader | None = None,
        healthy_within_seconds: float = _HEALTHY_WITHIN_SECONDS,
    ) -> None:
        super().__init__(settings, secret_reader=secret_reader)
        self._root = settings.data_dir.expanduser().resolve() / "deployments"
        self._healthy_within_seconds = healthy_within_seconds
        self._connected: Engine | None = None

    # -- the interface -----------------------------------------------------------------------------

    async def plan(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> DeploymentPlan:
        engine, wishes = await self._engine(), config or DeploymentConfig()
        integration_id = definition.integration_id
        environment = self._environment(definition, "")
        revision = self._revision(environment, definition)
        self._files(definition, engine)
        context = await asyncio.to_thread(images.build_context, definition, base=self.settings.image_base)
        # Without its digest: approval and the sandboxes' addresses still go into the definition.
        image = images.image_reference(definition, context).rpartition("-")[0]
        router = await self._router(engine)
        before = await current(engine, integration_id)
        actions = [f"build the image {image} on {self.settings.image_base}, where it is not built yet"]
        if before is None:
            actions += [f"start the container {container_name(integration_id)}", "wait until it is ready"]
        elif is_same(before, definition, wishes, revision) and before.status == "running":
            actions = ["nothing: this very definition runs already"]
        else:
            actions += [
                f"start version {definition.version} beside version {before.labels.get(f'{LABEL}.version')}",
                "wait until it is ready",
                "let the old version finish what is in flight, then remove it",
            ]
        running = await definition_in(engine, before) if before is not None else None
        return DeploymentPlan(
            target=self.target,
            actions=actions,
            environment=sorted(environment),
            resources={
                "image": image,
                "container": container_name(integration_id),
                "network": self.settings.docker_network,
                "memory_mb": wishes.memory_mb,
                "cpu_cores": wishes.cpu_cores,
                "database": "a socket folder" if needs_door(self.settings) else "DATABASE_URL",
            },
            routes=routes(self.settings, engine, integration_id, router),
            changes=changes_between(running, definition) if running is not None else [],
            warnings=self._warnings(definition, config, engine, router),
        )

    async def deploy(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> Deployment:
        engine = await self._engine()
        async with self._lock(definition.integration_id):
            return await self._bring_up(engine, definition, config or DeploymentConfig())

    async def update(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> Deployment:
        if await current(await self._engine(), definition.integration_id) is None:
            raise NotFoundError(
                f"{definition.integration_id} is not deployed as a container; deploy it first"
            )
        return await self.deploy(definition, config)

    async def destroy(self, integration_id: str) -> Deployment:
        started, engine = time.monotonic(), await self._engine()
        async with self._lock(integration_id):
            found = await engine.containers(integration_id)
            await asyncio.gather(*(engine.remove(one, grace_seconds=_DRAIN_SECONDS) for one in found))
            await engine.drop_images(integration_id, keep=set())
            await engine.drop_network(self.settings.docker_network)
            await close_database(self.settings, integration_id)
            # Everything below the folder goes: the door to the database, sandboxes beside the runtime.
            await remove_all_below(self._home(integration_id))
        lock_path(self._root, integration_id).unlink(missing_ok=True)
        return Deployment(
            target=self.target,
            workload_id=container_name(integration_id),
            service_url="",
            status="stopped",
            duration_seconds=round(time.monotonic() - started, 3),
        )

    async def get_status(self, integration_id: str) -> Deployment:
        engine = await self._engine()
        found = await current(engine, integration_id)
        if found is None:
            raise NotFoundError(f"{integration_id} is not deployed as a container")
        return deployment_of(self.settings, engine, integration_id, found, await self._router(engine), 0.0)

    async def get_logs(self, integration_id: str, lines: int = 100) -> str:
        engine = await self._engine()
        found = await current(engine, integration_id)
        if found is None:
            raise NotFoundError(f"{integration_id} is not deployed as a container")
        return await logs_of(engine, found, lines)

    async def sandbox_host(self) -> str:
        engine = await self._engine()
        if engine.is_remote:
            raise InputError(
                "a sandbox beside this command cannot be reached from another machine's containers: give the "
                "credentials of both APIs, or use an engine on this machine"
            )
        await engine.ensure_network(self.settings.docker_network)
        return await engine.network_gateway(self.settings.docker_network) or "127.0.0.1"

    # -- how it is done ----------------------------------------------------------------------------

    async def _bring_up(
        self, engine: Engine, definition: IntegrationDefinition, wishes: DeploymentConfig
    ) -> Deployment:
        started, integration_id = time.monotonic(), definition.integration_id
        router = await self._router(engine)
        before = await current(engine, integration_id)
        revision = self._revision(self._environment(definition, ""), definition)
        runs_already = (
            before is not None
            and is_same(before, definition, wishes, revision)
            and before.status == "running"
        )
        database = await open_database(
            self.settings,
            integration_id,
            self._home(integration_id),
            can_mount=not engine.is_remote,
            has_role=runs_already,
        )
        if before is not None and runs_already:
            await self._sweep(engine, integration_id, keep=before)
            return deployment_of(
                self.settings, engine, integration_id, before, router, time.monotonic() - started
            )
        context = await asyncio.to_thread(images.build_context, definition, base=self.settings.image_base)
        reference = images.image_reference(definition, context)
        await images.build_image(engine.client, context, reference, on_progress=self.on_progress)
        await engine.ensure_network(self.settings.docker_network)
        self._say(f"starting version {definition.version}")
        environment = self._environment(definition, database.url)
        container = await self._start(engine, definition, wishes, reference, environment, database, router)
        try:
            await self._until_ready(engine, container, definition, router)
        except BaseException as error:
            tail = redacted(await logs_of(engine, container, _TAIL), environment, definition)
            await engine.remove(container, grace_seconds=2)
            await engine.drop_images(integration_id, keep=await image_ids(engine, integration_id))
            if isinstance(error, DeployError):
                went_on = "; the version before goes on" if before is not None else ""
                raise DeployError(
                    f"the container of {integration_id} {error}{went_on}", log_tail=tail
                ) from error
            raise
        await self._take_over(engine, integration_id, container, before)
        await self._sweep(engine, integration_id, keep=container)
        return deployment_of(
            self.settings, engine, integration_id, container, router, time.monotonic() - started
        )

    async def _start(
        self,
        engine: Engine,
        definition: IntegrationDefinition,
        wishes: DeploymentConfig,
        reference: str,
        environment: Mapping[str, str],
        database: WorkloadDatabase,
        router: str | None,
    ) -> Container:
        integration_id = definition.integration_id
        mounts = {str(path): {"bind": str(path), "mode": "ro"} for path in self._files(definition, engine)}
        if database.socket_folder is not None:
            mounts[str(database.socket_folder)] = {"bind": MOUNTED_AT, "mode": "ro"}
        plain, secret = told_apart(environment, definition)
        ports: dict[str, Any] = {}
        if router is None:
            # A number of our own choice stays the same when the engine restarts the container.
            ports = {f"{PORT}/tcp": ("127.0.0.1", None if engine.is_remote else free_port())}
        labels = {
            INTEGRATION: integration_id,
            f"{LABEL}.version": str(definition.version),
            f"{LABEL}.digest": definition.digest(),
            f"{LABEL}.limits": limits_text(wishes),
            f"{LABEL}.secrets": self._revision(environment, definition),
            f"{LABEL}.source": definition.source.environment,
            f"{LABEL}.dest": definition.dest.environment,
            **routing_labels(
                integration_id, network=self.settings.docker_network, domain=self.settings.domain
            ),
        }
        create = partial(
            engine.client.containers.create,
            reference,
            ["--secrets", images.SECRETS_AT],
            name=f"{container_name(integration_id)}.{time.time_ns():x}",
            hostname=container_name(integration_id),
            environment=plain,
            labels=labels,
            network=self.settings.docker_network,
            extra_hosts={} if engine.is_remote else {"host.docker.internal": "host-gateway"},
            volumes=mounts,
            mounts=[secrets_volume(integration_id)],
            ports=ports,
            # Traefik sends nothing to a container before its first check has passed.
            healthcheck={
                "test": ["CMD", *images.HEALTH_COMMAND],
                "interval": 2_000_000_000,
                "timeout": 5_000_000_000,
                "start_period": 30_000_000_000,
                "retries": 3,
            },
            **limits(wishes.memory_mb, wishes.cpu_cores),
        )
        return await engine.start(create, images.SECRETS_AT, secret_files(secret))

    async def _until_ready(
        self, engine: Engine, container: Container, definition: IntegrationDefinition, router: str | None
    ) -> None:
        """Returns when it answers as ready, through the router where there is one. Raises DeployError."""
        deadline = time.monotonic() + self._healthy_within_seconds
        is_ready = False
        while time.monotonic() < deadline:
            await engine.ask(lambda _: container.reload())
            state = container.attrs["State"]
            if container.attrs["RestartCount"] or state["Status"] in ("exited", "dead", "removing"):
                raise DeployError(f"ended with code {state['ExitCode']} before it became healthy")
            if state["Status"] == "running":
                is_ready = is_ready or await answers(engine, container)
                if is_ready and (router is None or await self._is_routed(engine, definition, router)):
                    return
            await asyncio.sleep(_POLL_SECONDS)
        what = f"is ready, but {router} does not route to it" if is_ready else "did not become healthy"
        raise DeployError(f"{what} within {self._healthy_within_seconds:.0f} s")

    async def _is_routed(self, engine: Engine, definition: IntegrationDefinition, router: str) -> bool:
        import aiohttp

        url = routes(self.settings, engine, definition.integration_id, router)[0] + "/status"
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session,
                session.get(url) as answer,
            ):
                status = await answer.json(content_type=None) if answer.status == 200 else {}
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return False
        return isinstance(status, dict) and status.get("definition_digest") == definition.digest()

    async def _take_over(
        self, engine: Engine, integration_id: str, container: Container, before: Container | None
    ) -> None:
        name = container_name(integration_id)
        if before is not None and before.name == name:
            await engine.ask(lambda _: before.rename(f"{name}.old-{before.short_id}"))
        await engine.ask(lambda _: container.rename(name))
        await engine.ask(lambda _: container.reload())

    async def _sweep(self, engine: Engine, integration_id: str, *, keep: Container) -> None:
        """Other versions finish what is in flight and go, with their images."""
        others = [one for one in await engine.containers(integration_id) if one.id != keep.id]
        await asyncio.gather(*(engine.remove(one, grace_seconds=_DRAIN_SECONDS) for one in others))
        await engine.drop_images(integration_id, keep={keep.attrs["Image"]})

    # -- what is there -----------------------------------------------------------------------------

    async def _engine(self) -> Engine:
        if self._connected is None:
            self._connected = await Engine.connect(self.settings)
        return self._connected

    async def _router(self, engine: Engine) -> str | None:
        return self.settings.traefik_url or await engine.traefik_url()

    def _environment(self, definition: IntegrationDefinition, database_url: str) -> dict[str, str]:
        return container_environment(
            definition, self.settings, database_url=database_url, secret_reader=self.secret_reader
        )

    def _revision(self, environment: Mapping[str, str], definition: IntegrationDefinition) -> str:
        secret = told_apart(environment, definition)[1]
        return secrets_revision(self.settings, definition.integration_id, secret)

    @staticmethod
    def _files(definition: IntegrationDefinition, engine: Engine) -> list[Path]:
        """Secret files (`file:PATH`) that are mounted. Raises InputError for one that cannot be."""
        paths = [
            Path(ref.removeprefix("file:")) for ref in references_of(definition) if ref.startswith("file:")
        ]
        for path in paths:
            if engine.is_remote:
                raise InputError(f"file:{path} is on this machine and the engine is not; use env:NAME")
            if not path.is_absolute() or not path.is_file():
                raise InputError(f"file:{path} must be an absolute path of a file that is there")
        return paths

    def _warnings(
        self,
        definition: IntegrationDefinition,
        config: DeploymentConfig | None,
        engine: Engine,
        router: str | None,
    ) -> list[str]:
        found = []
        if config is not None and ((config.replicas or 1) > 1 or config.auto_scale):
            found.append("the local target runs one container; replicas and auto_scale need another target")
        if router is None:
            found.append("no Traefik was found: the container's port is published on loopback instead")
        for side in (definition.source, definition.dest):
            host = side.base_url.partition("://")[2].partition("/")[0].partition(":")[0]
            if host in ("localhost", "127.0.0.1"):
                found.append(
                    f"{side.api_name} is at {host}, which in a container is the container itself; this machine "
                    "is host.docker.internal there"
                )
        if engine.is_remote and needs_door(self.settings):
            found.append("the engine is on another machine: set DATABASE_URL to a server that it can reach")
        for path in self._files(definition, engine):
            found.append(f"{path} must be readable by the user {images.USER}")
        return found

    def _home(self, integration_id: str) -> Path:
        return self._root / folder_name(integration_id)

    def _say(self, line: str) -> None:
        if self.on_progress is not None:
            self.on_progress(line)

    def _lock(self, integration_id: str) -> AbstractAsyncContextManager[None]:
        patience = self._healthy_within_seconds + _DRAIN_SECONDS
        return one_at_a_time(self._root, integration_id, patience_seconds=patience)
