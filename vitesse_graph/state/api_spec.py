"""What Vitesse knows of one API after reading its specification: pure data, no parser.

The raw document lives in the content-addressed cache under `ApiSpec.digest`; what is here is small
enough to be reviewed by a person and kept on a thread.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from vitesse_graph.state.base import Model
from vitesse_graph.state.jsontypes import JsonSchema

AuthType = Literal["api_key", "bearer", "basic", "oauth2", "openid", "mutual_tls", "none"]
PaginationStyle = Literal["offset", "page", "cursor", "link_header", "timestamp", "none"]
ParameterLocation = Literal["query", "header", "path", "cookie", "body"]
EndpointRole = Literal["list", "read", "create", "update", "replace", "delete", "action"]


class AuthHeader(Model):
    """One credential that travels by name: where it goes and what stands before its value."""

    name: str
    location: Literal["header", "query", "cookie"] = "header"
    prefix: str = ""
    """Put before the secret, with its own space: `Bearer `, `Klaviyo-API-Key `."""


class AuthScheme(Model):
    """How one authenticates. `api_key` may need several headers at once (`headers`)."""

    type: AuthType = "none"
    headers: list[AuthHeader] = Field(default_factory=list)
    """For `api_key` (all of them are needed at once) and `bearer`; empty for basic and none."""
    flows: list[str] = Field(default_factory=list)
    """OAuth2 flow names: authorization_code, client_credentials, implicit, password."""
    token_url: str | None = None
    authorization_url: str | None = None
    refresh_url: str | None = None
    scopes: list[str] = Field(default_factory=list)
    openid_url: str | None = None
    alternatives: list[AuthType] = Field(default_factory=list)
    """Other types that the specification accepts as well."""
    scheme_names: list[str] = Field(default_factory=list)
    """Names under `securitySchemes` that this was made from."""
    detail: str = ""


class Pagination(Model):
    """How a list endpoint is walked.

    `next_from` says where the position of the next page is read: a dotted path in the response
    body (`paging.next.after`; `link[relation=next].url` chooses an element of an array),
    `header:Link`, `last_item:id` (a field of the last record), or None where the position is
    counted (`page`, `offset`). `next_is_url` is set where that value is a whole or relative URL
    to be followed instead of a parameter value. `state.positions` reads such places.
    """

    style: PaginationStyle = "none"
    params: list[str] = Field(default_factory=list)
    """Parameters that move to the next page, the one to use first."""
    """In a body a name may be a dotted path (`pagination.page`)."""
    params_in: Literal["query", "body", "header"] = "query"
    """`header` is the `Range` header, counted as `items=0-24`."""
    page_size_param: str | None = None
    default_page_size: int | None = None
    max_page_size: int | None = None
    first_page: int = 1
    """For style `page`: the number of the first page (0 in some APIs)."""
    first_offset: int = 0
    """For style `offset`: the number of the first record (1 in SCIM)."""
    next_from: str | None = None
    next_is_url: bool = False
    has_more_from: str | None = None
    """Dotted path of a boolean that says whether there is a next page."""
    total_from: str | None = None
    items_at: str | None = None
    """Dotted path of the array of records in the response; "" when the response is the array."""


class RateLimit(Model):
    """A limit as declared: `requests` in `per_seconds`. `text` is the vendor's wording."""

    requests: float
    per_seconds: float
    burst: int | None = None
    evidence: str = ""


class Incremental(Model):
    """How to read only what changed: the filter parameter, and the field the next value comes from."""

    param: str
    location: ParameterLocation = "query"
    field: str | None = None
    format: Literal["iso8601", "unix_seconds", "unix_milliseconds", "date", "http_date"] = "iso8601"


class Endpoint(Model):
    """One operation, without its schemas."""

    method: str
    path: str
    operation_id: str | None = None
    summary: str = ""
    role: EndpointRole = "action"
    resource: str = ""
    """The noun it is about, singular and in words: `customer`, `bank transaction`."""
    deprecated: bool = False
    auth: AuthScheme | None = None
    """Set where it differs from the API's own."""
    pagination: Pagination | None = None
    """Set on list endpoints only."""
    rate_limit: RateLimit | None = None
    base_url: str | None = None
    """Set where the operation or its path names servers of its own."""
    content_types: list[str] = Field(default_factory=list)
    """What the request body may be sent as, the best first."""
    required_headers: dict[str, str] = Field(default_factory=dict)
    """Headers other than auth that must be sent, with a default where the document has one (`revision`, `Square-Version`), else ""."""

    @property
    def key(self) -> str:
        """`GET /v1/customers`: how an endpoint is named everywhere."""
        return f"{self.method.upper()} {self.path}"


class FieldInfo(Model):
    """One field of a record or request: `a.b` nests, `a[].b` goes into arrays."""

    path: str
    type: str = "any"
    """JSON type: string, integer, number, boolean, object, array, null, any."""
    format: str | None = None
    enum: list[Any] | None = None
    description: str = ""
    example: Any = None
    default: Any = None
    required: bool = False
    read_only: bool = False
    write_only: bool = False
    nullable: bool = False


class SpecWarning(Model):
    """Something that was passed over or mended while reading. `pointer` is a JSON pointer."""

    code: str
    message: str
    pointer: str = ""


