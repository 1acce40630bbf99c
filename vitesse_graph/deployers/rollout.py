"""How far a Kubernetes rollout is, and why it will not come to its end: a function of what the server shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from vitesse_graph.deployers.manifests import RELEASE_LABEL
from vitesse_graph.deployers.workload import Manifest

# Reasons why a container waits that time does not mend; the rest may be a passing state.
_HOPELESS = {
    "ImagePullBackOff": "the image cannot be pulled",
    "InvalidImageName": "the image's name is not valid",
    "ErrImageNeverPull": "the image is not on the node and must not be pulled",
    "CreateContainerConfigError": "the container's configuration is not there",
    "CreateContainerError": "the container cannot be created",
    "RunContainerError": "the container cannot be started",
}
_CRASHES_BEFORE_GIVING_UP = 3


@dataclass(frozen=True)
class Verdict:
    """`done`, `waiting` with how far it is, or `failed` with the reason."""

    state: Literal["done", "waiting", "failed"]
    reason: str = ""


def judge(deployment: Manifest, pods: Iterable[Manifest], release: str) -> Verdict:
    """Where the rollout of this release stands. `pods`: those of the integration, of any release."""
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    wanted = int(spec.get("replicas", 1))
    updated, ready = int(status.get("updatedReplicas") or 0), int(status.get("availableReplicas") or 0)
    generation = int((deployment.get("metadata") or {}).get("generation") or 0)
    if int(status.get("observedGeneration") or 0) < generation:
        return Verdict("waiting", "the cluster has not seen the new version yet")
    # Pods of the release before do not count: `replicas` has them as well, until they are gone.
    total = int(status.get("replicas") or 0)
    if updated >= wanted and total <= updated and ready >= wanted:
        return Verdict("done", f"{ready} of {wanted} pods are ready")
    mine = [p for p in pods if _labels(p).get(RELEASE_LABEL) == release]
    for pod in mine:
        reason = _hopeless(pod)
        if reason is not None:
            return Verdict("failed", reason)
    for condition in status.get("conditions") or []:
        said = " ".join(str(condition.get("message") or condition.get("reason") or "").split())[:400]
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return Verdict("failed", f"the rollout stalled: {said}")
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            if "exceeded quota" in said:
                return Verdict("failed", f"a quota refuses the pods: {said}")
            if "forbidden" in said:
                return Verdict("failed", f"the cluster refuses the pods: {said}")
    return Verdict("waiting", f"{updated} of {wanted} pods are of the new version, {ready} ready")


def _labels(item: Manifest) -> dict[str, Any]:
    return (item.get("metadata") or {}).get("labels") or {}


def _hopeless(pod: Manifest) -> str | None:
    status = pod.get("status") or {}
    name = (pod.get("metadata") or {}).get("name", "")
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason, said = str(waiting.get("reason") or ""), " ".join(str(waiting.get("message") or "").split())
        if reason in _HOPELESS:
            return f"{_HOPELESS[reason]} ({name}: {reason}{': ' + said[:300] if said else ''})"
        if (
            reason == "CrashLoopBackOff"
            and int(container.get("restartCount") or 0) >= _CRASHES_BEFORE_GIVING_UP
        ):
            return f"the runtime ends again and again ({name}: {container['restartCount']} restarts)"
    return None


def event_lines(events: Iterable[Manifest], name: str, *, limit: int = 20) -> list[str]:
    """What the cluster reports about the objects of this name and what was made for them, the oldest first.

    Warnings only: what went well explains nothing.
    """
    found: dict[str, str] = {}
    for event in events:
        about = event.get("involvedObject") or event.get("regarding") or {}
        of = str(about.get("name") or "")
        if event.get("type") == "Normal" or not (of == name or of.startswith(f"{name}-")):
            continue
        at = str(event.get("lastTimestamp") or event.get("eventTime") or "")
        said = " ".join(str(event.get("message") or event.get("note") or "").split())[:400]
        line = f"{about.get('kind', '')} {of}: {event.get('reason', '')}: {said}"
        found[line] = max(at, found.get(line, ""))
    return [line for line, _ in sorted(found.items(), key=lambda item: item[1])][-limit:]


def unfinished_pods(pods: Iterable[Manifest], release: str) -> list[Manifest]:
    """This release's pods, those that are not ready first: their logs say the most."""
    mine = [pod for pod in pods if _labels(pod).get(RELEASE_LABEL) == release]
    return sorted(mine, key=is_ready)


def restarts_of(pod: Manifest) -> int:
    """How often the pod's containers were started again."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return sum(int(container.get("restartCount") or 0) for container in statuses)


def is_ready(pod: Manifest) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
