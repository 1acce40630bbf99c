"""JSONata expressions: the one language in which a mapping may hold code.

JSONata can loop for ever and match patterns that never end, so an expression runs in a process of
its own, limited in memory and killed when it takes too long; the next value starts a new one. It
costs about 0.2 ms a value: for what the named functions cannot do.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from vitesse_graph.errors import MappingError
from vitesse_graph.transforms.registry import Apply
from vitesse_graph.transforms.result import TransformProblem

MAX_LENGTH = 4_000
MAX_NESTING = 60
SECONDS = 1.0
"""For one value."""
START_SECONDS = 20.0


def expression_function(text: Any) -> Apply:
    """The function of one value for an expression. Raises MappingError where it does not parse."""
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_LENGTH:
        raise MappingError(f"expression must be a text of 1 to {MAX_LENGTH} characters")
    if _nesting(text) > MAX_NESTING:
        raise MappingError(f"expression is nested deeper than {MAX_NESTING}")
    import jsonata

    try:
        jsonata.Jsonata.jsonata(text)
    except Exception as error:
        raise MappingError(f"expression does not parse: {str(error).splitlines()[0][:200]}") from error
    return lambda value: _WORKER.evaluate(text, value)


def _nesting(text: str) -> int:
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    return deepest


class _Worker:
    """The one process for all expressions of this process, started when first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def evaluate(self, text: str, value: Any) -> Any:
        """The expression's result. Raises TransformProblem when it fails or takes too long."""
        try:
            request = json.dumps([text, value]).encode() + b"\n"
        except (TypeError, ValueError, RecursionError):
            raise TransformProblem("not a JSON value") from None
        with self._lock:
            answer = self._ask(request)
        if answer[:1] != [True]:
            raise TransformProblem("the expression failed on this value")
        return answer[1]

    def _ask(self, request: bytes) -> list[Any]:
        process = self._running()
        try:
            deadline = time.monotonic() + SECONDS
            _write(process, request, deadline)
            answer: list[Any] = json.loads(_line(process, deadline))
        except (TimeoutError, OSError, ValueError):
            self.close()
            raise TransformProblem("the expression took too long, or too much memory") from None
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._owner == os.getpid() and self._process.poll() is None:
            return self._process
        script = Path(__file__).with_name("expression_worker.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self._owner = os.getpid()
        if self._process.stdin is not None:
            os.set_blocking(self._process.stdin.fileno(), False)
        try:
            _line(self._process, time.monotonic() + START_SECONDS)
        except (TimeoutError, OSError):
            self.close()
            raise TransformProblem("expressions cannot be run here") from None
        return self._process

    def close(self) -> None:
        """Ends the process, if this process started it."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def _write(process: subprocess.Popen[bytes], data: bytes, deadline: float) -> None:
    assert process.stdin is not None
    descriptor, view = process.stdin.fileno(), memoryview(data)
    while view:
        _, ready, _ = select.select([], [descriptor], [], max(deadline - time.monotonic(), 0))
        if not ready:
            raise TimeoutError
        view = view[os.write(descriptor, view[:65536]) :]


def _line(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    assert process.stdout is not None
    descriptor, found = process.stdout.fileno(), bytearray()
    while not found.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], max(deadline - time.monotonic(), 0))
        piece = os.read(descriptor, 1 << 20) if ready else b""
        if not piece:
            raise TimeoutError
        found += piece
    return bytes(found)


_WORKER = _Worker()
atexit.register(_WORKER.close)
