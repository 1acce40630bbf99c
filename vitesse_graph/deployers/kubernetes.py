"""Target `cloud_eks`: any conformant Kubernetes cluster, EKS or not, by server-side apply.

A release is applied as a whole or not at all: all objects are first offered as a dry run, so that a
conflict, a quota or a policy refuses before anything has changed. What was applied and does not become
healthy is taken back: the release before is applied again from its own ConfigMap, and where there was
none, everything goes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from vitesse_graph.deployers import manifests
from vitesse_graph.deployers.base import Deployer, SecretReader
from vitesse_graph.deployers.cloud import CloudEnvironment, cloud_environment, local_addresses
from vitesse_graph.deployers.cloud_image import delete_repository, ensure_image, is_ecr, planned_image
from vitesse_graph.deployers.cluster import Cluster, open_cluster
from vitesse_graph.deployers.manifests import HEALTHY_ANNOTATION, RELEASE_LABEL, Manifest, Workload
from vitesse_graph.deployers.names import dns_label
from vitesse_graph.deployers.process import _changes as definition_changes
from vitesse_graph.deployers.rollout import event_lines, judge, unfinished_pods
from vitesse_graph.errors import ConflictError, DeployError, NotFoundError, VitesseError
from vitesse_graph.settings import Settings
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.deployment import Deployment, DeploymentConfig, DeploymentPlan

_MADE = (
    "Ingress", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Deployment", "Service", "NetworkPolicy",
    "ConfigMap", "Secret", "ServiceAccount",
)  # fmt: skip
"""Kinds that an integration may have, in the order in which they are taken down."""
_KEPT_RELEASES = 2
_LOG_LINES = 40


class KubernetesDeployer(Deployer):
    """Applies, waits, takes back; holds no state of its own: the cluster has it all."""

    target = "cloud_eks"

    def __init__(
        self,
        settings: Settings,
        *,
        secret_reader: SecretReader | None = None,
        on_progress: Callable[[str], None] | None = None,
        poll_seconds: float = 2.0,
        gone_within_seconds: float = 90.0,
    ) -> None:
        super().__init__(settings, secret_reader=secret_reader)
        self._say = on_progress or (lambda line: None)
        self._poll_seconds = poll_seconds
        self._gone_within_seconds = gone_within_seconds
        self._namespace = dns_label(settings.kubernetes_namespace, prefix="")

    # -- the interface -----------------------------------------------------------------------------

    async def plan(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> DeploymentPlan:
        environment = self._environment(definition)
        image = await asyncio.to_thread(planned_image, definition, self.settings)
        workload = Workload.of(definition, config, self.settings, environment, image)
        async with self._open() as cluster:
            before, _ = await self._current(cluster, definition.integration_id)
            where = cluster.address
        objects = manifests.build_objects(workload)
        actions = [f"offer {len(objects)} objects to the cluster at {where} as a dry run, then apply them"]
        if not self.settings.image:
            actions.insert(0, "build the image and push it, unless the registry has it")
        actions.append(
            f"wait until all pods are ready (at most {workload.deadline_seconds} s), else "
            + (
                "take everything back"
                if before is None
                else f"go back to version {before.definition.version}"
            )
        )
        warnings = local_addresses(definition, self.settings)
        if workload.host is None:
            warnings.append(
                "without VITESSE_INGRESS_DOMAIN there is no Ingress: it answers inside the cluster only"
            )
        return DeploymentPlan(
            target=self.target,
            actions=actions,
            environment=environment.names(),
            resources={
                "image": image,
                "namespace": workload.namespace,
                "objects": [f"{item['kind']} {item['metadata']['name']}" for item in objects],
                "replicas": f"{workload.replicas}–{max(manifests.SCALES_TO, workload.replicas)}"
                if workload.auto_scale
                else workload.replicas,
                "memory_mb": workload.memory_mb,
                "cpu_cores": workload.cpu_cores,
            },
            routes=[workload.url],
            changes=_changes(before, workload) if before is not None else [],
            warnings=warnings,
        )

    async def deploy(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> Deployment:
        started = time.monotonic()
        environment = self._environment(definition)
        async with self._open() as cluster:
            before, _ = await self._current(cluster, definition.integration_id)
            image = await self._image(definition)
            workload = Workload.of(definition, config, self.settings, environment, image)
            await self._ensure_namespace(cluster, workload)
            await self._offer(cluster, workload, environment)
            try:
                await self._apply(cluster, workload, environment)
                await self._wait(cluster, workload, environment)
            except (VitesseError, asyncio.CancelledError) as error:
                await self._take_back(cluster, workload, before, error)
                raise
            await self._prune(cluster, workload, keep=before)
            _, deployment = await self._current(cluster, definition.integration_id)
        return self._deployment(workload, deployment, time.monotonic() - started)

    async def update(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> Deployment:
        async with self._open() as cluster:
            _, deployment = await self._current(cluster, definition.integration_id)
        if deployment is None:
            raise NotFoundError(
                f"{definition.integration_id} is not deployed to this cluster; deploy it first"
            )
        return await self.deploy(definition, config)

    async def destroy(self, integration_id: str) -> Deployment:
        started = time.monotonic()
        async with self._open() as cluster:
            await self._take_down(cluster, integration_id)
        registry = self.settings.ecr_registry_url or ""
        if is_ecr(registry.removeprefix("https://")):
            from vitesse_graph.deployers.aws import Aws

            aws = await asyncio.to_thread(Aws, self.settings)
            await delete_repository(aws, integration_id, self._tags(integration_id))
        return Deployment(
            target=self.target,
            workload_id=manifests.object_name(integration_id),
            service_url="",
            status="stopped",
            duration_seconds=round(time.monotonic() - started, 3),
        )

    async def get_status(self, integration_id: str) -> Deployment:
        async with self._open() as cluster:
            workload, deployment = await self._current(cluster, integration_id)
        if deployment is None or workload is None:
            raise NotFoundError(f"{integration_id} is not deployed to this cluster")
        return self._deployment(workload, deployment, 0.0)

    async def get_logs(self, integration_id: str, lines: int = 100) -> str:
        async with self._open() as cluster:
            _, deployment = await self._current(cluster, integration_id)
            if deployment is None:
                raise NotFoundError(f"{integration_id} is not deployed to this cluster")
            pods = await cluster.find("Pod", self._namespace, manifests.selector(integration_id))
            return await self._logs(cluster, pods, lines)

    # -- how it is done ----------------------------------------------------------------------------

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Cluster]:
        cluster = await asyncio.to_thread(open_cluster, self.settings)
        try:
            yield cluster
        finally:
            await cluster.close()

    def _environment(self, definition: IntegrationDefinition) -> CloudEnvironment:
        return cloud_environment(definition, self.settings, secret_reader=self.secret_reader)

    async def _image(self, definition: IntegrationDefinition) -> str:
        tags = self._tags(definition.integration_id)
        return await ensure_image(definition, self.settings, tags=tags, on_progress=self._say)

    @staticmethod
    def _tags(integration_id: str) -> dict[str, str]:
        return {
            "vitesse:managed-by": "vitesse",
            "vitesse:integration": manifests.object_name(integration_id),
            "vitesse:target": "cloud_eks",
        }

    async def _current(
        self, cluster: Cluster, integration_id: str
    ) -> tuple[Workload | None, Manifest | None]:
        """The release that the cluster has, as it was made, and the Deployment itself.

        Raises ConflictError when the name belongs to somebody else.
        """
        name = manifests.object_name(integration_id)
        deployment = await cluster.get("Deployment", self._namespace, name)
        if deployment is None:
            return None, None
        _ensure_ours(deployment, integration_id)
        release = deployment["metadata"].get("labels", {}).get(RELEASE_LABEL, "")
        kept = await cluster.get("ConfigMap", self._namespace, f"{name}-{release}")
        return (manifests.workload_of(kept) if kept is not None else None), deployment

    async def _ensure_namespace(self, cluster: Cluster, workload: Workload) -> None:
        """Makes the namespace where it is missing; one that is not ours stays as it is."""
        found = await cluster.get("Namespace", None, workload.namespace)
        if found is None:
            self._say(f"making the namespace {workload.namespace}")
            await cluster.apply(manifests.namespace_object(workload))

    async def _offer(self, cluster: Cluster, workload: Workload, environment: CloudEnvironment) -> None:
        """All objects as a dry run. Raises what the cluster has against them; nothing has changed then."""
        objects = self._objects(workload, environment)
        found = await asyncio.gather(
            *(cluster.get(o["kind"], workload.namespace, o["metadata"]["name"]) for o in objects)
        )
        for there in found:
            if there is not None:
                _ensure_ours(there, workload.definition.integration_id)
        await asyncio.gather(*(cluster.apply(item, dry_run=True) for item in objects))

    def _objects(self, workload: Workload, environment: CloudEnvironment) -> list[Manifest]:
        secret = [manifests.secret_object(workload, environment)] if workload.has_secret else []
        return [*secret, *manifests.build_objects(workload)]

    async def _apply(self, cluster: Cluster, workload: Workload, environment: CloudEnvironment) -> None:
        revision = None
        if workload.has_secret:
            secret = await cluster.apply(manifests.secret_object(workload, environment))
            revision = str(secret["metadata"].get("resourceVersion") or "") or None
        for item in manifests.build_objects(workload, secrets_revision=revision):
            self._say(f"applying {item['kind']} {item['metadata']['name']}")
            await cluster.apply(item)

    async def _wait(self, cluster: Cluster, workload: Workload, environment: CloudEnvironment) -> None:
        """Until the release is healthy. Raises DeployError with what the cluster and the pods say."""
        deadline = time.monotonic() + self.settings.rollout_timeout_seconds
        told = ""
        while True:
            deployment = await cluster.get("Deployment", workload.namespace, workload.name)
            if deployment is None:
                raise ConflictError(f"Deployment {workload.name} was deleted while it was rolled out")
            pods = await self._pods(cluster, workload)
            verdict = judge(deployment, pods, workload.release)
            if verdict.reason != told:
                told = verdict.reason
                self._say(told)
            if verdict.state == "done":
                return
            late = time.monotonic() > deadline
            if verdict.state == "failed" or late:
                seconds = self.settings.rollout_timeout_seconds
                reason = verdict.reason + (f" after {seconds:g} s" if verdict.state == "waiting" else "")
                events = event_lines(await cluster.find("Event", workload.namespace), workload.name)
                logs = await self._logs(cluster, unfinished_pods(pods, workload.release), _LOG_LINES)
                said = "\n".join([*events, *logs.splitlines()])
                name = workload.definition.integration_id
                raise DeployError(
                    f"{name} did not become healthy: {reason}", log_tail=environment.redact(said)
                )
            await asyncio.sleep(self._poll_seconds)

    async def _pods(self, cluster: Cluster, workload: Workload) -> list[Manifest]:
        labels = manifests.selector(workload.definition.integration_id)
        return await cluster.find("Pod", workload.namespace, labels)

    async def _logs(self, cluster: Cluster, pods: list[Manifest], lines: int) -> str:
        names = [pod["metadata"]["name"] for pod in pods]
        texts = []
        for name in names:
            text = await cluster.logs(self._namespace, name, lines)
            # A container that was just started again has said nothing yet; the one before has.
            texts.append(text or await cluster.logs(self._namespace, name, lines, previous=True))
        if len(names) <= 1:
            return "".join(texts).rstrip("\n")
        found = [
            f"[{name}] {line}" for name, text in zip(names, texts, strict=True) for line in text.splitlines()
        ]
        return "\n".join(found)

    async def _take_back(
        self, cluster: Cluster, failed: Workload, before: Workload | None, error: BaseException
    ) -> None:
        """The release before, or nothing. Adds to the error what was done; a fault here hides no other."""
        name = failed.definition.integration_id
        try:
            if before is None:
                await self._take_down(cluster, name)
                done = "everything was taken back"
            else:
                labels = {RELEASE_LABEL: before.release}
                secrets = await cluster.find("Secret", failed.namespace, labels)
                revision = str(secrets[0]["metadata"].get("resourceVersion")) if secrets else None
                for item in manifests.build_objects(before, secrets_revision=revision):
                    await cluster.apply(item)
                if before.release != failed.release:
                    await self._prune(cluster, before, keep=None)
                done = f"rolled back to version {before.definition.version}, which goes on"
        except VitesseError as problem:
            done = f"and it could not be taken back: {problem}"
        self._say(done)
        if isinstance(error, VitesseError):
            error.args = (f"{error}; {done}",)

    async def _prune(self, cluster: Cluster, workload: Workload, *, keep: Workload | None) -> None:
        """Objects that this release no longer has, and releases older than the one before."""
        wanted = {(item["kind"], item["metadata"]["name"]) for item in manifests.build_objects(workload)}
        kept = {workload.release, keep.release if keep is not None else ""}
        labels = manifests.selector(workload.definition.integration_id)
        for kind in _MADE:
            for item in await cluster.find(kind, workload.namespace, labels):
                release = item["metadata"].get("labels", {}).get(RELEASE_LABEL)
                is_of_release = kind in ("ConfigMap", "Secret")
                if release in kept if is_of_release else (kind, item["metadata"]["name"]) in wanted:
                    continue
                await cluster.delete(kind, workload.namespace, item["metadata"]["name"])

    async def _take_down(self, cluster: Cluster, integration_id: str) -> None:
        """All objects with the integration's labels; waits until its pods are gone."""
        labels = manifests.selector(integration_id)
        for kind in _MADE:
            for item in await cluster.find(kind, self._namespace, labels):
                self._say(f"deleting {kind} {item['metadata']['name']}")
                await cluster.delete(kind, self._namespace, item["metadata"]["name"])
        deadline = time.monotonic() + self._gone_within_seconds
        while await cluster.find("Pod", self._namespace, labels):
            if time.monotonic() > deadline:
                raise DeployError(f"pods of {integration_id} are still ending; all else is gone")
            await asyncio.sleep(self._poll_seconds)

    def _deployment(self, workload: Workload, deployment: Manifest | None, seconds: float) -> Deployment:
        status = (deployment or {}).get("status") or {}
        spec = (deployment or {}).get("spec") or {}
        ready, wanted = int(status.get("availableReplicas") or 0), int(spec.get("replicas") or 0)
        definition = workload.definition
        return Deployment(
            target=self.target,
            workload_id=f"{workload.namespace}/{workload.name}",
            service_url=workload.url,
            version=definition.version,
            definition_digest=definition.digest(),
            status="running" if ready else ("stopped" if not wanted else "failed"),
            duration_seconds=round(seconds, 3),
            environments={"source": definition.source.environment, "dest": definition.dest.environment},
            detail={
                "image": workload.image,
                "release": workload.release,
                "replicas": wanted,
                "ready": ready,
            },
        )


def _ensure_ours(item: Manifest, integration_id: str) -> None:
    labels = item["metadata"].get("labels") or {}
    ours = manifests.selector(integration_id)
    if any(labels.get(key) != value for key, value in ours.items()):
        raise ConflictError(
            f"{item.get('kind', 'an object')} {item['metadata']['name']} in this namespace was not made for "
            f"{integration_id!r}; rename it, or use another namespace"
        )


def _changes(before: Workload, after: Workload) -> list[str]:
    """What differs from the release that runs, in words."""
    found = definition_changes(before.definition, after.definition)
    for name in ("image", "replicas", "auto_scale", "memory_mb", "cpu_cores", "ingress_domain", "role_arn"):
        old, new = getattr(before, name), getattr(after, name)
        # What runs is named by digest, what is planned by tag: the same repository says nothing yet.
        if old != new and not (name == "image" and "@" in str(old)):
            found.append(f"{name}: {old} → {new}")
    names_before = {*before.environment, *before.secret_names, *before.secret_files}
    names_after = {*after.environment, *after.secret_names, *after.secret_files}
    found += [f"environment: {name} added" for name in sorted(names_after - names_before)]
    found += [f"environment: {name} removed" for name in sorted(names_before - names_after)]
    return found
