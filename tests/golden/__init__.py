"""Checkpoints kept from every version of the whiteboard, and how they are made and put back.

A file holds threads of that version, one paused at each gate, as the rows that the saver wrote.
`python -m tests.golden` writes the file of the running version; files of earlier versions stay as
they are for good. The specifications lie at a constant path, because threads name it.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from vitesse_graph.state.review import GATES
from vitesse_graph.state.whiteboard import SCHEMA_VERSION

HERE = Path(__file__).parent
HOME = Path(tempfile.gettempdir()) / "vitesse-golden"
TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
REQUEST = {
    "user_intent": "Sync Golden Shop customers into Golden CRM contacts",
    "source": str(HOME / "shop.json"),
    "dest": str(HOME / "crm.json"),
}


def files() -> list[Path]:
    """One file for each version of the whiteboard."""
    return sorted(HERE.glob("v*.json.gz"))


def thread_of(version: int, gate: str) -> str:
    return f"golden-v{version}-{gate}"


def put_specifications() -> None:
    """Puts the two documents where the threads look for them."""
    HOME.mkdir(exist_ok=True)
    for document in (HERE / "specs").iterdir():
        shutil.copy(document, HOME / document.name)


def _plain(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _from_plain(value: Any) -> Any:
    from psycopg.types.json import Jsonb

    if isinstance(value, dict):
        return base64.b64decode(value["base64"]) if set(value) == {"base64"} else Jsonb(value)
    return value


async def load(path: Path, pool: Any) -> None:
    """Inserts the rows of a file, as the version that wrote them left them."""
    from psycopg import sql

    tables: dict[str, list[dict[str, Any]]] = json.loads(gzip.decompress(path.read_bytes()))
    async with pool.connection() as connection:
        for table, rows in tables.items():
            for row in rows:
                query = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
                    sql.Identifier(table),
                    sql.SQL(", ").join(map(sql.Identifier, row)),
                    sql.SQL(", ").join(map(sql.Placeholder, row)),
                )
                await connection.execute(query, {name: _from_plain(value) for name, value in row.items()})


async def make() -> Path:
    """Writes the file of the running version."""
    from psycopg import sql

    from vitesse_graph.api.service import IntegrationService
    from vitesse_graph.graph import open_graph
    from vitesse_graph.settings import Settings

    put_specifications()
    folder = Path(tempfile.mkdtemp(prefix="vitesse-golden-db-"))
    folder.chmod(0o755)
    async with open_graph(Settings(VITESSE_DATA_DIR=folder)) as graph:
        assert graph.services is not None
        service = IntegrationService(graph, graph.services)
        for gate in GATES:
            outcome = await service.start(REQUEST, integration_id=thread_of(SCHEMA_VERSION, gate))
            while outcome.waiting is not None and outcome.waiting.gate != gate:
                outcome = await service.answer(outcome.integration_id, "approve")
            assert outcome.waiting is not None, outcome.error
        tables = {}
        async with graph.services.pool.connection() as connection:
            for table in TABLES:
                rows = await (
                    await connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
                ).fetchall()
                tables[table] = [{name: _plain(value) for name, value in row.items()} for row in rows]
    path = HERE / f"v{SCHEMA_VERSION}.json.gz"
    path.write_bytes(gzip.compress(json.dumps(tables).encode(), mtime=0))
    return path


def main() -> None:
    asyncio.run(make())
