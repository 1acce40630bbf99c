"""One record's way through the mapping and the destination's contract, and the sum over all of them.

Who is to blame for a refused record? A mapping can only be as good as its data: when a few source
values are missing, too long or odd, refusing those records is right, and the deployed integration
quarantines them. So a refusal counts against the mapping only where the field fails *often*:

* the value is refused (by the transform or by the contract) in at least `REFUSED_SHARE` of the
  typical records in which there was one, or
* the source has none in at least `ABSENT_SHARE` of the typical records.

Boundary records are judged by what the typical ones show: a field that only fails at the edges of
the source's contract (a name of 300 letters) is rightly refused. Adversarial records never count against it as long as each ends in one stated refusal: they are
allowed by the source's contract, but nobody promises to take them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from vitesse_graph.guardian.paths import every, has_value, is_filled, plain
from vitesse_graph.state.mapping import Transformation
from vitesse_graph.synthetic import Contract, Problem, Profile
from vitesse_graph.transforms import FieldError

REFUSED_SHARE = 0.2
ABSENT_SHARE = 0.6

Cause = Literal["absent", "transform", "contract"]
Outcome = Literal["accepted", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one destination field of one record failed."""

    dest_field: str
    source_field: str
    cause: Cause
    rule: str
    reason: str
    expected: tuple[tuple[str, Any], ...] = ()


@dataclass(slots=True)
class Trial:
    """One record tried. `sent` False: it never reached the destination."""

    profile: Profile
    failures: tuple[Failure, ...] = ()
    sent: bool = False
    accepted: bool = False


class Rows:
    """The mapping's rows by destination field, to say which source field a failure comes from."""

    def __init__(self, rows: list[Transformation]) -> None:
        self.by_dest = {plain(row.dest_field): row for row in rows}

    def feeding(self, dest_field: str) -> Transformation | None:
        """The row that fills a field, or the object or array it lies in."""
        path = plain(dest_field)
        while path:
            row = self.by_dest.get(path)
            if row is not None:
                return row
            path = path.rpartition(".")[0].removesuffix("[]")
        return None

    def sources_for(self, dest_field: str) -> list[str]:
        """The source fields behind a destination field: of its row, else of the rows inside it."""
        row = self.feeding(dest_field)
        if row is not None:
            return self.sources(row)
        inside = plain(dest_field)
        return [
            source
            for path, one in self.by_dest.items()
            if path.startswith((f"{inside}.", f"{inside}[]"))
            for source in self.sources(one)
        ]

    @staticmethod
    def sources(row: Transformation | None) -> list[str]:
        if row is None:
            return []
        return [row.source_field] if isinstance(row.source_field, str) else list(row.source_field)


def failures_of(
    record: dict[str, Any], body: Any, errors: list[FieldError], contract: Contract, rows: Rows
) -> tuple[Failure, ...]:
    """Everything that is wrong with one transformed record; () when nothing is."""
    found = [_from_error(record, error, rows) for error in errors]
    known = {plain(failure.dest_field) for failure in found}
    if not contract.is_valid(body):
        for problem in contract.problems(body):
            if plain(problem.path) not in known:
                found.append(_from_problem(record, problem, rows))
    return tuple(found)


def _from_error(record: dict[str, Any], error: FieldError, rows: Rows) -> Failure:
    sources = rows.sources_for(error.dest_field) or [error.source_field]
    is_absent = bool(sources) and not any(has_value(record, source) for source in sources)
    return Failure(
        dest_field=error.dest_field,
        source_field=sources[0] if sources else "",
        cause="absent" if is_absent else "transform",
        rule="transform",
        reason=error.reason,
    )


def _from_problem(record: dict[str, Any], problem: Problem, rows: Rows) -> Failure:
    sources = rows.sources_for(problem.path)
    is_absent = problem.rule in _EMPTINESS and bool(sources) and all(_is_lacking(record, s) for s in sources)
    return Failure(
        dest_field=problem.path,
        source_field=sources[0] if sources else "",
        cause="absent" if is_absent else "contract",
        rule=problem.rule,
        reason=problem.message,
        expected=tuple((key, _hashable(value)) for key, value in problem.expected.items()),
    )


