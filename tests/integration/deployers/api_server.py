"""A Kubernetes API server over HTTP, on kmock: server-side apply with field owners, and what controllers do.

It keeps to what the documentation of Kubernetes says of the parts that a deployer relies on: an apply sets
the fields it names, takes away those its manager named before, conflicts where another manager owns a
field; `generation` grows with the spec, `resourceVersion` with anything; a dry run changes nothing; old
pods stay until new ones are ready. Every object that arrives is validated against the schemas of two
Kubernetes versions, and every pod against the "restricted" Pod Security standard.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import itertools
import json
from collections.abc import Callable
from typing import Any

import kmock

from tests.integration.deployers.kubernetes_schemas import invalid
from tests.integration.deployers.node import Node
from tests.integration.deployers.pod_security import violations
from vitesse_graph.deployers.images import SECRETS_AT
from vitesse_graph.errors import DeployError

Object = dict[str, Any]
Key = tuple[str, str | None, str]


def error(status: int, reason: str, message: str, details: Any = None) -> kmock.KubernetesError:
    return kmock.KubernetesError(status=status, reason=reason, message=message, details=details or {})


class ApiServer:
    """The store and the controllers; `serve` puts it on a handler."""

    def __init__(self) -> None:
        self.objects: dict[Key, Object] = {}
        self.owners: dict[Key, dict[tuple[Any, ...], str]] = {}
        self.logs: dict[str, str] = {}
        self.quotas: dict[str, str] = {}
        """Plural → message with which its creation is refused."""
        self.outcome: Callable[[Object], str] = lambda template: "ready"
        """For a pod template: ready, stalled, image, crash, quota."""
        self.fail_next: dict[tuple[str, str], int] = {}
        """(method, plural) → how many calls are answered with 503 first."""
        self.calls: list[tuple[str, str, bool]] = []
        self.tokens: set[str] = set()
        self.node: Node | None = None
        """Where given, pods really run; else `outcome` says what becomes of them."""
        self._starting: set[asyncio.Task[None]] = set()
        self._versions = itertools.count(1)

    def serve(self, handler: kmock.RawHandler) -> None:
        handler["patch"] << self._patch
        handler["delete"] << self._delete
        handler["get"] << self._get

    # -- verbs ---------------------------------------------------------------------------------------

    def _key(self, request: kmock.Request) -> Key:
        if request.resource.plural is None:  # the namespace itself
            return ("namespaces", None, request.namespace)
        return (request.resource.plural, request.namespace, request.name)

    def _before(self, request: kmock.Request) -> None:
        plural = self._key(request)[0]
        self.tokens.add(request.headers.get("Authorization", ""))
        self.calls.append((request.method.value, plural, "dryRun" in request.params))
        left = self.fail_next.get((request.method.value, plural), 0)
        if left:
            self.fail_next[(request.method.value, plural)] = left - 1
            raise error(503, "ServiceUnavailable", "the apiserver is shutting down")

    def _patch(self, request: kmock.Request) -> Object:
        self._before(request)
        assert request.headers["Content-Type"] == "application/apply-patch+yaml"
        wanted = json.loads(request.body)
        said = invalid(wanted)
        if said is not None:
            raise error(422, "Invalid", said)
        key = self._key(request)
        plural, namespace, name = key
        if plural != "namespaces" and ("namespaces", None, namespace) not in self.objects:
            raise error(404, "NotFound", f'namespaces "{namespace}" not found')
        if key not in self.objects and plural in self.quotas:
            raise error(403, "Forbidden", f'{plural} "{name}" is forbidden: {self.quotas[plural]}')
        before = self.objects.get(key)
        after, owners = self._applied(
            key, wanted, request.params["fieldManager"], request.params.get("force") == "true"
        )
        self._check_immutable(before, after)
        if "dryRun" in request.params:
            return after
        self.owners[key] = owners
        if before is None or _content(before) != _content(after):
            meta = after["metadata"]
            meta["resourceVersion"] = str(next(self._versions))
            if before is None or before.get("spec") != after.get("spec"):
                meta["generation"] = int(meta.get("generation", 0)) + 1
            self.objects[key] = after
            self._control(namespace)
        return self.objects[key]

    def _delete(self, request: kmock.Request) -> Object:
        self._before(request)
        key = self._key(request)
        if key not in self.objects:
            raise error(404, "NotFound", f"{key[0]} {key[2]} not found")
        gone = self.objects.pop(key)
        self.owners.pop(key, None)
        if key[0] == "deployments":
            for pod in self._pods_of(gone):
                self._end(pod)
        return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    def _get(self, request: kmock.Request) -> Any:
        self._before(request)
        plural, namespace, name = self._key(request)
        if request.subresource == "log":
            lines = (
                self.node.logs(name, int(request.params["tailLines"]))
                if self.node
                else self.logs.get(name, "")
            )
            stamped = (f"2026-01-01T00:00:00.{n:09}Z {line}\n" for n, line in enumerate(lines.splitlines()))
            return "".join(stamped).encode()
        if self.node is not None and plural == "pods":
            self._refresh(self.node)
        if name is not None:
            found = self.objects.get((plural, namespace, name))
            if found is None:
                raise error(404, "NotFound", f'{plural} "{name}" not found')
            return found
        asked = [part.split("=") for part in request.params.get("labelSelector", "").split(",") if part]
        items = [
            {k: v for k, v in item.items() if k not in ("kind", "apiVersion")}
            for (kind, where, _), item in self.objects.items()
            if (kind, where) == (plural, namespace)
            and all((item["metadata"].get("labels") or {}).get(k) == v for k, v in asked)
        ]
        return {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}

    # -- server-side apply ---------------------------------------------------------------------------

    def _applied(
        self, key: Key, wanted: Object, manager: str, force: bool
    ) -> tuple[Object, dict[tuple[Any, ...], str]]:
        after = copy.deepcopy(self.objects.get(key) or {})
        owners = dict(self.owners.get(key, {}))
        fields = dict(_leaves(wanted))
        causes = []
        for path, value in fields.items():
            owner = owners.get(path)
            if owner not in (None, manager) and _at(after, path) != value and not force:
                where = "." + ".".join(map(str, path))
                causes.append(
                    {
                        "reason": "FieldManagerConflict",
                        "message": f'conflict with "{owner}"',
                        "field": where,
                    }
                )
        if causes:
            raise error(409, "Conflict", f"Apply failed with {len(causes)} conflicts", {"causes": causes})
        for path in [path for path, owner in owners.items() if owner == manager and path not in fields]:
            _remove(after, path)
            del owners[path]
        for path, value in fields.items():
            _set(after, path, value)
            owners[path] = manager
        return after, owners

    def write(self, key: Key, path: tuple[Any, ...], value: Any, manager: str) -> None:
        """Another manager (`kubectl edit`, an autoscaler) writes a field and owns it from then on."""
        _set(self.objects[key], path, value)
        self.owners[key][path] = manager

    @staticmethod
    def _check_immutable(before: Object | None, after: Object) -> None:
        if before is None:
            return
        if before.get("immutable") and before["data"] != after["data"]:
            raise error(422, "Invalid", "data: Forbidden: field is immutable when `immutable` is set")
        if before["kind"] == "Deployment" and before["spec"]["selector"] != after["spec"]["selector"]:
            raise error(422, "Invalid", "spec.selector: Invalid value: field is immutable")

    # -- controllers ---------------------------------------------------------------------------------

    def _control(self, namespace: str | None) -> None:
        for key, item in list(self.objects.items()):
            if key[0] == "deployments" and key[1] == namespace:
                scalers = [
                    o["spec"]["minReplicas"]
                    for (kind, where, _), o in self.objects.items()
                    if (kind, where) == ("horizontalpodautoscalers", namespace)
                    and o["spec"]["scaleTargetRef"]["name"] == key[2]
                ]
                if "replicas" not in item["spec"] or scalers:
                    item["spec"]["replicas"] = max([item["spec"].get("replicas", 1), *scalers])
                self._roll_out(item)

    def _pods_of(self, deployment: Object) -> list[Object]:
        wanted = deployment["spec"]["selector"]["matchLabels"]
        return [
            o
            for (kind, where, _), o in self.objects.items()
            if (kind, where) == ("pods", deployment["metadata"]["namespace"])
            and wanted.items() <= o["metadata"]["labels"].items()
        ]

    def _roll_out(self, deployment: Object) -> None:
        if self.node is not None:
            self._run_out(deployment, self.node)
            return
        template, replicas = deployment["spec"]["template"], deployment["spec"]["replicas"]
        name, namespace = deployment["metadata"]["name"], deployment["metadata"]["namespace"]
        refused = violations(template["spec"])
        outcome = "security" if refused else self.outcome(template)
        pods = self._pods_of(deployment)
        new = [p for p in pods if p["template"] == template]
        old = [p for p in pods if p["template"] != template and p["ready"]]
        stuck = [p for p in pods if p["template"] != template and not p["ready"]]
        gone, count, conditions = list(stuck), replicas, []
        if outcome == "ready":
            gone += old
        else:
            count = 0 if outcome in ("quota", "security") else 1
            gone += new
            new = []
        for pod in [*gone, *new[replicas:]]:
            self.objects.pop(("pods", namespace, pod["metadata"]["name"]), None)
        new = new[:replicas]
        for _ in range(count - len(new)):
            new.append(self._pod(name, namespace, template, outcome))
        left = [] if outcome == "ready" else old
        if outcome == "quota":
            conditions.append(self._failed_create(name, namespace, "exceeded quota: team, requested: pods=1"))
        elif outcome == "security":
            conditions.append(self._failed_create(name, namespace, f"violates PodSecurity: {refused}"))
        elif outcome == "stalled":
            text = f'ReplicaSet "{name}-x" has timed out progressing.'
            conditions.append(
                {
                    "type": "Progressing",
                    "status": "False",
                    "reason": "ProgressDeadlineExceeded",
                    "message": text,
                }
            )
        ready = len(new) if outcome == "ready" else 0
        deployment["status"] = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": len(new) + len(left),
            "updatedReplicas": len(new),
            "availableReplicas": ready + len(left),
            "conditions": conditions,
        }

    def _pod(self, name: str, namespace: str, template: Object, outcome: str) -> Object:
        pod = f"{name}-x-{next(self._versions)}"
        status: Object = {"conditions": [{"type": "Ready", "status": str(outcome == "ready")}]}
        waiting = {
            "image": (
                "ImagePullBackOff",
                f'Back-off pulling image "{template["spec"]["containers"][0]["image"]}"',
            ),
            "crash": ("CrashLoopBackOff", "back-off 40s restarting failed container"),
        }.get(outcome)
        if waiting is not None:
            state = {"waiting": {"reason": waiting[0], "message": waiting[1]}}
            status["containerStatuses"] = [{"name": "runtime", "restartCount": 4, "state": state}]
            self.event(namespace, "Pod", pod, waiting[0], waiting[1])
        if outcome == "stalled":
            self.event(namespace, "Pod", pod, "Unhealthy", "Readiness probe failed: HTTP 503")
        made = {
            "metadata": {"name": pod, "namespace": namespace, "labels": template["metadata"]["labels"]},
            "status": status,
            "template": copy.deepcopy(template),
            "ready": outcome == "ready",
        }
        self.objects[("pods", namespace, pod)] = made
        return made

    # -- pods that really run ------------------------------------------------------------------------

    def _end(self, pod: Object) -> None:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        del self.objects[("pods", namespace, name)]
        if self.node is not None:
            self.node.stop_soon(name)

    def _run_out(self, deployment: Object, node: Node) -> None:
        """Starts pods that are missing; ends those of other templates as soon as the new ones are ready."""
        template, replicas = deployment["spec"]["template"], deployment["spec"]["replicas"]
        name, namespace = deployment["metadata"]["name"], deployment["metadata"]["namespace"]
        assert violations(template["spec"]) == []
        pods = self._pods_of(deployment)
        new = [p for p in pods if p["template"] == template]
        others = [p for p in pods if p["template"] != template]
        for _ in range(replicas - len(new)):
            pod = self._pod(name, namespace, template, "starting")
            task = asyncio.get_running_loop().create_task(self._start(pod, deployment, node))
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)
            new.append(pod)
        is_done = all(p["ready"] for p in new)
        for pod in others:
            if is_done or not pod["ready"]:
                self._end(pod)
        left = [p for p in others if p["ready"] and not is_done]
        deployment["status"] = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": len(new) + len(left),
            "updatedReplicas": len(new),
            "availableReplicas": sum(p["ready"] for p in [*new, *left]),
        }

    async def _start(self, pod: Object, deployment: Object, node: Node) -> None:
        spec, namespace = pod["template"]["spec"], pod["metadata"]["namespace"]
        (container,) = spec["containers"]
        environment = {item["name"]: item["value"] for item in container["env"]}
        files = {}
        for volume in spec["volumes"]:
            if "secret" in volume:
                secret = self.objects[("secrets", namespace, volume["secret"]["secretName"])]
                for item in volume["secret"]["items"]:
                    files[item["path"]] = base64.b64decode(secret["data"][item["key"]])
        volume = next(v for v in spec["volumes"] if "configMap" in v)
        definition = self.objects[("configmaps", namespace, volume["configMap"]["name"])]["data"][
            "definition.json"
        ]
        name = pod["metadata"]["name"]
        try:
            await node.run(
                name,
                environment,
                arguments=container.get("args", []),
                definition=definition,
                secrets=(SECRETS_AT, files),
            )
        except DeployError:
            state = {
                "waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}
            }
            pod["status"]["containerStatuses"] = [{"name": "runtime", "restartCount": 3, "state": state}]
            return
        pod["ready"] = True
        pod["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
        if self.objects.get(("pods", namespace, name)) is pod:
            self._run_out(deployment, node)

    def _refresh(self, node: Node) -> None:
        for (kind, _, name), pod in self.objects.items():
            running = node.find(name) if kind == "pods" and pod["ready"] else None
            if running is not None:
                pod["status"]["containerStatuses"] = [{"name": "runtime", "restartCount": running.restarts}]

    def _failed_create(self, name: str, namespace: str, said: str) -> Object:
        message = f'pods "{name}-x" is forbidden: {said}'
        self.event(namespace, "ReplicaSet", f"{name}-x", "FailedCreate", message)
        return {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}

    def event(self, namespace: str, kind: str, name: str, reason: str, message: str) -> None:
        number = next(self._versions)
        self.objects[("events", namespace, f"event-{number}")] = {
            "metadata": {"name": f"event-{number}", "namespace": namespace},
            "involvedObject": {"kind": kind, "name": name},
            "type": "Warning",
            "reason": reason,
            "message": message,
            "lastTimestamp": f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}Z",
        }

    # -- looking -------------------------------------------------------------------------------------

    def of(self, plural: str, namespace: str | None = "vitesse") -> list[Object]:
        return [o for (kind, where, _), o in self.objects.items() if (kind, where) == (plural, namespace)]

    def names(self, namespace: str = "vitesse") -> set[tuple[str, str]]:
        return {(kind, n) for (kind, where, n) in self.objects if where == namespace and kind != "events"}


def _content(item: Object) -> Object:
    meta = {k: v for k, v in item["metadata"].items() if k not in ("resourceVersion", "generation")}
    return {**{k: v for k, v in item.items() if k not in ("status", "metadata")}, "metadata": meta}


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    """Fields as apply owns them: maps by key; lists as a whole (as for atomic ones)."""
    if isinstance(value, dict) and value:
        return [leaf for key, item in value.items() for leaf in _leaves(item, (*path, key))]
    return [(path, value)]


def _at(item: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        if not isinstance(item, dict) or part not in item:
            return None
        item = item[part]
    return item


def _set(item: Any, path: tuple[Any, ...], value: Any) -> None:
    for part in path[:-1]:
        item = item.setdefault(part, {})
    item[path[-1]] = copy.deepcopy(value)


def _remove(item: Any, path: tuple[Any, ...]) -> None:
    for part in path[:-1]:
        item = item.get(part, {})
    item.pop(path[-1], None)