class Guess(Model):
    """Something ingest concluded rather than read: what, from what evidence, how sure (0..1)."""

    about: str
    value: Any = None
    evidence: str = ""
    confidence: float = 0.5


class Parameter(Model):
    """One parameter of an operation, resolved."""

    name: str
    location: ParameterLocation
    required: bool = False
    description: str = ""
    json_schema: JsonSchema = Field(default_factory=dict)
    style: str | None = None
    explode: bool | None = None


class MediaType(Model):
    content_type: str
    json_schema: JsonSchema = Field(default_factory=dict)
    """Self-contained: recursion kept as `$ref` into its own `$defs`."""
    example: Any = None


class Response(Model):
    """`status` as the document has it, normalised: `200`, `4XX`, `default`."""

    status: str
    description: str = ""
    headers: dict[str, JsonSchema] = Field(default_factory=dict)
    content: list[MediaType] = Field(default_factory=list)


class OperationDetail(Model):
    """One operation with everything resolved, made lazily; never kept on the whiteboard."""

    endpoint: Endpoint
    parameters: list[Parameter] = Field(default_factory=list)
    request_body: list[MediaType] = Field(default_factory=list)
    request_body_required: bool = False
    responses: list[Response] = Field(default_factory=list)
    security: list[dict[str, list[str]]] = Field(default_factory=list)
    """Alternatives; each names the schemes needed together. [] or an empty alternative: open."""


class SourceShape(Model):
    """What reading one endpoint gives: the record, where it lies, and what identifies it."""

    endpoint: Endpoint
    record_schema: JsonSchema
    """ONE record, inlined and bounded in depth."""
    items_at: str | None = None
    record_at: str = ""
    """Dotted path inside an item where the mapped record begins; "" for the item itself."""
    id_field: str | None = None
    natural_keys: list[str] = Field(default_factory=list)
    incremental: Incremental | None = None
    required_params: list[str] = Field(default_factory=list)
    """Query parameters and headers that every call must carry and that have no default; ingest fills it."""
    guesses: list[Guess] = Field(default_factory=list)
    """What of this was concluded from names: identity, the filter on changes."""


class DestShape(Model):
    """What writing to one endpoint takes: the whole body with its envelope, and how to find it again."""

    endpoint: Endpoint
    request_schema: JsonSchema
    """The WHOLE request body with its envelope, inlined and bounded in depth."""
    envelope: str = ""
    """Path of the record inside the body: "" , `data.attributes`, `Contacts[]`."""
    batch_size: int | None = None
    """Set where the envelope is an array: how many records one call may carry."""
    id_at: str | None = None
    """Dotted path of the new record's id in the response of a create: `id`, `Contacts[0].ContactID`."""
    natural_keys: list[str] = Field(default_factory=list)
    """Paths in the request body that identify a record (email, external reference), best first."""
    update: Endpoint | None = None
    update_id_at: str | None = None
    """Where an update's body must name the record (`data.id`), besides its path or instead of it."""
    update_id_is_number: bool = False
    lookup: Endpoint | None = None
    """A list or search endpoint by which a record is found by natural key."""
    lookup_param: str | None = None
    lookup_id_at: str | None = None
    read: Endpoint | None = None
    """Shows one record by its id in the path."""
    idempotency_header: str | None = None
    required_params: list[str] = Field(default_factory=list)
    """Query parameters and headers that every call must carry and that have no default; ingest fills it."""


class EndpointCandidate(Model):
    """An endpoint that may fit the intent: score 0..1 and why."""

    endpoint: Endpoint
    score: float
    reasons: list[str] = Field(default_factory=list)


class ApiSpec(Model):
    """One API. In the command's output `endpoints` holds all; on the whiteboard only candidates."""

    api_name: str
    version: str = ""
    description: str = ""
    base_url: str = ""
    spec_url: str = ""
    """Where the document was read from (URL or file)."""
    spec_format: str = ""
    """`openapi-3.0.3`, `swagger-2.0` …"""
    auth: AuthScheme = Field(default_factory=AuthScheme)
    rate_limit: RateLimit | None = None
    operation_count: int = 0
    unreadable_operations: list[str] = Field(default_factory=list)
    endpoints: list[Endpoint] = Field(default_factory=list)
    warnings: list[SpecWarning] = Field(default_factory=list)
    guesses: list[Guess] = Field(default_factory=list)
    webhooks: list[str] = Field(default_factory=list)
    """Names of the calls that the API makes by itself."""
    overlay: dict[str, Any] | None = None
    """The corrections it was read with (OpenAPI Overlay); applied again whenever it is read anew."""
    digest: str = ""
    """sha256 of the (bundled) document's bytes: its name in the cache."""
    source: SourceShape | None = None
    """The chosen endpoint when this API is read from (its record schema capped in size)."""
    dest: DestShape | None = None
    """The chosen endpoint when this API is written to."""
    candidates: list[EndpointCandidate] = Field(default_factory=list)
    """The best other endpoints for the intent, for a person to switch to."""

    def chosen(self, role: Literal["source", "dest"]) -> Endpoint | None:
        """The endpoint chosen for a role, or None before one is."""
        shape = self.source if role == "source" else self.dest
        return shape.endpoint if shape is not None else None
