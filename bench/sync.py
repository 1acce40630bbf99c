"""Moving records from HTTP to HTTP: the engine beside a hand-written aiohttp pipeline and dlt, in the same run.

All talk to one small C server that serves pages, takes writes, counts losses and doubles. The peers have
no ledger (and the pipeline no cursor); ours has both, in the embedded Postgres, and keeps intents. Needs a
C compiler and the shared bench folder beside the checkout. dlt takes part where a Python that has it is
named by `VITESSE_BENCH_DLT` (`uv venv X && uv pip install -p X/bin/python dlt httpx orjson`). `--only`
chooses a part: `table`, `dlt`, `faults` or `memory`; `--quick` takes one round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "bench" / "sync"
RECORDS = 10_000
CONCURRENCY = 16
HELD_RECORDS = 1_100_000
"""The C server holds its records in memory; as shipped it has room for 200,000."""


@dataclass(frozen=True)
class Run:
    """One process from start to end: wall and CPU seconds, peak memory of its tree in MB."""

    wall: float
    cpu: float
    peak_mb: float
    inside: float
    is_right: bool


class Mock:
    """The C server."""

    def __init__(self, folder: Path) -> None:
        from vitesse_graph.deployers.supervisor import free_port

        binary, source = folder / "mockapi", folder / "mockapi.c"
        text = (SHARED / "mockapi.c").read_text(encoding="utf-8")
        text = text.replace("#define MAXREC 200000", f"#define MAXREC {HELD_RECORDS}")
        source.write_text(text.replace("#define KS (1u<<20)", "#define KS (1u<<21)"), encoding="utf-8")
        subprocess.check_call(["cc", "-O2", "-w", "-o", str(binary), str(source), "-lm"])
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen([str(binary), str(self.port)], stderr=subprocess.DEVNULL)
        time.sleep(0.3)

    def ask(self, path: str) -> dict[str, int]:
        with urllib.request.urlopen(self.base + path, timeout=60) as answer:
            found: dict[str, int] = json.load(answer)
            return found


def tree_rss_mb(pid: int) -> float:
    """Resident memory of a process and its children; the shared Postgres is not among them."""
    total, todo = 0, [pid]
    while todo:
        current = todo.pop()
        try:
            total += int(Path(f"/proc/{current}/statm").read_text().split()[1]) * 4096
            for task in Path(f"/proc/{current}/task").iterdir():
                todo += [int(child) for child in (task / "children").read_text().split()]
        except (OSError, IndexError):
            continue
    return total / 2**20


def measure(command: list[str], mock: Mock, environment: dict[str, str], *, records: int) -> Run:
    """Runs the command to its end; right means: all records arrived, none twice, none spoilt."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, cwd=ROOT, env=environment)
        peak, stop = 0.0, threading.Event()

        def sample() -> None:
            nonlocal peak
            while not stop.wait(0.02):
                peak = max(peak, tree_rss_mb(process.pid))

        thread = threading.Thread(target=sample)
        thread.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        wall = time.perf_counter() - started
        stop.set()
        thread.join()
        output.seek(0)
        lines = output.read().decode().strip().splitlines()
    inside = float(json.loads(lines[-1])["elapsed"]) if status == 0 and lines else 0.0
    stats = mock.ask("/__stats")
    is_right = status == 0 and stats["records"] == records
    is_right = is_right and not (stats["duplicates"] or stats["lost"] or stats["bad"])
    return Run(wall, usage.ru_utime + usage.ru_stime, peak, inside, is_right)


def commands(base: str, batch: int) -> dict[str, list[str]]:
    """What is measured: the peer, then ours."""
    peer = [sys.executable, str(SHARED / "peer_async.py"), "aiohttp", base, str(batch), str(CONCURRENCY)]
    ours = [sys.executable, "-m", "bench._sync_ours", base, str(batch), str(CONCURRENCY), uuid.uuid4().hex]
    return {"hand-written aiohttp": peer, "vitesse": ours}


def dlt_command(base: str, batch: int, mode: str) -> list[str] | None:
    """dlt as it comes (`default`), or with small files and 16 load jobs (`tuned`); None where it is missing."""
    python = os.environ.get("VITESSE_BENCH_DLT")
    return [python, str(SHARED / "peer_dlt.py"), base, str(batch), mode] if python else None


