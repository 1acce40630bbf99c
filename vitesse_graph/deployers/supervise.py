"""The small process that keeps one command running: `python -m vitesse_graph.deployers.supervise FOLDER`.

It reads `spec.json` in the folder ({argv, cwd}), leaves its caller's session, starts the command with
its own environment, keeps its output in `output.log` (rotated), starts it again with backoff when it
ends, and writes what it does to `process.json`. SIGTERM stops the command, then itself; SIGUSR1 is passed
on, and whenever the command then ends it is not started again. It imports the
standard library only, so that it is up in a blink and small.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

MAX_LOG_BYTES = 5_000_000
KEPT_LOGS = 3
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_STEADY_SECONDS = 60.0


def process_started_at(pid: int) -> float | None:
    """When the process started, in clock ticks since boot: with the pid, a name that is never reused.

    None when there is no such process (a zombie counts as none).
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return _started_at_elsewhere(pid)
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else float(fields[19])


def _started_at_elsewhere(pid: int) -> float | None:
    if Path("/proc/self/stat").exists():
        return None
    import psutil  # type: ignore[import-untyped]  # where there is no /proc

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None


class Supervisor:
    """One command, kept running until SIGTERM."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spec: dict[str, Any] = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._restarts = 0
        self._log: IO[bytes] = (folder / "output.log").open("ab", buffering=0)

    def run(self) -> int:
        """Until stopped."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop())
        signal.signal(signal.SIGUSR1, lambda *_: self._drain())
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        pause = _FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            began = time.monotonic()
            code = self._run_once()
            if self._stopping.is_set():
                break
            if time.monotonic() - began > _STEADY_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            self._restarts += 1
            self._note("backoff", code=code)
            self._say(f"ended with code {code}; starting again in {pause:.1f} s")
            self._stopping.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        self._note("stopped")
        return 0

    def _run_once(self) -> int:
        try:
            child = subprocess.Popen(
                self._spec["argv"],
                cwd=self._spec.get("cwd") or self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,
            )
        except OSError as error:
            self._say(f"cannot be started: {error.strerror}")
            return 127
        self._child = child
        if self._stopping.is_set():
            child.terminate()
        self._note("running")
        assert child.stdout is not None
        self._pump(child.stdout)
        code = child.wait()
        self._child = None
        return code

    def _pump(self, output: IO[bytes]) -> None:
        size = self._log.seek(0, os.SEEK_END)
        descriptor = output.fileno()
        while part := os.read(descriptor, 65536):
            if size + len(part) > MAX_LOG_BYTES:
                self._rotate()
                size = 0
            size += len(part)
            with contextlib.suppress(OSError):  # a full disk must not stop the command
                self._log.write(part)

    def _rotate(self) -> None:
        self._log.close()
        base = self._folder / "output.log"
        for number in range(KEPT_LOGS - 1, 0, -1):
            older = base.with_name(f"output.log.{number}")
            if older.exists():
                older.replace(base.with_name(f"output.log.{number + 1}"))
        base.replace(base.with_name("output.log.1"))
        self._log = base.open("ab", buffering=0)

    def _stop(self) -> None:
        self._stopping.set()
        child = self._child
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            grace = float(self._spec.get("grace_seconds", 30.0))
            timer = threading.Timer(grace, self._kill, (child,))
            timer.daemon = True
            timer.start()

    def _drain(self) -> None:
        self._stopping.set()
        self._note("draining")
        child = self._child
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGUSR1)

    @staticmethod
    def _kill(child: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            child.kill()

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._log.write(f"[supervisor] {text}\n".encode())

    def _note(self, state: str, *, code: int | None = None) -> None:
        pid = self._child.pid if self._child is not None else None
        note = {
            "state": state,
            "supervisor": {"pid": os.getpid(), "started_at": process_started_at(os.getpid())},
            "child": {"pid": pid, "started_at": process_started_at(pid)} if pid else None,
            "restarts": self._restarts,
            "exit_code": code,
        }
        scratch = self._folder / "process.json.new"
        with contextlib.suppress(OSError):  # the folder may be gone already: then nobody asks
            scratch.write_text(json.dumps(note), encoding="utf-8")
            scratch.replace(self._folder / "process.json")


def _die_with_parent() -> None:
    """The command ends when its supervisor is killed, so that nothing unsupervised is left over (Linux)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM)


def main() -> int:
    """Detaches from the caller, then supervises."""
    folder = Path(sys.argv[1])
    if os.fork():
        os._exit(0)
    os.setsid()
    return Supervisor(folder).run()


if __name__ == "__main__":
    sys.exit(main())
