"""`langgraph dev`, as its users run it: a subprocess without `--allow-blocking`."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from vitesse_graph.demo.stands import Stands

ROOT = Path(__file__).parent.parent.parent.parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def dev_server(data_dir: Path, stands: Stands, log: Path, **more: str) -> AsyncIterator[str]:
    """`langgraph dev` without `--allow-blocking`, for the length of the block; `more`: further variables."""
    port = _free_port()
    environment = {
        **os.environ,
        "VITESSE_DATA_DIR": str(data_dir),
        "TEST_SHOP_TOKEN": stands.shopify_token,
        "TEST_CRM_KEY": stands.credo_api_key,
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        # other tests' deployments are in the same database, and not to be healed
        "VITESSE_MONITOR_INTERVAL_SECONDS": "0",
        **more,
    }
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).parent / "langgraph"),
            *("dev", "--no-browser", "--no-reload", "--host", "127.0.0.1", "--port", str(port)),
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(60), httpx.AsyncClient() as client:
            while True:
                if process.returncode is not None:
                    pytest.fail(f"langgraph dev ended:\n{_tail(log)}")
                try:
                    if (await client.get(f"{url}/ok")).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.2)
        yield url
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                async with asyncio.timeout(20):
                    await process.wait()
            except TimeoutError:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()


def _tail(log: Path) -> str:
    return log.read_text()[-3000:]
