"""A scheduler for moto's ECS under which tasks really run, and their output becomes log events."""

from __future__ import annotations

import asyncio
import functools
import json
import time
from typing import Any

import pytest
from moto.ecs.models import EC2ContainerServiceBackend
from moto.logs.models import LogsBackend

from tests.integration.deployers.aws_account import Account, Scheduler
from tests.integration.deployers.node import Node
from vitesse_graph.errors import DeployError


class TaskScheduler(Scheduler):
    """One task for a service's task definition; the one before goes when it is ready.

    `look` runs in the server's threads; tasks are started in the test's loop.
    """

    def __init__(self, account: Account, node: Node) -> None:
        super().__init__()
        self._account = account
        self._node = node
        self._loop = asyncio.get_running_loop()
        self._states: dict[str, str] = {}
        """By task definition: starting, ready, broken."""
        self._shipped: dict[str, int] = {}
        self.running: dict[str, str] = {}
        """By service name: the task definition in service."""

    @staticmethod
    def task_name(arn: str) -> str:
        return arn.rpartition("/")[2].replace(":", "-")

    def look(self, backend: EC2ContainerServiceBackend, service: Any) -> None:
        family = service.name
        if service.status != "ACTIVE":
            for arn in [a for a in self._states if self.task_name(a).startswith(f"{family}-")]:
                self._end(arn)
            self.running.pop(family, None)
            return
        arn, primary = service.task_definition, service.deployments[0]
        if arn not in self._states:
            self._states[arn] = "starting"
            (container,) = backend.describe_task_definition(arn).container_definitions
            asyncio.run_coroutine_threadsafe(self._start(arn, container), self._loop)
        state = self._states[arn]
        primary |= {"taskDefinition": arn, "status": "PRIMARY", "desiredCount": service.desired_count}
        primary["rolloutState"] = {"ready": "COMPLETED", "broken": "FAILED"}.get(state, "IN_PROGRESS")
        primary["rolloutStateReason"] = f"ECS deployment: the task is {state}"
        primary["runningCount"] = service.running_count = 1 if state == "ready" else 0
        if state == "ready":
            self.running[family] = arn
            for other in list(self._states):
                if other != arn and other.rpartition(":")[0] == arn.rpartition(":")[0]:
                    self._end(other)

    async def _start(self, arn: str, container: dict[str, Any]) -> None:
        environment = {item["name"]: item["value"] for item in container["environment"]}
        for item in container.get("secrets") or []:
            *parts, key, _, version = item["valueFrom"].split(":")
            stored = await asyncio.to_thread(
                self._account.client("secretsmanager").get_secret_value,
                SecretId=":".join(parts),
                VersionId=version,
            )
            environment[item["name"]] = json.loads(stored["SecretString"])[key]
        try:
            await self._node.run(self.task_name(arn), environment, arguments=container["command"])
            self._states[arn] = "ready"
        except DeployError:
            self._states[arn] = "broken"

    def _end(self, arn: str) -> None:
        del self._states[arn]
        self._loop.call_soon_threadsafe(self._node.stop_soon, self.task_name(arn))

    def ship(self, backend: LogsBackend, group: str) -> None:
        """New lines of the tasks become events of their streams."""
        for arn in list(self._states):
            name = self.task_name(arn)
            if group != f"/vitesse/{name.rpartition('-')[0]}":
                continue
            lines = self._node.logs(name, 10_000).splitlines()
            new = lines[self._shipped.get(name, 0) :]
            self._shipped[name] = len(lines)
            if name not in backend.groups[group].streams:
                backend.create_log_stream(group, name)
            events = [{"timestamp": int(time.time() * 1000), "message": line} for line in new]
            if events:
                backend.put_log_events(group, name, events)


def watch_logs(scheduler: TaskScheduler, patch: pytest.MonkeyPatch) -> None:
    """Output is shipped before somebody looks for it."""
    original = LogsBackend.describe_log_streams

    @functools.wraps(original)
    def describe(self: LogsBackend, *given: Any, **named: Any) -> Any:
        scheduler.ship(self, named.get("log_group_name") or given[1])
        return original(self, *given, **named)

    patch.setattr(LogsBackend, "describe_log_streams", describe)
