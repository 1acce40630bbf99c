"""Small documents, made inline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vitesse_graph.specs import SpecDocument
from vitesse_graph.specs.recognise import spec_format

Make = Callable[..., SpecDocument]


def make_document(paths: Any = None, **rest: Any) -> SpecDocument:
    """A document with these paths; `rest` goes to the root (`swagger="2.0"` makes it one of that kind)."""
    kind = {} if "swagger" in rest else {"openapi": "3.1.0"}
    tree = {**kind, "info": {"title": "Test API", "version": "1"}, "paths": paths or {}, **rest}
    return SpecDocument(
        tree, spec_format=spec_format(tree, "test"), spec_url="https://api.example/openapi.json"
    )


@pytest.fixture
def make() -> Make:
    return make_document


def listing(
    item: Any, *parameters: dict[str, Any], envelope: str | None = "data", **more: Any
) -> dict[str, Any]:
    """A GET that answers with records under `envelope` (None: a top-level array) beside `more` properties."""
    array = {"type": "array", "items": item}
    schema = array if envelope is None else {"type": "object", "properties": {envelope: array, **more}}
    return {
        "get": {
            "parameters": list(parameters),
            "responses": {"200": {"description": "", "content": {"application/json": {"schema": schema}}}},
        }
    }


def query(name: str, type_: str = "string", **more: Any) -> dict[str, Any]:
    schema = {"type": type_, **{k: v for k, v in more.items() if k in ("default", "maximum", "format")}}
    rest = {k: v for k, v in more.items() if k not in schema}
    return {"name": name, "in": "query", "schema": schema, **rest}
