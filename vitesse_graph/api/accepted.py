"""From an accepted request to its answer: on record first, done once, never lost.

The row in `vitesse.requests` is written before the work starts and closed with the answer. A caller
who goes away does not stop the work. What a crash left open is taken up again by a sweeper.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi.responses import JSONResponse

from vitesse_graph.api.answers import answer
from vitesse_graph.api.problems import Problem, Refusal, problem_of
from vitesse_graph.api.progress import Progress
from vitesse_graph.api.steps import PREFIX
from vitesse_graph.registry import Registry
from vitesse_graph.registry.requests import AcceptedRequest, AcceptedRequests

_log = logging.getLogger(__name__)

Settled = tuple[int, dict[str, Any]]
"""HTTP status and body."""
Work = Callable[[], Awaitable[Settled]]

BEAT_SECONDS = 5.0
STALE_SECONDS = 30.0
"""Without a sign of life for so long, a request's process is taken for dead."""
MAX_ATTEMPTS = 3
KEPT_SECONDS = 24 * 3600.0
"""How long an answer is kept for a repeated Idempotency-Key."""
WAIT_FOR_TWIN_SECONDS = 60.0
REPLAYED = {"Idempotency-Replayed": "true"}


@dataclass(frozen=True, kw_only=True)
class Order:
    """One request to be accepted. `body` is kept, so it holds references to secrets, never secrets."""

    integration_id: str
    action: str
    actor: str
    tenant: str
    body: dict[str, Any] = field(default_factory=dict)
    idempotency_key: str | None = None
    fingerprint: str = ""
    is_async: bool = False


