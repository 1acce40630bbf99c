"""Whole episodes: the compiled graph, a deployed process, two APIs that change, and the monitor alone at work."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.model_server import KEY, serving
from vitesse_graph.api.monitoring import Monitoring, look_once
from vitesse_graph.api.service import IntegrationService, Outcome
from vitesse_graph.chaos.world import Front
from vitesse_graph.demo.people import make_customers
from vitesse_graph.healing.drifting import Change, drift_document
from vitesse_graph.sandbox import Sandbox, create_sandbox, parse_faults, serve
from vitesse_graph.settings import Settings
from vitesse_graph.specs import SpecDocument, load_document
from vitesse_graph.state.context import VitesseContext

DEMO = Path(__file__).parents[3] / "vitesse_graph" / "demo"
READ, WRITE = "GET /customers.json", "POST /contacts"
QUIET = VitesseContext(approvals="none")  # type: ignore[call-arg]


@dataclass
class Api:
    """One API on sandboxes: a document in a file that it publishes, and what answers behind one address."""

    file: Path
    front: Front = field(default_factory=Front)
    url: str = ""
    sandbox: Sandbox | None = None

    def publish(self, document: dict[str, Any]) -> None:
        self.file.write_text(json.dumps({**document, "servers": [{"url": self.url}]}))

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file.read_text())
        return found

    def behave(self, document: SpecDocument, people: list[dict[str, Any]]) -> None:
        """From now on it answers by this document, with a store of its own."""
        given = {READ: people} if people else None
        self.sandbox = create_sandbox(document, seed=3, records=0, seed_records=given)
        self.sandbox.effects.keeps_unknown = False
        self.front.app = self.sandbox


def announcing(app: Any) -> Any:
    """The API names a page about its changes in every answer (RFC 9745), and serves that page."""
    page = b"<html><p>Welcome.</p><p>The field phone_number was renamed to phone_value.</p></html>"

    async def announced(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/changes":
            headers = [(b"content-type", b"text/html")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": page})
            return

        async def with_link(message: Any) -> None:
            if message["type"] == "http.response.start":
                link = (b"link", b'</changes>; rel="deprecation"')
                message = {**message, "headers": [*message["headers"], link]}
            await send(message)

        await app(scope, receive, with_link)

    return announced


@pytest.fixture
async def apis(tmp_path: Path, settings: Settings) -> AsyncIterator[tuple[Api, Api]]:
    made, tasks = [], []
    for name, people in (("shopify_like", make_customers(60)[:40]), ("credo_like", [])):
        api = Api(tmp_path / f"{name}.json")
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        tasks.append(asyncio.create_task(serve(api.front, on_ready=ready.set_result)))
        api.url = await ready
        api.publish(json.loads((DEMO / f"{name}.json").read_text()))
        api.behave(await load_document(str(api.file), settings=settings), people)
        made.append(api)
    yield made[0], made[1]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _active(
    service: IntegrationService, apis: tuple[Api, Api], thread_id: str, monkeypatch: pytest.MonkeyPatch
) -> Outcome:
    monkeypatch.setenv("TEST_KEY", "any-key-will-do")
    request = {
        "user_intent": "Sync shop customers into our CRM contacts",
        "source": str(apis[0].file),
        "dest": str(apis[1].file),
        "source_auth": "env:TEST_KEY",
        "dest_auth": "env:TEST_KEY",
        "source_endpoint": READ,
        "dest_endpoint": WRITE,
    }
    outcome = await service.start(request, integration_id=thread_id, context=QUIET)
    assert outcome.status == "active", outcome.error
    return outcome


def _sources(outcome: Outcome) -> dict[str, Any]:
    assert outcome.state.mapping_logic is not None
    return {row.dest_field: row.source_field for row in outcome.state.mapping_logic.transformations}


def _model(body: dict[str, Any]) -> dict[str, Any]:
    """What a model would say: nothing to the mapper, a conclusion to the diagnosis."""
    if body["tools"][0]["function"]["name"] != "Conclusion":
        return {"picks": []}
    return {
        "cause": "dest_schema_changed",
        "side": "dest",
        "old_field": "phone_number",
        "new_field": "phone_value",
        "reason": "the release notes say so",
    }


async def test_a_repair_that_does_not_hold_is_rolled_back_by_the_monitor_itself(
    service: IntegrationService,
    apis: tuple[Api, Api],
    thread_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop, crm = apis
    said: list[str] = []
    monitoring = Monitoring(service, say=said.append, only=[thread_id])
    before = await _active(service, apis, thread_id, monkeypatch)
    first = await service.sync(thread_id)
    assert (first.written, first.quarantined) == (40, 0)
    assert (await look_once(monitoring))[thread_id].action == "none"

    # the vendor renames a field that the CRM requires, and traffic breaks
    published = shop.document
    rename = Change(kind="rename", side="source", field="email", to="email_address")
    shop.publish(drift_document(published, rename, key=READ, items_at="customers"))
    assert shop.sandbox is not None
    shop.sandbox.set_faults(parse_faults("drift=rename:email:email_address"))
    broken = await service.sync(thread_id, full=True)
    assert broken.quarantined > 20
    assert (await look_once(monitoring, with_specs=False))[thread_id].action == "start_heal", said
    healed = await service.look(thread_id)
    assert healed.status == "active", said
    assert _sources(healed) == {**_sources(before), "email": "email_address"}
    letters = await service.call_runtime(thread_id, "GET", "/dead-letters")
    assert letters["count"] == 0  # what had failed is written, and it was not asked for
    learned = [(one.get("was"), one.get("is")) for one in healed.state.learned_patterns]
    assert ("email", "email_address") in learned

    # the vendor thinks better of it: the repair is wrong now, within its watch window
    shop.publish(published)
    shop.sandbox.set_faults(parse_faults(""))
    assert (await service.sync(thread_id, full=True)).quarantined > 20
    assert (await look_once(monitoring, with_specs=False))[thread_id].action == "roll_back", said
    back = await service.look(thread_id)
    assert _sources(back) == _sources(before)
    assert (await service.runtime_status(thread_id)).definition_version == 3
    last = await service.sync(thread_id, full=True)
    assert (last.status, last.quarantined) == ("completed", 0)

    log = [entry["action"] for entry in await service.services.registry.audit_log(thread_id)]
    for action in ("monitor.start_heal", "heal.episode", "monitor.roll_back"):
        assert action in log
    assert crm.sandbox is not None
    emails = [body["email"] for body in crm.sandbox.sent(WRITE)]
    assert len(emails) == len(set(emails)) == 40  # nothing lost, nothing doubled


async def test_a_field_that_the_destination_drops_in_silence_is_noticed_and_a_person_is_asked(
    service: IntegrationService,
    apis: tuple[Api, Api],
    thread_id: str,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop, crm = apis
    said: list[str] = []
    monitoring = Monitoring(service, say=said.append, only=[thread_id])
    before = await _active(service, apis, thread_id, monkeypatch)
    assert (await service.sync(thread_id)).read_back is not None
    assert (await look_once(monitoring))[thread_id].action == "none"

    # the CRM calls an optional field otherwise and tells nobody; other customers come along
    rename = Change(kind="rename", side="dest", field="phone_number", to="phone_value")
    changed = json.dumps(drift_document(crm.document, rename, key=WRITE))
    takes_all = json.loads(changed.replace('"additionalProperties": false', '"additionalProperties": true'))
    silent = SpecDocument(takes_all, spec_format="openapi-3.0.3", digest="silent")
    crm.behave(silent, [])
    crm.front.app = announcing(crm.front.app)
    shop.behave(await load_document(str(shop.file), settings=settings), make_customers(100)[60:])
    report = await service.sync(thread_id, full=True)
    assert (report.status, report.written, report.quarantined) == ("completed", 40, 0)

    async with serving(_model) as (options, asked):
        with_model = {"openai_api_key": options.api_key, "openai_base_url": options.base_url}
        for name, value in with_model.items():
            monkeypatch.setattr(service.services.settings, name, value)
        decision = (await look_once(monitoring, with_specs=False))[thread_id]
        for name in with_model:
            monkeypatch.setattr(service.services.settings, name, None)
    assert decision.action == "start_heal", said
    sent = json.dumps([body for _, body in asked])
    assert KEY not in sent
    assert "phone_number was renamed to phone_value" in sent
    assert "Welcome" not in sent
    outcome = await service.look(thread_id)
    episode = outcome.state.healing
    assert episode is not None
    assert (episode.diagnosis.cause, episode.diagnosis.side) == ("dest_schema_changed", "dest"), episode.log
    assert episode.outcome == "needs_person", episode.log
    assert "phone_number is accepted and no longer kept" in "\n".join(episode.log)
    # what the model read agrees with what was read back, so it counts, and what it cost is kept
    assert "the language model reads the same" in "\n".join(episode.diagnosis.evidence)
    assert episode.language_model["calls"] == 1
    log = await service.services.registry.audit_log(thread_id)
    (story,) = [entry for entry in log if entry["action"] == "heal.episode"]
    assert story["detail"]["language_model"]["input_tokens"] == 120
    assert _sources(outcome) == _sources(before)
    assert (await service.runtime_status(thread_id)).definition_version == 1
    assert [i.path for i in await service.drift(thread_id) if i.severity == "breaking"] == ["phone_number"]
    # asked once
    assert (await look_once(monitoring))[thread_id].action == "none"
