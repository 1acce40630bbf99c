"""The public directory of specifications behind the guarded client, as the settings want it."""

from __future__ import annotations

import asyncio

import httpx

from vitesse_graph.errors import UpstreamError
from vitesse_graph.http import AddressPolicy, guarded_httpx
from vitesse_graph.knowledge import SpecDirectory
from vitesse_graph.settings import Settings

PATIENCE_SECONDS = 10.0
"""A person waits for the answer: a directory that is slow is one that is away."""


def public_directory(settings: Settings) -> SpecDirectory | None:
    """The configured directory; None where none is. Away, it answers from what was kept, or with nothing."""
    if not settings.spec_directory_url:
        return None

    async def fetch(url: str) -> bytes:
        try:
            async with (
                asyncio.timeout(PATIENCE_SECONDS),
                guarded_httpx(AddressPolicy.from_settings(settings)) as client,
            ):
                answer = await client.get(url)
                answer.raise_for_status()
                return answer.content
        except (httpx.HTTPError, TimeoutError) as error:
            raise UpstreamError(f"{url} did not answer ({type(error).__name__})") from error

    return SpecDirectory(fetch, settings.data_dir / "knowledge", url=settings.spec_directory_url)
