"""What is to be done with each record: pure functions over records, mapping and ledger rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from vitesse_graph.runtime.encoding import content_hash
from vitesse_graph.runtime.fields import dig, steps_of
from vitesse_graph.runtime.watermark import moment_of
from vitesse_graph.state.definition import IntegrationDefinition

Outcome = Literal["written", "unchanged", "filtered", "quarantined", "deleted"]
Action = Literal["none", "create", "update", "upsert", "delete"]


Fill = Callable[[Any, list[Any]], dict[str, Any]]
"""The compiled mapping's `run`: the body of one record; what could not be filled is added to the list."""


class Work:
    """One record on its way: filled by the planner, ended by the writer.

    What a record mostly does not have stands in the class: there are many of these, and making one counts.
    """

    body: dict[str, Any] | None = None
    hash = ""
    natural: str | None = None
    natural_before: str | None = None
    """By which the destination knows the record, where it gave no id for it."""
    action: Action = "none"
    after = ""
    """What ended the record's life before this one: a second creation is not a repeat of the first."""
    dest_id: str | None = None
    outcome: Outcome | None = None
    created = False
    code: str | None = None
    reason: str | None = None
    rows = True
    """Whether the ledger gets a row: not for a record that a later one of the same key replaces."""
    is_known_refusal = False
    is_new = False
    """Whether the ledger had no row of this key when the work was planned."""

    def __init__(self, key: str, record: Any, page: int) -> None:
        self.key, self.record, self.page = key, record, page

    def end(self, outcome: Outcome, code: str | None = None, reason: str | None = None) -> None:
        """The record's one outcome."""
        self.outcome, self.code, self.reason = outcome, code, reason

    def refused_before(self, code: str = "refused_before") -> None:
        """Nothing new: the ledger and the dead letter keep the reason that they have."""
        self.end("quarantined", code)
        self.is_known_refusal = True


@dataclass(frozen=True, slots=True)
class Known:
    """A ledger row, as planning needs it."""

    dest_id: str | None
    content_hash: str | None
    refused_hash: str | None
    outcome: str
    run_id: int
    mapping_version: int | None
    natural_key: str | None = None

    @property
    def life_after(self) -> str:
        """Names the deletion after which a record would be created again; "" where it was not deleted."""
        return f"deleted in run {self.run_id}" if self.outcome == "deleted" else ""


@dataclass(frozen=True, slots=True)
class Range:
    """A backfill's range of moments; None: open."""

    since: float | None = None
    until: float | None = None


