"""`vitesse ingest` as a person and as a program sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from vitesse_graph.cli.ingest import ingest

CONTACT = {
    "type": "object",
    "required": ["email"],
    "properties": {
        "id": {"type": "string", "readOnly": True},
        "email": {"type": "string", "format": "email"},
    },
}


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VITESSE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "100")
    page = {
        "type": "object",
        "properties": {"data": {"type": "array", "items": CONTACT}, "next_cursor": {"type": "string"}},
    }
    answer = {"description": "ok", "content": {"application/json": {"schema": page}}}
    cursor = {"name": "cursor", "in": "query", "schema": {"type": "string"}}
    body = {"content": {"application/json": {"schema": CONTACT}}}
    tree: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Tiny [red]CRM[/]", "version": "1", "description": "Up to 10 requests per second."},
        "servers": [{"url": "https://api.tiny.example"}],
        "paths": {
            "/contacts": {
                "get": {"parameters": [cursor], "responses": {"200": answer}},
                "post": {"requestBody": body, "responses": {"201": {"description": "made"}}},
            },
            "/broken": {"$ref": "#/nowhere"},
        },
        "webhooks": {"contactMade": {"post": {"responses": {}}}},
    }
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(tree))
    return path


def run(*arguments: str) -> Result:
    ended = CliRunner().invoke(ingest, list(arguments), catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended


def test_a_person_sees_what_was_understood_and_what_was_guessed(spec: Path) -> None:
    shown = run(str(spec)).output
    for words in (
        "Tiny [red]CRM[/] 1",
        "https://api.tiny.example",
        "2 (1 list, 1 create)",
        "10 calls in 1 s",
        "contactMade",
        "cursor cursor ← next_cursor",
        "could not be read",
        "/broken",
        "guessed (an overlay corrects any of it)",
    ):
        assert words in shown


def test_endpoints_are_ranked_for_an_intent_with_reasons(spec: Path) -> None:
    shown = run(str(spec), "--intent", "copy contacts into a ledger").output
    assert "for this intent, as source" in shown
    assert "`contact` is what" in shown
    found = json.loads(run(str(spec), "--intent", "copy contacts into a ledger", "--json").output)
    assert found["candidates"]["source"][0]["endpoint"]["path"] == "/contacts"
    assert found["operation_count"] == 2


def test_one_endpoint_is_shown_with_its_fields(spec: Path) -> None:
    shown = run(str(spec), "--endpoint", "get /contacts").output
    assert "string (email), required" in shown
    found = json.loads(run(str(spec), "--endpoint", "POST /contacts", "--json").output)
    assert [field["path"] for field in found["fields"]] == ["id", "email"]
    assert found["natural_keys"] == ["email"]


def test_an_overlay_corrects_what_was_guessed(spec: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(
        "overlay: 1.0.0\ninfo: {title: x, version: '1'}\nactions:\n"
        "  - target: $.paths['/contacts'].get\n    update: {x-vitesse-pagination: {style: page, params: [p]}}\n"
    )
    found = json.loads(run(str(spec), "--overlay", str(overlay), "--json").output)
    assert found["endpoints"][0]["pagination"]["style"] == "page"
