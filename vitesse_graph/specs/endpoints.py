"""The index: every operation as an `Endpoint`, in one pass that touches no schema deeper than it must."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from vitesse_graph.errors import InputError
from vitesse_graph.specs.auth import AuthReader
from vitesse_graph.specs.identity import id_field, incremental
from vitesse_graph.specs.limits import LimitReader
from vitesse_graph.specs.operations import Body, RawOperation, Reader, is_json
from vitesse_graph.specs.pagination import Knob, announces_more, declared, detect, may_page, part_of
from vitesse_graph.specs.paging_words import HOLDS_KNOBS
from vitesse_graph.specs.records import Records, find_records
from vitesse_graph.specs.roles import ends_in_parameter, resource, role
from vitesse_graph.specs.servers import server_urls
from vitesse_graph.specs.words import squash
from vitesse_graph.state.api_spec import AuthScheme, Endpoint, Guess, Pagination

_AUTH_HEADERS = frozenset({"authorization", "accept", "contenttype", "useragent", "cookie"})
_BODILESS = ("GET", "HEAD", "OPTIONS", "TRACE")
_FORM_ORDER = ("application/x-www-form-urlencoded", "multipart/form-data")


@dataclass(slots=True)
class Indexed:
    """An operation with what the first pass found out about it."""

    raw: RawOperation
    endpoint: Endpoint
    records: Records | None


class Indexer:
    """Makes endpoints of raw operations. One per document."""

    def __init__(self, reader: Reader, title: str, spec_url: str) -> None:
        self._reader = reader
        self._title = title
        self._spec_url = spec_url
        self._limits = LimitReader(reader)
        self._auth = AuthReader(reader)
        self.guesses: list[Guess] = []

    def index(self, operations: list[RawOperation]) -> tuple[list[Indexed], AuthScheme]:
        auth, own = self._auth.read(operations)
        secrets = {squash(h.name) for h in auth.headers} | _AUTH_HEADERS
        found = [self._one(raw, scheme, secrets) for raw, scheme in zip(operations, own, strict=True)]
        self.guesses.extend(self._auth.guesses)
        return found, auth

    @property
    def limits(self) -> LimitReader:
        return self._limits

    @property
    def auth(self) -> AuthReader:
        return self._auth

    def _one(self, raw: RawOperation, auth: AuthScheme | None, secrets: set[str]) -> Indexed:
        reader, operation = self._reader, raw.operation
        noun = resource(raw, self._title)
        bodies = reader.request_bodies(raw) if raw.method not in _BODILESS else []
        records, pagination = self._list(raw, noun, bodies)
        text = reader.resolver.text(operation.get("summary"))
        operation_id = operation.get("operationId")
        endpoint = Endpoint(
            method=raw.method,
            path=raw.path,
            operation_id=operation_id if type(operation_id) is str else None,
            summary=text or _first_sentence(reader.resolver.text(operation.get("description"))),
            role=role(
                raw,
                has_list=records is not None,
                has_body=bool(bodies),
                pages_in_body=pagination is not None and pagination.params_in == "body",
            ),
            resource=noun,
            deprecated=operation.get("deprecated") is True,
            auth=auth,
            rate_limit=self._limits.for_operation(raw),
            base_url=self._own_server(raw),
            content_types=content_types(bodies),
            required_headers=self._headers(raw, secrets),
        )
        if endpoint.role == "list":
            endpoint.pagination = pagination
        else:
            records = None
        correct(endpoint, operation)
        return Indexed(raw, endpoint, records)

    def _list(
        self, raw: RawOperation, noun: str, bodies: list[Body]
    ) -> tuple[Records | None, Pagination | None]:
        """Records and pagination where the answer is a list of records; (None, None) otherwise."""
        if raw.method not in ("GET", "POST", "QUERY"):
            return None, None
        reader = self._reader
        knobs = self._body_knobs(bodies) if bodies else []
        in_body = any(part_of(knob) in ("cursor", "offset", "page") for knob in knobs)
        if not in_body:
            knobs = self._query_knobs(raw)
        parts = {part_of(knob) for knob in knobs}
        pages, sized = bool(parts & {"cursor", "offset", "page"}), "size" in parts
        if raw.method != "GET" and not (bodies and (pages or sized)):
            return None, None
        response, schema = reader.success(raw)
        if schema is None:
            return None, None
        if not pages and ends_in_parameter(raw.path) and reader.flattener.type_of(schema) != "array":
            pages = announces_more(reader.flattener.properties(schema))
            if not pages:
                return None, None
        records = find_records(reader.flattener, schema, noun)
        if records is None or not self._is_list(raw, records, pages=pages, sized=sized):
            return None, None
        pagination = detect(
            knobs,
            reader.flattener,
            schema,
            items_at=records.at,
            item=records.item,
            headers=[str(name) for name in reader.resolver.mapping(response.get("headers"))],
            id_field=id_field(reader.flattener, records.item, noun),
            in_body=in_body,
        )
        if pagination.style == "none":
            pagination = _by_range(reader, raw, pagination)
        if pagination.style == "none" and pagination.page_size_param:
            pagination = self._by_time(raw, records, noun, pagination)
        return records, declared(raw.operation, pagination)

    def _by_time(self, raw: RawOperation, records: Records, noun: str, found: Pagination) -> Pagination:
        """A list that is cut off at a page size and has only a `since` to go on: by the last record's time."""
        reader = self._reader
        since = incremental(
            reader.flattener, reader.parameters(raw), reader.parameter_schema, records.item, noun
        )
        if since is None or since.field is None or since.location != "query":
            return found
        return found.evolve(style="timestamp", params=[since.param], next_from=f"last_item:{since.field}")

    def _is_list(self, raw: RawOperation, records: Records, *, pages: bool, sized: bool) -> bool:
        if raw.method == "POST":
            return pages or sized
        if records.at == "":
            return True
        if ends_in_parameter(raw.path):
            return pages and (records.is_usual or records.by_noun)
        return pages or sized or records.is_usual or records.by_noun

    def _query_knobs(self, raw: RawOperation) -> list[Knob]:
        reader = self._reader
        knobs = []
        for parameter in reader.parameters(raw):
            if parameter.get("in") != "query":
                continue
            if may_page(parameter["name"]):
                schema = reader.flattener.flat(reader.parameter_schema(parameter))
                knobs.extend(_knobs(reader, parameter, schema))
            elif "schema" in parameter and reader.flattener.type_of(parameter["schema"]) == "object":
                knobs.extend(_exploded(reader, parameter))
        return knobs

    def _body_knobs(self, bodies: list[Body]) -> list[Knob]:
        reader = self._reader
        knobs: list[Knob] = []
        for name, node in reader.flattener.properties(bodies[0].schema).items():
            if not may_page(str(name)) and squash(str(name)) not in HOLDS_KNOBS:
                continue
            flat = reader.flattener.flat(node)
            knobs.append(Knob(str(name), flat, reader.resolver.text(flat.get("description"))))
            if squash(name) in HOLDS_KNOBS:
                knobs.extend(_inner_knobs(reader, flat, f"{name}.{{}}"))
        return knobs

    def _headers(self, raw: RawOperation, secrets: set[str]) -> dict[str, str]:
        reader = self._reader
        headers: dict[str, str] = {}
        for parameter in reader.parameters(raw):
            if (
                parameter.get("in") == "header"
                and parameter.get("required") is True
                and squash(parameter["name"]) not in secrets
            ):
                schema = reader.flattener.flat(reader.parameter_schema(parameter))
                default = schema.get("default")
                if default is None and type(schema.get("enum")) is list and len(schema["enum"]) == 1:
                    default = schema["enum"][0]
                headers[parameter["name"]] = "" if default is None else str(default)
        return headers

    def _own_server(self, raw: RawOperation) -> str | None:
        given = raw.operation.get("servers", raw.item.get("servers"))
        urls = server_urls(self._reader.resolver, given, self._spec_url) if given else []
        return urls[0] if urls else None


