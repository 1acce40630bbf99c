"""One operation with everything resolved, as `OperationDetail`."""

from __future__ import annotations

from typing import Any

from vitesse_graph.specs.endpoints import Indexed
from vitesse_graph.specs.operations import Body, Reader
from vitesse_graph.specs.schema import SchemaWriter
from vitesse_graph.state.api_spec import MediaType, OperationDetail, Parameter, Response

_LOCATIONS = ("query", "header", "path", "cookie")


def operation_detail(
    reader: Reader, found: Indexed, security: list[dict[str, list[str]]], writer: SchemaWriter
) -> OperationDetail:
    raw, resolver = found.raw, reader.resolver

    def media(bodies: list[Body]) -> list[MediaType]:
        return [
            MediaType(
                content_type=b.content_type, json_schema=writer.write(b.schema), example=_example(reader, b)
            )
            for b in bodies
        ]

    parameters = []
    for parameter in reader.parameters(raw):
        where = parameter.get("in")
        if where not in _LOCATIONS:
            continue
        node = reader.parameter_schema(parameter)
        if node is parameter:  # Swagger 2 keeps the schema's words in the parameter itself
            node = {k: v for k, v in parameter.items() if k not in ("name", "in", "required", "description")}
        style, explode = parameter.get("style"), parameter.get("explode")
        if style is None and type(parameter.get("collectionFormat")) is str:
            style, explode = _collection(parameter["collectionFormat"])
        parameters.append(
            Parameter(
                name=parameter["name"],
                location=where,
                required=parameter.get("required") is True or where == "path",
                description=resolver.text(parameter.get("description")),
                json_schema=writer.write(node),
                style=style if type(style) is str else None,
                explode=explode if type(explode) is bool else None,
            )
        )
    responses = []
    for status, response in reader.responses(raw):
        headers = {
            str(name): writer.write(reader.parameter_schema(resolver.mapping(node)))
            for name, node in resolver.mapping(response.get("headers")).items()
        }
        responses.append(
            Response(
                status=status,
                description=resolver.text(response.get("description")),
                headers=headers,
                content=media(reader.response_bodies(response, raw)),
            )
        )
    return OperationDetail(
        endpoint=found.endpoint,
        parameters=parameters,
        request_body=media(reader.request_bodies(raw)),
        request_body_required=reader.is_body_required(raw),
        responses=responses,
        security=security,
    )


def _collection(name: str) -> tuple[str, bool]:
    """Swagger 2 `collectionFormat` in the words of OpenAPI 3."""
    styles = {"multi": ("form", True), "ssv": ("spaceDelimited", False), "pipes": ("pipeDelimited", False)}
    return styles.get(name, ("form", False))


def _example(reader: Reader, body: Body) -> Any:
    """The first example of a media type, or None."""
    if "example" in body.media:
        return body.media["example"]
    for node in reader.resolver.mapping(body.media.get("examples")).values():
        example = reader.resolver.mapping(node)
        if "value" in example:
            return example["value"]
    return None
