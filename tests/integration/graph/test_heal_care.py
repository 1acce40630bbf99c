"""What an owner says of healing is obeyed; who is to be told is told; an episode is a story to be read."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from vitesse_graph.api.monitoring import Monitoring, report_of, watch
from vitesse_graph.api.service import IntegrationService, Outcome
from vitesse_graph.demo.stands import Stands
from vitesse_graph.healing import alert_data
from vitesse_graph.healing.drifting import Change, drift_document
from vitesse_graph.nodes.episode import LIVE_CHANNELS
from vitesse_graph.state.context import VitesseContext

QUIET = VitesseContext(approvals="none")  # type: ignore[call-arg]
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


@asynccontextmanager
async def webhook() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """A receiver that takes what is rightly signed."""
    taken: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        taken.append(alert_data(await request.text(), dict(request.headers), SECRET))
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/", take)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/", taken
    finally:
        await runner.cleanup()


async def _active(service: IntegrationService, request: dict[str, Any], thread_id: str) -> Outcome:
    outcome = await service.start(request, integration_id=thread_id, context=QUIET)
    assert outcome.status == "active", outcome.error
    return outcome


async def _heal(service: IntegrationService, thread_id: str) -> Outcome:
    report = await report_of(service, thread_id, "health fell")
    return await service.heal(thread_id, report.dump(), context=QUIET)


def _sources(outcome: Outcome) -> dict[str, Any]:
    assert outcome.state.mapping_logic is not None
    return {row.dest_field: row.source_field for row in outcome.state.mapping_logic.transformations}


async def test_an_episode_is_told_replayed_learned_and_rolled_back_when_it_does_not_hold(
    service: IntegrationService,
    request_body: dict[str, Any],
    thread_id: str,
    stands: Stands,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEST_ALERT_SECRET", SECRET)
    before = await _active(service, request_body, thread_id)
    async with webhook() as (url, taken):
        alerts = {"webhook": url, "secret_ref": "env:TEST_ALERT_SECRET"}
        await service.services.registry.save_metadata(thread_id, {"alerts": alerts})
        await stands.drift(rename={"email": "email_address"}, drop=[])
        report = await service.sync(thread_id, full=True)
        assert report.quarantined > 0
        healed = await _heal(service, thread_id)
        assert healed.status == "active", healed.error
        assert _sources(healed) == {**_sources(before), "email": "email_address"}

        # what had failed is written, without another sync
        letters = await service.call_runtime(thread_id, "GET", "/dead-letters?limit=5")
        assert letters["count"] == 0
        assert {"kind": "rename", "was": "email", "is": "email_address"}.items() <= (
            healed.state.learned_patterns[0].items()
        )

        rolled = await service.roll_back(thread_id, "health fell to 12 after the repair", context=QUIET)
        assert rolled.status == "active"
        assert _sources(rolled) == _sources(before)
        assert (await service.runtime_status(thread_id)).definition_version == 3
        kinds = [one["type"] for one in taken]
        assert kinds == ["heal.started", "heal.succeeded", "heal.rolled_back"]

    log = await service.services.registry.audit_log(thread_id)
    stories = [entry for entry in log if entry["action"] == "heal.episode"]
    assert [entry["outcome"] for entry in stories] == ["healed", "rolled_back"]
    story = "\n".join(stories[0]["detail"]["story"])
    for word in ("noticed", "diagnosed", "tried", "verified", "replayed", "deployed", "learned"):
        assert f"{word}" in story, story
    assert stories[0]["detail"]["minutes"] is not None


async def test_a_rejected_repair_leaves_everything_exactly_as_it_was(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str, stands: Stands
) -> None:
    before = await _active(service, request_body, thread_id)
    await service.services.registry.save_metadata(thread_id, {"heal_policy": {"approval": "always"}})
    await stands.drift(rename={"phone": "phone_no"}, drop=[])
    waiting = await _heal(service, thread_id)
    assert waiting.waiting is not None
    assert (
        "come out as" in waiting.waiting.proposal["summary"]
        or "replayed" in waiting.waiting.proposal["summary"]
    )
    after = await service.answer(thread_id, "reject")
    assert after.state.healing is not None
    assert (after.status, after.state.healing.outcome) == ("active", "rejected")
    for name in (*LIVE_CHANNELS, "deployment"):
        assert after.values.get(name) == before.values.get(name), name


async def test_what_only_the_records_show_is_healed_as_well(
    service: IntegrationService,
    request_body: dict[str, Any],
    thread_id: str,
    stands: Stands,
    tmp_path: Path,
) -> None:
    async with httpx.AsyncClient() as client:
        document = (await client.get(stands.shopify_spec_url)).json()
    document["servers"] = [{"url": stands.shopify_url}]
    kept = tmp_path / "shop.json"
    kept.write_text(json.dumps(document))
    before = await _active(service, {**request_body, "source": str(kept)}, thread_id)
    await stands.drift(rename={"phone": "phone_no"}, drop=[])
    said: list[str] = []
    await watch(Monitoring(service, say=said.append, only=[thread_id]), interval_seconds=1, once=True)
    outcome = await service.look(thread_id)
    assert _sources(outcome) == {**_sources(before), "phone_number": "phone_no"}, said
    assert (await service.runtime_status(thread_id)).definition_version == 2


async def test_a_policy_may_say_that_breaking_changes_stop_the_integration(
    service: IntegrationService, request_body: dict[str, Any], thread_id: str, stands: Stands
) -> None:
    await _active(service, request_body, thread_id)
    await service.services.registry.save_metadata(thread_id, {"heal_policy": {"breaking": "pause"}})
    await stands.drift(rename={"email": "email_address"}, drop=[])
    monitoring = Monitoring(service, only=[thread_id])
    await watch(monitoring, interval_seconds=1, once=True)
    assert (await service.runtime_status(thread_id)).state == "paused"
    assert (await service.look(thread_id)).state.healing is None
    drift = await service.drift(thread_id)
    assert [(item.path, item.new_path) for item in drift if item.severity == "breaking"]
    await service.unpause(thread_id)
    assert (await service.runtime_status(thread_id)).state == "idle"


async def test_a_new_field_is_adopted_where_the_owner_wants_new_fields(
    service: IntegrationService,
    request_body: dict[str, Any],
    thread_id: str,
    stands: Stands,
    tmp_path: Path,
) -> None:
    async with httpx.AsyncClient() as client:
        document = (await client.get(stands.shopify_spec_url)).json()
    document["servers"] = [{"url": stands.shopify_url}]
    kept = tmp_path / "shop.json"
    without = Change(kind="drop", side="source", field="phone")
    kept.write_text(
        json.dumps(drift_document(document, without, key="GET /customers.json", items_at="customers"))
    )
    before = await _active(service, {**request_body, "source": str(kept)}, thread_id)
    assert "phone_number" not in _sources(before)
    await service.services.registry.save_metadata(thread_id, {"heal_policy": {"new_source_fields": "adopt"}})
    kept.write_text(json.dumps(document))
    await watch(Monitoring(service, only=[thread_id]), interval_seconds=1, once=True)
    outcome = await service.look(thread_id)
    assert outcome.state.healing is not None
    assert _sources(outcome) == {**_sources(before), "phone_number": "phone"}, outcome.state.healing.log
    assert outcome.status == "active"