def _by_range(reader: Reader, raw: RawOperation, found: Pagination) -> Pagination:
    """A list that is cut by a `Range` header of its own (`items=0-24`), which bytes are not asked for by."""
    for parameter in reader.parameters(raw):
        if parameter.get("in") == "header" and parameter["name"].lower() == "range":
            schema = reader.flattener.flat(reader.parameter_schema(parameter))
            said = f"{parameter.get('description')} {parameter.get('example')} {schema.get('example')}"
            if "bytes" not in said.lower():
                return found.evolve(style="offset", params=[parameter["name"]], params_in="header")
    return found


def _knobs(reader: Reader, parameter: dict[str, Any], schema: dict[str, Any]) -> list[Knob]:
    """One parameter as a knob; an object in `deepObject` style (`page[cursor]`) as one per property."""
    name, said = parameter["name"], parameter.get("description")
    description = said if type(said) is str else ""
    flattener = reader.flattener
    inner = flattener.properties(schema)
    for choice in flattener.choices(schema) if not inner else ():
        inner = inner or flattener.properties(choice)
    if not inner:
        return [Knob(name, schema, description)]
    if (squash(name) in HOLDS_KNOBS and parameter.get("style") == "deepObject") or squash(name) in (
        "page",
        "pagination",
        "paging",
    ):
        knobs = [Knob(f"{name}[{key}]", flattener.flat(node)) for key, node in inner.items()]
        # `page` is a number or an object: then the object's cursor is the surer way.
        is_either = flattener.type_of(schema) != "object" and not any(part_of(k) == "cursor" for k in knobs)
        return [*knobs, Knob(name, schema, description)] if is_either else knobs
    return _exploded(reader, parameter)


