"""Whatever an id holds, the names made from it are valid where they go, and no two ids share one."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vitesse_graph.deployers import names

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z", re.ASCII)
RULES: dict[Callable[[str], str], re.Pattern[str]] = {
    names.container_name: LABEL,
    names.kubernetes_name: LABEL,
    names.ecs_family: LABEL,
    names.target_group_name: re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?\Z", re.ASCII),
    names.repository_name: re.compile(r"vitesse/[a-z0-9]+(-+[a-z0-9]+)*\Z", re.ASCII),
    names.route_path: re.compile(r"/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z", re.ASCII),
    names.environment_name: re.compile(r"[A-Z_][A-Z0-9_]{0,62}\Z", re.ASCII),
    names.role_name: re.compile(r"[a-z_][a-z0-9_]{0,62}\Z", re.ASCII),
}
STRANGE = [
    "a_b", "a-b", "a b", "a.b", "A-b", "../a", "a/../b", 'a"b', "a'b", "a`id`b", "a\nb", "a\r\nb", "{{a}}", "${a}",
    "$(a)", "a`) || PathPrefix(`/", "", "-", "---", "é", "e", "İ", "x" * 300, "x" * 301, "x" * 55, "x" * 56, "\x00",
    "\ud800", "日本", "٣", "1", "a;b", "--privileged", "a,b=c", "a\tb", "a\\b", "shop-to-crm", "shop_to_crm",
    # what others are made into
    f"a-b-{names.short_hash('a_b')}", f"a_b_{names.short_hash('a-b')}", names.short_hash("x"),
]  # fmt: skip
ids = st.one_of(
    st.text(max_size=80),
    st.sampled_from(STRANGE),
    st.from_regex(r"[a-z_-]{1,12}[0-9a-f]{0,12}", fullmatch=True),
)
unhurried = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
each_rule = pytest.mark.parametrize("make", RULES, ids=lambda make: make.__name__)


@each_rule
@pytest.mark.parametrize("strange", STRANGE)
def test_a_strange_id_becomes_a_valid_name(make: Callable[[str], str], strange: str) -> None:
    assert RULES[make].match(make(strange))


@each_rule
def test_no_two_strange_ids_share_a_name(make: Callable[[str], str]) -> None:
    assert len({make(one) for one in STRANGE}) == len(STRANGE)


@each_rule
@unhurried
@given(one=ids, other=ids)
def test_different_ids_have_different_valid_names(make: Callable[[str], str], one: str, other: str) -> None:
    assert RULES[make].match(make(one))
    assert (make(one) == make(other)) == (one == other)


@each_rule
@unhurried
@given(one=ids)
def test_an_id_that_equals_another_ones_made_name_gets_a_name_of_its_own(
    make: Callable[[str], str], one: str
) -> None:
    copied = re.sub(r"^(vitesse/|/?vitesse[-_])", "", make(one).lower())
    if copied != one:
        assert make(copied) != make(one)


def test_an_ordinary_id_is_recognised() -> None:
    assert names.container_name("shop-to-crm") == "vitesse-shop-to-crm"
    assert names.route_path("shop-to-crm") == "/vitesse-shop-to-crm"
    assert names.host_name("shop-to-crm", "example.org") == "vitesse-shop-to-crm.example.org"
    assert names.repository_name("shop-to-crm") == "vitesse/shop-to-crm"
    assert names.role_name("shop_to_crm") == "vitesse_shop_to_crm"
    assert names.environment_name("shop_to_crm") == "VITESSE_SHOP_TO_CRM"
