"""Target `cloud_ecs`: a Fargate service behind a load balancer's path, made in steps that may be done again.

Every part is found by its name or made, and carries the integration's tags; a deploy that was cut off is
gone on with, not begun anew. A task definition that does not reach steady state is replaced by the one
that was healthy last; where there was none, everything that was made goes.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from vitesse_graph.deployers.aws import open_aws
from vitesse_graph.deployers.base import changes_between
from vitesse_graph.deployers.cloud import CloudEnvironment, local_addresses
from vitesse_graph.deployers.cloud_image import ensure_image, planned_image
from vitesse_graph.deployers.cloud_target import CloudDeployer
from vitesse_graph.deployers.ecs_service import HEALTHY_TAG, SECRET_TAG, Service
from vitesse_graph.deployers.ecs_steps import Parts
from vitesse_graph.deployers.fargate import SCALES_TO, Task, unpacked
from vitesse_graph.deployers.names import route_path
from vitesse_graph.errors import DeployError, InputError, NotFoundError, VitesseError
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.deployment import Deployment, DeploymentConfig, DeploymentPlan

_LOG_LINES = 40


@dataclass(frozen=True)
class _At:
    """One integration on AWS: its parts and its service."""

    parts: Parts
    service: Service
    cluster: str


class EcsDeployer(CloudDeployer):
    """One service on one cluster in one region."""

    target = "cloud_ecs"

    # -- the interface -----------------------------------------------------------------------------

    async def plan(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> DeploymentPlan:
        at = await self._at(definition.integration_id)
        environment = self._planned_environment(definition)
        image = await asyncio.to_thread(planned_image, definition, self.settings)
        task = self._task(at, definition, config, environment, image)
        service = await at.service.find()
        healthy = (service or {}).get("tags", {}).get(HEALTHY_TAG)
        before = await at.service.describe(healthy)
        url = (await self._way_in(at))[1]
        actions = [
            "log group, secret, " + ("target group, rule, " if url else "") + "task definition: made or kept"
        ]
        if not self.settings.image:
            actions.insert(0, "build the image and push it, unless the registry has it")
        actions += [
            "make the service" if service is None else "bring the new task definition into service",
            f"wait for steady state (at most {self.settings.rollout_timeout_seconds:g} s), else "
            + ("take everything back" if before is None else f"go back to {_short(healthy)}"),
        ]
        is_live = before is not None and service is not None and service["taskDefinition"] == healthy
        if is_live and not _changes(before, task) and _digest_of(before) == definition.digest():
            actions = ["nothing: this very definition runs already"]
        warnings = local_addresses(definition)
        if not url:
            warnings.append("without VITESSE_ECS_LISTENER_ARN nothing is routed to it: it has no URL")
        wishes = config or DeploymentConfig()
        if (task.cpu, task.memory) != (round(wishes.cpu_cores * 1024), wishes.memory_mb):
            warnings.append(f"Fargate's next size is {task.cpu / 1024:g} CPUs and {task.memory} MB")
        return DeploymentPlan(
            target=self.target,
            actions=actions,
            environment=environment.names(),
            resources={
                "image": image,
                "cluster": at.cluster,
                "region": at.parts.aws.region,
                "tasks": f"{task.replicas} to {SCALES_TO}" if task.auto_scale else task.replicas,
                "memory_mb": task.memory,
                "cpu_cores": task.cpu / 1024,
                "execution_role": task.execution_role_arn,
            },
            routes=[url] if url else [],
            changes=_changes(before, task),
            warnings=warnings,
        )

    async def deploy(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> Deployment:
        started = time.monotonic()
        integration_id = definition.integration_id
        at = await self._at(integration_id)
        async with self._alone(integration_id):
            # All that can be known to be missing is, before anything is made.
            planned = self._planned_environment(definition)
            self._task(at, definition, config, planned, self.settings.image or "")
            await self._ensure_roles(at)
            vpc, _ = await self._way_in(at)
            healthy = ((await at.service.find()) or {}).get("tags", {}).get(HEALTHY_TAG)
            environment = await self._environment(definition)
            image = await ensure_image(
                definition, self.settings, tags=at.parts.tags, aws=at.parts.aws, on_progress=self._say
            )
            task = self._task(at, definition, config, environment, image)
            try:
                await self._bring_up(at, task, environment, vpc)
            except BaseException as error:  # also when cancelled: half a version must not stay
                done = await self._take_back(at, healthy)
                self._say(done)
                if isinstance(error, VitesseError):
                    error.args = (f"{error}; {done}",)
                raise
        return await self._status(at, time.monotonic() - started)

    async def update(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> Deployment:
        await self.get_status(definition.integration_id)
        return await self.deploy(definition, config)

    async def destroy(self, integration_id: str) -> Deployment:
        started = time.monotonic()
        at = await self._at(integration_id)
        async with self._alone(integration_id, for_good=True):
            await self._take_down(at)
            await self._forget(integration_id)
        return Deployment(
            target=self.target,
            workload_id=at.parts.name,
            service_url="",
            status="stopped",
            duration_seconds=round(time.monotonic() - started, 3),
        )

    async def get_status(self, integration_id: str) -> Deployment:
        return await self._status(await self._at(integration_id), 0.0)

    async def get_logs(self, integration_id: str, lines: int = 100) -> str:
        at = await self._at(integration_id)
        await self._status(at, 0.0)
        return "\n".join(await at.parts.log_lines(lines))

    # -- how it is done ----------------------------------------------------------------------------

    async def _at(self, integration_id: str) -> _At:
        cluster = self.settings.ecs_cluster
        if not cluster:
            raise InputError("no ECS cluster to deploy to: set VITESSE_ECS_CLUSTER")
        aws = await asyncio.to_thread(open_aws, self.settings)
        parts = Parts(aws, integration_id, self._tags(integration_id))
        service = Service(parts, self.settings, cluster, say=self._say, poll_seconds=self._poll_seconds)
        return _At(parts, service, cluster)

    def _task(
        self,
        at: _At,
        definition: IntegrationDefinition,
        config: DeploymentConfig | None,
        environment: CloudEnvironment,
        image: str,
    ) -> Task:
        return Task.of(
            definition, config, self.settings, environment, image=image, region=at.parts.aws.region
        )

    async def _ensure_roles(self, at: _At) -> None:
        """Raises InputError for a role that is not there: a task would only fail with it, minutes later."""
        for arn in (self.settings.ecs_execution_role_arn, self.settings.ecs_task_role_arn):
            if not arn:
                continue
            try:
                await at.parts.aws.ask("iam", "get_role", f"the role {arn}", RoleName=arn.rpartition("/")[2])
            except NotFoundError as error:
                raise InputError(f"the role {arn} does not exist; make it, or name another") from error
            except DeployError:
                return  # whoever may not look at roles deploys all the same; ECS itself will tell

    async def _way_in(self, at: _At) -> tuple[str | None, str | None]:
        """The VPC and the URL, where a listener is configured."""
        arn = self.settings.ecs_listener_arn
        if not arn:
            return None, None
        vpc, url = await at.parts.listener(arn)
        return vpc, url + route_path(at.parts.id)

    async def _bring_up(self, at: _At, task: Task, environment: CloudEnvironment, vpc: str | None) -> None:
        self._say("log group and secret")
        await at.parts.ensure_log_group()
        secret, _ = await at.parts.ensure_secret(environment)
        target_group = None
        if vpc is not None and self.settings.ecs_listener_arn:
            self._say("target group and listener rule")
            target_group = await at.parts.ensure_target_group(vpc)
            await at.parts.ensure_rule(self.settings.ecs_listener_arn, target_group)
        arn = await at.service.register(task, secret)
        # With autoscaling the number is the autoscaler's, once there is a service.
        is_new = await at.service.find() is None
        replicas = task.replicas if is_new or not task.auto_scale else None
        await at.service.bring_into_service(arn, replicas, target_group)
        if task.auto_scale:
            await at.parts.ensure_scaling(at.cluster, task.replicas, max(SCALES_TO, task.replicas))
        else:
            await at.parts.delete_scaling(at.cluster)
        verdict = await at.service.wait(arn)
        if verdict.state == "failed":
            said = [*await at.service.reasons(), *await at.parts.log_lines(_LOG_LINES)]
            raise DeployError(
                f"{at.parts.id} did not become healthy: {environment.redact(verdict.reason)}",
                log_tail=environment.redact("\n".join(said)),
            )
        service = await at.service.find()
        before = (service or {}).get("tags", {}).get(HEALTHY_TAG)
        await at.service.note_healthy(arn)
        await at.service.forget_task_definitions(keep={arn, before or arn})

    async def _take_back(self, at: _At, healthy: str | None) -> str:
        """The task definition that was healthy last, or nothing; says which. A fault here hides no other."""
        try:
            before = await at.service.describe(healthy)
            if before is None:
                await self._take_down(at)
                await self._forget(at.parts.id)
                return "everything was taken back"
            arn = str(before["taskDefinitionArn"])
            version = before["tags"].get(SECRET_TAG)
            if version and version != "none":
                await at.parts.restore_secret_version(version)
            await at.service.bring_into_service(arn, None, None)
            await at.service.forget_task_definitions(keep={arn})
            return f"rolled back to version {before['tags'].get('vitesse:version')}, which goes on"
        except VitesseError as problem:
            return f"and it could not be taken back: {problem}"

    async def _take_down(self, at: _At) -> None:
        """All that carries the integration's tags, and nothing else."""
        if await at.service.find() is not None:
            await at.parts.delete_scaling(at.cluster)
        await at.service.delete(within_seconds=self._gone_within_seconds)
        await at.parts.delete_way_in(self.settings.ecs_listener_arn)
        await at.service.forget_task_definitions(keep=set())
        await at.parts.delete_secret()
        await at.parts.delete_log_group()

    async def _status(self, at: _At, seconds: float) -> Deployment:
        service = await at.service.find()
        if service is None:
            raise NotFoundError(
                f"{at.parts.id} is not deployed to the ECS cluster {at.cluster}; deploy it first"
            )
        found = await at.service.describe(service["taskDefinition"]) or {"tags": {}}
        definition = unpacked(found)
        running, wanted = int(service.get("runningCount") or 0), int(service.get("desiredCount") or 0)
        sides = (
            {"source": definition.source.environment, "dest": definition.dest.environment}
            if definition
            else {}
        )
        return Deployment(
            target=self.target,
            workload_id=str(service["serviceArn"]),
            service_url=(await self._way_in(at))[1] or "",
            version=int(found["tags"].get("vitesse:version", 1)),
            definition_digest=found["tags"].get("vitesse:digest", ""),
            status="running" if running else ("failed" if wanted else "stopped"),
            duration_seconds=round(seconds, 3),
            environments=sides,
            detail={
                "task_definition": _short(service["taskDefinition"]),
                "cluster": at.cluster,
                "region": at.parts.aws.region,
                "replicas": wanted,
                "ready": running,
            },
        )


