"""What may enter the whiteboard with a request, and what is refused before it is stored."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from vitesse_graph.state.request import IntegrationRequest
from vitesse_graph.state.review import DiscoveryDecision

SECRET = "hunter2hunter2"


@pytest.mark.parametrize("reference", ["env:SHOP_TOKEN", "file:/run/secrets/x", "secret:abc-1", "none"])
def test_a_reference_is_taken(reference: str) -> None:
    assert IntegrationRequest(source_auth=reference).given() == {"source_auth": reference}  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "value", [SECRET, f"Bearer {SECRET}", f"env:{SECRET} x", "env:", f"{{'k': '{SECRET}'}}"]
)
def test_anything_else_is_refused_without_being_repeated(value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        IntegrationRequest(source_auth=value)  # type: ignore[call-arg]
    assert "never hold one" in refused.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    "address",
    [
        f"https://api.example/openapi.json?api_key={SECRET}",
        f"https://api.example/openapi.json?x=1&access_token={SECRET}",
        f"https://user:{SECRET}@api.example/openapi.json",
    ],
)
def test_an_address_that_carries_a_credential_is_refused_at_every_door(address: str) -> None:
    with pytest.raises(ValidationError, match="carries a credential"):
        IntegrationRequest(source=address)  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="carries a credential"):
        DiscoveryDecision.model_validate({"type": "edit", "edited": {"dest": address}})
    with pytest.raises(ValidationError, match="carries a credential"):
        DiscoveryDecision.model_validate({"type": "approve", "parameters": {"source_spec_url": address}})


@pytest.mark.parametrize(
    "address", ["https://api.example/openapi.json?version=3", "stripe", "./crm.yaml", "/specs/x.json"]
)
def test_ordinary_addresses_are_taken(address: str) -> None:
    assert IntegrationRequest(source=address).source == address  # type: ignore[call-arg]


def test_nul_characters_are_dropped_because_postgres_stores_none() -> None:
    assert IntegrationRequest(user_intent="sync\x00 this").user_intent == "sync this"  # type: ignore[call-arg]


def test_no_error_repeats_what_was_given() -> None:
    for model, given in (
        (IntegrationRequest, {"source_auth": SECRET}),
        (
            DiscoveryDecision,
            {"type": "approve", "parameters": {"source_spec_url": f"https://u:{SECRET}@x.example/"}},
        ),
        (DiscoveryDecision, {"type": "approve", "unknown": SECRET}),
    ):
        with pytest.raises(ValidationError) as refused:
            model.model_validate(given)
        assert SECRET not in str(refused.value)
