"""One deployer at a time for one integration, across the processes of this machine."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from vitesse_graph.deployers.base import folder_name
from vitesse_graph.errors import ConflictError


def lock_path(root: Path, integration_id: str) -> Path:
    """The lock's file; it may be deleted by who holds the lock."""
    return root / f".{folder_name(integration_id)}.lock"


@asynccontextmanager
async def one_at_a_time(root: Path, integration_id: str, *, patience_seconds: float) -> AsyncIterator[None]:
    """Holds the lock; it is free in the moment its holder dies. Raises ConflictError after the patience."""
    descriptor = await asyncio.to_thread(_opened, root, integration_id)
    try:
        deadline = time.monotonic() + patience_seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ConflictError(f"another command is deploying {integration_id}") from None
            await asyncio.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def _opened(root: Path, integration_id: str) -> int:
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(lock_path(root, integration_id), os.O_CREAT | os.O_RDWR, 0o600)
