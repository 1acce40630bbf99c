"""Pacing and the breaker, on a clock of their own."""

from __future__ import annotations

import asyncio

import pytest

from vitesse_graph.runtime import limiter as module
from vitesse_graph.runtime.breaker import Breaker
from vitesse_graph.runtime.limiter import Limiter, shared_limiter
from vitesse_graph.state.api_spec import RateLimit


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(module.asyncio, "sleep", self.sleep)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def test_no_limit_costs_no_waiting(clock: Clock) -> None:
    limiter = Limiter(None, clock)
    assert not limiter.is_limited


async def test_a_declared_limit_spreads_calls(clock: Clock) -> None:
    limiter = Limiter(RateLimit(requests=10, per_seconds=1, burst=1), clock)
    for _ in range(21):
        await limiter.take()
    assert clock.now - 1000.0 == pytest.approx(2.0)


async def test_what_is_declared_is_not_exceeded_however_long_nothing_is_refused(clock: Clock) -> None:
    limiter = Limiter(RateLimit(requests=10, per_seconds=1, burst=1), clock)
    limiter.answered(429, {"Retry-After": "0.1"})
    for _ in range(600):
        await limiter.take()
        limiter.answered(200, {})
    assert limiter.rate_per_second == pytest.approx(10.0)


async def test_a_burst_goes_first(clock: Clock) -> None:
    limiter = Limiter(RateLimit(requests=2, per_seconds=1, burst=40), clock)
    for _ in range(40):
        await limiter.take()
    assert clock.now == 1000.0
    await limiter.take()
    assert clock.now == pytest.approx(1000.5)


async def test_a_429_shuts_the_door_for_everybody_as_long_as_it_asks(clock: Clock) -> None:
    limiter = Limiter(None, clock)
    limiter.answered(429, {"Retry-After": "7"})
    await limiter.take()
    assert clock.now == pytest.approx(1007.0, abs=0.1)


@pytest.mark.parametrize(
    "headers",
    [
        {"RateLimit-Remaining": "0", "RateLimit-Reset": "5"},
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "5"},
        {"RateLimit": "limit=100, remaining=0, reset=5"},
        {"RateLimit": '"burst";r=0;t=5'},
        # A moment is of the other side's clock, which may be hours from ours.
        {
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": "1767268805",
            "Date": "Thu, 01 Jan 2026 12:00:00 GMT",
        },
        {
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": "1767268805000",
            "Date": "Thu, 01 Jan 2026 12:00:00 GMT",
        },
    ],
    ids=["two headers", "with X", "one header", "structured", "epoch seconds", "epoch milliseconds"],
)
async def test_a_budget_that_is_used_up_is_waited_for_before_it_is_exceeded(
    headers: dict[str, str], clock: Clock
) -> None:
    limiter = Limiter(None, clock)
    limiter.answered(200, headers)
    await limiter.take()
    assert clock.now == pytest.approx(1005.0)


async def test_a_budget_with_something_left_is_not_waited_for(clock: Clock) -> None:
    limiter = Limiter(None, clock)
    limiter.answered(200, {"RateLimit": '"burst";r=7;t=5'})
    limiter.answered(200, {"RateLimit-Remaining": "7", "RateLimit-Reset": "5"})
    assert not limiter.is_limited


async def test_a_leaky_bucket_that_is_nearly_full_is_given_time(clock: Clock) -> None:
    limiter = Limiter(None, clock)
    limiter.answered(200, {"X-Shopify-Shop-Api-Call-Limit": "10/40"})
    assert not limiter.is_limited
    limiter.answered(200, {"X-Shopify-Shop-Api-Call-Limit": "39/40"})
    await limiter.take()
    assert clock.now > 1000.5


@pytest.mark.parametrize("rate", [5.0, 50.0, 200.0])
async def test_an_unknown_limit_is_found_and_kept(clock: Clock, rate: float) -> None:
    """A server with a bucket of two: after the first seconds nearly every call is accepted."""
    limiter = Limiter(None, clock)
    tokens, at, accepted, refused = 2.0, clock.now, 0, 0
    started = clock.now
    while accepted < rate * 20:
        if limiter.is_limited:
            await limiter.take()
        clock.now += 0.0005
        tokens, at = min(2.0, tokens + rate * (clock.now - at)), clock.now
        if tokens >= 1:
            tokens -= 1
            accepted += 1
            limiter.answered(200, {})
        else:
            refused += 1
            limiter.answered(429, {"Retry-After": f"{(1 - tokens) / rate:.3f}"})
    assert clock.now - started < 20 * 1.15
    assert refused < accepted * 0.2


@pytest.mark.parametrize(("rate", "ideal"), [(5.0, 40.0), (50.0, 4.0), (None, 0.0)])
async def test_a_pause_that_is_asked_for_at_once_is_not_taken_for_the_pace(
    rate: float | None, ideal: float, clock: Clock
) -> None:
    """The first call of all is refused for a second, as after somebody else's burst."""
    limiter = Limiter(None, clock)
    limiter.answered(429, {"Retry-After": "1"})
    began, tokens, at, done = clock.now, 1.0, clock.now, 0
    while done < 200:
        await limiter.take()
        clock.now += 0.001
        if rate is not None:
            tokens, at = min(2.0, tokens + (clock.now - at) * rate), clock.now
            if tokens < 1.0:
                limiter.answered(429, {"Retry-After": str(1 / rate)})
                continue
            tokens -= 1.0
        limiter.answered(200, {})
        done += 1
    assert clock.now - began < 1.3 * ideal + 5.0


def test_one_credential_has_one_budget() -> None:
    one = shared_limiter("https://a", "env:X", None)
    assert shared_limiter("https://a", "env:X", None) is one
    assert shared_limiter("https://a", "env:Y", None) is not one
    shared_limiter("https://a", "env:X", RateLimit(requests=2, per_seconds=1))
    assert one.rate_per_second == 2.0


def test_the_breaker_opens_after_a_row_of_failures_and_closes_after_a_probe() -> None:
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(8):
        assert breaker.wait_seconds() == 0
        breaker.failure()
    assert breaker.wait_seconds() == pytest.approx(0.5)
    now[0] = 0.6
    assert breaker.wait_seconds() == 0, "one probe may go"
    assert breaker.wait_seconds() > 0, "the others wait for its end"
    breaker.failure()
    assert breaker.wait_seconds() == pytest.approx(1.0)
    now[0] = 2.0
    assert breaker.wait_seconds() == 0
    breaker.success()
    assert not breaker.is_open
    assert breaker.times_opened == 1


def test_a_refusal_now_and_then_does_not_open_the_breaker() -> None:
    breaker = Breaker(lambda: 0.0)
    for _ in range(50):
        breaker.failure()
        breaker.success()
    assert not breaker.is_open


async def test_callers_get_their_slots_in_the_order_they_asked() -> None:
    limiter = Limiter(RateLimit(requests=200, per_seconds=1, burst=1), asyncio.get_running_loop().time)
    order: list[int] = []

    async def call(number: int) -> None:
        await limiter.take()
        order.append(number)

    await asyncio.gather(*(call(n) for n in range(10)))
    assert order == list(range(10))
