"""A source and a destination over real HTTP that count what they receive and can be made to misbehave."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Hook = Callable[[web.Request], "web.StreamResponse | None"]


def person(number: int, **changes: Any) -> dict[str, Any]:
    """One source record."""
    minute, second = divmod(number % 3600, 60)
    return {
        "id": number,
        "email": f"person{number:06d}@example.com",
        "first_name": f"First{number}",
        "last_name": f"Last{number}",
        "total_spent": f"{number % 500}.50",
        "updated_at": f"2026-03-{1 + number // 3600 % 28:02d}T10:{minute:02d}:{second:02d}Z",
        **changes,
    }


class Apis:
    """Both APIs in one server on a thread of its own, so that a test may block or kill as it likes.

    `hook` sees each request first and may answer it; raising `Drop` closes the connection.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.people: list[dict[str, Any]] = []
        self.contacts: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, Any] = {}
        self.honours_keys = True
        self.requests: Counter[str] = Counter()
        self.seen_headers: list[dict[str, str]] = []
        self.hook: Hook | None = None
        self.drop_after: Callable[[web.Request], bool] | None = None
        self.app_post: Callable[[web.Request], Awaitable[web.Response]] | None = None
        """Answers `PUT /upsert`."""
        self.delay_seconds = 0.0
        self.refuses: Callable[[dict[str, Any]], str | None] = lambda body: None
        self.most_at_once = 0
        self._at_once = 0
        self._next_id = 1
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.port = 0

    def start(self) -> Apis:
        self._thread.start()
        self._ready.wait(10)
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def emails(self) -> Counter[str]:
        """How often each email is stored: all ones when nothing is doubled."""
        return Counter(str(contact.get("email")) for contact in self.contacts.values())

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application(middlewares=[self._middle], client_max_size=1 << 28)
        app.router.add_get("/people", self._list)
        app.router.add_get("/contacts", self._find)
        app.router.add_post("/contacts", self._create)
        app.router.add_post("/contacts/batch", self._batch)
        app.router.add_put("/upsert", self._other)
        app.router.add_put("/contacts/{id}", self._update)
        app.router.add_delete("/contacts/{id}", self._delete)
        runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, self.host, 0)
        self._loop.run_until_complete(site.start())
        self.port = runner.addresses[0][1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    @web.middleware
    async def _middle(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests[f"{request.method} {request.path}"] += 1
        self.requests[request.method] += 1
        self.seen_headers.append(dict(request.headers))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            answer = self.hook(request) if self.hook else None
            if answer is not None:
                return answer
            answer = await handler(request)
            if self.drop_after is not None and self.drop_after(request):
                assert request.transport is not None
                request.transport.close()
            return answer
        finally:
            self._at_once -= 1

    async def _other(self, request: web.Request) -> web.Response:
        assert self.app_post is not None
        return await self.app_post(request)

    async def _list(self, request: web.Request) -> web.Response:
        people = self.people
        since = request.query.get("updated_since")
        if since:
            people = [p for p in people if p["updated_at"] >= since]
        start, limit = int(request.query.get("cursor") or 0), int(request.query.get("limit") or 100)
        page = people[start : start + limit]
        following = str(start + limit) if start + limit < len(people) else None
        return web.json_response({"people": page, "next": following})

    async def _find(self, request: web.Request) -> web.Response:
        email = request.query.get("email")
        found = [c for c in self.contacts.values() if email is None or str(c.get("email")) == email]
        return web.json_response({"contacts": found[:50]})

    def _store(self, body: dict[str, Any]) -> dict[str, Any]:
        contact = {**body, "id": f"c{self._next_id}"}
        self._next_id += 1
        self.contacts[contact["id"]] = contact
        return contact

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        key = request.headers.get("Idempotency-Key")
        if key and self.honours_keys and key in self.keys:
            return web.json_response(self.keys[key])
        error = self.refuses(body)
        if error is not None:
            return web.json_response({"errors": [{"message": error}]}, status=422)
        contact = self._store(body)
        if key:
            self.keys[key] = contact
        return web.json_response(contact, status=201)

    async def _batch(self, request: web.Request) -> web.Response:
        body = await request.json()
        key = request.headers.get("Idempotency-Key")
        if key and self.honours_keys and key in self.keys:
            return web.json_response(self.keys[key])
        answers = []
        for item in body["contacts"]:
            error = self.refuses(item)
            answers.append({"HasErrors": True, "message": error} if error else self._store(item))
        answer = {"contacts": answers}
        if key:
            self.keys[key] = answer
        return web.json_response(answer)

    async def _update(self, request: web.Request) -> web.Response:
        contact_id = request.match_info["id"]
        if contact_id not in self.contacts:
            return web.json_response({"error": "no such contact"}, status=404)
        body = await request.json()
        error = self.refuses(body)
        if error is not None:
            return web.json_response({"errors": [{"message": error}]}, status=422)
        self.contacts[contact_id] = {**body, "id": contact_id}
        return web.json_response(self.contacts[contact_id])

    async def _delete(self, request: web.Request) -> web.Response:
        gone = self.contacts.pop(request.match_info["id"], None)
        return web.json_response({}, status=204 if gone else 404)


async def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    """Waits for something that another process or thread brings about."""
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"it did not happen within {seconds} s")


def digest(contacts: dict[str, dict[str, Any]]) -> str:
    """Equal for equal contents, whatever the ids and the order."""
    lines = sorted(
        json.dumps({k: v for k, v in c.items() if k != "id"}, sort_keys=True) for c in contacts.values()
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
