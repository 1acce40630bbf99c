"""Shadow calls: read the source, transform, write to where nothing can be harmed, and judge."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from vitesse_graph.guardian.calls import CallBook, SideName, required_issue, shadow_call
from vitesse_graph.guardian.findings import findings_of
from vitesse_graph.guardian.health import endpoint_coverage, hard_fails, health_score
from vitesse_graph.guardian.losses import Losses
from vitesse_graph.guardian.paths import plain, read
from vitesse_graph.guardian.plan import (
    Fixed,
    file_fields,
    fixed_for,
    new_id,
    planned,
    source_call,
    update_id_param,
    with_id,
    write_call,
)
from vitesse_graph.guardian.plausible import Plausibility
from vitesse_graph.guardian.reading import read_source
from vitesse_graph.guardian.required import unfed_required
from vitesse_graph.guardian.targets import Answer, AppTarget, Call, Target, may_read
from vitesse_graph.guardian.verdict import Rows, Tally, Trial, failures_of
from vitesse_graph.guardian.warnings import warnings_of
from vitesse_graph.state.api_spec import DestShape, OperationDetail, SourceShape
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.state.testing import ShadowCall, ShadowMode, TestResults
from vitesse_graph.synthetic import Contract, Profile, SyntheticRecord
from vitesse_graph.transforms import CompiledMapping, compile_mapping

OnResult = Callable[[ShadowCall], Awaitable[None]]
_SAY_LITTLE = frozenset(("source_missing", "always_empty"))
"""Findings that leave open whether the values, where there are any, are of the right kind."""
_FOLLOW_UPS = 5
"""Created records that are read back by their natural key and updated."""


@dataclass
class _Run:
    source: Target
    dest: Target
    dest_read: Target
    source_shape: SourceShape
    dest_shape: DestShape
    mapping: CompiledMapping
    contract: Contract
    tally: Tally
    profiles: _Profiles
    plausibility: Plausibility
    losses: Losses
    dest_operation: OperationDetail | None
    dest_params: Mapping[str, str]
    dest_others: Mapping[str, OperationDetail]
    on_result: OnResult | None
    book: CallBook = field(default_factory=CallBook)
    created: list[tuple[str, Any]] = field(default_factory=list)
    files: frozenset[str] = frozenset()

    @cached_property
    def fixed(self) -> Fixed:
        """What goes along with every record that is written."""
        shape = self.dest_shape
        return fixed_for(shape.endpoint, self.dest_operation, self.dest_params, invent=self.dest.is_sandbox)

    async def call(
        self,
        side: SideName,
        target: Target,
        call: Call,
        failing_field: str | None = None,
        *,
        may_be_refused: bool = False,
    ) -> Answer:
        answer = await target.call(call)
        self.book.note(side, call, answer, failing_field, may_be_refused=may_be_refused)
        if not target.is_sandbox:
            self.book.note_limit(side, answer.headers)
        if self.on_result is not None:
            await self.on_result(shadow_call(side, call, answer, failing_field))
        return answer


class _Profiles:
    """Which kind of record each one is, told by its id or, without ids, by its position."""

    def __init__(self, synthetic: Sequence[SyntheticRecord], id_field: str | None) -> None:
        self._order = [record.profile for record in synthetic]
        self._by_id: dict[str, Profile] = {}
        for record in synthetic:
            value = read(record.value, id_field) if id_field else None
            if value is not None:
                self._by_id[str(value)] = record.profile
        self._id_field = id_field

    def of(self, record: Any, position: int) -> Profile:
        value = read(record, self._id_field) if self._id_field else None
        if value is not None and str(value) in self._by_id:
            return self._by_id[str(value)]
        return self._order[position] if position < len(self._order) else "typical"


async def run_guardian(
    *,
    source: Target,
    dest: Target,
    source_shape: SourceShape,
    dest_shape: DestShape,
    mapping: MappingLogic,
    dest_read: Target | None = None,
    source_operation: OperationDetail | None = None,
    dest_operation: OperationDetail | None = None,
    dest_list: OperationDetail | None = None,
    dest_others: Mapping[str, OperationDetail] | None = None,
    source_params: Mapping[str, str] | None = None,
    dest_params: Mapping[str, str] | None = None,
    synthetic: Sequence[SyntheticRecord] = (),
    sample_size: int = 100,
    seed: int = 0,
    mode: ShadowMode = "sandbox",
    skip_destructive: bool = True,
    threshold: float = 70.0,
    concurrency: int = 16,
    on_progress: Callable[[int, int], None] | None = None,
    on_result: OnResult | None = None,
) -> TestResults:
    """Runs a mapping and says, with a number and with evidence, whether it works.

    Reads up to `sample_size` records from `source` through its pagination, transforms each, and
    writes it to `dest`; then updates a few of the new records and looks a few up, where the
    destination has operations for that. `dest_read` takes the look-ups when they go elsewhere than
    the writes (mode `live-read`: the real API for reading, a sandbox for writing); `dest_list`, where
    given, is read there once before anything else, so that a refused credential shows.

    `source_operation`, `dest_operation` and, by key, `dest_others` (the update and the look-up) name the
    parameters that the calls must carry;
    `source_params` and `dest_params` give their values (`{"account_id": "42"}`); what is not given is
    invented for a sandbox. `synthetic` are the records that were put into the source's sandbox
    (`shadow_records`): it tells which of them are adversarial; without it all count as ordinary.

    Writing to a real API happens only with mode `live` *and* `skip_destructive=False`.
    `on_progress(done, total)` counts records; `on_result` gets every call, redacted and capped.
    Raises MappingError where the mapping cannot be compiled, before any call is made.
    """
    began = time.perf_counter()
    writes = mode == "live" and not skip_destructive
    for target in {id(t): t for t in (source, dest, dest_read) if t is not None}.values():
        target.allow_writes(writes and target is dest)
    rows = Rows(mapping.transformations)
    run = _Run(
        source=source, dest=dest, dest_read=dest_read or dest, source_shape=source_shape, dest_shape=dest_shape,
        mapping=compile_mapping(mapping), contract=Contract(dest_shape.request_schema, "request"), tally=Tally(rows),
        profiles=_Profiles(synthetic, source_shape.id_field),
        plausibility=Plausibility(mapping.transformations, source_shape.record_schema, dest_shape.request_schema),
        losses=Losses(mapping.transformations), dest_operation=dest_operation,
        dest_params=dest_params or {}, dest_others=dest_others or {}, on_result=on_result, files=file_fields(dest_shape.request_schema),
    )  # fmt: skip
    if dest_list is not None:
        await _probe(run, dest_list)
    first = source_call(source_shape, source_operation, source_params or {}, invent=source.is_sandbox)
    await _try_all(run, first, sample_size, concurrency, on_progress)
    await _follow_up(run)
    results = _results(run, mapping, threshold)
    return results.model_copy(
        update={
            "mode": mode,
            "seed": seed,
            "sample_size": sample_size,
            "duration_seconds": time.perf_counter() - began,
        }
    )


async def _try_all(
    run: _Run, first: Call, wanted: int, concurrency: int, on_progress: Callable[[int, int], None] | None
) -> None:
    """Every record through the mapping, page by page; a page's writes run `concurrency` at a time."""
    done = 0

    async def read_page(call: Call) -> Answer:
        return await run.call("source", run.source, call)

    async for page in read_source(run.source_shape, first, read_page, wanted):
        numbered = list(enumerate(page, start=done))
        if isinstance(run.dest, AppTarget) or concurrency <= 1:
            for position, record in numbered:
                await _try_one(run, record, position)
        else:
            queue = iter(numbered)
            await asyncio.gather(*(_drain(run, queue) for _ in range(min(concurrency, len(numbered)))))
        done += len(page)
        if on_progress is not None:
            on_progress(min(done, wanted), wanted)
        # In-process calls never wait for anything: give the rest of the program its turn.
        await asyncio.sleep(0)
        if run.book.gives_up("dest"):
            return


