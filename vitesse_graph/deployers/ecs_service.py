"""The ECS service of an integration: its task definitions, bringing one into service, waiting, going back.

AWS is the only memory: the service's tags say which task definition was healthy last.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Literal

from vitesse_graph.deployers.cloud import CONTAINER_PORT
from vitesse_graph.deployers.ecs_steps import Parts
from vitesse_graph.deployers.fargate import Task, release_of, task_definition
from vitesse_graph.deployers.images import Progress
from vitesse_graph.errors import ConflictError, InputError, NotFoundError, VitesseError
from vitesse_graph.settings import Settings

HEALTHY_TAG = "vitesse:healthy"
RELEASE_TAG = "vitesse:release"
SECRET_TAG = "vitesse:secret-version"


@dataclass(frozen=True)
class Verdict:
    state: Literal["done", "waiting", "failed"]
    reason: str = ""


def judge(service: dict[str, Any], arn: str) -> Verdict:
    """Where bringing this task definition into service stands, from ECS's description of the service."""
    primary = next((d for d in service.get("deployments") or [] if d.get("status") == "PRIMARY"), None)
    if primary is None:
        return Verdict("waiting", "ECS has not begun yet")
    said = " ".join(str(primary.get("rolloutStateReason") or "").split())
    if primary.get("taskDefinition") != arn:
        # A failed deployment stays in the list while ECS goes back by itself.
        failed = [d for d in service["deployments"] if d.get("taskDefinition") == arn]
        reason = next((str(d.get("rolloutStateReason") or "") for d in failed), "")
        return Verdict("failed", f"ECS went back by itself: {reason or said}")
    if primary.get("rolloutState") == "FAILED":
        return Verdict("failed", said or "the circuit breaker stopped the deployment")
    running, wanted = int(primary.get("runningCount") or 0), int(primary.get("desiredCount") or 0)
    if primary.get("rolloutState") == "COMPLETED":
        return Verdict("done", f"{running} of {wanted} tasks are in service")
    return Verdict("waiting", f"{running} of {wanted} tasks run, {primary.get('failedTasks') or 0} failed")


