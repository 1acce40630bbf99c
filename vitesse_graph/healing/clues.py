"""The evidence: what each observation says for (or against) each cause. Pure.

A clue is one observation with the cause it speaks for and a weight, the chance that it alone would
be right. Several clues for one cause add up as independent witnesses do: 1 - (1-a)(1-b)…. What a
live probe saw weighs more than what an error's text says; a text alone convinces nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

from vitesse_graph.healing.impact import Side
from vitesse_graph.healing.probes import Probe
from vitesse_graph.healing.profiles import Shift
from vitesse_graph.healing.symptoms import Reading, Symptom, read_error
from vitesse_graph.state.definition import RuntimeStatus
from vitesse_graph.state.health import DriftItem, DriftKind, HealthReport, RootCause

ClueSide = Literal["source", "dest", "both", "ours"]

SLOW_FACTOR = 5.0
"""A p95 this many times its usual is slow."""
SLOW_FLOOR_MS = 1_000.0
MAJORITY = 0.8
"""From this share on a failure is not about single records."""


@dataclass(frozen=True, slots=True)
class Clue:
    """One observation. `detail` helps the strategy: {"base_url": …}, {"endpoint": …}."""

    cause: RootCause
    side: ClueSide
    weight: float
    text: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that is known when the question is asked."""

    report: HealthReport
    drift: Sequence[DriftItem]
    probes: Sequence[Probe]
    history: Sequence[RuntimeStatus]
    shifts: Sequence[Shift]
    readings: Sequence[tuple[Reading, int]]
    """Each distinct error with its count."""

    def count(self, *symptoms: Symptom, side: Side | None = None) -> int:
        return sum(
            count
            for reading, count in self.readings
            if reading.symptom in symptoms and (side is None or reading.side in (side, None))
        )

    @property
    def errors(self) -> int:
        return sum(count for _, count in self.readings)

    def share(self, *symptoms: Symptom, side: Side | None = None) -> float:
        """Of the errors, 0..1."""
        return self.count(*symptoms, side=side) / self.errors if self.errors else 0.0

    @property
    def failure_share(self) -> float:
        """Of the records, 0..1; with no rate known, 1 when there are errors."""
        if self.report.success_rate is not None:
            return 1.0 - self.report.success_rate
        return 1.0 if self.errors else 0.0

    def probes_of(self, side: Side, *kinds: str) -> list[Probe]:
        return [probe for probe in self.probes if probe.side == side and probe.kind in kinds]

    def is_well(self, side: Side) -> bool:
        """A probe of this side came back in order."""
        return any(
            probe.is_well or _is_merely_unreadable(probe) for probe in self.probes_of(side, "read", "reach")
        )

    def usual_p95_ms(self) -> float | None:
        """The middle of the earlier p95 figures; None when there are fewer than three."""
        figures = [status.p95_latency_ms for status in self.history if status.p95_latency_ms > 0]
        return median(figures) if len(figures) >= 3 else None


def _is_merely_unreadable(probe: Probe) -> bool:
    """A destination that cannot be listed (404, 405 on GET) is there all the same."""
    return probe.kind == "reach" and probe.status == 405


def gather_readings(
    report: HealthReport, names: dict[str, Side], fields: Collection[str]
) -> list[tuple[Reading, int]]:
    """The errors of a report with their counts; the sentences tell sides and fields, the counts how many."""
    samples = [read_error(text, names=names, fields=fields) for text in report.error_samples]
    counted = [
        (read_error(key, names=names, fields=fields), count)
        for key, count in report.error_distribution.items()
    ]
    if not counted:
        return list(Counter(samples).items())
    return [
        *((_completed(reading, samples), count) for reading, count in counted),
        *((sample, 0) for sample in samples),
    ]


def _completed(reading: Reading, samples: Sequence[Reading]) -> Reading:
    """A counted code with the side that a sentence about the same thing names."""
    if reading.side is not None:
        return reading
    for sample in samples:
        is_same = sample.status == reading.status if reading.status else sample.symptom == reading.symptom
        if is_same and sample.side is not None:
            return Reading(reading.symptom, sample.side, reading.status, sample.fields)
    return reading


SIDES: tuple[Side, Side] = ("source", "dest")
_NAMES = {"source": "the source", "dest": "the destination"}


def probe_clues(facts: Facts) -> Iterator[Clue]:
    """What the live questions say."""
    for side in SIDES:
        alternatives = [probe for probe in facts.probes_of(side, "alternative") if probe.is_alive]
        for probe in facts.probes_of(side, "read", "reach"):
            yield from _one_probe(probe, side, alternatives)


