"""What stands before every route: who calls, how often, how much; and what an error looks like."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.exceptions import HTTPException

from vitesse_graph.api.accepted import Acceptance, Order
from vitesse_graph.api.access import Access
from vitesse_graph.api.answers import current_step
from vitesse_graph.api.limits import LimitedRequest, RequestLimiter
from vitesse_graph.api.principals import Principal
from vitesse_graph.api.problems import Problem, Refusal, as_response, problem_of
from vitesse_graph.api.progress import Progress
from vitesse_graph.api.rest_service import RestService
from vitesse_graph.api.steps import endpoint_of, next_call
from vitesse_graph.errors import NotFoundError
from vitesse_graph.registry import IntegrationRow, Registry
from vitesse_graph.registry.keys import ApiKeys
from vitesse_graph.registry.vault import Vault
from vitesse_graph.settings import Settings
from vitesse_graph.state.context import Approvals, VitesseContext

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$"
COMMON_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


@dataclass(kw_only=True)
class Api:
    """Everything that routes need; opened by the application's lifespan."""

    settings: Settings
    service: RestService
    registry: Registry
    vault: Vault
    keys: ApiKeys
    access: Access
    acceptance: Acceptance
    progress: Progress
    limiter: RequestLimiter
    strangers: RequestLimiter
    """Refused credentials, by address: a key cannot be guessed fast."""

    async def row(self, integration_id: str, caller: Principal) -> IntegrationRow:
        """The integration, where the caller may see it. Raises NotFoundError."""
        try:
            row = await self.registry.integration(integration_id)
        except NotFoundError:
            raise NotFoundError(f"no integration {integration_id}") from None
        caller.ensure_sees(row)
        return row

    async def own_row(self, integration_id: str, caller: Principal) -> IntegrationRow:
        """The integration, where the caller may change it."""
        row = await self.row(integration_id, caller)
        caller.ensure_changes(row)
        return row

    async def ensure_deployed(self, integration_id: str) -> None:
        """Raises a 409 that names the step to call where nothing is deployed yet."""
        outcome = await self.service.look(integration_id)
        if outcome.state.deployment is not None:
            return
        gate = outcome.waiting.gate if outcome.waiting else None
        following = next_call(outcome.state, gate, outcome.is_unfinished)
        raise Refusal(
            409,
            f"{integration_id} is not deployed yet: call {following} first (status {outcome.status})",
            current_step=current_step(outcome),
            next_step=following,
            next_endpoint=endpoint_of(integration_id, following),
        )

    def publisher(self, integration_id: str) -> Callable[[dict[str, Any]], None]:
        """Hands what steps emit to those who listen."""
        return lambda event: self.progress.publish(integration_id, event)

    def order(
        self, request: Request, caller: Principal, integration_id: str, action: str, body: dict[str, Any]
    ) -> Order:
        """The request, ready to be accepted."""
        key = request.headers.get("idempotency-key")
        said: bytes = getattr(request, "_body", b"")
        text = f"{request.method} {request.url.path}?{request.url.query}\n{said.decode('utf-8', 'replace')}"
        return Order(
            integration_id=integration_id,
            action=action,
            actor=caller.id,
            tenant=caller.tenant,
            body=body,
            idempotency_key=key or None,
            fingerprint=self.vault.fingerprint(text) if key else "",
            is_async="respond-async" in request.headers.get("prefer", "").lower(),
        )


def context_for(caller: Principal, approvals: Approvals = "every_step", **more: Any) -> VitesseContext:
    """The run's context: whoever runs it through REST is its actor."""
    return VitesseContext(approvals=approvals, actor=caller.id, may_deploy=caller.may("approver"), **more)


def get_api(request: Request) -> Api:
    api: Api | None = getattr(request.app.state, "vitesse", None)
    if api is None:
        raise Refusal(503, "the server is starting; try again in a moment", headers={"Retry-After": "1"})
    return api


ApiDep = Annotated[Api, Depends(get_api)]
_key_scheme = APIKeyHeader(
    name="X-API-Key",
    scheme_name="ApiKey",
    auto_error=False,
    description="`vitesse serve --new-key NAME` makes the first one.",
)
_jwt_scheme = HTTPBearer(
    scheme_name="Bearer",
    auto_error=False,
    description="An API key, or a JWT signed with JWT_SECRET: `sub`, `role`, `exp`, optionally `tenant`.",
)