class Service:
    """One integration's service on one cluster."""

    def __init__(
        self, parts: Parts, settings: Settings, cluster: str, *, say: Progress, poll_seconds: float
    ) -> None:
        self._parts = parts
        self._aws = parts.aws
        self._settings = settings
        self._cluster = cluster
        self._say = say
        self._poll_seconds = poll_seconds

    async def find(self) -> dict[str, Any] | None:
        """The service as ECS describes it, with `tags` as a dict; None when there is none of ours.

        Raises NotFoundError for a cluster that is not there, ConflictError for a service of somebody else.
        """
        answer = await self._aws.ask(
            "ecs", "describe_services", f"the ECS cluster {self._cluster}",
            cluster=self._cluster, services=[self._parts.name], include=["TAGS"],
        )  # fmt: skip
        found = [s for s in answer.get("services") or [] if s.get("status") != "INACTIVE"]
        if not found:
            return None
        service: dict[str, Any] = found[0]
        service["tags"] = _lower_tags(service.get("tags"))
        self._parts.ensure_ours(f"the service {self._parts.name}", service["tags"])
        return service

    async def describe(self, arn: str | None) -> dict[str, Any] | None:
        """A task definition as ECS describes it, with `tags` as a dict; None when it is gone."""
        if not arn:
            return None
        try:
            answer = await self._aws.ask(
                "ecs", "describe_task_definition", "the task definition", taskDefinition=arn, include=["TAGS"]
            )
        except (NotFoundError, VitesseError):
            return None
        found: dict[str, Any] = answer["taskDefinition"]
        return {**found, "tags": _lower_tags(answer.get("tags"))}

    async def register(self, task: Task, secret: str | None) -> str:
        """The task definition's ARN; what is registered already in these words is taken as it is."""
        arguments = task_definition(task, secret)
        release = release_of(arguments)
        latest = await self.describe(task.name)
        if (
            latest is not None
            and latest.get("status") == "ACTIVE"
            and latest["tags"].get(RELEASE_TAG) == release
        ):
            return str(latest["taskDefinitionArn"])
        version = secret.rpartition(":")[2] if secret else "none"
        tags = {
            **self._parts.tags,
            RELEASE_TAG: release,
            SECRET_TAG: version,
            "vitesse:version": str(task.definition.version),
            "vitesse:digest": task.definition.digest(),
        }
        made = await self._aws.ask(
            "ecs", "register_task_definition", "the task definition",
            **arguments, tags=[{"key": key, "value": value} for key, value in tags.items()],
        )  # fmt: skip
        return str(made["taskDefinition"]["taskDefinitionArn"])

    async def bring_into_service(self, arn: str, replicas: int | None, target_group: str | None) -> None:
        """The service runs, or begins to run, this task definition. `replicas` None: as many as there are."""
        what = f"the service {self._parts.name}"
        found = await self.find()
        common: dict[str, Any] = {
            "cluster": self._cluster,
            "taskDefinition": arn,
            "networkConfiguration": self._network(),
            "deploymentConfiguration": {
                "deploymentCircuitBreaker": {"enable": True, "rollback": True},
                "minimumHealthyPercent": 100,
                "maximumPercent": 200,
            },
        }
        if target_group is not None:
            common["loadBalancers"] = [
                {"targetGroupArn": target_group, "containerName": "runtime", "containerPort": CONTAINER_PORT}
            ]
            common["healthCheckGracePeriodSeconds"] = 60
        if replicas is not None:
            common["desiredCount"] = replicas
        if found is None:
            self._say(f"making {what}")
            await self._aws.ask(
                "ecs", "create_service", what,
                **{"desiredCount": 1, **common}, serviceName=self._parts.name, launchType="FARGATE",
                platformVersion="LATEST", propagateTags="SERVICE",
                tags=[{"key": key, "value": value} for key, value in self._parts.tags.items()],
            )  # fmt: skip
        elif found["taskDefinition"] != arn or replicas not in (None, found.get("desiredCount")):
            self._say(f"bringing {arn.rpartition('/')[2]} into service")
            await self._aws.ask("ecs", "update_service", what, **common, service=self._parts.name)

    def _network(self) -> dict[str, Any]:
        subnets, groups = (
            [part.strip() for part in text.split(",") if part.strip()]
            for text in (self._settings.ecs_subnets, self._settings.ecs_security_groups)
        )
        if not subnets:
            raise InputError("ECS needs subnets for the tasks: set VITESSE_ECS_SUBNETS")
        return {
            "awsvpcConfiguration": {
                "subnets": subnets,
                "securityGroups": groups,
                "assignPublicIp": "ENABLED" if self._settings.ecs_public_ip else "DISABLED",
            }
        }

    async def wait(self, arn: str) -> Verdict:
        """Until the task definition is in steady state, has failed, or the time is over."""
        deadline = time.monotonic() + self._settings.rollout_timeout_seconds
        told = ""
        while True:
            service = await self.find()
            if service is None:
                raise ConflictError(f"the service {self._parts.name} was deleted while it was deployed")
            verdict = judge(service, arn)
            if verdict.reason != told:
                told = verdict.reason
                self._say(told)
            if verdict.state != "waiting":
                return verdict
            if time.monotonic() > deadline:
                seconds = self._settings.rollout_timeout_seconds
                return Verdict("failed", f"{verdict.reason} after {seconds:g} s")
            await asyncio.sleep(self._poll_seconds)

    async def reasons(self) -> list[str]:
        """What ECS says about the service and its stopped tasks, the oldest first."""
        service = await self.find()
        found = [str(e.get("message", "")) for e in ((service or {}).get("events") or [])[:10]][::-1]
        listed = await self._aws.ask(
            "ecs", "list_tasks", "the stopped tasks",
            cluster=self._cluster, family=self._parts.name, desiredStatus="STOPPED",
        )  # fmt: skip
        arns = (listed.get("taskArns") or [])[:10]
        if arns:
            tasks = await self._aws.ask(
                "ecs", "describe_tasks", "the stopped tasks", cluster=self._cluster, tasks=arns
            )
            for task in tasks.get("tasks") or []:
                found.append(f"task stopped: {task.get('stoppedReason') or 'no reason given'}")
                found += [
                    f"container {c.get('name')}: {c.get('reason') or 'ended'} (exit code {c.get('exitCode')})"
                    for c in task.get("containers") or []
                    if c.get("reason") or c.get("exitCode")
                ]
        return list(dict.fromkeys(found))

    async def note_healthy(self, arn: str) -> None:
        """What the next deploy goes back to, should it fail."""
        service = await self.find()
        if service is not None and service["tags"].get(HEALTHY_TAG) != arn:
            await self._aws.ask(
                "ecs", "tag_resource", "the service's tags",
                resourceArn=service["serviceArn"], tags=[{"key": HEALTHY_TAG, "value": arn}],
            )  # fmt: skip

    async def task_definitions(self) -> list[str]:
        """All active task definitions of the family, the newest first."""
        return await asyncio.to_thread(
            lambda: [
                str(arn)
                for arn in self._aws.pages(
                    "ecs", "list_task_definitions", "the task definitions", "taskDefinitionArns",
                    familyPrefix=self._parts.name, status="ACTIVE", sort="DESC",
                )
                # A prefix it is: another integration's family may begin with ours.
                if str(arn).rpartition("/")[2].rpartition(":")[0] == self._parts.name
            ]
        )  # fmt: skip

    async def forget_task_definitions(self, *, keep: set[str]) -> None:
        """Deregisters and deletes ours but these."""
        for arn in await self.task_definitions():
            if arn in keep:
                continue
            found = await self.describe(arn)
            if found is None or not self._parts.is_ours(found["tags"]):
                continue
            await self._aws.ask(
                "ecs", "deregister_task_definition", "the task definition", taskDefinition=arn
            )
            await self._aws.ask(
                "ecs", "delete_task_definitions", "the task definition", taskDefinitions=[arn]
            )

    async def delete(self, *, within_seconds: float) -> None:
        """Stops the tasks and deletes the service; waits until they are gone."""
        found = await self.find()
        if found is None:
            return
        what = f"the service {self._parts.name}"
        self._say(f"deleting {what}")
        await self._aws.ask(
            "ecs", "delete_service", what, cluster=self._cluster, service=self._parts.name, force=True
        )
        deadline = time.monotonic() + within_seconds
        while True:
            answer = await self._aws.ask(
                "ecs", "describe_services", what, cluster=self._cluster, services=[self._parts.name]
            )
            left = [s for s in answer.get("services") or [] if s.get("status") != "INACTIVE"]
            if not left or time.monotonic() > deadline:
                return
            await asyncio.sleep(self._poll_seconds)


def _lower_tags(listed: Any) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in listed or []}
