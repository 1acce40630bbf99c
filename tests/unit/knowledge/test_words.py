"""Search by words alone: stems, concepts, BM25."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vitesse_graph.knowledge.catalogue import catalogue
from vitesse_graph.knowledge.lexical import LexicalIndex
from vitesse_graph.knowledge.names import NameIndex
from vitesse_graph.knowledge.words import concepts_of, fold, stem, terms


def test_forms_of_a_word_meet_in_one_stem() -> None:
    assert stem("invoices") == stem("invoice")
    assert stem("shipping") == stem("shipped")
    assert stem("companies") == stem("company")


def test_camel_and_snake_case_are_taken_apart() -> None:
    assert terms("transactionAmount") == terms("transaction_amount") == terms("transaction amount")


def test_different_words_for_one_idea_share_a_concept() -> None:
    assert set(concepts_of(terms("send an invoice"))) & set(concepts_of(terms("a bill")))


@given(st.text(max_size=60))
def test_any_text_can_be_cut_into_words(text: str) -> None:
    assert all(term and term == term.lower() for term in terms(text))
    assert fold(text) == fold(text.upper().lower()) or not text.isascii()


def test_the_document_with_the_rarer_word_comes_first() -> None:
    index = LexicalIndex.build([(("red apple", 1.0),), (("red zebra", 1.0),), (("red car", 1.0),)])
    assert index.search("red zebra")[0].position == 1


def test_nothing_in_common_finds_nothing() -> None:
    assert LexicalIndex.build([(("red apple", 1.0),)]).search("qwxyz") == []


def test_a_slip_that_is_equally_near_to_two_names_is_not_guessed() -> None:
    names = NameIndex.build(catalogue())
    assert names.close("Bitbuckat") is not None
    assert names.close("zzzzzzzz") is None


def test_an_address_on_a_shared_site_names_nobody() -> None:
    names = NameIndex.build(catalogue())
    stripe = names.of_address("https://api.stripe.com/v1/customers")
    assert stripe is not None
    assert stripe.name == "Stripe"
    assert names.of_address("https://learn.microsoft.com/en-us/graph") is None
