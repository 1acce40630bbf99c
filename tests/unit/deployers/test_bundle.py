"""A bundle: the same bytes for the same input, everything named and checked, and nothing secret."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runtime.definitions import definition
from vitesse_graph.deployers.bundle import inspect_bundle, make_bundle, read_bundle
from vitesse_graph.deployers.images import build_context
from vitesse_graph.errors import InputError
from vitesse_graph.runtime.__main__ import load_definition

RESULTS = [{"seed": 7, "health_score": 99.0, "passed": True}]


def contents(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_same_input_gives_the_same_bytes() -> None:
    made = definition("http://x.test", "a", source_spec_digest="s1", dest_spec_digest="d1", approved_by="ada")
    one = make_bundle(made, test_results=RESULTS, evidence={"whiteboard": {"b": 1, "a": 2}})
    same = make_bundle(made, test_results=RESULTS, evidence={"whiteboard": {"a": 2, "b": 1}})
    assert one == same
    assert make_bundle(made) != one
    manifest = inspect_bundle(one)
    assert {k: manifest[k] for k in ("definition_digest", "mapping_version", "approved_by")} == {
        "definition_digest": made.digest(),
        "mapping_version": made.mapping.version,
        "approved_by": "ada",
    }
    assert (manifest["source_spec_digest"], manifest["dest_spec_digest"]) == ("s1", "d1")
    files = contents(one)
    assert set(files) == {*manifest["files"], "manifest.json"}
    assert json.loads(files["tests/results.json"]) == RESULTS
    assert json.loads(files["evidence/whiteboard.json"]) == {"a": 2, "b": 1}


def test_unpacked_it_is_the_build_context_of_the_image() -> None:
    made = definition("http://x.test", "a")
    files = contents(make_bundle(made))
    context = build_context(made)
    assert {name: files[name] for name in context.files} == context.files


def test_the_bill_of_materials_names_every_package_of_the_image() -> None:
    made = definition("http://x.test", "a")
    files = contents(make_bundle(made, base="debian:12"))
    bill: dict[str, Any] = json.loads(files["sbom.cdx.json"])
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    pins = {line for line in files["requirements.txt"].decode().splitlines() if "==" in line}
    libraries = {f"{c['name']}=={c['version']}" for c in bill["components"] if c["type"] == "library"}
    assert pins < libraries
    assert [c["name"] for c in bill["components"] if c["type"] == "container"] == ["debian:12"]
    refs = {c["bom-ref"] for c in bill["components"]} | {"integration"}
    for edge in bill["dependencies"]:
        assert {edge["ref"], *edge["dependsOn"]} <= refs
    licensed = [c for c in bill["components"] if c.get("licenses")]
    assert len(licensed) > len(pins) // 2


def test_what_was_changed_is_refused(tmp_path: Path) -> None:
    made = definition("http://x.test", "a")
    path = tmp_path / "a.zip"
    path.write_bytes(make_bundle(made))
    assert read_bundle(path).digest() == load_definition(str(path)).digest() == made.digest()
    files = contents(path.read_bytes())
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body.replace(b"/contacts", b"/elsewhere"))
    for read in (read_bundle, lambda path: load_definition(str(path))):
        with pytest.raises(InputError, match="not what the manifest says"):
            read(path)
    path.write_bytes(b"PK\x05\x06" + b"\0" * 18)
    for read in (read_bundle, lambda path: load_definition(str(path))):
        with pytest.raises(InputError, match="is no bundle"):
            read(path)
