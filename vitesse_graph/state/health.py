"""Health reports, drift and diagnosis: what heal reads and writes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from vitesse_graph.state.base import Model
from vitesse_graph.state.mapping import Finding

RootCause = Literal[
    "auth_expired",
    "permission_lost",
    "source_schema_changed",
    "dest_schema_changed",
    "endpoint_moved",
    "base_url_changed",
    "rate_limit_lowered",
    "outage",
    "slow",
    "data_quality",
    "own_fault",
    "unknown",
]
HealStrategy = Literal[
    "refresh_schema",
    "remap_fields",
    "switch_endpoint",
    "refresh_auth",
    "throttle",
    "wait_and_retry",
    "ask_a_person",
]
DriftKind = Literal[
    "field_added",
    "field_removed",
    "field_renamed",
    "field_retyped",
    "field_required",
    "enum_grown",
    "enum_shrunk",
    "format_changed",
    "endpoint_added",
    "endpoint_removed",
    "endpoint_moved",
    "auth_changed",
    "pagination_changed",
    "base_url_changed",
    "deprecated",
    "field_optional",
    "constraint_changed",
    "parameter_changed",
    "content_type_changed",
    "rate_limit_changed",
    "version_changed",
    "field_ignored",
]


class DriftItem(Model):
    """One difference between the specification then and now, classed for this mapping."""

    kind: DriftKind
    side: Literal["source", "dest"]
    severity: Literal["breaking", "risky", "safe"]
    path: str = ""
    new_path: str | None = None
    confidence: float = 1.0
    detail: str = ""
    affects: list[str] = Field(default_factory=list)
    """Destination fields of this mapping that it touches."""


class HealthReport(Model):
    """What the monitor (or a person) hands to heal; putting one on an active thread starts it."""

    reason: str = "requested"
    health: float | None = None
    success_rate: float | None = None
    p95_latency_ms: float | None = None
    error_distribution: dict[str, int] = Field(default_factory=dict)
    error_samples: list[str] = Field(default_factory=list)
    """Reasons of dead letters, in words; never a record's value."""
    drift: list[DriftItem] = Field(default_factory=list)
    reported_at: str = ""


class Diagnosis(Model):
    """The named root cause, with its evidence, and the strategies that follow, best first."""

    cause: RootCause = "unknown"
    side: Literal["source", "dest", "both", "ours"] = "ours"
    confidence: float = 0.0
    evidence: list[str] = Field(default_factory=list)
    strategies: list[HealStrategy] = Field(default_factory=list)
    findings: list[Finding] = Field(default_factory=list)
    detail: dict[str, Any] = Field(default_factory=dict)
    """Machine-readable help for the strategy: {"base_url": …, "endpoint": "GET /v2/x"}."""


class HealingEpisode(Model):
    """One episode from notice to end; `tried` grows, each strategy at most once."""

    number: int = 1
    report: HealthReport = Field(default_factory=HealthReport)
    diagnosis: Diagnosis = Field(default_factory=Diagnosis)
    tried: list[HealStrategy] = Field(default_factory=list)
    outcome: Literal["open", "healed", "waiting", "needs_person", "gave_up", "rejected", "rolled_back"] = (
        "open"
    )
    is_rejected: bool = False
    """A person said no to the repair: heal puts everything back and ends the episode."""
    moves: list[str] = Field(default_factory=list)
    """Other addresses that the repair would call, in words."""
    needs_approval: bool = False
    """What the repair changes goes beyond what may be deployed unasked."""
    drift: list[DriftItem] = Field(default_factory=list)
    """Of the documents and of the records, each change once."""
    observed: list[DriftItem] = Field(default_factory=list)
    """What records showed that their document does not say; it holds on after the repair."""
    started_at: str = ""
    ended_at: str | None = None
    learned: list[dict[str, Any]] = Field(default_factory=list)
    """Renames that the repair followed: {"api", "side", "was", "is"}."""
    language_model: dict[str, Any] = Field(default_factory=dict)
    """What reading the errors cost, and what came of it; {} when none was asked."""
    log: list[str] = Field(default_factory=list)
