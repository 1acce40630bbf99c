"""One approval, four doors: whatever a person sends becomes one decision, or is refused."""

from __future__ import annotations

import json

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from vitesse_graph.state.review import DECISIONS, GATES, GateName, MapDecision, ReviewDecision

ROWS = [{"source_field": "a", "dest_field": "b", "transform_type": "mapping"}]

APPROVALS = [
    "approve",
    " Approved ",
    "yes",
    True,
    {"type": "approve"},
    '{"type": "approve"}',
    {"decisions": [{"type": "approve"}]},
    [{"type": "accept", "args": None}],
    {"type": "accept", "args": {"action": "review_map", "args": {}}},
]
EDITS = [
    {"type": "edit", "edited": {"transformations": ROWS}},
    {
        "decisions": [
            {"type": "edit", "edited_action": {"name": "review_map", "args": {"transformations": ROWS}}}
        ]
    },
    [{"type": "edit", "args": {"action": "review_map", "args": {"transformations": ROWS}}}],
    # Agent Inbox turns every argument into a string
    [{"type": "edit", "args": {"action": "review_map", "args": {"transformations": json.dumps(ROWS)}}}],
]
REJECTIONS = ["reject", False, {"decisions": [{"type": "reject"}]}, [{"type": "ignore", "args": None}]]
RUBBISH = [
    "maybe",
    "",
    None,
    17,
    [],
    {},
    {"type": "launch"},
    {"decisions": []},
    {"decisions": [{"type": "approve"}, {"type": "approve"}]},
    [{"type": "accept"}, {"type": "accept"}],
    {"type": "edit"},
    {"type": "edit", "edited": {"transformations": [{"source_field": "a"}]}},
    {"type": "edit", "edited": {"rows": []}},
    {"type": "approve", "parameters": {"test_sample_size": 0}},
    {"type": "approve", "unknown": 1},
]


@pytest.mark.parametrize("answer", APPROVALS)
def test_an_approval_is_the_same_decision_through_every_door(answer: object) -> None:
    assert MapDecision.model_validate(answer).digest() == MapDecision(type="approve").digest()


@pytest.mark.parametrize("answer", EDITS)
def test_an_edit_is_the_same_decision_through_every_door(answer: object) -> None:
    decision = MapDecision.model_validate(answer)
    assert decision.type == "edit"
    assert decision.edited is not None
    assert [row.dest_field for row in decision.edited.transformations] == ["b"]
    assert decision.digest() == MapDecision.model_validate(EDITS[0]).digest()


@pytest.mark.parametrize("answer", REJECTIONS)
def test_a_rejection_is_the_same_decision_through_every_door(answer: object) -> None:
    assert MapDecision.model_validate(answer).type == "reject"


@pytest.mark.parametrize("answer", RUBBISH)
def test_rubbish_is_refused(answer: object) -> None:
    with pytest.raises(ValidationError):
        MapDecision.model_validate(answer)


def test_a_comment_by_message_asks_for_another_try() -> None:
    decision = MapDecision.model_validate([{"type": "response", "args": "use the work phone"}])
    assert (decision.type, decision.comment) == ("retry", "use the work phone")


def test_who_answered_does_not_change_what_was_answered() -> None:
    one = MapDecision.model_validate({"type": "approve", "by": "ada", "interrupt_id": "x"})
    other = MapDecision.model_validate({"type": "approve", "by": "bob"})
    assert one.digest() == other.digest()


@pytest.mark.parametrize("gate", GATES)
def test_every_gate_has_its_own_decision(gate: str) -> None:
    model = DECISIONS[gate]  # type: ignore[index]
    assert issubclass(model, ReviewDecision)
    assert model is not ReviewDecision
    assert model.model_validate("approve").type == "approve"
    assert "properties" in model.model_json_schema()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    )
)
def test_nothing_but_a_decision_or_a_refusal_comes_of_any_answer(answer: object) -> None:
    try:
        decision = MapDecision.model_validate(answer)
    except ValidationError:
        return
    assert decision.type in ("approve", "edit", "retry", "reject")


@pytest.mark.parametrize("gate", GATES)
def test_the_schema_of_an_answer_stands_alone_and_is_the_callers_own(gate: GateName) -> None:
    """LangGraph asks for it at every interrupt, so it is made once; who changes a copy changes no other."""
    first = TypeAdapter(DECISIONS[gate]).json_schema()
    assert "$ref" not in json.dumps(first)
    answers = jsonschema_rs.Draft202012Validator(first)
    assert answers.is_valid({"type": "approve", "comment": "fine", "parameters": None})
    assert not answers.is_valid({"type": "perhaps"})
    assert not answers.is_valid({"type": "retry", "parameters": {"no_such_parameter": 1}})
    first["properties"].clear()
    assert "edited" in TypeAdapter(DECISIONS[gate]).json_schema()["properties"]