async def identify(
    request: Request,
    api: ApiDep,
    key: Annotated[str | None, Depends(_key_scheme)] = None,
    bearer: Annotated[Any, Depends(_jwt_scheme)] = None,
) -> Principal:
    """The caller, within their limit. Raises 401 and 429."""
    client = request.client.host if request.client else None
    try:
        caller = await api.access.identify(request.headers, client)
    except Refusal:
        api.strangers.admit(client or "")
        raise
    request.state.limit_headers = api.limiter.admit(f"{caller.tenant}/{caller.id}")
    return caller


Caller = Annotated[Principal, Depends(identify)]
IntegrationId = Annotated[
    str,
    Path(
        pattern=ID_PATTERN,
        description="The integration's id, which is its thread's.",
        examples=["6f1c1f0e-7a53-4c2e-9f0f-3f2a7f1f8a11"],
    ),
]


async def document_headers(
    idempotency_key: Annotated[
        str | None,
        Header(
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
            description="The same key with the same request gives the same answer and does nothing twice.",
        ),
    ] = None,
    prefer: Annotated[
        str | None,
        Header(
            max_length=255,
            description="`respond-async` answers 202 at once, with the address of the events.",
            examples=["respond-async"],
        ),
    ] = None,
) -> None:
    """Names the two headers in the OpenAPI document and checks them; `Api.order` reads them."""


class Door(APIRoute):
    """Every route of ours: bodies bounded, errors in one form, common headers on every answer."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()
        known = {field.alias for field in self.dependant.query_params}

        async def handle(request: Request) -> Response:
            limited = LimitedRequest(request.scope, request.receive)
            api: Api | None = getattr(request.app.state, "vitesse", None)
            if api is not None:
                limited.max_bytes = api.settings.max_request_bytes
            try:
                _ensure_known(request, known)
                response = await inner(limited)
            except Exception as error:  # noqa: BLE001 - the edge: every error gets the one form
                response = _refused(error, limited)
            for name, value in COMMON_HEADERS.items():
                response.headers.setdefault(name, value)
            for name, value in getattr(limited.state, "limit_headers", {}).items():
                response.headers[name] = value
            return response

        return handle


def _ensure_known(request: Request, known: set[str]) -> None:
    """A misspelt filter must not look like one that found everything."""
    strange = sorted(set(request.query_params) - known)
    if strange:
        takes = f"it takes {', '.join(sorted(known))}" if known else "this address takes none"
        raise Refusal(422, f"query.{strange[0][:100]}: no such parameter; {takes}")


def _refused(error: Exception, request: Request) -> JSONResponse:
    cause = error.__cause__
    if isinstance(cause, Refusal) and not isinstance(error, Refusal):
        error = cause  # raised while the body was read, and wrapped since
    elif isinstance(error, HTTPException) and error.status_code == 400:
        error = Refusal(422, "the body is not JSON in UTF-8")  # FastAPI's only 400: it could not be decoded
    if isinstance(error, RequestValidationError) and _is_no_json(request):
        error = Refusal(
            422, "the body is taken as text: send it with the header Content-Type: application/json"
        )
    said = {"integration_id": request.path_params.get("integration_id")}
    problem = problem_of(error, **{name: value for name, value in said.items() if value})
    return as_response(problem, error.headers if isinstance(error, Refusal) else None)


def _is_no_json(request: Request) -> bool:
    """Whether there is a body that was not read, because its header calls it something else."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = kind == "application/json" or kind.endswith("+json")
    return not is_json and bool(getattr(request, "_body", b""))


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route, for the OpenAPI document; those that every route may give among them."""
    return {
        status: {"model": Problem, "description": _MEANINGS[status]}
        for status in sorted({401, 403, 422, 429, 500, 503, *statuses})
    }


_MEANINGS = {
    400: "A step failed on its input.",
    401: "No credential, or a wrong one.",
    403: "The role does not allow it.",
    404: "No such integration (for this caller).",
    409: "Not now: another step comes first, or another run holds the thread.",
    413: "The body is too large.",
    422: "The body or a parameter is not as it must be.",
    429: "Too many requests; Retry-After says when to come back.",
    500: "Our fault.",
    502: "An API or workload beyond us failed.",
    503: "Starting, or the database does not answer.",
    504: "An API beyond us took too long.",
}

__all__ = [
    "Api",
    "ApiDep",
    "Caller",
    "Door",
    "IntegrationId",
    "context_for",
    "document_headers",
    "identify",
    "problems",
]
