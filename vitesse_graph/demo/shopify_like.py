"""The stand-in for a shop: cursor pages through the Link header, a leaky bucket, and drift on demand.

It behaves as its own document says, quirks included: the cursor carries the filters, `page_info`
goes with no filter, money is a string, a full bucket answers 429 with `Retry-After`. The control
paths under `/__stand__/` are not part of the document; they let a demo or a test change the API
under the feet of those who use it.
"""

from __future__ import annotations

import base64
import binascii
import copy
import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

import orjson
from aiohttp import web

from vitesse_graph.demo.people import make_customers, make_orders, make_products

TOKEN = "shpat_demo_token"
BUCKET_SIZE = 40
LEAK_PER_SECOND = 20.0
MAX_LIMIT = 250
_FILTERS = ("since_id", "created_at_min", "updated_at_min", "updated_at_max", "status")

Json = dict[str, Any]


@dataclass
class LeakyBucket:
    """`size` requests at once; `leak_per_second` drain. `clock` gives seconds."""

    size: float = BUCKET_SIZE
    leak_per_second: float = LEAK_PER_SECOND
    clock: Callable[[], float] = time.monotonic
    level: float = 0.0
    at: float = 0.0

    def take(self) -> float | None:
        """None when the request fits, else the seconds until one would."""
        now = self.clock()
        self.level = max(0.0, self.level - (now - self.at) * self.leak_per_second)
        self.at = now
        if self.level + 1 > self.size:
            return (self.level + 1 - self.size) / self.leak_per_second
        self.level += 1
        return None

    def header(self) -> str:
        return f"{math.ceil(self.level)}/{int(self.size)}"


@dataclass
class Drift:
    """How the customer of today differs from the one of the first document."""

    rename: dict[str, str] = field(default_factory=dict)
    drop: set[str] = field(default_factory=set)
    releases: int = 0

    def apply_to_record(self, record: Json) -> Json:
        return {self.rename.get(key, key): value for key, value in record.items() if key not in self.drop}

    def apply_to_document(self, document: Json) -> Json:
        """The document as it reads after the drift: same order, next quarter's version."""
        if not self.releases:
            return document
        changed = copy.deepcopy(document)
        customer = changed["components"]["schemas"]["Customer"]
        customer["properties"] = self.apply_to_record(customer["properties"])
        customer["required"] = [
            self.rename.get(name, name) for name in customer["required"] if name not in self.drop
        ]
        year, month = map(int, changed["info"]["version"].split("-"))
        months = year * 12 + month - 1 + 3 * self.releases
        changed["info"]["version"] = f"{months // 12}-{months % 12 + 1:02d}"
        return changed


def load_document(name: str) -> Json:
    """One of the two OpenAPI documents beside this module."""
    document: Json = json.loads(files("vitesse_graph.demo").joinpath(name).read_text(encoding="utf-8"))
    return document


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=orjson.dumps(body), status=status, headers=headers, content_type="application/json"
    )


def serve_document(request: web.Request, document: Json, base_url: str) -> web.Response:
    """The document with this server's own address; 304 when the caller's copy is this one."""
    body = orjson.dumps({**document, "servers": [{"url": base_url}]})
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    if request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers={"ETag": etag})
    return web.Response(body=body, headers={"ETag": etag}, content_type="application/json")


@cache
def _first_records() -> bytes:
    """The data as at the start, as JSON: making it takes most of a second, reading it back does not."""
    customers, products = make_customers(), make_products()
    orders = make_orders(customers, products)
    return orjson.dumps({"customers": customers, "products": products, "orders": orders})


