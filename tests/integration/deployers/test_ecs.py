"""On ECS: made in steps, gone on with after a cut, rolled back, and taken down without touching anything else."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from moto.elbv2.models import ELBv2Backend

from tests.integration.deployers.aws_account import REGION, Account, Scheduler, account, scheduler
from tests.integration.deployers.cloud import no_database_role
from tests.integration.runtime.definitions import definition
from vitesse_graph.deployers import DeployerFactory
from vitesse_graph.deployers.ecs import EcsDeployer
from vitesse_graph.deployers.fargate import unpacked
from vitesse_graph.errors import ConflictError, DeployError, InputError, NotFoundError
from vitesse_graph.settings import Settings
from vitesse_graph.state.api_spec import AuthScheme
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.deployment import DeploymentConfig

__all__ = ["account", "scheduler"]

CANARY = "canary-secret-987654"
API = "https://api.example.com"
IMAGE = "registry.example/vitesse/runtime:1"
DATABASE = "postgresql://u:db-pass-4711@db.example:6432/x"


def settings_of(account: Account, tmp_path: Path, **more: Any) -> Settings:
    given = {
        "data_dir": tmp_path,
        "database_url": DATABASE,
        "image": IMAGE,
        "aws_region": REGION,
        "rollout_timeout_seconds": 5,
        "ecs_cluster": "main",
        "ecs_subnets": ",".join(account.subnets),
        "ecs_security_groups": account.group,
        "ecs_execution_role_arn": account.role,
        "ecs_listener_arn": account.listener,
    }
    return Settings(**{**given, **more}, _env_file=None)


def deployer_of(account: Account, tmp_path: Path, said: list[str] | None = None, **more: Any) -> EcsDeployer:
    found = DeployerFactory.create_deployer(
        "ecs",
        {
            "settings": settings_of(account, tmp_path, **more),
            "poll_seconds": 0.02,
            "on_progress": (said if said is not None else []).append,
        },
    )
    assert isinstance(found, EcsDeployer)
    return found


@pytest.fixture
def deployer(
    account: Account, scheduler: Scheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> EcsDeployer:
    monkeypatch.setenv("DEST_KEY", CANARY)
    no_database_role(monkeypatch)
    return deployer_of(account, tmp_path)


def made(name: str, version: int = 1, **changes: Any) -> IntegrationDefinition:
    found = definition(API, name).model_copy(update={"version": version, **changes})
    found.dest.auth, found.dest.auth_ref = AuthScheme(type="bearer"), "env:DEST_KEY"
    return found


def next_batch_size(deployer: EcsDeployer, size: int) -> None:
    """The tasks' environment says which version it is; the scheduler decides by it."""
    deployer.settings = deployer.settings.model_copy(update={"batch_size": size})


async def test_deployed_it_is_there_whole_and_destroyed_it_is_gone_whole(
    deployer: EcsDeployer, account: Account, name: str
) -> None:
    before = account.everything()
    deployed = await deployer.deploy(made(name), DeploymentConfig(auto_scale=True))
    assert (deployed.status, deployed.version, deployed.detail["ready"]) == ("running", 1, 2)
    assert deployed.definition_digest == made(name).digest()
    assert deployed.service_url.endswith(f".elb.amazonaws.com/vitesse-{name}")
    there = account.everything()
    assert {kind: len(names) for kind, names in there.items()} == {
        "services": 1, "task definitions": 1, "rules": 1, "target groups": 1, "log groups": 1, "secrets": 1,
        "scaling": 2, "repositories": 0,
    }  # fmt: skip
    (rule,) = (
        r
        for r in account.client("elbv2").describe_rules(ListenerArn=account.listener)["Rules"]
        if not r["IsDefault"]
    )
    assert rule["Conditions"][0]["PathPatternConfig"]["Values"] == [f"/vitesse-{name}", f"/vitesse-{name}/*"]
    gone = await deployer.destroy(name)
    assert gone.status == "stopped"
    assert account.everything() == before
    with pytest.raises(NotFoundError, match="not deployed"):
        await deployer.get_status(name)
    assert (await deployer.destroy(name)).status == "stopped"
    assert (await deployer.deploy(made(name))).status == "running"  # its names are free at once


