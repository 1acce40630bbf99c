"""One look of the monitor as a graph of its own: what a cron of the LangGraph server runs.

    client.crons.create("monitor", schedule="* * * * *", input={})

Heals run on the integrations' own threads, as runs of that server; how they ended is seen at the next look.
"""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel, Field

from vitesse_graph.errors import VitesseError


class Look(BaseModel):
    """The input, and what was decided for each integration."""

    with_specs: bool = Field(
        False,
        title="Specifications too",
        description="Whether it is time for that or not; else once an hour.",
    )
    decisions: dict[str, dict[str, Any]] = Field(default_factory=dict)


def _ensure_admin(config: RunnableConfig) -> None:
    """It looks after every tenant's integrations, so it takes an admin (or the one at this machine)."""
    user = config.get("configurable", {}).get("langgraph_auth_user")
    permissions = getattr(user, "permissions", None) or (
        user.get("permissions") if isinstance(user, dict) else None
    )
    if user is not None and "vitesse:admin" not in (permissions or ()):
        raise VitesseError(
            "the monitor looks after everybody's integrations: running it takes the role admin"
        )


async def look(state: Look, config: RunnableConfig) -> dict[str, Any]:
    """Looks at every deployed integration once and hands heals over: a server with one worker could not
    run them while this run waited."""
    _ensure_admin(config)
    from langgraph_sdk import get_client

    from vitesse_graph.api.monitoring import HandingOver, look_once
    from vitesse_graph.api.remote import GRAPH_NAME, RemoteThreads
    from vitesse_graph.api.rest_service import RestService
    from vitesse_graph.api.secret_services import open_vault_services
    from vitesse_graph.settings import get_settings

    client = get_client()

    async def hand_over(thread_id: str, given: dict[str, Any], context: dict[str, Any]) -> None:
        await client.runs.create(
            thread_id, GRAPH_NAME, input=given, context=context, multitask_strategy="reject"
        )

    async with open_vault_services(get_settings()) as services:
        service = RestService(RemoteThreads(client), services)
        decisions = await look_once(HandingOver(service, hand_over), with_specs=state.with_specs)
    return {
        "decisions": {
            name: decision.model_dump(mode="json", include={"action", "health", "reason"})
            for name, decision in decisions.items()
        }
    }


builder: StateGraph[Look, None, Look, Look] = StateGraph(Look)
builder.add_node("look", look)
builder.add_edge(START, "look")
builder.add_edge("look", END)
graph = builder.compile(name="monitor")
