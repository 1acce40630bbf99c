"""An independent tester (schemathesis) throws its own requests at the sandbox and finds no answer that breaks the contract."""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from vitesse_graph.guardian import credential_headers
from vitesse_graph.sandbox import create_sandbox, serve
from vitesse_graph.settings import Settings
from vitesse_graph.specs import load_document

SPECS = Path(__file__).resolve().parents[4] / "shared" / "specs"
CHOSEN = {
    "petstore/petstore-3.0.yaml": 19,
    "redocly/museum-3.1-webhooks.yaml": 8,
    "hubspot/hubspot-contacts.json": 10,
}
"""File and how many operations it has at most; small ones, since a tester in Python makes some 50 requests a second."""

pytestmark = pytest.mark.skipif(
    not SPECS.exists(), reason="the published specifications are not beside the repository"
)


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The application behind a real server, in a thread of its own: the tester is synchronous."""
    loop = asyncio.new_event_loop()
    ready: list[str] = []
    told = threading.Event()

    def on_ready(url: str) -> None:
        ready.append(url)
        told.set()

    task = loop.create_task(serve(app, on_ready=on_ready))

    def run() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert told.wait(10)
    try:
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)


@pytest.fixture
def _mended_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    """hypothesis-jsonschema 0.23 uses a method that hypothesis 6.170 no longer has; this gives it back."""
    import hypothesis_jsonschema._from_schema as generator
    from hypothesis.internal.conjecture.utils import many

    if hasattr(many, "more"):
        return

    class Many(many):
        _steps: Any = None

        def more(self) -> bool:
            if self._steps is None:
                self._steps = iter(self.__enter__())
            for _ in self._steps:
                return True
            self.__exit__(None)
            return False

    monkeypatch.setattr(generator.cu, "many", Many)


@pytest.mark.slow
@pytest.mark.usefixtures("_mended_generator")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("file", CHOSEN)
def test_no_answer_breaks_the_contract(file: str, tmp_path: Path) -> None:
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
    )

    path = SPECS / file
    document = asyncio.run(load_document(str(path), settings=Settings(VITESSE_DATA_DIR=tmp_path)))
    text = path.read_text("utf-8")
    raw = orjson.loads(text) if file.endswith(".json") else yaml.safe_load(text)
    headers, _ = credential_headers(document.spec.auth)
    checks = [
        not_a_server_error,
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
    ]
    tried, failures = 0, []
    app = create_sandbox(document, records=8)
    with served(app) as url, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = schemathesis.openapi.from_dict(raw)
        for result in schema.get_all_operations():
            operation = result.ok()

            @settings(
                max_examples=4, deadline=None, database=None, derandomize=True, phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(case=operation.as_strategy())
            def try_it(case: Any) -> None:
                nonlocal tried
                tried += 1
                response = case.call(base_url=url, headers=headers)
                try:
                    case.validate_response(response, checks=checks)
                except Exception as error:  # noqa: BLE001 - every kind of finding is collected
                    failures.append(f"{case.method} {case.path}: {str(error)[:300]}")

            try_it()
    assert tried >= 3 * min(CHOSEN[file], 5)
    assert failures == []
    assert sum(count for status, count in app.stats.by_status.items() if 200 <= status < 300) >= tried / 4
