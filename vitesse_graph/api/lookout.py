"""The monitor as a graph of its own, so that a LangGraph server's crons can drive it.

A run looks at every deployed integration once and hands the heals that follow from it to the server,
as runs on the integrations' own threads. What the monitor remembers between looks (how long
something has been wrong, when it healed last) is in the database.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, TypedDict
from uuid import UUID, uuid5

import httpx
from langgraph.graph import END, START, StateGraph
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from vitesse_graph.api.monitoring import HandingOver, look_once
from vitesse_graph.api.remote import GRAPH_NAME, RemoteThreads
from vitesse_graph.api.rest_service import RestService
from vitesse_graph.api.secret_services import open_vault_services
from vitesse_graph.errors import ConflictError
from vitesse_graph.settings import get_settings

_log = logging.getLogger(__name__)
NAME = "monitor"
_OF_THE_SERVER = UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")
ASSISTANT_ID = uuid5(_OF_THE_SERVER, NAME)
"""The id that a LangGraph server gives to the assistant of this graph."""
CRON = {"made_by": "vitesse"}
_TRIES = 15


class Look(TypedDict, total=False):
    """`with_specs`: the specifications too, whether it is time for that or not; else once an hour.
    The rest is what the look found."""

    with_specs: bool
    integrations: int
    decisions: dict[str, dict[str, Any]]


async def look(state: Look) -> Look:
    """Asks every runtime how it is, hands over what needs healing, and says what was decided.

    Heals are handed over, not waited for: a server with one worker could not run them meanwhile.
    """
    client = get_client()

    async def hand_over(thread_id: str, given: dict[str, Any], context: dict[str, Any]) -> None:
        await client.runs.create(
            thread_id, GRAPH_NAME, input=given, context=context, multitask_strategy="reject"
        )

    async with open_vault_services(await asyncio.to_thread(get_settings)) as services:
        service = RestService(RemoteThreads(client), services)
        try:
            decisions = await look_once(
                HandingOver(service, hand_over), with_specs=state.get("with_specs", False)
            )
        except ConflictError as error:
            _log.info("nothing to do: %s", error)
            decisions = {}
    told = {
        name: decision.model_dump(mode="json", include={"action", "health", "reason"})
        for name, decision in decisions.items()
        if decision.action != "none"
    }
    return {"integrations": len(decisions), "decisions": told}


def _build() -> Any:
    builder = StateGraph(Look)
    builder.add_node("look", look)
    builder.add_edge(START, "look")
    builder.add_edge("look", END)
    return builder.compile(name=NAME)


graph = _build()
"""For `langgraph.json`."""


def schedule_of(interval_seconds: float) -> str | None:
    """The cron line: crons know minutes. None where the interval says not to."""
    if interval_seconds <= 0:
        return None
    minutes = max(1, round(interval_seconds / 60))
    return f"*/{minutes} * * * *" if minutes < 60 else f"0 */{min(23, round(minutes / 60))} * * *"


async def ensure_cron(
    client: LangGraphClient | None = None, *, interval_seconds: float | None = None
) -> bool:
    """The server's cron as the settings want it: made, changed or taken away. False without crons there."""
    if interval_seconds is None:
        interval_seconds = (await asyncio.to_thread(get_settings)).monitor_interval_seconds
    schedule = schedule_of(interval_seconds)
    server = client or get_client()
    for attempt in range(_TRIES):
        try:
            await _put_cron(server, schedule)
        except httpx.HTTPStatusError as error:
            if error.response.status_code in (404, 405, 501):
                _log.info("this server has no crons; `vitesse monitor` watches what is deployed")
                return False
            if attempt + 1 == _TRIES:
                raise
        except httpx.TransportError:
            if attempt + 1 == _TRIES:
                raise
        else:
            return True
        await asyncio.sleep(1.0)  # the server is still starting
    return False


async def _put_cron(server: LangGraphClient, schedule: str | None) -> None:
    found = await server.crons.search(metadata=CRON, limit=100)
    kept = False
    for cron in found:
        if cron["schedule"] == schedule and not kept:
            kept = True
        else:
            await server.crons.delete(cron["cron_id"])
    if schedule is not None and not kept:
        await server.crons.create(
            NAME,
            schedule=schedule,
            input={},
            metadata=CRON,
            on_run_completed="delete",
            multitask_strategy="reject",
        )
