"""Sixteen workers on one pacer before servers that limit in different ways, in a time that only waiting moves."""

from __future__ import annotations

import asyncio
import math
import random
import selectors
from collections.abc import Callable

import pytest

from vitesse_graph.runtime.limiter import Limiter

Server = Callable[[float], str | None]
"""Asked at a moment: None, or the `Retry-After` of a 429 ("" for none)."""


class _Jump(selectors.SelectSelector):
    """Does not wait: the loop's clock goes on instead."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return []


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


def bucket(rate: float, size: float, retry_after: Callable[[float], str]) -> Server:
    """A token bucket; `retry_after` says how it tells the seconds until the next token."""
    tokens, at = size, 0.0

    def ask(now: float) -> str | None:
        nonlocal tokens, at
        tokens, at = min(size, tokens + rate * (now - at)), now
        if tokens < 1.0:
            return retry_after((1.0 - tokens) / rate)
        tokens -= 1.0
        return None

    return ask


def window(most: int) -> Server:
    """So many in each second of the clock."""
    current, count = 0, 0

    def ask(now: float) -> str | None:
        nonlocal current, count
        current, count = (current, count) if current == int(now) else (int(now), 0)
        count += 1
        return None if count <= most else "1"

    return ask


def exactly(seconds: float) -> str:
    return f"{max(seconds, 0.001):.3f}"


def in_whole_seconds(seconds: float) -> str:
    return str(math.ceil(seconds))


async def move(count: int, server: Server) -> tuple[float, int]:
    """(seconds, refusals) until so many calls are through."""
    clock, rng = asyncio.get_running_loop().time, random.Random(1)
    limiter = Limiter(None, clock)
    todo, refused, began = count, 0, clock()

    async def work() -> None:
        nonlocal todo, refused
        while todo > 0:
            todo -= 1
            while True:
                if limiter.is_limited:
                    await limiter.take()
                await asyncio.sleep(rng.uniform(0.0015, 0.0025))
                asked = server(clock())
                limiter.answered(200 if asked is None else 429, {"Retry-After": asked} if asked else {})
                if asked is None:
                    break
                refused += 1

    await asyncio.gather(*(work() for _ in range(16)))
    return clock() - began, refused


def run(count: int, server: Server) -> tuple[float, int]:
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(move(count, server))


@pytest.mark.parametrize(("rate", "size"), [(5, 2), (50, 2), (200, 2), (200, 40), (1000, 2)])
def test_a_pace_that_the_refusals_tell_exactly_is_kept_to(rate: int, size: int) -> None:
    count = 10 * rate
    seconds, refused = run(count, bucket(rate, size, exactly))
    assert seconds < 1.1 * (count - size) / rate
    assert refused < 0.15 * count + 16


@pytest.mark.parametrize(
    ("count", "rate", "server"),
    [
        (120, 2, bucket(2, 40, in_whole_seconds)),
        (500, 50, bucket(50, 10, in_whole_seconds)),
        (1000, 100, bucket(100, 2, lambda _: "")),
        (2000, 200, bucket(200, 2, lambda _: "0.1")),
        (1000, 100, window(100)),
        (200, 20, window(20)),
    ],
    ids=["shop", "whole seconds", "no Retry-After", "always a tenth", "window", "small window"],
)
def test_where_every_refusal_holds_everybody_up_few_are_met(count: int, rate: int, server: Server) -> None:
    seconds, refused = run(count, server)
    assert seconds < 2.2 * count / rate
    assert refused < 0.1 * count + 40
