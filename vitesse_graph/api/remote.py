"""A LangGraph server's threads as the graph that the service talks to.

Inside that server the client is in-process: a thread made here is one of the server's own, visible
in Studio, run by its queue.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
from langchain_core.runnables import RunnableConfig
from langgraph.pregel.remote import RemoteException, RemoteGraph
from langgraph_sdk.client import LangGraphClient

from vitesse_graph import errors
from vitesse_graph.errors import ConflictError, VitesseError

GRAPH_NAME = "vitesse"
_NOTHING = SimpleNamespace(
    values={}, next=(), interrupts=(), tasks=(), config=None, metadata=None, created_at=None
)


class RemoteThreads:
    """As a compiled graph: `astream`, state, history; errors are our own again."""

    def __init__(self, client: LangGraphClient, *, graph: str = GRAPH_NAME) -> None:
        self._client = client
        self._graph = RemoteGraph(graph, client=client)
        self.checkpointer = _Deleter(client)

    async def ensure_thread(self, thread_id: str, metadata: dict[str, Any]) -> bool:
        """The thread, with who owns it, so that the server's own access rules find it.

        False for a name that the server takes for no thread's.
        """
        try:
            await self._client.threads.create(
                thread_id=thread_id, graph_id=GRAPH_NAME, metadata=metadata, if_exists="do_nothing"
            )
        except httpx.HTTPStatusError as error:
            if _status(error) == 422:
                return False
            raise
        return True

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **options: Any
    ) -> AsyncIterator[Any]:
        """Runs and streams. Raises what the graph raised there, by name."""
        try:
            async for chunk in self._graph.astream(
                input, config, multitask_strategy="reject", on_disconnect="continue", **options
            ):
                # the client's parts are (event, data, id)
                yield chunk[0], chunk[1]
        except RemoteException as error:
            raise _ours(error) from error
        except httpx.HTTPStatusError as error:
            if _status(error) == 409:
                raise ConflictError("another run holds the thread; wait until it has ended") from error
            raise

    async def aget_state(self, config: RunnableConfig) -> Any:
        """The state; an empty one for a thread that the server does not know, or that never ran."""
        named = config["configurable"]
        checkpoint: Any = {"thread_id": named["thread_id"], "checkpoint_ns": ""}
        if named.get("checkpoint_id"):
            checkpoint["checkpoint_id"] = named["checkpoint_id"]
        else:
            checkpoint = None
        try:
            state = await self._client.threads.get_state(named["thread_id"], checkpoint=checkpoint)
        except httpx.HTTPStatusError as error:
            if _status(error) in (404, 422):
                return _NOTHING
            raise
        # RemoteGraph.aget_state breaks on a thread without a checkpoint, so it is looked for first.
        return self._graph._create_state_snapshot(state) if state.get("checkpoint") else _NOTHING

    async def aget_state_history(
        self, config: RunnableConfig, *, before: RunnableConfig | None = None, limit: int | None = None
    ) -> AsyncIterator[Any]:
        async for snapshot in self._graph.aget_state_history(config, before=before, limit=limit):
            yield snapshot

    async def aupdate_state(self, config: RunnableConfig, values: Any, as_node: str | None = None) -> Any:
        return await self._graph.aupdate_state(config, values, as_node=as_node)


class _Deleter:
    """What the service asks of a checkpointer."""

    def __init__(self, client: LangGraphClient) -> None:
        self._client = client

    async def adelete_thread(self, thread_id: str) -> None:
        await self._client.threads.delete(thread_id)


def _status(error: httpx.HTTPStatusError) -> int:
    return error.response.status_code


def _ours(error: RemoteException) -> Exception:
    """The error that the run ended with, by its class's name."""
    said = error.args[0] if error.args else {}
    if not isinstance(said, dict):
        return error
    kind = getattr(errors, str(said.get("error", "")), None)
    message = str(said.get("message", ""))
    if isinstance(kind, type) and issubclass(kind, VitesseError):
        return kind(message)
    return error