async def test_the_same_again_makes_nothing_anew(deployer: EcsDeployer, account: Account, name: str) -> None:
    await deployer.deploy(made(name))
    before = account.everything()
    again = await deployer.deploy(made(name))
    assert account.everything() == before
    assert again.detail["task_definition"].endswith(":1")


async def test_the_task_definition_holds_the_definition_and_no_secret(
    account: Account, scheduler: Scheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("DEST_KEY", CANARY)
    no_database_role(monkeypatch)
    said: list[str] = []
    deployer = deployer_of(account, tmp_path, said)
    deployed = await deployer.deploy(made(name), DeploymentConfig(cpu_cores=0.6, memory_mb=700))
    ecs = account.client("ecs")
    (arn,) = account.everything()["task definitions"]
    found = ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
    assert (found["cpu"], found["memory"], found["networkMode"]) == ("1024", "2048", "awsvpc")
    assert unpacked(found) == made(name)
    (container,) = found["containerDefinitions"]
    assert {secret["name"] for secret in container["secrets"]} == {"DATABASE_URL", "DEST_KEY"}
    manager = account.client("secretsmanager")
    arn_and_key = container["secrets"][0]["valueFrom"].split(":")
    stored = manager.get_secret_value(SecretId=":".join(arn_and_key[:7]), VersionId=arn_and_key[-1])
    assert json.loads(stored["SecretString"]) == {"DATABASE_URL": DATABASE, "DEST_KEY": CANARY}
    plan = await deployer.plan(made(name))
    texts = (json.dumps(found, default=str), deployed.model_dump_json(), plan.model_dump_json(), *said)
    assert not any(value in text for text in texts for value in (CANARY, "db-pass-4711", "aws-secret-key-77"))


async def test_an_update_keeps_the_last_two_task_definitions_and_the_old_secret_version(
    deployer: EcsDeployer, account: Account, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFoundError):
        await deployer.update(made(name))
    await deployer.deploy(made(name), DeploymentConfig(auto_scale=True))
    for version in (2, 3):
        monkeypatch.setenv("DEST_KEY", f"{CANARY}-{version}")
        updated = await deployer.update(made(name, version))
    assert updated.version == 3
    there = account.everything()
    assert [arn.rpartition(":")[2] for arn in there["task definitions"]] == ["2", "3"]
    assert (there["scaling"], len(there["rules"]), len(there["target groups"])) == ([], 1, 1)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("broken", "circuit breaker: tasks failed to start"),
        ("back", "ECS went back by itself: .*circuit breaker"),
        ("slow", "0 of 1 tasks run, 3 failed after"),
    ],
)
async def test_a_version_that_does_not_come_up_is_rolled_back_and_says_why(
    deployer: EcsDeployer, account: Account, scheduler: Scheduler, name: str, outcome: str, reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    await deployer.deploy(made(name))
    scheduler.outcome = lambda size: outcome if size == "7" else "ready"
    next_batch_size(deployer, 7)
    if outcome == "slow":
        deployer.settings = deployer.settings.model_copy(update={"rollout_timeout_seconds": 0.2})
    logs = account.client("logs")
    logs.create_log_stream(logGroupName=f"/vitesse/vitesse-{name}", logStreamName="task/runtime/1")
    logs.put_log_events(
        logGroupName=f"/vitesse/vitesse-{name}",
        logStreamName="task/runtime/1",
        logEvents=[{"timestamp": int(time.time() * 1000), "message": f"cannot log in with {CANARY}-2"}],
    )
    monkeypatch.setenv("DEST_KEY", f"{CANARY}-2")
    with pytest.raises(DeployError, match=reason) as caught:
        await deployer.update(made(name, 2))
    assert "rolled back to version 1, which goes on" in str(caught.value)
    assert "cannot log in with ***" in caught.value.log_tail
    assert CANARY not in caught.value.log_tail
    if outcome != "slow":
        assert "CannotPullContainerError: pull access denied" in caught.value.log_tail
    status = await deployer.get_status(name)
    assert (status.version, status.status) == (1, "running")
    assert [arn.rpartition(":")[2] for arn in account.everything()["task definitions"]] == ["1"]
    current = account.client("secretsmanager").get_secret_value(
        SecretId=f"vitesse/vitesse-{name}", VersionStage="AWSCURRENT"
    )
    assert json.loads(current["SecretString"])["DEST_KEY"] == CANARY


async def test_a_first_version_that_does_not_come_up_leaves_nothing(
    deployer: EcsDeployer, account: Account, scheduler: Scheduler, name: str
) -> None:
    before = account.everything()
    scheduler.outcome = lambda size: "broken"
    with pytest.raises(DeployError, match="everything was taken back"):
        await deployer.deploy(made(name))
    assert account.everything() == before


CUT = """
import asyncio, json, sys
import pytest
from tests.integration.deployers.cloud import no_database_role
from vitesse_graph.deployers.ecs import EcsDeployer
from vitesse_graph.settings import Settings
from vitesse_graph.state.definition import IntegrationDefinition
given = json.load(sys.stdin)
no_database_role(pytest.MonkeyPatch())
settings = Settings(**given["settings"], _env_file=None)
deployer = EcsDeployer(settings, on_progress=lambda line: print(line, flush=True), poll_seconds=0.02)
asyncio.run(deployer.deploy(IntegrationDefinition.model_validate(given["definition"])))
"""


@pytest.mark.parametrize("at", ["target group and listener rule", "0 of 1 tasks run"])
async def test_a_deploy_that_was_cut_off_is_gone_on_with_and_doubles_nothing(
    deployer: EcsDeployer, account: Account, scheduler: Scheduler, tmp_path: Path, name: str, at: str
) -> None:
    """The process that deploys is killed; what it made stays, and the next one goes on with it."""
    scheduler.outcome = lambda size: "slow"
    given = {
        "settings": settings_of(account, tmp_path).model_dump(mode="json", exclude={"database_url"}),
        "definition": made(name).dump(),
    }
    given["settings"]["database_url"] = DATABASE
    pipe = asyncio.subprocess.PIPE
    arguments = [sys.executable, "-W", "ignore", "-c", CUT]
    process = await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe, env=os.environ)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(given).encode())
    process.stdin.close()
    async for line in process.stdout:
        if at.encode() in line:
            process.send_signal(signal.SIGKILL)
            break
    await process.wait()
    halfway = account.everything()
    assert halfway["secrets"]
    assert halfway["log groups"]
    scheduler.outcome = lambda size: "ready"
    assert (await deployer.deploy(made(name))).status == "running"
    there = account.everything()
    assert {kind: len(names) for kind, names in there.items()} == {
        "services": 1, "task definitions": 1, "rules": 1, "target groups": 1, "log groups": 1, "secrets": 1,
        "scaling": 0, "repositories": 0,
    }  # fmt: skip
    for kind, names in halfway.items():
        assert set(names) <= set(there[kind])


