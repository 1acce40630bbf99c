"""Kubernetes objects of an integration: from one `Workload` value to plain objects, with no client at hand.

What every release has of its own (ConfigMap, Secret) carries the release's hash in its name, so that the
pods of the release before find theirs as they were: a rollback needs nothing to be put back. The Pods
hold to the "restricted" Pod Security standard.
"""

from __future__ import annotations

import base64
import json
import math

from vitesse_graph.deployers.cloud import CONTAINER_PORT, RUN_AS, CloudEnvironment, path_inside
from vitesse_graph.deployers.images import SECRETS_AT
from vitesse_graph.deployers.workload import MANAGER, Manifest, Workload, file_key, selector
from vitesse_graph.errors import InputError

SCALES_TO = 5
DEFINITION_PATH = "/app/definition.json"
_LARGEST_CONFIG_BYTES = 1_000_000  # an API server takes 1 MiB for a ConfigMap with all around it
_DRAIN_SECONDS = 60

ID_ANNOTATION = "vitesse/integration-id"
RELEASE_LABEL = "vitesse/release"
SECRETS_ANNOTATION = "vitesse/secrets-revision"
HEALTHY_ANNOTATION = "vitesse/healthy-release"
"""On the Deployment: the last release that became healthy, which a failed one goes back to."""


def namespace_object(workload: Workload) -> Manifest:
    """The namespace, with the Pod Security standard that the pods hold to."""
    level = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": workload.namespace,
            "labels": {
                "app.kubernetes.io/managed-by": MANAGER,
                "app.kubernetes.io/part-of": "vitesse",
                **level,
            },
        },
    }


def build_objects(
    workload: Workload,
    *,
    secret_name: str | None = None,
    secrets_revision: str | None = None,
    healthy_release: str | None = None,
) -> list[Manifest]:
    """The namespaced objects in the order in which they are applied; the Secret is `secret_object`.

    `secret_name`: where the secrets lie, when not in the release's own Secret. `secrets_revision` changes
    when a secret's value did, and starts the pods anew. Raises InputError for a definition too large.
    """
    deployment = _deployment(workload, secret_name or workload.secret_name, secrets_revision)
    if healthy_release:
        deployment["metadata"]["annotations"][HEALTHY_ANNOTATION] = healthy_release
    found = [
        _service_account(workload),
        _config_map(workload),
        _network_policy(workload),
        _service(workload),
        deployment,
        _disruption_budget(workload),
    ]
    if workload.auto_scale:
        found.append(_autoscaler(workload))
    if workload.host is not None:
        found.append(_ingress(workload))
    return found


def secret_object(workload: Workload, environment: CloudEnvironment) -> Manifest:
    """The Secret with its values: for the API server only, never for a file."""
    values = {
        **environment.secret,
        **{file_key(path): text for path, text in environment.files.items()},
    }
    encoded = {
        key: base64.b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii")
        for key, text in sorted(values.items())
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata(workload, workload.secret_name, of_release=True),
        "type": "Opaque",
        "data": encoded,
    }


def external_secret(workload: Workload, secret_name: str, store: str) -> Manifest:
    """An ExternalSecret (external-secrets.io) that fills the Secret from a ClusterSecretStore."""
    keys = [*workload.secret_names, *map(file_key, workload.secret_files)]
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": _metadata(workload, secret_name),
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": store},
            "target": {"name": secret_name},
            "data": [
                {"secretKey": key, "remoteRef": {"key": f"vitesse/{workload.name}", "property": key}}
                for key in keys
            ],
        },
    }


def _metadata(workload: Workload, name: str, *, of_release: bool = False) -> Manifest:
    labels = {
        **selector(workload.definition.integration_id),
        "app.kubernetes.io/version": str(workload.definition.version),
        "app.kubernetes.io/component": "sync",
        "app.kubernetes.io/part-of": "vitesse",
    }
    if of_release:
        labels[RELEASE_LABEL] = workload.release
    return {
        "name": name,
        "namespace": workload.namespace,
        "labels": labels,
        "annotations": {ID_ANNOTATION: _text(workload.definition.integration_id)},
    }


def _text(value: str) -> str:
    """Any string as one that JSON carries: half a surrogate pair is no character."""
    return value.encode("utf-8", "replace").decode("utf-8")


def _service_account(workload: Workload) -> Manifest:
    made: Manifest = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _metadata(workload, workload.name),
        "automountServiceAccountToken": False,  # the runtime calls no Kubernetes API; IRSA mounts its own
    }
    if workload.role_arn:
        made["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] = workload.role_arn
    return made


def _config_map(workload: Workload) -> Manifest:
    rest = workload.dump()
    definition = json.dumps(rest.pop("definition"), sort_keys=True, separators=(",", ":"))
    if len(definition) > _LARGEST_CONFIG_BYTES:
        raise InputError(
            f"the definition has {len(definition):,} bytes and a ConfigMap holds {_LARGEST_CONFIG_BYTES:,}; "
            "split the integration, or deploy it to another target"
        )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(workload, f"{workload.name}-{workload.release}", of_release=True),
        "immutable": True,
        "data": {
            "definition.json": definition,
            # With this the release can be made again, as it was.
            "workload.json": json.dumps(rest, sort_keys=True, separators=(",", ":")),
        },
    }


def workload_of(config_map: Manifest) -> Workload | None:
    """The workload that a release's ConfigMap was made from; None for one that cannot be read."""
    try:
        data = config_map["data"]
        value = {**json.loads(data["workload.json"]), "definition": json.loads(data["definition.json"])}
        return Workload.model_validate(value)
    except (KeyError, TypeError, ValueError):
        return None


