"""Faults and drift on demand, by rate and by schedule."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from small_api import BEARER, SmallApi, customers

from vitesse_graph.errors import InputError
from vitesse_graph.guardian import AppTarget, Call
from vitesse_graph.sandbox import Sandbox, create_sandbox, parse_faults


async def ask(app: Sandbox, method: str = "GET", path: str = "/customers", body: Any = None) -> Any:
    return await AppTarget(app, BEARER).call(Call(method, path, body=body))


def sandbox(faults: str, **options: Any) -> Sandbox:
    return create_sandbox(SmallApi(customers()), records=6, faults=parse_faults(faults), **options)


async def test_a_rate_is_met_within_reason_and_is_the_same_for_the_same_seed() -> None:
    runs = []
    for _ in range(2):
        app = sandbox("500=0.2")
        runs.append([(await ask(app)).status for _ in range(300)])
    assert runs[0] == runs[1]
    assert 30 <= runs[0].count(500) <= 90


async def test_a_rate_limit_says_when_to_come_back() -> None:
    found = await ask(sandbox("429=1:7"))
    assert (found.status, found.headers["retry-after"]) == (429, "7")


async def test_a_schedule_begins_and_ends() -> None:
    app = sandbox("401=1@after=2@until=4")
    assert [(await ask(app)).status for _ in range(6)] == [200, 200, 401, 401, 200, 200]


async def test_a_fault_can_be_kept_to_some_requests() -> None:
    app = sandbox("500=1@on=POST")
    assert (await ask(app)).status == 200
    assert (await ask(app, "POST", body={"email": "a@b.example"})).status == 500


async def test_a_dropped_connection_has_no_effect_and_a_lost_answer_has() -> None:
    app = sandbox("dropped=1@until=1,lost=1@after=1@until=2")
    before = len(app.records("GET /customers"))
    body = {"email": "a@b.example"}
    assert (await ask(app, "POST", body=body)).fault == "connectivity"
    assert len(app.records("GET /customers")) == before
    assert (await ask(app, "POST", body=body)).fault == "connectivity"
    assert len(app.records("GET /customers")) == before + 1


async def test_malformed_answers_are_cut_short() -> None:
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads((await ask(sandbox("malformed=1"))).raw)


async def test_slow_answers_take_their_time() -> None:
    assert (await ask(sandbox("slow=1:0.05"))).seconds >= 0.05


async def test_a_renamed_field_moves_in_answers_and_is_demanded_in_requests() -> None:
    app = sandbox("drift=rename:email:email_address@after=1")
    assert "email" in (await ask(app)).value()["data"][0]
    record = (await ask(app)).value()["data"][0]
    assert "email_address" in record
    assert "email" not in record
    assert (await ask(app, "POST", body={"email": "a@b.example"})).status == 400
    made = await ask(app, "POST", body={"email_address": "a@b.example"})
    assert made.status == 201
    assert made.value()["email_address"] == "a@b.example"


async def test_dropped_retyped_and_grown_fields_show_in_answers() -> None:
    app = sandbox("drift=drop:status,drift=retype:balance:string,drift=enum:name:NEW")
    records = (await ask(app, path="/customers")).value()["data"]
    assert all("status" not in record for record in records)
    assert all(isinstance(record["balance"], str) for record in records if "balance" in record)


async def test_a_moved_endpoint_is_gone_at_the_old_place_and_serves_at_the_new() -> None:
    app = sandbox("drift=moved:/customers:/v2/people")
    assert (await ask(app)).status == 404
    assert (await ask(app, path="/v2/people")).status == 200


@pytest.mark.parametrize(
    "text",
    [
        "429",
        "429=2",
        "600=0.1",
        "slow=x",
        "500=0.1@sometimes=1",
        "drift=rename:a",
        "drift=retype:a:colour",
        "500=0.1@every=0",
    ],
)
def test_a_line_that_cannot_be_understood_is_named(text: str) -> None:
    with pytest.raises(InputError, match=r"fault|drift"):
        parse_faults(text)


async def test_control_routes_change_faults_while_running_and_exist_only_when_asked_for() -> None:
    app = sandbox("", control=True)
    assert (await ask(app)).status == 200
    changed = await ask(app, "POST", "/__vitesse__/faults", body={"faults": "500=1@until=1"})
    assert changed.status == 200
    assert [(await ask(app)).status for _ in range(2)] == [500, 200]
    assert (await ask(app, path="/__vitesse__/stats")).value()["requests"] == 3
    assert (await ask(app, "POST", "/__vitesse__/faults", body={"faults": "nonsense"})).status == 422
    closed = sandbox("")
    assert (await ask(closed, path="/__vitesse__/stats")).status == 404
