"""Needs put into words, and what is said when a system is only called by its kind."""

from __future__ import annotations

import pytest

from vitesse_graph.knowledge import discover, discover_pair

NEEDS = [
    ("payment processor with recurring billing", {"Stripe", "PayPal", "Braintree", "Adyen"}),
    ("CRM", {"Salesforce", "HubSpot"}),
    ("an accounting system", {"Xero", "QuickBooks Online"}),
    ("open banking", {"Plaid", "Yodlee", "TrueLayer", "Tink"}),
    ("data warehouse", {"Snowflake", "Google BigQuery", "Databricks"}),
    ("feature flags", {"LaunchDarkly"}),
    ("who works the night shift", {"Deputy", "When I Work", "Homebase"}),
    ("wages and deductions of staff", {"Gusto", "ADP", "Paychex", "Rippling"}),
]


@pytest.mark.parametrize(("said", "fitting"), NEEDS)
def test_a_need_finds_systems_of_its_kind(said: str, fitting: set[str]) -> None:
    assert fitting & {result.api_name for result in discover(said)[:3]}


@pytest.mark.parametrize(
    ("said", "not_meant"),
    [
        ("personal shopping list and reminders", "Personio"),
        ("kanban cards across columns", "Column"),
        ("a finance suite with purchasing", "Google Workspace Directory"),
        ("tax office demands a notice", "Lexoffice"),
        ("lecture for three hundred remote listeners", "Remote"),
        ("put the dialing code in front", "Front"),
        ("video conference rooms", "Confluence"),
    ],
)
def test_an_ordinary_word_is_no_name_and_no_slip_of_one(said: str, not_meant: str) -> None:
    assert all(r.api_name != not_meant or r.confidence_score < 0.5 for r in discover(said))


def test_a_name_beside_many_other_words_is_less_sure_than_a_name_alone() -> None:
    alone = discover("Shopify")[0].confidence_score
    in_passing = next(
        r for r in discover("customer service for Shopify merchants") if r.api_name == "Shopify"
    )
    assert in_passing.confidence_score < 0.9 < alone


@pytest.mark.parametrize("said", ["Zebrafy CRM", "Lumina Bank", "Acme Internal ERP", "asdfgh qwerty"])
def test_a_system_that_nobody_knows_is_not_guessed(said: str) -> None:
    assert discover(said) == []


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("MSFT Teams", "Microsoft Teams"),
        ("AWS SES", "Amazon SES"),
        ("FB ads", "Meta Marketing API"),
        ("QB", "QuickBooks Online"),
        ("insta", "Instagram Graph API"),
        ("SAP B1", "SAP Business One"),
    ],
)
def test_short_names_of_daily_use_are_known(said: str, meant: str) -> None:
    first = discover(said)[0]
    assert first.api_name == meant
    assert first.confidence_score >= 0.9


def test_a_system_called_by_its_kind_is_answered_with_the_best_known_ones() -> None:
    found = discover_pair("sync payments to accounting")
    assert (found.source, found.dest) == (None, None)
    source, dest = found.notes
    assert "'payments'" in source
    assert "Stripe" in source
    assert "'accounting'" in dest
    assert "Xero" in dest
    offered = {alternative.api_name for alternative in found.alternatives}
    assert {"Stripe", "PayPal", "Xero", "QuickBooks Online"} <= offered


def test_a_kind_named_before_an_api_keeps_its_own_role() -> None:
    found = discover_pair("update the CRM when a Calendly meeting is booked")
    assert found.source is not None
    assert found.source.api_name == "Calendly"
    assert found.dest is None
    assert "'CRM'" in next(note for note in found.notes if note.startswith("dest"))