def _network_policy(workload: Workload) -> Manifest:
    # The cloud's metadata service hands out the node's credentials: no workload needs it.
    outside = [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}},
        {"ipBlock": {"cidr": "::/0", "except": ["fd00:ec2::254/128"]}},
    ]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(workload, workload.name),
        "spec": {
            "podSelector": {"matchLabels": selector(workload.definition.integration_id)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"ports": [{"protocol": "TCP", "port": CONTAINER_PORT}]}],
            "egress": [
                {"ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]},
                {
                    "to": outside,
                    "ports": [{"protocol": "TCP", "port": port} for port in workload.ports_called],
                },
            ],
        },
    }


def _service(workload: Workload) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(workload, workload.name),
        "spec": {
            "type": "ClusterIP",
            "selector": selector(workload.definition.integration_id),
            "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": "http"}],
        },
    }


def _probe(path: str, *, period: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _container(workload: Workload) -> Manifest:
    environment: list[Manifest] = [
        {"name": name, "value": value} for name, value in workload.environment.items()
    ]
    mounts: list[Manifest] = [
        {"name": "definition", "mountPath": DEFINITION_PATH, "subPath": "definition.json", "readOnly": True},
        {"name": "scratch", "mountPath": "/tmp"},
    ]
    if workload.secret_names:
        # As files, not as environment: that one shows in a node's container listings and core dumps.
        mounts.append({"name": "secrets", "mountPath": SECRETS_AT, "readOnly": True})
    mounts += [
        {"name": "secrets", "mountPath": path_inside(path), "subPath": file_key(path), "readOnly": True}
        for path in workload.secret_files
    ]
    amounts = {"cpu": f"{math.ceil(workload.cpu_cores * 1000)}m", "memory": f"{workload.memory_mb}Mi"}
    return {
        "name": "runtime",
        "image": workload.image,
        "imagePullPolicy": "IfNotPresent",
        **({"args": ["--secrets", SECRETS_AT]} if workload.secret_names else {}),
        "ports": [{"name": "http", "protocol": "TCP", "containerPort": CONTAINER_PORT}],
        "env": environment,
        "volumeMounts": mounts,
        "resources": {"requests": dict(amounts), "limits": dict(amounts)},
        "startupProbe": _probe("/health", period=2, failures=60),
        "livenessProbe": _probe("/health", period=10, failures=6),
        "readinessProbe": _probe("/ready", period=5, failures=3),
        # Until the endpoint is gone everywhere, calls still arrive.
        "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _pod_spec(workload: Workload, secret_name: str) -> Manifest:
    volumes: list[Manifest] = [
        {"name": "definition", "configMap": {"name": f"{workload.name}-{workload.release}"}},
        {"name": "scratch", "emptyDir": {"sizeLimit": "256Mi"}},
    ]
    if workload.has_secret:
        keys = [*workload.secret_names, *map(file_key, workload.secret_files)]
        items = [{"key": key, "path": key} for key in keys]
        volumes.append(
            {"name": "secrets", "secret": {"secretName": secret_name, "items": items, "defaultMode": 0o440}}
        )
    spec: Manifest = {
        "serviceAccountName": workload.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _DRAIN_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": RUN_AS,
            "runAsGroup": RUN_AS,
            "fsGroup": RUN_AS,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": key,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": selector(workload.definition.integration_id)},
            }
            for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ],
        "containers": [_container(workload)],
        "volumes": volumes,
    }
    if workload.pull_secret:
        spec["imagePullSecrets"] = [{"name": workload.pull_secret}]
    return spec


def _deployment(workload: Workload, secret_name: str, secrets_revision: str | None) -> Manifest:
    labels = _metadata(workload, workload.name, of_release=True)["labels"]
    annotations = {ID_ANNOTATION: _text(workload.definition.integration_id)}
    if secrets_revision:
        annotations[SECRETS_ANNOTATION] = secrets_revision
    spec: Manifest = {
        "selector": {"matchLabels": selector(workload.definition.integration_id)},
        "revisionHistoryLimit": 2,
        "progressDeadlineSeconds": workload.deadline_seconds,
        # The version before serves until the new one is ready.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": {
            "metadata": {"labels": labels, "annotations": annotations},
            "spec": _pod_spec(workload, secret_name),
        },
    }
    if not workload.auto_scale:  # else the autoscaler owns the number
        spec["replicas"] = workload.replicas
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(workload, workload.name, of_release=True),
        "spec": spec,
    }


def _disruption_budget(workload: Workload) -> Manifest:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(workload, workload.name),
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",  # a broken pod must not hold up a node's drain
            "selector": {"matchLabels": selector(workload.definition.integration_id)},
        },
    }


def _autoscaler(workload: Workload) -> Manifest:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(workload, workload.name),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload.name},
            "minReplicas": workload.replicas,
            "maxReplicas": max(SCALES_TO, workload.replicas),
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
                }
            ],
        },
    }


def _ingress(workload: Workload) -> Manifest:
    backend = {"service": {"name": workload.name, "port": {"name": "http"}}}
    metadata = _metadata(workload, workload.name)
    metadata["annotations"] |= workload.ingress_annotations
    spec: Manifest = {
        "rules": [
            {
                "host": workload.host,
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
            }
        ]
    }
    if workload.ingress_class:
        spec["ingressClassName"] = workload.ingress_class
    if workload.ingress_tls_secret:
        spec["tls"] = [{"hosts": [workload.host], "secretName": workload.ingress_tls_secret}]
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}
