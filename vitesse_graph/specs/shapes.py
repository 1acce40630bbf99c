"""The two ends of an integration: what reading an endpoint gives, what writing to one takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from vitesse_graph.errors import SpecError
from vitesse_graph.specs.bounded import OBJECT_LEVELS, BoundedWriter
from vitesse_graph.specs.endpoints import Indexed
from vitesse_graph.specs.identity import id_field, incremental, natural_keys
from vitesse_graph.specs.operations import Body, Reader, is_json
from vitesse_graph.specs.records import Records, find_records
from vitesse_graph.specs.roles import segments
from vitesse_graph.specs.words import squash, stems
from vitesse_graph.state.api_spec import DestShape, Endpoint, Guess, Incremental, SourceShape

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_INNER = ("data", "attributes", "properties", "fields", "resource", "input", "payload")
_FREE_TEXT_FILTERS = ("q", "query", "search", "searchterm", "term", "keyword", "keywords", "searchtext")
_BATCH = re.compile(r"\b(?:up to|at most|maximum(?: of)?|max)\s+(\d{1,4})\b", re.IGNORECASE)
DEFAULT_BATCH = 50
"""Records in one call where an endpoint takes an array and does not say how many."""


def source_shape(reader: Reader, found: Indexed) -> SourceShape:
    """Raises SpecError when the operation describes no answer."""
    raw, endpoint = found.raw, found.endpoint
    _, schema = reader.success(raw)
    if schema is None:
        raise SpecError(
            f"{endpoint.key} describes no answer, so it cannot be read from; choose another endpoint "
            "or describe it in an overlay"
        )
    records = found.records
    if records is None:
        records = _likely_records(reader, schema, endpoint)
    item, record_at = (
        (records.item, "") if records is not None else _single(reader, schema, endpoint.resource)
    )
    record = BoundedWriter(reader.flattener).write(item)
    stated = raw.operation.get("x-vitesse-id-field")
    shape = SourceShape(
        endpoint=endpoint,
        record_schema=record,
        items_at=records.at if records is not None else None,
        record_at=record_at,
        id_field=stated if type(stated) is str else id_field(reader.flattener, item, endpoint.resource),
        natural_keys=_stated_list(raw.operation.get("x-vitesse-natural-keys"))
        or natural_keys(reader.flattener, item, endpoint.resource),
        incremental=_incremental(reader, found, item),
    )
    if type(stated) is not str:
        shape.guesses.append(_identity_guess(shape))
    if shape.incremental is not None and "x-vitesse-incremental" not in raw.operation:
        shape.guesses.append(_incremental_guess(shape.incremental))
    return shape


def _identity_guess(shape: SourceShape) -> Guess:
    """What tells records apart, why, and how sure that is: an id by its full name, by its ending, or none."""
    field, noun = shape.id_field, squash(shape.endpoint.resource)
    if field is None:
        evidence = "no field of the record is called like an id: its whole content tells it from others"
        return Guess(about="identity", value="content", evidence=evidence, confidence=0.5)
    name = squash(field.rpartition(".")[2])
    is_plain = name in ("id", "gid", "sid", "uuid", "guid", "uid") and "." not in field
    is_named = noun != "" and name in (f"{noun}id", f"{noun}sid", f"{noun}gid", f"{noun}key")
    evidence = f"a field of {shape.endpoint.key} is called {field}"
    return Guess(
        about="identity", value=field, evidence=evidence, confidence=0.95 if is_plain or is_named else 0.7
    )


def _incremental_guess(found: Incremental) -> Guess:
    evidence = f"a {found.location} parameter is called {found.param}; " + (
        f"its next value is the latest {found.field}" if found.field else "no field of the record fits it"
    )
    return Guess(
        about="incremental", value=found.param, evidence=evidence, confidence=0.85 if found.field else 0.5
    )


def _likely_records(reader: Reader, schema: Any, endpoint: Endpoint) -> Records | None:
    """Records in an answer that does not page: under a usual name, or the only things in it with an id."""
    flattener = reader.flattener
    likely = find_records(flattener, schema, endpoint.resource)
    if likely is None or likely.is_usual or likely.by_noun:
        return likely
    own = id_field(flattener, schema, endpoint.resource)
    holds_others = own is None or squash(own) not in (
        "id",
        "gid",
        "sid",
        "uuid",
        squash(endpoint.resource) + "id",
    )
    is_single = "{" in segments(endpoint.path)[-1] if segments(endpoint.path) else True
    has_id = id_field(flattener, likely.item, endpoint.resource) is not None
    return likely if holds_others and has_id and not is_single else None


def _single(reader: Reader, schema: Any, noun: str) -> tuple[Any, str]:
    """(raw schema, path) of the one record that a read answers with, inside `data` and the like."""
    flattener = reader.flattener
    properties = flattener.properties(schema)
    name = _answer_holder(flattener, properties, noun, is_batch=False)
    if name is not None and flattener.type_of(properties[name]) == "object" and len(properties) <= 4:
        return properties[name], name
    return schema, ""


def _incremental(reader: Reader, found: Indexed, item: Any) -> Incremental | None:
    stated = found.raw.operation.get("x-vitesse-incremental")
    if type(stated) is dict and type(stated.get("param")) is str:
        return Incremental.model_validate(stated)
    return incremental(
        reader.flattener,
        reader.parameters(found.raw),
        reader.parameter_schema,
        item,
        found.endpoint.resource,
    )


def _stated_list(value: Any) -> list[str]:
    return [name for name in value if type(name) is str] if type(value) is list else []


def best_body(bodies: list[Body]) -> Body | None:
    """JSON before forms before anything else; None where no body has a schema."""
    for body in bodies:
        if is_json(body.content_type):
            return body
    for body in bodies:
        if body.content_type.split(";", 1)[0].strip().lower() in _FORMS:
            return body
    return bodies[0] if bodies else None


def dest_shape(reader: Reader, found: Indexed, index: Sequence[Indexed]) -> DestShape:
    """Raises SpecError when the operation takes no body."""
    raw, endpoint = found.raw, found.endpoint
    body = best_body(reader.request_bodies(raw))
    if body is None:
        raise SpecError(
            f"{endpoint.key} takes no body, so nothing can be written to it; choose another endpoint"
        )
    if endpoint.content_types and endpoint.content_types[0] != body.content_type:
        endpoint = endpoint.evolve(
            content_types=[body.content_type, *[c for c in endpoint.content_types if c != body.content_type]]
        )
    stated = raw.operation.get("x-vitesse-envelope")
    envelope, record = find_envelope(reader, body.schema, endpoint.resource)
    if type(stated) is str:
        envelope, record = stated, descend(reader, body.schema, stated)
    prefix = f"{envelope}." if envelope else ""
    keys = [prefix + name for name in natural_keys(reader.flattener, record, endpoint.resource)]
    shape = DestShape(
        endpoint=endpoint,
        request_schema=BoundedWriter(reader.flattener).write(
            body.schema, OBJECT_LEVELS + envelope.count(".")
        ),
        envelope=envelope,
        batch_size=_batch_size(reader, raw.operation, body.schema, envelope),
        id_at=_id_at(reader, found, envelope),
        natural_keys=_stated_list(raw.operation.get("x-vitesse-natural-keys")) or keys,
        update=_update(found, index),
        idempotency_header=_idempotency_header(reader, found),
    )
    shape.read = _read_of_one(reader, found, index, shape.id_at)
    _add_update_id(reader, shape, index)
    _add_lookup(reader, shape, found, index)
    return shape


def find_envelope(reader: Reader, node: Any, noun: str) -> tuple[str, Any]:
    """(path of the record inside the body, its raw schema): `data.attributes`, `Contacts[]`, "" …

    A property is an envelope when it is called like the noun or by one of a few usual names, holds
    an object (or array of them), and little else stands beside it.
    """
    path, here = "", node
    for _ in range(4):
        flattener = reader.flattener
        if flattener.type_of(here) == "array":
            path, here = path + "[]", flattener.flat(here).get("items", {})
            continue
        name = _envelope_property(reader, flattener.properties(here), noun)
        if name is None:
            break
        path = f"{path}.{name}" if path else name
        here = flattener.properties(here)[name]
    if reader.flattener.type_of(here) == "array":
        path, here = path + "[]", reader.flattener.flat(here).get("items", {})
    return path, here


def _envelope_property(reader: Reader, properties: dict[str, Any], noun: str) -> str | None:
    flattener = reader.flattener
    holders = {}
    for name, child in properties.items():
        kind = flattener.type_of(child)
        if kind == "array":
            item = flattener.flat(child).get("items", {})
            if flattener.type_of(item) == "object":
                holders[name] = True
        elif kind == "object" or (not kind and flattener.choices(child)):
            holders[name] = False
    beside = len(properties) - 1
    wanted = stems(noun)
    for name in holders:
        called = stems(name)
        if wanted and beside <= 5 and (called == wanted or (called[-1:] == wanted[-1:] and beside <= 2)):
            return name
    for usual in _INNER:
        for name, is_array in holders.items():
            if squash(name) == usual and beside <= 4 and not (is_array and usual != "data"):
                return name
    if len(properties) == 1 and holders:
        return next(iter(holders))
    return None


def descend(reader: Reader, node: Any, path: str) -> Any:
    """The raw schema at a path like `data.attributes` or `Contacts[]`; {} where it leads nowhere."""
    for step in [s for s in path.split(".") if s]:
        name = step.removesuffix("[]")
        if name:
            node = reader.flattener.properties(node).get(name, {})
        if step.endswith("[]"):
            node = reader.flattener.flat(node).get("items", {})
    return node


def _batch_size(reader: Reader, operation: dict[str, Any], node: Any, envelope: str) -> int | None:
    if "[]" not in envelope:
        return None
    array = descend(reader, node, envelope.split("[]", 1)[0])
    flat = reader.flattener.flat(array)
    maximum = flat.get("maxItems")
    if isinstance(maximum, int) and not isinstance(maximum, bool) and maximum > 0:
        return maximum
    for text in (flat.get("description"), operation.get("description")):
        said = _BATCH.search(text) if type(text) is str else None
        if said is not None and int(said.group(1)) > 0:
            return int(said.group(1))
    return DEFAULT_BATCH


def _id_at(reader: Reader, found: Indexed, envelope: str) -> str | None:
    """Where the answer of a create holds the new record's id."""
    _, schema = reader.success(found.raw)
    if schema is None:
        return None
    flattener, noun = reader.flattener, found.endpoint.resource
    here, path = schema, ""
    for _ in range(4):
        if flattener.type_of(here) == "array":
            here, path = flattener.flat(here).get("items", {}), path + "[0]"
        own = id_field(flattener, here, noun)
        properties = flattener.properties(here)
        name = _answer_holder(flattener, properties, noun, is_batch="[]" in envelope)
        if own is not None and (name is None or squash(own) in ("id", "gid", "sid", "uuid")):
            return f"{path}.{own}" if path else own
        if name is None:
            for choice in flattener.choices(here):
                own = id_field(flattener, choice, noun)
                if own is not None:
                    return f"{path}.{own}" if path else own
            return None
        path = f"{path}.{name}" if path else name
        here = properties[name]
    return None


