"""`vitesse doctor`: what is on, what is off, why, and how to turn it on."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import click

from vitesse_graph.cli.output import json_option, print_json, print_table
from vitesse_graph.cli.session import run_async
from vitesse_graph.settings import Settings, get_settings


@dataclass(frozen=True, kw_only=True)
class Check:
    """One capability: `on`, `off` (by choice) or `broken` (wanted, not working)."""

    name: str
    state: str
    detail: str
    remedy: str = ""


def _has(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) is not None for module in modules)


async def _database(settings: Settings) -> Check:
    import psycopg

    from vitesse_graph.database import database_url
    from vitesse_graph.errors import VitesseError

    which = "embedded" if settings.conninfo() is None else "configured"
    try:
        url = await database_url(settings)
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=5) as connection:
            row = await (await connection.execute("SHOW server_version")).fetchone()
    except (psycopg.Error, VitesseError) as error:
        reason = str(error).splitlines()[0] if isinstance(error, VitesseError) else type(error).__name__
        return Check(
            name="database",
            state="broken",
            detail=f"{which} Postgres: {reason}",
            remedy="check DATABASE_URL, or unset it for the embedded server",
        )
    return Check(
        name="database",
        state="on",
        detail=f"{which} Postgres {row[0] if row else ''}",
        remedy="" if which == "configured" else "DATABASE_URL for a server of your own",
    )


async def _model(settings: Settings) -> Check:
    if settings.openai_api_key is None and settings.openai_base_url is None:
        return Check(
            name="language model",
            state="off",
            detail="mapping is deterministic",
            remedy="OPENAI_API_KEY (and OPENAI_BASE_URL for a compatible server)",
        )
    if not _has("langchain_openai"):
        return Check(
            name="language model",
            state="broken",
            detail="configured, but langchain-openai is missing",
            remedy="pip install 'vitesse-graph[llm]'",
        )
    return Check(name="language model", state="on", detail=settings.llm_model)


async def _vectors(settings: Settings) -> Check:
    if not _has("qdrant_client"):
        return Check(
            name="vector store",
            state="off",
            detail="discovery searches the catalogue by words",
            remedy="pip install 'vitesse-graph[knowledge]'",
        )
    where = settings.qdrant_url or "embedded"
    return Check(
        name="vector store",
        state="on",
        detail=where,
        remedy="" if settings.qdrant_url else "QDRANT_URL for a server",
    )


async def _embeddings(settings: Settings) -> Check:
    if not _has("fastembed"):
        return Check(
            name="embeddings",
            state="off",
            detail="the lexical embedder serves",
            remedy="pip install 'vitesse-graph[knowledge]'",
        )
    path = settings.embedding_model_path
    if path is None:
        return Check(
            name="embeddings",
            state="off",
            detail="no model at hand: the lexical embedder serves",
            remedy="VITESSE_EMBEDDING_MODEL_PATH, or let fastembed download its default",
        )
    if not path.exists():
        return Check(
            name="embeddings",
            state="broken",
            detail=f"no model at {path}",
            remedy="correct VITESSE_EMBEDDING_MODEL_PATH",
        )
    return Check(name="embeddings", state="on", detail=str(path))


async def _studio(settings: Settings) -> Check:
    if _has("langgraph_api") and shutil.which("langgraph", path=str(sys.prefix) + "/bin"):
        return Check(name="LangGraph Studio", state="on", detail="langgraph dev")
    return Check(
        name="LangGraph Studio",
        state="off",
        detail="the LangGraph server is not installed",
        remedy="pip install 'vitesse-graph[studio]'",
    )


async def _addresses(settings: Settings) -> Check:
    detail = f"loopback {'allowed' if settings.allow_loopback else 'refused'}, private {'allowed' if settings.allow_private_addresses else 'refused'}"
    return Check(
        name="addresses", state="on", detail=detail, remedy="VITESSE_ALLOWED_HOSTS for single private hosts"
    )


async def _targets(settings: Settings) -> Check:
    from vitesse_graph.deployers import DeployerFactory

    names = ", ".join(DeployerFactory.targets())
    return Check(name="deploy targets", state="on", detail=names)


CHECKS: tuple[Callable[[Settings], Awaitable[Check]], ...] = (
    _database, _model, _vectors, _embeddings, _targets, _studio, _addresses,
)  # fmt: skip


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """What is on, what is off, why, and how to turn it on."""
    settings = get_settings()

    async def work() -> list[Check]:
        return [await check(settings) for check in CHECKS]

    checks = run_async(work())
    if as_json:
        print_json({"data_dir": settings.data_dir, "checks": [vars(check) for check in checks]})
    else:
        print_table(
            f"data in {settings.data_dir}",
            ["what", "state", "detail", "to change it"],
            [[c.name, c.state, c.detail, c.remedy] for c in checks],
        )
    return 1 if any(check.state == "broken" for check in checks) else 0
