"""Runs the two stand-in servers, alone (`python -m vitesse_graph.demo.stands`) or for a caller.

When both listen, one JSON line is printed: their addresses, the addresses of their documents and
the credentials they take. `run_stands()` starts that as a process of its own, so that the caller's
event loop measures the integration and not the servers, and ends it with the block; should the
caller die first, the servers notice that their standard input closed and end as well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

import aiohttp
from aiohttp import web

from vitesse_graph.errors import UpstreamError
from vitesse_graph.state.base import Model

START_TIMEOUT_SECONDS = 30.0
STOP_TIMEOUT_SECONDS = 5.0


class Stands(Model):
    """Where the two servers are, what they take, and how to change them under way."""

    shopify_url: str
    shopify_spec_url: str
    shopify_token: str
    credo_url: str
    credo_spec_url: str
    credo_api_key: str

    async def drift(self, *, rename: dict[str, str] | None = None, drop: list[str] | None = None) -> str:
        """Renames and drops fields of the shop's customers; returns the API's new version."""
        answer = await self._control(
            "POST", f"{self.shopify_url}/__stand__/drift", {"rename": rename or {}, "drop": drop or []}
        )
        return str(answer["version"])

    async def touch(self, count: int) -> int:
        """Lets `count` customers buy something now; returns how many did."""
        answer = await self._control("POST", f"{self.shopify_url}/__stand__/touch", {"count": count})
        return int(answer["touched"])

    async def rotate_shopify_token(self, token: str) -> None:
        """From now on the shop takes only this token."""
        await self._control("POST", f"{self.shopify_url}/__stand__/token", {"token": token})

    async def shop_stats(self) -> dict[str, int]:
        """Of the shop: `customers, orders, products, requests, limited`."""
        return await self._control("GET", f"{self.shopify_url}/__stand__/stats")

    async def stats(self) -> dict[str, int]:
        """Of the CRM: `creates, updates, doubles, invalid, contacts, requests, …`."""
        return await self._control("GET", f"{self.credo_url}/__stand__/stats")

    async def reset(self) -> None:
        """Both servers as they were at the start."""
        for base_url in (self.shopify_url, self.credo_url):
            await self._control("POST", f"{base_url}/__stand__/reset")

    async def _control(self, method: str, url: str, body: Any = None) -> dict[str, Any]:
        async with aiohttp.ClientSession() as session, session.request(method, url, json=body) as response:
            answer: dict[str, Any] = await response.json()
            if response.status >= 400:
                raise UpstreamError(
                    f"stand-in server: {answer.get('errors', 'refused')}",
                    status=response.status,
                    is_transient=False,
                )
            return answer

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """From the line that the servers print when they are ready."""
        return cls.model_validate_json(line)


@asynccontextmanager
async def run_stands(*, port_a: int = 0, port_b: int = 0, host: str = "127.0.0.1") -> AsyncIterator[Stands]:
    """Both servers in a process of their own, for the length of the block.

    `host`: the address they listen on, where containers must reach them too. Raises UpstreamError when they do not come up (a port is taken).
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "vitesse_graph.demo.stands",
        *("--port-a", str(port_a), "--port-b", str(port_b), "--host", host, "--until-stdin-closes"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(START_TIMEOUT_SECONDS):
            line = await process.stdout.readline()
        if not line:
            complaint = (await process.stderr.read()).decode(errors="replace").strip()
            raise UpstreamError(f"the stand-in servers did not start: {complaint[-300:]}", is_transient=False)
        yield Stands.parse(line)
    finally:
        await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
            # communicate, not wait: it also closes the pipes
            await process.communicate()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def serve(port_a: int, port_b: int, *, host: str, until_stdin_closes: bool) -> None:
    """Both servers until a signal, or until standard input closes."""
    # Imported here: `Stands` is used by callers that never serve.
    from vitesse_graph.demo.credo_like import CredoLike
    from vitesse_graph.demo.shopify_like import ShopifyLike

    shop, crm = ShopifyLike(), CredoLike()
    runners = []
    for stand, port in ((shop, port_a), (crm, port_b)):
        runner = web.AppRunner(stand.app(), access_log=None)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, host, port).start()
        bound = runner.addresses[0][1]
        stand.base_url = f"http://{host}:{bound}"
    ready = Stands(
        shopify_url=shop.base_url,
        shopify_spec_url=f"{shop.base_url}/openapi.json",
        shopify_token=shop.token,
        credo_url=crm.base_url,
        credo_spec_url=f"{crm.base_url}/openapi.json",
        credo_api_key=crm.key,
    )
    sys.stdout.write(json.dumps(ready.dump()) + "\n")
    sys.stdout.flush()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    if until_stdin_closes:
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        watch = asyncio.ensure_future(reader.read())
        watch.add_done_callback(lambda _: stopped.set())
    await stopped.wait()
    for runner in runners:
        await runner.cleanup()


def main(arguments: list[str] | None = None) -> int:
    """Exit 0 after a signal, 1 when a port cannot be had."""
    parser = argparse.ArgumentParser(
        prog="python -m vitesse_graph.demo.stands",
        description="Local stand-ins for a shop (A) and a CRM (B), each with its OpenAPI document.",
    )
    parser.add_argument("--port-a", type=int, default=8101, help="port of the shop; 0: any free one")
    parser.add_argument("--port-b", type=int, default=8102, help="port of the CRM; 0: any free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end with the process that started this"
    )
    options = parser.parse_args(arguments)
    try:
        asyncio.run(
            serve(
                options.port_a,
                options.port_b,
                host=options.host,
                until_stdin_closes=options.until_stdin_closes,
            )
        )
    except OSError as error:
        sys.stderr.write(f"stand-in servers: {error.strerror or error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
