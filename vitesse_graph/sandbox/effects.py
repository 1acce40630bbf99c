"""What operations do: list, read, create, update, delete, over the collections of the store."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from vitesse_graph.errors import NotFoundError, VitesseError
from vitesse_graph.sandbox import drift as drifting
from vitesse_graph.sandbox.answers import (
    Neighbours,
    error_body,
    last_page,
    list_body,
    neighbours_of,
    plain_error,
    record_body,
)
from vitesse_graph.sandbox.filters import group_tests, select
from vitesse_graph.sandbox.mend import declared_part, mend, merged
from vitesse_graph.sandbox.model import INNER, RecordModel, build_model, item_schema, items_place, stamp
from vitesse_graph.sandbox.operation import Answer, Operation, plain_type
from vitesse_graph.sandbox.paging import BadPosition, cut, next_url
from vitesse_graph.sandbox.places import locate_record, read_path, write_path
from vitesse_graph.sandbox.requests import Request
from vitesse_graph.sandbox.resources import Place, place_of, resources_of
from vitesse_graph.sandbox.store import Collection, Entry
from vitesse_graph.state.api_spec import DestShape, Incremental
from vitesse_graph.state.ports import SpecReader
from vitesse_graph.synthetic import Draw, RecordGenerator
from vitesse_graph.synthetic.contract import is_marked
from vitesse_graph.synthetic.schemas import at_path, steps

_SCOPED_RECORDS = 10
_MAX_SCOPES = 2_000


@dataclass(slots=True)
class Reply:
    """One answer, rendered."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def json(cls, status: int, value: Any) -> Reply:
        return cls(status, orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))

    @classmethod
    def error(cls, status: int, text: str) -> Reply:
        return cls(status, plain_error(status, text))


