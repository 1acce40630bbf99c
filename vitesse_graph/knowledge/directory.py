"""The public directory of specifications (APIs.guru): its listing, kept for a while, and searched.

It opens no address: the caller gives `fetch`, the guarded client of the process.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson

from vitesse_graph.errors import UpstreamError, VitesseError
from vitesse_graph.knowledge.jobs import HarvestItem
from vitesse_graph.knowledge.words import fold, terms
from vitesse_graph.state.discovery import DiscoveryResult

_log = logging.getLogger(__name__)
LISTING_URL = "https://api.apis.guru/v2/list.json"
KEEP_SECONDS = 7 * 24 * 3600.0
Fetch = Callable[[str], Awaitable[bytes]]


def _entry(name: str, api: dict[str, Any]) -> DiscoveryResult | None:
    version = api.get("versions", {}).get(api.get("preferred", ""), {})
    info = version.get("info", {})
    spec = version.get("swaggerUrl") or version.get("swaggerYamlUrl")
    if not isinstance(spec, str) or not isinstance(info, dict):
        return None
    docs = version.get("externalDocs") or {}
    return DiscoveryResult(
        api_name=str(info.get("title") or name),
        description=str(info.get("description") or "")[:400],
        documentation_url=str(docs.get("url") or "") if isinstance(docs, dict) else "",
        spec_url=spec,
        source="directory",
        why=f"listed as {name} in the public directory of specifications",
    )


def parse_listing(raw: bytes) -> list[DiscoveryResult]:
    """Entries of a listing; those without a specification's address are left out.

    Raises UpstreamError when it is no listing.
    """
    try:
        listing = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise UpstreamError("the directory of specifications did not answer with JSON") from error
    if not isinstance(listing, dict):
        raise UpstreamError("the directory of specifications answered with something else than a listing")
    entries = (_entry(name, api) for name, api in listing.items() if isinstance(api, dict))
    return [entry for entry in entries if entry is not None]


class SpecDirectory:
    """The listing, fetched at most once a week and kept as a file; away, the kept one serves."""

    def __init__(
        self, fetch: Fetch, folder: Path, *, url: str = LISTING_URL, keep_seconds: float = KEEP_SECONDS
    ) -> None:
        self._fetch = fetch
        self._path = folder / "directory.json"
        self._url = url
        self._keep_seconds = keep_seconds
        self._entries: list[DiscoveryResult] | None = None

    def _kept(self, *, at_any_age: bool) -> list[DiscoveryResult] | None:
        if not self._path.exists():
            return None
        if not at_any_age and time.time() - self._path.stat().st_mtime > self._keep_seconds:
            return None
        try:
            return parse_listing(self._path.read_bytes())
        except UpstreamError:
            return None

    async def entries(self) -> list[DiscoveryResult]:
        """All entries; [] when the directory is away and nothing is kept."""
        if self._entries is not None:
            return self._entries
        kept = await asyncio.to_thread(self._kept, at_any_age=False)
        if kept is None:
            try:
                raw = await self._fetch(self._url)
                kept = await asyncio.to_thread(parse_listing, raw)
                await asyncio.to_thread(self._save, raw)
            except (VitesseError, OSError) as error:
                _log.info("directory of specifications: %s", error)
                return await asyncio.to_thread(self._kept, at_any_age=True) or []
        self._entries = kept
        return kept

    def _save(self, raw: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(raw)
        fresh.replace(self._path)

    async def search(self, name: str, *, limit: int = 5) -> list[DiscoveryResult]:
        """Entries whose title is the name (0.8) or holds all its words (0.5), shortest titles first."""
        wanted = set(terms(name))
        if not wanted:
            return []
        found = []
        for entry in await self.entries():
            words = set(terms(entry.api_name))
            is_same = fold(entry.api_name).removesuffix("api") == fold(name).removesuffix("api")
            if is_same or wanted <= words:
                found.append(entry.evolve(confidence_score=0.8 if is_same else 0.5))
        return sorted(found, key=lambda e: (-e.confidence_score, len(e.api_name), e.spec_url))[:limit]

    async def harvest_items(self) -> list[HarvestItem]:
        """The whole listing as a harvest's plan."""
        return [HarvestItem(name=entry.api_name, location=entry.spec_url) for entry in await self.entries()]
