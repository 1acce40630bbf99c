"""What goes wrong on demand: answers that fail, by rate or by schedule.

Written as one line, entries parted by commas:

    429=0.05            one request in twenty answers 429 with `Retry-After: 1`
    429=0.05:7          … with `Retry-After: 7`
    401=1@after=100     every request from the 101st on; `@until=N` ends it, `@every=N` takes each Nth
    500=0.02  503=…     any other status from 400 to 599 likewise
    slow=0.1:0.5        one in ten takes half a second longer
    dropped=0.01        the connection is cut before anything happened
    lost=0.01           … after the request has taken effect, so that the client cannot know
    malformed=0.01      the answer's JSON is cut short
    drift=rename:email:email_address@after=100   see `drift`
    …@on=POST           only for requests whose `METHOD /path` contains this text
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field, replace

from vitesse_graph.errors import InputError
from vitesse_graph.sandbox.drift import DriftRule, parse_drift

_STATUS = re.compile(r"[45]\d\d")
_NAMED = ("slow", "dropped", "lost", "malformed")


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a fault may happen, by the number of the request (the first is 1)."""

    after: int = 0
    until: int | None = None
    every: int | None = None
    on: str = ""

    def covers(self, number: int, where: str) -> bool:
        """Whether request `number` to `METHOD /path` is in the schedule."""
        if number <= self.after or (self.until is not None and number > self.until):
            return False
        if self.every is not None and number % self.every:
            return False
        return self.on in where


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong: a status or `slow`, `dropped`, `lost`, `malformed`; `amount` in seconds."""

    kind: str
    rate: float = 1.0
    amount: float = 1.0
    schedule: Schedule = field(default_factory=Schedule)

    @property
    def status(self) -> int | None:
        return int(self.kind) if self.kind.isdigit() else None


@dataclass(frozen=True, slots=True)
class Faults:
    """All that goes wrong in one sandbox. `Faults()` is a sandbox in which nothing does."""

    faults: tuple[Fault, ...] = ()
    drift: tuple[tuple[DriftRule, Schedule], ...] = ()
    seed: int = 0

    def hits(self, number: int, where: str) -> list[Fault]:
        """The faults of request `number`; the same for the same seed and number."""
        return [
            fault
            for index, fault in enumerate(self.faults)
            if fault.schedule.covers(number, where)
            and (fault.rate >= 1 or random.Random(f"{self.seed}:{index}:{number}").random() < fault.rate)
        ]

    def drifted(self, number: int) -> list[DriftRule]:
        """The drift rules in force at request `number`."""
        return [rule for rule, schedule in self.drift if schedule.covers(number, "")]

    def shifted(self, number: int) -> Faults:
        """The same faults with their schedules counted from request `number` on."""

        def later(schedule: Schedule) -> Schedule:
            until = None if schedule.until is None else schedule.until + number
            return replace(schedule, after=schedule.after + number, until=until)

        return replace(
            self,
            faults=tuple(replace(fault, schedule=later(fault.schedule)) for fault in self.faults),
            drift=tuple((rule, later(schedule)) for rule, schedule in self.drift),
        )


def parse_faults(text: str, *, seed: int = 0) -> Faults:
    """The faults that one line asks for. Raises InputError that names the entry and the forms allowed."""
    faults: list[Fault] = []
    drift: list[tuple[DriftRule, Schedule]] = []
    for entry in (part.strip() for part in text.split(",")):
        if not entry:
            continue
        kind, found, rest = entry.partition("=")
        if not found:
            raise InputError(f"fault '{entry}' has no value: write for example 429=0.05 or slow=0.1:0.5")
        value, *conditions = rest.split("@")
        schedule = _schedule(entry, conditions)
        if kind == "drift":
            drift.append((parse_drift(value), schedule))
        else:
            faults.append(_fault(entry, kind.strip(), value, schedule))
    return Faults(tuple(faults), tuple(drift), seed)


def _schedule(entry: str, conditions: list[str]) -> Schedule:
    given: dict[str, str] = {}
    for condition in conditions:
        name, _, value = condition.partition("=")
        if name not in ("after", "until", "every", "on") or not value:
            raise InputError(
                f"fault '{entry}': '@{condition}' is not known; use @after=N, @until=N, @every=N or @on=TEXT"
            )
        given[name] = value
    numbers: dict[str, int] = {}
    for name in ("after", "until", "every"):
        if name in given:
            if not given[name].isdigit() or (name == "every" and int(given[name]) == 0):
                raise InputError(f"fault '{entry}': @{name} takes a number of requests")
            numbers[name] = int(given[name])
    return Schedule(numbers.get("after", 0), numbers.get("until"), numbers.get("every"), given.get("on", ""))


def _fault(entry: str, kind: str, value: str, schedule: Schedule) -> Fault:
    if kind not in _NAMED and not _STATUS.fullmatch(kind):
        raise InputError(
            f"fault '{entry}' is not known: use a status (401, 429, 500 …), {', '.join(_NAMED)} or drift"
        )
    rate, _, amount = value.partition(":")
    try:
        share, seconds = float(rate), float(amount) if amount else 1.0
    except ValueError:
        raise InputError(
            f"fault '{entry}': the rate is a number from 0 to 1, the amount a number of seconds"
        ) from None
    if not 0 <= share <= 1 or not 0 <= seconds <= 3_600:
        raise InputError(
            f"fault '{entry}': the rate lies between 0 and 1, the amount between 0 and 3600 seconds"
        )
    return Fault(kind, share, seconds, schedule)
