"""From two published specifications to an active integration between sandboxes made from them."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from vitesse_graph.api.service import IntegrationService
from vitesse_graph.state.context import VitesseContext

ASK_NOBODY = VitesseContext(approvals="none")  # type: ignore[call-arg]
ASK_BEFORE_DEPLOY = VitesseContext(approvals="before_deploy")  # type: ignore[call-arg]

PAIRS = {
    "payments into accounting": (
        "stripe/stripe-spec3-json.json.gz",
        "xero/xero-accounting.yaml",
        "Create a Xero contact for every Stripe customer",
        ("GET /v1/customers", "PUT /Contacts"),
        {
            "Contacts[].Name": "name",
            "Contacts[].EmailAddress": "email",
            "Contacts[].Addresses[].City": "address.city",
        },
    ),
    "code hosting into project management": (
        "github/github-api-full.json.gz",
        "asana/asana.yaml.gz",
        "Copy GitHub issues into Asana tasks",
        ("GET /issues", "POST /tasks"),
        {"data.name": "title"},
    ),
    "marketing into point of sale": (
        "klaviyo/klaviyo.json.gz",
        "square/square.json.gz",
        "Make a Square customer for each Klaviyo profile",
        ("GET /api/profiles", "POST /v2/customers"),
        {"email_address": "attributes.email", "given_name": "attributes.first_name"},
    ),
    "point of sale into customer support": (
        "square/square.json.gz",
        "intercom/intercom-2.16.yaml.gz",
        "Create an Intercom contact for every Square customer",
        ("GET /v2/customers", "POST /contacts"),
        {"email": "email_address", "external_id": "id", "phone": "phone_number"},
    ),
}


@pytest.fixture
async def integration_id(service: IntegrationService) -> Any:
    name = str(uuid.uuid4())
    yield name
    await service.undeploy(name)


@pytest.mark.parametrize("name", PAIRS)
async def test_two_published_specifications_become_a_syncing_integration(
    name: str, service: IntegrationService, integration_id: str, shared: Path
) -> None:
    source, dest, intent, endpoints, rows = PAIRS[name]
    request = {
        "user_intent": intent,
        "source": str((shared / "specs" / source).resolve()),
        "dest": str((shared / "specs" / dest).resolve()),
    }
    outcome = await service.start(request, integration_id=integration_id, context=ASK_NOBODY)
    assert outcome.status == "active", outcome.error
    state = outcome.state
    assert state.source_api_spec is not None
    assert state.dest_api_spec is not None
    chosen = state.source_api_spec.chosen("source"), state.dest_api_spec.chosen("dest")
    assert tuple(endpoint.key for endpoint in chosen if endpoint) == endpoints
    assert state.mapping_logic is not None
    found = {row.dest_field: row.source_field for row in state.mapping_logic.transformations}
    assert rows.items() <= found.items()
    assert state.test_results is not None
    assert state.test_results.calls_made >= 100
    assert state.deployment is not None
    assert state.deployment.environments == {"source": "sandbox", "dest": "sandbox"}

    report = await service.sync(integration_id)
    assert report.status == "completed"
    assert (
        report.fetched
        == report.written + report.unchanged + report.filtered + report.quarantined + report.deleted
    )
    assert report.written >= 0.8 * report.fetched > 0


async def test_what_the_destination_demands_and_nothing_feeds_is_asked_and_never_deployed(
    service: IntegrationService, shared: Path
) -> None:
    request = {
        "user_intent": "Record Plaid transactions as Xero bank transactions",
        "source": str((shared / "specs" / "plaid/plaid.yml.gz").resolve()),
        "dest": str((shared / "specs" / "xero/xero-accounting.yaml").resolve()),
    }
    outcome = await service.start(request, context=ASK_BEFORE_DEPLOY)
    assert outcome.waiting is not None, outcome.error
    assert outcome.waiting.gate == "review_guardian"
    assert outcome.state.mapping_logic is not None
    asked = {question.dest_field for question in outcome.state.mapping_logic.questions if question.required}
    assert "BankTransactions[].BankAccount" in asked
    assert "BankTransactions[].BankAccount" in outcome.waiting.proposal["summary"]
    with pytest.raises(Exception, match="cannot be approved"):
        await service.answer(outcome.integration_id, "approve")
    assert (await service.look(outcome.integration_id)).state.deployment is None
