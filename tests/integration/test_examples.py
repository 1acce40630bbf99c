"""Every script in `examples/` runs, and shows what it says it shows."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from vitesse_graph.deployers import factory
from vitesse_graph.settings import get_settings
from vitesse_graph.transforms import registry

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py") if not path.stem.startswith("_"))

SHOWN = {
    "approvals": r"still waiting: review_guardian, health \d+\nactive at http://127\.0\.0\.1",
    "batch": r"50 deploying, waiting at review_guardian",
    "custom_deployer": r"active: folder version 1\nkept as it was deployed: True",
    "custom_transform": r"phone → phone_number by masked_phone\nhealth (7\d|8\d|9\d|100)",
    "edit_mapping": r"version 2: 6 rows, decided by a person: \['last_name'\]\ntested with them: health \d+",
    "one_shot": r"1247 fetched, 1247 written, 0 quarantined\nthe CRM has 1247 contacts",
    "streaming": r"(?s)vitesse\.step\.started +discovery.*waits for an answer: review_guardian",
    "time_travel": r"(?s)next: map\n.*left out on the second way: \['segments'\]\ncheckpoints: \d+, then \d+",
}


@pytest.fixture(autouse=True)
def world(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The session's data directory; what an example registers goes with it."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setattr(factory, "_REGISTERED", {})
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
    for name in ("EXAMPLE_SHOP_TOKEN", "EXAMPLE_CRM_KEY"):
        monkeypatch.setenv(name, "")
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()
    sys.modules.pop("_world", None)


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"vitesse_example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_is_described_and_run() -> None:
    listed = re.findall(r"^\| \[(\w+)\.py\]", (EXAMPLES / "README.md").read_text("utf-8"), flags=re.MULTILINE)
    assert sorted(listed) == NAMES == sorted(SHOWN)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "one_shot"])
async def test_an_example_shows_what_it_says(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    await _load(name).main()
    assert re.search(SHOWN[name], capsys.readouterr().out)


async def test_an_example_runs_as_a_script(data_dir: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLES / "one_shot.py")),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()[-2000:]
    assert re.search(SHOWN["one_shot"], said.decode())
