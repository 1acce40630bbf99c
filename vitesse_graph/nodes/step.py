"""What every node shares: its context, its progress events, and what a failure leaves behind."""

from __future__ import annotations

import logging
import time
from typing import Any, Literal

from langgraph.errors import NodeError
from langgraph.runtime import Runtime
from langgraph.types import Command
from pydantic import ValidationError

from vitesse_graph.errors import VitesseError
from vitesse_graph.services import get_services
from vitesse_graph.state.context import VitesseContext
from vitesse_graph.state.whiteboard import STEPS, SharedWhiteboardState, StepError, log_entry, now_iso

_log = logging.getLogger(__name__)

EventKind = Literal["started", "progress", "finding", "awaiting_approval", "artifact", "finished", "failed"]


def context_of(runtime: Runtime[VitesseContext]) -> VitesseContext:
    """The run's context; the defaults where the caller gave none."""
    return runtime.context or VitesseContext()


def emit(runtime: Runtime[VitesseContext], step: str, kind: EventKind, **data: Any) -> None:
    """One event on the custom stream: `{"event": "vitesse.step.<kind>", "step": …, …}`."""
    runtime.stream_writer({"event": f"vitesse.step.{kind}", "step": step, **data})


class StepClock:
    """Seconds since a step began."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began


def thread_id_of(runtime: Runtime[VitesseContext], state: SharedWhiteboardState) -> str:
    """The integration's id, which is the thread's."""
    info = runtime.execution_info
    return (info.thread_id if info is not None else None) or state.workflow_id


def one_line(error: BaseException) -> str:
    """What a person is told: our own errors in full, others by kind; a spoilt field by its name."""
    if isinstance(error, VitesseError):
        return str(error)
    if isinstance(error, ValidationError):
        places = ", ".join(".".join(str(p) for p in e["loc"]) or "the state" for e in error.errors()[:3])
        reason = error.errors()[0]["msg"]
        return f"the whiteboard does not fit its form at {places} ({reason}); mend that field and run again"
    if isinstance(error, TimeoutError):
        return "the step took longer than allowed; run it again, or raise VITESSE_STEP_TIMEOUT_SECONDS"
    return f"{type(error).__name__}; the server's log has the details. Run the step again"


async def on_failure(
    state: SharedWhiteboardState, error: NodeError, runtime: Runtime[VitesseContext]
) -> Command[Literal["__end__"]]:
    """Writes a failed step on the whiteboard and ends the run; what earlier steps made stays."""
    message = one_line(error.error)
    step = error.node if error.node in STEPS else "discovery"
    integration_id = thread_id_of(runtime, state)
    is_expected = isinstance(error.error, VitesseError)
    _log.warning(
        "step %s of %s failed: %s",
        step,
        integration_id,
        message,
        exc_info=None if is_expected else error.error,
    )
    entry = StepError(
        step=error.node, kind=type(error.error).__name__, message=message, retry=step, at=now_iso()
    )
    services = await get_services()
    await services.registry.save_integration(integration_id, status="failed", next_step=step)
    await services.registry.audit(
        integration_id,
        step,
        actor=context_of(runtime).actor,
        outcome="failed",
        detail={"message": message, "kind": entry.kind},
    )
    emit(runtime, step, "failed", message=message)
    return Command(
        goto="__end__",
        update={
            "workflow_id": integration_id,
            "errors": [entry.dump()],
            "status": "failed",
            "next_step": step,
            **log_entry(error.node, f"failed: {message}"),
        },
    )
