"""Bodies of answers: a list's envelope with its page, a record in its envelope, an error in the declared shape."""

from __future__ import annotations

import copy
import random
from typing import Any

import orjson

from vitesse_graph.sandbox.mend import mend
from vitesse_graph.sandbox.operation import Answer, Operation
from vitesse_graph.sandbox.paging import Page
from vitesse_graph.sandbox.places import write_path
from vitesse_graph.state.api_spec import Pagination
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.state.positions import read_place, write_place
from vitesse_graph.synthetic import Contract, Draw, RecordGenerator
from vitesse_graph.synthetic.schemas import at_path, flatten, items_of, properties_of, types_of

Neighbours = list[tuple[str, str, Any]]

_TEXTS = ("message", "detail", "error_message", "display_message", "error_description", "description", "title", "msg",
          "Message", "Detail")  # fmt: skip
_HOLDERS = ("error", "errors", "fault", "Elements")
_STATUSES = ("status", "statusCode", "status_code", "http_status", "httpStatus", "httpStatusCode")
_TOTALS = ("total", "total_count", "totalCount", "total_results", "count")


def list_body(base: Any, schema: JsonSchema, place: str, items: list[Any], pagination: Pagination | None, page: Page,
              next_value: str | None, neighbours: Neighbours) -> Any:  # fmt: skip
    """The list's answer: `base` (its smallest valid form) with this page's items and position."""
    if place == "":
        return items
    body = copy.deepcopy(base)
    body = write_path(body, place, items)
    for name in _TOTALS:
        if (
            isinstance(body, dict)
            and isinstance(body.get(name), int)
            and not isinstance(body.get(name), bool)
        ):
            body[name] = len(page.entries) if name == "count" else page.total
    if pagination is None or not isinstance(body, dict):
        return body
    if pagination.total_from:
        write_place(body, pagination.total_from, page.total)
    if pagination.has_more_from:
        write_place(body, pagination.has_more_from, page.next_token is not None)
    place_of_next = pagination.next_from
    if place_of_next and not place_of_next.startswith(("header:", "last_item:")):
        _put_next(body, schema, place_of_next, next_value, neighbours)
    return body


def last_page(body: Any, answer: Answer, pagination: Pagination) -> Any:
    """An invented list as its own last page: nobody who follows its position is led in circles."""
    if not isinstance(body, dict):
        return body
    ended = copy.deepcopy(body)
    place = pagination.next_from
    if place and not place.startswith(("header:", "last_item:")):
        _put_next(ended, answer.schema, place, None, [])
    if pagination.has_more_from and read_place(ended, pagination.has_more_from) is not None:
        write_place(ended, pagination.has_more_from, False)
    return ended if answer.generator.contract.is_valid(ended) else body


def _put_next(
    body: dict[str, Any], schema: JsonSchema, path: str, value: str | None, neighbours: Neighbours
) -> None:
    found = at_path(schema, path, schema)
    sub = flatten(found or {}, schema)
    if value is not None:
        is_number = bool({"integer", "number"} & set(types_of(sub))) and value.isdigit()
        write_place(body, path, int(value) if is_number else value)
        for holder_path, name, sample in neighbours:
            holder = read_place(body, holder_path)
            if isinstance(holder, dict):
                holder.setdefault(name, sample)
        return
    if read_place(body, path) is None:
        return
    contract = Contract({**sub, **({"$defs": schema["$defs"]} if "$defs" in schema else {})})
    write_place(body, path, None if contract.is_valid(None) else "" if contract.is_valid("") else None)


def neighbours_of(schema: JsonSchema, path: str | None) -> Neighbours:
    """What an object made for the position (`paging.next`) must hold besides: (its path, field, value)."""
    found: Neighbours = []
    if not path or path.startswith(("header:", "last_item:")):
        return found
    steps = path.split(".")
    for depth in range(1, len(steps)):
        holder = ".".join(steps[:depth])
        flat = flatten(at_path(schema, holder, schema) or {}, schema)
        for name in flat.get("required") or []:
            if name == steps[depth]:
                continue
            sub = (flat.get("properties") or {}).get(name, {})
            whole = {**sub, **({"$defs": schema["$defs"]} if "$defs" in schema else {})}
            sample = RecordGenerator(whole, name=name).draw(Draw(random.Random(name)), minimal=True)
            found.append((holder, name, sample))
    return found


def record_body(
    operation: Operation, answer: Answer, place: str | None, records: list[Any], seed: str
) -> Any:
    """One record (or, where the place is an array, several) in the answer's envelope; valid for certain."""
    base = answer.minimal(seed)
    if place is None:
        return base
    value: Any = records[0] if records else None
    if place.endswith("[]"):
        path, value = place[:-2], records
    else:
        path = place
    body = write_path(copy.deepcopy(base), path, value)
    return mend(body, answer.generator.contract, base)


def error_body(answer: Answer, text: str) -> Any:
    """The declared error with a message of ours where it has room for one."""
    base = answer.minimal("error")
    schema = answer.schema
    body = _with_text(copy.deepcopy(base), schema, schema, text, 0)
    _put_status(body, schema, answer.status)
    return mend(body, answer.generator.contract, base)


def _with_text(body: Any, schema: Any, root: JsonSchema, text: str, depth: int) -> Any:
    element = items_of(schema, root)
    if element is not None:
        first = body[0] if isinstance(body, list) and body else {}
        return [_with_text(first, element, root, text, depth + 1)]
    properties = properties_of(schema, root)
    if not isinstance(body, dict) or depth > 3:
        return body
    for name in _TEXTS:
        if name in properties and "string" in (types_of(flatten(properties[name], root)) or ["string"]):
            body[name] = text
            return body
    for name in _HOLDERS:
        if name in properties:
            if "string" in types_of(flatten(properties[name], root)):
                body[name] = text
            else:
                body[name] = _with_text(body.get(name, {}), properties[name], root, text, depth + 1)
            return body
    return body


def _put_status(body: Any, root: JsonSchema, status: int) -> None:
    """The answer's status where the declared error repeats it, as a number or as text."""
    holders = [(body, root)]
    for name in _HOLDERS:
        sub = properties_of(root, root).get(name)
        inner = body.get(name) if isinstance(body, dict) else None
        first = inner[0] if isinstance(inner, list) and inner else inner
        holders.append((first, items_of(sub, root) or (sub if isinstance(sub, dict) else {})))
    for holder, schema in holders:
        if not isinstance(holder, dict):
            continue
        properties = properties_of(schema, root)
        for name in _STATUSES:
            kinds = set(types_of(flatten(properties.get(name), root))) if name in properties else set()
            if {"integer", "number"} & kinds:
                holder[name] = status
            elif "string" in kinds:
                holder[name] = str(status)


def plain_error(status: int, text: str) -> bytes:
    """For statuses that the specification says nothing about."""
    return orjson.dumps({"error": {"status": status, "message": text}})
