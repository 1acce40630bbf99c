"""`vitesse demo`: made, proven, deployed, run, broken and healed, as its users see it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

VITESSE = [sys.executable, "-m", "vitesse_graph.cli.main"]
THE_MAPPING = {
    ("email", "email", "direct"),
    ("first_name", "first_name", "direct"),
    ("last_name", "last_name", "direct"),
    ("phone", "phone_number", "mapping"),
    ("created_at", "created_date", "custom"),
    ("total_spent", "lifetime_value", "parse"),
    ("tags", "segments", "collect"),
}


def run(data_dir: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "VITESSE_DATA_DIR": str(data_dir), "COLUMNS": "200"}
    return subprocess.run(
        [*VITESSE, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        input=stdin,
        check=False,
        timeout=150,
    )


@pytest.fixture(scope="module")
def performed(data_dir: Path) -> dict[str, Any]:
    """One performance, as its JSON document."""
    ended = run(data_dir, "demo", "--json")
    assert ended.returncode == 0, ended.stderr
    document: dict[str, Any] = json.loads(ended.stdout)
    return document


def test_the_mapping_is_found(performed: dict[str, Any]) -> None:
    found = {(row["source_field"], row["dest_field"], row["transform_type"]) for row in performed["mapping"]}
    assert found == THE_MAPPING
    assert performed["health_score"] >= 70


def test_every_customer_arrives_once(performed: dict[str, Any]) -> None:
    first = performed["first sync"]
    assert (first["status"], first["fetched"], first["created"]) == ("completed", 1247, 1247)
    assert (first["destination"]["contacts"], first["destination"]["doubles"]) == (1247, 0)


def test_the_change_breaks_it_and_the_repair_mends_it(performed: dict[str, Any]) -> None:
    broken, healed = performed["sync after the change"], performed["sync after the repair"]
    assert broken["written"] == 0
    assert broken["quarantined"] > 0
    assert (healed["status"], healed["fetched"], healed["quarantined"]) == ("completed", 1247, 0)
    assert healed["written"] + healed["unchanged"] == 1247
    assert (healed["destination"]["contacts"], healed["destination"]["doubles"]) == (1247, 0)


def test_nothing_keeps_running_after_the_demo(performed: dict[str, Any], data_dir: Path) -> None:
    assert not list((data_dir / "deployments").glob(f"*{performed['integration_id']}*/start-*"))


def test_its_manifests_are_valid_and_hold_no_secret(performed: dict[str, Any], data_dir: Path) -> None:
    import kubernetes_validate
    import yaml

    ended = run(data_dir, "manifests", performed["integration_id"], "--image", "registry.example/x:1")
    assert ended.returncode == 0, ended.stderr
    objects = list(yaml.safe_load_all(ended.stdout))
    for item in objects:
        kubernetes_validate.validate(item, "1.31", strict=True)
    kinds = [item["kind"] for item in objects]
    assert {"Namespace", "ConfigMap", "Deployment", "NetworkPolicy"} <= set(kinds)
    assert "Secret" not in kinds
    assert "kubectl -n vitesse create secret generic" in ended.stdout


def test_the_terminal_asks_at_each_gate_and_takes_an_edited_mapping(data_dir: Path) -> None:
    answers = ["approve", "approve", "edit", "1 -", "done", "approve"]
    ended = run(data_dir, "demo", "--interactive", stdin="\n".join(answers) + "\n")
    asked = ended.stdout.count("approve, edit, retry or reject")
    assert asked == 4, ended.stdout + ended.stderr
    assert "the mapping that was found" in ended.stdout


def test_rejecting_in_the_terminal_ends_the_demo_in_one_line(data_dir: Path) -> None:
    ended = run(data_dir, "demo", "--interactive", stdin="reject\nnot these two\n")
    assert ended.returncode == 1
    assert "not these two" in ended.stderr
    assert "Traceback" not in ended.stderr