class ShopifyLike:
    """The shop's state and its request handlers."""

    def __init__(self, *, token: str = TOKEN, bucket: LeakyBucket | None = None) -> None:
        self.base_url = ""
        self.token = token
        self.bucket = bucket or LeakyBucket()
        self.document = load_document("shopify_like.json")
        self.reset()

    def reset(self) -> None:
        self.records: dict[str, list[Json]] = orjson.loads(_first_records())
        self.drift = Drift()
        self.requests = 0
        self.limited = 0

    # the API

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        for plural, singular in (("customers", "customer"), ("orders", "order"), ("products", "product")):
            app.router.add_get(f"/{plural}.json", self._list_handler(plural))
            app.router.add_get(f"/{plural}/count.json", self._count_handler(plural))
            app.router.add_get(rf"/{plural}/{{id:\d+}}.json", self._read_handler(plural, singular))
        app.router.add_get("/shop.json", self._shop)
        app.router.add_get("/openapi.json", self._openapi)
        app.router.add_get("/__stand__/stats", self._stats)
        app.router.add_post("/__stand__/drift", self._drift)
        app.router.add_post("/__stand__/touch", self._touch)
        app.router.add_post("/__stand__/token", self._rotate_token)
        app.router.add_post("/__stand__/reset", self._reset)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.startswith("/__stand__/") or request.path == "/openapi.json":
            response: web.StreamResponse = await handler(request)
            return response
        self.requests += 1
        if request.headers.get("X-Shopify-Access-Token") != self.token:
            return answer({"errors": "[API] Invalid API key or access token (unrecognized login)"}, 401)
        wait = self.bucket.take()
        if wait is not None:
            self.limited += 1
            return answer(
                {"errors": "Exceeded the call limit of the bucket. Slow down."},
                429,
                {"Retry-After": f"{wait:.2f}", "X-Shopify-Shop-Api-Call-Limit": self.bucket.header()},
            )
        try:
            response = await handler(request)
        except web.HTTPNotFound:
            response = answer({"errors": "Not Found"}, 404)
        response.headers["X-Shopify-Shop-Api-Call-Limit"] = self.bucket.header()
        return response

    def _list_handler(self, plural: str) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            try:
                page = _Page.from_query(dict(request.query))
                records = page.select(self.records[plural])
            except ValueError as error:
                return answer({"errors": str(error)}, 400)
            shown = records[page.start : page.start + page.limit]
            headers = page.link_header(f"{self.base_url}/{plural}.json", len(records))
            if plural == "customers" and self.drift.releases:
                shown = [self.drift.apply_to_record(record) for record in shown]
            if page.fields:
                shown = [
                    {key: value for key, value in record.items() if key in page.fields} for record in shown
                ]
            return answer({plural: shown}, headers=headers)

        return handle

    def _count_handler(self, plural: str) -> Callable[[web.Request], Any]:
        async def handle(_: web.Request) -> web.Response:
            return answer({"count": len(self.records[plural])})

        return handle

    def _read_handler(self, plural: str, singular: str) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            wanted = int(request.match_info["id"])
            for record in self.records[plural]:
                if record["id"] == wanted:
                    shown = self.drift.apply_to_record(record) if plural == "customers" else record
                    return answer({singular: shown})
            return answer({"errors": "Not Found"}, 404)

        return handle

    async def _shop(self, _: web.Request) -> web.Response:
        shop = {
            "id": 548_380_009,
            "name": "Nordvik Supply",
            "email": "hello@shop.example.com",
            "currency": "USD",
            "iana_timezone": "America/New_York",
        }
        return answer({"shop": shop})

    async def _openapi(self, request: web.Request) -> web.Response:
        return serve_document(request, self.drift.apply_to_document(self.document), self.base_url)

    # control

    async def _stats(self, _: web.Request) -> web.Response:
        counts = {plural: len(records) for plural, records in self.records.items()}
        return answer({**counts, "requests": self.requests, "limited": self.limited})

    async def _drift(self, request: web.Request) -> web.Response:
        """`{"rename": {old: new}, "drop": [name]}`: changes customers and the document at once."""
        body = await request.json()
        rename, drop = dict(body.get("rename", {})), set(body.get("drop", []))
        known = self.document["components"]["schemas"]["Customer"]["properties"]
        unknown = sorted((set(rename) | drop) - set(known))
        if unknown:
            return answer({"errors": f"no such field of a customer: {', '.join(unknown)}"}, 400)
        self.drift = Drift({**self.drift.rename, **rename}, self.drift.drop | drop, self.drift.releases + 1)
        return answer({"version": self.drift.apply_to_document(self.document)["info"]["version"]})

    async def _touch(self, request: web.Request) -> web.Response:
        """`{"count": n}`: n customers buy something now, so an incremental sync has work."""
        count = int((await request.json()).get("count", 10))
        now = datetime.now(UTC)
        for number, customer in enumerate(self.records["customers"][:count]):
            cents = int(customer["total_spent"].replace(".", "")) + 1_990
            customer["total_spent"] = f"{cents // 100}.{cents % 100:02d}"
            customer["orders_count"] += 1
            customer["updated_at"] = (now + timedelta(microseconds=number)).isoformat()
        return answer({"touched": min(count, len(self.records["customers"]))})

    async def _rotate_token(self, request: web.Request) -> web.Response:
        """`{"token": text}`: the old token is refused from now on."""
        self.token = str((await request.json())["token"])
        return answer({"rotated": True})

    async def _reset(self, _: web.Request) -> web.Response:
        self.reset()
        return answer({"reset": True})


