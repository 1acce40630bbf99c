"""Can the guardian tell good mappings from bad ones, and how fast is it?

    python -m bench.guardian [--pairs N] [--speed]

Takes the labelled mapping pairs, makes a correct mapping of each, damages it in every way below at
every place where that breaks the destination's contract, and runs the guardian over all of them.
Prints Markdown tables: health of the correct mappings, and how much of each damage was caught (health
below 70, not passed, or the damaged field named by a finding that the correct mapping does not have).
Damage that the contract cannot show is counted apart.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import statistics
import time
import tracemalloc
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from bench._guardian_pairs import Pair, load_pairs
from vitesse_graph.errors import MappingError
from vitesse_graph.guardian import AppTarget, HttpTarget, run_guardian, shadow_records
from vitesse_graph.guardian.paths import plain
from vitesse_graph.guardian.required import unfed_required
from vitesse_graph.sandbox import create_sandbox, serve
from vitesse_graph.state.mapping import MappingLogic, Transformation
from vitesse_graph.state.testing import TestResults
from vitesse_graph.synthetic import TYPICAL, Contract, SyntheticRecord, generate_records
from vitesse_graph.synthetic.schemas import at_path, flatten, types_of
from vitesse_graph.transforms import compile_mapping

CONTRACT_SHARE = 0.2
"""Damage breaks the contract when at least this share of typical bodies that kept it before does not any more."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged mapping: what was done, and to which destination fields."""

    kind: str
    fields: tuple[str, ...]
    mapping: MappingLogic


def damages(pair: Pair) -> Iterator[Damage]:
    """Every single damage of a pair's mapping; at most four of a kind."""
    for maker in (
        drop_required,
        swap_sources,
        wrong_unit,
        wrong_table,
        wrong_transform,
        wrong_source,
        wrong_constant,
    ):
        for count, damage in enumerate(maker(pair)):
            if count == 4:
                break
            yield damage


def _replaced(mapping: MappingLogic, changes: dict[int, Transformation | None]) -> MappingLogic:
    rows = [changes.get(index, row) for index, row in enumerate(mapping.transformations)]
    return MappingLogic(transformations=[row for row in rows if row is not None])


def drop_required(pair: Pair) -> Iterator[Damage]:
    """A row that feeds a required field is taken away."""
    before = set(unfed_required(pair.dest_shape.request_schema, pair.mapping))
    for index, row in enumerate(pair.mapping.transformations):
        damaged = _replaced(pair.mapping, {index: None})
        if set(unfed_required(pair.dest_shape.request_schema, damaged)) - before:
            yield Damage("drop a required field", (row.dest_field,), damaged)


def swap_sources(pair: Pair) -> Iterator[Damage]:
    """Two rows whose destinations want another type, format or enum exchange their sources."""
    rows = pair.mapping.transformations
    for i, left in enumerate(rows):
        for j in range(i + 1, len(rows)):
            right = rows[j]
            if left.source_field == [] or right.source_field == [] or _kind(pair, left) == _kind(pair, right):
                continue
            changes: dict[int, Transformation | None] = {
                i: left.evolve(source_field=right.source_field),
                j: right.evolve(source_field=left.source_field),
            }
            fields = (left.dest_field, right.dest_field)
            yield Damage(
                "swap two fields of different type or format", fields, _replaced(pair.mapping, changes)
            )


def _kind(pair: Pair, row: Transformation) -> tuple[Any, ...]:
    schema = pair.dest_shape.request_schema
    flat = flatten(at_path(schema, row.dest_field, schema) or {}, schema)
    types = tuple(sorted(set(types_of(flat)) - {"null"}))
    return types, flat.get("format"), bool(flat.get("enum")), bool(flat.get("pattern"))


_UNITS = {"minor_to_major": "major_to_minor", "major_to_minor": "minor_to_major", "unix_to_iso8601": "unix_ms_to_iso8601",
          "unix_ms_to_iso8601": "unix_to_iso8601", "unix_to_date": "unix_ms_to_date", "iso8601_to_unix": "iso8601_to_unix_ms"}  # fmt: skip


def wrong_unit(pair: Pair) -> Iterator[Damage]:
    """Cents taken for units, seconds for milliseconds, or the conversion left out."""
    for index, row in enumerate(pair.mapping.transformations):
        function = str(row.transform_config.get("function"))
        if function not in _UNITS:
            continue
        other = row.evolve(transform_config={**row.transform_config, "function": _UNITS[function]})
        yield Damage("wrong unit", (row.dest_field,), _replaced(pair.mapping, {index: other}))
        bare = row.evolve(transform_type="mapping", transform_config={})
        yield Damage("wrong unit", (row.dest_field,), _replaced(pair.mapping, {index: bare}))