def _inner_knobs(reader: Reader, holder: dict[str, Any], name: str) -> list[Knob]:
    """The properties of an object in a body (`pagination: {page, per_page}`) as knobs called `pagination.page`."""
    flattener = reader.flattener
    return [
        Knob(name.format(key), flat, reader.resolver.text(flat.get("description")))
        for key, node in flattener.properties(holder).items()
        for flat in [flattener.flat(node)]
    ]


def _exploded(reader: Reader, parameter: dict[str, Any]) -> list[Knob]:
    """An object in a query without a style of its own (`pageable`): its properties are the parameters."""
    if parameter.get("style", "form") != "form" or parameter.get("explode") is False:
        return []
    flattener = reader.flattener
    return [
        Knob(name, flat, reader.resolver.text(flat.get("description")))
        for name, node in flattener.properties(reader.parameter_schema(parameter)).items()
        if may_page(name)
        for flat in [flattener.flat(node)]
    ]


def content_types(bodies: list[Body]) -> list[str]:
    """Media types of a request, the best first: JSON, then forms, then what else there is."""

    def order(name: str) -> int:
        if is_json(name):
            return 0
        base = name.split(";", 1)[0].strip().lower()
        return 1 + _FORM_ORDER.index(base) if base in _FORM_ORDER else 9

    names = [b.content_type for b in bodies]
    return names if len(names) < 2 else sorted(dict.fromkeys(names), key=order)


def _first_sentence(text: str) -> str:
    head = text.strip()[:400].split("\n", 1)[0]
    return re.split(r"(?<=[.!?])\s", head, maxsplit=1)[0][:200]


_CORRECTIONS = {
    f"x-vitesse-{name.replace('_', '-')}": name
    for name in ("pagination", "rate_limit", "role", "resource", "auth")
}


def correct(endpoint: Endpoint, operation: dict[str, Any]) -> None:
    """Takes over what an overlay states outright: `x-vitesse-pagination`, `-rate-limit`, `-role`, `-resource`, `-auth`.

    Each value has the shape of the `Endpoint` field that it replaces; a pagination is merged into
    what was found. Raises InputError when a value does not fit.
    """
    for key, name in _CORRECTIONS.items():
        if key not in operation:
            continue
        given = operation[key]
        if name == "pagination" and type(given) is dict:
            given = {**(endpoint.pagination or Pagination()).model_dump(), **given}
            endpoint.role = "list"
        try:
            corrected = Endpoint.model_validate({**endpoint.model_dump(), name: given})
        except ValidationError as error:
            raise InputError(f"{key} of {endpoint.key} does not fit: {error.errors()[0]['msg']}") from error
        setattr(endpoint, name, getattr(corrected, name))
