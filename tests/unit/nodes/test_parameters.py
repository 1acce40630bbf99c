"""What a call needs besides the record: asked for, put where the document says, never invented for real."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from vitesse_graph.errors import MappingError
from vitesse_graph.nodes.definition import build_definition
from vitesse_graph.nodes.ingest import for_whiteboard
from vitesse_graph.nodes.parameters import as_question, missing_params, required_beside
from vitesse_graph.nodes.proposals import build_proposal
from vitesse_graph.specs import SpecDocument
from vitesse_graph.state.definition import IntegrationDefinition
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.state.request import IntegrationRequest
from vitesse_graph.state.whiteboard import SharedWhiteboardState

DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Tracker", "version": "1"},
    "servers": [{"url": "https://tracker.example.com"}],
    "paths": {
        "/repos/{owner}/{repo}/issues": {
            "post": {
                "parameters": [
                    *(
                        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                        for name in ("owner", "repo")
                    ),
                    {"name": "X-Tenant", "in": "header", "required": True, "schema": {"type": "string"}},
                    {"name": "mode", "in": "query", "required": True, "schema": {"type": "string"}},
                    {
                        "name": "lang",
                        "in": "query",
                        "required": True,
                        "schema": {"type": "string", "default": "en"},
                    },
                ],
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {"type": "object", "properties": {"title": {"type": "string"}}}
                        }
                    }
                },
                "responses": {"201": {"description": "made"}},
            }
        },
        "/tasks": {
            "get": {
                "responses": {
                    "200": {
                        "description": "all",
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "array",
                                    "items": {"type": "object", "properties": {"name": {"type": "string"}}},
                                }
                            }
                        },
                    }
                }
            }
        },
    },
}
KEY = "POST /repos/{owner}/{repo}/issues"
GIVEN = {"owner": "acme", "repo": "shop", "mode": "fast", "x-tenant": "t1"}
TRACKER = SpecDocument(DOCUMENT, spec_format="openapi-3.0.3")


def state(**given: object) -> SharedWhiteboardState:
    return SharedWhiteboardState(
        workflow_id="one",
        mapping_logic=MappingLogic(),
        source_api_spec=for_whiteboard(TRACKER, "source", "GET /tasks", []),
        dest_api_spec=for_whiteboard(TRACKER, "dest", KEY, []),
        **given,
    )


def built(**given: object) -> IntegrationDefinition:
    return build_definition(
        state(**given),
        TRACKER.source_shape("GET /tasks"),
        TRACKER.dest_shape(KEY),
        version=1,
        source_operation=TRACKER.operation("GET /tasks"),
        dest_operation=TRACKER.operation(KEY),
    )


def test_each_value_goes_where_the_document_puts_its_parameter() -> None:
    create = built(dest_auth="env:TOKEN", dest_params=GIVEN).dest.create
    assert create.path_params == {"owner": "acme", "repo": "shop"}
    assert create.query == {"mode": "fast", "lang": "en"}
    assert create.headers == {"X-Tenant": "t1"}


def test_a_filter_that_is_not_required_goes_along() -> None:
    read = built(source_params={"project": "p1"}).source.read
    assert read.query == {"project": "p1"}


@pytest.mark.parametrize("missing", sorted(GIVEN))
def test_a_real_api_is_never_called_without_one(missing: str) -> None:
    given = {name: value for name, value in GIVEN.items() if name != missing}
    with pytest.raises(MappingError, match=rf"(?i)without {missing}: give --dest-param {missing}=…"):
        built(dest_auth="env:TOKEN", dest_params=given)


def test_a_sandbox_gets_values_and_the_person_a_question() -> None:
    create = built().dest.create
    assert create.path_params == {"owner": "1", "repo": "1"}
    assert create.query["mode"]
    assert create.headers["X-Tenant"]
    assert missing_params(state(), "dest") == ["owner", "repo", "mode", "X-Tenant"]
    assert missing_params(state(dest_params=GIVEN), "dest") == []
    assert "which owner and repo and mode and X-Tenant?" in as_question(state(), "dest")
    assert as_question(state(dest_params={**GIVEN, "repo": ""}), "dest").startswith("which repo?")


def test_the_gate_asks_first_and_shows_where_the_answer_goes() -> None:
    payload = build_proposal("review_ingest", state(dest_params={"owner": "acme"}))
    points = payload["summary"].split("writes `" + KEY)[1]
    assert points.index("which repo") < points.index("auth:")
    args = payload["action_requests"][0]["args"]
    assert args["dest_params"] == {"owner": "acme", "repo": "", "mode": "", "X-Tenant": ""}


def test_paging_is_the_readers_own() -> None:
    shape = TRACKER.source_shape("GET /tasks")
    assert required_beside(shape, TRACKER.operation("GET /tasks")) == []


def test_values_are_numbers_or_printable_text() -> None:
    assert IntegrationRequest(dest_params={"id": 5, "on": True}).dest_params == {"id": "5", "on": "true"}
    for wrong in ({"a": "x\r\ny"}, {"a": {"b": 1}}, {"a": "x" * 1_001}, ["a"]):
        with pytest.raises(ValidationError, match=r"parameters are|must be"):
            IntegrationRequest(dest_params=wrong)
