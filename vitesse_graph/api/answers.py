"""The form of every answer: `{status, integration_id, current_step, data: {…, next_step, next_endpoint}}`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from vitesse_graph.api.problems import Problem, status_of_step_error
from vitesse_graph.api.service import Outcome
from vitesse_graph.api.steps import OF_NODE, endpoint_of, next_call
from vitesse_graph.registry import IntegrationRow
from vitesse_graph.state.api_spec import ApiSpec
from vitesse_graph.state.whiteboard import SharedWhiteboardState

_STEP_BEFORE = {
    "review_discovery": "discovery",
    "review_ingest": "ingest",
    "review_map": "map",
    "review_guardian": "test",
}


class Data(BaseModel):
    """What the call gave; always with what comes next, null where nothing does."""

    model_config = ConfigDict(extra="allow")

    next_step: str | None = None
    next_endpoint: str | None = None


class Answer(BaseModel):
    """The form of every answer that is no error."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "mapping",
                    "integration_id": "6f1c1f0e-7a53-4c2e-9f0f-3f2a7f1f8a11",
                    "current_step": "ingest",
                    "data": {
                        "source_api": {"api_name": "Shopify", "endpoint": "GET /customers.json"},
                        "dest_api": {"api_name": "Credo CRM", "endpoint": "POST /contacts"},
                        "next_step": "map",
                        "next_endpoint": "/api/v1/vitesse/integrations/6f1c1f0e-7a53-4c2e-9f0f-3f2a7f1f8a11/map",
                    },
                }
            ]
        }
    )

    status: str = Field(
        description="discovering, mapping, testing, deploying, active, failed; ok for the rest."
    )
    integration_id: str | None = None
    current_step: str | None = None
    data: Data = Field(default_factory=Data)


def answer(
    data: dict[str, Any],
    *,
    status: str = "ok",
    integration_id: str | None = None,
    current_step: str | None = None,
    next_call: str | None = None,
) -> dict[str, Any]:
    """An envelope as plain JSON."""
    endpoint = endpoint_of(integration_id, next_call) if integration_id else None
    return {
        "status": status,
        "integration_id": integration_id,
        "current_step": current_step,
        "data": {**data, "next_step": next_call, "next_endpoint": endpoint},
    }


def _api(spec: ApiSpec | None) -> dict[str, Any] | None:
    """One API as a reader wants it: no schemas."""
    if spec is None:
        return None
    shape = spec.source or spec.dest
    return {
        "api_name": spec.api_name,
        "version": spec.version,
        "base_url": spec.base_url,
        "spec_url": spec.spec_url,
        "spec_format": spec.spec_format,
        "digest": spec.digest,
        "operation_count": spec.operation_count,
        "auth": spec.auth.type,
        "endpoint": shape.endpoint.key if shape else None,
        "candidates": [
            {"endpoint": c.endpoint.key, "score": c.score, "reasons": c.reasons} for c in spec.candidates
        ],
        "guesses": [guess.dump() for guess in spec.guesses],
        "warnings": [warning.dump() for warning in spec.warnings],
    }


def view(state: SharedWhiteboardState) -> dict[str, Any]:
    """The whiteboard as REST shows it: what was made so far, without schemas."""
    mapping = state.mapping_logic
    shown: dict[str, Any] = {
        "user_intent": state.user_intent,
        "discovered_apis": state.discovered_apis and state.discovered_apis.dump(),
        "source_api": _api(state.source_api_spec),
        "dest_api": _api(state.dest_api_spec),
        "mapping": mapping.dump() if mapping and state.status not in ("discovering", "mapping") else None,
        "test_results": state.test_results and state.test_results.dump(),
        "health_score": state.health_score,
        # What deploying would do now; as soon as it is done it is no plan any more.
        "deployment_plan": state.deployment_plan and state.deployment_plan.dump()
        if state.status == "deploying"
        else None,
        "deployment": state.deployment and state.deployment.dump(),
        "healing": state.healing and state.healing.dump(),
        "schedule": state.schedule,
        "errors": [error.dump() for error in state.errors[-3:]] if state.status == "failed" else None,
    }
    return {name: value for name, value in shown.items() if value not in (None, "", [])}


def current_step(outcome: Outcome) -> str:
    """The step that was done (or failed) last."""
    if outcome.waiting is not None:
        return _STEP_BEFORE.get(outcome.waiting.gate, outcome.waiting.gate)
    if outcome.status == "active":
        return "deploy"
    errors = outcome.values.get("errors") or []
    if outcome.status == "failed" and errors:
        failed = str(errors[-1]["step"])
        step = _STEP_BEFORE.get(failed, failed)
        return {"guardian": "test"}.get(step, step)
    return {"guardian": "test"}.get(outcome.next_step or "", outcome.next_step or "discovery")


def of_outcome(outcome: Outcome, row: IntegrationRow | None = None) -> dict[str, Any]:
    """Where an integration stands, as an envelope."""
    state = outcome.state
    waiting = outcome.waiting
    data = view(state)
    if row is not None:
        data |= {
            "metadata": row.metadata,
            "created_by": row.created_by,
            "created_at": row.created_at.isoformat(),
            "updated_at": row.updated_at.isoformat(),
        }
    if waiting is not None:
        data["review"] = {
            "gate": waiting.gate,
            "interrupt_id": waiting.interrupt_id,
            "summary": waiting.proposal.get("summary", ""),
            "proposal": waiting.proposal.get("action_requests", [{}])[0].get("args", {}),
            "error": waiting.proposal.get("error"),
        }
    return answer(
        data,
        status=outcome.status,
        integration_id=outcome.integration_id,
        current_step=current_step(outcome),
        next_call=next_call(state, waiting.gate if waiting else None, outcome.is_unfinished),
    )


def of_row(row: IntegrationRow, *, is_running: bool) -> dict[str, Any]:
    """An integration whose thread has no checkpoint yet: accepted, not begun."""
    data = {"user_intent": row.user_intent, "metadata": row.metadata, "is_running": is_running}
    following = None if is_running else "resume"
    return answer(
        data, status=row.status, integration_id=row.id, current_step="discovery", next_call=following
    )


def failure_of(outcome: Outcome) -> Problem | None:
    """The problem of a run that ended in a failed step; None when it did not (a rejection is none)."""
    errors = outcome.values.get("errors") or []
    if outcome.status != "failed" or outcome.waiting is not None or not errors:
        return None
    last = errors[-1]
    if last["kind"] == "Rejected":
        return None
    following = OF_NODE.get(last["retry"], "resume")
    if (
        following == "ingest"
        and outcome.values.get("source_api_spec")
        and outcome.values.get("dest_api_spec")
    ):
        following = "map"  # it was ingested before: other endpoints may be named
    return Problem(
        error=last["message"],
        http_status=status_of_step_error(last["kind"]),
        integration_id=outcome.integration_id,
        current_step=current_step(outcome),
        next_step=following,
        next_endpoint=endpoint_of(outcome.integration_id, following),
    )
