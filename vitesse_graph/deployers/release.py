"""Releases of one integration on one cluster: which there are, applying one whole, waiting for it, taking it back.

The cluster is the only memory. Each release's ConfigMap holds what it was made from; the Deployment says by a
label which release it is, and by an annotation which one was healthy last. So whoever comes after a deploy
that was cut off knows what to go back to.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from vitesse_graph.deployers import manifests
from vitesse_graph.deployers.cloud import CloudEnvironment
from vitesse_graph.deployers.cluster import Cluster
from vitesse_graph.deployers.images import Progress
from vitesse_graph.deployers.manifests import HEALTHY_ANNOTATION, RELEASE_LABEL
from vitesse_graph.deployers.rollout import event_lines, judge, unfinished_pods
from vitesse_graph.deployers.workload import Manifest, Workload, object_name, selector
from vitesse_graph.errors import ConflictError, DeployError, VitesseError

_MADE = (
    "Ingress", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Deployment", "Service", "NetworkPolicy",
    "ConfigMap", "Secret", "ServiceAccount",
)  # fmt: skip
"""Kinds that an integration may have, in the order in which they are taken down."""
_LOG_LINES = 40


@dataclass(frozen=True)
class Standing:
    """What the cluster has of an integration."""

    deployment: Manifest | None = None
    release: Workload | None = None
    """What the Deployment was made from last, healthy or not."""
    healthy: Workload | None = None
    """The last release that became healthy."""


class Releases:
    """One integration's objects in one namespace."""

    def __init__(
        self, cluster: Cluster, namespace: str, integration_id: str, *, say: Progress, poll_seconds: float
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._id = integration_id
        self._name = object_name(integration_id)
        self._labels = selector(integration_id)
        self._say = say
        self._poll_seconds = poll_seconds

    async def standing(self) -> Standing:
        """Raises ConflictError when the name belongs to somebody else."""
        deployment = await self._cluster.get("Deployment", self._namespace, self._name)
        if deployment is None:
            return Standing()
        self._ensure_ours(deployment)
        about = deployment["metadata"]
        names = (
            (about.get("labels") or {}).get(RELEASE_LABEL),
            (about.get("annotations") or {}).get(HEALTHY_ANNOTATION),
        )
        release, healthy = await asyncio.gather(*(self._kept(name) for name in names))
        return Standing(deployment, release, healthy)

    async def _kept(self, release: str | None) -> Workload | None:
        if not release:
            return None
        found = await self._cluster.get("ConfigMap", self._namespace, f"{self._name}-{release}")
        return manifests.workload_of(found) if found is not None else None

    async def bring_up(
        self, workload: Workload, environment: CloudEnvironment, *, timeout_seconds: float
    ) -> None:
        """From what stands to this release, healthy. Raises what was in the way, after which all is as before."""
        before = (await self.standing()).healthy
        await self._ensure_namespace(workload)
        await self._offer(workload, environment)
        try:
            await self._apply(workload, environment, before)
            await self._wait(workload, environment, timeout_seconds)
        except BaseException as error:  # also when cancelled: half a release must not stay
            done = await self._take_back(workload, before)
            self._say(done)
            if isinstance(error, VitesseError):
                error.args = (f"{error}; {done}",)
            raise
        await self._note_healthy(workload)
        await self._prune(workload, before)

    async def take_down(self, *, within_seconds: float) -> None:
        """All objects with the integration's labels, and no other; waits until its pods are gone."""
        for kind in _MADE:
            for item in await self._cluster.find(kind, self._namespace, self._labels):
                self._say(f"deleting {kind} {item['metadata']['name']}")
                await self._cluster.delete(kind, self._namespace, item["metadata"]["name"])
        deadline = time.monotonic() + within_seconds
        while await self.pods():
            if time.monotonic() > deadline:
                raise DeployError(f"pods of {self._id} are still ending; all else is gone")
            await asyncio.sleep(self._poll_seconds)

    async def pods(self) -> list[Manifest]:
        return await self._cluster.find("Pod", self._namespace, self._labels)

    async def logs(self, pods: list[Manifest], lines: int) -> str:
        """The last lines over all these pods by time; with several each begins with its pod's name."""
        found: list[tuple[str, str]] = []
        for name in (pod["metadata"]["name"] for pod in pods):
            text = await self._cluster.logs(self._namespace, name, lines)
            # A container that was just started again has said nothing yet; the one before has.
            text = text or await self._cluster.logs(self._namespace, name, lines, previous=True)
            prefix = f"[{name}] " if len(pods) > 1 else ""
            for line in text.splitlines():
                at, _, said = line.partition(" ")
                found.append((at, prefix + said))
        return "\n".join(said for _, said in sorted(found, key=lambda item: item[0])[-lines:])

    # -- how it is done ----------------------------------------------------------------------------

    def _ensure_ours(self, item: Manifest) -> None:
        labels = item["metadata"].get("labels") or {}
        if any(labels.get(key) != value for key, value in self._labels.items()):
            raise ConflictError(
                f"{item.get('kind', 'an object')} {item['metadata']['name']} in the namespace {self._namespace} "
                f"was not made for {self._id!r}; rename it, or use another namespace"
            )

    async def _ensure_namespace(self, workload: Workload) -> None:
        """Makes the namespace where it is missing; one that is there stays as it is."""
        if await self._cluster.get("Namespace", None, workload.namespace) is None:
            self._say(f"making the namespace {workload.namespace}")
            await self._cluster.apply(manifests.namespace_object(workload))

    async def _offer(self, workload: Workload, environment: CloudEnvironment) -> None:
        """All objects as a dry run. Raises what the cluster has against them; nothing has changed then."""
        objects = manifests.build_objects(workload)
        if workload.has_secret:
            objects.append(manifests.secret_object(workload, environment))
        there = await asyncio.gather(
            *(self._cluster.get(o["kind"], workload.namespace, o["metadata"]["name"]) for o in objects)
        )
        for item in there:
            if item is not None:
                self._ensure_ours(item)
        await asyncio.gather(*(self._cluster.apply(item, dry_run=True) for item in objects))

    async def _apply(
        self, workload: Workload, environment: CloudEnvironment | None, healthy: Workload | None
    ) -> None:
        """Applies the objects. Without an environment the release's Secret is there and stays."""
        if workload.has_secret and environment is not None:
            await self._cluster.apply(manifests.secret_object(workload, environment))
        for item in await self._objects(workload, healthy):
            self._say(f"applying {item['kind']} {item['metadata']['name']}")
            await self._cluster.apply(item)

    async def _objects(self, workload: Workload, healthy: Workload | None) -> list[Manifest]:
        revision = None
        if workload.has_secret:
            secret = await self._cluster.get("Secret", workload.namespace, workload.secret_name)
            # The server gives another revision when, and only when, the content differs.
            revision = str(((secret or {}).get("metadata") or {}).get("resourceVersion") or "") or None
        release = healthy.release if healthy is not None else None
        return manifests.build_objects(workload, secrets_revision=revision, healthy_release=release)

    async def _wait(self, workload: Workload, environment: CloudEnvironment, seconds: float) -> None:
        """Until the release is healthy. Raises DeployError with what the cluster and the pods say."""
        deadline = time.monotonic() + seconds
        told = ""
        while True:
            deployment = await self._cluster.get("Deployment", workload.namespace, workload.name)
            if deployment is None:
                raise ConflictError(f"Deployment {workload.name} was deleted while it was rolled out")
            pods = await self.pods()
            verdict = judge(deployment, pods, workload.release)
            if verdict.reason != told:
                told = verdict.reason
                self._say(told)
            if verdict.state == "done":
                return
            if verdict.state == "failed" or time.monotonic() > deadline:
                late = f" after {seconds:g} s" if verdict.state == "waiting" else ""
                events = event_lines(await self._cluster.find("Event", workload.namespace), workload.name)
                logs = await self.logs(unfinished_pods(pods, workload.release), _LOG_LINES)
                raise DeployError(
                    f"{self._id} did not become healthy: {environment.redact(verdict.reason)}{late}",
                    log_tail=environment.redact("\n".join([*events, *logs.splitlines()])),
                )
            await asyncio.sleep(self._poll_seconds)

    async def _note_healthy(self, workload: Workload) -> None:
        """What the next release goes back to, should it fail. The pods are not touched."""
        for item in await self._objects(workload, workload):
            if item["kind"] == "Deployment":
                await self._cluster.apply(item)

    async def _take_back(self, failed: Workload, before: Workload | None) -> str:
        """The release before, or nothing; says which. A fault here hides no other."""
        try:
            if before is None:
                await self.take_down(within_seconds=30.0)
                return "everything was taken back"
            await self._apply(before, None, before)
            await self._prune(before, None)
            return f"rolled back to version {before.definition.version}, which goes on"
        except VitesseError as problem:
            return f"and it could not be taken back: {problem}"

    async def _prune(self, workload: Workload, before: Workload | None) -> None:
        """Objects that this release no longer has, and releases older than the one before."""
        wanted = {(item["kind"], item["metadata"]["name"]) for item in manifests.build_objects(workload)}
        kept = {workload.release, before.release if before is not None else ""}
        for kind in _MADE:
            for item in await self._cluster.find(kind, workload.namespace, self._labels):
                name = item["metadata"]["name"]
                if kind in ("ConfigMap", "Secret"):
                    stays = (item["metadata"].get("labels") or {}).get(RELEASE_LABEL) in kept
                else:
                    stays = (kind, name) in wanted
                if not stays:
                    await self._cluster.delete(kind, workload.namespace, name)