_EMPTINESS = frozenset(("required", "minItems", "minProperties", "minLength"))


def _is_lacking(record: dict[str, Any], source: str) -> bool:
    """Whether a source field is missing; of an array's fields, whether an element lacks it."""
    if "[]" not in source:
        return not has_value(record, source)
    parent, _, name = source.rpartition(".")
    holders = [node for node in every(record, parent) if isinstance(node, dict)]
    return not holders or any(node.get(name) in (None, "", [], {}) for node in holders)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@dataclass(slots=True)
class FieldTally:
    """What happened to one destination field over all ordinary records."""

    filled: int = 0
    absent: int = 0
    filled_typical: int = 0
    causes: Counter[Failure] = field(default_factory=Counter)
    typical: Counter[Cause] = field(default_factory=Counter)
    """Failures in typical records only: what the verdict rests on."""

    @property
    def refused(self) -> int:
        return sum(count for failure, count in self.causes.items() if failure.cause != "absent")


class Tally:
    """Counts over all records; decides at the end which refusals were the mapping's fault."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.trials: list[Trial] = []
        self.fields: dict[str, FieldTally] = {path: FieldTally() for path in rows.by_dest}
        self.values = 0
        self.bad_values = 0
        self.ordinary = 0
        self.typical = 0

    def add(self, trial: Trial, record: dict[str, Any], body: Any) -> None:
        """Takes in one record's trial."""
        self.trials.append(trial)
        wrong = {plain(failure.dest_field) for failure in trial.failures}
        is_ordinary = trial.profile != "adversarial"
        is_typical = trial.profile == "typical"
        self.ordinary += is_ordinary
        self.typical += is_typical
        for path, row in self.rows.by_dest.items():
            filled = is_filled(body, row.dest_field)
            self.values += filled
            if not is_ordinary:
                continue
            tally = self.fields[path]
            tally.filled += filled
            tally.filled_typical += filled and is_typical
            if not filled and not any(has_value(record, source) for source in Rows.sources(row)):
                tally.absent += 1
        self.bad_values += len(wrong)
        self.values += len(wrong - set(self.rows.by_dest))
        if is_ordinary:
            for failure in set(trial.failures):
                one = self.fields.setdefault(plain(failure.dest_field), FieldTally())
                one.causes[failure] += 1
                if is_typical:
                    one.typical[failure.cause] += 1

    def share(self, dest_field: str, cause: Cause) -> float:
        """Of the typical records that could have this failure, how many had it."""
        tally = self.fields.get(plain(dest_field))
        if tally is None or not self.typical:
            return 1.0  # nothing typical to judge by: what failed, failed
        if cause == "absent":
            return tally.typical["absent"] / self.typical
        refused = tally.typical["transform"] + tally.typical["contract"]
        return refused / max(1, refused, tally.filled_typical)

    def is_mappings_fault(self, failure: Failure) -> bool:
        """Whether a failure is frequent enough to be the mapping's and not the record's."""
        if failure.cause == "absent":
            return self.share(failure.dest_field, "absent") >= ABSENT_SHARE
        return self.share(failure.dest_field, failure.cause) >= REFUSED_SHARE

    def outcome(self, trial: Trial) -> Outcome:
        """`accepted`, `refused` (rightly; out of the count) or `failed`."""
        if trial.accepted:
            return "accepted"
        if not trial.failures:
            return "failed"
        if trial.profile == "adversarial":
            return "refused"
        return "failed" if any(self.is_mappings_fault(failure) for failure in trial.failures) else "refused"

    def success_rate(self) -> float:
        """accepted / (accepted + failed); 0 where nothing was accepted or tried."""
        outcomes = Counter(self.outcome(trial) for trial in self.trials)
        counted = outcomes["accepted"] + outcomes["failed"]
        return outcomes["accepted"] / counted if counted else 0.0

    def data_quality(self) -> float:
        """Share of the destination values that keep the contract."""
        return max(0.0, 1 - self.bad_values / self.values) if self.values else 0.0
