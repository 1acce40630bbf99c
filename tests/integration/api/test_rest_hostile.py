"""Every place of every body, and every parameter, is given what breaks databases and parsers; the same each time.

Drawing cases finds such faults by luck. Here the OpenAPI document is walked: for each place in it there is
a request with a hostile value in just that place. No answer is a fault of ours, and what the document
allows is never refused as malformed, nor the other way round.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import pytest_asyncio
from fastapi import FastAPI
from rest_driving import INTENT, client_of, made, own_database, running

from vitesse_graph.api.steps import PREFIX

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXTS = ["a\x00b", "\ud800", "\u202e\U0001f600", "' OR 1=1 --\r\n{{7*7}} ../../etc", "x" * 70_000]
WHOLE = [2**63, -(2**63) - 1, 10**40, -1, 0]
NUMBERS = [10**400, 1e308, -0.0, 5e-324]
DEEP: Any = "deep"
for _ in range(60):
    DEEP = [DEEP]
ANYTHING = [*TEXTS, 10**40, {"a\x00b": "a\x00b"}, {"\ud800": "\ud800"}, {"": None}, DEEP]
SIDES = {"source_api_url": "shopify", "dest_api_url": "credo"}
LEFT_ALONE = {"DELETE /integrations/{integration_id}", "GET /integrations/{integration_id}/events"}
"""Takes the integration away; never ends by itself."""


class Walk:
    """Bodies that fit a schema but, perhaps, in one place."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._schemas = document["components"]["schemas"]

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        return schema

    def plain(self, schema: dict[str, Any]) -> Any:
        """The least that fits."""
        schema = self.resolved(schema)
        for known in ("const", "default"):
            if known in schema:
                return schema[known]
        if "enum" in schema:
            return schema["enum"][0]
        if "anyOf" in schema:
            return self.plain(schema["anyOf"][0])
        if schema.get("type") == "object":
            properties = schema.get("properties", {})
            return {name: self.plain(properties[name]) for name in schema.get("required", [])}
        found: dict[str, Any] = {"array": [], "integer": 1, "number": 1, "boolean": False, "string": "abc"}
        return found.get(schema.get("type", ""))

    def spoilt(self, schema: dict[str, Any], depth: int = 0) -> Iterator[Any]:
        """Values with one hostile place each."""
        schema = self.resolved(schema)
        if depth > 8 or "enum" in schema or "const" in schema:
            return
        if "anyOf" in schema:
            for choice in schema["anyOf"]:
                yield from self.spoilt(choice, depth + 1)
            return
        match schema.get("type"):
            case "string":
                yield from TEXTS
            case "integer":
                yield from WHOLE
            case "number":
                yield from NUMBERS
            case "array":
                for item in self.spoilt(schema.get("items", {}), depth + 1):
                    yield [item]
            case "object":
                yield from self._objects(schema, depth)
            case None:
                yield from ANYTHING

    def _objects(self, schema: dict[str, Any], depth: int) -> Iterator[dict[str, Any]]:
        least = self.plain(schema)
        for name, part in schema.get("properties", {}).items():
            for value in self.spoilt(part, depth + 1):
                yield {**least, name: value}
        more = schema.get("additionalProperties")
        if isinstance(more, dict):
            for value in self.spoilt(more, depth + 1):
                yield {**least, "key": value}
            for text in TEXTS:
                yield {**least, text: self.plain(more)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(data_dir: Path) -> AsyncIterator[FastAPI]:
    """On a database of its own: among what is made here are keys, which shut the door to others."""
    async with running(await own_database(data_dir)) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as opened:
        key = (await opened.post("/keys", json={"name": "hostile", "role": "admin"})).json()["data"]["key"]
        opened.headers["Authorization"] = f"Bearer {key}"
        yield opened


@pytest.fixture(scope="module")
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def integration_id(client: httpx.AsyncClient) -> str:
    """One that has come as far as one can without a workload."""
    specs = files("vitesse_graph.demo")
    given = {side: str(specs / f"{name}_like.json") for side, name in SIDES.items()}
    return await made(client, {"user_intent": INTENT, **given}, "ingest", "map", "test")


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            short = path.removeprefix(PREFIX)
            if f"{method.upper()} {short}" not in LEFT_ALONE:
                yield method.upper(), short, operation


async def test_no_place_of_any_body_takes_what_breaks_us_or_refuses_what_its_document_allows(
    client: httpx.AsyncClient, document: dict[str, Any], integration_id: str
) -> None:
    walk, wrong = Walk(document), []
    for method, path, operation in _operations(document):
        if "requestBody" not in operation:
            continue
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        fits = jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})
        for value in walk.spoilt(schema):
            answer = await client.request(
                method,
                path.replace("{integration_id}", integration_id),
                content=json.dumps(value),
                headers={"content-type": "application/json"},
            )
            if (said := _fault(answer, _is_valid(fits, value))) is not None:
                wrong.append((method, path, json.dumps(value)[:160], said))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_what_is_no_number_of_json_is_refused_anywhere(
    client: httpx.AsyncClient, integration_id: str, number: str
) -> None:
    for method, path, text in (
        ("PUT", f"/integrations/{integration_id}", f'{{"metadata": {{"a": {number}}}}}'),
        ("POST", "/integrations", f'{{"user_intent": "x", "metadata": {{"a": {number}}}}}'),
        ("POST", f"/integrations/{integration_id}/deploy", f'{{"cpu_cores": {number}}}'),
    ):
        headers = {"content-type": "application/json"}
        answer = await client.request(method, path, content=text, headers=headers)
        assert (answer.status_code, number in answer.json()["error"]) == (422, True), answer.text


def _is_valid(schema: Any, value: Any) -> bool | None:
    """None where the judge cannot say: it takes no text that is no Unicode."""
    try:
        return bool(schema.is_valid(value))
    except (ValueError, UnicodeError, OverflowError):
        return None


def _fault(answer: httpx.Response, is_valid: bool | None) -> str | None:
    if answer.status_code in (500, 503) or answer.status_code > 504:
        return f"{answer.status_code}: {answer.text[:200]}"
    if is_valid and answer.status_code == 422:
        return f"its document allows it: {answer.text[:200]}"
    if is_valid is False and answer.status_code < 400:
        return f"its document refuses it: {answer.text[:100]}"
    return None


async def test_no_parameter_takes_what_breaks_us(
    client: httpx.AsyncClient, document: dict[str, Any], integration_id: str
) -> None:
    walk, wrong = Walk(document), []
    for method, path, operation in _operations(document):
        address = path.replace("{integration_id}", integration_id)
        for parameter in operation.get("parameters", []):
            fits = jsonschema_rs.Draft202012Validator(parameter["schema"])
            for value in walk.spoilt(parameter["schema"]):
                text = str(value)[:2_000].encode("utf-8", "replace").decode()
                name, place = parameter["name"], parameter["in"]
                if place == "query":
                    answer = await client.request(method, address, params={name: text})
                elif place == "path" and text.strip("./"):
                    answer = await client.request(method, path.replace(f"{{{name}}}", _quoted(text)))
                elif place == "header" and text.isascii() and text.isprintable():
                    answer = await client.request(method, address, headers={name: text})
                else:
                    continue
                known = None if isinstance(value, str) and text != value else _is_valid(fits, value)
                if (said := _fault(answer, known if place == "query" else None)) is not None:
                    wrong.append((method, path, name, text[:60], said))
    assert not wrong, "\n".join(map(str, wrong))


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
