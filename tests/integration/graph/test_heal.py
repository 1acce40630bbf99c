"""A deployed integration that fails is diagnosed, and mended only by what is proven."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vitesse_graph.api.monitoring import Monitoring, report_of, watch
from vitesse_graph.api.service import IntegrationService, Outcome
from vitesse_graph.demo.stands import Stands
from vitesse_graph.state.context import VitesseContext

ASK_NOBODY = VitesseContext(approvals="none", heal_approval="never")  # type: ignore[call-arg]
ASK_WHEN_RISKY = VitesseContext(approvals="none", heal_approval="risky")  # type: ignore[call-arg]


async def _active(service: IntegrationService, request: dict[str, Any], thread_id: str) -> Outcome:
    outcome = await service.start(request, integration_id=thread_id, context=ASK_NOBODY)
    assert outcome.status == "active", outcome.error
    assert (await service.sync(thread_id)).written == 1247
    return outcome


async def _heal(service: IntegrationService, thread_id: str, context: VitesseContext) -> Outcome:
    report = await report_of(service, thread_id, "health fell")
    return await service.heal(thread_id, report.dump(), context=context)


def _sources(outcome: Outcome) -> dict[str, Any]:
    mapping = outcome.state.mapping_logic
    assert mapping is not None
    return {row.dest_field: row.source_field for row in mapping.transformations}


async def test_a_risky_repair_waits_for_a_person_while_the_live_version_stays(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str, stands: Stands
) -> None:
    before = await _active(service, request_body, thread_id)
    await stands.drift(rename={"email": "email_address"}, drop=["tags"])
    await service.sync(thread_id, full=True)
    outcome = await _heal(service, thread_id, ASK_WHEN_RISKY)
    assert outcome.waiting is not None
    assert outcome.waiting.gate == "review_guardian"
    assert "email → email_address" in outcome.waiting.proposal["summary"]
    live = await service.runtime_status(thread_id)
    assert live.definition_version == before.state.deployment.version  # type: ignore[union-attr]

    outcome = await service.answer(thread_id, "reject")
    assert _sources(outcome) == _sources(before)
    assert (await service.runtime_status(thread_id)).definition_version == live.definition_version


async def test_an_approved_repair_changes_only_what_broke_and_goes_live(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str, stands: Stands
) -> None:
    before = await _active(service, request_body, thread_id)
    await stands.drift(rename={"phone": "phone_no"}, drop=[])
    outcome = await _heal(service, thread_id, ASK_WHEN_RISKY)
    if outcome.waiting is not None:
        outcome = await service.answer(thread_id, "approve")
    assert outcome.status == "active", outcome.error
    assert outcome.state.healing is not None
    assert outcome.state.healing.outcome == "healed"
    assert _sources(outcome) == {**_sources(before), "phone_number": "phone_no"}
    assert (await service.runtime_status(thread_id)).definition_version == 2
    assert (await service.sync(thread_id)).quarantined == 0


async def test_a_refused_credential_is_handed_to_a_person_and_taken_up_once_it_is_renewed(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str, stands: Stands, tmp_path: Path
) -> None:
    secret = tmp_path / "shop-token"
    secret.write_text(stands.shopify_token)
    before = await _active(service, {**request_body, "source_auth": f"file:{secret}"}, thread_id)
    await stands.rotate_shopify_token("another-token")
    assert (await service.sync(thread_id, full=True)).status == "failed"
    outcome = await _heal(service, thread_id, ASK_NOBODY)
    assert outcome.state.healing is not None
    assert outcome.state.healing.diagnosis.cause == "auth_expired"
    assert outcome.state.healing.outcome == "needs_person"
    told = "\n".join(outcome.state.healing.log)
    assert f"Put a fresh credential where file:{secret} points" in told
    assert "another-token" not in told
    assert outcome.values["mapping_logic"] == before.values["mapping_logic"]

    secret.write_text("another-token")
    outcome = await _heal(service, thread_id, ASK_NOBODY)
    assert outcome.status == "active", outcome.error
    assert outcome.state.healing is not None
    assert outcome.state.healing.outcome in ("healed", "waiting"), outcome.state.healing.log
    assert (await service.sync(thread_id)).status == "completed"
    assert (await service.runtime_status(thread_id)).definition_version == 1


async def test_a_credential_that_was_changed_where_it_is_stored_is_handed_to_the_workload(
    service: IntegrationService,
    request_body: dict[str, Any],
    thread_id: str,
    stands: Stands,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = await _active(service, request_body, thread_id)
    await stands.rotate_shopify_token("another-token")
    monkeypatch.setenv("TEST_SHOP_TOKEN", "another-token")  # the workload's own environment has the old one
    assert (await service.sync(thread_id, full=True)).status == "failed"
    report = await report_of(service, thread_id, "health fell")
    outcome = await service.heal(thread_id, report.dump(), context=ASK_NOBODY)
    episode = outcome.state.healing
    assert episode is not None
    assert (episode.outcome, outcome.status) == ("healed", "active"), episode.log
    assert "deployed: version 2, the same with the fresh credential" in episode.log
    assert "another-token" not in "\n".join(episode.log)
    assert _sources(outcome) == _sources(before)
    assert (await service.runtime_status(thread_id)).definition_version == 2
    assert (await service.sync(thread_id, full=True)).status == "completed"


async def test_what_nothing_can_feed_is_handed_to_a_person_with_everything_as_it_was(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str, stands: Stands
) -> None:
    before = await _active(service, request_body, thread_id)
    await stands.drift(rename={}, drop=["email"])
    await service.sync(thread_id, full=True)
    outcome = await _heal(service, thread_id, ASK_NOBODY)
    assert outcome.status == "failed"
    assert outcome.state.healing is not None
    assert outcome.state.healing.outcome in ("gave_up", "needs_person")
    assert _sources(outcome) == _sources(before)
    assert (await service.runtime_status(thread_id)).definition_version == 1
    stats = await stands.stats()
    assert (stats["contacts"], stats["doubles"]) == (1247, 0)


async def test_the_monitor_heals_by_itself_what_is_safe_to_heal(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str, stands: Stands
) -> None:
    await _active(service, request_body, thread_id)
    await stands.drift(rename={"email": "email_address"}, drop=[])
    said: list[str] = []
    await watch(Monitoring(service, say=said.append, only=[thread_id]), interval_seconds=1, once=True)
    outcome = await service.look(thread_id)
    assert outcome.state.healing is not None, said
    assert outcome.state.healing.outcome == "healed", said
    assert _sources(outcome)["email"] == "email_address"
