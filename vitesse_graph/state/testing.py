"""What the guardian found: calls, health, findings."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from vitesse_graph.state.base import Model
from vitesse_graph.state.mapping import Finding

ShadowMode = Literal["sandbox", "live-read", "live"]
IssueKind = Literal[
    "auth", "rate_limit", "schema_mismatch", "connectivity", "timeout", "server_error", "required_unfed"
]


class ShadowCall(Model):
    """One call. Request and response are redacted and capped; kept as samples only."""

    side: Literal["source", "dest"]
    endpoint: str
    method: str
    status: int | None = None
    seconds: float = 0.0
    success: bool = False
    error: str | None = None
    failing_field: str | None = None
    request: Any = None
    response: Any = None


class LatencyStats(Model):
    endpoint: str
    calls: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


class Issue(Model):
    """A recognised problem and what to do about it. `critical` ones fail the run whatever the score."""

    kind: IssueKind
    side: Literal["source", "dest", "both"]
    message: str
    remedy: str
    count: int = 1
    critical: bool = False


class TwinStepOutcome(Model):
    """One step of the twin: how many records were expected and found; what differs, in words."""

    name: str
    expected: int = 0
    found: int = 0
    differences: list[str] = Field(default_factory=list)


class TwinOutcome(Model):
    """The runtime that will be deployed, run against two sandboxes. Passed: nothing differed."""

    passed: bool = False
    runtime: str = "process"
    steps: list[TwinStepOutcome] = Field(default_factory=list)
    skipped: list[str] = Field(default_factory=list)
    """Steps that this integration has not, and why."""
    duration_seconds: float = 0.0

    @property
    def differences(self) -> list[str]:
        return [f"{step.name}: {line}" for step in self.steps for line in step.differences]


class TestResults(Model):
    """`health_score = success_rate × 70 + endpoint_coverage × 30` (0..100), rates 0..1."""

    __test__ = False  # pytest: not a test class

    mode: ShadowMode = "sandbox"
    seed: int = 0
    sample_size: int = 0
    calls_made: int = 0
    success_rate: float = 0.0
    endpoint_coverage: float = 0.0
    data_quality: float = 0.0
    reliability: float = 0.0
    health_score: float = 0.0
    passed: bool = False
    """health ≥ threshold and no hard fail."""
    hard_fails: list[str] = Field(default_factory=list)
    issues: list[Issue] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    findings: list[Finding] = Field(default_factory=list)
    latency: list[LatencyStats] = Field(default_factory=list)
    error_distribution: dict[str, int] = Field(default_factory=dict)
    samples: list[ShadowCall] = Field(default_factory=list)
    """At most ten: failures first."""
    duration_seconds: float = 0.0
    twin: TwinOutcome | None = None
    """Only where the twin was asked for and the shadow calls passed."""
