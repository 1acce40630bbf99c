"""Documents in the manner of forty vendors: what is told from each equals what a person would say of it."""

from __future__ import annotations

import pytest

from tests.vendor_styles import VendorStyle, vendor_styles

STYLES = vendor_styles()
every_style = pytest.mark.parametrize("style", STYLES, ids=[style.title for style in STYLES])
_PAGING = (
    "params", "params_in", "page_size_param", "default_page_size", "max_page_size", "next_from", "next_is_url",
    "has_more_from", "total_from", "items_at", "first_page", "first_offset",
)  # fmt: skip


def test_there_is_a_document_for_every_manner_of_paging() -> None:
    assert len({style.title for style in STYLES}) == len(STYLES) >= 40


@every_style
def test_a_list_pages_as_its_vendor_means(style: VendorStyle) -> None:
    truth = style.truth
    endpoint = next(e for e in style.document().spec.endpoints if e.key == style.key)
    assert endpoint.role == "list"
    found = endpoint.pagination
    assert found is not None
    assert found.style in [truth["style"], *truth.get("also", [])]
    for name in _PAGING:
        if name in truth:
            assert getattr(found, name) in [truth[name], *truth.get(f"also_{name}", [])], name


@pytest.mark.parametrize("style", [s for s in STYLES if "auth" in s.truth], ids=lambda s: s.title)
def test_a_vendor_s_authentication_is_told(style: VendorStyle) -> None:
    assert style.document().spec.auth.type in [style.truth["auth"], *style.truth.get("auth_also", [])]


@every_style
def test_a_vendor_s_limit_is_told_and_none_is_invented(style: VendorStyle) -> None:
    spec = style.document().spec
    endpoint = next(e for e in spec.endpoints if e.key == style.key)
    limit = endpoint.rate_limit or spec.rate_limit
    told = [limit.requests, limit.per_seconds] if limit is not None else None
    assert told == style.truth.get("rate")
    if limit is not None:
        assert limit.burst == style.truth.get("rate_burst")


@pytest.mark.parametrize("style", [s for s in STYLES if "id_field" in s.truth], ids=lambda s: s.title)
def test_a_vendor_s_records_are_told_apart(style: VendorStyle) -> None:
    assert style.document().source_shape(style.key).id_field == style.truth["id_field"]


@pytest.mark.parametrize("style", [s for s in STYLES if "incremental" in s.truth], ids=lambda s: s.title)
def test_a_vendor_s_filter_on_changes_is_told(style: VendorStyle) -> None:
    found = style.document().source_shape(style.key).incremental
    assert found is not None
    assert [found.param, found.field, found.format] == style.truth["incremental"]
