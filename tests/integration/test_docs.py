"""What the pages in `docs/` say is so: their code runs, their tables are whole, their links lead somewhere."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import AliasChoices

import vitesse_graph
from vitesse_graph.api.app import create_app, in_process
from vitesse_graph.api.steps import PREFIX
from vitesse_graph.settings import Settings, get_settings

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def _blocks(page: Path, language: str) -> list[str]:
    return [code for said, code in BLOCK.findall(page.read_text("utf-8")) if said == language]


PYTHON_PAGES = sorted(page.name for page in DOCS.glob("*.md") if _blocks(page, "python"))


@pytest.fixture
def settled(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The session's data directory behind `open_graph()`."""
    for name in ("SHOP_TOKEN", "CRM_KEY"):
        monkeypatch.setenv(name, "")
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.mark.parametrize("name", PYTHON_PAGES)
@pytest.mark.usefixtures("settled")
async def test_python_on_a_page_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The blocks of a page one after another, as typed into one session."""
    names: dict[str, Any] = {}
    for code in _blocks(DOCS / name, "python"):
        compiled = compile(code, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        made = eval(compiled, names)
        if inspect.iscoroutine(made):
            await made
    assert capsys.readouterr().out


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def terminals(data_dir: Path) -> AsyncIterator[dict[str, str]]:
    """The two commands that the quickstart leaves running; the ports that it names, and those taken here."""
    ports = {name: str(_free_port()) for name in ("8000", "8101", "8102")}
    environment = {**os.environ, "VITESSE_DATA_DIR": str(data_dir), "PYTHONPATH": str(ROOT)}
    commands = (
        ("-m", "vitesse_graph.demo.stands", "--port-a", ports["8101"], "--port-b", ports["8102"]),
        ("-m", "vitesse_graph.cli.main", "serve", "--port", ports["8000"]),
    )
    started = [
        await asyncio.create_subprocess_exec(
            sys.executable, *command, env=environment, stdout=asyncio.subprocess.PIPE
        )
        for command in commands
    ]
    try:
        for process in started:
            assert process.stdout is not None
            async with asyncio.timeout(60):
                assert await process.stdout.readline()
        transport = httpx.AsyncHTTPTransport(retries=8)
        async with httpx.AsyncClient(transport=transport) as client:
            await client.get(f"http://127.0.0.1:{ports['8000']}{PREFIX}/health")
        yield ports
    finally:
        for process in started:
            process.terminate()
            await process.wait()


async def test_the_commands_of_the_quickstart_run(terminals: dict[str, str]) -> None:
    script = "\n".join(_blocks(DOCS / "quickstart.md", "sh"))
    for named, taken in terminals.items():
        script = script.replace(f"127.0.0.1:{named}/", f"127.0.0.1:{taken}/")
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", script),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said[-2000:]
    for part in ('"fetched":1247,"written":1247', "vitesse_records_total", '"deleted":true'):
        assert part in said


def _rest_document() -> dict[str, Any]:
    settings = Settings()
    return create_app(in_process(settings), settings).openapi()


def test_the_rest_table_has_every_call_and_every_field() -> None:
    document = _rest_document()
    page = (DOCS / "reference-rest.md").read_text("utf-8")
    rows = {
        (method, path): said
        for method, path, said in re.findall(r"^\| `([A-Z]+) (/\S+)` \|([^|]*)\|", page, flags=re.MULTILINE)
    }
    there = {
        (method.upper(), path.removeprefix(PREFIX)): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert set(rows) == set(there)
    for call, operation in there.items():
        fields = {p["name"] for p in operation.get("parameters", []) if p["in"] == "query"}
        schema = (
            operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        )
        for choice in [schema, *schema.get("anyOf", [])]:
            if "$ref" in choice:
                model = document["components"]["schemas"][choice["$ref"].rpartition("/")[2]]
                fields |= set(model["properties"])
        missing = {field for field in fields if f"`{field}`" not in rows[call]}
        assert (call, missing) == (call, set())


def test_the_python_page_names_the_whole_surface() -> None:
    page = (DOCS / "reference-python.md").read_text("utf-8")
    assert not [name for name in vitesse_graph.__all__ if f"`{name}" not in page]


def _as_written(default: Any) -> str:
    """A setting's default as the page and the example have it."""
    if default in (None, "", {}):
        return ""
    return str(default).lower() if isinstance(default, bool) else f"{default}".removesuffix(".0")


def test_the_settings_page_has_every_setting_with_its_default() -> None:
    page = (DOCS / "reference-settings.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|([^|]*)\|", page, flags=re.MULTILINE))
    wanted = {}
    for field in Settings.model_fields.values():
        alias = field.validation_alias
        wanted[str(alias.choices[0] if isinstance(alias, AliasChoices) else alias)] = field
    assert set(rows) == set(wanted)
    for name, field in wanted.items():
        default = _as_written(None if field.default_factory is not None else field.default)
        if default:  # else words say what happens, or nothing does
            assert (name, rows[name].strip(" `").replace(",", "")) == (name, default)


def test_the_example_of_the_settings_has_the_defaults_that_they_have() -> None:
    text = (ROOT / ".env.example").read_text("utf-8")
    written = dict(re.findall(r"^# ([A-Z0-9_]+)=(\S*)", text, flags=re.MULTILINE))
    for field in Settings.model_fields.values():
        alias = field.validation_alias
        name = str(alias.choices[0] if isinstance(alias, AliasChoices) else alias)
        default = _as_written(None if field.default_factory is not None else field.default)
        assert (name, written[name].replace("{}", "")) == (name, default)


def test_every_link_leads_somewhere() -> None:
    pages = [*DOCS.glob("*.md"), ROOT / "examples" / "README.md"]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
            if "://" not in target:
                assert (page.name, target, (page.parent / target).exists()) == (page.name, target, True)
