"""A secret that was posted is found nowhere afterwards but encrypted, and in the workload's environment."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from psycopg import sql
from rest_driving import made

from vitesse_graph.api.doors import Api
from vitesse_graph.demo.stands import Stands
from vitesse_graph.errors import InputError, NotFoundError
from vitesse_graph.registry.vault import Vault

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _every_row(api: Api) -> list[str]:
    """All of the database as text: every table of every schema that is ours or LangGraph's."""
    found = []
    async with api.service.services.pool.connection() as connection:
        tables = await (
            await connection.execute(
                "SELECT schemaname, tablename FROM pg_tables "
                "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            )
        ).fetchall()
        for table in tables:
            query = sql.SQL("SELECT t::text AS row FROM {} AS t").format(
                sql.Identifier(table["schemaname"], table["tablename"])
            )
            rows = await (await connection.execute(query)).fetchall()
            found += [f"{table['tablename']}: {row['row']}" for row in rows]
    return found


def _files(folder: Path) -> list[tuple[str, bytes]]:
    return [
        (str(path), path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and "postgres" not in path.relative_to(folder).parts
    ]


def _command_lines() -> list[bytes]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes())
        except OSError:
            continue
    return lines


async def test_a_posted_secret_is_found_nowhere(
    client: httpx.AsyncClient,
    body: dict[str, Any],
    api: Api,
    stands: Stands,
    undeploy: Callable[[str], str],
    caplog: pytest.LogCaptureFixture,
    data_dir: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    marks = (stands.shopify_token, stands.credo_api_key)
    said: list[str] = []

    async def note(response: httpx.Response) -> None:
        said.append((await response.aread()).decode())

    client.event_hooks["response"].append(note)
    try:
        integration_id = undeploy(await made(client, body, "ingest", "map", "test", "deploy"))
        address = f"/integrations/{integration_id}"
        assert (await client.post(f"{address}/sync")).json()["data"]["sync"]["status"] == "completed"
        await client.post(f"{address}/heal", json={"reason": "requested"})
        for path in ("", "/history", "/audit", "/logs", "/metrics", "/transformations"):
            await client.get(address + path)
    finally:
        client.event_hooks["response"].remove(note)

    rows = await _every_row(api)
    assert any(integration_id in row for row in rows)
    for mark in marks:
        hexed = mark.encode().hex()
        assert not [row[:200] for row in rows if mark in row or hexed in row]
        assert not [name for name, content in _files(data_dir) if mark.encode() in content]
        assert not [text[:200] for text in said if mark in text]
        assert mark not in caplog.text
        assert not [line for line in _command_lines() if mark.encode() in line]

    await client.delete(address)
    assert not [row for row in await _every_row(api) if row.startswith("secrets: ") and integration_id in row]


async def test_a_credential_in_an_address_is_refused_before_anything_is_written(
    client: httpx.AsyncClient, body: dict[str, Any], api: Api
) -> None:
    mark = "marked-in-an-address"
    place = body["source_api_url"].replace("://", f"://user:{mark}@")
    before = (await api.registry.integrations(limit=1))[1]
    refused = await client.post("/integrations", json={**body, "source_api_url": place})
    assert (refused.status_code, "carries a credential" in refused.json()["error"]) == (400, True)
    assert (await api.registry.integrations(limit=1))[1] == before
    address = f"/integrations/{await made(client, body)}"
    for step, said in (
        ("ingest", {"source_spec_url": place}),
        ("ingest", {"dest_spec_url": f"https://api.example.com/openapi.json?api_key={mark}"}),
        ("resume", {"source_api_url": place}),
        ("review", {"type": "edit", "edited": {"source": place}}),
    ):
        refused = await client.post(f"{address}/{step}", json=said)
        assert (step, refused.status_code, mark in refused.text) == (step, 400, False)
    assert not [row for row in await _every_row(api) if mark in row]


async def test_keys_can_be_rotated_and_a_wrong_key_says_so(api: Api) -> None:
    pool = api.service.services.pool
    reference = await Vault(pool, ["the old key"]).put("value", tenant="a")
    assert await Vault(pool, ["the new key", "the old key"]).reveal(reference) == "value"
    with pytest.raises(InputError, match="another key"):
        await Vault(pool, ["the new key"]).reveal(reference)
    with pytest.raises(NotFoundError):
        await Vault(pool, ["the old key"]).reveal("secret:nonsense")
