"""The records behind the sandbox: collections by path and scope, made when first asked for."""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vitesse_graph.sandbox.bodies import coerce
from vitesse_graph.sandbox.places import read_path, write_path
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.synthetic import Contract, Draw, RecordGenerator
from vitesse_graph.synthetic.identifiers import like
from vitesse_graph.synthetic.meaning import example_of
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
    """New ids of the kind that the schema asks for; deterministic by seed, never the same twice.

    `parameter` is the schema of the path parameter that takes the id: an id that cannot be asked for
    is no id.
    """

    def __init__(self, schema: JsonSchema | None, parameter: JsonSchema | None, noun: str, seed: str) -> None:
        self._draw = Draw(random.Random(f"ids:{seed}"))
        self._noun = re.sub(r"[^a-z]", "", noun.lower())[:3]
        own = schema or {}
        flat = {k: v for k, v in flatten(own, own).items() if k not in ("enum", "nullable", "default")}
        types = [kind for kind in types_of(flat) if kind != "null"]
        if types:
            flat["type"] = types if len(types) > 1 else types[0]
        self.is_number = bool({"integer", "number"} & set(types)) and "string" not in types
        self._contract = Contract(flat)
        self._parameter = Contract(parameter or {}, "request")
        self._drawn = RecordGenerator(flat or {"type": "string"}, name=f"{noun}_id")
        self._asked = (
            RecordGenerator(parameter, name=f"{noun}_id", direction="request") if parameter else None
        )
        example = example_of(flat)
        self._example = example if isinstance(example, str) and re.search(r"\d", example) else ""
        self._like = like(self._example)
        self._next = 1_000 + self._draw.rng.randrange(9_000)

    def make(self, taken: Mapping[str, Entry]) -> Any:
        """An id that no entry has."""
        for _ in range(60):
            for candidate in self._candidates():
                if str(candidate) not in taken and self._fits(candidate):
                    return candidate
        self._next += 1
        return (
            self._next if self.is_number else str(uuid.UUID(int=self._draw.rng.getrandbits(128), version=4))
        )

    def _fits(self, candidate: Any) -> bool:
        asked = coerce(str(candidate), self._parameter.schema, self._parameter.schema)
        return self._contract.is_valid(candidate) and self._parameter.is_valid(asked)

    def _candidates(self) -> Iterator[Any]:
        self._next += 1
        if self.is_number:
            yield self._next
        elif self._example:
            yield str(self._next) if self._example.isdigit() else self._like(self._draw)
        else:
            token = "".join(self._draw.rng.choices("abcdefghijkmnpqrstuvwxyz23456789", k=14))
            yield f"{self._noun}_{token}" if self._noun else token
            yield str(uuid.UUID(int=self._draw.rng.getrandbits(128), version=4))
            yield str(10**9 + self._next)
        yield self._drawn.draw(self._draw)
        if self._asked is not None:
            asked = self._asked.draw(self._draw)
            yield asked if self.is_number else str(asked)


class Collection:
    """Records of one kind in one scope, in the order in which they were made."""

    def __init__(self, id_path: str | None, ids: IdMaker) -> None:
        self.id_path = id_path
        self._ids = ids
        self._entries: dict[str, Entry] = {}
        self._reserved: list[Any] = []

    def reserve(self, count: int) -> list[Any]:
        """The ids of the next `count` records, known before the records are."""
        taken = dict(self._entries)
        while len(self._reserved) < count:
            identifier = self._ids.make(taken)
            taken[str(identifier)] = Entry(str(identifier), {})
            self._reserved.append(identifier)
        return list(self._reserved)

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
            identifier = self._reserved.pop(0) if self._reserved else self._ids.make(self._entries)
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
        return int(entry.id) if self._ids.is_number and entry.id.lstrip("-").isdigit() else entry.id

    def remove(self, entry: Entry) -> None:
        self._entries.pop(entry.id, None)


def id_schema(record_schema: JsonSchema, id_path: str | None) -> JsonSchema | None:
    """The schema of the id field, self-contained; None where there is none."""
    if id_path is None:
        return None
    found = at_path(record_schema, id_path, record_schema)
    if found is None:
        return None
    flat = flatten(found, record_schema)
    # Only an id that refers to something needs the definitions: there may be thousands.
    return (
        {**flat, "$defs": record_schema["$defs"]}
        if "$ref" in str(flat) and "$defs" in record_schema
        else flat
    )
