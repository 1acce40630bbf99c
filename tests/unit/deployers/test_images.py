"""The build context is data: the same definition, the same bytes; nothing of an id reaches the Dockerfile."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.integration.runtime.definitions import definition
from vitesse_graph.deployers.images import build_context, image_reference, tar_bytes
from vitesse_graph.deployers.wheel import project_wheel
from vitesse_graph.errors import InputError
from vitesse_graph.state.api_spec import AuthScheme

ROOT = Path(__file__).parents[3]
STRANGE = ['a"b', "a\nRUN id", "{{ 7*7 }}", "../../x", "`id`", "${BASE}", "a'b", "x" * 300, "\r\nUSER root"]


def _requirements() -> dict[str, str]:
    text = build_context(definition("http://x", "a")).files["requirements.txt"].decode()
    return dict(line.split("==") for line in text.splitlines() if line and not line.startswith("#"))


def test_the_same_definition_gives_the_same_bytes_and_another_one_others() -> None:
    one, same = (build_context(definition("http://x", "a")) for _ in range(2))
    other = build_context(definition("http://x", "a", version=2))
    assert one.tar() == same.tar()
    assert (one.digest, image_reference(definition("http://x", "a"), one)) == (
        same.digest,
        f"vitesse/a:v1-{one.digest[:16]}",
    )
    assert other.digest != one.digest
    assert build_context(definition("http://x", "a"), base="debian:12").digest != one.digest


def test_a_tar_says_nothing_of_who_made_it_when() -> None:
    with tarfile.open(fileobj=io.BytesIO(tar_bytes({"b": b"2", "a": b"1"}))) as archive:
        entries = archive.getmembers()
    assert [(e.name, e.mtime, e.uid, e.uname, e.mode) for e in entries] == [
        (name, 0, 0, "", 0o644) for name in ("a", "b")
    ]


@pytest.mark.parametrize("strange", STRANGE)
def test_a_strange_id_stays_data(strange: str) -> None:
    made = definition("http://x", strange)
    context, plain = build_context(made), build_context(definition("http://x", "a"))
    for name in set(plain.files) - {"definition.json"}:
        assert context.files[name] == plain.files[name]
    assert json.loads(context.files["definition.json"])["integration_id"] == strange
    assert context.labels["io.vitesse.integration"] == strange
    reference = image_reference(made, context, registry="registry.test:5000")
    assert re.fullmatch(r"registry\.test:5000/vitesse/[a-z0-9]+(-+[a-z0-9]+)*:v1-[0-9a-f]{16}", reference)


@pytest.mark.parametrize("base", ["", "a b", "a\nRUN id", "é"])
def test_a_base_that_is_no_reference_is_refused(base: str) -> None:
    with pytest.raises(InputError, match="no image reference"):
        build_context(definition("http://x", "a"), base=base)


def test_the_context_holds_references_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEST_KEY", "canary-secret-987654")
    made = definition("http://x", "a")
    made.dest.auth, made.dest.auth_ref = AuthScheme(type="bearer"), "env:DEST_KEY"
    context = build_context(made)
    assert b"env:DEST_KEY" in context.files["definition.json"]
    assert b"canary-secret-987654" not in context.tar()


def test_the_wheel_holds_the_package_and_a_true_record() -> None:
    name, body = project_wheel()
    assert re.fullmatch(r"vitesse_graph-[0-9.]+-py3-none-any\.whl", name)
    with zipfile.ZipFile(io.BytesIO(body)) as wheel:
        inside = set(wheel.namelist())
        record = wheel.read(next(n for n in inside if n.endswith("RECORD"))).decode().splitlines()
    assert {"vitesse_graph/runtime/__main__.py", "vitesse_graph/runtime/schema.sql"} <= inside
    assert {line.split(",")[0] for line in record} == inside
    assert not [n for n in inside if "__pycache__" in n]


def test_what_the_image_installs_was_tested_together() -> None:
    def pins(text: str) -> dict[str, str]:
        found = re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)$", text, re.MULTILINE)
        return {re.sub(r"[-_.]+", "-", name.lower()): version for name, version in found}

    tested = pins((ROOT / "constraints.txt").read_text())
    wanted = _requirements()
    assert wanted == {name: tested.get(name) for name in wanted}


def test_the_runtime_imports_with_only_what_the_image_installs() -> None:
    allowed = {"vitesse_graph"}
    wanted = _requirements()
    for found in distributions():
        if re.sub(r"[-_.]+", "-", found.name.lower()) in wanted:
            allowed |= {Path(str(file)).parts[0].split(".")[0] for file in found.files or []}
    code = f"""
import importlib, pkgutil, sys
allowed = {sorted(allowed)!r}
class OnlyThese:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in allowed and top not in sys.stdlib_module_names and "_sysconfigdata" not in top:
            raise ModuleNotFoundError("not in the image: " + name, name=name)
sys.meta_path.insert(0, OnlyThese())
# what is imported on first use
import jsonata, phonenumbers, pycountry, uvloop, standardwebhooks
import apscheduler.schedulers.asyncio, apscheduler.triggers.cron, apscheduler.triggers.interval
import vitesse_graph.http.with_aiohttp, vitesse_graph.settings, vitesse_graph.database
for name in ("runtime", "transforms", "state"):
    package = importlib.import_module("vitesse_graph." + name)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"vitesse_graph.{{name}}.{{module.name}}")
"""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
