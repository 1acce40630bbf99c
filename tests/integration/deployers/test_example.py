"""The deployer that CONTRIBUTING.md shows is complete: taken from the page, registered, and run."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import aiohttp
import pytest

from tests.integration.runtime.apis import Apis, person
from tests.integration.runtime.definitions import definition
from vitesse_graph.deployers import Deployer, DeployerFactory
from vitesse_graph.deployers import factory as module
from vitesse_graph.errors import DeployError, NotFoundError
from vitesse_graph.settings import Settings

PAGE = Path(__file__).parents[3] / "CONTRIBUTING.md"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[Deployer]:
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(r"```python\n# (my_package)/(\w+)\.py\n(.*?)```", text, re.DOTALL)
    registered = re.search(r'^beside = "(.+)"$', text, re.MULTILINE)
    assert found is not None
    assert registered is not None
    package = tmp_path / found[1]
    package.mkdir()
    (package / f"{found[2]}.py").write_text(found[3])
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    point = EntryPoint(name="beside", value=registered[1], group="vitesse.deployers")
    monkeypatch.setattr(module, "entry_points", lambda **asked: [point])
    yield DeployerFactory.create_deployer("beside", {"settings": settings})
    for name in [name for name in sys.modules if name.split(".")[0] == "my_package"]:
        del sys.modules[name]


async def test_the_example_deploys_updates_and_takes_down(example: Deployer, apis: Apis, name: str) -> None:
    apis.people = [person(1)]
    made = definition(apis.url, name)
    try:
        with pytest.raises(NotFoundError):
            await example.update(made)
        deployed = await example.deploy(made)
        assert (await example.deploy(made)).workload_id == deployed.workload_id
        async with aiohttp.ClientSession() as session, session.post(deployed.service_url + "/sync") as answer:
            assert (await answer.json())["created"] == 1
        newer = made.model_copy(update={"version": 2, "schedule": "hourly"})
        assert (await example.plan(newer)).changes == ["version: 1 → 2", "schedule: None → hourly"]
        with pytest.raises(DeployError):
            await example.update(made.model_copy(update={"version": 2, "schedule": "whenever"}))
        assert (await example.get_status(name)).version == 1
        assert (await example.update(newer)).version == 2
        assert (await example.get_status(name)).status == "running"
        assert "listening on" in await example.get_logs(name)
    finally:
        await example.destroy(name)
    with pytest.raises(NotFoundError):
        await example.get_status(name)
