"""A real HTTP server on loopback, answering what each test says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from vitesse_graph.settings import Settings

Answer = str | bytes | web.StreamResponse | Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers by path; 404 elsewhere. `seen` holds the requests in order."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.seen: list[web.Request] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [request.path for request in self.seen]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        found = self.answers.get(request.path)
        if found is None:
            return web.Response(status=404, text="nothing here")
        if isinstance(found, str):
            return web.Response(text=found)
        if isinstance(found, bytes):
            return web.Response(body=found)
        if isinstance(found, web.StreamResponse):
            return found
        return await found(request)


async def _serve() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    yield server
    await runner.cleanup()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async for made in _serve():
        yield made


@pytest.fixture
async def other_server() -> AsyncIterator[Server]:
    async for made in _serve():
        yield made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", fetch_timeout_seconds=5.0)
