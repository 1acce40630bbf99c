"""What REST and the command do, once: start, answer, look, sync, heal, delete.

It talks to *a* graph through LangGraph's Pregel protocol: the compiled one here, or a `RemoteGraph`
inside a LangGraph server.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any, Protocol

import aiohttp
from langchain_core.runnables import RunnableConfig
from langgraph.errors import UnknownInterruptError
from langgraph.types import Command
from pydantic import Field, ValidationError

from vitesse_graph.errors import ConflictError, DecisionError, InputError, NotFoundError, UpstreamError
from vitesse_graph.nodes.episode import restored, unique
from vitesse_graph.services import Services
from vitesse_graph.state.base import Model
from vitesse_graph.state.context import VitesseContext
from vitesse_graph.state.definition import RuntimeStatus, SyncReport
from vitesse_graph.state.deployment import Deployment
from vitesse_graph.state.health import DriftItem, HealingEpisode
from vitesse_graph.state.review import DECISIONS, ReviewDecision
from vitesse_graph.state.whiteboard import SharedWhiteboardState, now_iso

OnEvent = Callable[[dict[str, Any]], None]
SYNC_TIMEOUT_SECONDS = 24 * 3600.0


class PregelLike(Protocol):
    """The part of LangGraph's Pregel protocol that is used here."""

    def astream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> Any: ...
    async def aget_state(self, config: RunnableConfig) -> Any: ...
    def aget_state_history(
        self, config: RunnableConfig, *, before: RunnableConfig | None = None, limit: int | None = None
    ) -> Any: ...
    async def aupdate_state(self, config: RunnableConfig, values: Any, as_node: str | None = None) -> Any: ...


class PendingGate(Model):
    """A gate that waits: what it proposes, and how it may be answered."""

    gate: str
    interrupt_id: str
    proposal: dict[str, Any]
    response_schema: dict[str, Any] | None = None


class Outcome(Model):
    """Where an integration stands after (or between) runs."""

    integration_id: str
    status: str
    next_step: str | None = None
    waiting: PendingGate | None = None
    error: str | None = None
    """The last failure, when the status is `failed`."""
    values: dict[str, Any] = Field(default_factory=dict)
    is_unfinished: bool = False
    """A run stopped in the middle (a crash, or a gate): steps are still to be run."""

    @property
    def state(self) -> SharedWhiteboardState:
        """The whiteboard, validated."""
        return SharedWhiteboardState.model_validate(self.values)


def new_integration_id() -> str:
    """A fresh id that cannot be guessed: the id is what one needs to answer a gate.

    A UUID, because a LangGraph server (and so Studio) takes no other name for a thread.
    """
    return str(uuid.uuid4())


def parse_decision(gate: str, answer: Any) -> ReviewDecision:
    """The answer as this gate's decision; DecisionError says in one line what is wrong."""
    model = DECISIONS.get(gate)  # type: ignore[call-overload]
    if model is None:
        raise DecisionError(f"no gate named {gate}")
    try:
        decision: ReviewDecision = model.model_validate(answer)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DecisionError(
            f"the answer to {gate} was refused{' at ' + where if where else ''}: "
            f"{first['msg'].removeprefix('Value error, ')}; the gate still waits"
        ) from None
    return decision


