"""Texts that match a regular expression, without ever running it against anything.

The expression is read with Python's own parser and walked; what cannot be generated (look-behind,
references into unfinished groups) gives None. Callers check the result with the contract.
"""

from __future__ import annotations

import random
import re

# The parser moved in 3.11; there is no public door to it, and the module has kept its form since 2.x.
import re._constants as sre  # type: ignore[import-not-found]
import re._parser as sre_parse  # type: ignore[import-not-found]
import warnings
from collections.abc import Callable
from typing import Any

_MAX_REPEAT = 12
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ANY = _LETTERS + _LETTERS.upper() + "0123456789 -_"
_CATEGORIES = {
    sre.CATEGORY_DIGIT: "0123456789",
    sre.CATEGORY_WORD: _LETTERS + _LETTERS.upper() + "0123456789_",
    sre.CATEGORY_SPACE: " ",
    sre.CATEGORY_NOT_DIGIT: _LETTERS,
    sre.CATEGORY_NOT_WORD: " -.",
    sre.CATEGORY_NOT_SPACE: _LETTERS + "0123456789",
}


def pattern_sampler(
    pattern: str, min_length: int = 0, max_length: int | None = None
) -> Callable[[random.Random], str] | None:
    """A function that draws matching texts, or None where the expression cannot be walked.

    Lengths steer how often repeats repeat; they are a wish, not a promise.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = sre_parse.parse(pattern.replace("\\p{L}", "A-Za-z").replace("\\Z", "$"))
    except (re.error, RecursionError, OverflowError):
        return None

    sets: dict[int, str] = {}  # by identity: the tree lives as long as this sampler

    def sample(rng: random.Random) -> str:
        return _Walker(rng, min_length, max_length, sets).many(tree)

    try:
        sample(random.Random(0))
    except _Unwalkable:
        return None
    return sample


class _Unwalkable(Exception):
    pass


class _Walker:
    def __init__(
        self, rng: random.Random, min_length: int, max_length: int | None, sets: dict[int, str]
    ) -> None:
        self.rng = rng
        self.min_length = min_length
        self.max_length = max_length
        self.groups: dict[int, str] = {}
        self.sets = sets

    def many(self, tree: Any) -> str:
        return "".join(self.one(op, argument) for op, argument in tree)

    def one(self, op: Any, argument: Any) -> str:
        handler = _HANDLERS.get(op)
        if handler is None:
            raise _Unwalkable(str(op))
        return handler(self, argument)

    def choice(self, letters: str) -> str:
        return letters[int(self.rng.random() * len(letters))]

    def _in(self, parts: Any) -> str:
        known = self.sets.get(id(parts))
        if known is not None:
            return self.choice(known)
        negated = bool(parts) and parts[0][0] is sre.NEGATE
        letters = "".join(self._letters(op, argument) for op, argument in parts if op is not sre.NEGATE)
        if negated:
            letters = "".join(c for c in _ANY if c not in letters)
        if not letters:
            raise _Unwalkable("empty set")
        self.sets[id(parts)] = letters
        return self.choice(letters)

    def _letters(self, op: Any, argument: Any) -> str:
        if op is sre.LITERAL:
            return chr(argument)
        if op is sre.RANGE:
            low, high = argument
            return "".join(chr(code) for code in range(low, min(high, low + 200) + 1))
        if op is sre.CATEGORY:
            return _CATEGORIES.get(argument, _LETTERS)
        raise _Unwalkable(str(op))

    def _repeat(self, argument: Any) -> str:
        low, high, inner = argument
        low = int(low)
        top = low + _MAX_REPEAT if high is sre.MAXREPEAT else int(high)
        if self.min_length > low and high is sre.MAXREPEAT:
            low = min(self.min_length, 2_000)
        if self.max_length is not None:
            top = min(top, max(low, self.max_length))
        count = self.rng.randint(low, max(low, min(top, low + _MAX_REPEAT)))
        return "".join(self.many(inner) for _ in range(count))

    def _group(self, argument: Any) -> str:
        number, _, _, inner = argument
        text = self.many(inner)
        if number is not None:
            self.groups[number] = text
        return text

    def _branch(self, argument: Any) -> str:
        _, options = argument
        return self.many(self.rng.choice(options))

    def _nothing(self, _: Any) -> str:
        return ""

    def _literal(self, argument: Any) -> str:
        return chr(argument)

    def _not_literal(self, argument: Any) -> str:
        return self.choice(_ANY.replace(chr(argument), ""))

    def _any(self, _: Any) -> str:
        return self.choice(_ANY)

    def _category(self, argument: Any) -> str:
        return self.choice(_CATEGORIES.get(argument, _LETTERS))

    def _reference(self, argument: Any) -> str:
        if argument not in self.groups:
            raise _Unwalkable("reference")
        return self.groups[argument]

    def _atomic(self, argument: Any) -> str:
        return self.many(argument)


_HANDLERS: dict[Any, Callable[[_Walker, Any], str]] = {
    sre.LITERAL: _Walker._literal,
    sre.NOT_LITERAL: _Walker._not_literal,
    sre.ANY: _Walker._any,
    sre.IN: _Walker._in,
    sre.CATEGORY: _Walker._category,
    sre.MAX_REPEAT: _Walker._repeat,
    sre.MIN_REPEAT: _Walker._repeat,
    sre.POSSESSIVE_REPEAT: _Walker._repeat,
    sre.SUBPATTERN: _Walker._group,
    sre.ATOMIC_GROUP: _Walker._atomic,
    sre.BRANCH: _Walker._branch,
    sre.AT: _Walker._nothing,
    sre.ASSERT: _Walker._nothing,
    sre.ASSERT_NOT: _Walker._nothing,
    sre.GROUPREF: _Walker._reference,
}
