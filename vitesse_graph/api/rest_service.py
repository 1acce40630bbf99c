"""What REST can do beyond answering gates: steps again, rows by hand, history and back."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import aiohttp
from langchain_core.runnables import RunnableConfig

from vitesse_graph.api.secret_services import VaultServices
from vitesse_graph.api.service import IntegrationService, OnEvent, Outcome, PregelLike
from vitesse_graph.api.steps import STEPS, ensure_callable, place_of, rewound
from vitesse_graph.checkpoints.limiter import restore
from vitesse_graph.errors import ConflictError, NotFoundError, UpstreamError, VitesseError
from vitesse_graph.registry.mappings import MappingVersions
from vitesse_graph.state.base import Model
from vitesse_graph.state.context import VitesseContext
from vitesse_graph.state.health import DriftItem
from vitesse_graph.state.mapping import MappingLogic, Transformation
from vitesse_graph.state.review import GATES
from vitesse_graph.state.whiteboard import SharedWhiteboardState

_AFTER: dict[str, str] = {step.gate: step.after for step in STEPS.values()}
HISTORY_LIMIT = 200


@runtime_checkable
class OwnsThreads(Protocol):
    """A graph whose server keeps a record of every thread."""

    async def ensure_thread(self, thread_id: str, metadata: dict[str, Any]) -> bool: ...


class HistoryEntry(Model):
    """One checkpoint of a thread."""

    checkpoint_id: str
    created_at: str | None = None
    number: int = 0
    """LangGraph's step number: it grows along the thread."""
    made_by: str = ""
    """`loop` for a step that ran, `update` for an edit, `fork` for a restored one, `input`."""
    next: list[str]
    """The nodes that would run from here; a `review_*` gate is where a restored thread asks again."""
    status: str = ""
    health_score: float | None = None
    mapping_version: int | None = None
    summary: str = ""