def wrong_table(pair: Pair) -> Iterator[Damage]:
    """A table that leads to values which the destination does not know."""
    for index, row in enumerate(pair.mapping.transformations):
        params = row.transform_config.get("params") or {}
        function = row.transform_config.get("function")
        if function == "enum_map":
            table = {key: f"{value}_x" for key, value in params.get("table", {}).items()}
            changed = row.evolve(
                transform_config={**row.transform_config, "params": {**params, "table": table}}
            )
        elif function in ("bool_to_enum", "set_to_enum", "sign_to_enum"):
            new = {key: f"{value}_x" if isinstance(value, str) else value for key, value in params.items()}
            changed = row.evolve(transform_config={**row.transform_config, "params": new})
        else:
            continue
        yield Damage("wrong enum table", (row.dest_field,), _replaced(pair.mapping, {index: changed}))


def wrong_transform(pair: Pair) -> Iterator[Damage]:
    """The conversion is left out, or another one stands in its place."""
    for index, row in enumerate(pair.mapping.transformations):
        if row.source_field == [] or row.transform_config.get("function") in _UNITS:
            continue
        options: list[tuple[str, dict[str, Any]]] = []
        if row.transform_type in ("custom", "parse", "stringify", "parse_bool", "collect"):
            options.append(("mapping", {}))
        options += [("parse", {"to": "number"}), ("parse_bool", {}), ("custom", {"function": "wrap"})]
        for kind, config in options:
            if kind == row.transform_type and config == row.transform_config:
                continue
            changed = row.evolve(transform_type=kind, transform_config=config)
            damaged = _replaced(pair.mapping, {index: changed})
            if _builds(damaged):
                yield Damage("wrong transform", (row.dest_field,), damaged)
                break


def wrong_source(pair: Pair) -> Iterator[Damage]:
    """A required field is fed from a source field that does not exist."""
    schema = pair.dest_shape.request_schema
    before = set(unfed_required(schema, pair.mapping))
    for index, row in enumerate(pair.mapping.transformations):
        if row.source_field == []:
            continue
        if set(unfed_required(schema, _replaced(pair.mapping, {index: None}))) - before:
            changed = row.evolve(source_field="no_such_field", transform_type="mapping", transform_config={})
            yield Damage(
                "source that does not exist", (row.dest_field,), _replaced(pair.mapping, {index: changed})
            )


def wrong_constant(pair: Pair) -> Iterator[Damage]:
    """A constant of the wrong kind."""
    for index, row in enumerate(pair.mapping.transformations):
        if row.source_field != [] or row.transform_config.get("function") != "constant":
            continue
        config = {"function": "constant", "params": {"value": {"not": ["this"]}}}
        changed = row.evolve(transform_config=config)
        yield Damage("wrong constant", (row.dest_field,), _replaced(pair.mapping, {index: changed}))


def _builds(mapping: MappingLogic) -> bool:
    try:
        compile_mapping(mapping)
    except MappingError:
        return False
    return True


def breaks_contract(pair: Pair, damage: Damage, records: list[SyntheticRecord]) -> bool:
    """Whether the damage can be seen in the contract at all, judged without the guardian."""
    contract = Contract(pair.dest_shape.request_schema, "request")
    good, bad = compile_mapping(pair.mapping), compile_mapping(damage.mapping)
    before = after = 0
    for record in records:
        was = good.apply(record.value)
        if was.errors or not contract.is_valid(was.body):
            continue
        before += 1
        now = bad.apply(record.value)
        after += not now.errors and contract.is_valid(now.body)
    return before > 0 and (before - after) / before >= CONTRACT_SHARE


async def judge(pair: Pair, mapping: MappingLogic, size: int = 100, seed: int = 0) -> TestResults:
    """One guardian run of a mapping against both sandboxes."""
    records = shadow_records(pair.source_shape, sample_size=size, seed=seed)
    source = create_sandbox(pair.source_api, seed_records={"GET /records": [r.value for r in records]})
    return await run_guardian(
        source=AppTarget(source),
        dest=AppTarget(create_sandbox(pair.dest_api)),
        source_shape=pair.source_shape,
        dest_shape=pair.dest_shape,
        mapping=mapping,
        synthetic=records,
        sample_size=size,
        seed=seed,
    )


def named(results: TestResults) -> set[str]:
    """The destination fields that findings speak of, with their kind."""
    found = (finding for finding in results.findings if finding.kind != "lossy")
    return {f"{finding.kind} {plain(finding.dest_field or '')}" for finding in found}


