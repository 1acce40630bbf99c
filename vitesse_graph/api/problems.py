"""What went wrong, as an HTTP answer: the right status, one line, what comes next, never a trace."""

from __future__ import annotations

import logging
from typing import Any, Literal

import psycopg
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException

from vitesse_graph.errors import (
    ConflictError,
    DeployError,
    InputError,
    NotFoundError,
    RefusedAddress,
    UpstreamError,
    VitesseError,
)

_log = logging.getLogger(__name__)


class Problem(BaseModel):
    """The form of every answer that is an error."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "failed",
                    "error": "map comes after ingest: call ingest first",
                    "http_status": 409,
                    "integration_id": "6f1c1f0e-7a53-4c2e-9f0f-3f2a7f1f8a11",
                    "next_step": "ingest",
                    "next_endpoint": "/api/v1/vitesse/integrations/6f1c1f0e-7a53-4c2e-9f0f-3f2a7f1f8a11/ingest",
                }
            ]
        }
    )

    status: Literal["failed"] = "failed"
    error: str = Field(description="One line: what failed, where, and what to do next.")
    http_status: int
    integration_id: str | None = None
    current_step: str | None = None
    next_step: str | None = None
    next_endpoint: str | None = None
    detail: str | None = Field(None, description="The last log lines of a workload that did not start.")


class Refusal(VitesseError):
    """An error that knows its HTTP status, and what could be called instead."""

    def __init__(
        self, http_status: int, message: str, *, headers: dict[str, str] | None = None, **said: str | None
    ) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.headers = headers or {}
        self.said = said


# The first that fits counts, so subclasses stand before their parents.
STATUSES: tuple[tuple[type[BaseException], int], ...] = (
    (NotFoundError, 404),
    (ConflictError, 409),
    (RefusedAddress, 400),
    (InputError, 400),
    (DeployError, 502),
    (UpstreamError, 502),
    (TimeoutError, 504),
    (psycopg.OperationalError, 503),
)

# A failed step leaves the name of its error on the whiteboard.
_STEP_STATUSES = {
    "InputError": 400,
    "SpecError": 400,
    "MappingError": 400,
    "DecisionError": 400,
    "RefusedAddress": 400,
    "NotFoundError": 400,
    "NotPassed": 400,
    "ValidationError": 400,
    "ConflictError": 409,
    "UpstreamError": 502,
    "DeployError": 502,
}


def status_of_step_error(kind: str) -> int:
    """The HTTP status of a step that failed with an error of this name."""
    if kind in _STEP_STATUSES:
        return _STEP_STATUSES[kind]
    if "Timeout" in kind:
        return 504
    if kind.startswith(("Client", "Connect", "Server", "Remote", "Read", "Write", "Connection")):
        return 502  # the HTTP clients' own errors
    return 500


def _place(loc: tuple[Any, ...]) -> str:
    # `list[…]` and its like are pydantic's names for the ways that a value may be written, not places
    return ".".join(str(part) for part in loc if part != "body" and "[" not in str(part)) or "the body"


def _validation(errors: list[Any]) -> str:
    first: dict[str, Any] = errors[0] if errors else {"loc": ("body",), "msg": "not valid"}
    if first.get("type") == "json_invalid":
        return f"the body is not JSON: {first['ctx']['error']} at character {first['loc'][-1]}"
    if first.get("type") == "missing" and tuple(first["loc"]) == ("body",):
        return "the body is missing: send a JSON object, with the header Content-Type: application/json"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{_place(tuple(first['loc']))}: {str(first['msg']).removeprefix('Value error, ')}{more}"


def problem_of(error: BaseException, **said: str | None) -> Problem:
    """The error as a problem. What nobody foresaw is logged with its trace and shown without."""
    if isinstance(error, Refusal):
        return Problem(error=str(error), http_status=error.http_status, **{**said, **error.said})
    if isinstance(error, RequestValidationError):
        return Problem(error=_validation(list(error.errors())), http_status=422, **said)
    if isinstance(error, ValidationError):
        return Problem(error=_validation(error.errors()), http_status=422, **said)
    if isinstance(error, HTTPException):
        return Problem(error=str(error.detail), http_status=error.status_code, **said)
    for kind, status in STATUSES:
        if isinstance(error, kind):
            message = str(error) if isinstance(error, VitesseError) else _unspoken(error)
            tail = error.log_tail if isinstance(error, DeployError) else ""
            return Problem(error=message, http_status=status, detail=tail or None, **said)
    if isinstance(error, VitesseError):
        return Problem(error=str(error), http_status=500, **said)
    _log.error("unexpected", exc_info=error)
    return Problem(
        error=f"this is our fault ({type(error).__name__}); the server's log has the details",
        http_status=500,
        **said,
    )


def _unspoken(error: BaseException) -> str:
    if isinstance(error, psycopg.Error):
        _log.warning("database", exc_info=error)
        return "the database does not answer; try again in a moment"
    return "it took longer than allowed; try again, or raise VITESSE_STEP_TIMEOUT_SECONDS"


def as_response(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    """The problem as JSON, without its empty fields."""
    return JSONResponse(
        problem.model_dump(mode="json", exclude_none=True), status_code=problem.http_status, headers=headers
    )
