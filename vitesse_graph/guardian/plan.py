"""The calls that an integration will make, with what the specification demands beside the record."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from vitesse_graph.guardian.paths import read
from vitesse_graph.guardian.targets import Call, path_of
from vitesse_graph.state.api_spec import DestShape, Endpoint, OperationDetail, Parameter, SourceShape
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.synthetic import Contract, Draw, RecordGenerator
from vitesse_graph.synthetic.schemas import flatten, properties_of, types_of

_PARAMETER = re.compile(r"\{([^{}]+)\}")
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Fixed:
    """What goes along with every call of one operation."""

    path_params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]


def fixed_for(
    endpoint: Endpoint,
    operation: OperationDetail | None,
    given: Mapping[str, str],
    *,
    invent: bool,
    skip: str = "",
) -> Fixed:
    """Path parameters, required query parameters and headers.

    `given` (by name) wins; what is missing is invented from the parameter's schema for a sandbox
    (`invent`) and left out for a real API. `skip` is a parameter that the caller fills itself.
    """
    path: dict[str, str] = {}
    query: dict[str, str] = {}
    headers = {name: given.get(name, value) for name, value in endpoint.required_headers.items()}
    for parameter in operation.parameters if operation else []:
        name = parameter.name
        if name == skip or parameter.location in ("cookie", "body") or _is_ours(parameter):
            continue
        value = given.get(name)
        if value is None and parameter.required and invent and parameter.location == "query":
            query |= _invented_object(parameter.json_schema, name)
        if (
            value is None
            and parameter.required
            and invent
            and not headers.get(name)
            and f"{name}[" not in "".join(query)
        ):
            value = invented(parameter.json_schema, name)
        if value is not None:
            {"path": path, "query": query, "header": headers}[parameter.location][name] = value
    for name in _PARAMETER.findall(endpoint.path):
        if name != skip and name not in path and (name in given or invent):
            path[name] = given.get(name, "1")
    return Fixed(path, query, {name: value for name, value in headers.items() if value})


def _is_ours(parameter: Parameter) -> bool:
    """Whether a header is written by whoever makes the call, and no parameter: so OpenAPI has it."""
    return parameter.location == "header" and parameter.name.lower() in ("accept", "content-type")


def invented(schema: dict[str, Any], name: str) -> str:
    """A value that a parameter's schema accepts, its default where it has one; the same each time."""
    value = schema.get("default")
    if isinstance(value, str) and Contract(schema, "request").is_valid(value):
        return value
    value = RecordGenerator(schema, name=name, direction="request").draw(Draw(random.Random(name)))
    if isinstance(value, bool):
        return str(value).lower()
    return str(value[0]) if isinstance(value, list) and value else str(value)


def _invented_object(schema: dict[str, Any], name: str) -> dict[str, str]:
    """A required object parameter in brackets (`scope[type]=…`); {} where the parameter is no object."""
    if "object" not in types_of(flatten(schema, schema)):
        return {}
    value = RecordGenerator(schema, name=name, direction="request").draw(
        Draw(random.Random(name)), minimal=True
    )
    return {f"{name}[{key}]": str(inner) for key, inner in value.items()} if isinstance(value, dict) else {}


def content_type_of(endpoint: Endpoint) -> str:
    """JSON where it is accepted, else a form, else what is declared first."""
    kinds = [kind.split(";")[0].strip() for kind in endpoint.content_types]
    for kind in kinds:
        if kind == JSON or kind.endswith("+json"):
            return kind
    return FORM if FORM in kinds else (kinds[0] if kinds and "*" not in kinds[0] else JSON)


def source_call(
    shape: SourceShape, operation: OperationDetail | None, given: Mapping[str, str], *, invent: bool
) -> Call:
    """The first request of the source's list, without its page."""
    endpoint = shape.endpoint
    fixed = fixed_for(endpoint, operation, given, invent=invent)
    body = None
    if endpoint.method.upper() == "POST":
        body = {}
        media = next(iter(operation.request_body), None) if operation else None
        if media is not None and invent:
            generator = RecordGenerator(media.json_schema, direction="request")
            body = generator.draw(Draw(random.Random("source")), minimal=True)
    return Call(
        method=endpoint.method.upper(), path=path_of(endpoint, fixed.path_params), query=fixed.query,
        headers=fixed.headers, body=body, content_type=content_type_of(endpoint), auth=endpoint.auth, key=endpoint.key, is_read=True,
    )  # fmt: skip


def write_call(endpoint: Endpoint, fixed: Fixed, body: Any, files: Collection[str] = ()) -> Call:
    """The request that writes one record. `files` are the fields that are files where it has several parts."""
    return Call(
        method=endpoint.method.upper(), path=path_of(endpoint, fixed.path_params), query=fixed.query,
        headers=fixed.headers, body=body, content_type=content_type_of(endpoint), auth=endpoint.auth, key=endpoint.key,
        files=files,
    )  # fmt: skip


def file_fields(schema: JsonSchema) -> frozenset[str]:
    """The fields of a body that hold a file's bytes."""
    return frozenset(
        name
        for name, sub in properties_of(schema, schema).items()
        if (flat := flatten(sub, schema)).get("format") == "binary"
        or flat.get("contentEncoding") == "binary"
        or str(flat.get("contentMediaType", "")) == "application/octet-stream"
    )


def update_id_param(update: Endpoint) -> str | None:
    """The path parameter that takes the record's id: the last one; None where the update has none (upsert)."""
    found = _PARAMETER.findall(update.path)
    return found[-1] if found else None


def with_id(body: Any, path: str, identifier: str) -> Any:
    """A copy of the body with the record's id where the update wants it repeated."""
    name, _, rest = path.partition(".")
    holder = dict(body) if isinstance(body, dict) else {}
    holder[name] = with_id(holder.get(name), rest, identifier) if rest else identifier
    return holder


def planned(source_shape: SourceShape, dest_shape: DestShape) -> list[str]:
    """The operations that the integration will use, for coverage."""
    keys = [source_shape.endpoint.key, dest_shape.endpoint.key]
    if dest_shape.update is not None and update_id_param(dest_shape.update):
        keys.append(dest_shape.update.key)
    if dest_shape.lookup is not None and dest_shape.lookup_param and dest_shape.natural_keys:
        keys.append(dest_shape.lookup.key)
    return list(dict.fromkeys(keys))


def new_id(answer: Any, dest_shape: DestShape) -> str | None:
    """The id that a create answered; None where it is not where the specification says."""
    value = read(answer, dest_shape.id_at) if dest_shape.id_at else None
    return str(value) if isinstance(value, str | int) and value != "" else None