def _answer_holder(flattener: Any, properties: dict[str, Any], noun: str, *, is_batch: bool) -> str | None:
    """The property of an answer that holds the record (or the array of them, where many were sent)."""
    wanted = stems(noun)
    kinds = {name: flattener.type_of(child) for name, child in properties.items()}
    for name, kind in kinds.items():
        if (
            kind in ("object", "array")
            and wanted
            and stems(name)[-1:] == wanted[-1:]
            and len(properties) <= 6
        ):
            return name
    for usual in ("data", "result", "results", "resource", "response", "record"):
        for name, kind in kinds.items():
            if squash(name) == usual and kind in (
                ("object", "array") if is_batch else ("object", "array", "")
            ):
                return name
    return None


def _update(found: Indexed, index: Sequence[Indexed]) -> Endpoint | None:
    """The endpoint that changes one record of what this one creates."""
    base = segments(found.raw.path)
    best: tuple[int, Endpoint] | None = None
    for other in index:
        endpoint = other.endpoint
        parts = segments(other.raw.path)
        if endpoint.role not in ("update", "replace") or not endpoint.content_types or endpoint.deprecated:
            continue
        below = len(parts) == len(base) + 1 and parts[:-1] == base and "{" in parts[-1]
        upsert = parts == base and other.raw is not found.raw
        same_noun = endpoint.resource == found.endpoint.resource and parts[-1:] and "{" in parts[-1]
        if not (
            below or upsert or (same_noun and other.raw.path.count("{") == found.raw.path.count("{") + 1)
        ):
            continue
        method = {"PATCH": 0, "PUT": 1, "POST": 2}.get(other.raw.method, 3)
        cost = method + (0 if below else 10 if upsert else 20)
        if best is None or cost < best[0]:
            best = cost, endpoint
    return best[1] if best is not None else None


