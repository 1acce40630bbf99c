"""Bodies, envelopes, hashes and keys."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st

from vitesse_graph.runtime.encoding import content_hash, encode_form, idempotency_key, merge_bodies, rewrap

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


def test_several_records_share_one_envelope() -> None:
    bodies = [{"Contacts": [{"Name": name}], "summarize": True} for name in "abc"]
    merged = merge_bodies(bodies, "Contacts[]")
    assert merged == {"Contacts": [{"Name": "a"}, {"Name": "b"}, {"Name": "c"}], "summarize": True}
    assert bodies[0] == {"Contacts": [{"Name": "a"}], "summarize": True}, "the bodies stay as they are"


def test_an_envelope_may_lie_deep_or_be_the_whole_body() -> None:
    deep = [{"data": {"items": [{"n": n}]}} for n in (1, 2)]
    assert merge_bodies(deep, "data.items[]") == {"data": {"items": [{"n": 1}, {"n": 2}]}}
    whole: list[Any] = [[{"n": 1}], [{"n": 2}]]
    assert merge_bodies(whole, "[]") == [{"n": 1}, {"n": 2}]


def test_a_record_changes_its_envelope() -> None:
    assert rewrap({"contacts": [{"a": 1}]}, "contacts[]", "") == {"a": 1}
    assert rewrap({"a": 1}, "", "data.attributes") == {"data": {"attributes": {"a": 1}}}


def test_forms_nest_with_brackets() -> None:
    body = {
        "email": "a b@x.y",
        "metadata": {"plan": "pro", "off": None},
        "items": [{"n": 1}, {"n": 2}],
        "on": True,
    }
    assert parse_qsl(encode_form(body).decode()) == [
        ("email", "a b@x.y"),
        ("metadata[plan]", "pro"),
        ("items[0][n]", "1"),
        ("items[1][n]", "2"),
        ("on", "true"),
    ]


@given(st.dictionaries(st.text("abcdef", min_size=1), json_values, min_size=2, max_size=6))
def test_the_hash_knows_content_not_order(body: dict[str, Any]) -> None:
    backwards = dict(reversed(list(body.items())))
    assert content_hash(body) == content_hash(backwards)
    assert content_hash(body) != content_hash({**body, "more": 1})


@given(
    st.lists(st.text(max_size=5), min_size=1, max_size=3),
    st.lists(st.text(max_size=5), min_size=1, max_size=3),
)
def test_keys_differ_where_anything_differs(one: list[str], other: list[str]) -> None:
    no_nul = [[part.replace("\0", "") for part in parts] for parts in (one, other)]
    same = idempotency_key("i", 1, *no_nul[0]) == idempotency_key("i", 1, *no_nul[1])
    assert same == (no_nul[0] == no_nul[1])
    assert idempotency_key("i", 1, *one) != idempotency_key("i", 2, *one)
