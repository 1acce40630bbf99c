"""The shared whiteboard: the state of one integration, and of the graph that builds it.

Channels hold plain JSON. Nodes receive this model, validated, and return what they `dump()`. Two
things never enter it: secrets (only references such as `env:NAME`) and bulk (documents live in the
content-addressed cache; here are digests and what a person would review).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from vitesse_graph.state.api_spec import ApiSpec
from vitesse_graph.state.base import Model
from vitesse_graph.state.deployment import Deployment, DeploymentConfig, DeploymentPlan
from vitesse_graph.state.discovery import DiscoveredApis
from vitesse_graph.state.health import HealingEpisode, HealthReport
from vitesse_graph.state.mapping import Finding, MappingHint, MappingLogic
from vitesse_graph.state.parameters import Params
from vitesse_graph.state.review import ReviewRecord
from vitesse_graph.state.testing import ShadowMode, TestResults

SCHEMA_VERSION = 1
"""Grows when a channel changes its meaning; golden checkpoints of each version stay in `tests/`."""

Status = Literal["discovering", "mapping", "testing", "deploying", "active", "failed"]
StepName = Literal["discovery", "ingest", "map", "guardian", "deploy", "heal"]
STEPS: tuple[StepName, ...] = ("discovery", "ingest", "map", "guardian", "deploy", "heal")


def keep_last(limit: int) -> Callable[[list[Any], list[Any]], list[Any]]:
    """A reducer that appends and keeps the last `limit` entries, so that a thread stays small."""

    def append(old: list[Any], new: list[Any]) -> list[Any]:
        return [*(old or []), *(new or [])][-limit:]

    return append


class LogEntry(Model):
    """One line of the story of this integration."""

    at: str
    step: str
    message: str
    seconds: float | None = None


class StepError(Model):
    """A failure a person can act on; `retry` names the step that will run again."""

    step: str
    kind: str
    message: str
    retry: str
    at: str = ""


class Contribution(Model):
    """What one step concluded, for the steps after it and for the person reading along."""

    agent: str
    summary: str
    at: str = ""
    data: dict[str, Any] = Field(default_factory=dict)


class SharedWhiteboardState(BaseModel):
    """One integration. Each field says who writes it."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    schema_version: int = SCHEMA_VERSION
    workflow_id: str = ""
    """discovery: the integration's id, which is the thread's id."""

    # the request: written by the input and by gate decisions
    user_intent: str = ""
    source: str | None = None
    dest: str | None = None
    source_endpoint: str | None = None
    dest_endpoint: str | None = None
    source_auth: str | None = None
    dest_auth: str | None = None
    source_overlay: dict[str, Any] | None = None
    dest_overlay: dict[str, Any] | None = None
    source_params: Params | None = None
    dest_params: Params | None = None
    mapping_hints: list[MappingHint] | None = None
    deployment_target: str | None = None
    deployment_config: DeploymentConfig | None = None
    schedule: str | None = None
    test_sample_size: int | None = None
    skip_destructive: bool | None = None
    shadow_mode: ShadowMode | None = None
    run_twin: bool | None = None
    user_constraints: dict[str, Any] | None = None
    user_preferences: dict[str, Any] | None = None
    health_report: HealthReport | None = None
    """monitor, or a person: what starts heal; cleared by heal."""

    # what the steps made
    discovered_apis: DiscoveredApis | None = None
    """discovery"""
    source_api_spec: ApiSpec | None = None
    """ingest"""
    dest_api_spec: ApiSpec | None = None
    """ingest"""
    mapping_logic: MappingLogic | None = None
    """map, and review_map when a person edits it"""
    findings: list[Finding] = Field(default_factory=list)
    """guardian and heal, for the next map; cleared by map"""
    test_results: TestResults | None = None
    """guardian"""
    health_score: float | None = None
    """guardian"""
    best_attempt: dict[str, Any] | None = None
    """guardian: `{health, mapping}` of the best mapping that did not pass"""
    retry_count: int = 0
    """guardian: re-mappings since the last pass"""
    deployment_plan: DeploymentPlan | None = None
    """guardian, for the person who approves"""
    deployment: Deployment | None = None
    """deploy"""
    healing: HealingEpisode | None = None
    """heal, while an episode is open; closed by deploy"""
    learned_patterns: list[dict[str, Any]] = Field(default_factory=list)
    harvested_knowledge: dict[str, Any] | None = None
    domain_knowledge: dict[str, Any] | None = None

    # bookkeeping
    agent_contributions: Annotated[list[Contribution], keep_last(20)] = Field(default_factory=list)
    execution_log: Annotated[list[LogEntry], keep_last(40)] = Field(default_factory=list)
    errors: Annotated[list[StepError], keep_last(10)] = Field(default_factory=list)
    reviews: Annotated[list[ReviewRecord], keep_last(20)] = Field(default_factory=list)
    review_error: str | None = None
    """a gate: why the last answer was refused"""
    status: Status = "discovering"
    next_step: str | None = None
    """every node: where the run goes on if it is started again"""
    request_digest: str | None = None
    """discovery: the request it served; a changed request starts anew"""

    def record_agent_contribution(
        self, agent: str, summary: str, data: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The channel update that adds a contribution (channels are never changed in place)."""
        entry = Contribution(agent=agent, summary=summary, at=now_iso(), data=data or {})
        return {"agent_contributions": [entry.dump()]}

    def get_agent_context(self, agent_type: str) -> dict[str, Any]:
        """What a step should know of the others: intent, their contributions, patterns, wishes."""
        return {
            "user_intent": self.user_intent,
            "user_constraints": self.user_constraints or {},
            "user_preferences": self.user_preferences or {},
            "contributions": [c.dump() for c in self.agent_contributions if c.agent != agent_type],
            "learned_patterns": self.learned_patterns,
        }

    def add_learned_pattern(self, pattern: dict[str, Any]) -> dict[str, Any]:
        """The channel update that adds a pattern (field names and transforms, never data), once."""
        if pattern in self.learned_patterns:
            return {}
        return {"learned_patterns": [*self.learned_patterns, pattern][-50:]}


class IntegrationResult(BaseModel):
    """What a run gives back: the output schema."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    workflow_id: str = ""
    status: Status = "discovering"
    next_step: str | None = None
    health_score: float | None = None
    mapping_logic: dict[str, Any] | None = None
    test_results: dict[str, Any] | None = None
    deployment: dict[str, Any] | None = None
    healing: dict[str, Any] | None = None
    errors: list[dict[str, Any]] = Field(default_factory=list)


def now_iso() -> str:
    """Now in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def log_entry(step: str, message: str, seconds: float | None = None) -> dict[str, Any]:
    """A channel update with one line of the story."""
    rounded = None if seconds is None else round(seconds, 3)
    return {"execution_log": [LogEntry(at=now_iso(), step=step, message=message, seconds=rounded).dump()]}
