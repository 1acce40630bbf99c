"""Local processes that outlive the command that started them, and are found again by the next one."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vitesse_graph.deployers.base import folder_name
from vitesse_graph.deployers.supervise import process_started_at
from vitesse_graph.errors import DeployError

_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningProcess:
    """A supervised process as it was found. `pid` is None while it is being restarted."""

    name: str
    folder: Path
    url: str
    port: int | None
    pid: int | None
    supervisor_pid: int
    restarts: int
    state: str
    label: dict[str, Any]
    """What the starter kept beside it (a version, a digest)."""


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class ProcessSupervisor:
    """Starts, finds and stops named processes; everything about them is kept under `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root.expanduser().resolve()

    def folder(self, name: str) -> Path:
        """Where the process of this name keeps its files."""
        return self._root / folder_name(name)

    def names(self) -> list[str]:
        """Folder names of all that was started here and not removed."""
        return sorted(path.parent.name for path in self._root.glob("*/spec.json"))

    async def start(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        health_url: str,
        *,
        ready_url: str | None = None,
        timeout_seconds: float = 30.0,
        grace_seconds: float = 30.0,
        label: dict[str, Any] | None = None,
    ) -> RunningProcess:
        """Starts `argv` and waits until its URLs answer 2xx. `{port}` stands for a free port everywhere.

        A process of this name that runs already is stopped first. Raises DeployError with the last log
        lines when it ends or does not become healthy in time; nothing is left running then.
        """
        await self.stop(name)
        folder = self.folder(name)
        wants_port = any("{port}" in part for part in (*argv, health_url, ready_url or ""))
        port = free_port() if wants_port else urlsplit(health_url).port

        def filled(text: str) -> str:
            return text.replace("{port}", str(port))

        spec = {
            "name": name,
            "argv": [filled(part) for part in argv],
            "cwd": str(folder),
            "port": port,
            "url": _origin(filled(health_url)),
            "grace_seconds": grace_seconds,
            "label": label or {},
        }
        await asyncio.to_thread(_lay_out, folder, spec)
        await self._spawn(folder, env)
        urls = [filled(url) for url in (health_url, ready_url) if url]
        try:
            await self._until_healthy(name, urls, timeout_seconds)
        except BaseException:
            await self.stop(name, grace_seconds=2.0)
            raise
        running = self.find(name)
        if running is None:
            raise DeployError(f"{name} ended just after it became healthy", log_tail=self.logs(name, 20))
        return running

    async def _spawn(self, folder: Path, env: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "vitesse_graph.deployers.supervise", str(folder)]
        with (folder / "supervisor.log").open("ab") as log:
            starter = await asyncio.create_subprocess_exec(
                *command,
                cwd=folder,
                env={**env, "PYTHONPATH": import_path(env)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            await starter.wait()  # it has detached; what goes on is its child

    async def _until_healthy(self, name: str, urls: list[str], timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        said = "it did not answer"
        while time.monotonic() < deadline:
            note = _read(self.folder(name) / "process.json")
            if note and (note["restarts"] > 0 or note["state"] == "stopped"):
                raise DeployError(
                    f"{name} ended with code {note.get('exit_code')} before it became healthy",
                    log_tail=self.logs(name, 20),
                )
            if note:
                answers = [await http_status(url) for url in urls]
                if all(status is not None and 200 <= status < 300 for status in answers):
                    return
                said = f"it answered {answers}" if any(answers) else said
            await asyncio.sleep(_POLL_SECONDS)
        raise DeployError(
            f"{name} did not become healthy within {timeout_seconds:.0f} s ({said})",
            log_tail=self.logs(name, 20),
        )

    def find(self, name: str) -> RunningProcess | None:
        """The process of this name when its supervisor is alive, else None. Reused pids are not taken for it."""
        folder = self.folder(name)
        spec, note = _read(folder / "spec.json"), _read(folder / "process.json")
        if spec is None or note is None or not _is_alive(note["supervisor"]):
            return None
        child = note["child"] if note["child"] and _is_alive(note["child"]) else None
        return RunningProcess(
            name=spec["name"],
            folder=folder,
            url=spec["url"],
            port=spec["port"],
            pid=child["pid"] if child else None,
            supervisor_pid=note["supervisor"]["pid"],
            restarts=note["restarts"],
            state=note["state"] if child or note["state"] != "running" else "backoff",
            label=spec["label"],
        )

    async def stop(self, name: str, *, grace_seconds: float = 30.0) -> bool:
        """Stops it: first asks, after the grace kills. False when it did not run. Files stay."""
        note = _read(self.folder(name) / "process.json")
        if note is None or not _is_alive(note["supervisor"]):
            return False
        os.kill(note["supervisor"]["pid"], signal.SIGTERM)
        await _until_gone([note["supervisor"]], grace_seconds)
        last = _read(self.folder(name) / "process.json") or note
        both = [which for which in (note["supervisor"], last["child"]) if which]
        for which in both:
            if _is_alive(which):
                os.kill(which["pid"], signal.SIGKILL)
        await _until_gone(both, 5.0)
        return True

    async def drain(self, name: str, *, wait_seconds: float = 2.0) -> bool:
        """Lets it finish what it is about and leave by itself, however long that takes; it is not started
        again. True when it left within the wait; `find` shows the others as `draining`."""
        note = _read(self.folder(name) / "process.json")
        if note is None or not _is_alive(note["supervisor"]):
            return True
        os.kill(note["supervisor"]["pid"], signal.SIGUSR1)
        await _until_gone([note["supervisor"]], wait_seconds)
        return not _is_alive(note["supervisor"])

    async def remove(self, name: str, *, grace_seconds: float = 30.0) -> None:
        """Stops it and deletes its files."""
        await self.stop(name, grace_seconds=grace_seconds)
        await asyncio.to_thread(shutil.rmtree, self.folder(name), ignore_errors=True)

    def logs(self, name: str, lines: int = 100) -> str:
        """The last lines of its output, also of one that ended; "" when there are none."""
        found: list[str] = []
        for path in ("output.log", "output.log.1", "output.log.2", "output.log.3"):
            if len(found) >= lines:
                break
            found = _tail(self.folder(name) / path, lines - len(found)) + found
        return "\n".join(found)


def _lay_out(folder: Path, spec: dict[str, Any]) -> None:
    """The folder as the supervising process wants to find it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / "process.json").unlink(missing_ok=True)
    (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")


async def remove_all_below(folder: Path, *, grace_seconds: float = 30.0) -> None:
    """Stops every process that was started anywhere below a folder, then deletes the folder."""
    stops = [
        ProcessSupervisor(root).remove(name, grace_seconds=grace_seconds)
        for root, name in await asyncio.to_thread(_started_below, folder)
    ]
    await asyncio.gather(*stops)
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _started_below(folder: Path) -> list[tuple[Path, str]]:
    roots = {spec.parent.parent for spec in folder.rglob("spec.json")}
    return [(root, name) for root in roots for name in ProcessSupervisor(root).names()]


def _tail(path: Path, lines: int) -> list[str]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - max(4096, 400 * lines)))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return text.splitlines()[-lines:] if lines > 0 else []


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _is_alive(process: dict[str, Any]) -> bool:
    """Whether this very process lives: its pid AND the moment it started."""
    pid = process.get("pid")
    return isinstance(pid, int) and process_started_at(pid) == process.get("started_at")


async def _until_gone(processes: list[dict[str, Any]], timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while True:
        if time.monotonic() >= deadline or not any(map(_is_alive, processes)):
            return
        await asyncio.sleep(_POLL_SECONDS)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def import_path(env: Mapping[str, str]) -> str:
    """The package must be found from the process's own folder, installed or not."""
    here = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(
        dict.fromkeys(part for part in (here, *env.get("PYTHONPATH", "").split(os.pathsep)) if part)
    )


async def http_status(url: str, timeout_seconds: float = 2.0) -> int | None:
    """Status of one plain GET on loopback, or None: no client library, so that waiting costs no import."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(timeout_seconds):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
            try:
                path = parts.path or "/"
                writer.write(
                    f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode()
                )
                await writer.drain()
                line = await reader.readline()
            finally:
                writer.close()
        return int(line.split()[1])
    except (OSError, TimeoutError, IndexError, ValueError):
        return None
