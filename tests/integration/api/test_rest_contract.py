"""The OpenAPI document says what the API does: complete, valid, and nothing found by schemathesis."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from openapi_spec_validator import validate
from rest_driving import own_database

from vitesse_graph.api.app import create_app, in_process
from vitesse_graph.api.steps import PREFIX
from vitesse_graph.settings import Settings

HERE = Path(__file__).parent
EXAMPLES = int(os.environ.get("VITESSE_CONTRACT_EXAMPLES", "0"))
"""Drawn cases for each operation, beside those that cover every constraint of the document.

None by default: what a handful of draws finds is luck, and differs from machine to machine. What they
would look for, `test_rest_hostile.py` asks of every place of the document, the same each time. A longer
search than CI can afford is a matter of setting this to 100 or so.
"""
SEED = os.environ.get("VITESSE_CONTRACT_SEED")
"""Draw other cases than the same ones each time."""
PHASES = "examples,coverage,fuzzing" if EXAMPLES else "examples,coverage"


def _document() -> dict[str, Any]:
    settings = Settings()
    return create_app(in_process(settings), settings).openapi()


def test_the_document_is_valid_and_complete() -> None:
    document = _document()
    validate(document)
    for path, operations in document["paths"].items():
        assert path.startswith(PREFIX)
        for method, operation in operations.items():
            said = f"{method} {path}"
            assert operation.get("summary"), said
            assert {"429", "500"} <= set(operation["responses"]) or path.endswith("/health"), said
            body = operation.get("requestBody")
            if body is not None:
                assert "examples" in json.dumps(_resolved(document, body)), said


def _resolved(document: dict[str, Any], body: dict[str, Any]) -> list[Any]:
    schema = body["content"]["application/json"]["schema"]
    found = [body]
    for choice in [schema, *schema.get("anyOf", [])]:
        if "$ref" in choice:
            found.append(document["components"]["schemas"][choice["$ref"].rpartition("/")[2]])
    return found


@pytest.mark.slow
@pytest.mark.timeout(400 if not EXAMPLES else 3_600)
async def test_schemathesis_finds_nothing(data_dir: Path, tmp_path: Path) -> None:
    """Against a server of its own, as an admin."""
    settings = await own_database(data_dir)
    assert settings.database_url is not None
    environment = {
        **os.environ,
        "VITESSE_DATA_DIR": str(data_dir),
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "VITESSE_REQUESTS_PER_MINUTE": "0",
        "VITESSE_ALLOW_LOOPBACK": "false",
    }
    vitesse = str(Path(sys.executable).parent / "vitesse")
    pipe = asyncio.subprocess.PIPE
    maker = await asyncio.create_subprocess_exec(
        vitesse, "serve", "--new-key", "contract", env=environment, stdout=pipe
    )
    key = (await maker.communicate())[0].decode().strip()
    server = await asyncio.create_subprocess_exec(
        vitesse, "serve", "--port", "0", env=environment, stdout=pipe
    )
    try:
        assert server.stdout is not None
        async with asyncio.timeout(60):
            base = (await server.stdout.readline()).decode().split()[0].removesuffix(PREFIX)
        transport = httpx.AsyncHTTPTransport(retries=8)
        async with httpx.AsyncClient(base_url=base, transport=transport) as client:
            document = (await client.get(f"{PREFIX}/openapi.json")).json()
        # Two ways of naming the caller are alternatives; the checks for missing headers take them
        # for needed together, so one of them is left.
        for operations in document["paths"].values():
            for operation in operations.values():
                if "security" in operation:
                    operation["security"] = [{"Bearer": []}]
        file = tmp_path / "openapi.json"
        file.write_text(json.dumps(document))
        run = await asyncio.create_subprocess_exec(
            sys.executable,
            str(HERE / "schemathesis_driver.py"),
            *("--config-file", str(HERE / "schemathesis.toml")),
            *("run", str(file), "--url", base, "-H", f"Authorization: Bearer {key}", "--no-color"),
            *("--max-examples", str(EXAMPLES or 1), "--no-shrink"),
            *(["--seed", SEED] if SEED else ["--generation-deterministic"]),
            *("--phases", PHASES, "--continue-on-failure", "--warnings", "off"),
            # one: parsing of Python is not safe beside a thread that changes the recursion limit
            *("--workers", "1"),
            cwd=tmp_path,
            stdout=pipe,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await run.communicate())[0].decode()
    finally:
        server.terminate()
        await server.wait()
    assert run.returncode == 0, said[-8000:]
    assert "generated" in said
    async with await psycopg.AsyncConnection.connect(environment["DATABASE_URL"]) as connection:
        row = await (
            await connection.execute("SELECT count(*) FROM vitesse.requests WHERE state = 'running'")
        ).fetchone()
    assert row == (0,)
