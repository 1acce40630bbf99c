"""Target `cloud_eks`: any conformant Kubernetes cluster, EKS or not, by server-side apply.

A release is applied as a whole or not at all: all objects are first offered as a dry run, so that a
conflict, a quota or a policy refuses before anything has changed. What was applied and does not become
healthy is taken back: the release before is applied again from its own ConfigMap, and where there was
none, everything goes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vitesse_graph.deployers import manifests
from vitesse_graph.deployers.base import changes_between
from vitesse_graph.deployers.cloud import local_addresses
from vitesse_graph.deployers.cloud_image import ensure_image, planned_image
from vitesse_graph.deployers.cloud_target import CloudDeployer
from vitesse_graph.deployers.cluster import open_cluster
from vitesse_graph.deployers.names import dns_label
from vitesse_graph.deployers.release import Releases
from vitesse_graph.deployers.rollout import restarts_of
from vitesse_graph.deployers.workload import Manifest, Workload, object_name
from vitesse_graph.errors import NotFoundError, VitesseError
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.deployment import Deployment, DeploymentConfig, DeploymentPlan


class KubernetesDeployer(CloudDeployer):
    """Any conformant cluster: kubeconfig, the cluster we run in, or EKS by name."""

    target = "cloud_eks"

    # -- the interface -----------------------------------------------------------------------------

    async def plan(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> DeploymentPlan:
        environment = self._planned_environment(definition)
        image = await asyncio.to_thread(planned_image, definition, self.settings)
        workload = Workload.of(definition, config, self.settings, environment, image)
        async with self._releases(definition.integration_id) as releases:
            standing = await releases.standing()
        before = standing.healthy
        objects = manifests.build_objects(workload)
        actions = [
            f"offer {len(objects)} objects to the cluster as a dry run, then apply them",
            f"wait until all pods are ready (at most {workload.deadline_seconds} s), else "
            + (
                "take everything back"
                if before is None
                else f"go back to version {before.definition.version}"
            ),
        ]
        if not self.settings.image:
            actions.insert(0, "build the image and push it, unless the registry has it")
        if before is not None and _is_same(before, workload) and standing.release == before:
            actions = ["nothing: this very definition runs already"]
        warnings = local_addresses(definition)
        if workload.host is None:
            warnings.append(
                "without VITESSE_INGRESS_DOMAIN there is no Ingress: it answers inside the cluster only"
            )
        most = max(manifests.SCALES_TO, workload.replicas)
        return DeploymentPlan(
            target=self.target,
            actions=actions,
            environment=environment.names(),
            resources={
                "image": image,
                "namespace": workload.namespace,
                "replicas": f"{workload.replicas} to {most}" if workload.auto_scale else workload.replicas,
                "memory_mb": workload.memory_mb,
                "cpu_cores": workload.cpu_cores,
                "objects": ", ".join(f"{item['kind']} {item['metadata']['name']}" for item in objects),
            },
            routes=[workload.url],
            changes=_changes(before, workload) if before is not None else [],
            warnings=warnings,
        )

    async def deploy(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> Deployment:
        started = time.monotonic()
        integration_id = definition.integration_id
        async with self._alone(integration_id), self._releases(integration_id) as releases:
            is_first = (await releases.standing()).healthy is None
            environment = await self._environment(definition)
            image = await ensure_image(
                definition, self.settings, tags=self._tags(integration_id), on_progress=self._say
            )
            workload = Workload.of(definition, config, self.settings, environment, image)
            try:
                seconds = self.settings.rollout_timeout_seconds
                await releases.bring_up(workload, environment, timeout_seconds=seconds)
            except VitesseError:
                if is_first:
                    await self._forget(integration_id)
                raise
            deployed = await self._ensure_deployed(releases, integration_id)
        return deployed.model_copy(update={"duration_seconds": round(time.monotonic() - started, 3)})

    async def update(
        self, definition: IntegrationDefinition, config: DeploymentConfig | None = None
    ) -> Deployment:
        async with self._releases(definition.integration_id) as releases:
            await self._ensure_deployed(releases, definition.integration_id)
        return await self.deploy(definition, config)

    async def destroy(self, integration_id: str) -> Deployment:
        started = time.monotonic()
        alone = self._alone(integration_id, for_good=True)
        async with alone, self._releases(integration_id) as releases:
            await releases.take_down(within_seconds=self._gone_within_seconds)
            await self._forget(integration_id)
        return Deployment(
            target=self.target,
            workload_id=object_name(integration_id),
            service_url="",
            status="stopped",
            duration_seconds=round(time.monotonic() - started, 3),
        )

    async def get_status(self, integration_id: str) -> Deployment:
        async with self._releases(integration_id) as releases:
            return await self._ensure_deployed(releases, integration_id)

    async def get_logs(self, integration_id: str, lines: int = 100) -> str:
        async with self._releases(integration_id) as releases:
            await self._ensure_deployed(releases, integration_id)
            return await releases.logs(await releases.pods(), lines)

    # -- how it is done ----------------------------------------------------------------------------

    @asynccontextmanager
    async def _releases(self, integration_id: str) -> AsyncIterator[Releases]:
        cluster = await asyncio.to_thread(open_cluster, self.settings)
        namespace = dns_label(self.settings.kubernetes_namespace, prefix="")
        try:
            yield Releases(cluster, namespace, integration_id, say=self._say, poll_seconds=self._poll_seconds)
        finally:
            await cluster.close()

    async def _ensure_deployed(self, releases: Releases, integration_id: str) -> Deployment:
        found = await releases.standing()
        if found.deployment is None or found.release is None:
            raise NotFoundError(f"{integration_id} is not deployed to this cluster; deploy it first")
        return self._deployment(found.release, found.deployment, await releases.pods())

    def _deployment(self, workload: Workload, deployment: Manifest, pods: list[Manifest]) -> Deployment:
        status, spec = deployment.get("status") or {}, deployment.get("spec") or {}
        ready, wanted = int(status.get("availableReplicas") or 0), int(spec.get("replicas") or 0)
        definition = workload.definition
        return Deployment(
            target=self.target,
            workload_id=f"{workload.namespace}/{workload.name}",
            service_url=workload.url,
            version=definition.version,
            definition_digest=definition.digest(),
            status="running" if ready else ("failed" if wanted else "stopped"),
            environments={"source": definition.source.environment, "dest": definition.dest.environment},
            detail={
                "image": workload.image,
                "release": workload.release,
                "replicas": wanted,
                "ready": ready,
                "restarts": sum(map(restarts_of, pods)),
            },
        )


def _is_same(before: Workload, after: Workload) -> bool:
    """But for the image: what runs is named by its digest, what is planned by its tag."""
    return before.model_copy(update={"image": ""}) == after.model_copy(update={"image": ""})


def _changes(before: Workload, after: Workload) -> list[str]:
    """What differs from the release that runs, in words."""
    found = changes_between(before.definition, after.definition)
    for name in ("image", "replicas", "auto_scale", "memory_mb", "cpu_cores", "ingress_domain", "role_arn"):
        old, new = getattr(before, name), getattr(after, name)
        # What runs is named by its digest, what is planned by its tag: to differ says nothing there.
        if old != new and not (name == "image" and "@" in str(old)):
            found.append(f"{name}: {old} → {new}")
    names_before = {*before.environment, *before.secret_names, *before.secret_files}
    names_after = {*after.environment, *after.secret_names, *after.secret_files}
    found += [f"environment: {name} added" for name in sorted(names_after - names_before)]
    found += [f"environment: {name} removed" for name in sorted(names_before - names_after)]
    return found