def _one_probe(probe: Probe, side: Side, alternatives: Sequence[Probe]) -> Iterator[Clue]:
    who = _NAMES[side]
    elsewhere = next(iter(alternatives), None)
    if probe.moved_to is not None:
        yield _moved(probe, side, probe.moved_to)
    elif probe.status in (404, 410):
        yield from _not_there(probe, side, elsewhere)
    elif probe.fault is not None:
        yield from _no_answer(probe, side, elsewhere)
    elif probe.status is not None and probe.status >= 400:
        yield from _refusal(probe, side, probe.status, elsewhere)
    if probe.seconds * 1000 >= SLOW_FLOOR_MS * 2 and (probe.is_well or probe.fault == "timeout"):
        yield Clue("slow", side, 0.5, f"{who} took {probe.seconds:.1f} s for one small answer")
    if {"not_json", "no_records"} & set(probe.signals) and probe.is_well:
        yield Clue(
            "source_schema_changed", side, 0.85, f"the answer of {who} no longer has records where they were"
        )
    for shift in probe.shifts:
        yield Clue("data_quality", side, 0.7, f"{shift.path}: {shift.detail}")


def _refusal(probe: Probe, side: Side, status: int, elsewhere: Probe | None) -> Iterator[Clue]:
    who, signals = _NAMES[side], set(probe.signals)
    said = f"{who} answers {status}" + (f" ({', '.join(probe.signals)})" if signals else "")
    if status == 401:
        is_explained = bool(signals & {"expired", "revoked", "invalid_token"})
        yield Clue("auth_expired", side, 0.96 if is_explained else 0.92, said)
    elif status == 403:
        is_about_token = bool(signals & {"expired", "revoked"})
        yield Clue("auth_expired" if is_about_token else "permission_lost", side, 0.93, said)
    elif status == 429:
        yield Clue("rate_limit_lowered", side, 0.9, f"{said} to a single question")
    elif status >= 500:
        yield Clue("outage", side, 0.9, said)
    elif status in (400, 406, 415, 422) and "version" in signals:
        yield Clue("endpoint_moved", side, 0.8, f"{who} no longer serves this version", _detail(elsewhere))
    elif status in (400, 422) and probe.kind == "read":
        cause: RootCause = "source_schema_changed" if side == "source" else "dest_schema_changed"
        yield Clue(cause, side, 0.7, f"{who} answers {status} to a read that used to be right")


def _moved(probe: Probe, side: Side, to: str) -> Clue:
    before = probe.target.partition(" ")[2]
    same_host = _host(before) == _host(to)
    cause: RootCause = "endpoint_moved" if same_host else "base_url_changed"
    text = f"{_NAMES[side]} answers {probe.status} and names {to}"
    return Clue(cause, side, 0.95, text, dict(probe.switch_to))


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].lower()


def _detail(probe: Probe | None) -> dict[str, Any]:
    return dict(probe.switch_to) if probe is not None else {}


def _not_there(probe: Probe, side: Side, elsewhere: Probe | None) -> Iterator[Clue]:
    who = _NAMES[side]
    if elsewhere is not None:
        cause: RootCause = "base_url_changed" if "base_url" in elsewhere.switch_to else "endpoint_moved"
        text = f"{who} answers {probe.status}, and {elsewhere.target} answers {elsewhere.status}"
        yield Clue(cause, side, 0.96, text, _detail(elsewhere))
    elif probe.kind == "read" or probe.status == 410:
        yield Clue("endpoint_moved", side, 0.85, f"{who} answers {probe.status}")
    # a destination that has no GET at this path answers 404 in health as well: no clue


def _no_answer(probe: Probe, side: Side, elsewhere: Probe | None) -> Iterator[Clue]:
    who, fault = _NAMES[side], {"dns": "its name does not resolve", "tls": "its certificate is refused"}
    what = fault.get(probe.fault or "", f"no answer ({probe.fault})")
    if probe.fault == "forbidden_address":
        yield Clue("own_fault", "ours", 0.9, f"our own guard forbids the address of {who}")
    elif elsewhere is not None and "base_url" in elsewhere.switch_to:
        text = f"{who}: {what}, and {elsewhere.target} answers"
        yield Clue("base_url_changed", side, 0.97, text, _detail(elsewhere))
    elif probe.fault == "dns":
        yield Clue("base_url_changed", side, 0.55, f"{who}: {what}")
        yield Clue("outage", side, 0.6, f"{who}: {what}")
    elif probe.fault == "timeout":
        yield Clue("outage", side, 0.7, f"{who}: {what}")
    else:
        yield Clue("outage", side, 0.9, f"{who}: {what}")


# What a change in a specification (or in observed records) speaks for, when it touches the mapping.
_DRIFT_WEIGHT = {"breaking": 0.82, "risky": 0.3}
_ENDPOINT_KINDS: frozenset[DriftKind] = frozenset({"endpoint_removed", "endpoint_moved"})


def drift_clues(facts: Facts) -> Iterator[Clue]:
    """What the comparison of the specifications, and of records with theirs, says."""
    observed = [item for probe in facts.probes for item in probe.drift]
    for items, where in ((facts.drift, "specification"), (observed, "records")):
        for item in items:
            weight = _DRIFT_WEIGHT.get(item.severity)
            if weight is None:
                continue
            clue = _one_drift(item, weight * (0.6 + 0.4 * item.confidence), where)
            if clue is not None:
                yield clue


