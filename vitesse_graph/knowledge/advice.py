"""Advice with its sources: which rules touch an integration, and how such systems are best joined.

Answers are put together from documents and cite each one they rest on; where nothing is known they
say so. It is a signpost for the person who decides, not legal advice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pycountry
from pydantic import Field

from vitesse_graph.knowledge.catalogue import ApiFacts
from vitesse_graph.knowledge.discovery import discover_pair, known_api
from vitesse_graph.knowledge.documents import Document
from vitesse_graph.knowledge.manager import KnowledgeDBManager
from vitesse_graph.knowledge.seed import seed_documents
from vitesse_graph.knowledge.words import terms
from vitesse_graph.state.base import Model
from vitesse_graph.state.discovery import DiscoveredApis

_EU = frozenset(
    (
        "AT",
        "BE",
        "BG",
        "HR",
        "CY",
        "CZ",
        "DK",
        "EE",
        "FI",
        "FR",
        "DE",
        "GR",
        "HU",
        "IE",
        "IT",
        "LV",
        "LT",
        "LU",
        "MT",
        "NL",
        "PL",
        "PT",
        "RO",
        "SK",
        "SI",
        "ES",
        "SE",
    )
)
_EEA_ONLY = frozenset({"IS", "LI", "NO"})
_NAMED_AREAS = {
    "eu": {"EU", "EEA"},
    "europe": {"EU", "EEA", "UK"},
    "european union": {"EU", "EEA"},
    "eea": {"EEA"},
    "uk": {"UK"},
    "gb": {"UK"},
    "great britain": {"UK"},
    "england": {"UK"},
    "us": {"US"},
    "usa": {"US"},
    "california": {"US", "California"},
    "north america": {"US", "Canada"},
}
_OF_COUNTRY = {"GB": {"UK"}, "US": {"US"}, "CA": {"Canada"}, "AU": {"Australia"}, "BR": {"Brazil"}}


class Citation(Model):
    """A document an answer rests on."""

    key: str
    title: str
    source: str
    as_of: str


class StandardFinding(Model):
    """One standard that applies, why, and what follows from it."""

    key: str
    title: str
    why: str
    obligations: list[str] = Field(default_factory=list)


class ComplianceReport(Model):
    """`unknown` says what could not be judged, in one line each."""

    api: str
    region: str
    findings: list[StandardFinding] = Field(default_factory=list)
    unknown: list[str] = Field(default_factory=list)
    citations: list[Citation] = Field(default_factory=list)


class Advice(Model):
    """One piece of guidance; `fit` is `pair` (made for these two kinds) or `general`."""

    title: str
    text: str
    fit: str = "general"
    key: str = ""


class IntegrationGuidance(Model):
    source: str
    dest: str
    advice: list[Advice] = Field(default_factory=list)
    patterns: list[Advice] = Field(default_factory=list)
    facts: list[str] = Field(default_factory=list)
    """Auth and pagination of both sides, in one line each."""
    unknown: list[str] = Field(default_factory=list)
    citations: list[Citation] = Field(default_factory=list)


class EnrichedDiscovery(Model):
    """What discovery knows beyond the two names."""

    apis: DiscoveredApis
    compliance: list[ComplianceReport] = Field(default_factory=list)
    guidance: IntegrationGuidance | None = None


def _cite(documents: Iterable[Document]) -> list[Citation]:
    unique = {d.key: Citation(key=d.key, title=d.title, source=d.source, as_of=d.as_of) for d in documents}
    return list(unique.values())


def areas_of(region: str) -> set[str]:
    """The areas whose rules hold in a region: `Germany` → EU and EEA. Empty when it is not known."""
    name = region.strip()
    if name.casefold() in _NAMED_AREAS:
        return set(_NAMED_AREAS[name.casefold()])
    try:
        code = pycountry.countries.lookup(name.split("-")[0]).alpha_2
    except LookupError:
        return set()
    if code in _EU:
        return {"EU", "EEA"}
    return {"EEA"} if code in _EEA_ONLY else set(_OF_COUNTRY.get(code, {code}))


def _why_applies(document: Document, facts: ApiFacts, areas: set[str]) -> str | None:
    """In words why a standard applies to this API there, or None."""
    regions = set(document.meta["regions"])
    if not (regions & areas or "Global" in regions):
        return None
    applies, kinds = document.meta["applies_to"], document.meta["data_kinds"]
    nouns = {stem for noun in facts.resources for stem in terms(noun)}
    shared = [kind for kind in kinds if set(terms(kind)) & nouns]
    where = "everywhere" if "Global" in regions else f"in {', '.join(sorted(regions & areas))}"
    if facts.category in applies:
        return f"{facts.category} system {where}"
    if "*" in applies and shared:
        return f"it holds {', '.join(shared[:3])} data, {where}"
    return None


def check_regulatory_compliance(api: str, region: str) -> ComplianceReport:
    """Which standards and laws touch this API's data in a region, with what to do, each cited.

    Judged from the catalogue's category and records of the API; what is not in the catalogue, or a
    region that is not known, is said in `unknown` and not guessed.
    """
    report = ComplianceReport(api=api, region=region)
    facts = known_api(api)
    if facts is None:
        report.unknown.append(f"'{api}' is not in the catalogue, so what data it holds is not known")
        return report
    report.api = facts.name
    areas = areas_of(region)
    if not areas:
        report.unknown.append(
            f"'{region}' is no country or region that is known; only global standards are listed"
        )
    cited = []
    for document in seed_documents()["financial_standards"]:
        why = _why_applies(document, facts, areas) if document.meta["nature"] == "rule" else None
        if why is not None:
            cited.append(document)
            report.findings.append(
                StandardFinding(
                    key=document.key, title=document.title, why=why, obligations=document.meta["obligations"]
                )
            )
    if areas and not any(set(d.meta["regions"]) & areas for d in cited):
        report.unknown.append(
            f"no rule of {region} itself is on file for this kind of system; ask a local expert"
        )
    report.citations = _cite(cited)
    return report


def _fits(wanted: Sequence[str], category: str) -> bool:
    return category in wanted


def _pair_guidance(source: ApiFacts, dest: ApiFacts) -> list[Document]:
    """Guidance written for these two kinds; before it, that for one named side and any other."""
    exact, half = [], []
    for document in seed_documents()["domain_knowledge"]:
        gives, takes = document.meta["from"], document.meta["to"]
        if _fits(gives, source.category) and _fits(takes, dest.category):
            exact.append(document)
        elif ("*" in gives and _fits(takes, dest.category)) or (
            "*" in takes and _fits(gives, source.category)
        ):
            half.append(document)
    return [*exact, *half]


def pair_guidance(source: str, dest: str, *, limit: int = 3) -> IntegrationGuidance:
    """What is known for these two kinds of systems, from the built-in facts alone; pure and quick."""
    answer = IntegrationGuidance(source=source, dest=dest)
    giver, taker = known_api(source), known_api(dest)
    chosen = _pair_guidance(giver, taker)[:limit] if giver is not None and taker is not None else []
    answer.advice = [Advice(title=d.title, text=d.text, fit="pair", key=d.key) for d in chosen]
    answer.citations = _cite(chosen)
    return answer


async def get_integration_guidance(
    source: str, dest: str, *, knowledge: KnowledgeDBManager, intent: str = "", limit: int = 6
) -> IntegrationGuidance:
    """How systems like these two are best joined: advice for the pair first, then general, all cited."""
    answer = IntegrationGuidance(source=source, dest=dest)
    sides = {"source": known_api(source), "dest": known_api(dest)}
    for role, facts in sides.items():
        name = source if role == "source" else dest
        if facts is None:
            answer.unknown.append(f"'{name}' is not in the catalogue; advice for it is general")
        else:
            answer.facts.append(
                f"{facts.name}: auth {facts.auth}, pagination {facts.pagination}, docs {facts.docs}"
            )
    giver, taker = sides["source"], sides["dest"]
    pair = _pair_guidance(giver, taker) if giver is not None and taker is not None else []
    query = intent or f"{source} to {dest}"
    if giver is not None and taker is not None:
        query += f" {giver.category} {' '.join(giver.resources[:4])} {taker.category} {' '.join(taker.resources[:4])}"
    general = [d for d, _ in await knowledge.search("domain_knowledge", query, limit * 2)]
    general = [
        d for d in general if d not in pair and d.meta.get("from") == ["*"] and d.meta.get("to") == ["*"]
    ]
    chosen = [*pair, *general][:limit]
    answer.advice = [
        Advice(title=d.title, text=d.text, fit="pair" if d in pair else "general", key=d.key) for d in chosen
    ]
    patterns = [d for d, _ in await knowledge.search("mapping_patterns", query, 4, where={"kind": "pattern"})]
    answer.patterns = [Advice(title=d.title, text=d.text, key=d.key) for d in patterns]
    answer.citations = _cite([*chosen, *patterns])
    return answer


async def enriched_discovery_workflow(
    intent: str,
    *,
    knowledge: KnowledgeDBManager,
    source: str | None = None,
    dest: str | None = None,
    region: str | None = None,
) -> EnrichedDiscovery:
    """`discover_pair`, and for what it found: the rules of the region and guidance for the pair."""
    apis = discover_pair(intent, source=source, dest=dest)
    found = [result.api_name for result in (apis.source, apis.dest) if result is not None]
    compliance = [check_regulatory_compliance(name, region) for name in found] if region else []
    guidance = None
    if apis.source is not None and apis.dest is not None:
        guidance = await get_integration_guidance(
            apis.source.api_name, apis.dest.api_name, knowledge=knowledge, intent=intent
        )
    return EnrichedDiscovery(apis=apis, compliance=compliance, guidance=guidance)
