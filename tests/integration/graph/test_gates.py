"""People approve between the steps: through any door, in any process, once."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import Command

from vitesse_graph.api.service import IntegrationService
from vitesse_graph.errors import ConflictError, DecisionError, InputError, NotFoundError
from vitesse_graph.nodes.running import IntegrationGraph
from vitesse_graph.settings import Settings
from vitesse_graph.state.context import VitesseContext

ONLY_BEFORE_DEPLOY = VitesseContext(approvals="before_deploy")  # type: ignore[call-arg]
ASK_NOBODY = VitesseContext(approvals="none")  # type: ignore[call-arg]
GOLDEN = Path(__file__).parent.parent.parent / "golden" / "specs"
GATES = ["review_discovery", "review_ingest", "review_map", "review_guardian"]


async def test_every_step_waits_for_a_person_and_the_last_approval_deploys(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str
) -> None:
    outcome = await service.start(request_body, integration_id=thread_id)
    seen, statuses = [], []
    while outcome.waiting is not None:
        seen.append(outcome.waiting.gate)
        statuses.append(outcome.status)
        proposal = outcome.waiting.proposal
        assert proposal["action_requests"][0]["name"] == outcome.waiting.gate
        assert proposal["review_configs"][0]["action_name"] == outcome.waiting.gate
        assert proposal["summary"]
        assert outcome.waiting.response_schema is not None
        outcome = await service.answer(thread_id, {"type": "approve", "by": "ada"})
    assert seen == GATES
    assert statuses == ["discovering", "mapping", "testing", "deploying"]
    assert outcome.status == "active"
    assert [review.by for review in outcome.state.reviews] == ["ada"] * 4


async def test_rubbish_is_refused_and_the_gate_stays_answerable(
    service: IntegrationService, graph: IntegrationGraph, request_body: dict[str, Any], thread_id: str
) -> None:
    await service.start(request_body, integration_id=thread_id)
    for rubbish in ("perhaps", 17, {"decisions": []}, {"type": "edit"}, None):
        with pytest.raises(DecisionError, match="the gate still waits"):
            await service.answer(thread_id, rubbish)
    with pytest.raises(DecisionError, match="answer approve"):
        await graph.ainvoke(Command(resume="perhaps"), service.config(thread_id))
    assert (await service.look(thread_id)).waiting is not None
    outcome = await service.answer(thread_id, [{"type": "accept", "args": None}])
    assert outcome.waiting is not None
    assert outcome.waiting.gate == "review_ingest"


async def test_the_same_answer_twice_changes_nothing_and_a_different_one_is_refused(
    service: IntegrationService, graph: IntegrationGraph, request_body: dict[str, Any], thread_id: str
) -> None:
    await service.start(request_body, integration_id=thread_id)
    answer = {"type": "approve", "gate": "review_discovery"}
    first = await service.answer(thread_id, answer)
    again = await service.answer(thread_id, answer)
    assert again.waiting == first.waiting
    # also when it arrives raw at the next gate
    await graph.ainvoke(Command(resume=answer), service.config(thread_id))
    assert (await service.look(thread_id)).waiting.gate == "review_ingest"  # type: ignore[union-attr]
    with pytest.raises(ConflictError, match="already answered"):
        await service.answer(thread_id, {"type": "reject", "gate": "review_discovery"})


async def test_of_two_answers_at_once_one_wins_and_the_other_is_told(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str
) -> None:
    await service.start(request_body, integration_id=thread_id)
    answers = await asyncio.gather(
        service.answer(thread_id, "approve"), service.answer(thread_id, "reject"), return_exceptions=True
    )
    refused = [a for a in answers if isinstance(a, ConflictError)]
    assert len(refused) == 1
    assert "busy" in str(refused[0]) or "answered" in str(refused[0])


async def test_who_may_not_deploy_cannot_answer_the_last_gate_however_late_the_answer_runs(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str
) -> None:
    """A LangGraph server may run an answer long after it was accepted, when another gate waits."""
    operator = VitesseContext(approvals="before_deploy", may_deploy=False)  # type: ignore[call-arg]
    outcome = await service.start(request_body, integration_id=thread_id, context=operator)
    assert outcome.waiting is not None
    for answer in ("approve", "retry", "reject"):
        with pytest.raises(DecisionError, match="takes the role approver"):
            await service.answer(thread_id, answer, context=operator)
    after = await service.look(thread_id)
    assert after.waiting is not None
    assert after.waiting.gate == "review_guardian"
    assert after.state.deployment is None


async def test_another_process_answers_later(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str, settings: Settings
) -> None:
    await service.start(request_body, integration_id=thread_id)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "vitesse_graph.cli.main", "review", thread_id, "--decision", "approve", "--json"),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert json.loads(out)["waiting"]["gate"] == "review_ingest"
    assert (await service.look(thread_id)).waiting.gate == "review_ingest"  # type: ignore[union-attr]


async def test_two_runs_on_one_thread_never_interleave(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str
) -> None:
    outcomes = await asyncio.gather(
        service.start(request_body, integration_id=thread_id),
        service.start(request_body, integration_id=thread_id),
        return_exceptions=True,
    )
    assert sum(isinstance(o, ConflictError) for o in outcomes) == 1
    log = (await service.look(thread_id)).state.execution_log
    assert [entry.step for entry in log] == ["discovery"]


async def test_edited_rows_are_what_is_tested_and_deployed(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str
) -> None:
    await service.start(request_body, integration_id=thread_id)
    await service.answer(thread_id, "approve")
    outcome = await service.answer(thread_id, "approve")
    rows = [r for r in outcome.values["mapping_logic"]["transformations"] if r["dest_field"] != "last_name"]
    bad = [*rows, {"source_field": "email", "dest_field": "x", "transform_type": "custom"}]
    with pytest.raises(DecisionError, match="still waits"):
        await service.answer(thread_id, {"type": "edit", "edited": {"transformations": bad}})
    outcome = await service.answer(thread_id, {"type": "edit", "edited": {"transformations": rows}})
    assert outcome.waiting is not None
    assert outcome.waiting.gate == "review_guardian"
    mapped = {row.dest_field for row in outcome.state.mapping_logic.transformations}  # type: ignore[union-attr]
    assert "last_name" not in mapped


async def test_a_rejected_integration_fails_visibly_and_can_be_taken_up_again(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str
) -> None:
    await service.start(request_body, integration_id=thread_id)
    outcome = await service.answer(thread_id, {"type": "reject", "comment": "wrong shop"})
    assert (outcome.status, outcome.error) == ("failed", "a person rejected the proposal: wrong shop")
    outcome = await service.resume(thread_id, context=ONLY_BEFORE_DEPLOY)
    assert outcome.waiting is not None
    assert outcome.waiting.gate == "review_guardian"


async def test_what_cannot_be_read_fails_in_one_line_and_goes_on_with_better_input(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str, tmp_path: Any
) -> None:
    page = tmp_path / "page.json"
    page.write_text("<html><body>login</body></html>")
    nothing_to_list = GOLDEN / "crm.json"
    bad = (str(page), str(tmp_path / "nothing.json"), "http://127.0.0.1:1/openapi.json", str(nothing_to_list))
    for source in bad:
        outcome = await service.start(
            {**request_body, "source": source}, integration_id=thread_id, context=ONLY_BEFORE_DEPLOY
        )
        assert outcome.status == "failed"
        assert outcome.error
        assert "\n" not in outcome.error
    outcome = await service.resume(
        thread_id, better={"source": request_body["source"]}, context=ONLY_BEFORE_DEPLOY
    )
    assert outcome.waiting is not None
    assert outcome.waiting.gate == "review_guardian"


async def test_an_intent_that_fits_nothing_says_what_to_give(
    service: IntegrationService, thread_id: str
) -> None:
    outcome = await service.start({"user_intent": "make me a sandwich"}, integration_id=thread_id)
    assert outcome.status == "failed"
    assert outcome.error is not None
    assert "specification" in outcome.error


async def test_a_secret_in_place_of_a_reference_is_refused_before_it_is_stored(
    service: IntegrationService, graph: IntegrationGraph, thread_id: str
) -> None:
    with pytest.raises(InputError, match="never hold one") as refused:
        await service.start({"user_intent": "x", "source_auth": "sk_live_hunter2"}, integration_id=thread_id)
    assert "hunter2" not in str(refused.value)
    with pytest.raises(NotFoundError):
        await service.look(thread_id)


async def test_a_field_spoilt_by_hand_is_named_and_mended_by_another_edit(
    service: IntegrationService, graph: IntegrationGraph, request_body: dict[str, Any], thread_id: str
) -> None:
    await service.start(request_body, integration_id=thread_id)
    await service.answer(thread_id, "approve")
    config = service.config(thread_id)
    await graph.aupdate_state(config, {"health_score": "quite good"}, as_node="ingest")
    with pytest.raises(InputError, match="health_score"):
        await graph.ainvoke(None, config)
    await graph.aupdate_state(config, {"health_score": None}, as_node="ingest")
    await graph.ainvoke(None, config)
    assert (await service.look(thread_id)).waiting.gate == "review_ingest"  # type: ignore[union-attr]


async def test_a_whole_thread_stays_small_and_holds_no_secret(
    service: IntegrationService,
    graph: IntegrationGraph,
    request_body: dict[str, Any],
    thread_id: str,
    stands: Any,
) -> None:
    outcome = await service.start(request_body, integration_id=thread_id)
    while outcome.waiting is not None:
        outcome = await service.answer(thread_id, "approve")
    assert graph.services is not None
    total = 0
    async with graph.services.pool.connection() as connection:
        for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
            rows = await (
                await connection.execute(
                    f"SELECT {table}::text AS t FROM {table} WHERE thread_id = %s", (thread_id,)
                )  # type: ignore[arg-type]
            ).fetchall()
            for row in rows:
                total += len(row["t"]) // 2  # bytea is shown as hexadecimal
                for secret in (stands.shopify_token, stands.credo_api_key):
                    assert secret not in row["t"]
                    assert secret.encode().hex() not in row["t"]
    assert total < 256 * 1024


async def test_an_edited_row_for_a_field_that_does_not_exist_is_refused_and_a_dropped_one_stays_dropped(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str
) -> None:
    outcome = await service.start(request_body, integration_id=thread_id)
    while outcome.waiting is not None and outcome.waiting.gate != "review_map":
        outcome = await service.answer(thread_id, "approve")
    rows = [row.dump() for row in outcome.state.mapping_logic.transformations]  # type: ignore[union-attr]
    wrong = {"type": "edit", "edited": {"transformations": [{**rows[0], "dest_field": "no_such_field"}]}}
    try:
        outcome = await service.answer(thread_id, wrong)
        said = str(outcome.state.review_error)
    except DecisionError as error:
        said = str(error)
    assert "no_such_field" in said
    assert (await service.look(thread_id)).waiting is not None

    kept = [row for row in rows if row["dest_field"] != "segments"]
    outcome = await service.answer(thread_id, {"type": "edit", "edited": {"transformations": kept}})
    assert outcome.state.mapping_logic is not None
    assert outcome.state.mapping_logic.left_empty == ["segments"]
