"""Checking one request against its operation's contract: parameters, content type, body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any

from vitesse_graph.sandbox import drift as drifting
from vitesse_graph.sandbox.bodies import (
    BadBody,
    coerce,
    is_form,
    is_json,
    parse_json,
    parse_multipart,
    parse_pairs,
)
from vitesse_graph.sandbox.operation import CompiledParameter, Operation, plain_type
from vitesse_graph.state.api_spec import Parameter
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.synthetic import Contract, Problem
from vitesse_graph.synthetic.schemas import branches, flatten, properties_of, types_of

_MAX_PROBLEMS = 10
# OpenAPI has these described elsewhere: a parameter of their name is passed over.
_NOT_PARAMETERS = frozenset(("accept", "content-type"))


@dataclass(slots=True)
class Request:
    """One request on its way: raw parts first, the understood ones filled by `check_request`."""

    operation: Operation
    path: str
    params: dict[str, str]
    query: list[tuple[str, str]]
    query_text: str
    headers: Mapping[str, str]
    raw_body: bytes
    origin: str
    rules: list[drifting.DriftRule]
    credentials: frozenset[str] = frozenset()
    """Names (lower case) of parameters that are credentials: any value of theirs is taken."""
    given: dict[str, Any] = field(default_factory=dict)
    """Query parameters by name, turned into their types."""
    body: Any = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused. `status` None: what the operation declares for malformed requests."""

    text: str
    status: int | None = None
    is_of_body: bool = True
    """Whether the parameters are right and only the body is not."""


HasId = Callable[[Request, str], bool]


def check_request(request: Request, has_id: HasId = lambda request, name: False) -> Refusal | None:
    """What is wrong with the request, or None. Raises BadBody for a body that cannot be read.

    `has_id` tells whether a path parameter names a record that is there: an id that the API itself gave out
    is right, whatever its parameter's schema says.
    """
    wrong = _check_parameters(request, has_id)
    if wrong:
        return Refusal("; ".join(wrong[:_MAX_PROBLEMS]), is_of_body=False)
    return _check_body(request)


# parameters


def _check_parameters(request: Request, has_id: HasId) -> list[str]:
    flat: dict[str, list[str]] = {}
    for name, value in request.query:
        flat.setdefault(name, []).append(value)
    nested = parse_pairs(request.query_text) if request.query else {}
    request.given = {name: values[-1] for name, values in flat.items()} | nested
    wrong: list[str] = []
    for compiled in request.operation.parameters:
        parameter = compiled.parameter
        is_header = parameter.location == "header"
        if parameter.location == "body" or (is_header and parameter.name.lower() in _NOT_PARAMETERS):
            continue
        value = _value_of(parameter, request, flat, nested)
        if value is None:
            if parameter.required:
                wrong.append(f"{parameter.name}: is required and missing ({parameter.location})")
            continue
        if is_header and parameter.name.lower() == "authorization":
            continue  # what it should hold is said by the security scheme
        turned = _turned(value, compiled)
        if parameter.location == "query":
            request.given[parameter.name] = turned
        problems = compiled.contract.problems(turned, 2)
        if problems and (
            (parameter.location == "path" and has_id(request, parameter.name))
            or parameter.name.lower() in request.credentials
        ):
            continue
        wrong += [f"{_joined(parameter.name, problem)}: {problem.message}" for problem in problems]
    return wrong


def _joined(name: str, problem: Problem) -> str:
    return f"{name}.{problem.path}" if problem.path else name


def _value_of(
    parameter: Parameter, request: Request, flat: dict[str, list[str]], nested: dict[str, Any]
) -> Any:
    name = parameter.name
    if parameter.location == "path":
        return request.params.get(name)
    if parameter.location == "header":
        return request.headers.get(name.lower())
    if parameter.location == "cookie":
        try:
            morsel = SimpleCookie(request.headers.get("cookie", "")).get(name)
        except CookieError:
            return None
        return morsel.value if morsel is not None else None
    if name in flat:
        return flat[name] if len(flat[name]) > 1 else flat[name][0]
    if f"{name}[]" in flat:
        return flat[f"{name}[]"]
    return nested.get(name, _exploded(parameter, flat))


