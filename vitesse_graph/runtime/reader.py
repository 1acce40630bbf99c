"""Reading the source page by page: requests, repeats, items, loops, watermark."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson

from vitesse_graph.errors import UpstreamError
from vitesse_graph.runtime.client import Answer, ApiClient
from vitesse_graph.runtime.fields import at
from vitesse_graph.runtime.paginate import (
    Position,
    first_position,
    next_position,
    request_for,
    same_origin,
)
from vitesse_graph.state.api_spec import Pagination
from vitesse_graph.state.definition import SourceSide
from vitesse_graph.state.positions import read_place, write_place

_MOST_PASSES = 3
_REMEMBERED_BYTES = 1 << 20
"""Up to here the page before is kept as it is: two pages differ in their first bytes, a hash reads them all."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its records, and where the next one lies (None after the last)."""

    number: int
    records: list[Any]
    next: Position | None
    server_date: str | None = None


class PositionExpired(UpstreamError):
    """The source does not know the position any more at which a run was to be taken up."""


class _Walk:
    """What is remembered on the way through the pages: small, whatever their number."""

    def __init__(self, passes: int = 1) -> None:
        self.passes = passes
        self.seen_items = 0
        self._total: int | None = None
        self._has_shrunk = False
        self._positions: set[int] = set()
        self._before: bytes | int | None = None

    def count(self, items: list[Any], total: Any) -> None:
        """A page's records, and how many the source says there are."""
        self.seen_items += len(items)
        if isinstance(total, int) and not isinstance(total, bool):
            self._has_shrunk = self._has_shrunk or (self._total is not None and total < self._total)
            self._total = total

    def must_go_again(self, style: str) -> bool:
        """Whether records may have slipped through; three times at most."""
        return self._has_shrunk and style in ("page", "offset") and self.passes < _MOST_PASSES

    def is_circle(self, following: Position, content: bytes | None) -> bool:
        """Whether this page, or the position after it, was here before."""
        mark = hash(json.dumps(following, sort_keys=True))
        page = content if content is None or len(content) < _REMEMBERED_BYTES else hash(content)
        is_repeated = mark in self._positions or (page is not None and page == self._before)
        self._positions.add(mark)
        self._before = page
        return is_repeated


class SourceReader:
    """Pages of the source from a position on."""

    def __init__(self, side: SourceSide, client: ApiClient, *, filters: dict[str, str] | None = None) -> None:
        self._side = side
        self._client = client
        self._filters = filters or {}

    async def pages(self, start: Position | None = None, number: int = 0) -> AsyncIterator[Page]:
        """Every page from `start` on. Raises UpstreamError when the source refuses or runs in circles.

        Where pages are counted and the source says how many records there are, a number that shrinks on
        the way means that records moved up, and some may have slipped through between two pages: then
        everything is read once more (what was read before is found unchanged).
        """
        side = self._side
        position, is_resumed = start, start is not None
        walk = _Walk()
        while True:
            answer = await self._fetch(position)
            if walk.seen_items and _is_past_the_end(side.pagination, answer.status):
                yield Page(number, [], None)
                return
            if answer.verdict != "ok":
                self._refuse(answer, is_resumed)
            is_resumed = False
            body, items = self._parse(answer)
            total_from = side.pagination.total_from
            walk.count(items, read_place(body, total_from) if total_from else None)
            following = next_position(side.pagination, position, body, answer.headers, items, walk.seen_items)
            if following is None and walk.must_go_again(side.pagination.style):
                following = first_position(side.pagination)
                walk = _Walk(passes=walk.passes + 1)
            elif following is not None and walk.is_circle(following, answer.body if items else None):
                raise UpstreamError(
                    f"pagination of {self._client.name} runs in circles at page {number + 1}: "
                    "the same page came again; check the pagination settings",
                    is_transient=False,
                )
            yield Page(number, items, following, answer.headers.get("Date"))
            if following is None:
                return
            position, number = following, number + 1

    async def _fetch(self, position: Position | None) -> Answer:
        side, call = self._side, self._side.read
        request = request_for(side.pagination, position)
        url = self._client.url_of(call)
        body: bytes | None = None
        headers = {"Accept": "application/json", **call.headers, **request.headers}
        if request.url is not None:
            url = same_origin(self._client.origin, request.url, url)
        elif side.pagination.params_in == "body":
            body = orjson.dumps(_body(self._filters, request.params))
        elif self._filters or request.params:
            paging = {name: str(value) for name, value in request.params.items()}
            url = url.update_query({**self._filters, **paging})
        if call.method.upper() == "POST":
            headers["Content-Type"] = call.content_type
            body = body or b"{}"
        return await self._client.read(call.method.upper(), url, body=body, headers=headers)

    def _refuse(self, answer: Answer, is_resumed: bool) -> None:
        if is_resumed and 400 <= answer.status < 500:
            raise PositionExpired("the source no longer knows where the run stopped", status=answer.status)
        raise UpstreamError(
            f"{self._client.name} refused to be read: {self._client.describe(answer)}",
            status=answer.status,
            is_transient=False,
        )

    def _parse(self, answer: Answer) -> tuple[Any, list[Any]]:
        if not answer.body:
            return None, []
        try:
            body = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            body = self._parse_loosely(answer)
        where = self._side.pagination.items_at
        items = at(body, where) if where else body
        if items is None:
            if isinstance(body, dict) and where and where.partition(".")[0] not in body:
                raise UpstreamError(
                    f"the answer of {self._client.name} has no records at {where!r}; "
                    f"its keys are {', '.join(sorted(map(str, body))[:12])}",
                    is_transient=False,
                )
            return body, []
        if isinstance(items, dict):
            return body, [items]
        if not isinstance(items, list):
            raise UpstreamError(f"{self._client.name} has no list at {where!r}", is_transient=False)
        return body, items

    def _parse_loosely(self, answer: Answer) -> Any:
        """Lone surrogates and the like, which the fast parser refuses and the standard one takes."""
        try:
            return json.loads(answer.body.decode("utf-8", "replace"))
        except ValueError as error:
            raise UpstreamError(
                f"{self._client.name} answered with something that is no JSON", is_transient=True
            ) from error


def _is_past_the_end(pagination: Pagination, status: int) -> bool:
    """Some APIs answer with a refusal for a page after the last; for a range this is the standard's way."""
    if pagination.params_in == "header":
        return status == 416
    return status in (404, 410) and pagination.style == "page"


def _body(filters: dict[str, str], params: dict[str, Any]) -> dict[str, Any]:
    """Filters and position as a body; a dotted name (`pagination.page`) lies as deep as it says."""
    body: dict[str, Any] = {}
    numbers = {name: int(value) if value.isdigit() else value for name, value in filters.items()}
    for name, value in {**numbers, **params}.items():
        write_place(body, name, value)
    return body
