"""Any command can be kept running: logs, restarts, a clean end."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.integration.runtime.apis import until
from vitesse_graph.deployers import ProcessSupervisor
from vitesse_graph.deployers.supervise import MAX_LOG_BYTES, process_started_at
from vitesse_graph.errors import DeployError

SERVER = [sys.executable, "-m", "http.server", "{port}", "--bind", "127.0.0.1"]
URL = "http://127.0.0.1:{port}/"


async def test_a_server_is_started_found_and_stopped(tmp_path: Path) -> None:
    supervisor = ProcessSupervisor(tmp_path)
    started = await supervisor.start("a server", SERVER, dict(os.environ), URL, label={"side": "source"})
    found = ProcessSupervisor(tmp_path).find("a server")
    assert found == started
    assert found is not None
    assert found.label == {"side": "source"}
    await until(lambda: "GET /" in supervisor.logs("a server"))
    assert await supervisor.stop("a server")
    assert supervisor.find("a server") is None
    assert process_started_at(found.supervisor_pid) is None
    assert not await supervisor.stop("a server")
    await supervisor.remove("a server")
    assert supervisor.names() == []


async def test_a_command_that_ends_at_once_is_said_with_its_last_words(tmp_path: Path) -> None:
    supervisor = ProcessSupervisor(tmp_path)
    argv = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    with pytest.raises(DeployError, match="ended with code 1") as caught:
        await supervisor.start("x", argv, dict(os.environ), URL)
    assert "no such thing" in caught.value.log_tail
    assert supervisor.find("x") is None


async def test_a_command_that_never_answers_is_stopped_again(tmp_path: Path) -> None:
    supervisor = ProcessSupervisor(tmp_path)
    argv = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(DeployError, match="did not become healthy"):
        await supervisor.start("x", argv, dict(os.environ), URL, timeout_seconds=0.7)
    assert supervisor.find("x") is None


async def test_logs_are_rotated_so_that_a_chatty_command_fills_no_disk(tmp_path: Path) -> None:
    supervisor = ProcessSupervisor(tmp_path)
    chatty = (
        "import http.server, sys\n"
        f"sys.stdout.write(('x' * 99 + '\\n') * {MAX_LOG_BYTES * 5 // 100}); sys.stdout.flush()\n"
        "http.server.HTTPServer(('127.0.0.1', {port}), http.server.SimpleHTTPRequestHandler).serve_forever()"
    )
    await supervisor.start("x", [sys.executable, "-c", chatty], dict(os.environ), URL)
    sizes = [path.stat().st_size for path in supervisor.folder("x").glob("output.log*")]
    assert len(sizes) == 4
    assert max(sizes) <= MAX_LOG_BYTES
    await supervisor.stop("x")


async def test_two_servers_run_side_by_side(tmp_path: Path) -> None:
    supervisor = ProcessSupervisor(tmp_path)
    both = await asyncio.gather(
        *(supervisor.start(side, SERVER, dict(os.environ), URL) for side in ("source", "dest"))
    )
    assert both[0].port != both[1].port
    await asyncio.gather(*(supervisor.remove(side) for side in ("source", "dest")))