async def _probe(run: _Run, listing: OperationDetail) -> None:
    """One GET to where the destination's records are read."""
    fixed = fixed_for(listing.endpoint, listing, run.dest_params, invent=run.dest_read.is_sandbox)
    paging = listing.endpoint.pagination
    size = {paging.page_size_param: "1"} if paging is not None and paging.page_size_param else {}
    call = write_call(listing.endpoint, fixed, None)
    await run.call("dest", run.dest_read, replace(call, query={**size, **call.query}))


async def _drain(run: _Run, queue: Any) -> None:
    for position, record in queue:
        if run.book.gives_up("dest"):
            return
        await _try_one(run, record, position)


async def _try_one(run: _Run, record: dict[str, Any], position: int) -> None:
    transformed = run.mapping.apply(record)
    body = transformed.body
    failures = failures_of(record, body, transformed.errors, run.contract, run.tally.rows)
    trial = Trial(run.profiles.of(record, position), failures)
    if trial.profile == "typical":
        run.plausibility.look_at(body)
        run.losses.look_at(record, body)
    if transformed.errors:
        # The deployed integration quarantines such a record: it is never sent.
        run.tally.add(trial, record, body)
        return
    call = write_call(run.dest_shape.endpoint, run.fixed, body, run.files)
    answer = await run.call(
        "dest",
        run.dest,
        call,
        failures[0].dest_field if failures else None,
        may_be_refused=bool(failures) and trial.profile == "adversarial",
    )
    trial.sent = True
    trial.accepted = answer.ok and not _is_error_body(answer)
    if answer.ok and len(run.created) < _FOLLOW_UPS:
        identifier = new_id(answer.value(), run.dest_shape)
        if identifier is not None:
            run.created.append((identifier, body))
    run.tally.add(trial, record, body)


