"""The records behind the sandbox: collections by path and scope, made when first asked for."""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from vitesse_graph.sandbox.places import read_path, write_path
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.synthetic import Contract
from vitesse_graph.synthetic.schemas import at_path, flatten, types_of

Record = dict[str, Any]


@dataclass(slots=True)
class Entry:
    """One stored record. `sent` is the last body that a client wrote, None for a seeded record."""

    id: str
    record: Record
    sent: Any = None
    version: int = 1
    views: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """Rendered forms by operation, with the version they were made from."""


class IdMaker:
    """New ids of the kind that the schema asks for; deterministic by seed, never the same twice."""

    def __init__(self, schema: JsonSchema | None, noun: str, seed: str) -> None:
        self._rng = random.Random(f"ids:{seed}")
        self._noun = re.sub(r"[^a-z]", "", noun.lower())[:3]
        flat = flatten(schema or {}, schema or {})
        types = types_of(flat)
        self._is_number = bool({"integer", "number"} & set(types)) and "string" not in types
        self._contract = Contract({k: v for k, v in flat.items() if k not in ("example", "examples", "enum")})
        self._next = 1_000 + self._rng.randrange(9_000)

    def make(self, taken: dict[str, Entry]) -> Any:
        """An id that no entry has."""
        for _ in range(50):
            candidate = self._candidate()
            if str(candidate) not in taken:
                return candidate
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def _candidate(self) -> Any:
        self._next += 1
        if self._is_number:
            return self._next
        token = "".join(self._rng.choices("abcdefghijkmnpqrstuvwxyz23456789", k=14))
        guid = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        for text in (
            f"{self._noun}_{token}" if self._noun else token,
            guid,
            str(10**9 + self._next),
            str(self._next),
        ):
            if self._contract.is_valid(text):
                return text
        return f"{self._noun}_{token}"


class Collection:
    """Records of one kind in one scope, in the order in which they were made."""

    def __init__(self, id_path: str | None, ids: IdMaker) -> None:
        self.id_path = id_path
        self._ids = ids
        self._entries: dict[str, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def get(self, identifier: str) -> Entry | None:
        return self._entries.get(identifier)

    def add(self, record: Record, *, sent: Any = None, keep_id: bool = False) -> Entry:
        """Stores a record under a new id (its own where `keep_id` and it has one that is free)."""
        identifier = read_path(record, self.id_path) if self.id_path and keep_id else None
        if identifier in (None, "") or str(identifier) in self._entries:
            identifier = self._ids.make(self._entries)
            if self.id_path:
                write_path(record, self.id_path, identifier)
        entry = Entry(str(identifier), record, sent)
        self._entries[entry.id] = entry
        return entry

    def replace(self, entry: Entry, record: Record, sent: Any) -> None:
        """The entry's new content; its id stays."""
        entry.record = record
        entry.sent = sent
        entry.version += 1
        if self.id_path:
            write_path(entry.record, self.id_path, self._typed_id(entry))

    def _typed_id(self, entry: Entry) -> Any:
        return int(entry.id) if self._ids._is_number and entry.id.lstrip("-").isdigit() else entry.id

    def remove(self, entry: Entry) -> None:
        self._entries.pop(entry.id, None)


def id_schema(record_schema: JsonSchema, id_path: str | None) -> JsonSchema | None:
    """The schema of the id field, self-contained; None where there is none."""
    if id_path is None:
        return None
    found = at_path(record_schema, id_path, record_schema)
    if found is None:
        return None
    return {
        **flatten(found, record_schema),
        **({"$defs": record_schema["$defs"]} if "$defs" in record_schema else {}),
    }
