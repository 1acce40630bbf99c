"""The data files hold what they promise: facts with sources and dates, no name twice."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from vitesse_graph.knowledge.catalogue import catalogue, kinds
from vitesse_graph.knowledge.documents import COLLECTIONS
from vitesse_graph.knowledge.seed import seed_documents, seed_version
from vitesse_graph.knowledge.words import fold

EXPECTED_NAMES = [
    "Plaid",
    "Stripe",
    "Yodlee",
    "Shopify",
    "Salesforce",
    "HubSpot",
    "Xero",
    "QuickBooks Online",
    "Square",
    "PayPal",
    "Adyen",
    "GitHub",
    "Slack",
    "Zendesk",
    "Jira",
]
DATE = re.compile(r"^20\d\d-(0[1-9]|1[0-2])$")


def test_the_catalogue_knows_at_least_three_hundred_apis_and_the_usual_ones() -> None:
    names = {facts.name for facts in catalogue()}
    assert len(names) >= 300
    assert set(EXPECTED_NAMES) <= names


def test_no_two_apis_share_a_name_or_an_alias() -> None:
    owners = Counter(
        (fold(name))
        for facts in catalogue()
        for name in {fold(n): n for n in (facts.name, *facts.aliases)}.values()
    )
    assert [name for name, count in owners.items() if count > 1] == []


@pytest.mark.parametrize("facts", catalogue(), ids=lambda facts: facts.name)
def test_every_entry_says_what_it_is_and_where_that_is_written(facts) -> None:  # type: ignore[no-untyped-def]
    assert len(facts.purpose) > 30
    assert facts.category_words
    assert facts.base_url.startswith(("https://", "http://"))
    assert facts.docs.startswith("https://")
    assert facts.source.startswith("https://")
    assert DATE.match(facts.as_of)
    assert len(facts.resources) >= 1
    assert facts.spec == "" or facts.spec.startswith("https://")
    assert "{" not in facts.spec


def test_every_built_in_document_has_a_source_a_date_and_a_key_of_its_own() -> None:
    assert set(seed_documents()) == set(COLLECTIONS)
    for documents in seed_documents().values():
        assert len({d.key for d in documents}) == len(documents) > 0
        for document in documents:
            assert document.source.startswith("https://")
            assert DATE.match(document.as_of)
            assert document.meta["origin"] == "built-in"


def test_the_financial_apis_are_a_part_of_all_apis() -> None:
    every = {d.key for d in seed_documents()["api_specifications"]}
    assert {d.key for d in seed_documents()["financial_apis"]} < every


def test_the_version_of_the_facts_is_stable_within_a_process() -> None:
    assert seed_version() == seed_version()
    assert len(seed_version()) == 12


def test_every_api_is_of_a_kind_and_every_kind_holds_only_apis_of_the_catalogue() -> None:
    names = [facts.name for facts in catalogue()]
    assert {name for kind in kinds() for name in kind.apis} == set(names)
    assert len({kind.key for kind in kinds()}) == len(kinds())
    for kind in kinds():
        assert kind.words
        assert len(kind.asked) >= 3
        assert len(set(kind.apis)) == len(kind.apis)


def test_every_built_in_document_says_what_people_ask_for() -> None:
    for documents in seed_documents().values():
        for document in documents:
            assert len(document.asked) >= 2
            assert all(phrase.strip() for phrase in document.asked)
