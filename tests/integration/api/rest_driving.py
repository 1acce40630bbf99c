"""Helpers of the REST tests: an application started as a server would, and calls made to it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
from fastapi import FastAPI
from psycopg import sql

from vitesse_graph.api.app import create_app, in_process
from vitesse_graph.api.steps import PREFIX
from vitesse_graph.database import database_url
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


async def own_database(data_dir: Path, **options: Any) -> Settings:
    """Settings for a fresh database in the session's server: what is done there shuts no other door."""
    kept = Settings(VITESSE_DATA_DIR=data_dir)  # type: ignore[call-arg]
    url = await database_url(kept)
    name = f"api_{uuid.uuid4().hex[:12]}"
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    parts = urlsplit(url)
    return Settings(
        VITESSE_DATA_DIR=data_dir,
        DATABASE_URL=urlunsplit(parts._replace(path=f"/{name}")),
        VITESSE_REQUESTS_PER_MINUTE=0,
        **options,
    )  # type: ignore[call-arg]
