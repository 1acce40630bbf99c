"""What operations do: read, create, update, delete, over the collections that the sandbox holds."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from vitesse_graph.sandbox import drift as drifting
from vitesse_graph.sandbox.answers import last_page, record_body
from vitesse_graph.sandbox.holdings import Holdings
from vitesse_graph.sandbox.lists import Lists, serial
from vitesse_graph.sandbox.mend import declared_part, mend, merged
from vitesse_graph.sandbox.model import INNER, RecordModel, stamp
from vitesse_graph.sandbox.operation import Operation
from vitesse_graph.sandbox.places import locate_record, read_path, write_path
from vitesse_graph.sandbox.replies import Reply, answer_with, refuse, seeded_draw
from vitesse_graph.sandbox.requests import Request
from vitesse_graph.sandbox.resources import Place, place_of
from vitesse_graph.sandbox.store import Collection, Entry
from vitesse_graph.synthetic.contract import is_marked
from vitesse_graph.synthetic.schemas import at_path, steps


class Effects:
    """The effects of operations on what one sandbox holds."""

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._lists = Lists(holdings)
        self._record_places: dict[str, str | None] = {}
        self.keeps_unknown = True
        """Whether a member that no request of the operation declares is kept; many APIs drop it without a word."""

    def perform(self, request: Request) -> Reply:
        """The operation's effect and its answer."""
        endpoint = request.operation.endpoint
        place = place_of(endpoint)
        found = self._holdings.collection(place, request.params)
        if found is None:
            return self._stateless(request)
        model, collection = found
        role = endpoint.role
        if place.id_param is not None:
            return self._on_one(request, place, model, collection)
        if role == "list":
            return self._lists.answer(request, collection) or self._stateless(request)
        if role in ("create", "update", "replace"):
            return self._write(request, model, collection)
        if role == "read" and endpoint.pagination is not None:
            return self._lists.answer(request, collection) or self._stateless(request)
        return self._stateless(request)

    def _stateless(self, request: Request) -> Reply:
        """A believable answer that has nothing to do with any record; the same for the same request."""
        operation = request.operation
        if not operation.success.is_json:
            return answer_with(operation, None)
        draw = seeded_draw(f"{self._holdings.seed}:{operation.key}:{request.params}")
        minimal = operation.endpoint.role in ("delete", "action")
        body = operation.success.generator.draw(draw, minimal=minimal)
        if operation.endpoint.pagination is not None:
            body = last_page(body, operation.success, operation.endpoint.pagination)
        return answer_with(operation, body)

    def _on_one(self, request: Request, place: Place, model: RecordModel, collection: Collection) -> Reply:
        operation = request.operation
        entry = self._entry(model, collection, place.id_param or "", request)
        if entry is None:
            return refuse(operation, 404, f"there is no such {model.resource.noun or 'record'}")
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

    # writes

    def _envelope(self, operation: Operation, model: RecordModel) -> str:
        shape = self._holdings.dest_shape(operation)
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
        now = self._holdings.tick()
        base = model.generator.draw(seeded_draw(f"{self._holdings.seed}:new:{now}"), minimal=True)
        placed = self._placed(request, model, sent)
        record = merged(base, placed) if isinstance(base, dict) else dict(placed)
        _hide(record, model)
        stamp(record, model.schema, now, is_new=True, sent=placed)
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
        now = self._holdings.tick()
        base: Any = entry.record
        if request.operation.endpoint.role == "replace":
            base = model.generator.draw(seeded_draw(entry.id), minimal=True)
        placed = self._placed(request, model, sent)
        record = merged(base, placed)
        _hide(record, model)
        stamp(record, model.schema, now, is_new=False, sent=placed)
        record = mend(record, model.generator.contract, entry.record)
        collection.replace(entry, record, merged(entry.sent, sent) if entry.sent is not None else sent)

    def _show(self, request: Request, model: RecordModel, *entries: Entry) -> Reply:
        """The answer that carries these records, in the operation's own envelope."""
        operation = request.operation
        answer = operation.success
        if not answer.is_json:
            return answer_with(operation, None)
        place = self._record_place(operation, model)
        records = [entry.record for entry in entries]
        if request.rules:
            pairs = zip(records, entries, strict=True)
            records = [
                drifting.apply_to_answer(request.rules, record, serial(entry)) for record, entry in pairs
            ]
            body = record_body(operation, answer, place, [entry.record for entry in entries], entries[0].id)
            drifted = records if place and place.endswith("[]") else records[0]
            return answer_with(
                operation, body if place is None else write_path(body, place.removesuffix("[]"), drifted)
            )
        body = record_body(operation, answer, place, records, entries[0].id)
        self._put_id(operation, model, body, entries[0])
        return answer_with(operation, body)

    def _record_place(self, operation: Operation, model: RecordModel) -> str | None:
        if operation.key not in self._record_places:
            self._record_places[operation.key] = locate_record(operation.success.schema, model.names)
        return self._record_places[operation.key]

    def _put_id(self, operation: Operation, model: RecordModel, body: Any, entry: Entry) -> None:
        """The record's id where the specification's reader expects a create to answer it."""
        shape = (
            self._holdings.dest_shape(operation)
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


def _hide(record: Any, model: RecordModel) -> None:
    for name in model.unshown:
        record.pop(name, None)


def _each(value: Any, path: str) -> Iterable[Any]:
    """All values at a path; `[]` fans out."""
    level = [value]
    for name, arrays in steps(path):
        if name:
            level = [node[name] for node in level if isinstance(node, dict) and name in node]
        for _ in range(arrays):
            level = [item for node in level if isinstance(node, list) for item in node]
    return level