class IntegrationService:
    """Bound to one graph and one set of services; safe for concurrent use."""

    def __init__(self, graph: PregelLike, services: Services) -> None:
        self._graph = graph
        self.services = services

    @staticmethod
    def config(integration_id: str) -> RunnableConfig:
        return {"configurable": {"thread_id": integration_id}}

    async def start(
        self,
        request: dict[str, Any],
        *,
        integration_id: str | None = None,
        context: VitesseContext | None = None,
        on_event: OnEvent | None = None,
    ) -> Outcome:
        """Runs a new integration (or goes on with one) until a gate, the end, or a failure."""
        chosen = integration_id or new_integration_id()
        return await self._run(chosen, request, context, on_event)

    async def resume(
        self,
        integration_id: str,
        *,
        better: dict[str, Any] | None = None,
        context: VitesseContext | None = None,
        on_event: OnEvent | None = None,
    ) -> Outcome:
        """Goes on after a crash or a failed step, with better input where there is some.

        A waiting gate is left waiting.
        """
        outcome = await self._existing(integration_id)
        if outcome.waiting is not None and not better:
            return outcome
        # After a crash the same run goes on (None); after its end a new one starts where it failed.
        given = None if outcome.is_unfinished and not better else (better or {})
        return await self._run(integration_id, given, context, on_event)

    async def answer(
        self,
        integration_id: str,
        answer: Any,
        *,
        gate: str | None = None,
        context: VitesseContext | None = None,
        on_event: OnEvent | None = None,
        seen: Outcome | None = None,
    ) -> Outcome:
        """Answers the waiting gate and runs on.

        `seen`: where the thread stands, for a caller who has just looked. The same answer to an answered gate changes nothing. Raises DecisionError for a malformed
        answer (the gate still waits) and ConflictError for a different second answer.
        """
        outcome = seen or await self._existing(integration_id)
        waiting = outcome.waiting
        named = gate or (answer.get("gate") if isinstance(answer, dict) else None)
        if waiting is None or (named is not None and named != waiting.gate):
            return self._answered_before(outcome, named, answer)
        decision = parse_decision(waiting.gate, answer)
        if decision.interrupt_id is not None and decision.interrupt_id != waiting.interrupt_id:
            return self._answered_before(outcome, waiting.gate, answer)
        complete = decision.model_dump(mode="json", exclude_unset=True)
        complete |= {"gate": waiting.gate, "interrupt_id": waiting.interrupt_id}
        command: Command[Any] = Command(resume={waiting.interrupt_id: complete})
        try:
            after = await self._run(integration_id, command, context, on_event, seen=outcome)
        except UnknownInterruptError as error:
            raise ConflictError(
                f"{waiting.gate} was answered by someone else at the same time; look at the status"
            ) from error
        refused = after.values.get("review_error")
        if refused and after.waiting is not None and after.waiting.gate == waiting.gate:
            raise DecisionError(f"{refused}; {waiting.gate} still waits")
        return after

    def _answered_before(self, outcome: Outcome, gate: str | None, answer: Any) -> Outcome:
        reviews = [r for r in outcome.values.get("reviews") or [] if gate is None or r["gate"] == gate]
        if not reviews:
            waits = f"{outcome.waiting.gate} waits" if outcome.waiting else "no gate waits"
            raise ConflictError(
                f"{gate or 'no gate'} is not waiting for an answer; {waits}, status {outcome.status}"
            )
        last = reviews[-1]
        decision = parse_decision(last["gate"], answer)
        if decision.digest() == last["digest"]:
            return outcome
        raise ConflictError(
            f"{last['gate']} was already answered ({last['type']}); a different answer comes too late"
        )

    async def look(self, integration_id: str) -> Outcome:
        """Where an integration stands. Raises NotFoundError."""
        return await self._existing(integration_id)

    async def _existing(self, integration_id: str) -> Outcome:
        snapshot = await self._graph.aget_state(self.config(integration_id))
        if not snapshot.values:
            raise NotFoundError(f"no integration {integration_id}; `vitesse integrations` lists them")
        return self._outcome(integration_id, snapshot)

    def _outcome(self, integration_id: str, snapshot: Any) -> Outcome:
        values = dict(snapshot.values)
        waiting = None
        if snapshot.interrupts:
            first = snapshot.interrupts[0]
            waiting = PendingGate(
                gate=str(first.value.get("gate", "")),
                interrupt_id=first.id,
                proposal=first.value,
                response_schema=first.response_schema if isinstance(first.response_schema, dict) else None,
            )
        errors = values.get("errors") or []
        status = str(values.get("status", "discovering"))
        return Outcome(
            integration_id=integration_id,
            status=status,
            next_step=values.get("next_step"),
            waiting=waiting,
            error=errors[-1]["message"] if errors and status == "failed" else None,
            values=values,
            is_unfinished=bool(snapshot.next),
        )

    async def _run(
        self,
        integration_id: str,
        given: Any,
        context: VitesseContext | None,
        on_event: OnEvent | None,
        *,
        seen: Outcome | None = None,
    ) -> Outcome:
        """One run to its end. `seen`: where the thread stood, where the caller has looked."""
        config = self.config(integration_id)
        async for mode, chunk in self._graph.astream(
            given,
            config,
            context=(context or VitesseContext()).model_dump(),
            stream_mode=["updates", "custom"],
        ):
            if on_event is not None and mode == "custom":
                on_event(chunk)
        return self._outcome(integration_id, await self._graph.aget_state(config))

    # what is deployed

    async def deployment(self, integration_id: str) -> Deployment:
        """The deployment of an active integration. Raises ConflictError when nothing is deployed."""
        outcome = await self._existing(integration_id)
        deployment = outcome.state.deployment
        if deployment is None:
            raise ConflictError(
                f"{integration_id} is not deployed yet (status {outcome.status}"
                f"{', next step ' + outcome.next_step if outcome.next_step else ''})"
            )
        return deployment

    async def call_runtime(
        self, integration_id: str, method: str, path: str, body: dict[str, Any] | None = None
    ) -> Any:
        """One call to the deployed runtime's own HTTP surface; its JSON answer."""
        deployment = await self.deployment(integration_id)
        url = deployment.service_url.rstrip("/") + path
        timeout = aiohttp.ClientTimeout(total=SYNC_TIMEOUT_SECONDS, connect=5)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(method, url, json=body) as response,
            ):
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UpstreamError(
                f"the runtime of {integration_id} does not answer at {deployment.service_url}; "
                f"`vitesse logs {integration_id}` may say why"
            ) from error
        try:
            answer = json.loads(text)
        except ValueError:
            answer = {"error": text[:300]}
        if response.status >= 400:
            said = answer.get("error") or answer.get("detail") if isinstance(answer, dict) else None
            if response.status == 409:
                raise ConflictError(str(said or "the runtime is busy"))
            if response.status in (404, 422):  # it understood, and says what is wrong with the question
                raise (NotFoundError if response.status == 404 else InputError)(str(said))
            raise UpstreamError(f"the runtime answered {response.status}: {said}", status=response.status)
        return answer

    async def sync(
        self,
        integration_id: str,
        *,
        full: bool = False,
        dry_run: bool = False,
        since: str | None = None,
        until: str | None = None,
    ) -> SyncReport:
        """Runs one sync now and waits for its end; with `since` or `until` a backfill of that range."""
        order = {"full": full, "dry_run": dry_run, "since": since, "until": until}
        answer = await self.call_runtime(integration_id, "POST", "/sync", order)
        return SyncReport.model_validate(answer)

    async def runtime_status(self, integration_id: str) -> RuntimeStatus:
        """What its runtime says of itself. Raises UpstreamError where another program answers in its place:
        a port is given to others once its owner has ended."""
        await self._existing(integration_id)
        try:
            status = RuntimeStatus.model_validate(await self.call_runtime(integration_id, "GET", "/status"))
        except (ValidationError, NotFoundError) as error:
            raise UpstreamError(f"what answers in place of {integration_id} is no runtime") from error
        if status.integration_id != integration_id:
            raise UpstreamError(f"what answers in place of {integration_id} is another integration's runtime")
        return status

    async def heal(
        self,
        integration_id: str,
        report: dict[str, Any],
        *,
        context: VitesseContext | None = None,
        on_event: OnEvent | None = None,
    ) -> Outcome:
        """Hands a health report to the thread and runs the repair."""
        await self.deployment(integration_id)
        return await self._run(integration_id, {"health_report": report}, context, on_event)

    async def _back_to(self, node: str, integration_id: str, update: dict[str, Any]) -> None:
        """A new checkpoint as if `node` had just ended with this update."""
        async with self.services.limiter.hold(integration_id):
            # what does not fit would spoil the thread: LangGraph keeps whatever is written
            current = (await self._existing(integration_id)).values
            SharedWhiteboardState.model_validate({**current, **update})
            await self._graph.aupdate_state(self.config(integration_id), update, as_node=node)

    async def roll_back(
        self,
        integration_id: str,
        reason: str,
        *,
        context: VitesseContext | None = None,
        on_event: OnEvent | None = None,
    ) -> Outcome:
        """Deploys what ran before the live version, as a new version: a thread only moves forward.

        Raises ConflictError when nothing ran before.
        """
        outcome = await self._existing(integration_id)
        state = outcome.state
        live = await self.services.registry.latest_version(integration_id)
        before = live and await self.services.registry.version_before(integration_id, live["version"])
        if not before:
            raise ConflictError(f"{integration_id} has no earlier version to go back to")
        episode = state.healing or HealingEpisode(started_at=now_iso())
        update = restored(before["whiteboard"])
        number = state.mapping_logic.version if state.mapping_logic is not None else 0
        update["mapping_logic"] = {**update["mapping_logic"], "version": number + 1}
        update |= {
            "healing": episode.evolve(
                outcome="rolled_back", ended_at=None, log=[*episode.log, f"watched: {reason}"]
            ).dump(),
            "findings": [],
            "best_attempt": None,
            "retry_count": 0,
            "health_report": None,
            "status": "deploying",
            "next_step": "deploy",
        }
        await self._back_to("review_guardian", integration_id, update)
        return await self._run(integration_id, None, context, on_event)

    async def pause(self, integration_id: str, reason: str, *, is_audited: bool = False) -> None:
        """No more syncs until `unpause`, or until another version is deployed. `is_audited`: by the caller."""
        await self.call_runtime(integration_id, "POST", "/pause", {"reason": reason[:300]})
        if not is_audited:
            await self.services.registry.audit(integration_id, "pause", detail={"reason": reason[:300]})

    async def unpause(self, integration_id: str, *, is_audited: bool = False) -> None:
        """Syncs may go on."""
        await self.call_runtime(integration_id, "POST", "/resume", {})
        # who lets it go on takes the records as they are now for good: the next look starts from them
        await self.services.registry.forget_profile(integration_id)
        await self.mark_recovered(integration_id)
        if not is_audited:
            await self.services.registry.audit(integration_id, "unpause")

    async def drift(self, integration_id: str) -> list[DriftItem]:
        """How both APIs differ from what was deployed: their documents, and a few records."""
        from vitesse_graph.healing import drift_from_probes
        from vitesse_graph.nodes.evidence import live_state, look_ahead

        outcome = await self._existing(integration_id)
        found = await live_state(self.services, integration_id)
        if found is None:
            raise ConflictError(f"{integration_id} is not deployed yet (status {outcome.status})")
        seen = await look_ahead(self.services, integration_id, healing=outcome.state.healing)
        return unique([*seen.drift, *drift_from_probes(seen.probes, found[1].mapping)])

    async def mark_recovered(self, integration_id: str) -> None:
        """What could not be repaired is well again by itself: it is no longer told as failed."""
        outcome = await self._existing(integration_id)
        if outcome.status == "failed" and outcome.next_step == "heal":
            await self._back_to("heal", integration_id, {"status": "active", "next_step": None})
            await self.services.registry.save_integration(integration_id, status="active", next_step=None)

    async def logs(self, integration_id: str, lines: int = 100) -> str:
        """The workload's last log lines."""
        deployment = await self.deployment(integration_id)
        deployer = self.services.deployer(deployment.target)
        return await deployer.get_logs(integration_id, lines=lines)

    async def undeploy(self, integration_id: str) -> None:
        """Takes down the workload and its sandboxes; the thread stays. Nothing deployed: nothing done."""
        outcome = await self._existing(integration_id)
        if outcome.state.deployment is not None:
            await self.services.undeploy(integration_id, outcome.state.deployment)

    async def delete(self, integration_id: str) -> None:
        """Undeploys and forgets; the audit log stays. Raises NotFoundError."""
        outcome = await self._existing(integration_id)
        async with self.services.limiter.hold(integration_id):
            deployment = outcome.state.deployment
            if deployment is not None:
                await self.services.undeploy(integration_id, deployment)
            checkpointer = getattr(self._graph, "checkpointer", None)
            if checkpointer is not None:
                await checkpointer.adelete_thread(integration_id)
            await self.services.registry.delete_integration(integration_id)
            await self.services.registry.audit(integration_id, "delete")


__all__ = [
    "InputError",
    "IntegrationService",
    "Outcome",
    "PendingGate",
    "new_integration_id",
    "parse_decision",
]
