"""The optional language model, over real HTTP, against a local server that speaks its protocol."""

import asyncio
import json

import pytest
from aiohttp import web
from mapping_helpers import obj, pairs, row_of, string
from pydantic import SecretStr

from tests.model_server import KEY, serving
from vitesse_graph.mapping import ModelOptions, map_fields, refine_with_model, validate_rows
from vitesse_graph.nodes.proposing import embedding_model, propose_mapping
from vitesse_graph.settings import Settings

pytest.importorskip("langchain_openai", reason="the optional language model's client is not installed")

SOURCE = obj(mood="How the person feels.", email=string(format="email"), id="Unique id.", password="")
DEST = obj(
    ("sentiment",),
    sentiment="Feeling.",
    email=string(format="email"),
    id="",
    remark="",
    count={"type": "integer"},
)


def asked_of(body):
    message = json.loads(body["messages"][-1]["content"])
    dest = {f["path"]: f["n"] for f in message["asked_destination_fields"]}
    source = {f["path"]: f["n"] for f in message["source_fields"]}
    return dest, source


def picking(*wanted):
    """An answer that picks (destination, sources, confidence) by path."""

    def answer(body):
        dest, source = asked_of(body)
        picks = [
            {
                "dest": dest[d],
                "source": [source[s] for s in sources],
                "confidence": c,
                "reason": "same\nthing <b>!",
            }
            for d, sources, c in wanted
            if d in dest
        ]
        return {"picks": picks}

    return answer


@pytest.fixture
def mapping():
    found = map_fields(SOURCE, DEST)
    assert "sentiment" not in pairs(found)
    return found


async def refined(mapping, options):
    result = await refine_with_model(mapping, SOURCE, DEST, options=options, intent="sync people")
    validate_rows(result.mapping.transformations, SOURCE, DEST)
    return result


async def test_a_good_answer_fills_what_was_open(mapping):
    async with serving(picking(("sentiment", ["mood"], 0.9))) as (options, seen):
        result = await refined(mapping, options)
    row = row_of(result.mapping, "sentiment")
    assert (row.source_field, row.origin, row.confidence) == ("mood", "model", 0.72)
    assert row.reason == "language model: same thing b"
    assert result.mapping.questions == []
    assert (result.calls, result.input_tokens, result.output_tokens) == (1, 120, 30)
    assert len(seen) == 1


async def test_only_schemas_are_sent_and_the_key_only_as_a_header(mapping):
    async with serving(picking()) as (options, seen):
        result = await refined(mapping, options)
    headers, body = seen[0]
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert KEY not in json.dumps(body)
    assert KEY not in result.mapping.model_dump_json()
    assert "email" not in asked_of(body)[0]


async def test_agreement_makes_a_doubtful_row_surer(mapping):
    doubtful = mapping.evolve(transformations=[r.evolve(confidence=0.6) for r in mapping.transformations])
    async with serving(picking(("email", ["email"], 1.0))) as (options, _):
        result = await refined(doubtful, options)
    assert row_of(result.mapping, "email").confidence > 0.7
    assert result.changed == []


async def test_what_a_person_decided_is_not_asked_about(mapping):
    rows = [r.evolve(confidence=0.1, origin="person") for r in mapping.transformations]
    async with serving(picking(("email", ["mood"], 1.0))) as (options, _):
        result = await refined(mapping.evolve(transformations=rows), options)
    assert row_of(result.mapping, "email").source_field == "email"


HOSTILE = [
    (
        "numbers that were never listed",
        lambda body: {
            "picks": [
                {"dest": 999, "source": [0], "confidence": 1},
                {"dest": 0, "source": [-1, 4000], "confidence": 1},
            ]
        },
    ),
    ("a secret into an open field", picking(("remark", ["password"], 1.0))),
    ("an id into an id", picking(("id", ["id"], 1.0))),
    ("a text into a number of things it cannot be", picking(("count", ["email", "mood"], 1.0))),
    (
        "other fields than asked for",
        lambda body: {"picks": [], "base_url": "http://evil.example", "target": "eks"},
    ),
]


@pytest.mark.parametrize(("name", "answer"), HOSTILE, ids=[h[0] for h in HOSTILE])
async def test_a_hostile_answer_changes_nothing(name, answer, mapping):
    async with serving(answer) as (options, _):
        result = await refined(mapping, options)
    assert result.mapping.transformations == mapping.transformations


USELESS = [
    ("no JSON", "{not json"),
    ("another shape", {"rows": 1}),
    ("a refusal", web.Response(status=403, text="no")),
    ("an error page", web.Response(status=200, text="<html>busy</html>", content_type="text/html")),
    ("confidence beyond one", {"picks": [{"dest": 0, "source": [0], "confidence": 7}]}),
]


@pytest.mark.parametrize(("name", "answer"), USELESS, ids=[u[0] for u in USELESS])
async def test_a_useless_answer_falls_back_and_is_noted(name, answer, mapping):
    async with serving(lambda body: answer) as (options, _):
        result = await refined(mapping, options)
    assert result.mapping.transformations == mapping.transformations
    assert "mapped without it" in result.mapping.notes[-1]
    assert KEY not in result.note


async def test_a_slow_answer_is_not_waited_for(mapping):
    async def late(body):
        await asyncio.sleep(2)

    async with serving(lambda body: late(body)) as (options, _):
        quick = ModelOptions(options.model, options.api_key, options.base_url, 0.5)
        result = await refined(mapping, quick)
    assert "TimeoutError" in result.note or "Timeout" in result.note
    assert result.seconds < 1.9
    assert result.mapping.transformations == mapping.transformations


async def test_nobody_there_is_noted_too(mapping):
    options = ModelOptions("m", SecretStr(KEY), "http://127.0.0.1:9/v1", 3.0)
    result = await refined(mapping, options)
    assert "mapped without it" in result.note


async def test_where_nothing_is_uncertain_nothing_is_asked():
    both = obj(email=string(format="email"))
    mapping = map_fields(both, both)
    sure = mapping.evolve(transformations=[r.evolve(confidence=0.99) for r in mapping.transformations])
    options = ModelOptions("m", SecretStr(KEY), "http://127.0.0.1:9/v1", 3.0)
    result = await refine_with_model(sure, both, both, options=options)
    assert (result.calls, result.mapping) == (0, sure)


async def test_the_settings_say_whether_a_model_is_asked(monkeypatch):
    async with serving(picking(("sentiment", ["mood"], 0.9))) as (options, seen):
        monkeypatch.setenv("OPENAI_BASE_URL", options.base_url)
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        without = await propose_mapping(Settings(), SOURCE, DEST, intent="sync people")
        assert (without.calls, seen) == (0, [])
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        result = await propose_mapping(Settings(), SOURCE, DEST, intent="sync people")
    assert len(seen) == 1
    assert pairs(result.mapping)["sentiment"] == "mood"


def test_without_a_configured_model_nothing_is_embedded(monkeypatch):
    monkeypatch.delenv("VITESSE_EMBEDDING_MODEL_PATH", raising=False)
    assert embedding_model(Settings()) is None
