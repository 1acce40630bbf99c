"""Events of running steps, from whoever runs them to whoever listens, with the last ones kept.

One vocabulary on every stream: what nodes emit (`vitesse.step.*`), and `vitesse.run.started`,
`vitesse.run.finished` around each run.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from typing import Any

KEPT_EVENTS = 300
KEPT_INTEGRATIONS = 2_000


class Event:
    """One event with its number in this process."""

    __slots__ = ("data", "name", "number")

    def __init__(self, number: int, name: str, data: dict[str, Any]) -> None:
        self.number = number
        self.name = name
        self.data = data

    def text(self) -> str:
        """As `text/event-stream` has it."""
        body = json.dumps(self.data, ensure_ascii=False, default=str)
        return f"id: {self.number}\nevent: {self.name}\ndata: {body}\n\n"


class Progress:
    """Belongs to one event loop. Listeners that fall behind lose the oldest events, never the newest."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._kept: OrderedDict[str, deque[Event]] = OrderedDict()
        self._listeners: dict[str, set[asyncio.Queue[Event]]] = {}
        self._runs: dict[str, int] = {}

    def publish(self, integration_id: str, data: dict[str, Any]) -> None:
        """Hands an event to those who listen, and keeps it for those who come back."""
        event = Event(next(self._numbers), str(data.get("event", "vitesse.event")), data)
        kept = self._kept.setdefault(integration_id, deque(maxlen=KEPT_EVENTS))
        kept.append(event)
        self._kept.move_to_end(integration_id)
        while len(self._kept) > KEPT_INTEGRATIONS:
            self._kept.popitem(last=False)
        for queue in self._listeners.get(integration_id, ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    def begin(self, integration_id: str, action: str) -> None:
        self._runs[integration_id] = self._runs.get(integration_id, 0) + 1
        self.publish(integration_id, {"event": "vitesse.run.started", "action": action})

    def end(self, integration_id: str, action: str, http_status: int, body: dict[str, Any]) -> None:
        left = self._runs.get(integration_id, 1) - 1
        if left > 0:
            self._runs[integration_id] = left
        else:
            self._runs.pop(integration_id, None)
        said = {
            "event": "vitesse.run.finished",
            "action": action,
            "http_status": http_status,
            "status": body.get("status"),
            "error": body.get("error"),
            "next_step": body.get("next_step") or (body.get("data") or {}).get("next_step"),
        }
        self.publish(integration_id, {key: value for key, value in said.items() if value is not None})

    def is_running(self, integration_id: str) -> bool:
        """Whether this process works on it right now."""
        return integration_id in self._runs

    async def listen(
        self, integration_id: str, *, after: int | None = None, poll_seconds: float = 1.0
    ) -> AsyncIterator[Event | None]:
        """Kept events after number `after` (none of them for None), then new ones as they come.

        Yields None after each `poll_seconds` without an event, so that the caller can look around.
        """
        queue: asyncio.Queue[Event] = asyncio.Queue(maxsize=KEPT_EVENTS)
        self._listeners.setdefault(integration_id, set()).add(queue)
        try:
            if after is not None:
                for event in list(self._kept.get(integration_id, ())):
                    if event.number > after:
                        yield event
            while True:
                try:
                    async with asyncio.timeout(poll_seconds):
                        event = await queue.get()
                except TimeoutError:
                    yield None
                else:
                    yield event
        finally:
            listeners = self._listeners[integration_id]
            listeners.discard(queue)
            if not listeners:
                del self._listeners[integration_id]
