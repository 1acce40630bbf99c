"""What ECS runs: Fargate's sizes, and the task definition of an integration as a plain value."""

from __future__ import annotations

import base64
import gzip
import json
import math
from hashlib import sha256
from typing import Any, Self

from pydantic import Field

from vitesse_graph.deployers.cloud import CONTAINER_PORT, RUN_AS, CloudEnvironment
from vitesse_graph.deployers.images import HEALTH_COMMAND
from vitesse_graph.deployers.names import ecs_family
from vitesse_graph.errors import InputError
from vitesse_graph.settings import Settings
from vitesse_graph.state.base import Model
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.deployment import DeploymentConfig

SIZES: dict[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
    8192: tuple(range(16384, 61440 + 1, 4096)),
    16384: tuple(range(32768, 122880 + 1, 8192)),
}
"""CPU units → memory in MiB: the pairs that Fargate runs (Amazon ECS Developer Guide, "Task CPU and memory")."""

SCALES_TO = 5
SCALES_FROM = 2
DEFINITION_VARIABLE = "VITESSE_DEFINITION"
_LARGEST_BYTES = 60_000  # a task definition may have 64 KiB


def fit(cpu_cores: float, memory_mb: int) -> tuple[int, int]:
    """The smallest pair of CPU units and MiB that has both. Raises InputError beyond the largest."""
    wanted = math.ceil(cpu_cores * 1024)
    for cpu, memories in SIZES.items():
        if cpu >= wanted:
            for memory in memories:
                if memory >= memory_mb:
                    return cpu, memory
    largest = max(SIZES)
    raise InputError(
        f"Fargate has no size with {cpu_cores:g} CPUs and {memory_mb} MB; the largest has {largest // 1024} CPUs "
        f"and {SIZES[largest][-1]} MB"
    )


class Task(Model):
    """All that a task definition is made from, in names and plain values; no secret is in it."""

    definition: IntegrationDefinition
    image: str
    region: str
    replicas: int = 1
    auto_scale: bool = False
    cpu: int
    memory: int
    environment: dict[str, str] = Field(default_factory=dict)
    secret_names: list[str] = Field(default_factory=list)
    execution_role_arn: str
    task_role_arn: str | None = None

    @classmethod
    def of(
        cls,
        definition: IntegrationDefinition,
        config: DeploymentConfig | None,
        settings: Settings,
        environment: CloudEnvironment,
        *,
        image: str,
        region: str,
    ) -> Self:
        """The task of a definition under these wishes and settings. Raises InputError for what is missing."""
        wishes = config or DeploymentConfig()
        if not settings.ecs_execution_role_arn:
            raise InputError(
                "ECS needs a role that pulls the image, reads the secrets and writes the logs: set "
                "VITESSE_ECS_EXECUTION_ROLE_ARN"
            )
        if environment.files:
            raise InputError("ECS hands no secret files to a task; refer to them by env: or secret:")
        cpu, memory = fit(wishes.cpu_cores, wishes.memory_mb)
        return cls(
            definition=definition,
            image=image,
            region=region,
            replicas=wishes.replicas or (SCALES_FROM if wishes.auto_scale else 1),
            auto_scale=wishes.auto_scale,
            cpu=cpu,
            memory=memory,
            environment=environment.plain,
            secret_names=sorted(environment.secret),
            execution_role_arn=settings.ecs_execution_role_arn,
            task_role_arn=settings.ecs_task_role_arn,
        )

    @property
    def name(self) -> str:
        return ecs_family(self.definition.integration_id)

    @property
    def log_group(self) -> str:
        return f"/vitesse/{self.name}"


def task_definition(task: Task, secret: str | None) -> dict[str, Any]:
    """The arguments of `RegisterTaskDefinition`. `secret`: `ARN` and version of the secret, as ECS refers to it
    (`arn:{key}::version`), with `{key}` where the variable's name goes. Raises InputError when it is too large."""
    environment = {**task.environment, DEFINITION_VARIABLE: packed(task.definition)}
    container: dict[str, Any] = {
        "name": "runtime",
        "image": task.image,
        "essential": True,
        "command": ["--from-environment", DEFINITION_VARIABLE],
        "user": f"{RUN_AS}:{RUN_AS}",
        "readonlyRootFilesystem": True,
        "linuxParameters": {"capabilities": {"drop": ["ALL"]}, "initProcessEnabled": True},
        "portMappings": [{"name": "http", "containerPort": CONTAINER_PORT, "protocol": "tcp"}],
        "environment": [{"name": name, "value": value} for name, value in sorted(environment.items())],
        "mountPoints": [{"sourceVolume": "scratch", "containerPath": "/tmp", "readOnly": False}],
        "healthCheck": {
            "command": ["CMD", *HEALTH_COMMAND],
            "interval": 10,
            "timeout": 5,
            "retries": 3,
            "startPeriod": 60,
        },
        "stopTimeout": 60,
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": task.log_group,
                "awslogs-region": task.region,
                "awslogs-stream-prefix": "task",
                # A full log pipe must not hold up the sync.
                "mode": "non-blocking",
                "max-buffer-size": "4m",
            },
        },
    }
    if secret is not None:
        container["secrets"] = [
            {"name": name, "valueFrom": secret.replace("{key}", name)} for name in task.secret_names
        ]
    made: dict[str, Any] = {
        "family": task.name,
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": str(task.cpu),
        "memory": str(task.memory),
        "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        "executionRoleArn": task.execution_role_arn,
        "containerDefinitions": [container],
        "volumes": [{"name": "scratch"}],
    }
    if task.task_role_arn:
        made["taskRoleArn"] = task.task_role_arn
    size = len(json.dumps(made))
    if size > _LARGEST_BYTES:
        raise InputError(
            f"the task definition would have {size:,} bytes, and ECS takes 64 KiB; split the integration, or "
            "deploy it to another target"
        )
    return made


def release_of(arguments: dict[str, Any]) -> str:
    """Ten digits that say which task definition this is."""
    text = json.dumps(arguments, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]


def packed(definition: IntegrationDefinition) -> str:
    """The definition as one short variable: base64 of its gzipped JSON, the same each time."""
    text = json.dumps(definition.dump(), sort_keys=True, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=9, mtime=0)).decode("ascii")


def unpacked(task_definition: dict[str, Any]) -> IntegrationDefinition | None:
    """The definition that a task definition carries, as ECS describes it; None when it cannot be read."""
    try:
        environment = task_definition["containerDefinitions"][0]["environment"]
        value = next(item["value"] for item in environment if item["name"] == DEFINITION_VARIABLE)
        return IntegrationDefinition.model_validate_json(gzip.decompress(base64.b64decode(value)))
    except (KeyError, IndexError, StopIteration, ValueError, OSError, EOFError):
        return None
