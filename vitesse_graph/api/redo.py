"""Carrying out accepted requests: the same functions for the first time and for after a crash."""

from __future__ import annotations

from typing import Any

from vitesse_graph.api.accepted import Settled
from vitesse_graph.api.answers import failure_of, of_outcome
from vitesse_graph.api.progress import Progress
from vitesse_graph.api.rest_service import RestService
from vitesse_graph.api.service import OnEvent, Outcome
from vitesse_graph.api.steps import STEPS
from vitesse_graph.registry.requests import AcceptedRequest
from vitesse_graph.state.context import VitesseContext


def settle(outcome: Outcome) -> Settled:
    """The answer to a run that has come to rest: where it stands, or the step that failed."""
    problem = failure_of(outcome)
    if problem is not None:
        return problem.http_status, problem.model_dump(mode="json", exclude_none=True)
    return 200, of_outcome(outcome)


class Redo:
    """Finishes what a crash interrupted. What was done already is not done again."""

    def __init__(self, service: RestService, progress: Progress) -> None:
        self._service = service
        self._progress = progress

    async def __call__(self, request: AcceptedRequest) -> Settled | None:
        """The answer, or None where only the caller can tell what should happen now."""
        integration_id, said = request.integration_id, request.body
        context = VitesseContext.model_validate({"actor": request.actor, **said.get("context", {})})
        outcome = await self._service.find(integration_id)

        def on_event(event: dict[str, Any]) -> None:
            self._progress.publish(integration_id, event)

        if outcome is None:
            if request.action != "create":
                return None
            outcome = await self._service.start(
                said["request"], integration_id=integration_id, context=context, on_event=on_event
            )
            status, body = settle(outcome)
            return (201 if status == 200 else status), body
        if outcome.is_unfinished and outcome.waiting is None:
            outcome = await self._service.resume(integration_id, context=context, on_event=on_event)
            if outcome.waiting is None:
                return settle(outcome)
        return await self._apply(request, outcome, context, on_event)

    async def _apply(
        self, request: AcceptedRequest, outcome: Outcome, context: VitesseContext, on_event: OnEvent
    ) -> Settled | None:
        """For a thread at rest: carries the request out if the gate that it is for still waits."""
        gate = outcome.waiting.gate if outcome.waiting else None
        step = STEPS.get(request.action)
        if step is not None:
            if gate == step.gate:
                outcome = await self._service.step(
                    request.integration_id,
                    step.name,
                    request.body.get("parameters") or {},
                    context=context,
                    on_event=on_event,
                )
            return settle(outcome)
        if request.action == "review":
            # The same answer twice changes nothing, and it names its gate.
            return settle(
                await self._service.answer(
                    request.integration_id, request.body["decision"], context=context, on_event=on_event
                )
            )
        return settle(outcome) if request.action in ("create", "resume") else None