class Planner:
    """Turns records into works. One for a run; keeps nothing but the highest watermark."""

    def __init__(self, definition: IntegrationDefinition, fill: Fill, *, within: Range | None = None) -> None:
        source, dest = definition.source, definition.dest
        self._fill = fill
        self._id_steps = steps_of(source.id_field)
        # A plain field, as ids mostly are, is looked up at once.
        first = self._id_steps[0] if len(self._id_steps) == 1 else None
        self._id_name = first if isinstance(first, str) else None
        self._deleted_steps = steps_of(source.deleted_field)
        self._natural_steps = steps_of(dest.lookup.key) if dest.lookup else ()
        self._incremental = source.incremental if source.incremental and source.incremental.field else None
        self._moment_steps = steps_of(self._incremental.field if self._incremental else None)
        self._within = within
        self._mapping_version = definition.mapping.version
        self._can_delete = dest.delete is not None
        self.is_upsert = is_upsert(definition)
        self._can_update = dest.update is not None
        self._can_look_up = dest.lookup is not None
        self.uses_clock = source.incremental is not None and self._incremental is None
        """The filter takes a moment, but no field of the records holds it: the server's Date serves."""
        self.high: float | None = None

    def is_same_mapping(self, known: Known) -> bool:
        """Whether the ledger row was made by this version of the mapping."""
        return known.mapping_version == self._mapping_version

    def prepare(self, records: Iterable[Any], page: int) -> list[Work]:
        """Works with body and hash, or already ended."""
        return [self._prepare(record, page) for record in records]

    @staticmethod
    def supersede(works: list[Work]) -> None:
        """Of several works with one key only the last goes on."""
        latest = {work.key: work for work in works}
        if len(latest) == len(works):
            return
        for work in works:
            if latest[work.key] is not work:
                work.end("filtered", None, "superseded: the same key came again right behind")
                work.rows = False

    def _prepare(self, record: Any, page: int) -> Work:
        work = Work(self._key_of(record), record, page)
        if self._incremental is not None:
            moment = moment_of(dig(record, self._moment_steps), self._incremental.format)
            if moment is not None and (self.high is None or moment > self.high):
                self.high = moment
            if self._within is not None and (moment is None or self._is_outside(moment)):
                work.end("filtered", None, "outside the range of the backfill")
                work.rows = False
                return work
        if self._deleted_steps and dig(record, self._deleted_steps):
            work.action = "delete"
            return work
        errors: list[Any] = []
        body = self._fill(record, errors)
        if errors:
            work.end("quarantined", "transform", "; ".join(map(_error_line, errors[:5])))
            work.hash = _hash_of(record)
            return work
        try:
            work.hash = content_hash(body)
        except (TypeError, ValueError):
            work.end(
                "quarantined", "not_json", "the mapped record holds text or numbers that JSON cannot carry"
            )
            return work
        work.body = body
        if self._natural_steps:
            natural = dig(body, self._natural_steps)
            work.natural = None if natural is None else str(natural).strip() or None
        return work

    def _key_of(self, record: Any) -> str:
        if self._id_name is not None and type(record) is dict:
            value = record.get(self._id_name)
        else:
            value = dig(record, self._id_steps) if self._id_steps else None
        if type(value) is int:
            return str(value)
        if isinstance(value, str):
            if value.isascii() and value and "\0" not in value:
                return value
            return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode() if value else "\ufffd"
        if value is not None and not isinstance(value, (dict, list)):
            return str(value)
        return "hash:" + _hash_of(record)

    def _is_outside(self, moment: float) -> bool:
        within = self._within
        assert within is not None
        return (within.since is not None and moment < within.since) or (
            within.until is not None and moment >= within.until
        )

    def decide(self, work: Work, known: Known | None, run_id: int) -> None:
        """Sets the work's action or its end, from what the ledger knows of its key."""
        if known is None:
            work.is_new = True
            if work.outcome is None and work.action == "none":
                work.action = "upsert" if self.is_upsert else "create"
                return
        if known is not None and known.outcome == "unknown":
            work.refused_before("unknown_before")
        elif work.outcome is not None:
            if known is not None and known.refused_hash == work.hash and self.is_same_mapping(known):
                work.refused_before()
        elif work.action == "delete":
            self._decide_deletion(work, known)
        elif known is None or known.outcome == "deleted":
            work.action = "upsert" if self.is_upsert else "create"
            work.after = known.life_after if known is not None else ""
        elif known.outcome == "recovered" and known.run_id == run_id and known.content_hash == work.hash:
            work.end("written")
            work.created, work.dest_id = True, known.dest_id
        elif known.outcome == "quarantined" and known.refused_hash == work.hash:
            self._decide_refused(work, known)
        elif known.content_hash == work.hash:
            work.end("unchanged")
        else:
            self._decide_change(work, known)

    def _decide_refused(self, work: Work, known: Known) -> None:
        if known.mapping_version == self._mapping_version:
            work.refused_before()
        elif known.content_hash is not None or known.dest_id is not None:
            self._decide_change(work, known)
        else:
            work.action = "upsert" if self.is_upsert else "create"

    def _decide_deletion(self, work: Work, known: Known | None) -> None:
        work.action = "none"
        if known is not None and known.outcome == "deleted":
            work.end("unchanged", None, "deleted before")
            work.rows = False
        elif known is None or known.dest_id is None:
            work.end("filtered", None, "deleted at the source, never written by this integration")
        elif not self._can_delete:
            work.end("filtered", None, "deleted at the source; the destination has no delete operation")
        else:
            work.action, work.dest_id = "delete", known.dest_id

    def _decide_change(self, work: Work, known: Known) -> None:
        work.dest_id = known.dest_id
        if self.is_upsert:
            work.action = "upsert"
        elif known.content_hash is None and known.dest_id is None:
            work.action = "create"
        elif not self._can_update:
            work.end("filtered", None, "changed, but the destination has no update operation")
        elif known.dest_id is not None or (self._can_look_up and (work.natural or known.natural_key)):
            work.action, work.natural_before = "update", known.natural_key
        else:
            work.end("filtered", None, "changed, but the destination gave no id to update by")


def keep_naturals_apart(works: Iterable[Work], owners: dict[str, str], taken: dict[str, str]) -> None:
    """Two source records with one natural key would overwrite each other for ever: the first one keeps it.

    `owners` says who has a natural key (folded) already; who gets one here is added to `taken`.
    """
    for work in works:
        natural = fold(work.natural or "")
        if owners.setdefault(natural, work.key) == work.key:
            taken[natural] = work.key
        else:
            work.end("quarantined", "natural_key_taken", "another source record has the same natural key")


def goes_by_natural_key(work: Work) -> bool:
    """Whether the natural key decides which record of the destination is written."""
    by_key = work.action == "create" or (work.action == "update" and work.dest_id is None)
    return by_key and work.outcome is None and bool(work.natural)


UNKNOWN_OUTCOME = (
    "the answer to an earlier write was lost, and the destination offers no way to find out whether it was "
    "taken; look there, then retry or drop this record"
)


def is_upsert(definition: IntegrationDefinition) -> bool:
    """Whether the create call also updates (its path has no id and both are one call)."""
    update, create = definition.dest.update, definition.dest.create
    if update is None:
        return False
    return update.path == create.path and update.method.upper() == create.method.upper()


def fold(natural: str) -> str:
    """A natural key as it is compared and kept: without case, and fit for the database."""
    return natural.casefold().replace("\0", "")


def _hash_of(record: Any) -> str:
    """The record's hash, also where it holds what JSON cannot carry."""
    try:
        return content_hash(record)
    except (TypeError, ValueError):
        return content_hash(repr(record).encode("utf-8", "replace").decode())


def _error_line(error: Any) -> str:
    where = getattr(error, "dest_field", "")
    reason = getattr(error, "reason", "")
    return f"{where}: {reason}" if where or reason else str(error)