def _read_of_one(
    reader: Reader, found: Indexed, index: Sequence[Indexed], id_at: str | None
) -> Endpoint | None:
    """The endpoint that shows one record of what this one creates, by the id that creating it answers."""
    base, depth = segments(found.raw.path), found.raw.path.count("{")
    own = squash(re.split(r"[.\]]", id_at or "id")[-1])
    best: tuple[int, Endpoint] | None = None
    for other in index:
        endpoint, parts = other.endpoint, segments(other.raw.path)
        if endpoint.method.upper() != "GET" or endpoint.deprecated or other.raw.path.count("{") != depth + 1:
            continue
        if any(one.get("in") == "query" and one.get("required") for one in reader.parameters(other.raw)):
            continue
        is_below = len(parts) == len(base) + 1 and parts[:-1] == base
        is_same = endpoint.role == "read" and endpoint.resource == found.endpoint.resource
        if not (is_below or is_same) or "{" not in parts[-1]:
            continue
        # of `/Contacts/{ContactID}` and `/Contacts/{ContactNumber}` only the first takes the id
        name = squash(parts[-1])
        cost = (0 if is_below else 10) + (0 if name == own else 1 if name.endswith("id") else 2)
        if best is None or cost < best[0]:
            best = cost, endpoint
    return best[1] if best is not None else None


