"""What a sandbox holds: its operations, compiled when first called, and the records of each collection.

A collection is seeded when it is first asked for, once for each value of its scope (`/accounts/{id}/cards`).
"""

from __future__ import annotations

import random
from typing import Any

from vitesse_graph.errors import NotFoundError, VitesseError
from vitesse_graph.sandbox.links import Linker, targets_of
from vitesse_graph.sandbox.mend import mend, merged
from vitesse_graph.sandbox.model import RecordModel, build_model, item_schema, items_place, stamp
from vitesse_graph.sandbox.operation import Operation
from vitesse_graph.sandbox.places import read_path, write_path
from vitesse_graph.sandbox.replies import seeded_draw
from vitesse_graph.sandbox.requests import Request
from vitesse_graph.sandbox.resources import Place, place_of, resources_of
from vitesse_graph.sandbox.store import Collection, Entry
from vitesse_graph.state.api_spec import DestShape, Incremental
from vitesse_graph.state.ports import SpecReader
from vitesse_graph.synthetic import RecordGenerator
from vitesse_graph.synthetic.meaning import words

_SCOPED_RECORDS = 10
_MAX_SCOPES = 2_000


class Holdings:
    """The operations and the records of one sandbox."""

    def __init__(
        self, reader: SpecReader, *, seed: int, records: int, seed_records: dict[str, list[dict[str, Any]]]
    ) -> None:
        self.seed = seed
        self._reader = reader
        self._count = records
        self._resources = resources_of(reader.spec.endpoints)
        self._operations: dict[str, Operation] = {}
        self._models: dict[str, RecordModel | None] = {}
        self._dest_shapes: dict[str, DestShape | None] = {}
        self._incrementals: dict[str, Incremental | None] = {}
        self._items: dict[str, tuple[str, RecordGenerator] | None] = {}
        self._seeded = {place_of(self._endpoint(key)).collection: rows for key, rows in seed_records.items()}
        self._targets = targets_of(self._resources.values())
        self._reserved: dict[str, Collection] = {}
        self._clock = 0

    def tick(self) -> int:
        """The store's clock, moved on by one: no two writes have the same time."""
        self._clock += 1
        return self._clock

    def _endpoint(self, key: str) -> Any:
        for endpoint in self._reader.spec.endpoints:
            if endpoint.key == key:
                return endpoint
        raise NotFoundError(
            f"the API has no operation '{key}'; seed records are given by keys such as 'GET /path'"
        )

    def operation(self, key: str) -> Operation:
        """The operation, compiled. Raises NotFoundError."""
        if key not in self._operations:
            self._operations[key] = Operation(self._reader.operation(key))
        return self._operations[key]

    # collections

    def model(self, collection: str) -> RecordModel | None:
        if collection not in self._models:
            resource = self._resources.get(collection)
            self._models[collection] = (
                build_model(resource, self._reader, self.operation) if resource else None
            )
        return self._models[collection]

    def collection(self, place: Place, params: dict[str, str]) -> tuple[RecordModel, Collection] | None:
        """The collection of an operation in its scope, seeded when first asked for; None without records."""
        model = self.model(place.collection)
        if model is None:
            return None
        scope = tuple(params.get(name, "") for name in place.scope)
        found = model.scopes.get(scope)
        if found is None:
            if len(model.scopes) >= _MAX_SCOPES:
                model.scopes.pop(next(iter(model.scopes)))
            seed = f"{self.seed}:{place.collection}:{':'.join(scope)}"
            reserved = self._reserved.pop(place.collection, None) if not scope else None
            found = model.scopes[scope] = reserved or model.new_collection(seed)
            self._fill(model, found, place, scope, seed)
        return model, found

    def has_id(self, request: Request, parameter: str) -> bool:
        """Whether this path parameter of the request names a record that is there."""
        place = place_of(request.operation.endpoint)
        found = self.collection(place, request.params) if place.id_param == parameter else None
        return found is not None and found[1].get(request.params.get(parameter, "")) is not None

    def _fill(
        self, model: RecordModel, collection: Collection, place: Place, scope: tuple[str, ...], seed: str
    ) -> None:
        given = self._seeded.get(place.collection)
        if given is not None:
            for record in given:
                item: Any = dict(record)
                if model.record_at:
                    item = write_path(
                        model.generator.draw(seeded_draw(seed), minimal=True), model.record_at, item
                    )
                collection.add(item, keep_id=True)
            return
        count = min(self._count, _SCOPED_RECORDS) if scope else self._count
        linker = Linker(place.collection, model.id_path, self._targets, self._ids_of)
        rng = random.Random(f"links:{seed}")
        for record in model.draws(count, seed):
            linked = linker.linked(record, rng)
            for one in (record, linked):
                _name_scope(one, place.scope, scope)
            collection.add(linked if model.generator.contract.is_valid(linked) else record)

    def _ids_of(self, path: str) -> list[Any]:
        """The ids of a collection's seed records, also before those are made. [] where it has none."""
        model = self.model(path)
        if model is None or not model.id_path:
            return []
        given = self._seeded.get(path)
        if given is not None:
            return [one for record in given if (one := read_path(record, model.id_path)) not in (None, "")]
        filled = model.scopes.get(())
        if filled is not None:
            return [read_path(entry.record, model.id_path) for entry in filled]
        if path not in self._reserved:
            self._reserved[path] = model.new_collection(f"{self.seed}:{path}:")
        return self._reserved[path].reserve(self._count)

    def entries(self, key_or_path: str) -> list[Entry]:
        """All entries of a collection over all its scopes. Raises NotFoundError."""
        path = key_or_path
        if " " in key_or_path:
            path = place_of(self._endpoint(key_or_path)).collection
        if path not in self._resources:
            raise NotFoundError(f"the sandbox has no collection '{path}'")
        model = self.model(path)
        if model is None:
            return []
        if not model.scopes and "{}" not in path:
            self.collection(Place(path, (), None), {})
        return [entry for collection in model.scopes.values() for entry in collection]

    def shown(self, key: str) -> list[Any]:
        """The records as the list with this key shows them. Raises NotFoundError."""
        items = self.items_of(self.operation(key))
        entries = self.entries(key)
        return [entry.record if items is None else self.mended(items[1], entry) for entry in entries]

    def change(self, key_or_path: str, position: int, changes: dict[str, Any]) -> None:
        """Merges `changes` into a stored record and sets its time of change."""
        entry = self.entries(key_or_path)[position]
        path = place_of(self._endpoint(key_or_path)).collection if " " in key_or_path else key_or_path
        model = self.model(path)
        now = self.tick()
        entry.record = merged(entry.record, changes)
        entry.version += 1
        if model is not None:
            stamp(entry.record, model.schema, now, is_new=False)

    def counts(self) -> dict[str, int]:
        """Records by collection, of the collections that were asked for."""
        return {
            path: sum(len(collection) for collection in model.scopes.values())
            for path, model in self._models.items()
            if model is not None and model.scopes
        }

    # what an operation's answers and bodies hold

    def items_of(self, operation: Operation) -> tuple[str, RecordGenerator] | None:
        """Where this list's answer holds its items, and their generator; None when it holds none."""
        if operation.key not in self._items:
            place = items_place(operation) if operation.success.is_json else None
            schema = item_schema(operation, place) if place is not None else None
            made = None
            if place is not None and schema is not None:
                made = (place, RecordGenerator(schema, name=operation.endpoint.resource))
            self._items[operation.key] = made
        return self._items[operation.key]

    @staticmethod
    def mended(generator: RecordGenerator, entry: Entry) -> Any:
        """The record as a list of this schema can show it: mended where the two schemas differ."""
        if generator.contract.is_valid(entry.record):
            return entry.record
        return mend(entry.record, generator.contract, generator.draw(seeded_draw(entry.id), minimal=True))

    def dest_shape(self, operation: Operation) -> DestShape | None:
        """What the specification's reader says of writing by this operation; None where it says nothing."""
        if operation.key not in self._dest_shapes:
            try:
                self._dest_shapes[operation.key] = self._reader.dest_shape(operation.key)
            except VitesseError:
                self._dest_shapes[operation.key] = None
        return self._dest_shapes[operation.key]

    def incremental(self, operation: Operation) -> Incremental | None:
        """How this list is read since a moment; None where it cannot be."""
        if operation.key not in self._incrementals:
            try:
                self._incrementals[operation.key] = self._reader.source_shape(operation.key).incremental
            except VitesseError:
                self._incrementals[operation.key] = None
        return self._incrementals[operation.key]


def _name_scope(record: dict[str, Any], names: tuple[str, ...], values: tuple[str, ...]) -> None:
    """Puts what the path says into the record's own fields of that name: `AccountSid` into `account_sid`."""
    wanted: dict[str, str] = {}
    for name, value in zip(names, values, strict=True):
        plain = words(name)
        wanted |= {plain: value, plain.removesuffix("_id"): value, f"{plain}_id": value}
    for field, have in record.items():
        said = wanted.get(words(field))
        if said is None or isinstance(have, bool):
            continue
        if isinstance(have, str):
            record[field] = said
        elif isinstance(have, int) and said.isdigit():
            record[field] = int(said)