class Effects:
    """The store of one sandbox and the operations on it."""

    def __init__(
        self, reader: SpecReader, *, seed: int, records: int, seed_records: dict[str, list[dict[str, Any]]]
    ) -> None:
        self._reader = reader
        self._seed = seed
        self._count = records
        self._resources = resources_of(reader.spec.endpoints)
        self._operations: dict[str, Operation] = {}
        self._models: dict[str, RecordModel | None] = {}
        self._dest_shapes: dict[str, DestShape | None] = {}
        self._incrementals: dict[str, Incremental | None] = {}
        self._items: dict[str, tuple[str, RecordGenerator] | None] = {}
        self._record_places: dict[str, str | None] = {}
        self._sound_lists: dict[str, bool] = {}
        self._neighbours: dict[str, Neighbours] = {}
        self._seeded = {place_of(self._endpoint(key)).collection: rows for key, rows in seed_records.items()}
        self._clock = 0
        self.keeps_unknown = True
        """Whether a member that no request of the operation declares is kept; many APIs drop it without a word."""

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
            seed = f"{self._seed}:{place.collection}:{':'.join(scope)}"
            found = model.scopes[scope] = model.new_collection(seed)
            self._fill(model, found, place, scope, seed)
        return model, found

    def _fill(
        self, model: RecordModel, collection: Collection, place: Place, scope: tuple[str, ...], seed: str
    ) -> None:
        given = self._seeded.get(place.collection)
        if given is not None:
            for record in given:
                item: Any = dict(record)
                if model.record_at:
                    item = write_path(
                        model.generator.draw(_seeded_draw(seed), minimal=True), model.record_at, item
                    )
                collection.add(item, keep_id=True)
            return
        count = min(self._count, _SCOPED_RECORDS) if scope else self._count
        names = [
            part for name in place.scope for part in (name, name.removesuffix("Id"), name.removesuffix("_id"))
        ]
        for record in model.draws(count, seed):
            for name, value in zip(names[::3], scope, strict=True):
                if isinstance(record.get(name), str):
                    record[name] = value
            collection.add(record)

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
        items = self._items_of(self.operation(key))
        entries = self.entries(key)
        return [entry.record if items is None else self._mended(items[1], entry) for entry in entries]

    def change(self, key_or_path: str, position: int, changes: dict[str, Any]) -> None:
        """Merges `changes` into a stored record and sets its time of change."""
        entry = self.entries(key_or_path)[position]
        path = place_of(self._endpoint(key_or_path)).collection if " " in key_or_path else key_or_path
        model = self.model(path)
        self._clock += 1
        entry.record = merged(entry.record, changes)
        entry.version += 1
        if model is not None:
            stamp(entry.record, model.schema, self._clock, is_new=False)

    def counts(self) -> dict[str, int]:
        """Records by collection, of the collections that were asked for."""
        return {
            path: sum(len(collection) for collection in model.scopes.values())
            for path, model in self._models.items()
            if model is not None and model.scopes
        }

    # answers

    def refuse(self, operation: Operation, status: int, text: str) -> Reply:
        """An error in the shape that the operation declares for this status."""
        answer = operation.answer(status)
        if answer is None or not answer.is_json:
            if answer is not None and answer.media is not None:
                return Reply(status, text.encode(), answer.media.content_type)
            if answer is not None and not answer.response.content:
                return Reply(status)
            return Reply.error(status, text)
        reply = Reply.json(status, error_body(answer, text))
        reply.content_type = answer.media.content_type if answer.media else reply.content_type
        reply.headers += self._declared_headers(answer)
        return reply

    def _declared_headers(self, answer: Answer) -> list[tuple[str, str]]:
        made = []
        for name, schema in answer.response.headers.items():
            if name.lower() in ("content-type", "content-length", "link", "set-cookie", "transfer-encoding"):
                continue
            value = RecordGenerator(schema, name=name).draw(_seeded_draw(name))
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if text.isascii() and text.isprintable():
                made.append((name, text))
        return made

    def _reply(self, operation: Operation, body: Any) -> Reply:
        """The success answer with this body (bytes are taken as rendered JSON)."""
        answer = operation.success
        if answer.media is None:
            reply = Reply(answer.status)
        elif not answer.is_json:
            return Reply(answer.status, _other(answer), _concrete(answer.media.content_type))
        else:
            raw = body if isinstance(body, bytes) else orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)
            reply = Reply(answer.status, raw, answer.media.content_type)
        if answer.response.headers:
            reply.headers += self._declared_headers(answer)
        return reply

    # effects

    def perform(self, request: Request) -> Reply:
        """The operation's effect and its answer."""
        endpoint = request.operation.endpoint
        place = place_of(endpoint)
        found = self.collection(place, request.params)
        if found is None:
            return self._stateless(request)
        model, collection = found
        role = endpoint.role
        if place.id_param is not None:
            return self._on_one(request, place, model, collection)
        if role == "list":
            return self._list(request, model, collection)
        if role in ("create", "update", "replace"):
            return self._write(request, model, collection)
        if role == "read" and endpoint.pagination is not None:
            return self._list(request, model, collection)
        return self._stateless(request)

    def _stateless(self, request: Request) -> Reply:
        """A believable answer that has nothing to do with any record; the same for the same request."""
        operation = request.operation
        if not operation.success.is_json:
            return self._reply(operation, None)
        draw = _seeded_draw(f"{self._seed}:{operation.key}:{request.params}")
        minimal = operation.endpoint.role in ("delete", "action")
        body = operation.success.generator.draw(draw, minimal=minimal)
        if operation.endpoint.pagination is not None:
            body = last_page(body, operation.success, operation.endpoint.pagination)
        return self._reply(operation, body)

    def _on_one(self, request: Request, place: Place, model: RecordModel, collection: Collection) -> Reply:
        operation = request.operation
        entry = self._entry(model, collection, place.id_param or "", request)
        if entry is None:
            return self.refuse(operation, 404, f"there is no such {model.resource.noun or 'record'}")
        role = operation.endpoint.role
        if role == "delete":
            collection.remove(entry)
        elif role in ("update", "replace", "create") and isinstance(request.body, dict):
            self._update(request, model, collection, entry, self._sent_records(request, model)[0])
        return self._show(request, model, entry)

    @staticmethod
    def _entry(model: RecordModel, collection: Collection, parameter: str, request: Request) -> Entry | None:
        """The record that a path names: by its id, or by another field that its parameter is called after."""
        value = request.params.get(parameter, "")
        entry = collection.get(value)
        if entry is not None or parameter == model.resource.id_param or parameter not in model.names:
            return entry
        return next((one for one in collection if str(one.record.get(parameter)) == value), None)

    # lists

    def _list(self, request: Request, model: RecordModel, collection: Collection) -> Reply:
        operation = request.operation
        items = self._items_of(operation)
        if items is None:
            return self._stateless(request)
        place, _ = items
        pagination = operation.endpoint.pagination
        in_body = pagination is not None and pagination.params_in == "body"
        given = request.body if in_body and isinstance(request.body, dict) else request.given
        rows = self._selected(request, collection)
        try:
            page = cut(pagination, given, rows)
        except BadPosition as error:
            return self.refuse(operation, operation.refusal_status, str(error))
        rendered = [orjson.Fragment(self._view(request, items, entry)) for entry in page.entries]
        link = None
        next_value = page.next_token
        if pagination is not None and page.next_token is not None and not in_body:
            link = next_url(pagination, request.origin, request.path, request.query, page.next_token)
            next_value = link if pagination.next_is_url else page.next_token
        base = operation.success.minimal("list")
        if operation.key not in self._neighbours:
            where = pagination.next_from if pagination is not None else None
            self._neighbours[operation.key] = neighbours_of(operation.success.schema, where)
        body = list_body(
            base, operation.success.schema, place, rendered, pagination, page, next_value,
            self._neighbours[operation.key],
        )  # fmt: skip
        reply = self._reply(operation, body)
        if not request.rules and not self._is_sound(operation, reply):
            return self._stateless(request)
        if (
            link
            and pagination is not None
            and "link" in (pagination.style + str(pagination.next_from)).lower()
        ):
            reply.headers.append(("link", f'<{link}>; rel="next"'))
        return reply

    def _is_sound(self, operation: Operation, reply: Reply) -> bool:
        """Whether this list's answers keep the contract as a whole, found out at its first answer.

        An envelope with alternatives may not take the items that one of them describes; such a
        list gives believable answers without state.
        """
        if operation.key not in self._sound_lists:
            value = orjson.loads(reply.body) if reply.body else None
            self._sound_lists[operation.key] = operation.success.generator.contract.is_valid(value)
        return self._sound_lists[operation.key]

    def _selected(self, request: Request, collection: Collection) -> list[Entry]:
        pagination = request.operation.endpoint.pagination
        own = [*(pagination.params if pagination else []), *_PAGE_WORDS]
        if pagination is not None and pagination.page_size_param:
            own.append(pagination.page_size_param)
        own += request.operation.context_names
        incremental = self._incremental(request.operation)
        given = dict(request.given)
        if isinstance(request.body, dict):
            given |= {key: value for key, value in request.body.items() if key not in given}
        if incremental is not None and incremental.location == "header":
            value = request.headers.get(incremental.param.lower())
            if value:
                given[incremental.param] = value
        rows = select(collection, given, incremental, own)
        for test in group_tests(given.get("filterGroups")):
            rows = [entry for entry in rows if test(entry.record)]
        return rows

    def _incremental(self, operation: Operation) -> Incremental | None:
        if operation.key not in self._incrementals:
            try:
                self._incrementals[operation.key] = self._reader.source_shape(operation.key).incremental
            except VitesseError:
                self._incrementals[operation.key] = None
        return self._incrementals[operation.key]

    def _items_of(self, operation: Operation) -> tuple[str, RecordGenerator] | None:
        """Where this list's answer holds its items, and their generator; None when it holds none."""
        if operation.key not in self._items:
            place = items_place(operation) if operation.success.is_json else None
            schema = item_schema(operation, place) if place is not None else None
            made = None
            if place is not None and schema is not None:
                made = (place, RecordGenerator(schema, name=operation.endpoint.resource))
            self._items[operation.key] = made
        return self._items[operation.key]

    def _view(self, request: Request, items: tuple[str, RecordGenerator], entry: Entry) -> bytes:
        """One item as this list shows it: the record, mended where the list's own schema differs."""
        key = request.operation.key
        if request.rules:
            shown = drifting.apply_to_answer(request.rules, self._mended(items[1], entry), _serial(entry))
            return orjson.dumps(shown)
        cached = entry.views.get(key)
        if cached is None or cached[0] != entry.version:
            cached = (entry.version, orjson.dumps(self._mended(items[1], entry)))
            entry.views[key] = cached
        return cached[1]

    @staticmethod
    def _mended(generator: RecordGenerator, entry: Entry) -> Any:
        if generator.contract.is_valid(entry.record):
            return entry.record
        return mend(entry.record, generator.contract, generator.draw(_seeded_draw(entry.id), minimal=True))

    # writes

    def _dest_shape(self, operation: Operation) -> DestShape | None:
        if operation.key not in self._dest_shapes:
            try:
                self._dest_shapes[operation.key] = self._reader.dest_shape(operation.key)
            except VitesseError:
                self._dest_shapes[operation.key] = None
        return self._dest_shapes[operation.key]

    def _envelope(self, operation: Operation, model: RecordModel) -> str:
        shape = self._dest_shape(operation)
        if shape is not None:
            return shape.envelope
        return locate_record(operation.body_schema, model.names) or ""

    def _placed(self, request: Request, model: RecordModel, sent: Any) -> Any:
        """What was sent, where the record holds it: `data.attributes` of a request is the record's `attributes`."""
        envelope = self._envelope(request.operation, model)
        if not self.keeps_unknown:
            schema = request.operation.body_schema
            declared = at_path(schema, envelope, schema)
            sent = sent if declared is None else declared_part(sent, declared, schema)
        inner = envelope.rpartition(".")[2]
        holds_it = inner in model.names and (inner in INNER or inner == model.record_at)
        return {inner: sent} if holds_it else sent

    def _sent_records(self, request: Request, model: RecordModel) -> list[Any]:
        """The records in the request's body: several where the envelope is an array."""
        found = _each(request.body, self._envelope(request.operation, model))
        records = [record for record in found if isinstance(record, dict)]
        return records or [request.body if isinstance(request.body, dict) else {}]

    def _write(self, request: Request, model: RecordModel, collection: Collection) -> Reply:
        written: list[Entry] = []
        for sent in self._sent_records(request, model):
            identifier = read_path(sent, model.id_path) if model.id_path else None
            known = collection.get(str(identifier)) if identifier not in (None, "") else None
            if known is not None:
                self._update(request, model, collection, known, sent)
                written.append(known)
            else:
                written.append(self._create(request, model, collection, sent))
        return self._show(request, model, *written)

    def _create(self, request: Request, model: RecordModel, collection: Collection, sent: Any) -> Entry:
        self._clock += 1
        base = model.generator.draw(_seeded_draw(f"{self._seed}:new:{self._clock}"), minimal=True)
        placed = self._placed(request, model, sent)
        record = merged(base, placed) if isinstance(base, dict) else dict(placed)
        _hide(record, model)
        stamp(record, model.schema, self._clock, is_new=True, sent=placed)
        record = mend(record, model.generator.contract, base)
        keep_id = self._is_id_given(request, model, placed)
        if model.id_path and not keep_id:
            write_path(record, model.id_path, None)
        return collection.add(record, sent=sent, keep_id=keep_id)

    def _is_id_given(self, request: Request, model: RecordModel, placed: Any) -> bool:
        """Whether the client gave an id where the operation takes one: declared for requests, not `readOnly`."""
        if not model.id_path or read_path(placed, model.id_path) in (None, ""):
            return False
        schema = request.operation.body_schema
        envelope = self._envelope(request.operation, model)
        found = at_path(schema, f"{envelope}.{model.id_path}" if envelope else model.id_path, schema)
        return found is not None and not is_marked(found, "readOnly", schema)

    def _update(
        self, request: Request, model: RecordModel, collection: Collection, entry: Entry, sent: Any
    ) -> None:
        self._clock += 1
        base: Any = entry.record
        if request.operation.endpoint.role == "replace":
            base = model.generator.draw(_seeded_draw(entry.id), minimal=True)
        placed = self._placed(request, model, sent)
        record = merged(base, placed)
        _hide(record, model)
        stamp(record, model.schema, self._clock, is_new=False, sent=placed)
        record = mend(record, model.generator.contract, entry.record)
        collection.replace(entry, record, merged(entry.sent, sent) if entry.sent is not None else sent)

    def _show(self, request: Request, model: RecordModel, *entries: Entry) -> Reply:
        """The answer that carries these records, in the operation's own envelope."""
        operation = request.operation
        answer = operation.success
        if not answer.is_json:
            return self._reply(operation, None)
        place = self._record_place(operation, model)
        records = [entry.record for entry in entries]
        if request.rules:
            pairs = zip(records, entries, strict=True)
            records = [
                drifting.apply_to_answer(request.rules, record, _serial(entry)) for record, entry in pairs
            ]
            body = record_body(operation, answer, place, [entry.record for entry in entries], entries[0].id)
            drifted = records if place and place.endswith("[]") else records[0]
            return self._reply(
                operation, body if place is None else write_path(body, place.removesuffix("[]"), drifted)
            )
        body = record_body(operation, answer, place, records, entries[0].id)
        self._put_id(operation, model, body, entries[0])
        return self._reply(operation, body)

    def _record_place(self, operation: Operation, model: RecordModel) -> str | None:
        if operation.key not in self._record_places:
            self._record_places[operation.key] = locate_record(operation.success.schema, model.names)
        return self._record_places[operation.key]

    def _put_id(self, operation: Operation, model: RecordModel, body: Any, entry: Entry) -> None:
        """The record's id where the specification's reader expects a create to answer it."""
        shape = (
            self._dest_shape(operation)
            if operation.endpoint.role in ("create", "replace", "update")
            else None
        )
        if shape is None or not shape.id_at:
            return
        typed = read_path(entry.record, model.id_path) if model.id_path else entry.id
        if read_path(body, shape.id_at) == typed:
            return
        changed = write_path(copy.deepcopy(body), shape.id_at, typed)
        if operation.success.generator.contract.is_valid(changed):
            write_path(body, shape.id_at, typed)