def _add_update_id(reader: Reader, shape: DestShape, index: Sequence[Indexed]) -> None:
    """Where the update's body must name the record: where it requires an `id` beside the envelope (JSON:API's
    `data.id`) or at the top, and, when its path names none, wherever its record has one."""
    update = shape.update
    other = next((one for one in index if update is not None and one.endpoint.key == update.key), None)
    body = best_body(reader.request_bodies(other.raw)) if other is not None else None
    if update is None or body is None or "[]" in shape.envelope:
        return
    flattener, has_path_id = reader.flattener, "{" in update.path
    holders = [shape.envelope.rpartition(".")[0], ""]
    for holder in dict.fromkeys(holders if has_path_id else [*holders, shape.envelope]):
        node = flattener.flat(descend(reader, body.schema, holder))
        field = flattener.properties(node).get("id")
        if field is None or flattener.flat(field).get("readOnly"):
            continue
        kind = flattener.type_of(field)
        if (has_path_id and "id" not in (node.get("required") or [])) or kind not in _ID_KINDS:
            continue
        shape.update_id_at = f"{holder}.id" if holder else "id"
        shape.update_id_is_number = kind == "integer"
        return


_ID_KINDS = ("string", "integer", "")


def _idempotency_header(reader: Reader, found: Indexed) -> str | None:
    for parameter in reader.parameters(found.raw):
        if parameter.get("in") == "header" and "idempoten" in squash(parameter["name"]):
            return str(parameter["name"])
    return None


def _add_lookup(reader: Reader, shape: DestShape, found: Indexed, index: Sequence[Indexed]) -> None:
    """Finds a list of the same things with a filter on a natural key, or at least a free-text one."""
    keys = [squash(re.split(r"[.\]]", path)[-1]) for path in shape.natural_keys]
    base = segments(found.raw.path)
    best: tuple[int, Indexed, str] | None = None
    for other in index:
        if other.endpoint.role != "list" or other.records is None or other.endpoint.method != "GET":
            continue
        parts = segments(other.raw.path)
        if other.endpoint.resource != found.endpoint.resource or other.raw.path.count(
            "{"
        ) > found.raw.path.count("{"):
            continue
        for parameter in reader.parameters(other.raw):
            if parameter.get("in") != "query":
                continue
            short = squash(parameter["name"])
            short = short.removeprefix("filter") or short
            rank = (
                keys.index(short)
                if short in keys
                else 10 + _FREE_TEXT_FILTERS.index(short)
                if short in _FREE_TEXT_FILTERS
                else None
            )
            if rank is None:
                continue
            cost = rank * 2 + (0 if parts == base else 1)
            if best is None or cost < best[0]:
                best = cost, other, parameter["name"]
    if best is None:
        return
    _, other, shape.lookup_param = best
    shape.lookup = other.endpoint
    if other.records is not None:
        shape.lookup_id_at = id_field(reader.flattener, other.records.item, other.endpoint.resource)
