"""The stand-in for a CRM: strict about what it is sent, and it counts what it receives.

Bodies are checked against the schemas of its own document, so document and behaviour cannot part.
`GET /__stand__/stats` tells how many creates, updates and refusals there were; it is the witness
that a sync lost and doubled nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import orjson
from aiohttp import web

from vitesse_graph.demo.shopify_like import answer, load_document, serve_document

API_KEY = "credo_demo_key"
_PLURALS = {"contacts": "Contact", "companies": "Company", "deals": "Deal"}
_LOOKUPS = {"contacts": "email", "companies": "name", "deals": "title"}

Json = dict[str, Any]


@dataclass
class Collection:
    """Records of one kind in the order of their creation, and what was done to them."""

    prefix: str
    validator: jsonschema_rs.Draft202012Validator
    empty: Json
    """What a record holds where nothing was sent, in the order of its fields."""
    lookup: str
    is_unique: bool
    records: dict[str, Json] = field(default_factory=dict)
    by_lookup: dict[str, str] = field(default_factory=dict)
    """Lower-cased lookup value → id; kept for unique lookups only."""
    answered: dict[str, tuple[int, Json]] = field(default_factory=dict)
    """Answers by idempotency key."""
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def faults(self, body: Any) -> list[dict[str, str]]:
        """Each fault with the field it concerns; [] when the body is good."""
        if self.validator.is_valid(body):
            return []
        return [_describe(error) for error in self.validator.iter_errors(body)]

    def holder(self, body: Json) -> str | None:
        """The id of the record that has this body's unique value already."""
        return self.by_lookup.get(str(body[self.lookup]).lower()) if self.is_unique else None

    def store(self, record_id: str, body: Json) -> Json:
        """Writes a new record, or the sent fields of a known one."""
        before = self.records.get(record_id)
        if self.is_unique:
            if before is not None:
                self.by_lookup.pop(str(before[self.lookup]).lower(), None)
            self.by_lookup[str(body[self.lookup]).lower()] = record_id
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        record = {"id": record_id, **(before or self.empty), **body, "updated_at": now}
        self.records[record_id] = record
        return record

    def remove(self, record_id: str) -> None:
        record = self.records.pop(record_id)
        if self.is_unique:
            self.by_lookup.pop(str(record[self.lookup]).lower(), None)

    def find(self, value: str | None) -> list[Json]:
        if value is None:
            return list(self.records.values())
        if self.is_unique:
            found = self.by_lookup.get(value.lower())
            return [self.records[found]] if found else []
        return [record for record in self.records.values() if record[self.lookup] == value]


def _empty(schema: Json) -> Json:
    """[] for an array, null where the schema allows it; other fields are left out."""
    empty: Json = {}
    for name, field_schema in schema["properties"].items():
        if field_schema["type"] == "array":
            empty[name] = []
        elif "null" in field_schema["type"]:
            empty[name] = None
    return empty


def _describe(error: jsonschema_rs.ValidationError) -> dict[str, str]:
    path = ".".join(str(part) for part in error.instance_path)
    kind = error.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        return {"field": kind.property, "message": "is required"}
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        return {"field": ", ".join(kind.unexpected), "message": "is not a known field"}
    return {"field": path, "message": error.message}


