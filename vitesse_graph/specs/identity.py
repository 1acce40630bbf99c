"""What identifies a record, and which filter reads only what changed."""

from __future__ import annotations

import re
from typing import Any, Literal

from vitesse_graph.specs.flatten import Flattener
from vitesse_graph.specs.words import singular, split_words, squash
from vitesse_graph.state.api_spec import Incremental, ParameterLocation

NATURAL_KEYS = (
    "email", "emailaddress", "primaryemail", "externalid", "externalreference", "externalkey", "referenceid",
    "reference", "externalcode", "clientreference", "contactnumber", "customernumber", "accountnumber", "sku",
    "code", "number", "invoicenumber", "ordernumber", "phonenumber", "phone", "domain", "username", "login", "slug",
    "handle", "isbn", "barcode", "taxid", "name",
)  # fmt: skip
"""Names of fields by which people recognise a record, the most reliable first."""

_CHANGED = (
    "updatedat", "updated", "updatedon", "updatedtime", "modifiedat", "modified", "modifiedon", "lastmodified",
    "lastmodifieddate", "lastmodifiedat", "lastmodifieddateutc", "updateddateutc", "datemodified", "dateupdated",
    "modifieddate", "updateddate", "updatetime", "lastupdated", "lastupdatedat", "lastmodifieddatetime", "mtime",
    "updatedatutc", "hslastmodifieddate",
)  # fmt: skip
_MADE = (
    "createdat",
    "created",
    "createdon",
    "createddate",
    "datecreated",
    "createtime",
    "createdtime",
    "date",
    "timestamp",
    "time",
    "ts",
)
_RECORD_HOLDERS = ("resource", "node", "source", "record", "item", "entity", "object", "attributes")
"""Names under which an item holds the record proper (FHIR, GraphQL-like edges, search hits)."""
_LEVELS = ("attributes", "properties", "fields", "metadata", "meta")
_FILTERS = re.compile(
    r"^(?:(?:filter|q|where)_?)?(?P<what>updated|modified|changed|last_?modified|last_?updated|date_?modified|date_?updated|created)"
    r"(?:_?(?:at|on|date|time|datetime|utc))*_?(?P<how>min|since|after|from|gte?|ge|start|begin)$"
)
_SINCE = re.compile(
    r"^(?:if_modified_since|(?:modified|updated|changed|created)_?(?:since|after|from)|(?:min|from|start)_?(?:updated|modified|created)(?:_?(?:at|on|time|date))?|since|oldest|since_?(?:date|time)|begin_?time|start_?(?:time|date)|from_?date|updated_?at_?min)$"
)
_RANGE = ("gte", "gt", "min", "after", "from", "since", "start")


Levels = list[tuple[str, Any]]
"""(prefix, raw schema node): where fields of a record may lie."""


def id_field(flattener: Flattener, item: Any, noun: str, depth: int = 0) -> str | None:
    """Name of the field that identifies a record of this kind, or None."""
    properties = flattener.properties(item)
    if not properties:
        choices = flattener.choices(item)
        return id_field(flattener, choices[0], noun, depth + 1) if choices and depth < 4 else None
    short = {squash(name): name for name in properties}
    own = squash(noun)
    last = squash(noun.split(" ")[-1]) if noun else ""
    for wanted in (
        "id",
        f"{own}id",
        f"{last}id",
        "gid",
        "sid",
        "uuid",
        "guid",
        "uid",
        "objectid",
        "recordid",
        f"{own}key",
        "key",
    ):
        if wanted in short and flattener.type_of(properties[short[wanted]]) in (
            "string",
            "integer",
            "number",
            "",
        ):
            return short[wanted]
    title = squash(str(flattener.flat(item).get("title", "")))
    if f"{title}id" in short:
        return short[f"{title}id"]
    ids = [
        n
        for n in properties
        if squash(n).endswith("id") and flattener.type_of(properties[n]) in ("string", "integer")
    ]
    first = next(iter(properties))
    if first in ids or len(ids) == 1:
        return ids[0]
    inside = _inner_id(flattener, properties, own, last)
    if inside is not None:
        return inside
    meta = next((n for n in properties if squash(n) in ("metadata", "sys", "system")), None)
    if meta is not None:
        inner = {squash(name): name for name in flattener.properties(properties[meta])}
        for wanted in ("uid", "id", "uuid", "name"):
            if wanted in inner:
                return f"{meta}.{inner[wanted]}"
    return None


def _inner_id(flattener: Flattener, properties: dict[str, Any], own: str, last: str) -> str | None:
    """The id where each item is a wrapping of the record: `customer.id`, `resource.id`, `transaction_info.transaction_id`."""
    for name, child in properties.items():
        if flattener.type_of(child) != "object":
            continue
        inner = {squash(n): n for n in flattener.properties(child)}
        holds_record = squash(name) in (own, last, *_RECORD_HOLDERS)
        for wanted in ("id", "uuid", "key") if holds_record else ():
            if wanted in inner:
                return f"{name}.{inner[wanted]}"
        for wanted in (f"{own}id", f"{last}id"):
            if wanted in inner and len(wanted) > 2:
                return f"{name}.{inner[wanted]}"
    return None


