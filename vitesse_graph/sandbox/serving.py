"""Serving an application on a socket until it is told to stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from vitesse_graph.errors import InputError


async def serve(
    app: Any, host: str = "127.0.0.1", port: int = 0, *, on_ready: Callable[[str], None] | None = None
) -> None:
    """Serves until cancelled or interrupted. Port 0: a free one is taken.

    `on_ready` gets the base URL once connections are accepted. Raises InputError where the address
    cannot be bound.
    """
    import uvicorn

    try:
        bound = _bind(host, port)
    except OSError as error:
        raise InputError(f"cannot listen on {host}:{port} ({error.strerror}); choose another port") from error
    config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off", server_header=False)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn shows only a flag
            await asyncio.sleep(0.005)
        if on_ready is not None and not task.done():
            name = f"[{host}]" if ":" in host else host
            on_ready(f"http://{name}:{bound.getsockname()[1]}")
        await asyncio.shield(task)
    except asyncio.CancelledError:
        server.should_exit = True
        await task
        raise
    finally:
        bound.close()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's delay off only for sockets that name it.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    bound.setblocking(False)
    return bound
