"""Cutting a list into pages in the API's own style, and saying where the next page is.

The mirror of what a reader does with `state.api_spec.Pagination`: the position comes in by
`params`, goes out where `next_from`, `has_more_from` and `total_from` say.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from vitesse_graph.sandbox.places import read_path
from vitesse_graph.sandbox.store import Entry
from vitesse_graph.state.api_spec import Pagination

_DEFAULT_SIZE = 20
_LARGEST = 500
_MARK = "v1:"
_UNNAMED = "page"
"""The parameter in our addresses of next pages, where the API declares none."""


class BadPosition(ValueError):
    """A cursor or number that cannot be understood. The message is fit for an answer."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `next_token` is what the next request carries in its position parameter; None: the last."""

    entries: Sequence[Entry]
    total: int
    next_token: str | None
    size: int
    previous_token: str | None = None


def cut(
    pagination: Pagination | None, given: Mapping[str, Any], entries: list[Entry], *, is_numeric: bool = False
) -> Page:
    """The page that the request's parameters (query or body) ask for. Raises BadPosition.

    `is_numeric`: the API declares its positions as numbers.
    """
    if pagination is None or pagination.style == "none":
        return Page(entries, len(entries), None, len(entries))
    size = _size(pagination, given)
    start = _start(pagination, given, entries, size)
    stop = min(start + size, len(entries))
    page = entries[start:stop]
    token = _token(pagination, given, entries, start, stop, size) if stop < len(entries) else None
    if is_numeric and token is not None and decode(token) is not None:
        token = str(stop)
    return Page(page, len(entries), token, size)


def _param(given: Mapping[str, Any], name: str) -> Any:
    """A parameter by its name, as written (`page[size]`) or as a path in a body (`options.offset`)."""
    if name in given:
        return given[name]
    return read_path(given, name.replace("[", ".").replace("]", ""))


def _size(pagination: Pagination, given: Mapping[str, Any]) -> int:
    asked = _param(given, pagination.page_size_param) if pagination.page_size_param else None
    most = min(pagination.max_page_size or _LARGEST, _LARGEST)
    try:
        size = int(asked) if asked not in (None, "") else (pagination.default_page_size or _DEFAULT_SIZE)
    except (TypeError, ValueError):
        raise BadPosition(f"{pagination.page_size_param}: is not a number") from None
    return max(1, min(size, most))


def _start(pagination: Pagination, given: Mapping[str, Any], entries: list[Entry], size: int) -> int:
    for name in pagination.params or [_UNNAMED]:
        value = _param(given, name)
        if value in (None, ""):
            continue
        if pagination.style == "page":
            return max(0, _whole(name, value) - pagination.first_page) * size
        if pagination.style == "offset":
            return max(0, _whole(name, value) - pagination.first_offset)
        if pagination.style == "timestamp":
            return 0  # the filters have cut away what is older
        return _after(pagination, name, value, entries, size)
    return 0


def range_start(headers: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """The first record that a `Range: items=20-39` header asks for, under the header's name."""
    found = {}
    for name in names:
        first = headers.get(name.lower(), "").rpartition("=")[2].partition("-")[0].strip()
        if first:
            found[name] = first
    return found


def _whole(name: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise BadPosition(f"{name}: is not a number") from None


def _after(pagination: Pagination, name: str, value: Any, entries: list[Entry], size: int) -> int:
    """Where the page begins that a cursor (ours, or the id of a record) points to."""
    text = str(value)
    position = decode(text)
    if position is not None:
        return position
    if text.isdigit() and not _by_item(pagination) and pagination.style == "cursor":
        return int(text)  # a list whose positions are numbers
    if pagination.style == "link_header" and text.isdigit():
        return max(0, int(text) - pagination.first_page) * size
    field = (pagination.next_from or "").removeprefix("last_item:") if _by_item(pagination) else None
    for index, entry in enumerate(entries):
        if entry.id == text or (field and str(read_path(entry.record, field)) == text):
            # `ending_before` and its like walk backwards: the page that ends before the record.
            is_back = "before" in name and name != pagination.params[0]
            return max(0, index - size) if is_back else index + 1
    if pagination.params_in == "body":
        return 0  # search bodies demand a position of the first call too; any will do
    raise BadPosition(f"{name}: is not a position of this list")


def _by_item(pagination: Pagination) -> bool:
    return bool(pagination.next_from and pagination.next_from.startswith("last_item:"))


def _token(
    pagination: Pagination, given: Mapping[str, Any], entries: list[Entry], start: int, stop: int, size: int
) -> str | None:
    if pagination.style == "page":
        return str(start // size + pagination.first_page + 1)
    if pagination.style == "offset":
        return str(stop + pagination.first_offset)
    if pagination.style == "link_header":
        name = pagination.params[0] if pagination.params else _UNNAMED
        return (
            encode(stop)
            if "cursor" in name or "after" in name
            else str(start // size + pagination.first_page + 1)
        )
    if _by_item(pagination):
        field = (pagination.next_from or "").removeprefix("last_item:")
        value = read_path(entries[stop - 1].record, field)
        return str(value) if value is not None else None
    return encode(stop)


def encode(position: int) -> str:
    return base64.urlsafe_b64encode(f"{_MARK}{position}".encode()).decode().rstrip("=")


def decode(text: str) -> int | None:
    """The position in one of our cursors; None for anything else."""
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        return None
    number = plain.removeprefix(_MARK)
    return int(number) if plain.startswith(_MARK) and number.isdigit() else None


def next_url(
    pagination: Pagination, base: str, path: str, query: Sequence[tuple[str, str]], token: str
) -> str:
    """The address of the next page: the same request with the position moved."""
    name = pagination.params[0] if pagination.params else _UNNAMED
    kept = [(key, value) for key, value in query if key != name]
    return f"{base}{path}?{urlencode([*kept, (name, token)])}"


def carry_token(headers: list[tuple[str, str]], pagination: Pagination, page: Page) -> None:
    """Puts the next position in the header that the API names for it; after the last page the header is not there."""
    name = (pagination.next_from or "").removeprefix("header:").lower()
    if name == "link" or not (pagination.next_from or "").startswith("header:"):
        return
    headers[:] = [one for one in headers if one[0].lower() != name]
    if page.next_token is not None:
        headers.append((name, page.next_token))
