"""The sandbox of every published specification: it starts, lists, creates, refuses, and keeps the contract."""

from __future__ import annotations

import json
import random
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from vitesse_graph.guardian import Answer, AppTarget, Call
from vitesse_graph.guardian.plan import content_type_of, file_fields, fixed_for
from vitesse_graph.guardian.targets import path_of
from vitesse_graph.sandbox import Sandbox, create_sandbox
from vitesse_graph.sandbox.operation import Operation
from vitesse_graph.settings import Settings
from vitesse_graph.specs import SpecDocument, load_document
from vitesse_graph.state.api_spec import Endpoint
from vitesse_graph.synthetic import Contract, Draw, RecordGenerator
from vitesse_graph.synthetic.schemas import at_path

SPECS = Path(__file__).resolve().parents[4] / "shared" / "specs"
OF_EACH_KIND = 4
"""Operations tried of each kind: the most used ones stand first; all of them would take minutes."""


@lru_cache
def index() -> list[dict[str, Any]]:
    path = SPECS / "index.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else []


pytestmark = pytest.mark.skipif(
    not index(), reason="the published specifications are not beside the repository"
)


async def opened(entry: dict[str, Any], tmp_path: Path) -> tuple[SpecDocument, Sandbox]:
    settings = Settings(VITESSE_DATA_DIR=tmp_path)
    document = await load_document(str(SPECS / entry["file"]), settings=settings)
    return document, create_sandbox(document, records=12)


def request(document: SpecDocument, endpoint: Endpoint, body: Any) -> Call:
    fixed = fixed_for(endpoint, document.operation(endpoint.key), {}, invent=True)
    return Call(
        endpoint.method, path_of(endpoint, fixed.path_params), fixed.query, fixed.headers, body,
        content_type_of(endpoint), key=endpoint.key, auth=endpoint.auth,
        files=file_fields(document.operation(endpoint.key).request_body[0].json_schema) if body is not None else (),
    )  # fmt: skip


def some_body(operation: Operation, *, minimal: bool) -> Any:
    generator = RecordGenerator(operation.body_schema, direction="request")
    return generator.draw(Draw(random.Random(1)), minimal=minimal)


def check(operation: Operation, answer: Answer) -> None:
    assert answer.status == operation.success.status, f"{operation.key}: {answer.status} {answer.raw[:300]!r}"
    if operation.success.is_json:
        problems = Contract(operation.success.schema, "response").problems(answer.value())
        assert problems == [], f"{operation.key}: {problems[:3]}"


def of_role(document: SpecDocument, role: str, *, with_body: bool = False) -> list[Endpoint]:
    found = [
        endpoint for endpoint in document.spec.endpoints if endpoint.role == role and not endpoint.deprecated
    ]
    if with_body:
        found = [endpoint for endpoint in found if endpoint.content_types]
    found.sort(key=lambda endpoint: len(endpoint.path))
    # Uploads are few and late: one of them is tried, too.
    uploads = [e for e in found[OF_EACH_KIND:] if e.content_types[:1] == ["multipart/form-data"]]
    return [*found[:OF_EACH_KIND], *uploads[:1]]


@pytest.mark.parametrize("entry", index(), ids=lambda entry: entry["id"])
async def test_a_sandbox_lists_creates_and_refuses(entry: dict[str, Any], tmp_path: Path) -> None:
    document, app = await opened(entry, tmp_path)
    target = AppTarget(app, document.spec.auth)
    for endpoint in of_role(document, "list"):
        operation = app.holdings.operation(endpoint.key)
        body = (
            some_body(operation, minimal=True)
            if endpoint.method == "POST" and operation.media_types
            else None
        )
        answer = await target.call(request(document, endpoint, body))
        check(operation, answer)
    for endpoint in of_role(document, "create", with_body=True):
        operation = app.holdings.operation(endpoint.key)
        check(operation, await target.call(request(document, endpoint, some_body(operation, minimal=False))))
        if Contract(operation.body_schema, "request").is_valid([["no", "body"]]):
            continue  # anything goes
        if content_type_of(endpoint).endswith("json"):
            refused = await target.call(request(document, endpoint, [["no", "body"]]))
            assert refused.status is not None
            assert 400 <= refused.status < 500, f"{endpoint.key} took nonsense"


@pytest.mark.parametrize(
    "entry",
    [entry for entry in index() if entry.get("truth", {}).get("pagination", "none") != "none"],
    ids=lambda e: e["id"],
)
async def test_the_labelled_list_is_walked_to_its_end(entry: dict[str, Any], tmp_path: Path) -> None:
    from vitesse_graph.guardian.plan import source_call
    from vitesse_graph.guardian.reading import read_source

    document, _ = await opened(entry, tmp_path)
    key = entry["truth"]["endpoint"]
    endpoint = document.operation(key).endpoint
    if endpoint.pagination is None or endpoint.pagination.style == "none" or not endpoint.pagination.params:
        pytest.skip(f"ingest found no pagination for {key}")
    app = create_sandbox(document, records=30)
    target, shape = AppTarget(app, document.spec.auth), document.source_shape(key)
    first = source_call(shape, document.operation(key), {}, invent=True)
    # Lists inside a scope hold ten records, the others thirty; pages are of eight at most where a size can be asked for.
    pages = [page async for page in read_source(shape, first, target.call, 30)]
    seen = [json.dumps(record, sort_keys=True) for page in pages for record in page]
    assert len(pages) > 1
    assert len(seen) in (10, 30)
    assert len(set(seen)) == len(seen)


def test_the_place_of_records_is_in_the_schema() -> None:
    assert at_path({"properties": {"a": {"type": "array", "items": {"type": "string"}}}}, "a[]", {}) == {
        "type": "string"
    }
