"""Which systems a sentence speaks of: known APIs, names nobody knows, and kinds ("our CRM")."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from vitesse_graph.knowledge.catalogue import catalogue
from vitesse_graph.knowledge.names import EXACT, NameIndex, NameMatch
from vitesse_graph.knowledge.words import fold, stem, word_list

_TOKEN = re.compile(r"[^\W_](?:[\w'’&+]|[.\-](?=\w))*", re.UNICODE)
_ROLE_WORDS = word_list("role_words")
_ARTICLES = word_list("articles")
_WEEKDAY_BEFORE = word_list("before_weekday")
_WEEKDAY_AFTER = word_list("after_weekday")
# Words of such sentences that are no names, though they may be written with a capital.
_COMMON = frozenset(stem(word) for word in word_list("common"))


@dataclass(frozen=True)
class Token:
    text: str
    start: int
    end: int

    @property
    def lower(self) -> str:
        return self.text.lower().replace("’", "'")


@dataclass(frozen=True)
class Mention:
    """Characters `start`..`end` of the sentence. `match` is set for a known API only."""

    kind: Literal["api", "unknown", "kind"]
    text: str
    start: int
    end: int
    match: NameMatch | None = None


def tokens_of(text: str) -> list[Token]:
    """Words with their places; inner dots and hyphens stay (`monday.com`, `SP-API`), `'s` goes."""
    found = []
    for match in _TOKEN.finditer(text):
        word = re.sub(r"['’]s?$", "", match.group())
        found.append(Token(word, match.start(), match.start() + len(word)))
    return found


def _is_common(word: str) -> bool:
    return stem(word.lower()) in _COMMON


def _is_plain(word: str) -> bool:
    return word.islower() and (_is_common(word) or word in _ROLE_WORDS)


@lru_cache(maxsize=1)
def _record_words() -> frozenset[str]:
    """Names of records that are two words or more (`merge request`), stemmed: no system is meant."""
    return frozenset(
        " ".join(stem(word) for word in noun.split())
        for facts in catalogue()
        for noun in facts.resources
        if " " in noun
    )


def _is_record(tokens: Sequence[Token], start: int) -> bool:
    pair = tokens[start : start + 2]
    return (
        len(pair) == 2 and pair[0].text.islower() and " ".join(stem(t.lower) for t in pair) in _record_words()
    )


def _spoken_of_as_name(tokens: Sequence[Token], start: int, stop: int) -> bool:
    """Whether a name that is also a word ("square", "Monday") is meant as a name here."""
    before = tokens[start - 1].lower if start else ""
    after = tokens[stop].lower if stop < len(tokens) else ""
    text = tokens[start].text
    if stop - start == 1 and stem(text.lower()) == stem("monday"):
        return before not in _WEEKDAY_BEFORE and after not in _WEEKDAY_AFTER
    if text[0].isupper() and start > 0:
        return True
    if before in _ARTICLES or _is_record(tokens, start):
        return False
    return start == 0 or before in _ROLE_WORDS or _is_common(after) or _is_common(before)


def _known(tokens: Sequence[Token], names: NameIndex) -> Iterable[tuple[int, int, NameMatch]]:
    """Known names as (first token, token after, match), the longest at each place."""
    start = 0
    while start < len(tokens):
        for length in range(min(names.max_words, len(tokens) - start), 0, -1):
            words = [token.text for token in tokens[start : start + length]]
            match = names.exact("".join(words))
            if match is None or (length > 1 and fold("".join(words)) == fold(words[0])):
                continue
            if length > 1 and match.confidence < EXACT and all(map(_is_plain, words)):  # "go to"
                continue
            # Short aliases in lower case ("pd", "gh", "snow") are usually something else.
            if (
                length == 1
                and len(words[0]) <= 4
                and words[0].islower()
                and match.facts.name.lower() != words[0]
            ):
                known_short = tokens[start - 1].lower in {"from", "to", "into", "with"} if start else False
                if not known_short:
                    continue
            if match.facts.common_word and length == 1 and not _spoken_of_as_name(tokens, start, start + 1):
                continue
            yield start, start + length, match
            start += length - 1
            break
        start += 1


def _may_be_name(tokens: Sequence[Token], place: int) -> bool:
    """Whether the word here, which no list knows, can be the name of a system."""
    token = tokens[place]
    if _is_common(token.lower) or len(token.text) < 2 or token.text.isdigit():
        return False
    before = tokens[place - 1].lower if place else ""
    after = tokens[place + 1].lower if place + 1 < len(tokens) else ""
    capital = any(character.isupper() for character in token.text)
    if capital and (place > 0 or _is_common(after)):
        return True
    closes = not after or _is_common(after) or after in _ROLE_WORDS
    return before in {"from", "to", "into", "between", "with", "in"} and closes


def _guessed(
    tokens: Sequence[Token], taken: set[int], names: NameIndex
) -> Iterable[tuple[int, int, NameMatch | None]]:
    """Names with slips in them (with a match), and names that nobody knows (without)."""
    place = 0
    while place < len(tokens):
        if place in taken or _is_common(tokens[place].lower):
            place += 1
            continue
        pair = "".join(token.text for token in tokens[place : place + 2])
        free_pair = place + 1 < len(tokens) and place + 1 not in taken
        if free_pair and {token.text for token in tokens[place : place + 2]} <= names.ordinary:
            free_pair = False  # "tax office" is no slip of Lexoffice
        close_pair = names.close(pair) if free_pair and not _is_common(tokens[place + 1].lower) else None
        close = names.close(tokens[place].text)
        if close is not None or close_pair is not None:
            length = 1 if close is not None else 2
            yield place, place + length, close or close_pair
            place += length
            continue
        stop = place
        while stop < len(tokens) and stop not in taken and _may_be_name(tokens, stop):
            stop += 1
        if stop > place:
            yield place, stop, None
        place = max(stop, place + 1)


def find_mentions(text: str, names: NameIndex, kinds: Iterable[str]) -> list[Mention]:
    """Every system the sentence speaks of, in order. `kinds` are words such as "CRM", "help desk"."""
    tokens = tokens_of(text)
    found: list[Mention] = []
    taken: set[int] = set()

    def add(kind: Literal["api", "unknown", "kind"], start: int, stop: int, match: NameMatch | None) -> None:
        first, last = tokens[start].start, tokens[stop - 1].end
        found.append(Mention(kind, text[first:last], first, last, match))
        taken.update(range(start, stop))

    for start, stop, match in _known(tokens, names):
        add("api", start, stop, match)
    for start, stop, close in list(_guessed(tokens, taken, names)):
        add("api" if close else "unknown", start, stop, close)
    found.sort(key=lambda mention: mention.start)
    return _with_kinds(text, found, kinds)


def _with_kinds(text: str, found: list[Mention], kinds: Iterable[str]) -> list[Mention]:
    """Adds kinds; one that stands right behind a name belongs to that name (`Credo CRM`)."""
    words = "|".join(re.escape(kind) for kind in sorted(kinds, key=len, reverse=True))
    if not words:
        return found
    result = list(found)
    for match in re.finditer(rf"(?<![\w-])(?:{words})s?(?![\w-])", text, re.IGNORECASE):
        inside = [m for m in result if m.start < match.end() and match.start() < m.end]
        if inside:
            continue
        owner = next(
            (
                m
                for m in result
                if m.kind != "kind"
                and m.end <= match.start()
                and not text[m.end : match.start()].strip(" '’s")
            ),
            None,
        )
        if owner is not None:
            result.remove(owner)
            whole = text[owner.start : match.end()] if owner.kind == "unknown" else owner.text
            result.append(Mention(owner.kind, whole, owner.start, match.end(), owner.match))
        else:
            result.append(Mention("kind", match.group(), match.start(), match.end()))
    return sorted(result, key=lambda mention: mention.start)
