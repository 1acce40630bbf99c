"""What the OpenAPI document must say of every place in a request, so that no search has to find it by luck."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from vitesse_graph.api.app import create_app, in_process
from vitesse_graph.api.steps import PREFIX
from vitesse_graph.settings import Settings


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    settings = Settings()
    return create_app(in_process(settings), settings).openapi()


def _walk(document: dict[str, Any], node: Any, at: str, above: frozenset[str]) -> Iterator[tuple[str, Any]]:
    """Every schema below a request's, with where it is."""
    if not isinstance(node, dict):
        return
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        if name not in above:
            yield from _walk(document, document["components"]["schemas"][name], at, above | {name})
        return
    yield at, node
    for keyword in ("properties", "patternProperties"):
        for name, part in node.get(keyword, {}).items():
            yield from _walk(document, part, f"{at}.{name}", above)
    for keyword in ("items", "additionalProperties", "propertyNames"):
        yield from _walk(document, node.get(keyword), f"{at}/{keyword}", above)
    for keyword in ("anyOf", "oneOf", "allOf"):
        for part in node.get(keyword, []):
            yield from _walk(document, part, at, above)


@pytest.fixture(scope="module")
def places(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            said = f"{method.upper()} {path.removeprefix(PREFIX)}"
            roots = [(f"{said} {one['name']}", one["schema"]) for one in operation.get("parameters", [])]
            if "requestBody" in operation:
                roots.append((said, operation["requestBody"]["content"]["application/json"]["schema"]))
            for at, root in roots:
                found += _walk(document, root, at, frozenset())
    return found


def test_every_number_has_bounds_on_both_sides(places: list[tuple[str, dict[str, Any]]]) -> None:
    """Beyond them lie what Postgres keeps in no column and what is no float."""
    open_ended = [
        at
        for at, schema in places
        if schema.get("type") in ("integer", "number")
        and not (
            {"minimum", "exclusiveMinimum"} & set(schema) and {"maximum", "exclusiveMaximum"} & set(schema)
        )
    ]
    assert open_ended == []


def test_a_pattern_for_names_shuts_out_the_names_that_it_does_not_fit(
    places: list[tuple[str, dict[str, Any]]],
) -> None:
    lets_others_through = [
        at
        for at, schema in places
        if "patternProperties" in schema and schema.get("additionalProperties") is not False
    ]
    assert lets_others_through == []


def test_every_text_in_a_parameter_has_an_end(places: list[tuple[str, dict[str, Any]]]) -> None:
    """A body has one as a whole."""
    parameters = [(at, schema) for at, schema in places if at.count(" ") == 2]
    assert parameters
    for at, schema in parameters:
        if schema.get("type") == "string" and not {"enum", "const"} & set(schema):
            ends = re.search(r"\{\d+,\d+\}\$$", schema.get("pattern", ""))
            assert "maxLength" in schema or ends, at


def test_bodies_name_all_that_they_take(document: dict[str, Any]) -> None:
    """A field that nobody reads is a mistake that nobody notices."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if "requestBody" not in operation:
                continue
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            for choice in [schema, *schema.get("anyOf", [])]:
                if "$ref" in choice:
                    model = document["components"]["schemas"][choice["$ref"].rpartition("/")[2]]
                    assert model.get("additionalProperties") is False, (method, path)