async def test_destroying_takes_nothing_that_was_made_by_others(
    deployer: EcsDeployer, account: Account, name: str
) -> None:
    """Also what has the very name, but not the tags."""
    await deployer.deploy(made(f"{name}-neighbour"))
    account.client("logs").create_log_group(logGroupName=f"/vitesse/vitesse-{name}")
    account.client("secretsmanager").create_secret(Name=f"vitesse/vitesse-{name}", SecretString="theirs")
    account.client("ecs").register_task_definition(
        family=f"vitesse-{name}", containerDefinitions=[{"name": "x", "image": "x", "memory": 128}]
    )
    before = account.everything()
    with pytest.raises(ConflictError, match="was not made for"):
        await deployer.deploy(made(name))
    await deployer.destroy(name)
    assert account.everything() == before


async def test_a_wrong_region_is_said_as_such(
    deployer: EcsDeployer, account: Account, tmp_path: Path, name: str
) -> None:
    elsewhere = deployer_of(account, tmp_path, aws_region="us-east-1", ecs_listener_arn=None)
    with pytest.raises(NotFoundError, match=r"us-east-1.*is AWS_REGION right\?"):
        await elsewhere.deploy(made(name))
    with pytest.raises(InputError, match="no AWS region: set AWS_REGION"):
        await deployer_of(account, tmp_path, aws_region=None).deploy(made(name))


