"""What a compiled generator is given at every draw."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Literal, get_args

Profile = Literal["typical", "boundary", "adversarial"]
PROFILES: tuple[Profile, ...] = get_args(Profile)

# Records tell of the two years before this moment (2026-06-30T12:00:00Z): fixed, so that a seed gives
# the same records on every day.
NOW = 1_782_820_800
_STRIDE = 35
"""Prime to the pools' size, so that all of a pool is used before anyone comes again."""
SPAN = 2 * 365 * 86_400


class Draw:
    """Randomness and the subject of one record: `who` indexes the pools, `created` is its first moment."""

    __slots__ = ("created", "random", "records", "rng", "serial", "who")

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.random = rng.random
        self.who = 0
        self.created = NOW
        self.serial = 0
        self.records = int(rng.random() * 1_000_000)

    def next_record(self) -> None:
        """Turns to a record's own subject: one after the other, so that two records rarely are one person."""
        self.next_subject()
        self.records += 1
        self.who = self.records * _STRIDE

    def next_subject(self) -> None:
        """Turns to another person, place and time: at the start of every record and array element."""
        self.serial += 1
        self.who = int(self.random() * 1_000_000)
        self.created = NOW - int(self.random() * SPAN)


Generate = Callable[[Draw], Any]
