"""Words: how text is cut, folded and widened before it is compared without a model.

`terms` gives stemmed words without the ones that carry no meaning; `widen` adds the concepts of
`data/concepts.json` that a word belongs to, so that "bill" meets "invoice".
"""

from __future__ import annotations

import re
from functools import lru_cache

from vitesse_graph.knowledge.catalogue import data_file

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@lru_cache(maxsize=1)
def _vocabulary() -> dict[str, str]:
    """The word lists of `data/vocabulary.json`, each a string of words."""
    lists: dict[str, str] = data_file("vocabulary.json")
    return lists


def word_list(name: str) -> frozenset[str]:
    """One list of ordinary words: `stopwords`, `common`, `articles`, …"""
    return frozenset(_vocabulary()[name].split())


STOPWORDS = word_list("stopwords")


def fold(name: str) -> str:
    """A name without case, spaces and punctuation: `Quick-Books` and `quickbooks` are one."""
    return "".join(character for character in name.lower() if character.isalnum())


def _undouble(word: str) -> str:
    doubled = len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz"
    return word[:-1] if doubled else word


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """A light English stem: plurals, -ing, -ed, -er, -ly. It only has to be the same on both sides."""
    if word.endswith("'s"):
        word = word[:-2]
    if len(word) <= 3 or not word.isalpha():
        return word
    for ending, replacement in (("sses", "ss"), ("ies", "y"), ("xes", "x"), ("ches", "ch"), ("shes", "sh")):
        if word.endswith(ending):
            word = word[: -len(ending)] + replacement
            break
    else:
        if word.endswith("s") and not word.endswith(("ss", "us", "is")):
            word = word[:-1]
    for ending in ("ings", "ing", "edly", "ed", "ers", "er", "ly", "ment", "ation"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = _undouble(word[: -len(ending)])
            break
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def terms(text: str) -> list[str]:
    """Stemmed meaningful words of a text, in order, `camelCase` and `snake_case` taken apart."""
    spaced = _CAMEL.sub(" ", text).replace("_", " ").replace("-", " ").lower()
    return [stem(word) for word in _WORD.findall(spaced) if word not in STOPWORDS]


@lru_cache(maxsize=1)
def _concepts() -> tuple[dict[str, tuple[str, ...]], int]:
    """Stem or stem sequence (`buy now` → `buy now`) → concept names; and the longest sequence."""
    found: dict[str, list[str]] = {}
    longest = 1
    for concept, members in data_file("concepts.json")["concepts"].items():
        for member in members:
            key = " ".join(terms(member))
            if key and concept not in found.setdefault(key, []):
                found[key].append(concept)
                longest = max(longest, len(key.split()))
    return {key: tuple(names) for key, names in found.items()}, longest


def concepts_of(stems: list[str]) -> list[str]:
    """Names of the concepts that these stems, alone or in sequence, stand for; with repeats."""
    table, longest = _concepts()
    found: list[str] = []
    for start in range(len(stems)):
        for length in range(1, longest + 1):
            if start + length > len(stems):
                break
            found.extend(table.get(" ".join(stems[start : start + length]), ()))
    return found


def widen(text: str) -> list[tuple[str, float]]:
    """Terms of a text with weights: its own words at 1, its concepts (`~payment`) at 0.7."""
    stems = terms(text)
    return [(word, 1.0) for word in stems] + [(f"~{name}", 0.7) for name in concepts_of(stems)]
