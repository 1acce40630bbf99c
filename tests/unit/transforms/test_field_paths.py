"""Field paths."""

import pytest

from vitesse_graph.errors import MappingError
from vitesse_graph.transforms.paths import format_path, parse_path


@pytest.mark.parametrize(
    "path", ["a", "a.b", "a[].b", "a[].b[].c", r"a\.b.c", "campaign-messages.data[].x", "$custom"]
)
def test_a_path_reads_and_writes_the_same(path):
    assert format_path(parse_path(path)) == path


@pytest.mark.parametrize(("path", "same"), [("$.a.b", "a.b"), ("a[0].b", "a[].b"), ("a[*].b", "a[].b")])
def test_other_spellings_are_understood(path, same):
    assert parse_path(path) == parse_path(same)


@pytest.mark.parametrize("path", ["", ".", "a..b", "a.", ".a", "[]", "a[", "a]b", ".".join("a" * 40)])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(MappingError):
        parse_path(path)
