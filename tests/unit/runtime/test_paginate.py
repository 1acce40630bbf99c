"""Each style of pagination walks to the end and stops there."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from multidict import CIMultiDict
from yarl import URL

from vitesse_graph.errors import UpstreamError
from vitesse_graph.runtime.paginate import next_position, request_for, same_origin
from vitesse_graph.state.api_spec import Pagination, PaginationStyle

RECORDS = [{"id": n, "at": f"2026-01-01T00:00:{n:02d}Z"} for n in range(1, 26)]
SIZE = 10


def serve(style: str, params: dict[str, str], url: str | None) -> tuple[Any, CIMultiDict[str]]:
    """A little API in every style."""
    headers: CIMultiDict[str] = CIMultiDict()
    if style == "none":
        return {"items": RECORDS}, headers
    if style == "timestamp":
        return {"items": [r for r in RECORDS if r["at"] > params.get("since", "")][:SIZE]}, headers
    if style == "page":
        start = (int(params["page"]) - 1) * SIZE
    elif style == "offset":
        start = int(params["offset"])
    else:
        start = int(URL(url).query["after"]) if url else int(params.get("after", 0))
    following = start + SIZE if start + SIZE < len(RECORDS) else None
    body: dict[str, Any] = {"items": RECORDS[start : start + SIZE]}
    if style == "cursor":
        body["paging"] = {"next": str(following) if following else None}
    if style == "link_header" and following:
        headers.add(
            "Link",
            f'<https://api/list?after=0>; rel="first", <https://api/list?after={following}>; rel="next"',
        )
    return body, headers


PAGINATIONS: dict[str, Pagination] = {
    "none": Pagination(style="none"),
    "page": Pagination(style="page", params=["page"]),
    "offset": Pagination(style="offset", params=["offset"]),
    "cursor": Pagination(style="cursor", params=["after"], next_from="paging.next"),
    "link_header": Pagination(style="link_header"),
    "timestamp": Pagination(style="timestamp", params=["since"], next_from="last_item:at"),
}


def test_every_style_is_tried() -> None:
    assert set(PAGINATIONS) == set(get_args(PaginationStyle))


@pytest.mark.parametrize("style", list(PAGINATIONS))
def test_every_record_is_read_once_and_the_walk_ends(style: str) -> None:
    pagination, position, read, requests = PAGINATIONS[style], None, [], 0
    while True:
        request = request_for(pagination, position)
        body, headers = serve(style, request.params, request.url)
        read += body["items"]
        requests += 1
        position = next_position(pagination, position, body, headers, body["items"], len(read))
        if position is None:
            break
        assert requests < 10
    assert read == RECORDS


@pytest.mark.parametrize(
    ("pagination", "body"),
    [
        (Pagination(style="page", params=["page"], has_more_from="has_more"), {"has_more": False}),
        (Pagination(style="offset", params=["offset"], total_from="meta.total"), {"meta": {"total": 3}}),
        (Pagination(style="cursor", params=["c"], next_from="next"), {"next": ""}),
        (Pagination(style="cursor", params=["c"], next_from="next"), {}),
        (Pagination(style="page", params=["page"], next_from="next", next_is_url=True), {"next": None}),
    ],
)
def test_what_the_answer_says_about_the_end_is_believed(pagination: Pagination, body: dict[str, Any]) -> None:
    assert next_position(pagination, None, body, {}, [1, 2, 3], 3) is None


def test_an_offset_moves_by_what_was_given_not_by_what_was_asked_for() -> None:
    pagination = Pagination(style="offset", params=["offset"], page_size_param="limit", max_page_size=100)
    assert next_position(pagination, {"value": 40}, {}, {}, [1] * 7, 47) == {"value": 47}


def test_a_relative_next_link_is_followed_and_another_origin_is_not() -> None:
    base, here = URL("https://api.example.com"), URL("https://api.example.com/v1/list?x=1")
    assert same_origin(base, "/v1/list?after=2", here) == URL("https://api.example.com/v1/list?after=2")
    for link in (
        "https://evil.example/list",
        "http://api.example.com/list",
        "https://api.example.com:8443/list",
    ):
        with pytest.raises(UpstreamError, match="another host"):
            same_origin(base, link, here)
