"""The checkpointer that `langgraph.json` names: the same Postgres as every other door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vitesse_graph.checkpoints.saver import PatientPostgresSaver, open_saver
from vitesse_graph.settings import get_settings


@asynccontextmanager
async def checkpointer() -> AsyncIterator[PatientPostgresSaver]:
    """Open for as long as the server runs."""
    settings = await asyncio.to_thread(get_settings)
    async with open_saver(settings) as saver:
        yield saver
