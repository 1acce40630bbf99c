"""Twin before deploy: the very runtime that will be deployed, run against two sandboxes.

The guardian's shadow calls test the mapping; this tests what runs it: pagination, credentials,
encodings, envelopes, the ledger, updates. The caller starts the runtime (in this process, as a process or
an image) on a definition whose two sides are sandboxes, and hands over `sync`. Four steps, each
compared with what the mapping says should be there:

    create     a first sync brings every record that the destination's contract takes, once
    read back  what the destination stored is what was sent
    repeat     a second sync with nothing changed writes nothing
    update     after some records changed at the source, the same records change at the destination
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from vitesse_graph.guardian.paths import every, read
from vitesse_graph.state.api_spec import DestShape, SourceShape
from vitesse_graph.state.definition import SyncReport
from vitesse_graph.state.mapping import MappingLogic
from vitesse_graph.synthetic import Contract
from vitesse_graph.transforms import CompiledMapping, compile_mapping

CHANGED = 5
_SHOWN = 10
_PAIRED = 200
"""Differing records that are compared with each other, to name the fields."""


class TwinStore(Protocol):
    """A sandbox as the twin looks into it; `sandbox.Sandbox` is one."""

    def records(self, key_or_path: str) -> list[dict[str, Any]]:
        """The stored records of an endpoint's collection."""
        ...

    def shown(self, key: str) -> list[Any]:
        """The stored records as that list shows them to a reader."""
        ...

    def sent(self, key_or_path: str) -> list[Any]:
        """What clients wrote there, each record as last written."""
        ...

    def change(self, key_or_path: str, position: int, changes: dict[str, Any]) -> None:
        """Changes a stored record from within and sets its time of change."""
        ...


@dataclass(slots=True)
class TwinStep:
    """One step: how many records were expected and found, and what differs (at most ten, in words)."""

    name: str
    expected: int = 0
    found: int = 0
    differences: list[str] = field(default_factory=list)


@dataclass(slots=True)
class TwinReport:
    """`passed` when no step found a difference. `skipped` names steps that this integration has not."""

    steps: list[TwinStep] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return bool(self.steps) and not any(step.differences for step in self.steps)

    @property
    def differences(self) -> list[str]:
        return [f"{step.name}: {line}" for step in self.steps for line in step.differences]


@dataclass(slots=True)
class _Twin:
    source: TwinStore
    dest: TwinStore
    source_shape: SourceShape
    dest_shape: DestShape
    mapping: CompiledMapping
    contract: Contract
    sync: Callable[[], Awaitable[SyncReport]]
    source_contract: Contract

    def expected(self) -> Counter[str]:
        """The records that should be at the destination now, in the form in which they are sent."""
        out: Counter[str] = Counter()
        for item in self.source.shown(self.source_shape.endpoint.key):
            record = read(item, self.source_shape.record_at)
            transformed = self.mapping.apply(record)
            if transformed.errors or not self.contract.is_valid(transformed.body):
                continue  # quarantined by the runtime, refused by the destination
            parts = every(transformed.body, self.dest_shape.envelope)
            out.update(_canonical(self._without_id(part)) for part in parts)
        return out

    def found(self) -> Counter[str]:
        bodies = self.dest.sent(self.dest_shape.endpoint.key)
        return Counter(_canonical(self._without_id(body)) for body in bodies)

    def _without_id(self, body: Any) -> Any:
        """The record without the id that the runtime, not the mapping, put there to name it in an update."""
        envelope = self.dest_shape.envelope
        if self.dest_shape.update_id_at != (f"{envelope}.id" if envelope else "id"):
            return body
        return {name: value for name, value in body.items() if name != "id"}


