"""Learned patterns: names and transforms only, weighed by outcome, forgotten when wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vitesse_graph.knowledge import KnowledgeDBManager, PatternMemory
from vitesse_graph.knowledge.learned import as_transformation, patterns_of, weigh
from vitesse_graph.knowledge.plain import PlainKnowledge
from vitesse_graph.state.mapping import MappingLogic, Transformation

PAIR = {"source_api": "Stripe", "dest_api": "Xero"}
SOURCE = ["id", "email", "name", "balance"]
DEST = ["Contacts[].EmailAddress", "Contacts[].Name", "Contacts[].ContactStatus"]


def mapping(*rows: Transformation) -> MappingLogic:
    return MappingLogic(transformations=list(rows))


EMAIL = Transformation(
    source_field="email",
    dest_field="Contacts[].EmailAddress",
    transform_type="custom",
    transform_config={"function": "lower"},
)
WRONG = Transformation(source_field="id", dest_field="Contacts[].Name")


@pytest.fixture
def memory(tmp_path: Path) -> PatternMemory:
    return PatternMemory(KnowledgeDBManager(lambda: (PlainKnowledge(tmp_path), "words")))


def test_success_raises_the_weight_and_failure_counts_double() -> None:
    assert weigh(1, 0) > 0.5 > weigh(0, 1)
    assert weigh(1, 1) < 0.5
    assert weigh(9, 0) > 0.9


def test_constants_tables_and_defaults_are_left_behind() -> None:
    rows = mapping(
        Transformation(
            source_field=[],
            dest_field="a",
            transform_type="custom",
            transform_config={"function": "constant", "params": {"value": "ACME Ltd secret"}},
        ),
        Transformation(
            source_field="s",
            dest_field="b",
            transform_type="mapping",
            transform_config={"table": {"Jane Roe": "x"}, "default": "Jane Roe"},
        ),
        Transformation(
            source_field="e",
            dest_field="c",
            transform_type="custom",
            transform_config={"expression": "'Jane Roe'"},
        ),
    )
    patterns = patterns_of(rows, **PAIR)
    assert [p.dest_field for p in patterns] == ["b", "c"]
    text = json.dumps([p.dump() for p in patterns])
    assert "Jane" not in text
    assert "ACME" not in text
    assert not any(p.is_complete for p in patterns)
    assert as_transformation(patterns[0]) is None


async def test_the_second_integration_of_a_pair_is_offered_what_worked(memory: PatternMemory) -> None:
    assert await memory.find_relevant_patterns(SOURCE, DEST, **PAIR) == []
    await memory.learn(mapping(EMAIL), **PAIR)
    (offered,) = await memory.find_relevant_patterns(SOURCE, DEST, **PAIR)
    row = as_transformation(offered)
    assert row is not None
    assert (row.source_field, row.dest_field, row.origin) == ("email", "Contacts[].EmailAddress", "pattern")
    assert row.transform_config == {"function": "lower"}
    assert "1 of 1" in row.reason


async def test_another_pair_with_the_same_names_is_offered_it_with_less_trust(memory: PatternMemory) -> None:
    for _ in range(5):
        await memory.learn(mapping(EMAIL), **PAIR)
    (same,) = await memory.find_relevant_patterns(SOURCE, DEST, **PAIR)
    (other,) = await memory.find_relevant_patterns(
        ["email"], ["Contacts[].EmailAddress"], source_api="Square", dest_api="Xero"
    )
    assert other.weight <= 0.8 < same.weight


async def test_a_pattern_whose_fields_are_not_there_is_not_offered(memory: PatternMemory) -> None:
    await memory.learn(mapping(EMAIL), **PAIR)
    assert await memory.find_relevant_patterns(["phone"], DEST, **PAIR) == []


async def test_a_wrong_pattern_is_no_longer_offered_after_one_failure_and_forgotten_after_more(
    memory: PatternMemory,
) -> None:
    await memory.learn(mapping(WRONG, EMAIL), **PAIR)
    await memory.learn(mapping(WRONG), "failure", **PAIR)
    assert [p.dest_field for p in await memory.find_relevant_patterns(SOURCE, DEST, **PAIR)] == [
        "Contacts[].EmailAddress"
    ]
    held = await memory.learn(mapping(WRONG), "failure", **PAIR)
    assert held == 0


async def test_patterns_outlive_the_process(tmp_path: Path) -> None:
    first = KnowledgeDBManager(lambda: (PlainKnowledge(tmp_path), "words"))
    await PatternMemory(first).learn(mapping(EMAIL), **PAIR)
    await first.aclose()
    second = KnowledgeDBManager(lambda: (PlainKnowledge(tmp_path), "words"))
    assert await PatternMemory(second).find_relevant_patterns(SOURCE, DEST, **PAIR)
