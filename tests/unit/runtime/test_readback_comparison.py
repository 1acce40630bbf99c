"""What counts as the same value after a destination has written it its own way."""

from __future__ import annotations

import random
from typing import Any

import pytest

from vitesse_graph.runtime.plan import Work
from vitesse_graph.runtime.readback import RECORDS, Sample, compare, fate_of
from vitesse_graph.state.definition import Call, DestSide, IntegrationDefinition, SourceSide
from vitesse_graph.state.mapping import MappingLogic, Transformation


@pytest.mark.parametrize(
    ("sent", "back"),
    [
        ("Ann", "Ann"),
        (" Ann  Lee ", "ann lee"),
        ("Ann@Example.com", "ann@example.com"),
        (12, "12"),
        ("12.50", 12.5),
        (1.0, 1),
        (True, "true"),
        ("+49 (30) 123-4567", "+49301234567"),
        ("2026-01-31T10:00:00Z", "2026-01-31T10:00:00+00:00"),
        ("2026-01-31T10:00:00Z", "2026-01-31T11:00:00.000+01:00"),
        (["a", "b"], ["B", "a", "c"]),
        ({"city": "Bonn", "zip": ""}, {"city": "BONN", "id": 4}),
    ],
)
def test_spelling_is_tolerated(sent: Any, back: Any) -> None:
    assert fate_of(sent, back) == "kept"


@pytest.mark.parametrize(
    ("sent", "back"),
    [("Ann", "Bob"), (12, 13), ("12", "120"), (["a"], ["b"]), ("a", {"a": 1}), ("true", False)],
)
def test_another_value_is_a_change(sent: Any, back: Any) -> None:
    assert fate_of(sent, back) == "changed"


@pytest.mark.parametrize("back", [None, "", "  ", [], {}])
def test_empty_is_absent(back: Any) -> None:
    assert fate_of("Ann", back) == "absent"


def definition(envelope: str = "", **changes: Any) -> IntegrationDefinition:
    prefix = f"{envelope}." if envelope else ""
    rows = [Transformation(source_field=n, dest_field=prefix + n) for n in ("email", "name", "secret")]
    call = Call(method="GET", path="/x")
    return IntegrationDefinition(
        integration_id="i",
        source=SourceSide(api_name="s", base_url="http://s", read=call),
        dest=DestSide(api_name="d", base_url="http://d", create=call, envelope=envelope, **changes),
        mapping=MappingLogic(transformations=rows),
    )


def test_the_record_is_found_wherever_it_lies_in_the_answer() -> None:
    body = {"contacts": [{"email": "a@b.c", "name": "Ann"}]}
    answer = {"data": {"type": "contact", "attributes": {"name": "ann", "email": None, "id": 1}}}
    others: set[str] = set()
    fates = compare(definition("contacts[]"), body, answer, others)
    assert fates == {"contacts[].email": "absent", "contacts[].name": "kept"}
    assert others == {"id"}


def test_some_other_record_is_not_judged() -> None:
    body = {"email": "a@b.c", "name": "Ann"}
    assert compare(definition(), body, {"email": "x@y.z", "name": "Bob"}, set()) is None
    assert compare(definition(), body, {"error": "gone"}, set()) is None
    assert compare(definition(), body, None, set()) is None


def test_what_the_document_calls_write_only_is_not_looked_for() -> None:
    body = {"email": "a@b.c", "secret": "s"}
    assert compare(definition(write_only=["secret"]), body, {"email": "a@b.c"}, set()) == {"email": "kept"}


def test_what_was_sent_empty_is_not_looked_for() -> None:
    assert compare(definition(), {"email": "a@b.c", "name": ""}, {"email": "a@b.c"}, set()) == {
        "email": "kept"
    }


def work(number: int, outcome: Any = "written") -> Work:
    made = Work(str(number), {}, 0)
    made.body, made.dest_id = {"n": number}, str(number)
    made.end(outcome)
    return made


def test_the_sample_is_small_and_drawn_from_all_that_was_written() -> None:
    sample = Sample(random.Random(4))
    for start in range(0, 1000, 100):
        sample.take([work(n) for n in range(start, start + 100)])
    numbers = [body["n"] for _, body in sample.works]
    assert len(set(numbers)) == RECORDS
    assert max(numbers) > 500


def test_only_written_records_are_sampled_each_as_it_was_written_last() -> None:
    sample = Sample()
    sample.take([work(1), work(2, "unchanged"), work(3, "quarantined")])
    again = work(1)
    again.body = {"n": "newer"}
    sample.take([again])
    assert sample.works == [("1", {"n": "newer"})]
