"""From the whiteboard to the definition that the runtime is made from: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vitesse_graph.errors import MappingError
from vitesse_graph.nodes.parameters import (
    SANDBOX_PATH_VALUE,
    Role,
    given_params,
    path_names,
    read_by_us,
    required_beside,
    unknown,
)
from vitesse_graph.state.api_spec import (
    ApiSpec,
    AuthScheme,
    DestShape,
    Endpoint,
    OperationDetail,
    Pagination,
    SourceShape,
)
from vitesse_graph.state.definition import (
    Call,
    DestSide,
    IntegrationDefinition,
    Lookup,
    RecordRead,
    SourceSide,
)
from vitesse_graph.state.references import NO_CREDENTIAL
from vitesse_graph.state.whiteboard import SharedWhiteboardState

Environment = Literal["live", "sandbox"]


def environment_of(auth_ref: str | None) -> Environment:
    """Live where a credential was given, or `none` was said; else a sandbox made from the document.

    That a document declares no security means little (GitHub's declares none): a real API is called
    only when somebody says so.
    """
    return "live" if auth_ref else "sandbox"


def _reference(auth_ref: str | None) -> str | None:
    return None if auth_ref == NO_CREDENTIAL else auth_ref


def _path_params(
    endpoint: Endpoint,
    given: Mapping[str, str],
    environment: Environment,
    role: Role,
    skip: str | None = None,
) -> dict[str, str]:
    names = [name for name in path_names(endpoint) if name != skip]
    missing = [name for name in names if name not in given]
    if missing and environment == "live":
        raise unknown(endpoint, missing, role)
    return {name: given.get(name, SANDBOX_PATH_VALUE) for name in names}


@dataclass(frozen=True, kw_only=True)
class _Beside:
    """What goes along with every call of one operation, besides its path."""

    query: dict[str, str]
    headers: dict[str, str]


def _beside(
    shape: SourceShape | DestShape,
    operation: OperationDetail | None,
    given: Mapping[str, str],
    environment: Environment,
    role: Role,
) -> _Beside:
    """The query and the headers: what was given, and what the operation requires besides its paging."""
    from vitesse_graph.guardian.plan import fixed_for

    in_header = set(shape.endpoint.required_headers) | {
        parameter.name
        for parameter in (operation.parameters if operation else [])
        if parameter.location == "header"
    }
    by_header = {name.lower(): value for name, value in given.items()}  # a header's case means nothing
    elsewhere = {*path_names(shape.endpoint), *(name.lower() for name in in_header)}
    if isinstance(shape, DestShape):
        for other in (shape.update, shape.lookup, shape.read):
            elsewhere |= set(path_names(other)) if other is not None else set()
    query = {
        name: value
        for name, value in given.items()
        if name not in elsewhere and name.lower() not in elsewhere
    }
    headers = {
        **shape.endpoint.required_headers,
        **{name: by_header[name.lower()] for name in sorted(in_header) if name.lower() in by_header},
    }
    if operation is None:
        return _Beside(query=query, headers=headers)
    needed = required_beside(shape, operation)
    if environment == "live":
        missing = [
            name
            for name in needed
            if not headers.get(name) and not any(key.split("[")[0] == name for key in query)
        ]
        if missing:
            raise unknown(shape.endpoint, missing, role)
    else:
        invented = fixed_for(shape.endpoint, operation, given, invent=True)
        wanted = set(needed)
        query = {k: v for k, v in invented.query.items() if k.split("[")[0] in wanted} | query
        headers = dict(invented.headers) | {name: value for name, value in headers.items() if value}
    for parameter in operation.parameters:
        default = parameter.json_schema.get("default")
        if parameter.location != "query" or not parameter.required or default is None:
            continue
        if parameter.name not in read_by_us(shape):
            query.setdefault(
                parameter.name, str(default).lower() if isinstance(default, bool) else str(default)
            )
    return _Beside(query=query, headers=headers)


def _headers_of(endpoint: Endpoint, create: _Beside) -> _Beside:
    """The headers that another call of the same API requires: a tenant is the same one."""
    headers = {
        name: value or create.headers.get(name, "") for name, value in endpoint.required_headers.items()
    }
    return _Beside(query={}, headers=headers)


def _call(endpoint: Endpoint, path_params: dict[str, str], beside: _Beside | None = None) -> Call:
    content_type = endpoint.content_types[0] if endpoint.content_types else "application/json"
    return Call(
        method=endpoint.method.upper(),
        path=endpoint.path,
        content_type=content_type,
        headers=beside.headers if beside else dict(endpoint.required_headers),
        path_params=path_params,
        query=beside.query if beside else {},
    )


def _auth(spec: ApiSpec, endpoint: Endpoint) -> AuthScheme:
    return endpoint.auth or spec.auth


def _source_side(
    spec: ApiSpec,
    shape: SourceShape,
    auth_ref: str | None,
    params: dict[str, str],
    base_url: str | None,
    operation: OperationDetail | None,
) -> SourceSide:
    auth = AuthScheme() if auth_ref == NO_CREDENTIAL else _auth(spec, shape.endpoint)
    environment = environment_of(auth_ref)
    pagination = shape.endpoint.pagination or Pagination()
    items_at = shape.items_at if shape.items_at is not None else pagination.items_at
    return SourceSide(
        api_name=spec.api_name,
        base_url=base_url or shape.endpoint.base_url or spec.base_url,
        auth=auth,
        auth_ref=_reference(auth_ref),
        rate_limit=shape.endpoint.rate_limit or spec.rate_limit,
        environment=environment,
        read=_call(
            shape.endpoint,
            _path_params(shape.endpoint, params, environment, "source"),
            _beside(shape, operation, params, environment, "source"),
        ),
        pagination=pagination.model_copy(update={"items_at": items_at}),
        id_field=shape.id_field,
        natural_keys=shape.natural_keys,
        incremental=shape.incremental,
    )


def _lookup(shape: DestShape, params: dict[str, str], beside: _Beside) -> Lookup | None:
    if shape.lookup is None or shape.lookup_param is None or not shape.natural_keys:
        return None
    pagination = shape.lookup.pagination
    key = shape.natural_keys[0]
    return Lookup(
        call=_call(shape.lookup, params, _headers_of(shape.lookup, beside)),
        param=shape.lookup_param,
        key=key,
        items_at=(pagination.items_at or "") if pagination is not None else "",
        match_field=key.rsplit(".", 1)[-1],
        id_field=shape.lookup_id_at or "id",
    )


def _read_of_one(
    shape: DestShape, params: dict[str, str], environment: Environment, beside: _Beside
) -> RecordRead | None:
    names = path_names(shape.read) if shape.read is not None else []
    if shape.read is None or not names:
        return None
    try:
        known = _path_params(shape.read, params, environment, "dest", skip=names[-1])
    except MappingError:  # what only looks again is no reason not to deploy
        return None
    return RecordRead(call=_call(shape.read, known, _headers_of(shape.read, beside)), id_param=names[-1])


def _write_only(shape: DestShape) -> list[str]:
    from vitesse_graph.healing.shapes import flatten_schema

    return [path for path, field in flatten_schema(shape.request_schema).items() if field.is_write_only]


def _dest_side(
    spec: ApiSpec,
    shape: DestShape,
    auth_ref: str | None,
    params: dict[str, str],
    base_url: str | None,
    operation: OperationDetail | None,
) -> DestSide:
    auth = AuthScheme() if auth_ref == NO_CREDENTIAL else _auth(spec, shape.endpoint)
    environment = environment_of(auth_ref)
    create_params = _path_params(shape.endpoint, params, environment, "dest")
    beside = _beside(shape, operation, params, environment, "dest")
    update, update_id_param = None, None
    if shape.update is not None:
        names = path_names(shape.update)
        update_id_param = names[-1] if names else None
        update = _call(
            shape.update,
            _path_params(shape.update, params, environment, "dest", skip=update_id_param),
            _headers_of(shape.update, beside),
        )
    return DestSide(
        api_name=spec.api_name,
        base_url=base_url or shape.endpoint.base_url or spec.base_url,
        auth=auth,
        auth_ref=_reference(auth_ref),
        rate_limit=shape.endpoint.rate_limit or spec.rate_limit,
        environment=environment,
        create=_call(shape.endpoint, create_params, beside),
        update=update,
        update_id_param=update_id_param,
        update_id_at=shape.update_id_at,
        update_id_is_number=shape.update_id_is_number,
        lookup=_lookup(shape, create_params, beside),
        read=_read_of_one(shape, params, environment, beside),
        write_only=_write_only(shape),
        envelope=shape.envelope,
        batch_size=shape.batch_size,
        id_at=shape.id_at,
        natural_keys=shape.natural_keys,
        idempotency_header=shape.idempotency_header,
    )


def build_definition(
    state: SharedWhiteboardState,
    source_shape: SourceShape,
    dest_shape: DestShape,
    *,
    version: int,
    base_urls: dict[str, str] | None = None,
    batch_size: int = 100,
    source_operation: OperationDetail | None = None,
    dest_operation: OperationDetail | None = None,
) -> IntegrationDefinition:
    """The definition of what the whiteboard describes.

    `base_urls` (`source`, `dest`) replaces the documents' own, for sandboxes. The operations tell which
    query parameters are required. Raises MappingError where a live side lacks a path or query
    parameter, or there is no mapping.
    """
    if state.mapping_logic is None or state.source_api_spec is None or state.dest_api_spec is None:
        raise MappingError("nothing to deploy yet: the specifications or the mapping are missing")
    urls = base_urls or {}
    approved = next((r.by for r in reversed(state.reviews) if r.gate == "review_guardian" and r.by), None)
    config = state.deployment_config
    return IntegrationDefinition(
        integration_id=state.workflow_id,
        name=f"{state.source_api_spec.api_name} → {state.dest_api_spec.api_name}",
        version=version,
        source=_source_side(
            state.source_api_spec,
            source_shape,
            state.source_auth,
            given_params(state, "source"),
            urls.get("source"),
            source_operation,
        ),
        dest=_dest_side(
            state.dest_api_spec,
            dest_shape,
            state.dest_auth,
            given_params(state, "dest"),
            urls.get("dest"),
            dest_operation,
        ),
        mapping=_bare(state.mapping_logic),
        schedule=(config.schedule if config else None) or state.schedule,
        batch_size=batch_size,
        source_spec_digest=state.source_api_spec.digest,
        dest_spec_digest=state.dest_api_spec.digest,
        approved_by=approved,
    )


def _bare(mapping: Any) -> Any:
    """The mapping as the runtime needs it: what was considered and not chosen stays behind."""
    rows = [row.model_copy(update={"alternatives": []}) for row in mapping.transformations]
    return mapping.model_copy(
        update={
            "transformations": rows,
            "questions": [],
            "unmapped_dest": [],
            "unmapped_source": [],
            "notes": [],
        }
    )
