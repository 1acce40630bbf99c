"""The answer of a list: filtered, cut into a page in the API's own style, each record as this list shows it."""

from __future__ import annotations

import orjson

from vitesse_graph.sandbox import drift as drifting
from vitesse_graph.sandbox.answers import Neighbours, list_body, neighbours_of
from vitesse_graph.sandbox.filters import group_tests, select
from vitesse_graph.sandbox.holdings import Holdings
from vitesse_graph.sandbox.operation import Operation
from vitesse_graph.sandbox.paging import BadPosition, carry_token, cut, next_url, range_start
from vitesse_graph.sandbox.replies import Reply, answer_with, refuse
from vitesse_graph.sandbox.requests import Request
from vitesse_graph.sandbox.store import Collection, Entry
from vitesse_graph.state.api_spec import Pagination
from vitesse_graph.synthetic import RecordGenerator
from vitesse_graph.synthetic.schemas import at_path, flatten, types_of

_PAGE_WORDS = ("limit", "page", "per_page", "page_size", "pageSize", "offset", "cursor", "sort", "order", "order_by",
               "fields", "expand", "include", "opt_fields", "direction")  # fmt: skip


class Lists:
    """The lists of one sandbox, with what was learned of each at its first answer."""

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._sound: dict[str, bool] = {}
        self._neighbours: dict[str, Neighbours] = {}

    def answer(self, request: Request, collection: Collection) -> Reply | None:
        """The page that was asked for; None where this operation's answers cannot hold the records."""
        operation = request.operation
        items = self._holdings.items_of(operation)
        if items is None:
            return None
        place, _ = items
        pagination = operation.endpoint.pagination
        in_body = pagination is not None and pagination.params_in == "body"
        given = request.body if in_body and isinstance(request.body, dict) else request.given
        if pagination is not None and pagination.params_in == "header":
            given = range_start(request.headers, pagination.params)
        rows = self._selected(request, collection)
        try:
            page = cut(pagination, given, rows, is_numeric=_has_numeric_positions(operation, pagination))
        except BadPosition as error:
            return refuse(operation, operation.refusal_status, str(error))
        rendered = [orjson.Fragment(self._view(request, items, entry)) for entry in page.entries]
        link = None
        next_value = page.next_token
        if pagination is not None and page.next_token is not None and not in_body:
            link = next_url(pagination, request.origin, request.path, request.query, page.next_token)
            next_value = link if pagination.next_is_url else page.next_token
        base = operation.success.minimal("list")
        if operation.key not in self._neighbours:
            where = pagination.next_from if pagination is not None else None
            self._neighbours[operation.key] = neighbours_of(operation.success.schema, where)
        body = list_body(
            base, operation.success.schema, place, rendered, pagination, page, next_value,
            self._neighbours[operation.key],
        )  # fmt: skip
        reply = answer_with(operation, body)
        if not request.rules and not self._is_sound(operation, reply):
            return None
        if (
            link
            and pagination is not None
            and "link" in (pagination.style + str(pagination.next_from)).lower()
        ):
            reply.headers.append(("link", f'<{link}>; rel="next"'))
        if pagination is not None:
            carry_token(reply.headers, pagination, page)
        return reply

    def _is_sound(self, operation: Operation, reply: Reply) -> bool:
        """Whether this list's answers keep the contract as a whole, found out at its first answer.

        An envelope with alternatives may not take the items that one of them describes; such a
        list gives believable answers without state.
        """
        if operation.key not in self._sound:
            value = orjson.loads(reply.body) if reply.body else None
            self._sound[operation.key] = operation.success.generator.contract.is_valid(value)
        return self._sound[operation.key]

    def _selected(self, request: Request, collection: Collection) -> list[Entry]:
        pagination = request.operation.endpoint.pagination
        own = [*(pagination.params if pagination else []), *_PAGE_WORDS]
        if pagination is not None and pagination.page_size_param:
            own.append(pagination.page_size_param)
        own += request.operation.context_names
        incremental = self._holdings.incremental(request.operation)
        given = dict(request.given)
        if isinstance(request.body, dict):
            given |= {key: value for key, value in request.body.items() if key not in given}
        if incremental is not None and incremental.location == "header":
            value = request.headers.get(incremental.param.lower())
            if value:
                given[incremental.param] = value
        rows = select(collection, given, incremental, own)
        for test in group_tests(given.get("filterGroups")):
            rows = [entry for entry in rows if test(entry.record)]
        return rows

    def _view(self, request: Request, items: tuple[str, RecordGenerator], entry: Entry) -> bytes:
        """One item as this list shows it: the record, mended where the list's own schema differs."""
        key = request.operation.key
        if request.rules:
            shown = drifting.apply_to_answer(
                request.rules, self._holdings.mended(items[1], entry), serial(entry)
            )
            return orjson.dumps(shown)
        cached = entry.views.get(key)
        if cached is None or cached[0] != entry.version:
            cached = (entry.version, orjson.dumps(self._holdings.mended(items[1], entry)))
            entry.views[key] = cached
        return cached[1]


def _has_numeric_positions(operation: Operation, pagination: Pagination | None) -> bool:
    """Whether the next position is declared as a number, where it is given or where it is taken."""
    if pagination is None or pagination.style != "cursor":
        return False
    places = [
        p.parameter.json_schema for p in operation.parameters if p.parameter.name in pagination.params[:1]
    ]
    root = operation.success.schema
    if pagination.next_from and not pagination.next_from.startswith(("header:", "last_item:")):
        places.append(flatten(at_path(root, pagination.next_from, root) or {}, root))
    return any({"integer", "number"} & set(types_of(place)) for place in places)


def serial(entry: Entry) -> int:
    """A number that stays with the record: chooses which records show a grown enum."""
    return sum(entry.id.encode())