def _exploded(parameter: Parameter, flat: dict[str, list[str]]) -> dict[str, str] | None:
    """An object whose properties are parameters of their own (`pageable`: `page`, `size`), style `form`."""
    if parameter.style not in (None, "form") or parameter.explode is False:
        return None
    names = properties_of(parameter.json_schema, parameter.json_schema)
    given = {name: flat[name][-1] for name in names if name in flat}
    return given or ({} if names and parameter.required else None)


def _turned(value: Any, compiled: CompiledParameter) -> Any:
    """The parameter in its own type; lists also with the separator that its style names."""
    parameter, schema = compiled.parameter, compiled.contract.schema
    types = types_of(flatten(schema, schema))
    if isinstance(value, str) and "array" in types:
        separator = {"pipeDelimited": "|", "spaceDelimited": " "}.get(parameter.style or "", ",")
        parts = value.split(separator) if parameter.explode is not True or separator != "," else [value]
        return coerce(parts, schema, schema)
    if isinstance(value, str) and "object" in types and "string" not in types:
        pairs = value.split(",")
        if "=" in value:
            return coerce(dict(part.partition("=")[::2] for part in pairs), schema, schema)
        return coerce(dict(zip(pairs[::2], pairs[1::2], strict=False)), schema, schema)
    if isinstance(value, list) and "array" not in types and types:
        value = value[-1]
    return coerce(value, schema, schema)


# body


def _check_body(request: Request) -> Refusal | None:
    operation = request.operation
    if not operation.media_types:
        return None
    content_type = request.headers.get("content-type", "")
    if not request.raw_body:
        if operation.detail.request_body_required:
            return Refusal("a body is required")
        return None
    found = operation.media_for(content_type) if content_type else None
    if found is None:
        allowed = ", ".join(media.content_type for media in operation.media_types)
        status = 415 if operation.is_declared(415) or not operation.is_declared(400) else None
        return Refusal(f"the content type is not accepted; use {allowed}", status)
    _, contract = found
    body, is_structured = _parsed(request, plain_type(content_type), contract)
    if not is_structured:
        request.body = body
        return None
    complaints: list[str] = []
    if request.rules:
        body, complaints = drifting.apply_to_request(request.rules, body)
    request.body = body
    problems = [f"{p.path or 'body'}: {p.message}" for p in contract.problems(body, _MAX_PROBLEMS)]
    complaints += problems
    return Refusal("; ".join(complaints[:_MAX_PROBLEMS])) if complaints else None


def _parsed(request: Request, content_type: str, contract: Contract) -> tuple[Any, bool]:
    """The body's value, and whether it is one that a schema can judge."""
    if is_json(content_type):
        return parse_json(request.raw_body), True
    whole = [name for name in properties_of(contract.schema, contract.schema) if "[" in name]
    if is_form(content_type):
        try:
            text = request.raw_body.decode("utf-8")
        except UnicodeDecodeError:
            raise BadBody("the form is not UTF-8") from None
        return coerce(parse_pairs(text, whole), contract.schema, contract.schema), True
    if content_type == "multipart/form-data":
        parts = parse_multipart(request.raw_body, request.headers["content-type"], whole)
        return coerce(_unpacked(parts, contract.schema), contract.schema, contract.schema), True
    return request.raw_body, False


def _unpacked(parts: dict[str, Any], schema: JsonSchema) -> dict[str, Any]:
    """The parts with those read as JSON that stand for objects and lists, as OpenAPI has them by default."""
    known = properties_of(schema, schema)
    return {name: _read_part(value, known.get(name), schema) for name, value in parts.items()}


def _read_part(value: Any, schema: Any, root: JsonSchema) -> Any:
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    flat = flatten(schema, root)
    kinds = {kind for option in (flat, *branches(flat)) for kind in types_of(flatten(option, root))}
    if "string" in kinds or not kinds & {"object", "array"}:
        return value
    try:
        return parse_json(value.encode())
    except BadBody:
        return value