class CredoLike:
    """The CRM's state and its request handlers."""

    def __init__(self, *, key: str = API_KEY) -> None:
        self.base_url = ""
        self.key = key
        self.document = load_document("credo_like.json")
        self.reset()

    def reset(self) -> None:
        schemas = self.document["components"]["schemas"]
        self.collections = {}
        for plural, name in _PLURALS.items():
            schema = schemas[f"{name}Write"]
            self.collections[plural] = Collection(
                prefix=name.lower()[:3],
                validator=jsonschema_rs.Draft202012Validator(schema, validate_formats=True),
                empty=_empty(schema),
                lookup=_LOOKUPS[plural],
                is_unique=plural == "contacts",
            )
        self.requests = 0
        self.unauthorised = 0

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        for plural in _PLURALS:
            app.router.add_get(f"/{plural}", self._bind(plural, self._list))
            app.router.add_post(f"/{plural}", self._bind(plural, self._create))
            app.router.add_get(f"/{plural}/{{id}}", self._bind(plural, self._read))
            app.router.add_put(f"/{plural}/{{id}}", self._bind(plural, self._update))
            app.router.add_delete(f"/{plural}/{{id}}", self._bind(plural, self._delete))
        app.router.add_get("/openapi.json", self._openapi)
        app.router.add_get("/__stand__/stats", self._stats)
        app.router.add_post("/__stand__/key", self._rotate_key)
        app.router.add_post("/__stand__/reset", self._reset)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        is_open = request.path.startswith("/__stand__/") or request.path == "/openapi.json"
        if not is_open:
            self.requests += 1
            if request.headers.get("X-API-Key") != self.key:
                self.unauthorised += 1
                return answer({"error": "unauthorised", "message": "The key is missing or wrong."}, 401)
        try:
            response: web.StreamResponse = await handler(request)
        except web.HTTPNotFound:
            return _not_found()
        return response

    def _bind(self, plural: str, handler: Any) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            response: web.Response = await handler(request, self.collections[plural])
            return response

        return handle

    async def _list(self, request: web.Request, collection: Collection) -> web.Response:
        page, per_page = request.query.get("page", "1"), request.query.get("per_page", "25")
        faults = []
        if not page.isdigit() or int(page) < 1:
            faults.append({"field": "page", "message": "must be a whole number from 1"})
        if not per_page.isdigit() or not 1 <= int(per_page) <= 100:
            faults.append({"field": "per_page", "message": "must be a whole number from 1 to 100"})
        if faults:
            return _invalid(faults)
        found = collection.find(request.query.get(collection.lookup))
        start = (int(page) - 1) * int(per_page)
        shown = found[start : start + int(per_page)]
        return answer({"data": shown, "page": int(page), "per_page": int(per_page), "total": len(found)})

    async def _create(self, request: web.Request, collection: Collection) -> web.Response:
        key = request.headers.get("Idempotency-Key")
        if key and key in collection.answered:
            collection.count("replays")
            status, earlier = collection.answered[key]
            return answer(earlier, status, {"Idempotent-Replayed": "true"})
        body, faults = await self._body(request, collection)
        if faults:
            return _invalid(faults)
        holder = collection.holder(body)
        if holder is not None:
            collection.count("doubles")
            return _conflict(collection, holder)
        record = collection.store(f"{collection.prefix}_{len(collection.records) + 1:06d}", body)
        collection.count("creates")
        if key:
            collection.answered[key] = (201, record)
        return answer(record, 201)

    async def _read(self, request: web.Request, collection: Collection) -> web.Response:
        record = collection.records.get(request.match_info["id"])
        return answer(record) if record else _not_found()

    async def _update(self, request: web.Request, collection: Collection) -> web.Response:
        record_id = request.match_info["id"]
        if record_id not in collection.records:
            return _not_found()
        body, faults = await self._body(request, collection)
        if faults:
            return _invalid(faults)
        holder = collection.holder(body)
        if holder not in (None, record_id):
            collection.count("doubles")
            return _conflict(collection, str(holder))
        collection.count("updates")
        return answer(collection.store(record_id, body))

    async def _delete(self, request: web.Request, collection: Collection) -> web.Response:
        if request.match_info["id"] not in collection.records:
            return _not_found()
        collection.remove(request.match_info["id"])
        collection.count("deletes")
        return web.Response(status=204)

    async def _body(self, request: web.Request, collection: Collection) -> tuple[Json, list[dict[str, str]]]:
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            faults = [{"field": "", "message": "the body is not JSON"}]
            body = {}
        else:
            faults = collection.faults(body)
        if faults:
            collection.count("invalid")
        return body, faults

    async def _openapi(self, request: web.Request) -> web.Response:
        return serve_document(request, self.document, self.base_url)

    async def _stats(self, _: web.Request) -> web.Response:
        """Of the contacts: `creates, updates, deletes, doubles` (refused, their email is taken), `invalid`, `replays`."""
        contacts = self.collections["contacts"]
        counted = {
            what: contacts.counts.get(what, 0)
            for what in ("creates", "updates", "deletes", "doubles", "invalid", "replays")
        }
        return answer(
            {
                **counted,
                **{plural: len(collection.records) for plural, collection in self.collections.items()},
                "requests": self.requests,
                "unauthorised": self.unauthorised,
            }
        )

    async def _rotate_key(self, request: web.Request) -> web.Response:
        """`{"key": text}`: the old key is refused from now on."""
        self.key = str((await request.json())["key"])
        return answer({"rotated": True})

    async def _reset(self, _: web.Request) -> web.Response:
        self.reset()
        return answer({"reset": True})


def _not_found() -> web.Response:
    return answer({"error": "not_found", "message": "There is no such record."}, 404)


def _invalid(faults: list[dict[str, str]]) -> web.Response:
    message = f"{len(faults)} field(s) were refused."
    return answer({"error": "validation_failed", "message": message, "fields": faults}, 422)


def _conflict(collection: Collection, holder: str) -> web.Response:
    message = f"Another record has this {collection.lookup}."
    return answer({"error": "conflict", "message": message, "id": holder}, 409)
