"""The command with what people really type: wrong first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

VITESSE = [sys.executable, "-m", "vitesse_graph.cli.main"]


def run(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "VITESSE_DATA_DIR": str(data_dir), "COLUMNS": "200"}
    return subprocess.run(
        [*VITESSE, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )


BAD = [
    (["deom"], "did you mean demo"),
    (["run"], "--intent"),
    (["run", "--source", "no-such-file.yaml", "--dest", "x.yaml"], "no file no-such-file.yaml"),
    (["run", "--intent", "x", "--source-auth", "sk_live_secret", "--approve-all"], "never hold one"),
    (["ingest", "no-such-file.json"], "no-such-file.json"),
    (["ingest"], "SPEC"),
    (["map", "--source-schema", "nothing.json", "--dest-schema", "nothing.json"], "nothing.json"),
    (["status", "integ_unknown"], "no integration integ_unknown"),
    (["review", "integ_unknown"], "no integration integ_unknown"),
    (["sync", "integ_unknown"], "no integration integ_unknown"),
    (["explain", "integ_unknown", "7"], "no integration integ_unknown"),
    (["dead-letters"], "say which"),
    (["dead-letters", "list", "integ_unknown"], "no integration integ_unknown"),
    (["dead-letters", "drop", "integ_unknown"], "say --all"),
    (["delete", "integ_unknown", "--yes"], "no integration integ_unknown"),
    (["demo", "--interactive", "--json"], "choose one"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD, ids=[" ".join(a)[:40] for a, _ in BAD])
def test_bad_input_gets_one_clear_line_and_exit_2(data_dir: Path, arguments: list[str], said: str) -> None:
    ended = run(data_dir, *arguments)
    assert ended.returncode == 2, ended.stderr
    lines = [line for line in ended.stderr.splitlines() if line.strip()]
    assert len(lines) == 1
    assert said in lines[0]
    assert "sk_live_secret" not in ended.stderr + ended.stdout


def test_an_intent_that_fits_nothing_fails_and_says_what_to_give(data_dir: Path) -> None:
    ended = run(data_dir, "run", "--intent", "make me a sandwich", "--approve-all", "--json")
    assert ended.returncode == 2
    document = json.loads(ended.stdout)
    assert document["status"] == "failed"
    assert "specification" in document["error"]
    shown = run(data_dir, "status", document["integration_id"])
    assert (shown.returncode, "failed" in shown.stdout) == (0, True)


def test_where_nobody_can_answer_the_gate_goes_on_waiting_and_says_how(
    data_dir: Path, tmp_path: Path
) -> None:
    document = {"openapi": "3.0.0", "info": {"title": "T", "version": "1"}, "paths": {"/x": {}}}
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(document))
    ended = run(data_dir, "run", "--intent", "x to y", "--source", str(spec), "--dest", str(spec))
    assert ended.returncode == 0, ended.stderr
    said = ended.stdout.splitlines()[-1]
    assert said.startswith("review_discovery waits for an answer: vitesse review ")
    integration_id = said.split()[-1]
    listed = run(data_dir, "integrations")
    assert integration_id in listed.stdout


def test_lists_and_doctor_answer_in_json(data_dir: Path) -> None:
    listed = run(data_dir, "integrations", "--json")
    assert listed.returncode == 0
    assert "integrations" in json.loads(listed.stdout)
    checked = run(data_dir, "doctor", "--json")
    assert checked.returncode == 0, checked.stderr
    checks = {check["name"]: check["state"] for check in json.loads(checked.stdout)["checks"]}
    assert checks["database"] == "on"


def test_help_needs_none_of_the_heavy_imports() -> None:
    code = (
        "import sys; from vitesse_graph.cli.main import cli\n"
        "cli.main(['--help'], standalone_mode=False)\n"
        "heavy = {'langgraph', 'langchain_core', 'qdrant_client', 'pydantic', 'rich', 'numpy', 'scipy'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    began = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert time.monotonic() - began < 20


def test_a_schema_pair_is_mapped_without_a_database(tmp_path: Path) -> None:
    source, dest = tmp_path / "source.json", tmp_path / "dest.json"
    source.write_text(
        json.dumps(
            {
                "type": "object",
                "properties": {
                    "given_name": {"type": "string"},
                    "email": {"type": "string", "format": "email"},
                },
            }
        )
    )
    dest.write_text(
        json.dumps(
            {
                "type": "object",
                "required": ["email"],
                "properties": {
                    "first_name": {"type": "string"},
                    "email": {"type": "string", "format": "email"},
                },
            }
        )
    )
    ended = run(
        tmp_path / "data", "map", "--source-schema", str(source), "--dest-schema", str(dest), "--json"
    )
    assert ended.returncode == 0, ended.stderr
    rows = {(r["source_field"], r["dest_field"]) for r in json.loads(ended.stdout)["transformations"]}
    assert rows == {("given_name", "first_name"), ("email", "email")}
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_harvested_folder_is_found_by_name_and_advice_cites_its_sources(
    data_dir: Path, tmp_path: Path
) -> None:
    document = {
        "openapi": "3.0.0",
        "info": {"title": "Quillon Ledger API", "version": "1"},
        "paths": {"/entries": {"get": {"responses": {"200": {"description": "Entries"}}}}},
    }
    (tmp_path / "quillon.json").write_text(json.dumps(document))
    (tmp_path / "broken.json").write_text("{")
    harvested = json.loads(run(data_dir, "harvest", "--folder", str(tmp_path), "--json").stdout)
    assert (harvested["total"], harvested["failed"]) == (2, 1)
    found = json.loads(run(data_dir, "discover", "Quillon Ledger API", "--json").stdout)
    assert found[0]["spec_url"] == str(tmp_path / "quillon.json")
    advice = json.loads(run(data_dir, "advise", "Stripe", "Xero", "--region", "Germany", "--json").stdout)
    assert advice["guidance"]["advice"]
    assert all(cited["source"] for cited in advice["guidance"]["citations"])
    assert [report["api"] for report in advice["compliance"]] == ["Stripe", "Xero"]


def test_advice_and_discovery_go_on_while_the_server_of_the_store_is_away(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    pytest.importorskip("qdrant_client")
    monkeypatch.setenv("QDRANT_URL", f"http://127.0.0.1:{unused_tcp_port}")
    advice = json.loads(run(data_dir, "advise", "Stripe", "Xero", "--json").stdout)
    assert advice["guidance"]["advice"]
    assert advice["guidance"]["patterns"]
    found = json.loads(run(data_dir, "discover", "who looks after the donors", "--json").stdout)
    assert {"Blackbaud SKY", "Donorbox"} & {result["api_name"] for result in found}
