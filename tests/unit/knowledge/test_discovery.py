"""Discovery over the catalogue: names, needs, and the two roles of an intent."""

from __future__ import annotations

import pytest

from vitesse_graph.knowledge import discover, discover_pair


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Stripe", "Stripe"),
        ("shopify", "Shopify"),
        ("SFDC", "Salesforce"),
        ("QBO", "QuickBooks Online"),
        ("Quick Books", "QuickBooks Online"),
        ("Shopfy", "Shopify"),
        ("Salesfroce", "Salesforce"),
        ("zendesk api", "Zendesk"),
    ],
)
def test_a_name_an_alias_or_a_slip_finds_the_api(said: str, meant: str) -> None:
    first = discover(said)[0]
    assert first.api_name == meant
    assert first.confidence_score >= 0.85


def test_a_name_that_nobody_knows_is_not_guessed_with_confidence() -> None:
    assert all(result.confidence_score < 0.6 for result in discover("Flurbotron"))


INTENTS = [
    ("sync Shopify customers into our CRM", "Shopify", None),
    ("Create a Xero contact for every Stripe customer", "Stripe", "Xero"),
    ("when a Zendesk ticket is opened make a Jira issue", "Zendesk", "Jira"),
    ("copy all Stripe invoices to QBO", "Stripe", "QuickBooks Online"),
    ("Update Salesforce when a deal closes in HubSpot", "HubSpot", "Salesforce"),
    ("Notify Slack about new GitHub issues", "GitHub", "Slack"),
    ("sync square payments to xero", "Square", "Xero"),
    ("Enrich Salesforce contacts with Stripe data", "Stripe", "Salesforce"),
    ("Keep Xero up to date with Stripe", "Stripe", "Xero"),
    ("every Monday sync Stripe charges to Xero", "Stripe", "Xero"),
    ("Copy Asana tasks to Monday", "Asana", "monday.com"),
]


@pytest.mark.parametrize(("intent", "source", "dest"), INTENTS)
def test_roles_are_read_from_the_sentence(intent: str, source: str | None, dest: str | None) -> None:
    found = discover_pair(intent)
    assert (found.source and found.source.api_name) == source
    assert (found.dest and found.dest.api_name) == dest


def test_an_unknown_name_is_said_with_what_to_give_instead() -> None:
    found = discover_pair("from Foo to Xero")
    assert found.source is None
    assert any("'Foo'" in note and "URL or file" in note for note in found.notes)


def test_given_files_and_addresses_win_over_the_sentence() -> None:
    found = discover_pair(
        "sync Stripe customers to Xero", source="./specs/stripe.yaml", dest="https://example.com/o.json"
    )
    assert found.source is not None
    assert found.source.spec_url.endswith("/specs/stripe.yaml")
    assert found.source.spec_url.startswith("/")
    assert found.dest is not None
    assert found.dest.spec_url == "https://example.com/o.json"


def test_a_given_source_leaves_the_other_name_to_the_other_role() -> None:
    found = discover_pair("sync Stripe customers to Xero", source="file:///tmp/stripe.json")
    assert found.dest is not None
    assert found.dest.api_name == "Xero"
    assert found.source is not None
    assert found.source.spec_url == "/tmp/stripe.json"
