"""HTTP/2 beside HTTP/1.1: CPU of the calling process for one write over TLS, and how many a second.

Hypercorn serves both from a process of its own; it is slow, so the seconds say little and the CPU of the
caller says what a client costs. Each client runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CALLS, AT_ONCE = 4_000, 16
BODY = b'{"email":"person000001@example.com","first_name":"First1","last_name":"Last1","lifetime_value":12.5}'
HEADERS = {"Content-Type": "application/json", "Idempotency-Key": "0" * 32}
SERVER = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b'{"id":"c1"}'})
"""


async def _with_http2(url: str) -> Any:
    from vitesse_graph.http import AddressPolicy
    from vitesse_graph.runtime.http2 import open_http2

    client = await open_http2(AddressPolicy(allow_loopback=True), url, connections=AT_ONCE)
    assert client is not None, "the extra `http2` is not installed"
    from yarl import URL

    target = URL(url + "/contacts")

    async def one() -> None:
        status, _, _ = await client.call(
            "POST", target, BODY, HEADERS, timeout_seconds=10.0, max_bytes=1 << 20
        )
        assert status == 201

    return one


async def _with_aiohttp(url: str) -> Any:
    from vitesse_graph.http import AddressPolicy
    from vitesse_graph.runtime.connect import open_session

    session = open_session(AddressPolicy(allow_loopback=True), AT_ONCE)

    async def one() -> None:
        async with session.post(url + "/contacts", data=BODY, headers=HEADERS) as answer:
            await answer.read()
            assert answer.status == 201

    return one


async def _measure(kind: str, url: str) -> None:
    one = await (_with_http2 if kind == "HTTP/2" else _with_aiohttp)(url)
    await one()
    left = iter(range(CALLS))

    async def work() -> None:
        for _ in left:
            await one()

    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(f"| {kind} | {cpu / CALLS * 1000:.3f} ms | {CALLS / seconds:,.0f} |", flush=True)
    os._exit(0)  # what is open is the operating system's


def main() -> int:
    if len(sys.argv) > 2:
        from vitesse_graph.runtime.tuning import run_tuned

        run_tuned(_measure(sys.argv[1], sys.argv[2]))
    import trustme

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        authority = trustme.CA()
        cert = authority.issue_cert("localhost")
        authority.cert_pem.write_to_path(str(home / "ca.pem"))
        cert.private_key_and_cert_chain_pem.write_to_path(str(home / "all.pem"))
        (home / "served.py").write_text(SERVER)
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        (home / "config.toml").write_text(
            f'bind = ["127.0.0.1:{port}"]\ncertfile = "all.pem"\nkeyfile = "all.pem"\n'
            'keep_alive_max_requests = 1000000\nworker_class = "uvloop"\naccesslog = "/dev/null"\n'
        )
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        command = [sys.executable, "-m", "hypercorn", "-c", "config.toml", "served:app"]
        server = subprocess.Popen(command, cwd=home, **quiet)  # type: ignore[call-overload]
        try:
            for _ in range(200):
                with socket.socket() as tried:
                    if tried.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            print("| | CPU of the caller, a call | calls/s |\n|---|---|---|", flush=True)
            environment = {**os.environ, "SSL_CERT_FILE": str(home / "ca.pem")}
            for _ in range(3):
                for kind in ("HTTP/1.1 (aiohttp)", "HTTP/2"):
                    command = [sys.executable, "-m", "bench.http2", kind, f"https://localhost:{port}"]
                    subprocess.run(command, env=environment, check=True)
        finally:
            server.terminate()
            server.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