def _one_drift(item: DriftItem, weight: float, where: str) -> Clue | None:
    subject = f"{item.path} " if item.path else ""
    if item.kind == "field_ignored":
        where = "records read back"
    text = f"{_NAMES[item.side]}'s {where}: {subject}{item.detail}"
    if item.kind in _ENDPOINT_KINDS:
        detail = {"endpoint": item.new_path} if item.new_path else {}
        return Clue("endpoint_moved", item.side, weight, text, detail)
    if item.kind == "base_url_changed":
        # alone it is no fault: old addresses often live on
        return Clue("base_url_changed", item.side, 0.3, text, {"base_url": item.new_path})
    if item.kind == "rate_limit_changed":
        return Clue("rate_limit_lowered", item.side, 0.35, text)
    if item.kind in ("deprecated", "version_changed"):
        return None
    cause: RootCause = "source_schema_changed" if item.side == "source" else "dest_schema_changed"
    return Clue(cause, item.side, weight, text)


# Symptoms that speak for one cause, whatever the side: (symptoms, cause, weight, words)
_TELLING: tuple[tuple[tuple[Symptom, ...], RootCause, float, str], ...] = (
    (("unauthorised",), "auth_expired", 0.75, "credentials were refused"),
    (("forbidden",), "permission_lost", 0.7, "access was forbidden"),
    (("not_found",), "endpoint_moved", 0.5, "the address was not found"),
    (("limited",), "rate_limit_lowered", 0.65, "requests were limited (429)"),
    (("server_error", "no_answer", "connection", "timeout"), "outage", 0.6, "no good answer came"),
    (("ours",), "own_fault", 0.8, "our own part failed"),
)


def error_clues(facts: Facts) -> Iterator[Clue]:
    """What the errors of the runtime say. A symptom in a few of many errors weighs little."""
    if not facts.errors:
        return
    for symptoms, cause, weight, words in _TELLING:
        for side in (*SIDES, None):
            found = [(r, c) for r, c in facts.readings if r.symptom in symptoms and r.side == side]
            count = sum(count for _, count in found)
            if count and (cause == "own_fault" or side is None or not _contradicts(cause, side, facts)):
                share = count / facts.errors
                where: ClueSide = "ours" if cause == "own_fault" else side or "both"
                yield Clue(cause, where, weight * min(1.0, 0.3 + share), f"{count} times {words}")
    yield from _value_errors(facts)


def _contradicts(cause: RootCause, side: Side, facts: Facts) -> bool:
    """Whether a probe just now saw the opposite: what went through is neither refused nor away.

    Where nearly all that fails is refused credentials, the runtime may hold another one than we do.
    """
    is_nearly_all = min(facts.failure_share, facts.share("unauthorised", side=side)) >= MAJORITY
    if cause == "auth_expired" and is_nearly_all:
        return False
    is_passing = cause in ("auth_expired", "permission_lost", "outage", "endpoint_moved")
    return is_passing and facts.is_well(side) and side == "source"


def _value_errors(facts: Facts) -> Iterator[Clue]:
    """Values that did not pass: one cause when nearly all records fail, another when a few do."""
    is_most = facts.failure_share >= MAJORITY
    refused = facts.count("refused_value", "missing_value", side="dest")
    spoiled = facts.count("transform", side="source")
    if spoiled:
        text = f"{spoiled} records could not be transformed"
        if is_most:
            yield Clue("source_schema_changed", "source", 0.6, text)
        else:
            yield Clue("data_quality", "source", 0.55, text)
            yield Clue("source_schema_changed", "source", 0.25, text)
    if refused:
        text = f"{refused} records were refused by the destination"
        if is_most:
            yield Clue("dest_schema_changed", "dest", 0.55, text)
            yield Clue("source_schema_changed", "source", 0.2, text)
        else:
            yield Clue("data_quality", "source", 0.5, text)
            yield Clue("dest_schema_changed", "dest", 0.35, text)
    if facts.count("answer_shape"):
        yield Clue("source_schema_changed", "source", 0.7, "the source's answer has another shape")


def latency_clues(facts: Facts) -> Iterator[Clue]:
    """How long answers take, against what was usual."""
    now, usual = facts.report.p95_latency_ms, facts.usual_p95_ms()
    if now is None or now < SLOW_FLOOR_MS:
        return
    if usual is None:
        yield Clue("slow", "both", 0.45, f"95 % of the answers take up to {now:.0f} ms")
    elif now >= SLOW_FACTOR * usual:
        # with server errors it is their trouble that is slow, with drift reported it is not why we ask
        is_alone = facts.share("server_error", "no_answer", "connection") < 0.1 and not facts.report.drift
        weight = 0.85 if is_alone else 0.5
        yield Clue("slow", "both", weight, f"answers take {now / usual:.0f} times as long as usual")


def shift_clues(facts: Facts) -> Iterator[Clue]:
    """Values that are valid and of another kind than before."""
    for shift in facts.shifts:
        yield Clue("data_quality", "source", 0.7, f"{shift.path}: {shift.detail}")


WITNESSES: tuple[Callable[[Facts], Iterator[Clue]], ...] = (
    probe_clues,
    drift_clues,
    error_clues,
    latency_clues,
    shift_clues,
)
