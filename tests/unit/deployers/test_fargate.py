"""Fargate's sizes and task definitions, held against what boto would send."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from botocore.validate import validate_parameters

from tests.integration.runtime.definitions import definition
from vitesse_graph.deployers.cloud import CloudEnvironment
from vitesse_graph.deployers.ecs_service import judge
from vitesse_graph.deployers.fargate import SIZES, Task, fit, packed, release_of, task_definition, unpacked
from vitesse_graph.errors import InputError
from vitesse_graph.runtime.__main__ import definition_in
from vitesse_graph.settings import Settings
from vitesse_graph.state.deployment import DeploymentConfig

ROLE = "arn:aws:iam::123456789012:role/execution"
SETTINGS = Settings(ecs_execution_role_arn=ROLE, ecs_task_role_arn=ROLE, _env_file=None)
ENVIRONMENT = CloudEnvironment(plain={"BATCH_SIZE": "100"}, secret={"DATABASE_URL": "postgresql://secret"})


def task(name: str = "a_b", **changes: Any) -> Task:
    found = definition("https://api.example.com", name, **changes)
    return Task.of(found, DeploymentConfig(), SETTINGS, ENVIRONMENT, image="x:1", region="eu-west-1")


@pytest.mark.parametrize(
    ("cores", "memory", "size"),
    [
        (0.1, 64, (256, 512)),
        (0.25, 2048, (256, 2048)),
        (0.25, 2049, (512, 3072)),
        (0.5, 512, (512, 1024)),
        (0.51, 512, (1024, 2048)),
        (1, 9000, (2048, 9216)),
        (4, 30720, (4096, 30720)),
        (5, 17000, (8192, 20480)),
        (16, 122880, (16384, 122880)),
    ],
)
def test_wishes_are_rounded_up_to_a_pair_that_fargate_has(
    cores: float, memory: int, size: tuple[int, int]
) -> None:
    assert fit(cores, memory) == size
    assert size[1] in SIZES[size[0]]


@pytest.mark.parametrize(("cores", "memory"), [(17, 512), (1, 200_000)])
def test_beyond_the_largest_is_said(cores: float, memory: int) -> None:
    with pytest.raises(InputError, match="Fargate has no size"):
        fit(cores, memory)


@pytest.mark.parametrize("name", ["a_b", "../x", 'a"b\n`c`{{x}}', "x" * 300, "\ud800"])
def test_a_task_definition_is_one_that_boto_sends(name: str) -> None:
    made = task_definition(task(name), "arn:aws:secretsmanager:r:1:secret:x:{key}::v1")
    shape = botocore.session.get_session().get_service_model("ecs")
    validate_parameters(made, shape.operation_model("RegisterTaskDefinition").input_shape)
    (container,) = made["containerDefinitions"]
    assert container["secrets"] == [
        {"name": "DATABASE_URL", "valueFrom": "arn:aws:secretsmanager:r:1:secret:x:DATABASE_URL::v1"}
    ]
    assert "postgresql://secret" not in json.dumps(made)
    assert made["family"].replace("-", "").isalnum()


def test_the_definition_comes_out_as_it_went_in(monkeypatch: pytest.MonkeyPatch) -> None:
    found = task().definition
    made = task_definition(task(), None)
    assert unpacked(made) == found
    assert packed(found) == packed(found)
    assert release_of(made) == release_of(task_definition(task(), None))
    monkeypatch.setenv("VITESSE_DEFINITION", packed(found))
    assert definition_in("VITESSE_DEFINITION") == found
    monkeypatch.setenv("VITESSE_DEFINITION", "###")
    with pytest.raises(InputError, match="holds no integration definition"):
        definition_in("VITESSE_DEFINITION")


def test_a_task_definition_too_large_is_said() -> None:
    import random

    noise = "".join(chr(random.Random(7).randrange(33, 120)) for _ in range(5)) + "".join(
        chr(n) for n in random.Random(7).choices(range(33, 0x2FFF), k=60_000)
    )
    with pytest.raises(InputError, match="ECS takes 64 KiB"):
        task_definition(task(name="noisy", schedule=noise), None)


def test_secret_files_are_refused() -> None:
    with pytest.raises(InputError, match="no secret files"):
        Task.of(
            definition("https://x", "a"),
            None,
            SETTINGS,
            CloudEnvironment({}, {}, {"/x": "y"}),
            image="",
            region="",
        )


@pytest.mark.parametrize(
    ("deployments", "state"),
    [
        ([], "waiting"),
        ([{"status": "PRIMARY", "taskDefinition": "a", "rolloutState": "IN_PROGRESS"}], "waiting"),
        ([{"status": "PRIMARY", "taskDefinition": "a", "rolloutState": "COMPLETED"}], "done"),
        ([{"status": "PRIMARY", "taskDefinition": "a", "rolloutState": "FAILED"}], "failed"),
        ([{"status": "PRIMARY", "taskDefinition": "before", "rolloutState": "COMPLETED"}], "failed"),
    ],
)
def test_where_a_deployment_stands(deployments: list[dict[str, Any]], state: str) -> None:
    assert judge({"deployments": deployments}, "a").state == state
