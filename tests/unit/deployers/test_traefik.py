"""Routing rules are made of valid parts, whatever an id or a setting holds."""

from __future__ import annotations

import re

import pytest

from vitesse_graph.deployers.door import Refused, parameters_of
from vitesse_graph.deployers.traefik import checked_domain, routing_labels
from vitesse_graph.errors import InputError

STRANGE = ["a`) || PathPrefix(`/", 'a"b', "a\nb", "{{a}}", "../a", "a_b", "x" * 300, "é", ""]
RULE = re.compile(r"Path\(`/[a-z0-9-]+`\) \|\| PathPrefix\(`/[a-z0-9-]+/`\)|Host\(`[a-z0-9.-]+`\)")
KEY = re.compile(r"traefik\.[a-z]+(\.[a-z]+)?(\.[a-z0-9-]{1,70})?(\.[a-z]+)*")


@pytest.mark.parametrize("strange", STRANGE)
def test_no_id_breaks_out_of_its_rule(strange: str) -> None:
    labels = routing_labels(strange, network="vitesse", domain="Apps.Example.org")
    rules = {key: value for key, value in labels.items() if key.endswith(".rule")}
    assert len(rules) == 2
    assert all(RULE.fullmatch(rule) for rule in rules.values())
    assert all(KEY.fullmatch(key) for key in labels)


def test_an_id_that_begins_like_another_has_routes_of_its_own() -> None:
    rule = routing_labels("a", network="n", domain="localhost")["traefik.http.routers.vitesse-a-path.rule"]
    assert rule == "Path(`/vitesse-a`) || PathPrefix(`/vitesse-a/`)"


@pytest.mark.parametrize(
    "domain", ["", "a b", "-a", "a-", "a..b", "`) || Host(`x", "a\n", "é.org", "a" * 64, "a.b/c"]
)
def test_what_is_no_domain_is_refused(domain: str) -> None:
    with pytest.raises(InputError, match="no domain name"):
        checked_domain(domain)


def test_a_first_message_is_read_or_refused() -> None:
    assert parameters_of(b"user\0me\0database\0mine\0\0") == {"user": "me", "database": "mine"}
    for body in (b"", b"\0", b"user", b"user\0me", b"user\0\0", b"user\0me\0odd\0\0"):
        with pytest.raises(Refused):
            parameters_of(body)