_PAGE_WORDS = ("limit", "page", "per_page", "page_size", "pageSize", "offset", "cursor", "sort", "order", "order_by",
               "fields", "expand", "include", "opt_fields", "direction")  # fmt: skip


def _hide(record: Any, model: RecordModel) -> None:
    for name in model.unshown:
        record.pop(name, None)


def _seeded_draw(seed: str) -> Draw:
    return Draw(random.Random(seed))


def _serial(entry: Entry) -> int:
    """A number that stays with the record: chooses which records show a grown enum."""
    return sum(entry.id.encode())


def _each(value: Any, path: str) -> Iterable[Any]:
    """All values at a path; `[]` fans out."""
    level = [value]
    for name, arrays in steps(path):
        if name:
            level = [node[name] for node in level if isinstance(node, dict) and name in node]
        for _ in range(arrays):
            level = [item for node in level if isinstance(node, list) for item in node]
    return level


def _concrete(content_type: str) -> str:
    return "application/octet-stream" if "*" in content_type else content_type


def _other(answer: Answer) -> bytes:
    """A body for content that is not JSON: a text of the declared kind, or a few bytes."""
    kind = plain_type(answer.media.content_type) if answer.media else ""
    if kind == "text/csv":
        return b"id,name\n1,Example\n"
    if kind.endswith("xml"):
        return b'<?xml version="1.0" encoding="UTF-8"?><response/>'
    return b"Example" if kind.startswith("text/") else b"\x00\x01\x02"