def natural_keys(
    flattener: Flattener, node: Any, noun: str = "", prefix: str = "", limit: int = 4
) -> list[str]:
    """Paths of natural keys of a record, best first; also those one level down, inside `attributes` or what the record is called."""
    found: list[tuple[int, str]] = []
    properties = flattener.properties(node)
    if not properties:
        node = next(iter(flattener.choices(node)), None)
    levels = [path for path, _ in _levels(flattener, node, noun)[1:]] if not prefix else []
    for name, child in flattener.properties(node).items():
        short = squash(name)
        kind = flattener.type_of(child)
        if short in NATURAL_KEYS and kind in ("string", "integer", ""):
            found.append((NATURAL_KEYS.index(short), f"{prefix}{name}"))
        elif f"{name}." in levels:
            inner = natural_keys(flattener, child, prefix=f"{name}.", limit=limit)
            found.extend((NATURAL_KEYS.index(squash(path.rsplit(".", 1)[-1])), path) for path in inner)
    return [path for _, path in sorted(found)][:limit]


def incremental(
    flattener: Flattener, parameters: list[dict[str, Any]], schema_of: Any, item: Any, noun: str = ""
) -> Incremental | None:
    """The parameter by which only changed records are read, and the field its next value comes from.

    `schema_of` gives the raw schema node of a parameter. Filters on the time of change come before
    those on the time of creation (which never see an update).
    """
    best: tuple[int, Incremental] | None = None
    levels = _levels(flattener, item, noun)
    for parameter in parameters:
        where = parameter.get("in")
        if where not in ("query", "header"):
            continue
        schema = schema_of(parameter)
        found = _as_filter(flattener, parameter["name"], schema, where)
        if found is None:
            continue
        name, about_change = found
        description = parameter.get("description")
        text = description if type(description) is str else ""
        field = _named_field(levels, flattener, text) or _field(levels, flattener, about_change)
        if field is not None and squash(field.rsplit(".", 1)[-1]) in _MADE:
            about_change = False
        rank = (0 if about_change else 2) + (0 if field is not None else 1)
        if best is None or rank < best[0]:
            form = _format(flattener, schema, name, text)
            best = rank, Incremental(param=name, location=where, field=field, format=form)
    return best[1] if best is not None else None


def _as_filter(
    flattener: Flattener, name: str, schema: Any, where: ParameterLocation
) -> tuple[str, bool] | None:
    """(parameter name to send, whether it is about change), where this is such a filter."""
    words = split_words(name)
    snake = "_".join(words)
    if snake == "if_modified_since":
        return name, True
    if where != "query" or flattener.type_of(schema) in ("boolean", "array"):
        return None
    found = _FILTERS.match(snake)
    if found is not None:
        return name, found["what"] != "created"
    if _SINCE.match(snake):
        return name, "created" not in snake
    # a range object, `created[gte]`: one name, its bounds as properties
    if squash(name) in (*_CHANGED, *_MADE):
        for node in (schema, *flattener.choices(schema)):
            for bound in flattener.properties(node):
                if bound.lower() in _RANGE:
                    preferred = "gte" if "gte" in flattener.properties(node) else bound
                    return f"{name}[{preferred}]", squash(name) in _CHANGED
    return None


def _named_field(levels: Levels, flattener: Flattener, description: str) -> str | None:
    """The record's time field that a filter's description names (`created_at`), if it names one only."""
    words = set(re.findall(r"[A-Za-z]+_[A-Za-z_]+|[a-z]+[A-Z]\w+", description))
    found = [
        prefix + name
        for prefix, node in levels
        for name in flattener.properties(node)
        if name in words and squash(name) in (*_CHANGED, *_MADE)
    ]
    return found[0] if len(found) == 1 else None


def _field(levels: Levels, flattener: Flattener, about_change: bool) -> str | None:
    """The record's field that the filter compares with; looks into `attributes` too."""
    for names in (_CHANGED, _MADE) if about_change else (_MADE, ()):
        for prefix, node in levels:
            short = {squash(name): name for name in flattener.properties(node)}
            for wanted in names:
                if wanted in short:
                    return prefix + short[wanted]
    return None


def _levels(flattener: Flattener, item: Any, noun: str = "") -> list[tuple[str, Any]]:
    """The record, and what of it lies one level down; where it has no id of its own, also what it wraps."""
    levels = [("", item)]
    properties = flattener.properties(item)
    is_wrapping = not any(squash(name) in ("id", "uuid", "key") for name in properties)
    names = (*_LEVELS, *_RECORD_HOLDERS, squash(noun)) if is_wrapping else _LEVELS
    for name, child in properties.items():
        if squash(name) in names and flattener.type_of(child) == "object":
            levels.append((f"{name}.", child))
    return levels


def _format(
    flattener: Flattener, schema: Any, name: str, description: str
) -> Literal["iso8601", "unix_seconds", "unix_milliseconds", "date", "http_date"]:
    if (
        squash(name) == "ifmodifiedsince"
        and "-" in name
        and not re.search(r"\d{4}-\d\d-\d\dT|ISO", description)
    ):
        return "http_date" if flattener.flat(schema).get("format") != "date-time" else "iso8601"
    kind = flattener.type_of(schema)
    format_ = str(flattener.flat(schema).get("format", ""))
    if "[" in name:
        for node in (schema, *flattener.choices(schema)):
            bound = flattener.properties(node).get(name[name.index("[") + 1 : -1])
            if bound is not None:
                kind = flattener.type_of(bound)
    text = description.lower()
    if kind in ("integer", "number") or "unix" in text or "epoch" in text:
        return "unix_milliseconds" if "millisecond" in text else "unix_seconds"
    return "date" if format_ == "date" else "iso8601"


def noun_of(words: tuple[str, ...]) -> str:
    """Words as a singular noun phrase: ("bank", "transactions") → `bank transaction`."""
    if not words:
        return ""
    return " ".join((*words[:-1], singular(words[-1])))
