"""What was deployed where."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from vitesse_graph.state.base import Model

DeploymentTarget = Literal["process", "local", "eks", "ecs", "cloud_eks", "cloud_ecs"]


class DeploymentConfig(Model):
    """A person's wishes for the workload."""

    replicas: int | None = Field(default=None, ge=1, le=50)
    """None: as many as the target starts by itself."""
    memory_mb: int = Field(default=512, ge=64)
    cpu_cores: float = Field(default=0.5, gt=0)
    auto_scale: bool = False
    schedule: str | None = None
    finish_run: bool = True
    """On an update, the run that is under way ends on the version that it began with, however long it takes
    (target `process`). False: it ends after the chunk in hand, and the new version reads everything."""


class DeploymentPlan(Model):
    """What `deploy` would do, shown before it is done. Environment by name, never by value."""

    target: str
    actions: list[str] = Field(default_factory=list)
    environment: list[str] = Field(default_factory=list)
    resources: dict[str, Any] = Field(default_factory=dict)
    routes: list[str] = Field(default_factory=list)
    changes: list[str] = Field(default_factory=list)
    """Against what runs now; empty when nothing does."""
    warnings: list[str] = Field(default_factory=list)


class Deployment(Model):
    """A running workload."""

    target: str
    workload_id: str
    service_url: str
    version: int = 1
    definition_digest: str = ""
    status: Literal["running", "stopped", "failed", "unknown"] = "running"
    duration_seconds: float = 0.0
    environments: dict[str, str] = Field(default_factory=dict)
    """`source` and `dest`: `live` or `sandbox`."""
    sandboxes: dict[str, Any] = Field(default_factory=dict)
    """Sandbox workloads started for this deployment, by side: their ids and URLs."""
    detail: dict[str, Any] = Field(default_factory=dict)
