"""One pacer for each credential at a host: declared limits, and limits learned from answers.

A call takes a slot before it is sent. With no limit known that costs nothing. After a 429 the pacer
holds everybody back as long as the answer asks, and begins at the pace that this tells of. From then on it
looks, a few times a second, at the share that was refused: a large one says by how much the pace is too
fast, a small one that it is right (two calls that fall into one moment are refused at any pace), none
that it may rise: by small steps near the pace that was refused last, by large ones far below it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping

from vitesse_graph.runtime.classify import retry_after_seconds, server_now
from vitesse_graph.state.api_spec import RateLimit

_log = logging.getLogger(__name__)
_PERIOD_SECONDS = 0.25
_PERIOD_CALLS = 10.0
"""The pace is looked at so often, and after so many calls at least."""
_IDLE_SECONDS = 2.0
_LEARNING_SECONDS = 0.1
_HARMLESS_SHARE = 0.08
_UNUSED_SHARE = 0.015
"""Between the two shares of refusals the pace is right: where a refusal costs nobody else anything, some tell
that the limit is used to its end."""
_CHEAP_CALLS = 2.0
"""A pause that is no longer than so many calls take holds nobody up."""
_ONE_MESSAGE_SECONDS = 0.1
_TOO_SHORT_SECONDS = 1e-4
"""A timer may ring a hair too early; to wait for that again would let the next in line pass."""
_BLOCK_SECONDS = 0.1
_LARGEST_BLOCK = 100
_LONGEST_PAUSE_SECONDS = 300.0
_LONG_PAUSE_SECONDS = 0.25
_STARTING_STEP = 1.1
_FIRST_STEP = 1.01
_LARGEST_STEP = 1.25
_MOST_SLOWER = 2.0


Reserve = Callable[[int, float, float], Awaitable[float]]
"""(slots, seconds between them, burst) → seconds from now to the first of them; shared across processes."""


class Limiter:
    """Slots by the generic cell rate algorithm; shared by every worker that uses one credential.

    With `reserve` set, slots come in small blocks from a budget that all processes share.
    """

    reserve: Reserve | None = None

    def __init__(self, declared: RateLimit | None, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._gap = self._declared_gap = 0.0
        self._burst = 1.0
        self._is_learned = False
        self._is_guessed = False
        """Refused before anything was seen of the pace: what was asked for is a pause, hardly the pace. It
        is halved with each answer until the next refusal."""
        self._reserving: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None
        self._block_at = 0.0
        self._block_left = 0
        self._next_at = 0.0
        self._closed_until = 0.0
        self._last_answer = self._last_429 = self._last_halved = self._learned_at = 0.0
        self._in_a_row = 0
        self._cost = 0.0
        """How many calls the last refusal has held back, itself among them."""
        self._opened_at = 0.0
        self._since_open = 0
        self._period_began = 0.0
        self._taken = self._turned_away = 0
        self._too_fast = 0.0
        """The gap that was refused last."""
        self._step = _FIRST_STEP
        self.declare(declared)
        self.waits = 0
        self.waited_seconds = 0.0
        self.refusals = 0

    def declare(self, declared: RateLimit | None) -> None:
        """A limit that the API states; the strictest one that was ever declared counts."""
        if declared is None or declared.requests <= 0 or declared.per_seconds <= 0:
            return
        gap = declared.per_seconds / declared.requests
        self._declared_gap = max(self._declared_gap, gap)
        if gap > self._gap:
            self._gap = gap
            self._burst = float(declared.burst or max(1.0, min(declared.requests, 10.0)))

    @property
    def is_limited(self) -> bool:
        """Whether a call may have to wait: the fast path asks this first."""
        return self._gap > 0.0 or self._closed_until > 0.0

    @property
    def rate_per_second(self) -> float | None:
        """The limit as now believed."""
        return 1.0 / self._gap if self._gap else None

    async def take(self) -> None:
        """Waits for this call's slot. Slots are given in the order asked for."""
        now = self._clock()
        slot = max(self._slot(now) if self.reserve is None else await self._shared_slot(), self._closed_until)
        self._next_at = max(self._next_at, slot + self._gap)
        waited = False
        while (wait := max(slot, self._closed_until) - now) > _TOO_SHORT_SECONDS:
            if self._closed_until > slot:
                # The door was shut while this call stood in line: it takes a new slot behind it.
                slot = max(self._next_at, self._closed_until)
                self._next_at = slot + self._gap
                wait = slot - now
            waited = True
            self.waited_seconds += wait
            await asyncio.sleep(wait)
            now = self._clock()
        self.waits += waited
        if not self._gap:
            self._closed_until = 0.0

    def _slot(self, now: float) -> float:
        return max(self._next_at, now - self._gap * (self._burst - 1.0))

    def _lock(self) -> asyncio.Lock:
        """The lock of this event loop: a limiter outlives loops, an asyncio lock must not."""
        loop = asyncio.get_running_loop()
        if self._reserving is None or self._reserving[0] is not loop:
            self._reserving = (loop, asyncio.Lock())
        return self._reserving[1]

    async def _shared_slot(self) -> float:
        """A slot of the block in hand, or of a fresh one; of this process alone where none can be had."""
        async with self._lock():
            if self._block_left <= 0 and self._gap > 0 and self.reserve is not None:
                count = max(1, min(_LARGEST_BLOCK, int(_BLOCK_SECONDS / self._gap)))
                try:
                    wait = await self.reserve(count, self._gap, self._burst)
                except Exception as error:  # noqa: BLE001 - the budget is a courtesy; a call is not lost for it
                    _log.debug("the shared budget cannot be asked: %s", error)
                    return self._slot(self._clock())
                self._block_at, self._block_left = self._clock() + wait, count
            if self._block_left <= 0:
                return self._slot(self._clock())
            slot, self._block_left = self._block_at, self._block_left - 1
            self._block_at += self._gap
            return slot

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """Learn from an answer: 429 slows everybody down, quiet lets the pace rise again."""
        now = self._clock()
        if now - self._last_answer > _IDLE_SECONDS:
            self._opened_at, self._since_open = now, 0  # nobody knows what went on meanwhile
        self._last_answer = now
        if status == 429:
            self._refused(headers, now)
        else:
            self._since_open += 1
            self._taken += now >= self._period_began
            self._in_a_row = 0
            if self._is_guessed and now - self._last_halved > 0.5 * self._gap:
                self._gap, self._last_halved = max(self._gap / 2.0, self._declared_gap), now
            self._read_budget(headers, now)
        if self._is_learned and not self._is_guessed:
            self._look_back(now)

    def _refused(self, headers: Mapping[str, str], now: float) -> None:
        self.refusals += 1
        asked = retry_after_seconds(headers)
        if asked is None:
            asked = _reset_seconds(headers)
        # 429s that arrive together are one message: all but the first were already under way.
        is_news = now - self._last_429 > _ONE_MESSAGE_SECONDS
        self._last_429 = now
        self._in_a_row += is_news
        if asked is None:
            asked = max(self._gap, 0.05 * 2.0 ** min(self._in_a_row, 10))
        pause = min(asked, _LONGEST_PAUSE_SECONDS)
        is_long = pause >= _LONG_PAUSE_SECONDS
        self._cost = pause / self._gap if self._gap else 1.0
        is_dear = self._cost > _CHEAP_CALLS
        if not self._is_learned or is_dear:
            # A pause that is no longer than the pace has the next in line go at its time as it is.
            self._closed_until = max(self._closed_until, now + pause)
        if not self._is_learned or (is_long and is_news):
            self._estimate(now, pause, is_long)
        elif self._is_guessed:
            if self._last_halved > self._learned_at:
                self._gap *= 2.0  # one step too far
                self._is_guessed = False
                self._begin_period(now)
        elif now - self._learned_at < _LEARNING_SECONDS and pause <= 4.0 * self._gap:
            # The time to the next free slot, told at several moments, comes up to the whole of it.
            self._gap = max(self._gap, pause)
        elif is_news or not is_dear:
            self._turned_away += now >= self._period_began

    def _estimate(self, now: float, pause: float, is_long: bool) -> None:
        """The pace that a refusal tells of: the first one, or one that costs dearly."""
        count, span = self._since_open, now + pause - self._opened_at
        self._opened_at, self._since_open = now + pause, 0
        self._too_fast, self._step = self._gap, _FIRST_STEP if self._is_learned else _STARTING_STEP
        if not is_long:
            # Asked to wait for moments: until the next slot, so that is what a call takes.
            self._gap = max(self._gap, pause, 0.001)
        elif count >= 4:
            most = 2.0 * self._gap if self._is_learned else _LONGEST_PAUSE_SECONDS
            self._gap, self._is_guessed = min(max(self._gap * 1.02, span / count), most), False
        elif self._is_learned:
            self._gap *= 2.0 if self._is_guessed else 1.1
            self._is_guessed = False
        else:
            self._gap, self._is_guessed = max(self._gap, min(pause, 1.0)), True
        self._is_learned, self._learned_at = True, now
        self._burst = 1.0
        self._begin_period(now)

    def _begin_period(self, now: float) -> None:
        self._taken = self._turned_away = 0
        self._period_began = now

    def _look_back(self, now: float) -> None:
        """At the end of a period: the pace of the next one."""
        if now - self._period_began < max(_PERIOD_SECONDS, _PERIOD_CALLS * self._gap):
            return
        share = self._turned_away / max(1, self._taken + self._turned_away)
        is_cheap = self._cost <= _CHEAP_CALLS
        if share > (_HARMLESS_SHARE if is_cheap else 0.0) and (self._turned_away > 1 or not is_cheap):
            self._too_fast, self._step = self._gap, _FIRST_STEP
            self._gap = min(self._gap / (1.0 - 0.8 * share), self._gap * _MOST_SLOWER)
            # Those who stand in line go at the old pace still.
            now = max(now, self._next_at)
        elif share < _UNUSED_SHARE:
            self._speed_up()
        self._begin_period(now)

    def _speed_up(self) -> None:
        faster = self._gap / self._step
        if faster < self._too_fast <= self._gap:
            faster, self._step = self._gap / _FIRST_STEP, _FIRST_STEP  # carefully past what was too fast
        else:
            self._step = min(1.0 + 2.0 * (self._step - 1.0), _LARGEST_STEP)
        self._gap = max(faster, self._declared_gap)

    def _read_budget(self, headers: Mapping[str, str], now: float) -> None:
        """Slow down before the budget is gone, where the answer says how much is left."""
        call_limit = headers.get("X-Shopify-Shop-Api-Call-Limit")
        if call_limit:
            used, _, size = call_limit.partition("/")
            if used.isdigit() and size.isdigit() and int(used) >= 0.9 * int(size):
                # A leaky bucket that empties in twenty seconds: wait for a tenth of it.
                self._closed_until = max(self._closed_until, now + 2.0 / max(1.0, int(size) / 20.0))
            return
        if _is_used_up(headers):
            reset = _reset_seconds(headers)
            if reset is not None:
                self._closed_until = max(self._closed_until, now + min(reset, _LONGEST_PAUSE_SECONDS))


