"""What tests of several folders share: settings of their own, and the shared folder when it is there."""

from __future__ import annotations

import os
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


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real specifications and benchmarks beside the checkout."""
    if not (SHARED / "specs" / "index.json").exists():
        pytest.skip("the shared folder with real specifications is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One data directory (and so one embedded Postgres) for the whole session of a worker."""
    path = tmp_path_factory.mktemp("vitesse")
    before = os.environ.get("VITESSE_DATA_DIR")
    os.environ["VITESSE_DATA_DIR"] = str(path)
    yield path
    if before is None:
        os.environ.pop("VITESSE_DATA_DIR", None)
    else:
        os.environ["VITESSE_DATA_DIR"] = before


@pytest.fixture
async def stands() -> AsyncIterator[object]:
    """The two stand-in servers in a process of their own."""
    from vitesse_graph.demo.stands import run_stands

    async with run_stands() as running:
        yield running