class Acceptance:
    """Belongs to one event loop. `redo` carries out a request that another process left behind."""

    def __init__(
        self,
        requests: AcceptedRequests,
        registry: Registry,
        progress: Progress,
        redo: Callable[[AcceptedRequest], Awaitable[Settled | None]],
        *,
        stale_seconds: float = STALE_SECONDS,
    ) -> None:
        self._requests = requests
        self._registry = registry
        self._progress = progress
        self._redo = redo
        self._stale_seconds = stale_seconds
        self._tasks: dict[str, asyncio.Task[Settled]] = {}
        self._helpers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins to give signs of life and to sweep."""
        self._helpers = [asyncio.create_task(self._beat()), asyncio.create_task(self._sweep())]

    async def aclose(self, grace_seconds: float = 10.0) -> None:
        """Lets what runs come to its end for a while; the rest is left to the next process."""
        for helper in self._helpers:
            helper.cancel()
        await asyncio.gather(*self._helpers, return_exceptions=True)
        running = dict(self._tasks)
        if running:
            await asyncio.wait(running.values(), timeout=grace_seconds)
        left = {request_id: task for request_id, task in running.items() if not task.done()}
        for task in left.values():
            task.cancel()
        await asyncio.gather(*left.values(), return_exceptions=True)
        if left:
            await self._requests.release(list(left))

    async def replay(self, order: Order) -> JSONResponse | None:
        """The answer that this Idempotency-Key got before, waiting for it where it is on its way.

        None for a new key. Raises a 409 when the key was used for another request, or when the
        first one takes long.
        """
        if order.idempotency_key is None:
            return None
        waited = 0.0
        while True:
            before = await self._requests.by_key(order.tenant, order.actor, order.idempotency_key)
            if before is None:
                return None
            if before.fingerprint != order.fingerprint:
                raise Refusal(409, "this Idempotency-Key was used for another request; take a new one")
            if before.state == "done" and before.answer is not None:
                return JSONResponse(before.answer, status_code=before.http_status or 200, headers=REPLAYED)
            if order.is_async:
                return _accepted(before, REPLAYED)
            if waited >= WAIT_FOR_TWIN_SECONDS:
                raise Refusal(409, "the request with this Idempotency-Key is still being worked on")
            await asyncio.sleep(0.2)
            waited += 0.2

    async def take(
        self, order: Order, work: Work, *, undo: Callable[[], Awaitable[None]] | None = None
    ) -> JSONResponse:
        """Records the request, does its work, answers; at once with 202 where that was asked for.

        `undo` takes back what was prepared when it turns out that a twin with the same
        Idempotency-Key was faster.
        """
        request = AcceptedRequest(
            id=uuid.uuid4().hex,
            integration_id=order.integration_id,
            action=order.action,
            actor=order.actor,
            tenant=order.tenant,
            idempotency_key=order.idempotency_key,
            fingerprint=order.fingerprint,
            body=order.body,
        )
        twin = await self._requests.add(request)
        if twin is not None:
            if undo is not None:
                await undo()
            answered = await self.replay(order)
            if answered is not None:
                return answered
        task = self._begin(request, work)
        if order.is_async:
            return _accepted(request)
        status, body = await asyncio.shield(task)
        return JSONResponse(body, status_code=status)

    def _begin(self, request: AcceptedRequest, work: Work) -> asyncio.Task[Settled]:
        task = asyncio.create_task(self._carry_out(request, work))
        self._tasks[request.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(request.id, None))
        return task

    async def _carry_out(self, request: AcceptedRequest, work: Work) -> Settled:
        self._progress.begin(request.integration_id, request.action)
        status, body = 500, {"status": "failed", "error": "the server is stopping", "http_status": 500}
        try:
            try:
                status, body = await work()
            except Exception as error:  # noqa: BLE001 - whatever happened, the request gets its answer
                problem = problem_of(error, integration_id=request.integration_id)
                status, body = problem.http_status, problem.model_dump(mode="json", exclude_none=True)
            await self._requests.finish(request.id, status, body)
            await self._registry.audit(
                request.integration_id,
                request.action,
                actor=request.actor,
                outcome="ok" if status < 400 else "failed",
                detail={"http_status": status} | ({"error": body["error"]} if "error" in body else {}),
            )
        finally:
            self._progress.end(request.integration_id, request.action, status, body)
        return status, body

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(min(BEAT_SECONDS, self._stale_seconds / 3))
            if self._tasks:
                await _quietly(self._requests.beat(list(self._tasks)))

    async def _sweep(self) -> None:
        rounds = 0
        while True:
            await _quietly(self.sweep())
            if rounds % 100 == 0:
                await _quietly(self._requests.forget_answers(KEPT_SECONDS))
            rounds += 1
            await asyncio.sleep(self._stale_seconds / 2)

    async def sweep(self) -> list[asyncio.Task[Settled]]:
        """Takes up what other processes left behind; the tasks that now work on it."""
        tasks = []
        for request in await self._requests.take_abandoned(self._stale_seconds):
            _log.warning(
                "taking up %s of %s again (attempt %d)",
                request.action,
                request.integration_id,
                request.attempts,
            )
            tasks.append(self._begin(request, lambda taken=request: self._again(taken)))  # type: ignore[misc]
        return tasks

    async def _again(self, request: AcceptedRequest) -> Settled:
        settled = await self._redo(request) if request.attempts <= MAX_ATTEMPTS else None
        if settled is not None:
            return settled
        if request.action == "create":
            await self._registry.save_integration(request.integration_id, status="failed")
        problem = Problem(
            error=f"the server stopped during {request.action} and it could not be finished: call it again",
            http_status=503,
            integration_id=request.integration_id,
        )
        return problem.http_status, problem.model_dump(mode="json", exclude_none=True)


def _accepted(request: AcceptedRequest, headers: dict[str, str] | None = None) -> JSONResponse:
    """202 with the address where progress can be followed."""
    events = f"{PREFIX}/integrations/{request.integration_id}/events"
    body = answer(
        {"request_id": request.id, "action": request.action, "events": events},
        status="accepted",
        integration_id=request.integration_id,
        current_step=request.action,
    )
    location = f"{PREFIX}/integrations/{request.integration_id}"
    applied = {"Location": location, "Preference-Applied": "respond-async", **(headers or {})}
    return JSONResponse(body, status_code=202, headers=applied)


async def _quietly(work: Awaitable[Any]) -> None:
    """A helper's round must not end the helper: the next one may succeed."""
    try:
        await work
    except Exception:  # noqa: BLE001 - as the docstring says
        _log.exception("a round of the request log failed")
