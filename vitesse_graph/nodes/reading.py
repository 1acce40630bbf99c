"""The optional language model's reading of an episode's error texts and change notes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx

from vitesse_graph.errors import VitesseError
from vitesse_graph.language_model import ModelOptions
from vitesse_graph.services import Services
from vitesse_graph.state.health import Diagnosis, HealthReport

if TYPE_CHECKING:
    from vitesse_graph.healing import Reading
    from vitesse_graph.nodes.evidence import Evidence

MAX_PAGE_BYTES = 200_000
PAGE_SECONDS = 10.0
_OF_CHANGE = re.compile(r"renam|deprecat|sunset|replac|remov|migrat|retir|no longer|breaking|\bmoved\b", re.I)


async def read_texts(services: Services, report: HealthReport, evidence: Evidence) -> Reading | None:
    """None where no model is configured. Pages about changes are asked for without any credential."""
    from vitesse_graph.healing import error_texts, read_with_model

    settings = services.settings
    if settings.openai_api_key is None:
        return None
    options = ModelOptions(
        model=settings.llm_model,
        api_key=settings.openai_api_key,
        base_url=settings.openai_base_url,
        timeout_seconds=settings.llm_timeout_seconds,
    )
    pages = [notes_in(text) for text in [*evidence.descriptions, *await _pages(services, evidence)]]
    return await read_with_model(error_texts(report, evidence.probes), pages, options=options)


async def _pages(services: Services, evidence: Evidence) -> list[str]:
    from vitesse_graph.http import AddressPolicy, guarded_httpx

    urls = list(dict.fromkeys(url for probe in evidence.probes for url in probe.notices))[:2]
    found: list[str] = []
    if not urls:
        return found
    async with guarded_httpx(AddressPolicy.from_settings(services.settings)) as client:
        for url in urls:
            try:
                async with client.stream("GET", url, timeout=PAGE_SECONDS, follow_redirects=False) as answer:
                    body = b""
                    async for chunk in answer.aiter_bytes():
                        body += chunk
                        if len(body) > MAX_PAGE_BYTES:
                            break
                if answer.status_code == 200:
                    found.append(body[:MAX_PAGE_BYTES].decode(errors="replace"))
            except (httpx.HTTPError, VitesseError, TimeoutError) as error:
                evidence.notes.append(f"a page about changes cannot be read: {type(error).__name__}")
    return found


def notes_in(text: str) -> str:
    """The sentences of a page or a description that speak of changes. Pure."""
    plain = re.sub(r"(?is)<(script|style)\b.*?</\1>", " ", text)
    parts = re.split(r"(?<=[.!?])\s+|\n+|</?(?:p|li|h\d|div|tr|br)\b[^>]*>", plain)
    return " ".join(" ".join(part.split()) for part in parts if _OF_CHANGE.search(part))


def told_of(reading: Reading, diagnosis: Diagnosis, evidence: Evidence) -> tuple[list[str], dict[str, Any]]:
    """Lines for the story, and what it cost for the record. Pure."""
    from vitesse_graph.healing import in_words, names_seen

    lines = [reading.note] if reading.note else []
    found = reading.conclusion
    if found is not None and found.cause != "unknown":
        if not diagnosis.detail.get("reading_counts"):
            lines.append(f"a language model reads {in_words(found)}; no probe agrees, so it does not count")
        if seen := names_seen(found, evidence.probes):
            lines.append(seen)
    cost = reading.cost
    if not cost.calls:
        return lines, {}
    record = {
        "calls": cost.calls,
        "input_tokens": cost.input_tokens,
        "output_tokens": cost.output_tokens,
        "seconds": round(cost.seconds, 3),
        "conclusion": in_words(found) if found is not None else None,
        "note": reading.note,
    }
    return lines, record