async def run_twin(
    *,
    source: TwinStore,
    dest: TwinStore,
    source_shape: SourceShape,
    dest_shape: DestShape,
    mapping: MappingLogic,
    sync: Callable[[], Awaitable[SyncReport]],
) -> TwinReport:
    """Runs `sync` three times against the sandboxes and reports every difference.

    The destination's sandbox should start without records of its own. Differences name fields,
    never values. What `sync` raises is a difference of the step it happened in.
    """
    twin = _Twin(
        source,
        dest,
        source_shape,
        dest_shape,
        compile_mapping(mapping),
        Contract(dest_shape.request_schema, "request"),
        sync,
        Contract(source_shape.record_schema),
    )
    report = TwinReport()
    if not await _step(report, twin, "create", compare=True):
        return report
    report.steps.append(_read_back(twin))
    written = len(twin.dest.records(dest_shape.endpoint.key))
    if not await _step(report, twin, "repeat", compare=True, writes_nothing=True):
        return report
    _unchanged_count(report.steps[-1], written, twin)
    if dest_shape.update is None:
        report.skipped.append("update: the destination has no operation for it")
        return report
    if not _change_some(twin, mapping):
        report.skipped.append("update: no mapped source field is a text that can be changed")
        return report
    if await _step(report, twin, "update", compare=True):
        _unchanged_count(report.steps[-1], written, twin)
    return report


async def _step(
    report: TwinReport, twin: _Twin, name: str, *, compare: bool, writes_nothing: bool = False
) -> bool:
    """One sync and its comparison; False when the sync itself failed."""
    step = TwinStep(name)
    report.steps.append(step)
    try:
        outcome = await twin.sync()
    except Exception as error:  # noqa: BLE001 - whatever ends the runtime is the finding
        step.differences.append(f"the sync ended with {type(error).__name__}: {error}")
        return False
    if outcome.status != "completed":
        step.differences.append(f"the sync ended as {outcome.status}: {outcome.error or 'no reason given'}")
        return False
    if writes_nothing and outcome.written:
        step.differences.append(f"{outcome.written} records were written though nothing had changed")
    if compare:
        expected, found = twin.expected(), twin.found()
        step.expected, step.found = expected.total(), found.total()
        step.differences += _differences(expected, found)
    return True


def _unchanged_count(step: TwinStep, before: int, twin: _Twin) -> None:
    after = len(twin.dest.records(twin.dest_shape.endpoint.key))
    if after != before:
        step.differences.append(f"the destination held {before} records before and {after} after")


def _read_back(twin: _Twin) -> TwinStep:
    """Whether the destination stored what it was sent, in the fields that its records show."""
    key = twin.dest_shape.endpoint.key
    step = TwinStep("read back")
    wrong_ones: Counter[str] = Counter()
    stored = twin.dest.records(key)[-len(twin.dest.sent(key)) :] if twin.dest.sent(key) else []
    for record, body in zip(stored, twin.dest.sent(key), strict=False):
        step.expected += 1
        wrong = sorted(_changed_fields(body, _holder(record, body)))
        step.found += not wrong
        if wrong:
            wrong_ones[", ".join(wrong[:5])] += 1
    for fields, count in wrong_ones.most_common(_SHOWN):
        step.differences.append(f"stored otherwise than sent in {count} records: {fields}")
    return step


def _holder(record: Any, body: Any) -> Any:
    """The part of a stored record that holds what was sent: itself, or its `attributes`, `properties` …"""
    if not isinstance(record, dict) or not isinstance(body, dict):
        return record
    parts = [record, *(part for part in record.values() if isinstance(part, dict))]
    return max(parts, key=lambda part: len(part.keys() & body.keys()))


def _changed_fields(sent: Any, stored: Any, prefix: str = "") -> set[str]:
    """Fields that both have and that differ.

    No difference: what only one side has (ids, write-only fields), and what the API takes in one form
    and shows in another (objects that are shown as ids).
    """
    if isinstance(sent, list) and isinstance(stored, list):
        if len(sent) != len(stored):
            return {prefix or "the record"} if _is_alike(sent, stored) else set()
        pairs = [(one, other) for one, other in zip(sent, stored, strict=True) if type(one) is type(other)]
        return {name for one, other in pairs for name in _changed_fields(one, other, prefix)}
    if not isinstance(sent, dict) or not isinstance(stored, dict):
        return set() if sent == stored or str(sent) == str(stored) else {prefix or "the record"}
    wrong: set[str] = set()
    for name in sent.keys() & stored.keys():
        inner = f"{prefix}.{name}" if prefix else name
        if isinstance(sent[name], dict | list) == isinstance(stored[name], dict | list):
            wrong |= _changed_fields(sent[name], stored[name], inner)
    return wrong