def beside_dlt(mock: Mock, environment: dict[str, str]) -> None:
    """Ours against dlt, whole process, as its users run it. At 20 ms only the tuned one: it is up to twelve
    times faster there than the other."""
    print("\n| | latency | records/s whole process | vitesse | ratio | CPU s | peak MB | right |")
    print("|---|---|---|---|---|---|---|---|")
    for batch, latency in ((1, 0), (100, 0), (1, 20), (100, 20)):
        records = RECORDS if latency == 0 or batch > 1 else 2_000
        mock.ask(f"/__reset?n={records}&latency_ms={latency}")
        ours = measure(commands(mock.base, batch)["vitesse"], mock, environment, records=records)
        for mode in ("default", "tuned") if latency == 0 else ("tuned",):
            command = dlt_command(mock.base, batch, mode)
            if command is None:
                print("(dlt is not here: VITESSE_BENCH_DLT names no Python)")
                return
            mock.ask(f"/__reset?n={records}&latency_ms={latency}")
            run = measure(command, mock, environment, records=records)
            how = "one by one" if batch == 1 else f"batches of {batch}"
            print(
                f"| dlt ({mode}), {how} | {latency} ms | {records / run.wall:,.0f} | {records / ours.wall:,.0f} | "
                f"{run.wall / ours.wall:.1f} | {run.cpu:.2f} / {ours.cpu:.2f} | {run.peak_mb:.0f} / "
                f"{ours.peak_mb:.0f} | {'yes' if run.is_right and ours.is_right else 'NO'} |",
                flush=True,
            )


def table(mock: Mock, environment: dict[str, str], rounds: int) -> None:
    """The table of ratios."""
    print(
        "| | latency | records/s inside | ratio | records/s whole process | ratio | CPU s | peak MB | right |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for batch, latency in ((1, 0), (100, 0), (1, 20), (100, 20)):
        records = RECORDS if latency == 0 or batch > 1 else 5_000
        found: dict[str, list[Run]] = {}
        for _ in range(rounds):
            for name, command in commands(mock.base, batch).items():
                mock.ask(f"/__reset?n={records}&latency_ms={latency}")
                found.setdefault(name, []).append(measure(command, mock, environment, records=records))
        reference: tuple[float, float] | None = None
        for name, runs in found.items():
            inside = records / statistics.median(run.inside or 1e9 for run in runs)
            whole = records / statistics.median(run.wall for run in runs)
            reference = reference or (inside, whole)
            how = "one by one" if batch == 1 else f"batches of {batch}"
            print(
                f"| {name}, {how} | {latency} ms | {inside:,.0f} | {inside / reference[0]:.2f} | {whole:,.0f} | "
                f"{whole / reference[1]:.2f} | {statistics.median(run.cpu for run in runs):.2f} | "
                f"{max(run.peak_mb for run in runs):.0f} | {'yes' if all(r.is_right for r in runs) else 'NO'} |",
                flush=True,
            )


def faults(mock: Mock, environment: dict[str, str]) -> None:
    """A rate limit, refusals and lost answers."""
    print("\n| fault (1,247 records, one by one) | | seconds inside | lost | doubled | 429 |")
    print("|---|---|---|---|---|---|")
    scenarios = {
        "200 requests/s (ideal 6.2 s)": "dst_rps=200",
        "every 50th write answers 503": "fail_every=50",
        "every 97th write stored, then cut": "drop_every=97",
    }
    for title, query in scenarios.items():
        for name, command in commands(mock.base, 1).items():
            mock.ask(f"/__reset?n=1247&{query}")
            run = measure(command, mock, environment, records=1247)
            stats = mock.ask("/__stats")
            print(
                f"| {title} | {name} | {run.inside:.2f} | {stats['lost']} | {stats['duplicates']} | {stats['s429']} |",
                flush=True,
            )


def many(mock: Mock, environment: dict[str, str], records: int) -> None:
    """Memory does not grow with the number of records."""
    print("\n| records, batches of 100 | seconds | records/s | peak MB | right |\n|---|---|---|---|---|")
    for count in (10_000, records):
        mock.ask(f"/__reset?n={count}&latency_ms=0")
        run = measure(commands(mock.base, 100)["vitesse"], mock, environment, records=count)
        right = "yes" if run.is_right else "NO"
        print(
            f"| {count:,} | {run.wall:.1f} | {count / run.wall:,.0f} | {run.peak_mb:.0f} | {right} |",
            flush=True,
        )


async def _database(data_dir: Path) -> str:
    from vitesse_graph.database import database_url
    from vitesse_graph.settings import Settings

    return await database_url(Settings(data_dir=data_dir))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round instead of three")
    parser.add_argument("--only", choices=["table", "dlt", "faults", "memory"], action="append")
    parser.add_argument("--many", type=int, default=1_000_000, help="records of the memory run")
    options = parser.parse_args()
    if not (SHARED / "mockapi.c").exists():
        print("skipped: the shared bench folder is not beside this checkout")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        mock = Mock(Path(folder))
        environment = {
            **os.environ,
            "VITESSE_DATA_DIR": str(Path(folder) / "data"),
            "PYTHONPATH": str(SHARED),
        }
        environment["DATABASE_URL"] = asyncio.run(_database(Path(folder) / "data"))
        parts = {
            "table": lambda: table(mock, environment, 1 if options.quick else 3),
            "dlt": lambda: beside_dlt(mock, environment),
            "faults": lambda: faults(mock, environment),
            "memory": lambda: many(mock, environment, options.many),
        }
        try:
            for part in options.only or parts:
                parts[part]()
        finally:
            mock.process.kill()
            mock.process.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
