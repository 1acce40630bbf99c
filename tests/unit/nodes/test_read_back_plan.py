"""How the runtime may read back what it wrote is part of the definition."""

from __future__ import annotations

from typing import Any

from vitesse_graph.nodes.definition import build_definition
from vitesse_graph.state.api_spec import ApiSpec, DestShape, Endpoint, SourceShape
from vitesse_graph.state.definition import DestSide
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.state.whiteboard import SharedWhiteboardState

LIST = Endpoint(method="GET", path="/pets", role="list")
CREATE = Endpoint(method="POST", path="/animals", role="create")
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "pin": {"type": "string", "writeOnly": True},
        "owner": {"type": "object", "properties": {"secret": {"type": "string", "writeOnly": True}}},
    },
}


def dest(read: Endpoint | None, **state: Any) -> DestSide:
    return build_definition(
        SharedWhiteboardState(
            workflow_id="one",
            mapping_logic=MappingLogic(),
            source_api_spec=ApiSpec(api_name="pets", endpoints=[LIST]),
            dest_api_spec=ApiSpec(api_name="animals", endpoints=[CREATE]),
            **state,
        ),
        SourceShape(endpoint=LIST, record_schema={}),
        DestShape(endpoint=CREATE, request_schema=SCHEMA, read=read),
        version=1,
    ).dest


def test_a_record_is_read_by_the_last_parameter_of_its_path() -> None:
    made = dest(Endpoint(method="GET", path="/animals/{animal_id}", required_headers={"Version": "2"}))
    assert made.read is not None
    assert (made.read.call.path, made.read.id_param) == ("/animals/{animal_id}", "animal_id")
    assert made.read.call.headers == {"Version": "2"}


def test_what_the_document_calls_write_only_is_told_at_any_depth() -> None:
    assert dest(None).write_only == ["pin", "owner.secret"]


def test_a_read_that_wants_more_than_is_known_does_not_stop_a_deployment() -> None:
    made = dest(Endpoint(method="GET", path="/zoos/{zoo}/animals/{id}"), dest_auth="env:KEY")
    assert made.read is None