_IN_ONE_HEADER = re.compile(r"(?:^|[;,\s])(r|remaining|t|reset)\s*=\s*(\d+)", re.ASCII)
"""`RateLimit: "default";r=0;t=30` (draft-ietf-httpapi-ratelimit-headers), or `limit=100, remaining=0, reset=30`
of its earlier versions."""


def _is_used_up(headers: Mapping[str, str]) -> bool:
    remaining = headers.get("RateLimit-Remaining") or headers.get("X-RateLimit-Remaining")
    if remaining is not None:
        return remaining.strip() == "0"
    together = headers.get("RateLimit")
    return together is not None and any(
        name in ("r", "remaining") and int(value) == 0 for name, value in _IN_ONE_HEADER.findall(together)
    )


def _reset_seconds(headers: Mapping[str, str]) -> float | None:
    """Seconds until the budget is refilled; a value too large to be a span is taken as epoch seconds (or
    milliseconds), by the clock of the one who says it."""
    text = headers.get("RateLimit-Reset") or headers.get("X-RateLimit-Reset")
    if not text:
        spans = _IN_ONE_HEADER.findall(headers.get("RateLimit") or "")
        return max((float(value) for name, value in spans if name in ("t", "reset")), default=None)
    try:
        value = float(text)
    except ValueError:
        return None
    if value > 100_000_000_000:
        value /= 1000.0
    if value > 10_000_000:
        value -= server_now(headers).timestamp()
    return max(0.0, value)


_shared: dict[tuple[str, str], Limiter] = {}


def shared_limiter(origin: str, credential: str, declared: RateLimit | None) -> Limiter:
    """The limiter of this credential at this origin: one for the whole process, whatever the run."""
    key = (origin, credential)
    known = _shared.get(key)
    if known is None:
        known = _shared[key] = Limiter(None, time.monotonic)
    known.declare(declared)
    return known
