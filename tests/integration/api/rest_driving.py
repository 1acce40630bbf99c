"""Helpers of the REST tests: an application started as a server would, and calls made to it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI

from vitesse_graph.api.app import create_app, in_process
from vitesse_graph.api.steps import PREFIX
from vitesse_graph.settings import Settings

INTENT = "Sync Shopify customers into our Credo CRM contacts"


@asynccontextmanager
async def running(settings: Settings, **options: Any) -> AsyncIterator[FastAPI]:
    """The application, started and stopped as a server would."""
    app = create_app(in_process(settings), settings, **options)
    async with app.router.lifespan_context(app):
        yield app


def client_of(app: FastAPI, *, address: str = "127.0.0.1", **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=(address, 1234)),
        base_url=f"http://localhost{PREFIX}",
        timeout=60,
        **options,
    )


async def made(client: httpx.AsyncClient, body: dict[str, Any], *steps: str) -> str:
    """A new integration, brought through these steps; its id."""
    answer = await client.post("/integrations", json=body)
    assert answer.status_code == 201, answer.text
    integration_id = str(answer.json()["integration_id"])
    for step in steps:
        answer = await client.post(f"/integrations/{integration_id}/{step}")
        assert answer.status_code == 200, answer.text
    return integration_id


def unknown_id() -> str:
    return str(uuid.uuid4())