@dataclass
class _Page:
    """What one list request asks for; `start` counts records after the filters."""

    limit: int = 50
    start: int = 0
    filters: Json = field(default_factory=dict)
    fields: set[str] = field(default_factory=set)

    @classmethod
    def from_query(cls, query: dict[str, str]) -> _Page:
        """Raises ValueError, in words for the caller, on what the document does not allow."""
        page = cls(fields=set(filter(None, query.get("fields", "").split(","))))
        filters = {name: query[name] for name in _FILTERS if name in query}
        if "page_info" in query:
            if filters:
                raise ValueError(f"page_info cannot be sent together with {', '.join(sorted(filters))}")
            try:
                cursor = json.loads(base64.urlsafe_b64decode(query["page_info"].encode()))
                page.start, page.filters, page.limit = cursor["start"], cursor["filters"], cursor["limit"]
            except (binascii.Error, ValueError, KeyError, TypeError) as error:
                raise ValueError("page_info is not a cursor of this API") from error
        else:
            page.filters = filters
        if "limit" in query:
            if not query["limit"].isdigit() or not 1 <= int(query["limit"]) <= MAX_LIMIT:
                raise ValueError(f"limit must be a whole number from 1 to {MAX_LIMIT}")
            page.limit = int(query["limit"])
        return page

    def select(self, records: list[Json]) -> list[Json]:
        """Records that pass the filters. Raises ValueError on a time that cannot be read."""
        tests: list[Callable[[Json], bool]] = []
        if "since_id" in self.filters:
            since = int(self.filters["since_id"])
            tests.append(lambda record: record["id"] > since)
        for name, attribute, sign in (
            ("created_at_min", "created_at", 1),
            ("updated_at_min", "updated_at", 1),
            ("updated_at_max", "updated_at", -1),
        ):
            if name in self.filters:
                tests.append(_time_test(attribute, _moment(self.filters[name]), sign))
        return [record for record in records if all(test(record) for test in tests)] if tests else records

    def link_header(self, url: str, total: int) -> dict[str, str]:
        links = []
        if self.start > 0:
            links.append(f'<{url}?{self._query(max(0, self.start - self.limit))}>; rel="previous"')
        if self.start + self.limit < total:
            links.append(f'<{url}?{self._query(self.start + self.limit)}>; rel="next"')
        return {"Link": ", ".join(links)} if links else {}

    def _query(self, start: int) -> str:
        cursor = json.dumps({"start": start, "filters": self.filters, "limit": self.limit})
        query: Json = {"limit": self.limit, "page_info": base64.urlsafe_b64encode(cursor.encode()).decode()}
        if self.fields:
            query["fields"] = ",".join(sorted(self.fields))
        return urlencode(query)


def _moment(text: str) -> datetime:
    try:
        # a plus sign that nobody escaped arrives as a space
        moment = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
    except ValueError as error:
        raise ValueError(f"not an ISO 8601 time: {text[:40]}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _time_test(attribute: str, bound: datetime, sign: int) -> Callable[[Json], bool]:
    if sign > 0:
        return lambda record: datetime.fromisoformat(record[attribute]) >= bound
    return lambda record: datetime.fromisoformat(record[attribute]) <= bound
