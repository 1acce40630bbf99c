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
from vitesse_graph.synthetic.schemas import at_path, branches, flatten, items_of, properties_of, types_of

Neighbours = list[tuple[str, str, Any]]

# In the order in which a text of ours is put there; compared without case and separators.
_TEXTS = ("message", "detail", "errormessage", "displaymessage", "errordescription", "description", "title", "msg",
          "errormsg", "statusmessage", "reason", "details", "info", "text", "faultstring")  # fmt: skip
_HOLDERS = ("error", "errors", "fault", "elements")
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
    if place is None:
        return answer.minimal(seed)
    value: Any = records[0] if records else None
    if place == "" and answer.generator.contract.is_valid(value):
        return value
    base = answer.minimal(seed)
    if place.endswith("[]"):
        path, value = place[:-2], records
    else:
        path = place
    body = write_path(copy.deepcopy(base), path, value)
    return mend(body, answer.generator.contract, base)


def error_body(answer: Answer, text: str) -> Any:
    """The declared error with a message of ours where it has room for one."""
    base = answer.minimal("error")
    schema, contract = answer.schema, answer.generator.contract
    plain = {"error": {"status": answer.status, "message": text}}
    is_untold = set(types_of(flatten(schema, schema))) <= {"object"} and not properties_of(schema, schema)
    if is_untold and contract.is_valid(plain):
        return plain
    body = _with_text(copy.deepcopy(base), schema, schema, text, 0)
    if not _says(body, text):
        # Nowhere to put a text: all that is declared beside it says at least what kind of error this is.
        body = answer.generator.draw(Draw(random.Random("error"))) if base == {} else base
    _put_status(body, schema, answer.status)
    return mend(body, contract, base)


def _with_text(body: Any, schema: Any, root: JsonSchema, text: str, depth: int) -> Any:
    element = items_of(schema, root)
    if element is not None:
        first = body[0] if isinstance(body, list) and body else _smallest(element, root)
        return [_with_text(first, element, root, text, depth + 1)]
    if isinstance(body, str):
        return text if _takes_text(schema, root) else body
    properties = properties_of(schema, root)
    if not isinstance(body, dict) or depth > 3:
        return body
    plain = {_plain(name): name for name in reversed(list(properties))}
    for known in _TEXTS:
        name = plain.get(known)
        if name is not None and _takes_text(properties[name], root):
            body[name] = text
            return body
    for known in _HOLDERS:
        name = plain.get(known)
        if name is not None:
            if _takes_text(properties[name], root):
                body[name] = text
            else:
                inner = body[name] if name in body else _smallest(properties[name], root)
                body[name] = _with_text(inner, properties[name], root, text, depth + 1)
            return body
    for name, sub in properties.items():
        if items_of(sub, root) is not None or "object" in types_of(flatten(sub, root)):
            inner = body[name] if name in body else _smallest(sub, root)
            told = _with_text(copy.deepcopy(inner), sub, root, text, depth + 1)
            if _says(told, text):
                body[name] = told
                return body
    return body


def _says(value: Any, text: str) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value == text or any(_says(one, text) for one in inner)


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _takes_text(schema: Any, root: JsonSchema) -> bool:
    flat = flatten(schema, root)
    return "enum" not in flat and "string" in (types_of(flat) or ([] if branches(flat) else ["string"]))


def _smallest(schema: Any, root: JsonSchema) -> Any:
    """The smallest value of a part of the error."""
    whole = {**flatten(schema, root), **({"$defs": root["$defs"]} if "$defs" in root else {})}
    return RecordGenerator(whole).draw(Draw(random.Random("error")), minimal=True)


def _put_status(body: Any, root: JsonSchema, status: int) -> None:
    """The answer's status where the declared error repeats it, as a number or as text."""
    holders = [(body, root)]
    for name, sub in properties_of(root, root).items():
        if _plain(name) not in _HOLDERS:
            continue
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