def _differences(expected: Counter[str], found: Counter[str]) -> list[str]:
    """Missing and surplus records, paired with what resembles them so that the differing fields can be named."""
    missing, surplus = list((expected - found).elements()), list((found - expected).elements())
    others: Counter[str] = Counter()
    while missing and surplus and others.total() < _PAIRED:
        wanted = json.loads(missing.pop())
        scored = [(_difference_paths(wanted, json.loads(text)), text) for text in surplus]
        paths, nearest = min(scored, key=lambda pair: len(pair[0]))
        surplus.remove(nearest)
        others[", ".join(sorted(paths)[:5])] += 1
    lines = [
        f"{count} records arrived with other values in {fields}"
        for fields, count in others.most_common(_SHOWN)
    ]
    if missing:
        lines.append(f"{len(missing)} records did not arrive")
    if surplus:
        lines.append(f"{len(surplus)} records arrived that should not have (or more than once)")
    return lines


def _is_alike(sent: list[Any], stored: list[Any]) -> bool:
    """Whether two lists hold the same kind of thing, as far as both hold anything."""
    return {type(value) for value in sent} == {type(value) for value in stored}


def _difference_paths(left: Any, right: Any, prefix: str = "") -> set[str]:
    left, right = _beside(left, right), _beside(right, left)
    if isinstance(left, dict) and isinstance(right, dict):
        found: set[str] = set()
        for name in left.keys() | right.keys():
            inner = f"{prefix}.{name}" if prefix else name
            found |= _difference_paths(left.get(name), right.get(name), inner)
        return found
    return set() if left == right else {prefix or "the record"}


def _beside(value: Any, other: Any) -> Any:
    """An empty object where the other side has one, so that the fields inside are named."""
    return {} if value is None and isinstance(other, dict) else value


def _canonical(body: Any) -> str:
    """One text for equal bodies: keys sorted, empty things (which forms cannot carry) left out."""
    return json.dumps(_bare(body), sort_keys=True, ensure_ascii=True, default=str)


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        inner = {key: _bare(sub) for key, sub in value.items()}
        return {key: sub for key, sub in inner.items() if sub not in (None, "", [], {})}
    if isinstance(value, list):
        return [_bare(sub) for sub in value]
    return value


def _change_some(twin: _Twin, mapping: MappingLogic) -> int:
    """Changes a mapped text of a few source records, so that the mapped record stays valid; how many were changed."""
    key = twin.source_shape.endpoint.key
    paths = [row.source_field for row in mapping.transformations if isinstance(row.source_field, str)]
    changed = 0
    for position, item in enumerate(twin.source.records(key)):
        if changed >= CHANGED:
            break
        record = read(item, twin.source_shape.record_at)
        changes = next(
            (
                found
                for path in paths
                if path != twin.source_shape.id_field and (found := _changed(twin, record, path))
            ),
            None,
        )
        if changes is not None:
            twin.source.change(key, position, _placed(twin.source_shape.record_at, changes))
            changed += 1
    return changed


def _changed(twin: _Twin, record: Any, path: str) -> dict[str, Any] | None:
    """A text outside of lists with a suffix that both contracts and the mapping take; None where none fits."""
    value = read(record, path) if "[" not in path else None
    before = twin.mapping.apply(record)
    if not isinstance(value, str) or not value or before.errors or not twin.contract.is_valid(before.body):
        return None
    for new in (f"{value} jr", f"{value}2", f"x{value}"):
        changed = _with(record, path.split("."), new)
        if not twin.source_contract.is_valid(changed):
            continue  # the source would not show it so
        after = twin.mapping.apply(changed)
        if not after.errors and after.body != before.body and twin.contract.is_valid(after.body):
            return dict(_placed(path, new))
    return None


def _with(record: Any, path: list[str], value: Any) -> Any:
    """A copy of the record with another value at a path that it has."""
    return {**record, path[0]: _with(record[path[0]], path[1:], value) if path[1:] else value}


def _placed(record_at: str, changes: Any) -> Any:
    for name in reversed(record_at.split(".") if record_at else []):
        changes = {name: changes}
    return changes
