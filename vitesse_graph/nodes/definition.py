"""From the whiteboard to the definition that the runtime is made from: pure."""

from __future__ import annotations

import re
from typing import Any, Literal

from vitesse_graph.errors import MappingError
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
_PATH_PARAMETER = re.compile(r"\{([^}]+)\}")
SANDBOX_PATH_VALUE = "1"
"""What stands for a path parameter that nobody gave, in a sandbox only."""


def environment_of(auth_ref: str | None) -> Environment:
    """Live where a credential was given, or `none` was said; else a sandbox made from the document.

    That a document declares no security means little (GitHub's declares none): a real API is called
    only when somebody says so.
    """
    return "live" if auth_ref else "sandbox"


def _reference(auth_ref: str | None) -> str | None:
    return None if auth_ref == NO_CREDENTIAL else auth_ref


def _path_params(
    endpoint: Endpoint, given: dict[str, str], environment: Environment, side: str, skip: str | None = None
) -> dict[str, str]:
    names = [name for name in _PATH_PARAMETER.findall(endpoint.path) if name != skip]
    missing = [name for name in names if name not in given]
    if missing and environment == "live":
        raise MappingError(
            f"{endpoint.key} needs {', '.join(missing)} in its path: give "
            f'user_preferences {{"{side}_path_params": {{"{missing[0]}": …}}}}'
        )
    return {name: given.get(name, SANDBOX_PATH_VALUE) for name in names}


def _query(
    shape: SourceShape | DestShape,
    operation: OperationDetail | None,
    given: dict[str, str],
    environment: Environment,
    side: str,
) -> dict[str, str]:
    """The query that every call carries: what was given, and what the operation requires besides its paging."""
    from vitesse_graph.guardian.plan import fixed_for

    if operation is None:
        return given
    pagination, incremental = shape.endpoint.pagination, getattr(shape, "incremental", None)
    own = {incremental.param} if incremental is not None else set()
    if pagination is not None:
        own |= {*pagination.params, pagination.page_size_param}
    fixed = fixed_for(shape.endpoint, operation, given, invent=environment == "sandbox").query
    query = given | {name: value for name, value in fixed.items() if name not in own}
    for parameter in operation.parameters:
        name, is_wanted = parameter.name, parameter.location == "query" and parameter.required
        if not is_wanted or name in own or any(key.split("[")[0] == name for key in query):
            continue
        default = parameter.json_schema.get("default")
        if default is None:
            raise MappingError(
                f"{shape.endpoint.key} requires {name} in its query: give "
                f'user_preferences {{"{side}_query": {{"{name}": …}}}}'
            )
        query[name] = str(default).lower() if isinstance(default, bool) else str(default)
    return query


def _call(endpoint: Endpoint, path_params: dict[str, str], query: dict[str, str] | None = None) -> Call:
    content_type = endpoint.content_types[0] if endpoint.content_types else "application/json"
    return Call(
        method=endpoint.method.upper(),
        path=endpoint.path,
        content_type=content_type,
        headers=dict(endpoint.required_headers),
        path_params=path_params,
        query=query or {},
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
    query: dict[str, str],
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
            _query(shape, operation, query, environment, "source"),
        ),
        pagination=pagination.model_copy(update={"items_at": items_at}),
        id_field=shape.id_field,
        natural_keys=shape.natural_keys,
        incremental=shape.incremental,
    )


def _lookup(shape: DestShape, params: dict[str, str]) -> Lookup | None:
    if shape.lookup is None or shape.lookup_param is None or not shape.natural_keys:
        return None
    pagination = shape.lookup.pagination
    key = shape.natural_keys[0]
    return Lookup(
        call=_call(shape.lookup, params),
        param=shape.lookup_param,
        key=key,
        items_at=(pagination.items_at or "") if pagination is not None else "",
        match_field=key.rsplit(".", 1)[-1],
        id_field=shape.lookup_id_at or "id",
    )


def _read_of_one(shape: DestShape, params: dict[str, str], environment: Environment) -> RecordRead | None:
    names = _PATH_PARAMETER.findall(shape.read.path) if shape.read is not None else []
    if shape.read is None or not names:
        return None
    try:
        known = _path_params(shape.read, params, environment, "dest", skip=names[-1])
    except MappingError:  # what only looks again is no reason not to deploy
        return None
    return RecordRead(call=_call(shape.read, known), id_param=names[-1])


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
    query: dict[str, str],
) -> DestSide:
    auth = AuthScheme() if auth_ref == NO_CREDENTIAL else _auth(spec, shape.endpoint)
    environment = environment_of(auth_ref)
    create_params = _path_params(shape.endpoint, params, environment, "dest")
    update, update_id_param = None, None
    if shape.update is not None:
        names = _PATH_PARAMETER.findall(shape.update.path)
        update_id_param = names[-1] if names else None
        update = _call(
            shape.update, _path_params(shape.update, params, environment, "dest", skip=update_id_param)
        )
    return DestSide(
        api_name=spec.api_name,
        base_url=base_url or shape.endpoint.base_url or spec.base_url,
        auth=auth,
        auth_ref=_reference(auth_ref),
        rate_limit=shape.endpoint.rate_limit or spec.rate_limit,
        environment=environment,
        create=_call(shape.endpoint, create_params, _query(shape, operation, query, environment, "dest")),
        update=update,
        update_id_param=update_id_param,
        update_id_at=shape.update_id_at,
        update_id_is_number=shape.update_id_is_number,
        lookup=_lookup(shape, create_params),
        read=_read_of_one(shape, params, environment),
        write_only=_write_only(shape),
        envelope=shape.envelope,
        batch_size=shape.batch_size,
        id_at=shape.id_at,
        natural_keys=shape.natural_keys,
        idempotency_header=shape.idempotency_header,
    )


def _params(state: SharedWhiteboardState, side: str, kind: str = "path_params") -> dict[str, str]:
    given: Any = (state.user_preferences or {}).get(f"{side}_{kind}") or {}
    return {str(k): str(v) for k, v in given.items()} if isinstance(given, dict) else {}


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
            _params(state, "source"),
            urls.get("source"),
            source_operation,
            _params(state, "source", "query"),
        ),
        dest=_dest_side(
            state.dest_api_spec,
            dest_shape,
            state.dest_auth,
            _params(state, "dest"),
            urls.get("dest"),
            dest_operation,
            _params(state, "dest", "query"),
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
