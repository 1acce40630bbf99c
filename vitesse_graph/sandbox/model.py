"""What the records of one collection look like, and where operations carry them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from vitesse_graph.errors import VitesseError
from vitesse_graph.sandbox.operation import Operation
from vitesse_graph.sandbox.places import guess_id, locate_items, locate_record
from vitesse_graph.sandbox.resources import Resource
from vitesse_graph.sandbox.store import Collection, IdMaker, id_schema
from vitesse_graph.state.api_spec import Endpoint
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.state.ports import SpecReader
from vitesse_graph.synthetic import Draw, Mix, RecordGenerator
from vitesse_graph.synthetic.contract import is_marked
from vitesse_graph.synthetic.draw import NOW
from vitesse_graph.synthetic.schemas import at_path, flatten, properties_of, types_of

SEED_MIX = Mix(typical=0.8, boundary=0.2, adversarial=0.0)
_CREATED = re.compile(
    r"^(created?|date_?created|creation|inserted)(_?(at|on|date|time|utc|timestamp|date_?utc))?$", re.I
)
_UPDATED = re.compile(
    r"^(updated?|modified|last_?modified|last_?updated|date_?(updated|modified)|updated_?date|changed)"
    r"(_?(at|on|date|time|utc|timestamp|date_?utc))?$",
    re.I,
)
INNER = ("attributes", "properties", "data", "fields")


@dataclass(slots=True)
class RecordModel:
    """The records of one collection: schema, id, generator, and the collections by scope."""

    resource: Resource
    schema: JsonSchema
    names: frozenset[str]
    id_path: str | None
    generator: RecordGenerator
    unshown: frozenset[str] = frozenset()
    """Fields that are taken and never shown (`writeOnly`): passwords and their like."""
    record_at: str = ""
    """Where, inside an item of the list, the record begins that seed records stand for."""
    id_parameter: JsonSchema | None = None
    """The schema of the path parameter that takes the id."""
    scopes: dict[tuple[str, ...], Collection] = field(default_factory=dict)

    def new_collection(self, seed: str) -> Collection:
        return Collection(
            self.id_path,
            IdMaker(id_schema(self.schema, self.id_path), self.id_parameter, self.resource.noun, seed),
        )

    def draws(self, count: int, seed: str) -> list[Any]:
        """Seed records, the same for the same seed."""
        draw = Draw(random.Random(seed))
        drawn = (self.generator.draw(draw, profile) for profile in SEED_MIX.profiles(count))
        return [record for record in drawn if isinstance(record, dict)]


def build_model(
    resource: Resource, reader: SpecReader, operations: Callable[[str], Operation]
) -> RecordModel | None:
    """The model of a collection, learned from its list, read, create or update; None without records."""
    listing = resource.first("list")
    model = _from_list(resource, reader, operations(listing.key)) if listing is not None else None
    if model is None:
        model = _from_single(resource, operations)
    if model is not None:
        model.id_parameter = _id_parameter(resource, operations)
    return model


def _id_parameter(resource: Resource, operations: Callable[[str], Operation]) -> JsonSchema | None:
    for role in ("read", "update", "replace", "delete"):
        for endpoint, place in resource.endpoints:
            if endpoint.role == role and place.id_param:
                for compiled in operations(endpoint.key).parameters:
                    if compiled.parameter.name == place.id_param:
                        return compiled.contract.schema
                return None
    return None


def items_place(operation: Operation) -> str | None:
    """Where a list's answer holds its records; None when it holds none."""
    pagination = operation.endpoint.pagination
    schema = operation.success.schema
    if pagination is not None and pagination.items_at is not None:
        found = at_path(schema, f"{pagination.items_at}[]", schema)
        if found is not None:
            return pagination.items_at
    return locate_items(schema)


def item_schema(operation: Operation, place: str) -> JsonSchema | None:
    """The schema of one item of a list's answer, self-contained; with the field that says where the next
    page begins, which an API that pages so never leaves out."""
    schema = operation.success.schema
    found = at_path(schema, f"{place}[]", schema)
    if found is None:
        return None
    own = _own(found, schema)
    pagination = operation.endpoint.pagination
    where = (pagination.next_from or "") if pagination is not None else ""
    position = where.removeprefix("last_item:")
    if where != position and position in properties_of(own, own):
        own["required"] = sorted({*own.get("required", []), position})
    return own


