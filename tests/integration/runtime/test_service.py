"""The service as it is deployed: a process with an HTTP surface."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from standardwebhooks import Webhook

from tests.integration.runtime.apis import Apis, person, until
from tests.integration.runtime.definitions import definition, incremental
from vitesse_graph.database import database_url
from vitesse_graph.deployers.supervisor import free_port
from vitesse_graph.settings import Settings
from vitesse_graph.state.definition import IntegrationDefinition

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtMDE="


class Service:
    """One process of `python -m vitesse_graph.runtime`."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, session: aiohttp.ClientSession) -> None:
        self.process, self.url, self.session = process, url, session

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        async with self.session.request(method, self.url + path, json=body) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text.startswith(("{", "[")) else text


@pytest.fixture
async def serve(settings: Settings, tmp_path: Path) -> AsyncIterator[Any]:
    url = await database_url(settings)
    started: list[Service] = []
    session = aiohttp.ClientSession()

    async def start(made: IntegrationDefinition, **environment: str) -> Service:
        file = tmp_path / f"definition-{len(started)}.json"
        file.write_text(made.model_dump_json())
        port = free_port()
        command = [sys.executable, "-m", "vitesse_graph.runtime", str(file), "--port", str(port)]
        with (tmp_path / f"log-{len(started)}").open("wb") as log:
            process = subprocess.Popen(
                command,
                env={**os.environ, "DATABASE_URL": url, "PYTHONWARNINGS": "ignore", **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        service = Service(process, f"http://127.0.0.1:{port}", session)
        started.append(service)
        for _ in range(500):
            try:
                if (await service.ask("GET", "/ready"))[0] == 200:
                    return service
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.02)
        raise AssertionError((tmp_path / f"log-{len(started) - 1}").read_text())

    yield start
    await session.close()
    for service in started:
        service.process.kill()
        service.process.wait()


async def test_the_surface_answers_as_documented(serve: Any, apis: Apis, name: str, tmp_path: Path) -> None:
    apis.people = [person(n) for n in range(60)]
    apis.people[4]["total_spent"] = "many"
    service = await serve(definition(apis.url, name))
    assert (await service.ask("GET", "/health"))[1]["status"] == "ok"

    shown = (await service.ask("POST", "/preview", {"limit": 5}))[1]
    assert shown["counts"] == {"create": 4, "quarantine": 1}
    assert {f["field"]: f["value"] for f in shown["records"][0]["fields"]}["lifetime_value"] == 0.5
    assert apis.requests["POST"] == 0

    dry = (await service.ask("POST", "/sync", {"dry_run": True}))[1]
    assert (dry["created"], dry["quarantined"], apis.requests["POST"]) == (59, 1, 0)

    done = (await service.ask("POST", "/sync", {}))[1]
    assert (done["records_synced"], done["fetched_from_source"], done["failed"]) == (59, 60, 1)
    assert (done["pushed_to_dest"], done["skipped"]) == (59, 0)

    status = (await service.ask("GET", "/status"))[1]
    assert (status["dead_letters"], status["last_sync"]["created"], status["state"]) == (1, 59, "idle")
    assert status["health"] > 90

    told = (await service.ask("GET", "/explain/7"))[1]
    assert (told["outcome"], told["mapping_version"], len(told["steps"])) == ("written", 1, 4)
    assert (await service.ask("GET", f"/explain/{told['dest_id']}"))[1]["source_key"] == "7"
    assert (await service.ask("GET", "/explain/nobody"))[0] == 404

    text = (await service.ask("GET", "/metrics"))[1]
    assert f'vitesse_records_total{{integration="{name}",outcome="created"}} 59.0' in text
    assert "vitesse_p95_latency_ms" in text

    letters = (await service.ask("GET", "/dead-letters"))[1]
    assert (letters["count"], letters["dead_letters"][0]["source_key"]) == (1, "4")
    assert (await service.ask("POST", "/dead-letters/retry", {}))[1] == {
        "retried": 1,
        "written": 0,
        "failed": 1,
        "read_again": 0,
    }
    assert (await service.ask("POST", "/dead-letters/drop", {}))[1] == {"dropped": 1}

    assert (await service.ask("POST", "/pause", {"reason": "lunch"}))[0] == 200
    held = await service.ask("POST", "/sync", {})
    assert (held[0], "lunch" in held[1]["error"]) == (409, True)
    assert (await service.ask("GET", "/status"))[1]["state"] == "paused"
    assert (await service.ask("POST", "/resume"))[0] == 200
    assert (await service.ask("POST", "/sync", {"full": "yes"}))[0] == 422
    assert (await service.ask("GET", "/nowhere"))[0] == 404

    service.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(service.process.wait, 10) == 0
    lines = (tmp_path / "log-0").read_text().splitlines()
    assert all(f"integration_id={name}" in line for line in lines)


async def test_sigterm_in_mid_sync_finishes_what_is_in_flight_and_the_next_process_goes_on(
    serve: Any, apis: Apis, name: str
) -> None:
    apis.people = [person(n) for n in range(500)]
    apis.delay_seconds = 0.01
    service = await serve(definition(apis.url, name))
    syncing = asyncio.create_task(service.ask("POST", "/sync", {}))
    await until(lambda: apis.requests["POST"] >= 100)
    service.process.send_signal(signal.SIGTERM)
    await asyncio.gather(syncing, return_exceptions=True)
    assert await asyncio.to_thread(service.process.wait, 15) == 0
    sent = apis.requests["POST"]
    assert len(apis.contacts) == sent < 500
    apis.delay_seconds = 0.0
    service = await serve(definition(apis.url, name))  # takes it up by itself
    await until(lambda: len(apis.contacts) == 500)
    assert apis.requests["POST"] == 500
    assert set(apis.emails.values()) == {1}


async def test_the_schedule_runs_by_itself(serve: Any, apis: Apis, name: str) -> None:
    apis.people = [person(n) for n in range(10)]
    await serve(definition(apis.url, name), SYNC_INTERVAL_SECONDS="1")
    for _ in range(100):
        if len(apis.contacts) == 10:
            break
        await asyncio.sleep(0.05)
    assert len(apis.contacts) == 10


async def test_a_backfill_writes_its_range_only(serve: Any, apis: Apis, name: str) -> None:
    apis.people = [person(n) for n in range(100)]
    service = await serve(incremental(definition(apis.url, name)))
    asked = {"since": "2026-03-01T10:00:20Z", "until": "2026-03-01T10:00:50Z"}
    report = (await service.ask("POST", "/sync", asked))[1]
    assert (report["created"], report["filtered"], report["fetched"]) == (30, 50, 80)


async def test_a_failed_run_alerts_with_a_valid_signature(
    serve: Any, apis: Apis, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[tuple[dict[str, str], str]] = []

    async def take(request: web.Request) -> web.Response:
        received.append((dict(request.headers), await request.text()))
        return web.Response(status=204 if len(received) > 1 else 500)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        monkeypatch.setenv("ALERT_SECRET", SECRET)
        made = definition(apis.url, name)
        made.alert_webhook = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        made.alert_secret_ref = "env:ALERT_SECRET"
        apis.hook = lambda r: web.json_response({}, status=403) if r.path == "/people" else None
        service = await serve(made)
        assert (await service.ask("POST", "/sync", {}))[1]["status"] == "failed"
        for _ in range(100):
            if len(received) == 2:
                break
            await asyncio.sleep(0.05)
        headers, body = received[-1]
        message = Webhook(SECRET).verify(body, {key.lower(): value for key, value in headers.items()})
        assert message["type"] == "sync.failed"
        assert "HTTP 403" in message["data"]["text"]
    finally:
        await runner.cleanup()


async def test_a_credential_that_is_refused_for_good_is_told_as_such_also_after_a_restart(
    serve: Any, apis: Apis, name: str
) -> None:
    """To Slack here: what the API said must not mention a whole channel."""
    received: list[str] = []

    def answer(request: web.Request) -> web.Response | None:
        if request.path == "/contacts" and request.method == "POST":
            return web.json_response({}, status=401)
        return None

    async def take(request: web.Request) -> web.Response:
        received.append((await request.json())["text"])
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        apis.people, apis.hook = [person(1)], answer
        made = definition(apis.url, name, name="<!channel> & co")
        made.alert_webhook = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        made.alert_format = "slack"
        for _ in range(2):
            service = await serve(made)
            if not received:
                assert (await service.ask("POST", "/sync", {}))[1]["code"] == "needs_reauth"
            await until(lambda: bool(received))
            assert (await service.ask("GET", "/status"))[1]["needs_reauth"] is True
            service.process.kill()
        assert received[0].startswith("*&lt;!channel&gt; &amp; co*: crm refused the credential")
        apis.hook = None  # a new one was given: the next process goes on by itself
        service = await serve(made)
        for _ in range(100):
            if not (await service.ask("GET", "/status"))[1]["needs_reauth"]:
                break
            await asyncio.sleep(0.05)
        else:
            raise AssertionError("it still asks for a credential")
        assert len(apis.contacts) == 1
    finally:
        await runner.cleanup()


async def test_traces_are_sent_where_an_endpoint_is_configured(serve: Any, apis: Apis, name: str) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the OTLP exporter is not installed")
    received: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        received.append(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        apis.people = [person(1)]
        where = f"http://127.0.0.1:{runner.addresses[0][1]}"
        service = await serve(definition(apis.url, name), OTEL_EXPORTER_OTLP_ENDPOINT=where)
        assert (await service.ask("POST", "/sync", {}))[1]["created"] == 1
        service.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(service.process.wait, 15) == 0
        sent = b"".join(received)
        for word in (b"sync.run", b"sync.plan", b"sync.commit", name.encode()):
            assert word in sent
    finally:
        await runner.cleanup()


def test_a_definition_that_is_none_is_said_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "definition.json"
    file.write_text('{"integration_id": "x"}')
    for path, words in ((file, "source"), (tmp_path / "nothing.json", "cannot be read")):
        command = [sys.executable, "-m", "vitesse_graph.runtime", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
