"""The table of steps: what may be called when, and what calling it again takes out."""

from __future__ import annotations

import pytest

from vitesse_graph.api.steps import OF_GATE, OF_NODE, STEPS, ensure_callable, next_call, rewound
from vitesse_graph.errors import ConflictError
from vitesse_graph.state.health import HealingEpisode
from vitesse_graph.state.mapping import MappingLogic, Transformation
from vitesse_graph.state.review import GATES
from vitesse_graph.state.testing import TestResults
from vitesse_graph.state.whiteboard import STEPS as NODES
from vitesse_graph.state.whiteboard import SharedWhiteboardState

PASSED = TestResults(health_score=90, passed=True)


def _state(**said: object) -> SharedWhiteboardState:
    return SharedWhiteboardState.model_validate(said)


def test_every_gate_is_answered_by_a_step_and_every_node_can_be_tried_again() -> None:
    assert set(OF_GATE) == set(GATES)
    assert set(OF_NODE) == set(NODES)


@pytest.mark.parametrize(
    ("gate", "callable_steps"),
    [
        ("review_discovery", ["ingest"]),
        ("review_ingest", ["ingest", "map"]),
        ("review_map", ["ingest", "map", "test"]),
        ("review_guardian", ["ingest", "map", "test", "deploy"]),
    ],
)
def test_a_step_may_be_called_once_its_gate_was_reached(gate: str, callable_steps: list[str]) -> None:
    state = _state(test_results=PASSED.dump())
    for name, step in STEPS.items():
        if name in callable_steps:
            ensure_callable(step, state, gate, is_unfinished=True)
        else:
            with pytest.raises(ConflictError, match="comes later"):
                ensure_callable(step, state, gate, is_unfinished=True)


def test_what_has_not_passed_cannot_be_deployed() -> None:
    state = _state(test_results={"health_score": 40, "passed": False}, health_score=40)
    with pytest.raises(ConflictError, match="health 40"):
        ensure_callable(STEPS["deploy"], state, "review_guardian", is_unfinished=True)
    assert next_call(state, "review_guardian", is_unfinished=True) == "map"


@pytest.mark.parametrize(
    ("said", "call"),
    [
        ({"status": "active"}, "sync"),
        ({"status": "failed", "next_step": "guardian"}, "test"),
        ({"status": "failed", "next_step": "discovery"}, "resume"),
        ({"status": "mapping", "next_step": "map"}, "resume"),
    ],
)
def test_what_comes_next_where_no_gate_waits(said: dict[str, str], call: str) -> None:
    assert next_call(_state(**said), None, is_unfinished=said["status"] == "mapping") == call


def test_going_back_keeps_a_persons_rows_and_takes_out_what_was_found() -> None:
    rows = [
        Transformation(source_field="a", dest_field="a"),
        Transformation(source_field="b", dest_field="b", origin="person"),
    ]
    state = _state(
        mapping_logic=MappingLogic(transformations=rows, version=4).dump(),
        test_results=PASSED.dump(),
        health_score=90.0,
        status="active",
        deployment={"target": "process", "workload_id": "w", "service_url": "http://x"},
        healing=HealingEpisode().dump(),
    )
    update = rewound(STEPS["map"], state, "ada")
    assert [row["dest_field"] for row in update["mapping_logic"]["transformations"]] == ["b"]
    assert update["mapping_logic"]["version"] == 4
    assert (update["test_results"], update["health_score"], update["status"]) == (None, None, "mapping")
    assert "deployment" not in update
    assert "source_api_spec" not in update
    assert update["healing"]["outcome"] == "needs_person"
    assert rewound(STEPS["ingest"], state, "ada")["source_api_spec"] is None
    assert "test_results" not in rewound(STEPS["deploy"], state, "ada")
