"""Codes, statuses and sentences are read as what they mean."""

from __future__ import annotations

import pytest

from vitesse_graph.healing.symptoms import read_error


@pytest.mark.parametrize(
    ("text", "symptom", "side"),
    [
        ("http_422", "refused_value", "dest"),
        ("http_503", "server_error", "dest"),
        ("http_429", "limited", "dest"),
        ("source:401", "unauthorised", "source"),
        ("transform", "transform", "source"),
        ("not_json", "ours", None),
        ("natural_key_taken", "conflict", None),
        ("errors_in_2xx", "refused_value", "dest"),
        ("no_answer", "no_answer", None),
        ("unknown_outcome", "no_answer", None),
        ("email: required, but the source has no value", "missing_value", "source"),
        ("the source refused the credential (HTTP 401); renew it and sync again", "unauthorised", "source"),
        ("Shop did not answer: no answer (ClientConnectorDNSError)", "connection", "source"),
        ("Shop refused to be read: HTTP 404", "not_found", "source"),
        ("Crm did not answer: HTTP 502", "server_error", "dest"),
        ("the answer of Shop has no records at 'items'; its keys are data", "answer_shape", "source"),
        ("timeout", "timeout", None),
        ("HTTP 400 (consent is required)", "missing_value", None),
        ("something nobody foresaw", "other", None),
    ],
)
def test_an_error_is_read(text: str, symptom: str, side: str | None) -> None:
    reading = read_error(text, names={"Shop": "source", "Crm": "dest"})
    assert (reading.symptom, reading.side) == (symptom, side)


def test_the_fields_that_a_text_names_are_found() -> None:
    reading = read_error("HTTP 422 (phone_number: is too long)", fields=["email", "contact.phone_number"])
    assert reading.fields == ("contact.phone_number",)
