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
    rewrites: dict[tuple[str, ...], tuple[str, ...]]
    """Words that together stand for others (`bill to` → billing)."""
    poles: dict[str, frozenset[tuple[str, str]]]
    """Word → the (axis, pole) it stands at: billing and shipping are two poles of one axis."""


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
        {tuple(k.split()): tuple(v.split()) for k, v in raw["rewrites"].items()},
        _poles(raw["axes"]),
    )


def _poles(axes: dict[str, dict[str, list[str]]]) -> dict[str, frozenset[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = {}
    for axis, poles in axes.items():
        for pole, words in poles.items():
            for word in words:
                found.setdefault(word, set()).add((axis, pole))
    return {word: frozenset(at) for word, at in found.items()}


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
    """`emailaddress` → email, address: only where all the pieces are known words, as few as can be."""
    known = lexicon().vocabulary
    if len(word) < 7 or word in known or singular(word) in known:
        return (word,)
    return _pieces(word, 4) or (word,)


_SMALL = frozenset(("or", "and", "of", "is", "to", "id"))


def _pieces(word: str, most: int) -> tuple[str, ...]:
    known = lexicon().vocabulary
    if word in known or singular(word) in known:
        return (word,)
    best: tuple[str, ...] = ()
    for cut in range(len(word) - 2, 1, -1):
        head = word[:cut]
        if most < 2 or not (head in known or head in _SMALL):
            continue
        rest = (word[cut:],) if word[cut:] == "id" else _pieces(word[cut:], most - 1)
        if rest and (not best or len(rest) + 1 < len(best)):
            best = (head, *rest)
    return best


@lru_cache(maxsize=65536)
def plain_words(name: str) -> tuple[str, ...]:
    """Words spelled out and singular, some of them rewritten."""
    words: list[str] = []
    for word in split_words(name):
        words += lexicon().abbreviations.get(word, (word,))
    return _rewritten(tuple(singular(word) for word in words))


def _rewritten(words: tuple[str, ...]) -> tuple[str, ...]:
    rewrites = lexicon().rewrites
    done: list[str] = []
    at = 0
    while at < len(words):
        for length in (6, 5, 4, 3, 2):
            found = rewrites.get(words[at : at + length]) if at + length <= len(words) else None
            if found is not None:
                done += found
                at += length
                break
        else:
            done.append(words[at])
            at += 1
    return tuple(done)


@lru_cache(maxsize=65536)
def notions(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words with every known phrase merged into the notion it means: as few notions as can be.

    Of two ways with as many notions, the one whose last phrase is longer: the head is what counts.
    """
    lex = lexicon()
    best: list[tuple[int, int, tuple[str, ...]]] = [(0, 0, ())]
    for end in range(1, len(words) + 1):
        options = []
        for length in range(1, min(lex.longest, end) + 1):
            piece = words[end - length : end]
            concept = lex.phrases.get(piece)
            if concept is None and length > 1:
                continue
            count, _, before = best[end - length]
            is_filler = concept is None and piece[0] in _word_set("fillers") and len(words) > 1
            found = before if is_filler else (*before, concept or piece[0])
            options.append((count + (not is_filler), -length, found))
        best.append(min(options))
    return best[-1][2] or words[-1:]


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


@lru_cache(maxsize=65536)
def poles(words: frozenset[str]) -> frozenset[tuple[str, str]]:
    """The (axis, pole) pairs that these words stand at."""
    known = lexicon().poles
    return frozenset(at for word in words for at in known.get(word, ()))


def relatedness(one: str, other: str) -> float:
    """How near two notions are, 0..1."""
    return 1.0 if one == other else lexicon().related.get((one, other), 0.0)