async def test_a_role_that_is_missing_is_said_before_anything_is_made(
    deployer: EcsDeployer, account: Account, tmp_path: Path, name: str
) -> None:
    before = account.everything()
    role = account.role.replace("execution", "no-such-role")
    with pytest.raises(InputError, match="no-such-role does not exist"):
        await deployer_of(account, tmp_path, ecs_execution_role_arn=role).deploy(made(name))
    with pytest.raises(InputError, match="set VITESSE_ECS_EXECUTION_ROLE_ARN"):
        await deployer_of(account, tmp_path, ecs_execution_role_arn=None).deploy(made(name))
    assert account.everything() == before


async def test_a_quota_refuses_and_what_was_made_is_taken_back(
    deployer: EcsDeployer, account: Account, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.core.exceptions import ServiceException

    class TooManyTargetGroups(ServiceException):
        code = "TooManyTargetGroups"
        message = "The quota for the number of target groups has been reached."

    def refuse(*_: Any, **__: Any) -> None:
        raise TooManyTargetGroups

    monkeypatch.setattr(ELBv2Backend, "create_target_group", refuse)
    before = account.everything()
    with pytest.raises(
        DeployError, match=r"a quota of the account refuses in eu-west-1.*TooManyTargetGroups"
    ):
        await deployer.deploy(made(name))
    assert account.everything() == before


async def test_what_boto_would_not_send_is_an_input_error(
    deployer: EcsDeployer, account: Account, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InputError, match="set VITESSE_ECS_SUBNETS"):
        await deployer_of(account, tmp_path, ecs_subnets="").deploy(made(name))
    with pytest.raises(InputError, match="no ECS cluster"):
        await deployer_of(account, tmp_path, ecs_cluster=None).plan(made(name))
    with pytest.raises(InputError, match="no size with 99 CPUs"):
        await deployer.plan(made(name), DeploymentConfig(cpu_cores=99))
    aws = (await deployer._at(name)).parts.aws
    with pytest.raises(InputError, match="Parameter validation failed"):
        await aws.ask("ecs", "create_service", "a service", serviceName=7)


async def test_the_plan_shows_what_would_change_and_changes_nothing(
    deployer: EcsDeployer, account: Account, name: str
) -> None:
    first = await deployer.plan(made(name))
    assert first.changes == []
    assert "take everything back" in first.actions[-1]
    await deployer.deploy(made(name))
    before = account.everything()
    plan = await deployer.plan(made(name, 2, schedule="hourly"), DeploymentConfig(memory_mb=3000))
    assert {"version: 1 → 2", "schedule: None → hourly", "memory: 1024 → 3072"} <= set(plan.changes)
    assert plan.resources["image"] == IMAGE
    assert plan.routes[0].endswith(f"/vitesse-{name}")
    assert any("Fargate's next size is 0.5 CPUs and 3072 MB" in line for line in plan.warnings)
    assert account.everything() == before


async def test_logs_are_the_last_lines_of_all_tasks(
    deployer: EcsDeployer, account: Account, name: str
) -> None:
    await deployer.deploy(made(name))
    logs, now = account.client("logs"), int(time.time() * 1000) - 10_000
    for number in (1, 2):
        logs.create_log_stream(logGroupName=f"/vitesse/vitesse-{name}", logStreamName=f"task/{number}")
        logs.put_log_events(
            logGroupName=f"/vitesse/vitesse-{name}",
            logStreamName=f"task/{number}",
            logEvents=[{"timestamp": now + n * 10 + number, "message": f"{n} of {number}"} for n in range(3)],
        )
    assert (await deployer.get_logs(name, 3)).splitlines() == ["1 of 2", "2 of 1", "2 of 2"]


@pytest.mark.parametrize(
    "strange",
    ["../../etc/x", "'a\"b\n`c`", "{{x}} ${y} $(z)" + "x" * 300, "İD_ü\ud800"],
)
async def test_strange_ids_are_valid_names_all_the_same(
    deployer: EcsDeployer, account: Account, strange: str
) -> None:
    before = account.everything()
    await deployer.deploy(made(strange), DeploymentConfig(auto_scale=True))
    assert (await deployer.get_status(strange)).definition_digest == made(strange).digest()
    for names in account.everything().values():
        assert all(n.isascii() and n.isprintable() and " " not in n for n in names)
    await deployer.destroy(strange)
    assert account.everything() == before
