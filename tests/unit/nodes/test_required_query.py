"""Query parameters that an operation requires are part of the definition: given, invented for a sandbox, or asked for."""

from __future__ import annotations

from typing import Any

import pytest

from vitesse_graph.errors import MappingError
from vitesse_graph.nodes.definition import build_definition
from vitesse_graph.state.api_spec import (
    ApiSpec,
    DestShape,
    Endpoint,
    OperationDetail,
    Pagination,
    Parameter,
    SourceShape,
)
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.state.whiteboard import SharedWhiteboardState

PAGING = Pagination(style="page", params=["page"])
LIST = Endpoint(method="GET", path="/pets", role="list", pagination=PAGING)
CREATE = Endpoint(method="POST", path="/animals", role="create")
STATUS = Parameter(
    name="status",
    location="query",
    required=True,
    json_schema={"type": "string", "enum": ["sold", "free"]},
)
PAGE = Parameter(name="page", location="query", required=True, json_schema={"type": "integer"})
LANGUAGE = Parameter(name="lang", location="query", required=True, json_schema={"default": "en"})


def built(*parameters: Parameter, **state: Any) -> IntegrationDefinition:
    return build_definition(
        SharedWhiteboardState(
            workflow_id="one",
            mapping_logic=MappingLogic(),
            source_api_spec=ApiSpec(api_name="pets", endpoints=[LIST]),
            dest_api_spec=ApiSpec(api_name="animals", endpoints=[CREATE]),
            **state,
        ),
        SourceShape(endpoint=LIST, record_schema={}),
        DestShape(endpoint=CREATE, request_schema={}),
        version=1,
        source_operation=OperationDetail(endpoint=LIST, parameters=list(parameters)),
        dest_operation=OperationDetail(endpoint=CREATE),
    )


def test_a_sandbox_gets_an_invented_value_and_paging_is_left_to_the_reader() -> None:
    query = built(STATUS, PAGE).source.read.query
    assert set(query) == {"status"}
    assert query["status"] in ("sold", "free")


def test_a_real_api_gets_what_was_given_or_what_the_document_names_as_default() -> None:
    given = {"status": "sold"}
    made = built(STATUS, LANGUAGE, source_auth="env:PETS_TOKEN", source_params=given)
    assert made.source.read.query == {"status": "sold", "lang": "en"}


def test_a_real_api_is_never_called_with_an_invented_value() -> None:
    with pytest.raises(
        MappingError, match="GET /pets cannot be called without status: give --source-param status=…"
    ):
        built(STATUS, source_auth="env:PETS_TOKEN")
