"""An integration on Kubernetes as one value: what its objects are made from, and how they are named and found."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, Self

from pydantic import Field

from vitesse_graph.deployers.cloud import CloudEnvironment, called_ports
from vitesse_graph.deployers.names import dns_label, host_name, kubernetes_name, short_hash
from vitesse_graph.settings import Settings
from vitesse_graph.state.base import Model
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.deployment import DeploymentConfig

Manifest = dict[str, Any]

MANAGER = "vitesse"
DEFAULT_REPLICAS = 2
_LONGEST_NAME = 52  # a release's hash, a ReplicaSet's and a pod's own ending still fit a DNS label


class Workload(Model):
    """All that the objects are made from, in names and plain values; no secret is in it."""

    definition: IntegrationDefinition
    image: str
    namespace: str
    replicas: int = DEFAULT_REPLICAS
    auto_scale: bool = False
    memory_mb: int = 512
    cpu_cores: float = 0.5
    environment: dict[str, str] = Field(default_factory=dict)
    secret_names: list[str] = Field(default_factory=list)
    """Environment variables whose values the Secret holds."""
    secret_files: list[str] = Field(default_factory=list)
    """Paths in the container whose contents the Secret holds."""
    ports_called: list[int] = Field(default_factory=list)
    ingress_domain: str | None = None
    ingress_class: str | None = None
    ingress_tls_secret: str | None = None
    ingress_annotations: dict[str, str] = Field(default_factory=dict)
    role_arn: str | None = None
    pull_secret: str | None = None
    deadline_seconds: int = 300

    @classmethod
    def of(
        cls,
        definition: IntegrationDefinition,
        config: DeploymentConfig | None,
        settings: Settings,
        environment: CloudEnvironment,
        image: str,
    ) -> Self:
        """The workload of a definition under these wishes and settings."""
        wishes = config or DeploymentConfig()
        return cls(
            definition=definition,
            image=image,
            namespace=dns_label(settings.kubernetes_namespace, prefix=""),
            replicas=wishes.replicas or DEFAULT_REPLICAS,
            auto_scale=wishes.auto_scale,
            memory_mb=wishes.memory_mb,
            cpu_cores=wishes.cpu_cores,
            environment=environment.plain,
            secret_names=sorted(environment.secret),
            secret_files=sorted(environment.files),
            ports_called=called_ports(definition, environment),
            ingress_domain=settings.ingress_domain,
            ingress_class=settings.ingress_class,
            ingress_tls_secret=settings.ingress_tls_secret,
            ingress_annotations=settings.ingress_annotations,
            role_arn=settings.kubernetes_role_arn,
            pull_secret=settings.kubernetes_pull_secret,
            deadline_seconds=max(30, int(settings.rollout_timeout_seconds)),
        )

    @property
    def name(self) -> str:
        return object_name(self.definition.integration_id)

    @property
    def release(self) -> str:
        """Ten digits that say which definition with which configuration."""
        text = json.dumps(self.dump(), sort_keys=True, separators=(",", ":"))
        return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]

    @property
    def secret_name(self) -> str:
        return f"{self.name}-{self.release}"

    @property
    def host(self) -> str | None:
        if self.ingress_domain is None:
            return None
        return host_name(self.definition.integration_id, self.ingress_domain)

    @property
    def url(self) -> str:
        """Where it answers: the Ingress's host, or inside the cluster only."""
        if self.host is None:
            return f"http://{self.name}.{self.namespace}.svc.cluster.local"
        return f"{'https' if self.ingress_tls_secret else 'http'}://{self.host}"

    @property
    def has_secret(self) -> bool:
        return bool(self.secret_names or self.secret_files)


def object_name(integration_id: str) -> str:
    """The name that all of an integration's objects carry or begin with."""
    return kubernetes_name(integration_id, longest=_LONGEST_NAME)


def file_key(path: str) -> str:
    """The key of a secret file in the Secret: any path as a valid key."""
    return f"file-{short_hash(path)}"


def selector(integration_id: str) -> dict[str, str]:
    """The labels that all of an integration's objects and pods carry, and no other object does."""
    return {
        "app.kubernetes.io/name": "vitesse-runtime",
        "app.kubernetes.io/instance": object_name(integration_id),
        "app.kubernetes.io/managed-by": MANAGER,
    }