class RestService(IntegrationService):
    """As `IntegrationService`; every run also leaves its mark on the read model."""

    services: VaultServices

    def __init__(self, graph: PregelLike, services: VaultServices) -> None:
        super().__init__(graph, services)
        self.versions = MappingVersions(
            services.pool, patience_seconds=services.settings.database_patience_seconds
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
        async with self.services.reading(await self._credentials(integration_id, given, seen)):
            outcome = await super()._run(integration_id, given, context, on_event)
        await self._record(outcome, context.actor if context is not None else "")
        return outcome

    async def _credentials(self, integration_id: str, given: Any, seen: Outcome | None = None) -> set[str]:
        """The references that a run may need: those on the whiteboard and those it is given."""
        if seen is not None:
            values = seen.values
        else:
            values = (await self._graph.aget_state(self.config(integration_id))).values
        names = ("source_auth", "dest_auth")
        alerts = await self._alert_secret(integration_id)
        said = [values, given] if isinstance(given, dict) else [values]
        found = {str(values[name]) for values in said for name in names if values and values.get(name)}
        return found | alerts

    async def _alert_secret(self, integration_id: str) -> set[str]:
        """The reference of what signs this integration's alerts, if it has one."""
        from vitesse_graph.healing import alerts_of

        try:
            target = alerts_of((await self.services.registry.integration(integration_id)).metadata)
        except VitesseError:
            return set()
        return {target.secret_ref} if target is not None and target.secret_ref else set()

    async def _record(self, outcome: Outcome, actor: str) -> None:
        """Rejections and edits end without a step that would write the row: it is written here."""
        values = outcome.values
        await self.services.registry.save_integration(
            outcome.integration_id,
            status=outcome.status,
            next_step=outcome.next_step,
            health_score=values.get("health_score"),
        )
        mapping = values.get("mapping_logic")
        if mapping and outcome.status not in ("discovering", "mapping"):
            await self.versions.keep(outcome.integration_id, mapping, changed_by=actor)

    async def drift(self, integration_id: str) -> list[DriftItem]:
        async with self.services.reading(await self._credentials(integration_id, None)):
            return await super().drift(integration_id)

    async def _existing(self, integration_id: str) -> Outcome:
        """As the parent's; a server that brings its own threads is told of those made elsewhere."""
        try:
            return await super()._existing(integration_id)
        except NotFoundError:
            if not await self._adopt(integration_id):
                raise NotFoundError(f"no integration {integration_id}") from None
            return await super()._existing(integration_id)

    async def _adopt(self, integration_id: str) -> bool:
        """Makes the server's own record of a thread, with who owns it. False where nothing is needed."""
        if not isinstance(self._graph, OwnsThreads):
            return False
        try:
            row = await self.services.registry.integration(integration_id)
        except NotFoundError:
            return False
        return await self._graph.ensure_thread(
            integration_id, {"owner": row.created_by, "tenant": row.tenant}
        )

    async def start(
        self,
        request: dict[str, Any],
        *,
        integration_id: str | None = None,
        context: VitesseContext | None = None,
        on_event: OnEvent | None = None,
    ) -> Outcome:
        if integration_id is not None:
            await self._adopt(integration_id)
        return await super().start(request, integration_id=integration_id, context=context, on_event=on_event)

    async def find(self, integration_id: str) -> Outcome | None:
        """As `look`, None where the thread has no checkpoint yet."""
        try:
            return await self.look(integration_id)
        except NotFoundError:
            return None

    # steps

    async def step(
        self,
        integration_id: str,
        name: str,
        parameters: dict[str, Any],
        *,
        context: VitesseContext,
        on_event: OnEvent | None = None,
        seen: Outcome | None = None,
    ) -> Outcome:
        """Runs a REST step, anew where it ran before. Raises ConflictError where it comes too early.

        `seen`: where the thread stands, for a caller who has just looked; a gate that somebody else
        answers meanwhile is noticed when it is answered again.
        """
        step = STEPS[name]
        outcome = seen or await self._existing(integration_id)
        waiting = outcome.waiting
        ensure_callable(step, outcome.state, waiting.gate if waiting else None, outcome.is_unfinished)
        if waiting is None or waiting.gate != step.gate:
            await self._back_to(step.after, integration_id, rewound(step, outcome.state, context.actor))
            outcome = await self._run(integration_id, None, context, on_event)
        if outcome.waiting is None or outcome.waiting.gate != step.gate:
            raise ConflictError(f"{integration_id} moved on by another's hand; look at its status")
        answer = {"type": "approve", "gate": step.gate, "parameters": parameters}
        return await self.answer(
            integration_id,
            {**answer, "interrupt_id": outcome.waiting.interrupt_id},
            context=context,
            on_event=on_event,
            seen=outcome,
        )

    # rows by hand

    async def change_mapping(
        self,
        integration_id: str,
        rows: list[Transformation],
        *,
        context: VitesseContext,
        reason: str = "",
        on_event: OnEvent | None = None,
    ) -> Outcome:
        """Puts these rows in the mapping's place; it waits to be tested again.

        What is deployed goes on with its own rows until the new ones pass and are deployed. Raises
        ConflictError before there is a mapping, MappingError for rows that cannot be.
        """
        outcome = await self._existing(integration_id)
        state = outcome.state
        waiting = outcome.waiting.gate if outcome.waiting else None
        if state.mapping_logic is None or place_of(state, waiting) < GATE_OF_MAP:
            raise ConflictError(f"there is no mapping to change yet (status {state.status}); call map first")
        mapping = await self._edited(state, rows)
        update = rewound(STEPS["test"], state, context.actor) | {"mapping_logic": mapping.dump()}
        update["reviews"][0] |= {"type": "edit", "comment": reason[:4_000] or "rows changed by hand"}
        await self._back_to(STEPS["test"].after, integration_id, update)
        await self.versions.keep(integration_id, mapping.dump(), changed_by=context.actor, reason=reason)
        return await self._run(integration_id, None, context, on_event)

    async def _edited(self, state: SharedWhiteboardState, rows: list[Transformation]) -> MappingLogic:
        from vitesse_graph.mapping import apply_edit
        from vitesse_graph.nodes.documents import open_pair

        pair = await open_pair(self.services, state)
        before = state.mapping_logic or MappingLogic()
        edited = apply_edit(before, rows, pair.source_shape.record_schema, pair.dest_shape.request_schema)
        return edited.model_copy(update={"version": before.version + 1})

    async def rows_at(self, integration_id: str, version: int) -> list[Transformation]:
        """The rows of an earlier version."""
        kept = await self.versions.get(integration_id, version)
        return MappingLogic.model_validate(kept.mapping).transformations

    async def set_schedule(self, integration_id: str, schedule: str | None) -> None:
        """How often the next deployment syncs. Raises ConflictError while a run is under way."""
        async with self.services.limiter.hold(integration_id):
            outcome = await self._existing(integration_id)
            node = _AFTER.get(outcome.waiting.gate) if outcome.waiting else "deploy"
            if outcome.is_unfinished and outcome.waiting is None:
                raise ConflictError(f"{integration_id} is in the middle of a step; resume it first")
            await self._graph.aupdate_state(self.config(integration_id), {"schedule": schedule}, as_node=node)
        if outcome.waiting is not None:
            # the gate's proposal belonged to the checkpoint before: it is asked again
            await self._run(integration_id, None, None, None)

    async def runtime_text(self, integration_id: str, path: str) -> str:
        """What the deployed runtime answers, as text."""
        deployment = await self.deployment(integration_id)
        url = deployment.service_url.rstrip("/") + path
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
                session.get(url) as response,
            ):
                return await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UpstreamError(f"the runtime of {integration_id} does not answer") from error

    # history

    async def history(
        self, integration_id: str, *, limit: int = 50, before: str | None = None
    ) -> list[HistoryEntry]:
        """The thread's checkpoints, the newest first. Raises NotFoundError."""
        await self._existing(integration_id)
        config = self.config(integration_id)
        earlier: RunnableConfig | None = None
        if before is not None:
            earlier = {"configurable": {"thread_id": integration_id, "checkpoint_id": before}}
        entries = []
        async for snapshot in self._graph.aget_state_history(config, before=earlier, limit=limit):
            entries.append(_entry(snapshot))
        return entries

    async def restore(
        self,
        integration_id: str,
        checkpoint_id: str,
        *,
        context: VitesseContext,
        on_event: OnEvent | None = None,
    ) -> Outcome:
        """Makes an earlier checkpoint the newest; a gate that waited there asks again.

        What is deployed stays deployed and known. Raises NotFoundError for an unknown checkpoint.
        """
        outcome = await self._existing(integration_id)
        config = self.config(integration_id)
        async with self.services.limiter.hold(integration_id):
            snapshot = await self._snapshot(integration_id, checkpoint_id)
            kept = {name: outcome.values.get(name) for name in ("deployment", "healing")}
            following = snapshot.next[0] if snapshot.next else None
            if following in GATES:
                await self._graph.aupdate_state(snapshot.config, kept, as_node=_AFTER[following])
            elif following is None:
                await self._graph.aupdate_state(snapshot.config, kept, as_node="deploy")
            elif snapshot.values.get("deployment") != outcome.values.get("deployment"):
                raise ConflictError(
                    f"that checkpoint is in the middle of the {following} step of an earlier deployment; "
                    "restore the gate before it"
                )
            else:
                await restore(self._graph, integration_id, checkpoint_id)
        if following in GATES:
            return await self._run(integration_id, None, context, on_event)
        after = self._outcome(integration_id, await self._graph.aget_state(config))
        await self._record(after, context.actor)
        return after

    async def _snapshot(self, integration_id: str, checkpoint_id: str) -> Any:
        config: RunnableConfig = {
            "configurable": {"thread_id": integration_id, "checkpoint_id": checkpoint_id}
        }
        snapshot = await self._graph.aget_state(config)
        if snapshot is None or not snapshot.values:
            raise NotFoundError(f"{integration_id} has no checkpoint {checkpoint_id}; its history lists them")
        return snapshot

    # answers of any kind

    async def review(
        self,
        integration_id: str,
        body: Any,
        *,
        context: VitesseContext,
        on_event: OnEvent | None = None,
    ) -> Outcome:
        """Answers the waiting gate with a whole decision, in any of the forms that a gate takes."""
        return await self.answer(integration_id, body, context=context, on_event=on_event)

    async def waiting_gate(self, integration_id: str) -> str | None:
        """The gate that waits now. Raises NotFoundError."""
        outcome = await self._existing(integration_id)
        return outcome.waiting.gate if outcome.waiting else None


GATE_OF_MAP = place_of(SharedWhiteboardState(), "review_map")


def _entry(snapshot: Any) -> HistoryEntry:
    values = snapshot.values
    metadata = snapshot.metadata or {}
    log = values.get("execution_log") or []
    mapping = values.get("mapping_logic") or {}
    return HistoryEntry(
        checkpoint_id=str(snapshot.config["configurable"]["checkpoint_id"]),
        created_at=snapshot.created_at,
        number=int(metadata.get("step", 0)),
        made_by=str(metadata.get("source", "")),
        next=list(snapshot.next),
        status=str(values.get("status", "")),
        health_score=values.get("health_score"),
        mapping_version=mapping.get("version"),
        summary=str(log[-1]["message"]) if log else "",
    )
