"""Bytes as vendors publish them: odd ones are read, hostile ones are refused by a named limit."""

from __future__ import annotations

import gzip
import time
from typing import Any

import pytest

from vitesse_graph.errors import SpecError
from vitesse_graph.specs.fetch import plain
from vitesse_graph.specs.findings import Findings
from vitesse_graph.specs.parse import gunzip, parse

MB = 1_000_000


def read(text: str | bytes, findings: Findings | None = None, max_bytes: int = 10 * MB) -> Any:
    data = text.encode() if isinstance(text, str) else text
    return parse(plain(data, max_bytes, "doc"), "doc", findings or Findings(), max_bytes=max_bytes)


def codes(findings: Findings) -> list[str]:
    return [warning.code for warning in findings.list()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("text", ['{"openapi": "3.1.0", "é": 1}', "openapi: 3.1.0\né: 1\n"])
def test_every_unicode_encoding_is_read(encoding: str, text: str) -> None:
    assert read(text.encode(encoding)) == {"openapi": "3.1.0", "é": 1}


def test_yaml_scalars_stay_what_json_would_have_them() -> None:
    tree = read(
        "date: 2020-01-01\ntime: 18:00\nword: yes\nnumber: 1e+09\nversion: 1.0\nzip: 01234\nnothing: ~\n"
        "responses:\n  200: ok\n  4xx: bad\n"
    )
    assert tree == {
        "date": "2020-01-01", "time": "18:00", "word": "yes", "number": 1e9, "version": 1.0, "zip": "01234",
        "nothing": None, "responses": {200: "ok", "4xx": "bad"},
    }  # fmt: skip


def test_both_yaml_readers_agree() -> None:
    text = "a: 2020-01-01\nb: 18:00\nc: yes\nd: 1e+09\ne: 0x10\nf: '5'\ng: 007\nh: [1, 2.5, null, true]\ni: |\n  x\n  y\n"
    assert read(text) == {k: v for k, v in read(text + "<<: {z: 1}\n").items() if k != "z"}


def test_merge_keys_big_integers_and_repeated_anchors_are_read() -> None:
    tree = read("base: &b {a: 1}\nx:\n  <<: *b\n  c: 123456789012345678901234567890\ny: [*b, *b]\n")
    assert tree["x"] == {"a": 1, "c": 123456789012345678901234567890}
    assert tree["y"] == [{"a": 1}, {"a": 1}]


def test_tabs_are_read_with_a_warning() -> None:
    findings = Findings()
    assert read("a:\n\tb: 1\n", findings) == {"a": {"b": 1}}
    assert codes(findings) == ["tabs"]


@pytest.mark.parametrize(
    "text",
    [
        '{"paths": {"/a": {"get": {}}, "/a": {"post": {}}}}',
        "paths:\n  /a:\n    get: {}\n  /a:\n    post: {}\n",
    ],
)
def test_a_path_given_twice_keeps_both_its_operations(text: str) -> None:
    findings = Findings()
    assert read(text, findings) == {"paths": {"/a": {"get": {}, "post": {}}}}
    assert codes(findings) == ["duplicate_key"]


@pytest.mark.parametrize(
    "text", ['{"a": "x\ty"}', '{"a": NaN}', '{"a": "\\ud800"}', '{"a": 1,}', '{"a": 1 /* no */}'[:7] + "}"]
)
def test_json_that_is_nearly_right_is_read(text: str) -> None:
    assert "a" in read(text)


def test_a_truncated_document_says_where_it_breaks_off() -> None:
    with pytest.raises(SpecError, match="truncated"):
        read('{"openapi": "3.0.0", "paths": {"/a": {"get"')
    with pytest.raises(SpecError, match="truncated"):
        plain(gzip.compress(b"x" * 10_000)[:-20], MB, "doc")


def test_a_gzip_bomb_is_cut_at_the_limit_which_is_named() -> None:
    bomb = gzip.compress(b"\0" * 200 * MB)
    started = time.perf_counter()
    with pytest.raises(SpecError, match="VITESSE_MAX_SPEC_BYTES"):
        gunzip(bomb, MB, "doc")
    assert time.perf_counter() - started < 1
    with pytest.raises(SpecError, match="VITESSE_MAX_SPEC_BYTES"):
        plain(gzip.compress(gzip.compress(b" " * 50 * MB)), MB, "doc")


def test_an_alias_bomb_is_refused_by_what_it_would_grow_to() -> None:
    lines = ["a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    with pytest.raises(SpecError, match=r"aliases.*VITESSE_MAX_SPEC_BYTES"):
        read("\n".join(lines))


def test_a_merge_key_bomb_is_refused() -> None:
    lines = ["a: &a {k: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx}"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        inner = ", ".join(f"k{i}: *{before}" for i in range(9))
        lines.append(f"{name}: &{name}\n  <<: *{before}\n  z: {{{inner}}}")
    with pytest.raises(SpecError, match="VITESSE_MAX_SPEC_BYTES"):
        read("\n".join(lines))


def test_an_anchor_inside_itself_is_refused() -> None:
    with pytest.raises(SpecError, match="alias"):
        read("a: &a\n  b: *a\n")


@pytest.mark.parametrize(
    "tag",
    ["!!python/object/apply:os.system", "!!python/name:os.system", "!<tag:yaml.org,2002:python/object:x.Y>"],
)
def test_python_tags_construct_nothing(tag: str) -> None:
    with pytest.raises(SpecError, match="Python object"):
        read(f"a: {tag} ['true']\n")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "- " * 100_000, "{a: " * 100_000])
def test_bottomless_nesting_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        read(text)


def test_binary_is_no_text_and_archives_are_not_opened() -> None:
    with pytest.raises(SpecError, match="binary"):
        read(b"\x01\x02\x00\x03\x00\x00abc")
    with pytest.raises(SpecError, match="zip"):
        read(b"PK\x03\x04rest")


def test_the_first_of_several_yaml_documents_is_read() -> None:
    findings = Findings()
    assert read("a: 1\n---\nb: 2\n", findings) == {"a": 1}
    assert codes(findings) == ["several_documents"]
