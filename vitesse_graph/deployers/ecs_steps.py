"""The parts of an integration on AWS, each found by its name or made: any step may be done again.

Each part carries the integration's tags. What has the name without the tags is somebody else's: it is
neither changed nor deleted.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from vitesse_graph.deployers.aws import Aws
from vitesse_graph.deployers.cloud import CONTAINER_PORT, CloudEnvironment
from vitesse_graph.deployers.names import ecs_family, route_path, target_group_name
from vitesse_graph.errors import ConflictError, DeployError, NotFoundError

_LOG_DAYS = 30
_RULE_PRIORITIES = 50_000
_SERVICE = "ecs:service:DesiredCount"


class Parts:
    """What one integration has on AWS, beside its service."""

    def __init__(self, aws: Aws, integration_id: str, tags: dict[str, str]) -> None:
        self.aws = aws
        self.id = integration_id
        self.name = ecs_family(integration_id)
        self.tags = tags
        self.log_group = f"/vitesse/{self.name}"
        self.secret_name = f"vitesse/{self.name}"

    def tag_list(self, **more: str) -> list[dict[str, str]]:
        return [{"Key": key, "Value": value} for key, value in {**self.tags, **more}.items()]

    def ensure_ours(self, what: str, found: dict[str, str]) -> None:
        if not self.is_ours(found):
            raise ConflictError(f"{what} is there and was not made for {self.id!r}; rename it")

    def is_ours(self, found: dict[str, str]) -> bool:
        return self.tags.items() <= found.items()

    # -- logs ----------------------------------------------------------------------------------------

    async def ensure_log_group(self) -> None:
        what = f"the log group {self.log_group}"
        try:
            await self.aws.ask("logs", "create_log_group", what, logGroupName=self.log_group, tags=self.tags)
        except ConflictError:
            self.ensure_ours(what, await self._log_tags(what))
        await self.aws.ask(
            "logs", "put_retention_policy", what, logGroupName=self.log_group, retentionInDays=_LOG_DAYS
        )

    async def _log_tags(self, what: str) -> dict[str, str]:
        found = await self.aws.ask("logs", "list_tags_log_group", what, logGroupName=self.log_group)
        return dict(found.get("tags") or {})

    async def delete_log_group(self) -> None:
        what = f"the log group {self.log_group}"
        try:
            if self.is_ours(await self._log_tags(what)):
                await self.aws.ask("logs", "delete_log_group", what, logGroupName=self.log_group)
        except NotFoundError:
            return

    async def log_lines(self, lines: int) -> list[str]:
        """The last lines over all tasks, the oldest first; none when nothing was logged yet."""
        try:
            streams = await self.aws.ask(
                "logs", "describe_log_streams", "the task's logs",
                logGroupName=self.log_group, orderBy="LastEventTime", descending=True, limit=5,
            )  # fmt: skip
            found: list[tuple[int, str]] = []
            for stream in streams.get("logStreams") or []:
                events = await self.aws.ask(
                    "logs", "get_log_events", "the task's logs",
                    logGroupName=self.log_group, logStreamName=stream["logStreamName"],
                    limit=min(lines, 10_000), startFromHead=False,
                )  # fmt: skip
                found += [(int(e["timestamp"]), str(e["message"]).rstrip("\n")) for e in events["events"]]
        except NotFoundError:
            return []
        return [text for _, text in sorted(found, key=lambda item: item[0])][-lines:]

    # -- secrets -------------------------------------------------------------------------------------

    async def ensure_secret(self, environment: CloudEnvironment) -> tuple[str, str | None]:
        """One secret with all values by name. Returns its `valueFrom` with `{key}` and the version before.

        The version is named, so that the task definition before goes on with the values it had.
        """
        what = f"the secret {self.secret_name}"
        wanted = json.dumps(environment.secret, sort_keys=True)
        try:
            found = await self.aws.ask("secretsmanager", "describe_secret", what, SecretId=self.secret_name)
        except NotFoundError:
            made = await self.aws.ask(
                "secretsmanager", "create_secret", what,
                Name=self.secret_name, SecretString=wanted, Tags=self.tag_list(),
            )  # fmt: skip
            return _value_from(made), None
        self.ensure_ours(what, _tags_of(found.get("Tags")))
        if found.get("DeletedDate"):
            await self.aws.ask("secretsmanager", "restore_secret", what, SecretId=self.secret_name)
        now = await self._current_secret(what)
        if now.get("SecretString") == wanted:
            return _value_from(now), None
        made = await self.aws.ask(
            "secretsmanager", "put_secret_value", what, SecretId=self.secret_name, SecretString=wanted
        )
        return _value_from(made), str(now["VersionId"])

    async def restore_secret_version(self, version: str) -> None:
        """The values of this version are current again: a version without a label may be deleted by AWS."""
        what = f"the secret {self.secret_name}"
        now = await self._current_secret(what)
        if now["VersionId"] == version:
            return
        await self.aws.ask(
            "secretsmanager", "update_secret_version_stage", what,
            SecretId=self.secret_name, VersionStage="AWSCURRENT",
            MoveToVersionId=version, RemoveFromVersionId=now["VersionId"],
        )  # fmt: skip

    async def _current_secret(self, what: str) -> dict[str, Any]:
        return await self.aws.ask(
            "secretsmanager", "get_secret_value", what, SecretId=self.secret_name, VersionStage="AWSCURRENT"
        )

    async def delete_secret(self) -> None:
        what = f"the secret {self.secret_name}"
        try:
            found = await self.aws.ask("secretsmanager", "describe_secret", what, SecretId=self.secret_name)
            if self.is_ours(_tags_of(found.get("Tags"))):
                # At once: a secret that waits to be deleted keeps its name from the next deploy.
                await self.aws.ask(
                    "secretsmanager", "delete_secret", what,
                    SecretId=self.secret_name, ForceDeleteWithoutRecovery=True,
                )  # fmt: skip
        except NotFoundError:
            return

    # -- the way in ----------------------------------------------------------------------------------

    async def listener(self, arn: str) -> tuple[str, str]:
        """The VPC of a listener's load balancer, and the URL it answers at. Raises NotFoundError."""
        what = f"the listener {arn}"
        found = (await self.aws.ask("elbv2", "describe_listeners", what, ListenerArns=[arn]))["Listeners"][0]
        balancer = (
            await self.aws.ask(
                "elbv2", "describe_load_balancers", what, LoadBalancerArns=[found["LoadBalancerArn"]]
            )
        )["LoadBalancers"][0]
        scheme, port = str(found["Protocol"]).lower(), int(found["Port"])
        place = balancer["DNSName"] + ("" if port == {"http": 80, "https": 443}.get(scheme) else f":{port}")
        return str(balancer["VpcId"]), f"{scheme}://{place}"

    async def ensure_target_group(self, vpc: str) -> str:
        """The target group's ARN."""
        there = await self._target_group()
        if there is not None:
            return there
        what = f"the target group {target_group_name(self.id)}"
        made = await self.aws.ask(
            "elbv2", "create_target_group", what,
            Name=target_group_name(self.id), Protocol="HTTP", Port=CONTAINER_PORT, VpcId=vpc,
            TargetType="ip", HealthCheckPath="/ready", HealthCheckIntervalSeconds=10,
            HealthCheckTimeoutSeconds=5, HealthyThresholdCount=2, UnhealthyThresholdCount=3,
            Matcher={"HttpCode": "200"}, Tags=self.tag_list(),
        )  # fmt: skip
        arn = str(made["TargetGroups"][0]["TargetGroupArn"])
        drain = [{"Key": "deregistration_delay.timeout_seconds", "Value": "30"}]
        await self.aws.ask(
            "elbv2", "modify_target_group_attributes", what, TargetGroupArn=arn, Attributes=drain
        )
        return arn

    async def _target_group(self, *, only_ours: bool = False) -> str | None:
        what = f"the target group {target_group_name(self.id)}"
        try:
            found = await self.aws.ask(
                "elbv2", "describe_target_groups", what, Names=[target_group_name(self.id)]
            )
        except NotFoundError:
            return None
        if not found["TargetGroups"]:
            return None
        arn = str(found["TargetGroups"][0]["TargetGroupArn"])
        tags = (await self._balancer_tags([arn]))[arn]
        if only_ours and not self.is_ours(tags):
            return None
        self.ensure_ours(what, tags)
        return arn

    async def _balancer_tags(self, arns: list[str]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {arn: {} for arn in arns}
        for start in range(0, len(arns), 20):  # as many as one call takes
            answer = await self.aws.ask(
                "elbv2", "describe_tags", "the load balancer's tags", ResourceArns=arns[start : start + 20]
            )
            found |= {d["ResourceArn"]: _tags_of(d["Tags"]) for d in answer["TagDescriptions"]}
        return found

    async def _rules(self, listener: str) -> list[dict[str, Any]]:
        found = await asyncio.to_thread(
            self.aws.pages, "elbv2", "describe_rules", "the listener's rules", "Rules", ListenerArn=listener
        )
        return [rule for rule in found if not rule.get("IsDefault")]

    async def _own_rules(self, rules: list[dict[str, Any]]) -> list[str]:
        tags = await self._balancer_tags([rule["RuleArn"] for rule in rules])
        return [arn for arn, found in tags.items() if self.is_ours(found)]

    async def ensure_rule(self, listener: str, target_group: str) -> None:
        """The rule that sends the integration's path to its tasks, without the path's first part."""
        path = route_path(self.id)
        what = f"the listener rule for {path}"
        rules = await self._rules(listener)
        if await self._own_rules(rules):
            return
        for rule in rules:
            if any(path in (c.get("PathPatternConfig") or {}).get("Values", []) for c in rule["Conditions"]):
                raise ConflictError(f"{what}: another rule has this path ({rule['RuleArn']})")
        taken = {int(rule["Priority"]) for rule in rules if str(rule["Priority"]).isdigit()}
        priority = next((n for n in range(1, _RULE_PRIORITIES + 1) if n not in taken), None)
        if priority is None:
            raise DeployError(f"{what}: the listener has no free priority")
        await self.aws.ask(
            "elbv2", "create_rule", what,
            ListenerArn=listener, Priority=priority,
            Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": [path, f"{path}/*"]}}],
            Actions=[{"Type": "forward", "TargetGroupArn": target_group}],
            Transforms=[{
                "Type": "url-rewrite",
                "UrlRewriteConfig": {
                    "Rewrites": [{"Regex": f"^{path}/?(.*)$", "Replace": "/$1"}]
                },
            }],
            Tags=self.tag_list(),
        )  # fmt: skip

    async def delete_way_in(self, listener: str | None) -> None:
        """The rule, then the target group that it names."""
        if listener is not None:
            try:
                own = await self._own_rules(await self._rules(listener))
            except NotFoundError:
                own = []
            for arn in own:
                await self.aws.ask("elbv2", "delete_rule", "the listener rule", RuleArn=arn)
        group = await self._target_group(only_ours=True)
        if group is not None:
            await self.aws.ask("elbv2", "delete_target_group", "the target group", TargetGroupArn=group)

    # -- scaling -------------------------------------------------------------------------------------

    async def ensure_scaling(self, cluster: str, lowest: int, highest: int) -> None:
        which = {
            "ServiceNamespace": "ecs",
            "ResourceId": self._scalable(cluster),
            "ScalableDimension": _SERVICE,
        }
        await self.aws.ask(
            "application-autoscaling", "register_scalable_target", "the autoscaling target",
            **which, MinCapacity=lowest, MaxCapacity=highest,
        )  # fmt: skip
        await self.aws.ask(
            "application-autoscaling", "put_scaling_policy", "the autoscaling policy",
            **which, PolicyName=self.name, PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": 70.0,
                "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
            },
        )  # fmt: skip

    async def delete_scaling(self, cluster: str) -> None:
        which = {"ServiceNamespace": "ecs", "ScalableDimension": _SERVICE}
        policies = await self.aws.ask(
            "application-autoscaling", "describe_scaling_policies", "the autoscaling policy",
            **which, ResourceId=self._scalable(cluster),
        )  # fmt: skip
        for policy in policies.get("ScalingPolicies") or []:
            await self.aws.ask(
                "application-autoscaling", "delete_scaling_policy", "the autoscaling policy",
                **which, ResourceId=self._scalable(cluster), PolicyName=policy["PolicyName"],
            )  # fmt: skip
        found = await self.aws.ask(
            "application-autoscaling", "describe_scalable_targets", "the autoscaling target",
            **which, ResourceIds=[self._scalable(cluster)],
        )  # fmt: skip
        if found.get("ScalableTargets"):
            await self.aws.ask(
                "application-autoscaling", "deregister_scalable_target", "the autoscaling target",
                **which, ResourceId=self._scalable(cluster),
            )  # fmt: skip

    def _scalable(self, cluster: str) -> str:
        return f"service/{cluster.rpartition('/')[2]}/{self.name}"


def _tags_of(listed: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in listed or []}


def _value_from(secret: dict[str, Any]) -> str:
    return f"{secret['ARN']}:{{key}}::{secret['VersionId']}"
