"""The optional language model reads error bodies, over real HTTP; what it concludes must agree with a probe."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from tests.model_server import KEY, serving
from vitesse_graph.healing import Conclusion, Probe, Reading, diagnose, names_seen, read_with_model
from vitesse_graph.healing.reading import redact
from vitesse_graph.language_model import Cost, ModelOptions
from vitesse_graph.nodes.evidence import Evidence
from vitesse_graph.nodes.reading import notes_in, told_of
from vitesse_graph.state.health import HealthReport

pytest.importorskip("langchain_openai", reason="the optional language model's client is not installed")

ERRORS = ["HTTP 422 ('email' is no field of a contact any more, use 'email_address')"]
RENAMED = {
    "cause": "dest_schema_changed",
    "side": "dest",
    "old_field": "email",
    "new_field": "email_address",
    "reason": "the message names the new field",
}


async def read(
    answer: Any, errors: list[str] = ERRORS, notes: tuple[str, ...] = ()
) -> tuple[Reading, list[Any]]:
    async with serving(answer) as (options, seen):
        return await read_with_model(errors, notes, options=options), seen


async def test_a_conclusion_is_read_and_its_cost_recorded() -> None:
    found, seen = await read(lambda body: RENAMED)
    assert found.conclusion == Conclusion.model_validate(RENAMED)
    assert (found.cost.calls, found.cost.input_tokens, found.cost.output_tokens) == (1, 120, 30)
    assert KEY not in json.dumps(seen[0][1])


async def test_only_redacted_texts_are_sent_as_data() -> None:
    secret = "'ann.lee@example.com' is taken, token=sk_live_0123456789abcdef, call +49 30 1234567, 'Ann Lee'"
    _, seen = await read(lambda body: RENAMED, [*ERRORS, secret])
    sent = json.dumps(seen[0][1])
    for word in ("ann.lee", "sk_live", "1234567", "Ann Lee"):
        assert word not in sent
    assert json.loads(seen[0][1]["messages"][-1]["content"])["errors"][0].count("email_address") == 1


async def test_without_texts_nobody_is_asked() -> None:
    found, seen = await read(lambda body: RENAMED, [])
    assert (found.conclusion, found.cost.calls, seen) == (None, 0, [])


@pytest.mark.parametrize(
    "answer",
    [
        lambda body: {"cause": "drop all tables", "side": "dest"},
        lambda body: {"cause": "outage"},
        lambda body: "no JSON at all",
        lambda body: web.Response(status=500),
        lambda body: web.Response(text="<html>"),
    ],
    ids=["a cause of its own", "no side", "no JSON", "an error", "a page"],
)
async def test_a_useless_or_hostile_answer_is_noted_and_changes_nothing(answer: Any) -> None:
    found, _ = await read(answer)
    assert found.conclusion is None
    assert "of no help" in found.note
    report = HealthReport(error_samples=ERRORS, success_rate=0.0)
    assert diagnose(report) == diagnose(report, conclusion=found.conclusion)


async def test_a_model_that_is_away_is_noted() -> None:
    options = ModelOptions("m", SecretStr(KEY), "http://127.0.0.1:9/v1", 2.0)
    found = await read_with_model(ERRORS, [], options=options)
    assert (found.conclusion, "of no help" in found.note) == (None, True)
    assert KEY not in found.note


def refused(status: int, side: Any = "source") -> Probe:
    return Probe(side=side, kind="read", target="GET https://a.example/x", status=status)


def test_it_counts_where_a_probe_saw_the_same() -> None:
    report, probes = HealthReport(), [refused(403)]
    alone = diagnose(report, probes=probes)
    same = Conclusion(cause="permission_lost", side="source", reason="scope missing")
    both = diagnose(report, probes=probes, conclusion=same)
    assert both.confidence > alone.confidence
    assert "the language model reads the same: permission_lost (source): scope missing" in both.evidence


@pytest.mark.parametrize(
    "other",
    [
        Conclusion(cause="permission_lost", side="dest"),
        Conclusion(cause="dest_schema_changed", side="dest"),
        Conclusion(cause="unknown", side="source"),
    ],
)
def test_without_a_probe_that_agrees_it_does_not_count(other: Conclusion) -> None:
    report, probes = HealthReport(error_samples=ERRORS), [refused(403)]
    assert diagnose(report, probes=probes) == diagnose(report, probes=probes, conclusion=other)


def test_errors_alone_are_no_probe() -> None:
    """Otherwise a stranger's error text would confirm itself."""
    report = HealthReport(error_distribution={"http_422": 40}, error_samples=ERRORS, success_rate=0.0)
    read_same = Conclusion.model_validate(RENAMED)
    assert diagnose(report) == diagnose(report, conclusion=read_same)


def test_a_rename_that_it_read_is_looked_for_in_what_probes_saw() -> None:
    read_so = Conclusion.model_validate(RENAMED)
    shown = Probe(side="dest", kind="reach", target="GET https://a.example/x", names=["id", "email_address"])
    assert names_seen(read_so, [shown]) == "records seen there have email_address and no email"
    elsewhere = shown.evolve(side="source")
    assert names_seen(read_so, [elsewhere]) == ""
    lines, cost = told_of(
        Reading(conclusion=read_so, cost=Cost(calls=1, input_tokens=7)),
        diagnose(HealthReport()),
        Evidence(probes=[shown]),
    )
    assert lines == [
        "a language model reads dest_schema_changed (dest), email is email_address now: the message names the "
        "new field; no probe agrees, so it does not count",
        "records seen there have email_address and no email",
    ]
    assert (cost["calls"], cost["input_tokens"]) == (1, 7)


def test_only_sentences_about_changes_are_taken_from_a_page() -> None:
    page = "<h1>Welcome</h1><script>renamed()</script><p>Buy now.</p><li>email was renamed to email_address.</li>"
    assert notes_in(page) == "email was renamed to email_address."


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("'email_address' is required", "'email_address' is required"),
        ('"Ann Lee" is too long', "'…' is too long"),
        ("see https://a.example/x?token=1234567", "see https://a.example/x"),
        ("Authorization: Bearer abcdef123456", "Authorization: Bearer <secret>"),
        ("contact 0011223344556677889900 is gone", "contact <id> is gone"),
    ],
)
def test_values_are_taken_out_and_names_stay(text: str, left: str) -> None:
    assert redact(text) == left
