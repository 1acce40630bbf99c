"""An AWS account over HTTP, on moto's server: network, load balancer, cluster and role, and a scheduler for ECS.

moto keeps what was asked for but runs nothing. `Scheduler` does what the documentation of ECS says of a
deployment: steady state, or the circuit breaker stops it, with the events and stopped tasks it leaves.
"""

from __future__ import annotations

import functools
import logging
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto.ecs.models import EC2ContainerServiceBackend
from moto.server import ThreadedMotoServer

REGION = "eu-west-1"


@functools.cache
def _client(url: str, service: str, region: str) -> Any:
    return boto3.client(service, region_name=region, endpoint_url=url)


@dataclass
class Account:
    """What a platform team hands over."""

    url: str
    subnets: list[str] = field(default_factory=list)
    group: str = ""
    listener: str = ""
    role: str = ""

    def client(self, service: str, region: str = REGION) -> Any:
        return _client(self.url, service, region)

    def everything(self) -> dict[str, list[str]]:
        """Names of all that a deploy may make, by kind."""
        ecs, elb, logs = self.client("ecs"), self.client("elbv2"), self.client("logs")
        arns = ecs.list_services(cluster="main")["serviceArns"]
        services = ecs.describe_services(cluster="main", services=arns)["services"] if arns else []
        rules = elb.describe_rules(ListenerArn=self.listener)["Rules"]
        targets = self.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")
        policies = self.client("application-autoscaling").describe_scaling_policies(ServiceNamespace="ecs")
        return {
            "services": [s["serviceName"] for s in services if s["status"] != "INACTIVE"],
            "task definitions": ecs.list_task_definitions(status="ACTIVE")["taskDefinitionArns"],
            "rules": [r["RuleArn"] for r in rules if not r["IsDefault"]],
            "target groups": [g["TargetGroupName"] for g in elb.describe_target_groups()["TargetGroups"]],
            "log groups": [g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]],
            "secrets": [s["Name"] for s in self.client("secretsmanager").list_secrets()["SecretList"]],
            "scaling": [t["ResourceId"] for t in targets["ScalableTargets"]]
            + [p["PolicyName"] for p in policies["ScalingPolicies"]],
            "repositories": [
                r["repositoryName"] for r in self.client("ecr").describe_repositories()["repositories"]
            ],
        }


class Scheduler:
    """Whether a task definition's tasks come up; asked each time somebody looks at the service."""

    def __init__(self) -> None:
        self.outcome: Callable[[str], str] = lambda image: "ready"
        """For an image: ready, broken (the circuit breaker stops it), back (ECS goes back by itself), slow."""

        self.before = ""

    def look(self, backend: EC2ContainerServiceBackend, service: Any) -> None:
        """Moves the service's deployment on."""
        if service.status != "ACTIVE":
            return
        arn, primary = service.task_definition, service.deployments[0]
        definition = backend.describe_task_definition(arn)
        container = definition.container_definitions[0]
        environment = {item["name"]: item["value"] for item in container["environment"]}
        outcome = self.outcome(environment.get("BATCH_SIZE", ""))
        primary |= {"taskDefinition": arn, "desiredCount": service.desired_count, "status": "PRIMARY"}
        if outcome == "ready":
            state, running = "COMPLETED", service.desired_count
        else:
            state, running = {"broken": "FAILED", "back": "FAILED"}.get(outcome, "IN_PROGRESS"), 0
        primary |= {"rolloutState": state, "runningCount": running, "failedTasks": 0 if running else 3}
        primary["rolloutStateReason"] = {
            "COMPLETED": "ECS deployment ecs-svc/1 completed.",
            "FAILED": "ECS deployment circuit breaker: tasks failed to start.",
        }.get(state, "ECS deployment ecs-svc/1 in progress.")
        service.running_count = running
        if state == "FAILED":
            said = "(service x) was unable to place a task: CannotPullContainerError: pull access denied"
            service.events = [{"id": "1", "createdAt": 1.0, "message": said}]
        if outcome == "back":
            failed = dict(primary)
            primary |= {"taskDefinition": self.before, "rolloutState": "IN_PROGRESS"}
            service.deployments = [primary, {**failed, "status": "ACTIVE"}]
        else:
            self.before = arn


@functools.cache
def moto_url() -> str:
    """The server's address; it is started once, and ends with this process."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


def open_account(patch: pytest.MonkeyPatch) -> Account:
    """A new account, in which every AWS client of this process finds itself."""
    url = moto_url()
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "aws-secret-key-77",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        patch.setenv(name, value)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        patch.delenv(name, raising=False)
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")).close()
    made = Account(url)
    ec2, elb = made.client("ec2"), made.client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    for number, zone in enumerate("ab"):
        subnet = ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}"
        )
        made.subnets.append(subnet["Subnet"]["SubnetId"])
    made.group = ec2.create_security_group(GroupName="tasks", Description="tasks", VpcId=vpc)["GroupId"]
    balancer = elb.create_load_balancer(Name="main", Subnets=made.subnets)["LoadBalancers"][0]
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
    made.listener = elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=[fixed]
    )["Listeners"][0]["ListenerArn"]
    made.client("ecs").create_cluster(clusterName="main")
    role = made.client("iam").create_role(RoleName="execution", AssumeRolePolicyDocument="{}")["Role"]
    made.role = role["Arn"]
    return made


def watch_services(scheduler: Scheduler, patch: pytest.MonkeyPatch) -> None:
    """The scheduler is asked each time somebody looks at services."""
    original = EC2ContainerServiceBackend.describe_services

    @functools.wraps(original)
    def describe(self: EC2ContainerServiceBackend, cluster: str, services: list[str]) -> Any:
        found, failures = original(self, cluster, services)
        for service in found:
            scheduler.look(self, service)
        return found, failures

    patch.setattr(EC2ContainerServiceBackend, "describe_services", describe)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    return open_account(monkeypatch)


@pytest.fixture
def scheduler(account: Account, monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    made = Scheduler()
    watch_services(made, monkeypatch)
    return made