def _own(found: JsonSchema, root: JsonSchema) -> JsonSchema:
    return {**flatten(found, root), **({"$defs": root["$defs"]} if "$defs" in root else {})}


def _from_list(resource: Resource, reader: SpecReader, operation: Operation) -> RecordModel | None:
    place = items_place(operation) if operation.success.is_json else None
    schema = item_schema(operation, place) if place is not None else None
    if schema is None or not properties_of(schema, schema):
        return None
    id_path, record_at = None, ""
    try:
        shape = reader.source_shape(operation.key)
        record_at = shape.record_at or ""
        if shape.id_field:
            id_path = f"{record_at}.{shape.id_field}" if record_at else shape.id_field
    except VitesseError:
        pass
    return _model(resource, schema, id_path, record_at)


def _from_single(resource: Resource, operations: Callable[[str], Operation]) -> RecordModel | None:
    sent: set[str] = set()
    create = resource.first("create", "update", "replace")
    if create is not None:
        body = operations(create.key).body_schema
        for sub in (body, *(s for s in properties_of(body, body).values() if isinstance(s, dict))):
            sent |= set(properties_of(sub, body))
    for role in ("read", "create", "update", "replace"):
        endpoint: Endpoint | None = resource.first(role)
        if endpoint is None:
            continue
        answer = operations(endpoint.key).success
        if not answer.is_json:
            continue
        place = locate_record(answer.schema, sent) if sent else None
        found = at_path(answer.schema, place if place is not None else "", answer.schema)
        if found is not None and properties_of(found, answer.schema):
            return _model(resource, _own(found, answer.schema), None, "")
    return None


def _is_id(name: str) -> bool:
    return name.lower().endswith("id")


def _model(resource: Resource, schema: JsonSchema, id_path: str | None, record_at: str) -> RecordModel:
    properties = properties_of(schema, schema)
    asked = (resource.id_param or "").replace("_", "").lower()
    named = next((name for name in properties if name.replace("_", "").lower() == asked), None)
    if named is not None and id_path in properties and _is_id(str(id_path)) and not _is_id(named):
        # an item may be asked for by its number as well (`/Contacts/{ContactNumber}`): that is no id of theirs
        named = str(id_path)
    if named is not None:
        id_path = named  # what the item's path asks for by name identifies it
    elif id_path is None or at_path(schema, id_path, schema) is None:
        id_path = guess_id(properties, resource.noun, resource.id_param)
    return RecordModel(
        resource=resource,
        schema=schema,
        names=frozenset(properties),
        unshown=frozenset(name for name, sub in properties.items() if is_marked(sub, "writeOnly", schema)),
        id_path=id_path,
        generator=RecordGenerator(schema, name=resource.noun),
        record_at=record_at,
    )


def stamp(record: Any, schema: JsonSchema, serial: int, *, is_new: bool, sent: Any = None) -> None:
    """Sets the record's own created and updated times, where its schema has them, to the store's clock.

    What a client sent there, and is not `readOnly`, stays as it was sent.
    """
    _stamp(record, properties_of(schema, schema), schema, NOW + serial, is_new, sent)


def _stamp(
    record: Any, properties: dict[str, Any], root: JsonSchema, now: int, is_new: bool, sent: Any
) -> None:
    if not isinstance(record, dict):
        return
    given = sent if isinstance(sent, dict) else {}
    for name, sub in properties.items():
        if given.get(name) is not None and name not in INNER and not is_marked(sub, "readOnly", root):
            continue
        if (is_new and _CREATED.match(name)) or _UPDATED.match(name):
            record[name] = _written(now, flatten(sub, root), record.get(name))
        elif name in INNER and name in record:
            _stamp(record[name], properties_of(sub, root), root, now, is_new, given.get(name))


def _written(now: int, schema: JsonSchema, before: Any) -> Any:
    if {"integer", "number"} & set(types_of(schema)):
        return now * 1000 if isinstance(before, int) and before > 10**11 else now
    at = datetime.fromtimestamp(now, UTC)
    if schema.get("format") == "date" or (isinstance(before, str) and len(before) == 10):
        return at.date().isoformat()
    return at.isoformat().replace("+00:00", "Z")
