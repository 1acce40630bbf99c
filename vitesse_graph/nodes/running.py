"""How a run is started: input checked, one writer per thread, stale answers refused.

`IntegrationGraph` is the compiled graph with these rules in front of `astream`, the one method that
every way of running it (`ainvoke`, `astream`, a LangGraph server) goes through.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Self

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.graph import Graph
from langgraph.constants import START
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command
from pydantic import ValidationError

from vitesse_graph.errors import ConflictError, DecisionError, InputError, VitesseError
from vitesse_graph.nodes.step import one_line
from vitesse_graph.services import Services, get_services, use_services
from vitesse_graph.state.request import IntegrationRequest
from vitesse_graph.state.review import DECISIONS, ReviewDecision
from vitesse_graph.state.whiteboard import SharedWhiteboardState


def checked_input(given: Any) -> dict[str, Any]:
    """A request as plain channels. Raises InputError before anything is stored.

    A secret in place of a reference is refused here: past this point it would be in a checkpoint.
    """
    try:
        request = given if isinstance(given, IntegrationRequest) else IntegrationRequest.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "input"
        raise InputError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
    return request.given()


def _ensure_target(target: str) -> None:
    """Raises InputError for one that is unknown or not installed: not only when all else is done."""
    from vitesse_graph.deployers import DeployerFactory

    DeployerFactory.ensure_installed(target)


class IntegrationGraph(CompiledStateGraph):  # type: ignore[type-arg]
    """The compiled workflow. One integration is one thread."""

    services: Services | None = None

    @classmethod
    def of(cls, compiled: CompiledStateGraph[Any, Any, Any, Any]) -> Self:
        """The same graph with our rules in front."""
        return cls(**{k: v for k, v in compiled.__dict__.items() if k != "__orig_class__"})

    def with_services(self, services: Services) -> Self:
        """Binds the services that nodes use, instead of the process's own."""
        self.services = services
        return self

    def copy(self, update: dict[str, Any] | None = None) -> Self:
        attributes = {k: v for k, v in self.__dict__.items() if k not in ("__orig_class__", "services")}
        copied = type(self)(**{**attributes, **(update or {})})
        copied.services = self.services
        return copied

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **options: Any
    ) -> AsyncIterator[Any]:
        """As LangGraph's, with: input validated, the thread locked, every step durable at once.

        Raises InputError for a malformed request, ConflictError when another run holds the thread
        or when the answer is for a gate that was already answered differently.
        """
        services = self.services or await get_services()
        thread_id = str((config or {}).get("configurable", {}).get("thread_id") or "")
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(use_services(services))
            if thread_id:
                await stack.enter_async_context(services.limiter.hold(thread_id))
            if input is not None and not isinstance(input, Command):
                input = checked_input(input)
                if input.get("deployment_target"):
                    await asyncio.to_thread(_ensure_target, input["deployment_target"])
            elif isinstance(input, Command) and config is not None and await self._is_repeat(input, config):
                # Answered so before: go on where the run stopped, if it stopped at all.
                input = None
            # A finished step must never run again after a crash, so each is stored before the next.
            options["durability"] = "sync"
            try:
                async for chunk in super().astream(input, config, **options):
                    yield chunk
            except ValidationError as error:
                raise _in_one_line(error) from error

    async def abulk_update_state(self, config: RunnableConfig, supersteps: Any) -> RunnableConfig:
        """As LangGraph's, but a thread whose state was spoilt by an edit can be mended by another.

        LangGraph validates the old state for the steps that would come next before it applies the
        new one, so a spoilt field would lock its own repair out; here validation waits for the run.
        """
        try:
            return await CompiledStateGraph.abulk_update_state(self._unvalidated(), config, supersteps)
        except ValidationError as error:
            raise _in_one_line(error) from error

    def _unvalidated(self) -> Self:
        """This graph with nodes that take the state as it is; for updates, never for runs."""
        nodes = {name: copy.copy(node) for name, node in self.nodes.items()}
        for node in nodes.values():
            node.mapper = None
        return self.copy({"nodes": nodes})

    def get_graph(self, config: RunnableConfig | None = None, *, xray: int | bool = False) -> Graph:
        """The picture: steps, gates and their edges.

        Left out are the handlers that write a failure down, and the edges by which a run that
        failed goes on where it stopped: they lead from the start to every step.
        """
        return _without_plumbing(super().get_graph(config, xray=xray))

    async def aget_graph(self, config: RunnableConfig | None = None, *, xray: int | bool = False) -> Graph:
        return _without_plumbing(await super().aget_graph(config, xray=xray))

    async def _is_repeat(self, command: Command[Any], config: RunnableConfig) -> bool:
        """Whether the answer repeats the last one; ConflictError when it contradicts it.

        Only asked where no gate waits: a waiting gate judges the answer itself. Where none does,
        LangGraph would keep the answer for the next gate to come, which nobody has seen yet.
        """
        if command.resume is None:
            return False
        snapshot = await self.aget_state(config)
        if snapshot.interrupts or not snapshot.values:
            return False
        reviews = snapshot.values.get("reviews") or []
        if not reviews:
            return False
        last = reviews[-1]
        decision = as_decision(command.resume, last["gate"])
        if decision is not None and decision.digest() == last["digest"]:
            return True
        raise ConflictError(
            f"{last['gate']} was already answered ({last['type']}{' by ' + last['by'] if last.get('by') else ''}) "
            "and nothing waits for an answer; look at the integration's status"
        )


def _in_one_line(error: ValidationError) -> VitesseError:
    """What a person can mend: a spoilt field of the whiteboard, or a malformed answer."""
    if error.title == SharedWhiteboardState.__name__:
        return InputError(one_line(error))
    said = error.errors()[0]
    where = ".".join(str(part) for part in said["loc"])
    reason = said["msg"].removeprefix("Value error, ")
    return DecisionError(
        f"the answer was refused{' at ' + where if where else ''}: {reason}; the gate still waits"
    )


def _without_plumbing(drawn: Graph) -> Graph:
    hidden = {name for name in drawn.nodes if "error_handler__" in name}
    edges = [
        edge
        for edge in drawn.edges
        if not {edge.source, edge.target} & hidden
        and (edge.source != START or edge.target in ("discovery", "heal"))
    ]
    return Graph(nodes={k: v for k, v in drawn.nodes.items() if k not in hidden}, edges=edges)


def as_decision(answer: Any, gate: str) -> ReviewDecision | None:
    """The answer as the gate would read it, or None when it is malformed.

    An answer keyed by interrupt id (`{"<id>": answer}`) is taken out of its key first.
    """
    if isinstance(answer, dict) and len(answer) == 1:
        key, inner = next(iter(answer.items()))
        if len(str(key)) == 32 and key not in ReviewDecision.model_fields:
            answer = inner
    try:
        return DECISIONS[gate].model_validate(answer)  # type: ignore[index]
    except ValidationError:
        return None