def _is_error_body(answer: Answer) -> bool:
    """A 200 that says `{"errors": [...]}` and nothing else is no success."""
    if b'"error' not in answer.raw[:400]:
        return False
    value = answer.value()
    return isinstance(value, dict) and bool(value.get("errors") or value.get("error")) and len(value) <= 2


async def _follow_up(run: _Run) -> None:
    """Updates and look-ups of what was created: the other operations that the integration will use."""
    shape = run.dest_shape
    id_param = update_id_param(shape.update) if shape.update is not None else None
    for identifier, body in run.created:
        if shape.update is not None and id_param is not None:
            given = {**run.dest_params, id_param: identifier}
            detail = run.dest_others.get(shape.update.key)
            fixed = fixed_for(shape.update, detail, given, invent=run.dest.is_sandbox)
            sent = with_id(body, shape.update_id_at, identifier) if shape.update_id_at else body
            await run.call("dest", run.dest, write_call(shape.update, fixed, sent, run.files))
        await _look_up(run, body)


async def _look_up(run: _Run, body: Any) -> None:
    shape = run.dest_shape
    if shape.lookup is None or not shape.lookup_param:
        return
    key = next((read(body, path) for path in shape.natural_keys if read(body, path) not in (None, "")), None)
    if key is None:
        return
    detail = run.dest_others.get(shape.lookup.key)
    given = {**run.dest_params, shape.lookup_param: str(key)}
    fixed = fixed_for(shape.lookup, detail, given, invent=run.dest_read.is_sandbox)
    call = write_call(shape.lookup, fixed, None)
    query = {**call.query, shape.lookup_param: str(key)}
    is_post = call.method == "POST"
    call = Call(
        method=call.method, path=call.path, query=call.query if is_post else query, headers=call.headers,
        body={shape.lookup_param: key} if is_post else None, key=call.key, is_read=True, auth=call.auth,
    )  # fmt: skip
    # A search by POST that is not plainly one stays with the sandbox: it might be a write.
    is_safe = run.dest_read.is_sandbox or may_read(call)
    await run.call("dest", run.dest_read if is_safe else run.dest, call)


def _results(run: _Run, mapping: MappingLogic, threshold: float) -> TestResults:
    book, tally = run.book, run.tally
    unfed = unfed_required(run.dest_shape.request_schema, mapping)
    issues = [*(required_issue(path) for path in unfed), *book.issues()]
    success = tally.success_rate()
    wanted = planned(run.source_shape, run.dest_shape)
    coverage = endpoint_coverage(wanted, book.good_endpoints)
    health = health_score(success, coverage)
    fails = hard_fails(issues)
    if not tally.trials:
        fails.append("the source gave no records: check its endpoint, filters and pagination")
    findings = findings_of(tally, unfed, run.source_shape.record_schema, run.dest_shape.request_schema)
    refused = {plain(finding.dest_field or "") for finding in findings if finding.kind not in _SAY_LITTLE}
    findings += run.plausibility.findings(refused)
    losses = run.losses.findings({plain(finding.dest_field or "") for finding in findings})
    findings += losses
    return TestResults(
        calls_made=book.made,
        success_rate=round(success, 4),
        endpoint_coverage=round(coverage, 4),
        data_quality=round(tally.data_quality(), 4),
        reliability=round(book.succeeded / book.made, 4) if book.made else 0.0,
        health_score=health,
        passed=health >= threshold and not fails,
        hard_fails=fails,
        issues=issues,
        warnings=[*warnings_of(tally, book, mapping, wanted), *(loss.detail for loss in losses)],
        findings=findings,
        latency=book.latency(),
        error_distribution=dict(book.errors),
        samples=book.samples(),
    )