def _short(arn: str | None) -> str:
    return (arn or "").rpartition("/")[2]


def _changes(before: dict[str, Any] | None, after: Task) -> list[str]:
    """What differs from the task definition that runs, in words."""
    definition = unpacked(before) if before is not None else None
    if before is None or definition is None:
        return []
    found = changes_between(definition, after.definition)
    container = before["containerDefinitions"][0]
    old = {"image": container["image"], "cpu": int(before["cpu"]), "memory": int(before["memory"])}
    new = {"image": after.image, "cpu": after.cpu, "memory": after.memory}
    found += [
        f"{name}: {old[name]} → {new[name]}"
        for name in old
        # What runs is named by its digest, what is planned by its tag: to differ says nothing there.
        if old[name] != new[name] and "@" not in str(old[name])
    ]
    names_before = {item["name"] for part in ("environment", "secrets") for item in container.get(part) or []}
    names_after = {*after.environment, *after.secret_names, "VITESSE_DEFINITION"}
    found += [f"environment: {name} added" for name in sorted(names_after - names_before)]
    found += [f"environment: {name} removed" for name in sorted(names_before - names_after)]
    return found


def _digest_of(task: dict[str, Any] | None) -> str | None:
    return task["tags"].get("vitesse:digest") if task is not None else None
