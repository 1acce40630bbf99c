"""Reading the source page by page, as the deployed integration will."""

from __future__ import annotations

import copy
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from vitesse_graph.guardian.paths import read
from vitesse_graph.guardian.targets import Answer, Call
from vitesse_graph.state.api_spec import Pagination, SourceShape
from vitesse_graph.state.positions import read_place, write_place

PAGES_WANTED = 4
_LARGEST_PAGE = 200
_NEXT_LINK = re.compile(r'<([^>]*)>\s*;[^,]*\brel\s*=\s*"?[^",;]*\bnext\b', re.IGNORECASE)

Caller = Callable[[Call], Awaitable[Answer]]


async def read_source(
    shape: SourceShape, first: Call, call: Caller, wanted: int
) -> AsyncIterator[list[dict[str, Any]]]:
    """Pages of records until `wanted` were read, the list ends, a call fails, or a page comes again.

    The page size is chosen so that at least four pages are asked for: pagination is part of what is
    tested.
    """
    pagination = shape.endpoint.pagination or Pagination()
    size = max(1, min(-(-wanted // PAGES_WANTED), pagination.max_page_size or _LARGEST_PAGE, _LARGEST_PAGE))
    position: Any = None
    seen, known = 0, set[str]()
    while seen < wanted:
        answer = await call(page_call(pagination, first, position, size))
        if not answer.ok:
            return
        body = answer.value()
        items = items_in(body, shape)
        if items:
            yield [
                record
                for item in items[: wanted - seen]
                if isinstance(record := read(item, shape.record_at), dict)
            ]
        seen += len(items)
        position = next_position(pagination, position, body, answer, items, seen)
        if position is None or repr(position) in known:
            return
        known.add(repr(position))


def items_in(body: Any, shape: SourceShape) -> list[Any]:
    """The array of records in one answer; [] where it is not there."""
    pagination = shape.endpoint.pagination
    place = shape.items_at if shape.items_at is not None else (pagination.items_at if pagination else None)
    found = read(body, place or "")
    if isinstance(found, list):
        return found
    return [found] if isinstance(found, dict) and not place else []


def page_call(pagination: Pagination, first: Call, position: Any, size: int) -> Call:
    """The request for one page; `position` None is the first, `{"url": …}` an address, else a value."""
    if isinstance(position, dict):
        return Call(
            method=first.method, path=first.path, headers=first.headers, url=str(position["url"]), key=first.key, auth=first.auth,
            is_read=first.is_read,
        )  # fmt: skip
    moved: dict[str, Any] = {}
    if pagination.page_size_param:
        moved[pagination.page_size_param] = size
    if pagination.params:
        name = pagination.params[0]
        if position is not None:
            moved[name] = position
        elif pagination.style == "page":
            moved[name] = pagination.first_page
        elif pagination.style == "offset":
            moved[name] = pagination.first_offset
    query, body, headers = dict(first.query), first.body, first.headers
    if pagination.params_in == "body":
        body = copy.deepcopy(body) if body else {}
        for name, value in moved.items():
            write_place(body, name, value)
    elif pagination.params_in == "header":
        start = int(moved.pop(pagination.params[0], 0))
        headers = {**headers, pagination.params[0]: f"items={start}-{start + size - 1}"}
    else:
        query |= {name: str(value) for name, value in moved.items()}
    return Call(
        method=first.method, path=first.path, query=query, headers=headers, body=body,
        content_type=first.content_type, key=first.key, auth=first.auth, is_read=first.is_read,
    )  # fmt: skip


def next_position(
    pagination: Pagination, position: Any, body: Any, answer: Answer, items: list[Any], seen: int
) -> Any:
    """Where the next page lies; None when this was the last."""
    style = pagination.style
    if style == "none" or not items:
        return None
    if pagination.has_more_from and read_place(body, pagination.has_more_from) is False:
        return None
    # A cursor (or page) that comes in the Link header is followed as a link.
    if style == "link_header" or (pagination.next_from or "").lower() == "header:link":
        found = _NEXT_LINK.search(answer.headers.get("link", ""))
        return {"url": found[1]} if found else None
    source = pagination.next_from or ""
    if style in ("page", "offset") and not source:
        total = read_place(body, pagination.total_from) if pagination.total_from else None
        if isinstance(total, int) and seen >= total:
            return None
        return (
            (position or pagination.first_offset) + len(items)
            if style == "offset"
            else (position or pagination.first_page) + 1
        )
    return _token(pagination, source, body, answer, items)


def _token(pagination: Pagination, source: str, body: Any, answer: Answer, items: list[Any]) -> Any:
    if source.startswith("header:"):
        value: Any = answer.headers.get(source.removeprefix("header:").lower())
    elif source.startswith("last_item:"):
        value = read_place(items[-1], source.removeprefix("last_item:"))
    else:
        value = read_place(body, source) if source else None
    if value in (None, ""):
        return None
    return {"url": str(value)} if pagination.next_is_url else value
