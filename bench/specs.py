"""Reading specifications: time and peak memory against the bare parse of the bytes, beside two peers.

`ours` is `load_document` whole (read, hash, parse, look for other files, count the operations);
`indexed` asks it for every endpoint as well, with role, noun, pagination, auth and limit. `bare` reads the same file and parses it with the fastest reader that takes it
(orjson; ryaml, or PyYAML's C loader where ryaml refuses). Each cell is a process of its own: the
least processor time of five runs (the machine may be shared), and the growth of resident memory to its peak. The peers get one run and a
time-out. Their answer is less than ours: prance inlines, openapi-spec-validator judges.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SPECS = Path(__file__).resolve().parents[2] / "shared" / "specs"
PEER_SECONDS = float(os.environ.get("BENCH_PEER_SECONDS", "10"))
RUNS = 5


def _bare(path: Path) -> Callable[[], Any]:
    import orjson
    import ryaml
    import yaml

    if path.suffix == ".json":
        return lambda: orjson.loads(path.read_bytes())

    def run() -> Any:
        # No trial run before the measurement: it would leave its memory behind.
        try:
            return ryaml.loads(path.read_bytes().decode())  # type: ignore[attr-defined]
        except (ryaml.InvalidYamlError, ValueError):  # type: ignore[attr-defined]
            return yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)

    return run


def _bare_folder(path: Path) -> Callable[[], Any]:
    """All files of a multi-file document, parsed one by one."""
    files = [p for p in path.parent.rglob("*") if p.suffix in (".yml", ".yaml", ".json")]
    readers = [_bare(p) for p in files]
    return lambda: [read() for read in readers]


def _ours(path: Path) -> Callable[[], Any]:
    from vitesse_graph.settings import Settings
    from vitesse_graph.specs import load_document

    settings = Settings()
    return lambda: asyncio.run(load_document(str(path), settings=settings))


def _indexed(path: Path) -> Callable[[], Any]:
    from vitesse_graph.settings import Settings
    from vitesse_graph.specs import load_document

    settings = Settings()

    def run() -> Any:
        document = asyncio.run(load_document(str(path), settings=settings))
        return document, document.spec

    return run


def _prance(path: Path) -> Callable[[], Any]:
    from prance import ResolvingParser

    return lambda: ResolvingParser(str(path), lazy=False, strict=False, backend="openapi-spec-validator")


def _validator(path: Path) -> Callable[[], Any]:
    import yaml
    from openapi_spec_validator import validate

    def run() -> None:
        text = path.read_bytes()
        tree = json.loads(text) if path.suffix == ".json" else yaml.load(text, Loader=yaml.CSafeLoader)
        validate(tree, base_uri=path.as_uri())

    return run


READERS = {
    "bare": _bare,
    "folder": _bare_folder,
    "ours": _ours,
    "indexed": _indexed,
    "prance": _prance,
    "validator": _validator,
}


def _one(reader: str, path: Path) -> None:
    """In a process of its own: prints {seconds, megabytes}."""
    run = READERS[reader](path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times: list[float] = []
    peak = 0.0
    for number in range(1 if reader in ("prance", "validator") else RUNS):
        started = time.process_time()
        held = run()
        times.append(time.process_time() - started)
        if number == 0:
            peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        del held
    print(json.dumps({"seconds": min(times), "megabytes": peak}))


def _measure(reader: str, path: Path) -> dict[str, Any]:
    peer = reader in ("prance", "validator")
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "bench.specs", reader, str(path)],
            capture_output=True,
            text=True,
            timeout=PEER_SECONDS if peer else 120,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"> {PEER_SECONDS:g} s"}
    if done.returncode:
        kinds = re.findall(r"^(?:[\w]+\.)*(\w*(?:Error|Exception)\w*)\b", done.stderr, re.MULTILINE)
        return {"error": kinds[-1] if kinds else "failed"}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def _cell(found: dict[str, Any]) -> str:
    return str(found["error"]) if "error" in found else f"{found['seconds'] * 1000:,.0f} ms"


def main() -> None:
    if not (SPECS / "index.json").exists():
        print("The real specifications are not beside this checkout: nothing was measured.")
        return
    print(
        "| specification | MB | operations | bare parse | ours | ratio | indexed | ratio | memory, bare | indexed | ratio | prance, resolving | openapi-spec-validator |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    totals = [0.0, 0.0, 0.0]
    with tempfile.TemporaryDirectory() as folder:
        for entry in json.loads((SPECS / "index.json").read_text()):
            path = SPECS / entry["file"]
            if path.suffix == ".gz":
                plain = Path(folder) / path.stem
                plain.write_bytes(gzip.decompress(path.read_bytes()))
                path = plain
            bare = _measure("folder" if entry.get("multi") else "bare", path)
            ours, indexed = _measure("ours", path), _measure("indexed", path)
            peers = (
                [_measure(peer, path) for peer in ("prance", "validator")]
                if PEER_SECONDS
                else [{"error": "–"}] * 2
            )
            for number, found in enumerate((bare, ours, indexed)):
                totals[number] += found["seconds"]
            memory = indexed["megabytes"] / bare["megabytes"] if bare["megabytes"] >= 1 else None
            print(
                f"| {entry['id']} | {entry['bytes'] / 1e6:.1f} | {entry['operations']} | {_cell(bare)} | {_cell(ours)} "
                f"| {ours['seconds'] / bare['seconds']:.2f} | {_cell(indexed)} | {indexed['seconds'] / bare['seconds']:.2f} "
                f"| {bare['megabytes']:.0f} MB | {indexed['megabytes']:.0f} MB "
                f"| {f'{memory:.2f}' if memory is not None else '–'} | {_cell(peers[0])} | {_cell(peers[1])} |",
                flush=True,
            )
    print(
        f"\nAll together: {totals[1]:.2f} s against {totals[0]:.2f} s bare, ratio {totals[1] / totals[0]:.2f}; "
        f"with the index {totals[2]:.2f} s, ratio {totals[2] / totals[0]:.2f}."
    )


if __name__ == "__main__":
    if len(sys.argv) == 3:
        _one(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
