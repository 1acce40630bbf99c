"""A circuit breaker: after a row of failures a side is left alone, then asked by one call at a time."""

from __future__ import annotations

from collections.abc import Callable

_TRIP = 8
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0


class Breaker:
    """States: closed (calls pass), open (calls wait), half-open (one probe passes).

    It never refuses for good: `wait_seconds` says how long to hold a call back; whoever is held back
    longer than it can bear gives up by itself.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._pause = 0.0
        self._opened_at = 0.0
        self._is_probing = False
        self.times_opened = 0

    @property
    def is_open(self) -> bool:
        return self._pause > 0.0

    def wait_seconds(self) -> float:
        """0 when a call may go now; the caller must then report its end by `success` or `failure`."""
        if not self._pause:
            return 0.0
        left = self._opened_at + self._pause - self._clock()
        if left > 0:
            return left
        if self._is_probing:
            return 0.05
        self._is_probing = True
        return 0.0

    def success(self) -> None:
        """The side answered (also with a refusal: it lives)."""
        if self._failures or self._pause:
            self._failures, self._pause, self._is_probing = 0, 0.0, False

    def failure(self) -> None:
        """The side did not answer, or answered that it cannot."""
        self._failures += 1
        if self._is_probing or (self._failures >= _TRIP and not self._pause):
            self.times_opened += not self._pause
            self._pause = min(self._pause * 2 or _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
            self._opened_at = self._clock()
            self._is_probing = False
