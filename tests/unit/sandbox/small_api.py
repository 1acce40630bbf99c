"""A reader over `OperationDetail` values written by hand: what the sandbox needs, without a parser."""

from __future__ import annotations

from typing import Any

from vitesse_graph.errors import NotFoundError, SpecError
from vitesse_graph.state.api_spec import (
    ApiSpec,
    AuthHeader,
    AuthScheme,
    DestShape,
    Endpoint,
    EndpointCandidate,
    Incremental,
    MediaType,
    OperationDetail,
    Pagination,
    Parameter,
    Response,
    SourceShape,
)

CUSTOMER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "email": {"type": "string", "format": "email"},
        "name": {"type": ["string", "null"], "maxLength": 60},
        "balance": {"type": "integer", "description": "in cents"},
        "status": {"type": "string", "enum": ["active", "paused"]},
        "address": {
            "type": "object",
            "properties": {
                "line1": {"type": "string"},
                "city": {"type": "string"},
                "country": {"type": "string"},
            },
        },
        "tags": {"type": "array", "items": {"type": "string"}},
        "created_at": {"type": "string", "format": "date-time"},
        "updated_at": {"type": "string", "format": "date-time"},
    },
    "required": ["id", "email", "created_at", "updated_at"],
}
NEW_CUSTOMER: dict[str, Any] = {
    "type": "object",
    "properties": {
        name: schema
        for name, schema in CUSTOMER["properties"].items()
        if name not in ("id", "created_at", "updated_at")
    },
    "required": ["email"],
    "additionalProperties": False,
}
ERROR: dict[str, Any] = {
    "type": "object",
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
    "required": ["code", "message"],
}
BEARER = AuthScheme(type="bearer", headers=[AuthHeader(name="Authorization", prefix="Bearer ")])
CURSOR = Pagination(
    style="cursor", params=["after"], page_size_param="limit", default_page_size=10, max_page_size=100,
    next_from="paging.next", has_more_from="has_more", items_at="data",
)  # fmt: skip


def json_body(schema: dict[str, Any], content_type: str = "application/json") -> MediaType:
    return MediaType(content_type=content_type, json_schema=schema)


def answer(status: str, schema: dict[str, Any] | None = None) -> Response:
    return Response(status=status, content=[json_body(schema)] if schema else [])


def operation(
    method: str,
    path: str,
    role: str,
    *,
    success: Response,
    resource: str = "customer",
    body: list[MediaType] | None = None,
    parameters: list[Parameter] | None = None,
    pagination: Pagination | None = None,
    errors: tuple[str, ...] = ("400", "401", "404"),
) -> OperationDetail:
    bodies = body or []
    endpoint = Endpoint(
        method=method, path=path, role=role, resource=resource, pagination=pagination,  # type: ignore[arg-type]
        content_types=[media.content_type for media in bodies],
    )  # fmt: skip
    return OperationDetail(
        endpoint=endpoint,
        parameters=parameters or [],
        request_body=bodies,
        request_body_required=bool(bodies),
        responses=[success, *(answer(status, ERROR) for status in errors)],
        security=[{"auth": []}],
    )


def list_schema(item: dict[str, Any] = CUSTOMER) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "data": {"type": "array", "items": item},
            "has_more": {"type": "boolean"},
            "paging": {"type": "object", "properties": {"next": {"type": "string"}}, "required": ["next"]},
            "total": {"type": "integer"},
        },
        "required": ["data", "has_more"],
    }


def query(name: str, schema: dict[str, Any], *, required: bool = False) -> Parameter:
    return Parameter(name=name, location="query", json_schema=schema, required=required)


def customers(
    *,
    pagination: Pagination = CURSOR,
    success: dict[str, Any] | None = None,
    bodies: list[MediaType] | None = None,
) -> list[OperationDetail]:
    """The five usual operations on customers."""
    item_path = Parameter(name="customerId", location="path", required=True, json_schema={"type": "string"})
    change = {key: value for key, value in NEW_CUSTOMER.items() if key != "required"}
    return [
        operation(
            "GET", "/customers", "list", success=answer("200", success or list_schema()), pagination=pagination,
            parameters=[
                query("limit", {"type": "integer", "minimum": 1, "maximum": 100}),
                query("email", {"type": "string"}),
                query("updated_since", {"type": "string"}),
            ],
        ),
        operation("POST", "/customers", "create", success=answer("201", CUSTOMER), body=bodies or [json_body(NEW_CUSTOMER)]),
        operation("GET", "/customers/{customerId}", "read", success=answer("200", CUSTOMER), parameters=[item_path]),
        operation(
            "PATCH", "/customers/{customerId}", "update", success=answer("200", CUSTOMER), parameters=[item_path],
            body=[json_body(change)],
        ),
        operation("DELETE", "/customers/{customerId}", "delete", success=answer("204"), parameters=[item_path]),
    ]  # fmt: skip


class SmallApi:
    """Satisfies `SpecReader`. Shapes are given, not derived."""

    def __init__(
        self,
        operations: list[OperationDetail],
        *,
        auth: AuthScheme = BEARER,
        base_url: str = "https://api.example.com/v1",
        incremental: Incremental | None = None,
        dest_shapes: dict[str, DestShape] | None = None,
    ) -> None:
        self._operations = {one.endpoint.key: one for one in operations}
        self._incremental = incremental
        self._dest_shapes = dest_shapes or {}
        self.spec = ApiSpec(
            api_name="Small", base_url=base_url, auth=auth, endpoints=[one.endpoint for one in operations],
            operation_count=len(operations),
        )  # fmt: skip

    def operation(self, key: str) -> OperationDetail:
        if key not in self._operations:
            raise NotFoundError(key)
        return self._operations[key]

    def rank(self, intent: str, role: str, limit: int = 5) -> list[EndpointCandidate]:
        return []

    def source_shape(self, key: str) -> SourceShape:
        endpoint = self.operation(key).endpoint
        if endpoint.pagination is None:
            raise SpecError(f"{key} returns no records")
        return SourceShape(
            endpoint=endpoint, record_schema=CUSTOMER, items_at=endpoint.pagination.items_at, id_field="id",
            incremental=self._incremental,
        )  # fmt: skip

    def dest_shape(self, key: str) -> DestShape:
        if key not in self._dest_shapes:
            raise SpecError(f"{key} takes no body")
        return self._dest_shapes[key]
