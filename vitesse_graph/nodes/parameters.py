"""What an operation needs besides the record, and nobody can guess: which repository, which tenant.

A value is given by name (`source_params`, `dest_params`) and goes where the document puts the
parameter: into the path, the query or a header. What is missing is a question for a person; a sandbox
gets an invented value meanwhile, a real API is never called with one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from vitesse_graph.errors import MappingError
from vitesse_graph.state.api_spec import ApiSpec, DestShape, Endpoint, OperationDetail, SourceShape
from vitesse_graph.state.whiteboard import SharedWhiteboardState

Role = Literal["source", "dest"]
ROLES: tuple[Role, Role] = ("source", "dest")
_PATH_PARAMETER = re.compile(r"\{([^}]+)\}")
SANDBOX_PATH_VALUE = "1"
"""What stands for a path parameter that nobody gave, in a sandbox only."""


def path_names(endpoint: Endpoint) -> list[str]:
    """The parameters in an endpoint's path, in order."""
    return _PATH_PARAMETER.findall(endpoint.path)


def given_params(state: SharedWhiteboardState, role: Role) -> dict[str, str]:
    """The values that were given for one side, by name. An empty one is as good as none."""
    given = (state.source_params if role == "source" else state.dest_params) or {}
    return {name: value for name, value in given.items() if value != ""}


def _is_given(name: str, given: Mapping[str, str]) -> bool:
    """Whether there is a value; for an object, one for any of its keys (`scope[type]`)."""
    return any(name.lower() in (key.lower(), key.split("[")[0].lower()) for key in given)


def read_by_us(shape: SourceShape | DestShape) -> set[str]:
    """The query parameters that the reader fills at every page."""
    pagination, incremental = shape.endpoint.pagination, getattr(shape, "incremental", None)
    own = {incremental.param} if incremental is not None else set()
    if pagination is not None:
        own |= {*pagination.params, pagination.page_size_param or ""}
    return own


def required_beside(shape: SourceShape | DestShape, operation: OperationDetail) -> list[str]:
    """Query parameters and headers that the operation demands and that have no default.

    Left out is what the reader fills itself: paging, and the filter for what changed.
    """
    own = read_by_us(shape)
    names = [
        parameter.name
        for parameter in operation.parameters
        if parameter.location == "query"
        and parameter.required
        and parameter.name not in own
        and parameter.json_schema.get("default") is None
    ]
    return names + [name for name, value in shape.endpoint.required_headers.items() if not value]


def missing_params(state: SharedWhiteboardState, role: Role) -> list[str]:
    """What a person has to say before the chosen endpoint of this side can be called for real."""
    spec = state.source_api_spec if role == "source" else state.dest_api_spec
    shape = _shape(spec, role)
    if shape is None:
        return []
    given = given_params(state, role)
    names = [*path_names(shape.endpoint), *shape.required_params]
    return [name for name in dict.fromkeys(names) if not _is_given(name, given)]


def _shape(spec: ApiSpec | None, role: Role) -> SourceShape | DestShape | None:
    if spec is None:
        return None
    return spec.source if role == "source" else spec.dest


def unknown(endpoint: Endpoint, names: list[str], role: Role) -> MappingError:
    """The error for a real API that cannot be called yet."""
    wanted = " ".join(f"--{role}-param {name}=…" for name in names)
    return MappingError(
        f"{endpoint.key} cannot be called without {', '.join(names)}: give {wanted} (`{role}_params`)"
    )


def as_question(state: SharedWhiteboardState, role: Role) -> str:
    """One line for a person; "" where nothing is missing."""
    names = missing_params(state, role)
    spec = state.source_api_spec if role == "source" else state.dest_api_spec
    shape = _shape(spec, role)
    if not names or shape is None:
        return ""
    auth = state.source_auth if role == "source" else state.dest_auth
    until = "it cannot be called" if auth else "a sandbox runs with invented values"
    wanted = " ".join(f"--{role}-param {name}=…" for name in names)
    return (
        f"which {' and '.join(names)}? {shape.endpoint.key} needs a value for each: {wanted} "
        f"(`{role}_params`); until then {until}"
    )
