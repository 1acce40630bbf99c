"""Tables between two enumerations, by what their values mean."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from vitesse_graph.mapping.schema import Field
from vitesse_graph.mapping.words import lexicon_section, plain_words

_QUOTED = re.compile(r"""[`"'“‘]([A-Za-z][A-Za-z0-9_\- ]{0,30})[`"'”’]""")


@lru_cache(maxsize=1)
def _senses() -> dict[str, tuple[str, int]]:
    """Word → the sense it has among values, and its rank (the first word of a sense is the purest)."""
    found: dict[str, tuple[str, int]] = {}
    for sense, words in lexicon_section("values").items():
        for rank, word in enumerate(words):
            found.setdefault(word, (sense, rank))
    return found


@lru_cache(maxsize=1)
def _nearby() -> dict[tuple[str, str], float]:
    return {(a, b): float(w) for a, b, w in lexicon_section("near_values")}


def sense_of(value: Any) -> str:
    """What a value of an enumeration means: a sense of the vocabulary, or its own word."""
    if isinstance(value, bool):
        return "true" if value else "false"
    words = plain_words(str(value))
    for text in ("_".join(words), *words):
        found = _senses().get(text)
        if found is not None:
            negated = words[:1] in (("not",), ("non",), ("un",))
            return f"not_{found[0]}" if negated and len(words) > 1 else found[0]
    return "_".join(words)


@lru_cache(maxsize=65536)
def likeness(value: Any, other: Any) -> float:
    """How nearly two values mean the same, 0..1."""
    if str(value).casefold() == str(other).casefold():
        return 1.0
    one, two = plain_words(str(value)), plain_words(str(other))
    if one == two:
        return 0.98
    here, there = sense_of(value), sense_of(other)
    if here == there:
        return 0.9
    near = _nearby().get((here, there), 0.0)
    shared = set(one) & set(two)
    overlap = 0.6 * len(shared) / max(len(one), len(two)) if shared else 0.0
    if len(other_text := str(other)) > 2 and str(value).casefold().startswith(other_text.casefold()):
        overlap = max(overlap, 0.7)
    return max(near, overlap)


def value_table(
    source: list[Any],
    dest: list[Any],
    source_codes: dict[str, str] | None = None,
    dest_codes: dict[str, str] | None = None,
) -> tuple[dict[str, Any], list[Any]]:
    """Source value → destination value for every source value with a counterpart, and the values without.

    A value that is a code with a known meaning is compared by that meaning only.
    """
    table: dict[str, Any] = {}
    left: list[Any] = []
    meant = [(dest_codes or {}).get(str(other), other) for other in dest]
    for value in source:
        here = (source_codes or {}).get(str(value), value)
        ranked = sorted(((likeness(here, other), -at) for at, other in enumerate(meant)), reverse=True)
        if ranked and ranked[0][0] >= 0.5:
            table[_key(value)] = dest[-ranked[0][1]]
        else:
            left.append(value)
    return table, left


def _key(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def values_in_text(text: str) -> list[str]:
    """The values that a description names in quotes: `either 'open' or 'closed'`; [] below two."""
    if not re.search(
        r"one of|either|possible values|can be|valid values|values are|set to|allowed", text, re.I
    ):
        return []
    found = list(dict.fromkeys(m.strip() for m in _QUOTED.findall(text)))
    return found[:30] if len(found) >= 2 else []


_CODE_THEN_WORDS = re.compile(
    r"[`*'\"]*\b([A-Z]{1,4}|[a-z]|\d{1,3})\b[`*'\"]*\s*\(([A-Za-z][A-Za-z /-]{1,30})\)"
    r"|(?<![\w.])[`*'\"]*([A-Z]{1,3}|\d{1,3})[`*'\"]*\s*(?:=>|=|:|–|-|→|is|means|for)\s*"
    r"[`*'\"]?([A-Za-z][A-Za-z /]{1,30}?)[`*'\"]?(?=\s*(?:[,;.|\n)]|$|\band\b|\bor\b|[`*'\"]*\d))"
)


@lru_cache(maxsize=4096)
def codes_in_text(text: str) -> dict[str, str]:
    """Codes that a description spells out: `M (Male), F (Female)`, `1 = Low, 2 = High`; {} below two."""
    found: dict[str, str] = {}
    for code, words, other, meaning in _CODE_THEN_WORDS.findall(text[:600]):
        found.setdefault(code or other, (words or meaning).strip())
    return found if 2 <= len(found) <= 30 else {}


_YES_NO = re.compile(
    r"""['"`]?\b(Y|Yes|true|1)\b['"`]?\s*"""
    r"""(?:/|\bor\b|,|\||=\s*\w+\s*[,;]|\([^)]*\)\s*,?|if[^,.;]{1,40}[,;]|for[^,.;]{1,30}[,;])\s*"""
    r"""(?:and\s+|or\s+)?['"`]?(N|No|false|0)\b""",
    re.I,
)


@lru_cache(maxsize=4096)
def _said_yes_no(text: str) -> tuple[str, str] | None:
    said = _YES_NO.search(text[:200])
    return (said[1], said[2]) if said else None


def yes_no(f: Field) -> tuple[str, str] | None:
    """The two words or digits by which a text or a number says yes and no (`Y`, `N`); None for other fields."""
    if f.type not in ("string", "integer") or f.is_list:
        return None
    values = {str(v).casefold(): str(v) for v in f.place.enum or ()}
    if values:
        pairs = (("y", "n"), ("yes", "no"), ("true", "false"), ("1", "0"))
        return next(((values[y], values[n]) for y, n in pairs if set(values) == {y, n}), None)
    found = _said_yes_no(f.place.description)
    digits = f.type == "integer"
    return found if found is not None and (not digits or found[0].isdecimal()) else None


def truth_of(value: Any, about: str) -> bool | None:
    """Whether a value of a status means yes to the question that a boolean field asks."""
    sense = sense_of(value)
    yes, no = lexicon_section("truths").get(about, [[], []])
    if sense in yes:
        return True
    if sense in no:
        return False
    return None


TRUE_SENSES = {
    "active": ("active", "inactive"),
    "inactive": ("inactive", "active"),
    "completed": ("closed", "open"),
    "published": ("published", "draft"),
    "draft": ("draft", "published"),
    "verified": ("active", "pending"),
    "accepts_marketing": ("active", "inactive"),
}
"""Notion of a boolean → the sense of a status when it is true, and when it is false."""