def is_caught(damage: Damage, results: TestResults, before: TestResults) -> tuple[bool, bool]:
    """(stopped: health below 70 or not passed, named by a new finding)."""
    fresh = named(results) - named(before)
    fields = {plain(field) for field in damage.fields}
    by_name = any(
        name.partition(" ")[2] == field
        or name.partition(" ")[2].startswith(f"{field}.")
        or field.startswith(f"{name.partition(' ')[2]}.")
        for name in fresh
        for field in fields
    )
    return results.health_score < 70 or not results.passed, by_name


async def mutation_table(pairs: list[Pair]) -> None:
    """The two tables of the mutation test."""
    healths: list[float] = []
    alarms = 0
    counts: dict[tuple[str, bool], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    escaped: list[str] = []
    for pair in pairs:
        good = await judge(pair, pair.mapping)
        healths.append(good.health_score)
        alarms += any(
            finding.kind in ("dest_rejects_value", "transform_failed", "enum_untranslated")
            and finding.share >= 0.3
            for finding in good.findings
        )
        typical = generate_records(pair.source_shape.record_schema, 40, 1, TYPICAL)
        for damage in damages(pair):
            visible = breaks_contract(pair, damage, typical)
            results = await judge(pair, damage.mapping)
            stopped, by_name = is_caught(damage, results, good)
            row = counts[(damage.kind, visible)]
            row[0] += 1
            row[1] += stopped
            row[2] += by_name
            row[3] += stopped or by_name
            if visible and not (stopped or by_name):
                escaped.append(
                    f"{pair.id}: {damage.kind} at {', '.join(damage.fields)} (health {results.health_score})"
                )
    print("\n### Correct mappings\n")
    print("| pairs | below 90 | lowest | median |\n|---|---|---|---|")
    print(f"{alarms} of the correct mappings have a finding that a field is implausible or refused.\n")
    low = sum(health < 90 for health in healths)
    print(f"| {len(healths)} | {low} | {min(healths):.1f} | {statistics.median(healths):.1f} |")
    for visible, title in (
        (True, "Damage that breaks the contract"),
        (False, "Damage that the contract cannot show"),
    ):
        print(f"\n### {title}\n")
        print("| damage | cases | stopped | named by a finding | caught |\n|---|---|---|---|---|")
        total = [0, 0, 0, 0]
        for (kind, of), row in sorted(counts.items()):
            if of is visible:
                total = [a + b for a, b in zip(total, row, strict=True)]
                print(f"| {kind} | {row[0]} | {row[1]} | {row[2]} | {row[3]} ({row[3] / row[0]:.0%}) |")
        if total[0]:
            print(
                f"| **all** | {total[0]} | {total[1]} | {total[2]} | {total[3]} ({total[3] / total[0]:.1%}) |"
            )
    for line in escaped:
        print(f"\nescaped: {line}")


async def speed_table(pairs: list[Pair]) -> None:
    """A hundred and ten thousand calls in-process, with generation and both sandboxes."""
    print("\n### Speed in-process (generation, both sandboxes, 100 calls, verdict)\n")
    print("| pair | first run, CPU ms | later runs, CPU ms (median of 5) | wall ms |\n|---|---|---|---|")
    for pair in pairs[:: max(1, len(pairs) // 6)]:
        spent, times = [], []
        for _ in range(6):
            began, cpu = time.perf_counter(), time.process_time()
            await judge(pair, pair.mapping)
            spent.append((time.process_time() - cpu) * 1000)
            times.append((time.perf_counter() - began) * 1000)
        later = statistics.median(spent[1:])
        print(f"| {pair.id} | {spent[0]:.0f} | {later:.0f} | {statistics.median(times[1:]):.0f} |")


async def large_table(pair: Pair) -> None:
    """A hundred, a thousand and ten thousand calls: time, and the memory that the guardian itself takes."""
    print("\n### Many calls in-process (records drawn and listed once beforehand)\n")
    print(
        "| calls | CPU seconds | guardian's memory, MB | bytes a call | progress reports |\n|---|---|---|---|---|"
    )
    for size in (100, 1_000, 10_000):
        records = shadow_records(pair.source_shape, sample_size=size)
        source = create_sandbox(pair.source_api, seed_records={"GET /records": [r.value for r in records]})

        async def judged(
            reports: list[int], source: Any = source, records: Any = records, size: int = size
        ) -> TestResults:
            return await run_guardian(
                source=AppTarget(source), dest=_Forgetful(create_sandbox(pair.dest_api, records=0)),
                source_shape=pair.source_shape, dest_shape=pair.dest_shape, mapping=pair.mapping, synthetic=records,
                sample_size=size, on_progress=lambda done, _: reports.append(done),
            )  # fmt: skip

        began = time.process_time()
        await judged([])
        took = time.process_time() - began
        tracemalloc.start()
        reports: list[int] = []
        results = await judged(reports)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(
            f"| {results.calls_made:,} | {took:.2f} | {peak / 1e6:.1f} | {peak / size:,.0f} | {len(reports)} |"
        )


class _Forgetful(AppTarget):
    """A sandbox that forgets what it was sent: measured is the guardian's memory, not the sandbox's store."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self._sandbox = app

    async def call(self, call: Any) -> Any:
        answer = await super().call(call)
        for model in self._sandbox.holdings._models.values():
            if model is not None and sum(map(len, model.scopes.values())) > 200:
                model.scopes.clear()
        return answer


async def http_table(pair: Pair, size: int = 1_000) -> None:
    """The guardian over HTTP beside a bare aiohttp loop that only reads, maps and posts; 16 at once, same servers."""
    import aiohttp

    records = shadow_records(pair.source_shape, sample_size=size, mix=TYPICAL)
    source = create_sandbox(pair.source_api, seed_records={"GET /records": [r.value for r in records]})
    print("\n### Over HTTP, 1,000 records, 16 at once (records a second)\n")
    print("| bare aiohttp loop | guardian | ratio |\n|---|---|---|")
    async with contextlib.AsyncExitStack() as stack:
        source_url = await stack.enter_async_context(serving(source))
        dest_url = await stack.enter_async_context(serving(create_sandbox(pair.dest_api, records=0)))
        rates: list[tuple[float, float]] = []
        for _ in range(3):
            began = time.perf_counter()
            async with aiohttp.ClientSession() as session:
                await bare_loop(session, pair, source_url, dest_url)
            bare = size / (time.perf_counter() - began)
            targets = [HttpTarget(url, environment="sandbox") for url in (source_url, dest_url)]
            began = time.perf_counter()
            results = await run_guardian(
                source=targets[0], dest=targets[1], source_shape=pair.source_shape, dest_shape=pair.dest_shape,
                mapping=pair.mapping, synthetic=records, sample_size=size,
            )  # fmt: skip
            own = size / (time.perf_counter() - began)
            assert results.calls_made >= size
            for target in targets:
                await target.close()
            rates.append((bare, own))
    bare, own = (statistics.median(column) for column in zip(*rates, strict=True))
    print(f"| {bare:,.0f} | {own:,.0f} | {own / bare:.2f} |")


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """The application in a process of its own, so that client and server do not share a core's time."""
    pid_and_port = await asyncio.to_thread(_fork, app)
    try:
        yield f"http://127.0.0.1:{pid_and_port[1]}"
    finally:
        os.kill(pid_and_port[0], signal.SIGKILL)
        await asyncio.to_thread(os.waitpid, pid_and_port[0], 0)


def _fork(app: Any) -> tuple[int, int]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:

        def tell(url: str) -> None:
            os.write(writer, url.rsplit(":", 1)[1].encode())

        asyncio.run(serve(app, on_ready=tell))
        os._exit(0)
    return pid, int(os.read(reader, 16))


async def bare_loop(session: Any, pair: Pair, source_url: str, dest_url: str) -> None:
    """What one would write by hand: pages of 200, sixteen workers, nothing checked but the status."""
    run = compile_mapping(pair.mapping)
    after: str | None = None
    while True:
        params = {"limit": "200", **({"after": after} if after else {})}
        async with session.get(f"{source_url}/records", params=params) as response:
            page = orjson.loads(await response.read())
        bodies = iter([run.apply(record).body for record in page["data"]])

        async def worker(left: Any = bodies) -> None:
            for body in left:
                raw = orjson.dumps(body)
                async with session.post(
                    f"{dest_url}/targets", data=raw, headers={"content-type": "application/json"}
                ) as sent:
                    await sent.read()

        await asyncio.gather(*(worker() for _ in range(16)))
        after = page.get("next")
        if not after:
            return


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=None, help="only the first N pairs")
    parser.add_argument("--speed", action="store_true", help="only the speed table")
    options = parser.parse_args()
    pairs = load_pairs()[: options.pairs]
    if not pairs:
        print("the labelled pairs are not here; nothing was measured")
        return
    if not options.speed:
        await mutation_table(pairs)
    await speed_table(pairs)
    await large_table(
        next((pair for pair in pairs if pair.id.startswith("klaviyo-profile--stripe")), pairs[0])
    )
    await http_table(
        next((pair for pair in pairs if pair.id.startswith("klaviyo-profile--stripe")), pairs[0])
    )


if __name__ == "__main__":
    asyncio.run(main())
