"""The workflow on one page: read `build_graph` as the picture.

`graph` is what `langgraph.json` names: compiled without a saver, which that server brings.
`open_graph()` is what Python callers, the command and our own REST server use.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

from langchain_core.runnables.graph import Graph
from langgraph.graph import END, START, StateGraph

from vitesse_graph.nodes import (
    STEP_RETRY,
    deploy,
    discovery,
    guardian,
    heal,
    ingest,
    map_step,
    on_failure,
    request_digest,
    review_discovery,
    review_guardian,
    review_ingest,
    review_map,
)
from vitesse_graph.nodes.running import IntegrationGraph
from vitesse_graph.settings import Settings, get_settings
from vitesse_graph.state.context import VitesseContext
from vitesse_graph.state.request import IntegrationRequest
from vitesse_graph.state.whiteboard import IntegrationResult, SharedWhiteboardState

Builder = StateGraph[SharedWhiteboardState, VitesseContext, IntegrationRequest, IntegrationResult]
AnyStep = Literal["discovery", "ingest", "map", "guardian", "deploy", "heal", "review_discovery", "review_ingest", "review_map", "review_guardian"]  # fmt: skip


def route_start(state: SharedWhiteboardState) -> AnyStep:
    """A health report heals; a new request starts anew; anything else goes on where it stopped."""
    if state.health_report is not None and state.deployment is not None:
        return "heal"
    if state.request_digest != request_digest(state) or state.status == "active":
        return "discovery"
    return state.next_step or "discovery"  # type: ignore[return-value]


def onward(state: SharedWhiteboardState) -> str:
    """Where the last node said the run goes on; a failed or finished one ends."""
    return END if state.status == "failed" or state.next_step is None else state.next_step


def route_reviewed_discovery(
    state: SharedWhiteboardState,
) -> Literal["discovery", "ingest", "review_discovery", "__end__"]:
    return onward(state)  # type: ignore[return-value]


def route_reviewed_ingest(
    state: SharedWhiteboardState,
) -> Literal["ingest", "map", "review_ingest", "__end__"]:
    return onward(state)  # type: ignore[return-value]


def route_reviewed_map(state: SharedWhiteboardState) -> Literal["map", "guardian", "review_map", "__end__"]:
    return onward(state)  # type: ignore[return-value]


def route_tested(state: SharedWhiteboardState) -> Literal["map", "review_guardian"]:
    """Back to mapping with the findings while that may help; else to a person."""
    return "map" if state.next_step == "map" else "review_guardian"


def route_reviewed_guardian(
    state: SharedWhiteboardState,
) -> Literal["guardian", "deploy", "heal", "review_guardian", "__end__"]:
    return onward(state)  # type: ignore[return-value]


def route_healed(state: SharedWhiteboardState) -> Literal["ingest", "map", "guardian", "__end__"]:
    return onward(state)  # type: ignore[return-value]


def about(node: Callable[..., Any]) -> dict[str, str]:
    """What Studio shows of a node: the first line that its code says of itself."""
    return {"description": (inspect.getdoc(node) or "").split("\n")[0]}


def build_graph() -> Builder:
    """Six steps and the gates between them. Node names are frozen: paused threads name them."""
    builder: Builder = StateGraph(
        SharedWhiteboardState,
        context_schema=VitesseContext,
        input_schema=IntegrationRequest,
        output_schema=IntegrationResult,
    )
    builder.set_node_defaults(
        retry_policy=STEP_RETRY,
        timeout=get_settings().step_timeout_seconds,
    )

    # A failed step is written on the whiteboard. A gate has no such handler: an answer that it
    # refuses is the answerer's error, and the gate goes on waiting.
    builder.add_node("discovery", discovery, error_handler=on_failure, metadata=about(discovery))
    builder.add_node("review_discovery", review_discovery, metadata=about(review_discovery))
    builder.add_node("ingest", ingest, error_handler=on_failure, metadata=about(ingest))
    builder.add_node("review_ingest", review_ingest, metadata=about(review_ingest))
    builder.add_node("map", map_step, error_handler=on_failure, metadata=about(map_step))
    builder.add_node("review_map", review_map, metadata=about(review_map))
    builder.add_node("guardian", guardian, error_handler=on_failure, metadata=about(guardian))
    builder.add_node("review_guardian", review_guardian, metadata=about(review_guardian))
    builder.add_node("deploy", deploy, error_handler=on_failure, metadata=about(deploy))
    builder.add_node("heal", heal, error_handler=on_failure, metadata=about(heal))

    builder.add_conditional_edges(START, route_start)
    builder.add_edge("discovery", "review_discovery")
    builder.add_conditional_edges("review_discovery", route_reviewed_discovery)
    builder.add_edge("ingest", "review_ingest")
    builder.add_conditional_edges("review_ingest", route_reviewed_ingest)
    builder.add_edge("map", "review_map")
    builder.add_conditional_edges("review_map", route_reviewed_map)
    builder.add_conditional_edges("guardian", route_tested)
    builder.add_conditional_edges("review_guardian", route_reviewed_guardian)
    builder.add_edge("deploy", END)
    builder.add_conditional_edges("heal", route_healed)
    return builder


def compile_graph(checkpointer: Any = None) -> IntegrationGraph:
    """The compiled workflow; without a checkpointer only a server that brings one can run it."""
    return IntegrationGraph.of(build_graph().compile(checkpointer=checkpointer, name="vitesse"))


@asynccontextmanager
async def open_graph(settings: Settings | None = None) -> AsyncIterator[IntegrationGraph]:
    """The compiled workflow on the configured (or embedded) Postgres, ready for `ainvoke`.

    Raises VitesseError when the embedded Postgres does not start.
    """
    from vitesse_graph.checkpoints import open_saver
    from vitesse_graph.services import open_services

    chosen = settings or get_settings()
    async with open_saver(chosen) as saver, open_services(chosen) as services:
        yield compile_graph(saver).with_services(services)


graph = compile_graph()
"""For `langgraph.json`: a server looks the name up in this module and brings its own saver."""


def picture() -> str:
    """The graph as Mermaid text: what the README shows, without what Studio shows beside each node."""
    drawn = graph.get_graph()
    nodes = {name: node._replace(metadata=None) for name, node in drawn.nodes.items()}
    return Graph(nodes=nodes, edges=drawn.edges).draw_mermaid().strip()


if __name__ == "__main__":
    import sys

    sys.stdout.write(picture() + "\n")
