"""Walking a list endpoint: pure functions from one answer to the next request.

A position is a small JSON object (`{"value": …}` or `{"url": …}`) that can be kept in the database and
taken up again; None stands before the first page. Loops are found by positions that come back and by
pages that repeat the page before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from yarl import URL

from vitesse_graph.errors import UpstreamError
from vitesse_graph.state.api_spec import Pagination
from vitesse_graph.state.positions import read_place

Position = dict[str, Any]

END: Position = {"end": True}
"""The position after the last page: everything was read."""

_LINK = re.compile(r'<([^>]*)>\s*((?:;\s*[^,;"=]+(?:="[^"]*"|=[^,;]*)?\s*)*)')
_DEFAULT_PAGE_SIZE = 100
_LARGEST_PAGE_SIZE = 500


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What one page's request carries beside the call: parameters, headers, or a URL of its own.

    Values are as the answer gave them: a body carries a number as a number, and a list as a list.
    """

    params: dict[str, Any]
    url: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


def page_size(pagination: Pagination) -> int:
    """How many records to ask for."""
    wanted = pagination.max_page_size or pagination.default_page_size or _DEFAULT_PAGE_SIZE
    return max(1, min(wanted, _LARGEST_PAGE_SIZE))


def first_position(pagination: Pagination) -> Position:
    """The first page of a counted walk, written out."""
    return {"value": pagination.first_page if pagination.style == "page" else pagination.first_offset}


def request_for(pagination: Pagination, position: Position | None) -> PageRequest:
    """The request for the page at `position`."""
    if position is not None and "url" in position:
        return PageRequest({}, str(position["url"]))
    params: dict[str, Any] = {}
    if pagination.page_size_param:
        params[pagination.page_size_param] = page_size(pagination)
    name = pagination.params[0] if pagination.params else None
    if name is None:
        return PageRequest(params)
    if position is None and pagination.style in ("page", "offset"):
        position = first_position(pagination)
    if pagination.params_in == "header":
        start = int(position["value"]) if position else 0
        return PageRequest(params, headers={name: f"items={start}-{start + page_size(pagination) - 1}"})
    if position is not None:
        params[name] = position["value"]
    return PageRequest(params)


def next_position(
    pagination: Pagination,
    position: Position | None,
    body: Any,
    headers: Mapping[str, str],
    items: list[Any],
    seen_items: int,
) -> Position | None:
    """Where the next page lies, or None when this was the last. `seen_items` includes this page's."""
    style = pagination.style
    if style == "none":
        return None
    if pagination.has_more_from and read_place(body, pagination.has_more_from) is False:
        return None
    if style == "link_header" or (style == "cursor" and _is_link(pagination)):
        return _linked(headers)
    if style in ("page", "offset"):
        return _counted(pagination, position, body, items, seen_items)
    value = _token(pagination, body, headers, items)
    if value is None or value == "" or (style == "timestamp" and not items):
        return None
    if pagination.next_is_url:
        return {"url": str(value)}
    if style == "timestamp" and position is not None and str(position["value"]) == str(value):
        return None  # the newest moment came back: nothing newer is left
    return {"value": value}


def _is_link(pagination: Pagination) -> bool:
    """A cursor that comes in the Link header is followed as a link, whatever parameter carries it."""
    return (pagination.next_from or "").lower() == "header:link"


def _counted(
    pagination: Pagination, position: Position | None, body: Any, items: list[Any], seen_items: int
) -> Position | None:
    if not items:
        return None
    total = read_place(body, pagination.total_from) if pagination.total_from else None
    if isinstance(total, int) and not isinstance(total, bool) and seen_items >= total:
        return None
    if pagination.next_from and not pagination.next_from.startswith("header:"):
        token = read_place(body, pagination.next_from)
        if token is None or token == "":
            return None
        if pagination.next_is_url:
            return {"url": str(token)}
    if pagination.style == "page":
        current = int(position["value"]) if position else pagination.first_page
        return {"value": current + 1}
    return {"value": (int(position["value"]) if position else pagination.first_offset) + len(items)}


def _token(pagination: Pagination, body: Any, headers: Mapping[str, str], items: list[Any]) -> Any:
    source = pagination.next_from or ""
    if source.startswith("header:"):
        return headers.get(source.removeprefix("header:"))
    if source.startswith("last_item:"):
        return read_place(items[-1], source.removeprefix("last_item:")) if items else None
    return read_place(body, source) if source else None


def _linked(headers: Mapping[str, str]) -> Position | None:
    """The URL of `rel="next"` in the Link headers (RFC 8288)."""
    getall = getattr(headers, "getall", None)
    lines = getall("Link", []) if getall else [headers.get("Link", "")]
    for line in lines:
        for target, attributes in _LINK.findall(line or ""):
            if re.search(r'rel\s*=\s*"?[^";]*\bnext\b', attributes, re.IGNORECASE):
                return {"url": target}
    return None


def same_origin(base: URL, link: str, current: URL) -> URL:
    """The link as a URL of the same origin. Raises UpstreamError for any other: credentials stay home."""
    url = current.join(URL(link))
    if url.origin() != base.origin():
        raise UpstreamError(
            f"the next page lies at another host ({url.host}); it was not asked, since the credential "
            f"belongs to {base.host}",
            is_transient=False,
        )
    return url
