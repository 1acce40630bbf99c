"""Which words of an intent speak of the source and which of the destination.

"Create a Xero contact for every Stripe customer" has its destination first, "sync Stripe customers
into Xero" last. A table of sentence patterns tells them apart; where none fits, all words count for
both sides. The name of the API itself settles it, whatever the sentence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vitesse_graph.specs.words import VERBS, singular, split_words

_MAKING = r"(?:create|make|add|open|post|raise|generate|insert|upsert|write|build|issue|register|update|keep|maintain|have)"
_MOVING = (
    r"(?:sync|synchroni[sz]e|copy|move|import|export|push|turn|transform|convert|send|load|migrate|mirror|replicate|transfer|pull|"
    r"bring|feed|map|stream|get|fetch|put|pipe|publish|backup|back up|import|integrate|connect|link|translate|write|post|add)"
)
_PATTERNS: tuple[tuple[str, tuple[str, str]], ...] = (
    # two groups each; which group is the source's and which the destination's
    (r"\bfrom\s+(.+?)\s+(?:in)?to\s+(.+)", ("source", "dest")),
    (rf"\b(?:for|from|per)\s+(?:every|each|all|any)\s+(?:new\s+)?(.+?),?\s+{_MAKING}\s+(.+)", ("source", "dest")),
    (rf"\b(?:when|whenever|if|once)\s+(.+?)\s+(?:is|are|was|gets?|appears?|changes?)\b.*?{_MAKING}\s+(.+)", ("source", "dest")),
    (rf"\b{_MAKING}\s+(.+?)\s+(?:for|from|per|out of|based on|whenever|when|of|using)\s+(?:every|each|all|any|the|a|an|our|new)\b\s*(.+)", ("dest", "source")),
    (rf"\b{_MAKING}\s+(.+?)\s+(?:from|out of|based on|using)\s+(.+)", ("dest", "source")),
    (rf"\b{_MOVING}\s+(.+?)\s+(?:in\s*to|to|onto|as|with|toward|towards)\s+(.+)", ("source", "dest")),
    (rf"\b{_MOVING}\s+(.+?)\s+in\s+(.+)", ("source", "dest")),
    (r"(.+?)\s*(?:→|->|=>|⇒|»)\s*(.+)", ("source", "dest")),
    (r"(.+?)\s+becomes?\s+(.+)", ("source", "dest")),
    (r"(.+?)\s+(?:in\s*to|to)\s+(.+)", ("source", "dest")),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE | re.DOTALL), sides) for pattern, sides in _PATTERNS)
_STOP = frozenset(
    [
        "a",
        "an",
        "the",
        "our",
        "your",
        "my",
        "their",
        "its",
        "all",
        "every",
        "each",
        "any",
        "new",
        "into",
        "to",
        "in",
        "from",
        "for",
        "of",
        "on",
        "with",
        "and",
        "or",
        "as",
        "by",
        "at",
        "that",
        "this",
        "is",
        "are",
        "be",
        "it",
        "them",
        "up",
        "date",
        "keep",
        "one",
        "two",
        "way",
        "we",
        "want",
        "need",
        "please",
        "so",
        "whenever",
        "when",
        "should",
        "must",
        "over",
        "via",
        "using",
        "data",
        "record",
        "records",
        "api",
        "app",
        "system",
        "account's",
        "automatically",
        "daily",
        "hourly",
        "nightly",
        "hour",
        "day",
        "week",
        "minute",
        "everything",
        "latest",
        "existing",
        "between",
    ]
)


@dataclass(frozen=True, slots=True)
class Parts:
    """Singular content words of each side; `other` are those of the opposite side."""

    own: tuple[str, ...]
    other: tuple[str, ...]
    is_split: bool
    """False where the sentence could not be taken apart: both hold all words."""


def split_intent(intent: str, role: str, api_words: frozenset[str]) -> Parts:
    """The words that matter for an API read as `role` (`source` or `dest`).

    `api_words` name the API in question (`xero`): when only one side of the sentence mentions it,
    that side is its own.
    """
    for pattern, sides in _COMPILED:
        found = pattern.search(intent)
        if found is None:
            continue
        by_side = dict(zip(sides, (found.group(1), found.group(2)), strict=True))
        other_role = "source" if role == "dest" else "dest"
        own, other = content_words(by_side[role]), content_words(by_side[other_role])
        if set(other) & api_words and not set(own) & api_words:
            own, other = other, own
        return Parts(_without(own, api_words), _without(other, api_words), is_split=True)
    words = _without(content_words(intent), api_words)
    return Parts(words, words, is_split=False)


def content_words(text: str) -> tuple[str, ...]:
    """Singular words of a phrase without stop words and leading verbs, in order."""
    words = [singular(word) for word in split_words(text)]
    kept = [w for w in words if w not in _STOP and len(w) > 1 and not w.isdigit()]
    while len(kept) > 1 and kept[0] in VERBS:
        kept = kept[1:]
    return tuple(kept)


def _without(words: tuple[str, ...], api_words: frozenset[str]) -> tuple[str, ...]:
    kept = tuple(word for word in words if word not in api_words)
    return kept or words
