"""What stands where a cluster's machines would: a container's program as a supervised process, with the arguments
and the environment that the deployer gave the container, and no other."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from vitesse_graph.deployers.supervisor import ProcessSupervisor, RunningProcess, import_path


class Node:
    """Containers by name."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._supervisor = ProcessSupervisor(root)
        self._stopping: set[asyncio.Task[None]] = set()

    async def run(
        self,
        name: str,
        environment: dict[str, str],
        *,
        arguments: list[str],
        definition: str = "{}",
        secrets: tuple[str, dict[str, bytes]] = ("", {}),
    ) -> RunningProcess:
        """Until it is ready. `secrets`: where they are mounted, and the files. Raises DeployError when it
        ends instead."""
        mounted = self._root / f"{name}.secrets"
        mounted.mkdir(parents=True, exist_ok=True)
        for file_name, content in secrets[1].items():
            (mounted / file_name).write_bytes(content)
        arguments = [str(mounted) if said == secrets[0] else said for said in arguments]
        file = self._root / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(definition, encoding="utf-8")
        argv = [sys.executable, "-W", "ignore", "-m", "vitesse_graph.runtime", str(file), "--port", "{port}"]
        around = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": import_path(os.environ),
            # As the image sets them.
            "HOME": str(self._root),
            "VITESSE_DATA_DIR": str(self._root),
            "VITESSE_LOG_LEVEL": "INFO",
        }
        # What is another machine there is loopback here.
        given = {**around, **environment, "VITESSE_ALLOW_LOOPBACK": "true"}
        health, ready = "http://127.0.0.1:{port}/health", "http://127.0.0.1:{port}/ready"
        return await self._supervisor.start(
            name, [*argv, *arguments], given, health, ready_url=ready, timeout_seconds=60
        )

    def find(self, name: str) -> RunningProcess | None:
        return self._supervisor.find(name)

    def logs(self, name: str, lines: int) -> str:
        return self._supervisor.logs(name, lines)

    def kill(self, name: str) -> None:
        found = self.find(name)
        assert found is not None
        assert found.pid is not None
        os.kill(found.pid, signal.SIGKILL)

    def stop_soon(self, name: str) -> None:
        """Lets it finish what is in flight; nobody waits."""
        task = asyncio.get_running_loop().create_task(self._supervisor.remove(name))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def close(self) -> None:
        await asyncio.gather(*self._stopping, return_exceptions=True)
        for name in self._supervisor.names():
            await self._supervisor.remove(name, grace_seconds=5.0)


class DatabaseDoor:
    """The session's embedded Postgres on a TCP port, as a server that a cluster would reach by name."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._server: asyncio.Server | None = None

    async def open(self) -> int:
        """The port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_unix_connection(self._socket)

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            try:
                while part := await source.read(65536):
                    sink.write(part)
                    await sink.drain()
            except OSError:
                return
            finally:
                sink.close()

        await asyncio.gather(copy(reader, outer), copy(inner, writer))

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
