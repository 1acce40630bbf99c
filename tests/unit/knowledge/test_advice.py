"""Rules and guidance: each answer cites what it rests on and says what it does not know."""

from __future__ import annotations

import pytest

from vitesse_graph.knowledge import (
    KnowledgeDBManager,
    check_regulatory_compliance,
    enriched_discovery_workflow,
    get_integration_guidance,
)
from vitesse_graph.knowledge.advice import areas_of
from vitesse_graph.knowledge.plain import PlainKnowledge


@pytest.fixture
async def knowledge() -> KnowledgeDBManager:
    manager = KnowledgeDBManager(lambda: (PlainKnowledge(None), "words"))
    await manager.seed_all()
    return manager


@pytest.mark.parametrize(
    ("region", "area"),
    [
        ("Germany", "EU"),
        ("FR", "EU"),
        ("EU", "EU"),
        ("GB", "UK"),
        ("United States", "US"),
        ("California", "California"),
    ],
)
def test_a_country_belongs_to_the_area_whose_rules_hold_there(region: str, area: str) -> None:
    assert area in areas_of(region)


def test_bank_data_in_europe_touches_psd2_and_the_gdpr() -> None:
    report = check_regulatory_compliance("plaid", "Germany")
    keys = {finding.key for finding in report.findings}
    assert {"standard:psd2", "standard:psd2-sca", "standard:gdpr"} <= keys
    assert "standard:ccpa" not in keys
    assert {citation.key for citation in report.citations} == keys
    assert all(finding.obligations and finding.why for finding in report.findings)


def test_card_payments_touch_pci_dss_everywhere() -> None:
    assert "standard:pci-dss" in {f.key for f in check_regulatory_compliance("Stripe", "Japan").findings}


def test_an_unknown_api_or_region_is_said_and_not_guessed() -> None:
    assert check_regulatory_compliance("Flurbotron", "EU").unknown
    report = check_regulatory_compliance("Stripe", "Atlantis")
    assert any("Atlantis" in line for line in report.unknown)


async def test_guidance_for_the_pair_comes_before_general_advice(knowledge: KnowledgeDBManager) -> None:
    answer = await get_integration_guidance("Stripe", "Xero", knowledge=knowledge)
    assert answer.advice[0].key == "guidance:payments-accounting"
    fits = [advice.fit for advice in answer.advice]
    assert fits == sorted(fits, key=("pair", "general").index)
    cited = {citation.key for citation in answer.citations}
    assert {advice.key for advice in answer.advice} <= cited


async def test_enriched_discovery_adds_rules_and_guidance_to_the_two_names(
    knowledge: KnowledgeDBManager,
) -> None:
    found = await enriched_discovery_workflow(
        "sync Stripe payments to Xero", knowledge=knowledge, region="EU"
    )
    assert found.apis.source is not None
    assert [report.api for report in found.compliance] == ["Stripe", "Xero"]
    assert found.guidance is not None
    assert found.guidance.citations


async def test_enriched_discovery_of_an_unknown_name_gives_no_guidance(knowledge: KnowledgeDBManager) -> None:
    found = await enriched_discovery_workflow("sync Flurbotron to Xero", knowledge=knowledge)
    assert found.guidance is None
    assert found.apis.notes
