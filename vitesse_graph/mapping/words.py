"""Names of fields as words: split, spelled out, singular, and merged into known notions.

`billingAddress_line1` becomes `(billing, street1)`. The general vocabulary (abbreviations, phrases
that mean one notion, notions that are near each other, kinds of things) is data in `lexicon.json`;
it holds no API's or product's own terms.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple

_PIECE = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_]+")


@lru_cache(maxsize=1)
def _sections() -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(resources.files(__package__).joinpath("lexicon.json").read_text("utf-8"))
    return raw


def lexicon_section(name: str) -> Any:
    """One section of the vocabulary as it is written."""
    return _sections()[name]


@lru_cache(maxsize=8)
def _word_set(section: str) -> frozenset[str]:
    """Words that only look plural; words without weight in names; words without weight in texts."""
    return frozenset(lexicon_section(section))


class Lexicon(NamedTuple):
    abbreviations: dict[str, tuple[str, ...]]
    phrases: dict[tuple[str, ...], str]
    longest: int
    related: dict[tuple[str, str], float]
    entities: dict[str, frozenset[str]]
    """Word → the kinds of things it may stand for."""
    vocabulary: frozenset[str]
    concepts: frozenset[str]


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The vocabulary, read once."""
    raw = _sections()
    phrases: dict[tuple[str, ...], str] = {}
    for concept, spellings in raw["phrases"].items():
        for spelling in [*spellings, concept.replace("_", " ")]:
            phrases.setdefault(tuple(singular(w) for w in spelling.split()), concept)
    related: dict[tuple[str, str], float] = {}
    for one, other, strength in raw["related"]:
        related[one, other] = related[other, one] = float(strength)
    entities: dict[str, set[str]] = {}
    for kind, words in raw["entities"].items():
        for word in words:
            entities.setdefault(word, set()).add(kind)
    abbreviations = {k: tuple(v.split()) for k, v in raw["abbreviations"].items()}
    vocabulary = {w for phrase in phrases for w in phrase} | set(entities)
    vocabulary |= {w for words in abbreviations.values() for w in words}
    return Lexicon(
        abbreviations,
        phrases,
        max(map(len, phrases)),
        related,
        {word: frozenset(kinds) for word, kinds in entities.items()},
        frozenset(w for w in vocabulary if len(w) > 2),
        frozenset(raw["phrases"]),
    )


@lru_cache(maxsize=65536)
def singular(word: str) -> str:
    """English singular, by rule; words that only look plural are kept."""
    if len(word) <= 3 or word in _word_set("plural_looking") or not word.endswith("s"):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if word.endswith(("ss", "us", "is")):
        return word
    return word[:-1]


@lru_cache(maxsize=65536)
def split_words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case: camel, snake, kebab and dotted spellings alike."""
    name = re.sub(r"__c$|^__|__$", "", name)
    words = [w.lower() for w in _PIECE.findall(name)]
    return tuple(piece for word in words for piece in _unglue(word))


@lru_cache(maxsize=65536)
def _unglue(word: str) -> tuple[str, ...]:
    """`emailaddress` → email, address: only where all the pieces are known words."""
    known = lexicon().vocabulary
    if len(word) < 7 or word in known or singular(word) in known:
        return (word,)
    for cut in range(len(word) - 3, 2, -1):
        head, tail = word[:cut], word[cut:]
        if head in known and (tail in known or singular(tail) in known):
            return (head, tail)
    return (word,)


@lru_cache(maxsize=65536)
def plain_words(name: str) -> tuple[str, ...]:
    """Words spelled out and singular."""
    words: list[str] = []
    for word in split_words(name):
        words += lexicon().abbreviations.get(word, (singular(word),))
    return tuple(words)


@lru_cache(maxsize=65536)
def notions(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words with every known phrase merged into the notion it means, longest phrases first."""
    lex = lexicon()
    merged: list[str] = []
    at = 0
    while at < len(words):
        for length in range(min(lex.longest, len(words) - at), 0, -1):
            concept = lex.phrases.get(words[at : at + length])
            if concept is not None:
                merged.append(concept)
                at += length
                break
        else:
            if words[at] not in _word_set("fillers") or len(words) == 1:
                merged.append(words[at])
            at += 1
    return tuple(merged)


def whole_notion(words: tuple[str, ...]) -> str | None:
    """The one notion that all the words together mean, if they do."""
    return lexicon().phrases.get(words)


_TEXT_WORD = re.compile(r"[A-Za-z][A-Za-z']+|\d+")


@lru_cache(maxsize=65536)
def text_words(text: str) -> tuple[str, ...]:
    """The telling words of a description, singular; at most forty."""
    found = []
    for piece in _TEXT_WORD.findall(text[:800]):
        for word in split_words(piece):
            word = singular(word)
            if word not in _word_set("stop") and len(word) > 1:
                found.append(word)
    return tuple(found[:40])


@lru_cache(maxsize=65536)
def kinds(word: str) -> frozenset[str]:
    """What kinds of things a word may stand for (`customer` → person)."""
    return lexicon().entities.get(word, frozenset())


def relatedness(one: str, other: str) -> float:
    """How near two notions are, 0..1."""
    return 1.0 if one == other else lexicon().related.get((one, other), 0.0)
