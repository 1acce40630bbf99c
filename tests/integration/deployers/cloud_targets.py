"""The cloud targets for the suite of all deployers: real clients, an API over HTTP, and workloads that really run."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import kmock
import psycopg
import pytest

from tests.integration.deployers.api_server import ApiServer
from tests.integration.deployers.node import DatabaseDoor, Node
from tests.integration.deployers.targets import Target, on_this_machine
from vitesse_graph.database import database_url
from vitesse_graph.deployers import Deployer, DeployerFactory
from vitesse_graph.deployers.names import ecs_family, role_name, target_group_name
from vitesse_graph.deployers.workload import object_name, selector
from vitesse_graph.settings import Settings
from vitesse_graph.state.deployment import Deployment


class CloudTarget(Target):
    """A node that runs containers' programs, and the session's Postgres as a server that has a name."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.patch = pytest.MonkeyPatch()
        self.stack = AsyncExitStack()

    async def open(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="vitesse-test-node-"))
        self.stack.callback(shutil.rmtree, folder, ignore_errors=True)
        self.node = Node(folder)
        parts = psycopg.conninfo.conninfo_to_dict(await database_url(self.settings))
        door = DatabaseDoor(f"{parts['host']}/.s.PGSQL.{parts.get('port') or 5432}")
        port = await door.open()
        self.stack.push_async_callback(door.close)
        self.stack.push_async_callback(self.node.close)
        self.stack.callback(self.patch.undo)
        about = f"user={parts['user']} dbname={parts['dbname']} port={port}"
        self.changes = {
            # Found by its address, so that no name is looked up.
            "database_url": f"host=postgres.example hostaddr=127.0.0.1 {about}",
            "image": "registry.example/vitesse/runtime:1",
            "allow_private_addresses": True,
            "rollout_timeout_seconds": 60.0,
        }

    async def close(self) -> None:
        await self.stack.aclose()

    async def apis_host(self) -> str:
        return "127.0.0.1"

    def deployer(self, **config: Any) -> Deployer:
        values = {**self.settings.model_dump(), **self.changes}
        settings = Settings(**values, _env_file=None)
        return DeployerFactory.create_deployer(
            self.name, {"settings": settings, "poll_seconds": 0.1, **config}
        )

    async def leftovers(self, integration_id: str) -> list[str]:
        role = role_name(integration_id)
        async with await psycopg.AsyncConnection.connect(await database_url(self.settings)) as connection:
            roles = await connection.execute("select rolname from pg_roles where rolname = %s", (role,))
            found = [str(row[0]) for row in await roles.fetchall()]
        return found + on_this_machine(self.settings, integration_id)


class KubernetesTarget(CloudTarget):
    name = "cloud_eks"

    async def open(self) -> None:
        await super().open()
        self.server = ApiServer()
        self.server.node = self.node
        handler = await self.stack.enter_async_context(kmock.KubernetesScaffold())
        http = await self.stack.enter_async_context(kmock.Server(handler))
        self.server.serve(handler)
        file = Path(self.node._root) / "kubeconfig"
        file.write_text(
            json.dumps(
                {
                    "current-context": "x",
                    "clusters": [{"name": "c", "cluster": {"server": str(http.url).rstrip("/")}}],
                    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                    "users": [{"name": "u", "user": {"token": "t0ken"}}],
                }
            )
        )
        self.patch.setenv("KUBECONFIG", str(file))

    def _pods(self, deployed: Deployment) -> list[str]:
        """The pods that the Service leads to."""
        name = deployed.workload_id.partition("/")[2]
        (service,) = (s for s in self.server.of("services") if s["metadata"]["name"] == name)
        wanted = service["spec"]["selector"].items()
        return [
            pod["metadata"]["name"]
            for pod in self.server.of("pods")
            if pod["ready"] and wanted <= pod["metadata"]["labels"].items()
        ]

    def url(self, deployed: Deployment) -> str:
        running = self.node.find(self._pods(deployed)[0])
        assert running is not None
        return running.url

    def kill(self, deployed: Deployment) -> None:
        self.node.kill(self._pods(deployed)[0])

    def everything_visible(self, deployed: Deployment) -> str:
        return json.dumps([o for (kind, *_), o in self.server.objects.items() if kind != "secrets"])

    async def leftovers(self, integration_id: str) -> list[str]:
        labels = selector(integration_id).items()
        found = [
            f"{kind} {name}"
            for (kind, _, name), item in self.server.objects.items()
            if labels <= (item["metadata"].get("labels") or {}).items() or object_name(integration_id) == name
        ]
        return found + await super().leftovers(integration_id)


class EcsTarget(CloudTarget):
    name = "cloud_ecs"

    async def open(self) -> None:
        # Its import takes seconds, which the other targets' tests need not wait for.
        from tests.integration.deployers.aws_account import REGION, open_account, watch_services
        from tests.integration.deployers.fargate_tasks import TaskScheduler, watch_logs

        await super().open()
        self.account = open_account(self.patch)
        self.scheduler = TaskScheduler(self.account, self.node)
        watch_services(self.scheduler, self.patch)
        watch_logs(self.scheduler, self.patch)
        self.changes |= {
            "aws_region": REGION,
            "ecs_cluster": "main",
            "ecs_subnets": ",".join(self.account.subnets),
            "ecs_security_groups": self.account.group,
            "ecs_execution_role_arn": self.account.role,
            "ecs_listener_arn": self.account.listener,
        }

    def _task(self, deployed: Deployment) -> str:
        return self.scheduler.task_name(self.scheduler.running[deployed.workload_id.rpartition("/")[2]])

    def url(self, deployed: Deployment) -> str:
        running = self.node.find(self._task(deployed))
        assert running is not None
        return running.url

    def kill(self, deployed: Deployment) -> None:
        self.node.kill(self._task(deployed))

    def everything_visible(self, deployed: Deployment) -> str:
        ecs, there = self.account.client("ecs"), self.account.everything()
        found = [
            ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
            for arn in there["task definitions"]
        ]
        return json.dumps([there, found], default=str)

    async def leftovers(self, integration_id: str) -> list[str]:
        there = [name for names in self.account.everything().values() for name in names]
        names = (ecs_family(integration_id), target_group_name(integration_id))
        found = [one for one in there if any(name in one for name in names)]
        return found + await super().leftovers(integration_id)


CLOUD_TARGETS: dict[str, type[Target]] = {"cloud_eks": KubernetesTarget, "cloud_ecs": EcsTarget}
