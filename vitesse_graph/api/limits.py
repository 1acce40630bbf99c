"""How many requests a caller may make, and how large they may be."""

from __future__ import annotations

import json
import math
import re
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from typing import Any

from starlette.requests import Request

from vitesse_graph.api.problems import Refusal

_KNOWN_CALLERS = 10_000


class RequestLimiter:
    """A leaky bucket for each caller: `per_minute` on average, a quarter of that at once. 0: no limit."""

    def __init__(self, per_minute: int, *, now: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._rate = per_minute / 60.0
        self._burst = max(1.0, per_minute / 4)
        self._now = now
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admit(self, caller: str) -> dict[str, str]:
        """Headers that tell what is left. Raises a 429 that says when to come back."""
        if self._per_minute <= 0:
            return {}
        now = self._now()
        level, since = self._levels.get(caller, (0.0, now))
        level = max(0.0, level - (now - since) * self._rate)
        headers = {"RateLimit-Limit": str(self._per_minute)}
        if level + 1 > self._burst:
            wait = math.ceil((level + 1 - self._burst) / self._rate)
            raise Refusal(
                429,
                f"too many requests: {self._per_minute} a minute are allowed; come back in {wait} s",
                headers={**headers, "RateLimit-Remaining": "0", "Retry-After": str(wait)},
            )
        self._levels[caller] = (level + 1, now)
        self._levels.move_to_end(caller)
        while len(self._levels) > _KNOWN_CALLERS:
            self._levels.popitem(last=False)
        return {**headers, "RateLimit-Remaining": str(int(self._burst - level - 1))}


_HALF_OF_A_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")
"""Escapes of UTF-16 surrogates: two are one character, one alone is none."""


def _no_number(text: str) -> float:
    raise Refusal(422, f"the body holds {text[:40]}, which is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


class LimitedRequest(Request):
    """A request whose body may not grow beyond a limit, whatever its headers say, and is JSON in earnest:
    what Python's reader lets through beside it, no database keeps."""

    max_bytes = 1_000_000

    async def json(self) -> Any:
        """Raises a 422 for NaN, numbers beyond all bounds, and text that is no Unicode."""
        if not hasattr(self, "_json"):
            body = await self.body()
            said = json.loads(body, parse_constant=_no_number, parse_float=_finite)
            if _HALF_OF_A_PAIR.search(body):
                try:
                    json.dumps(said, ensure_ascii=False).encode()
                except UnicodeEncodeError:
                    raise Refusal(
                        422, "the body holds text that is no Unicode: half of a surrogate pair"
                    ) from None
            self._json = said
        return self._json

    async def stream(self) -> AsyncGenerator[bytes, None]:
        received = 0
        async for chunk in super().stream():
            received += len(chunk)
            if received > self.max_bytes:
                raise Refusal(413, f"the body is larger than {self.max_bytes:,} bytes")
            yield chunk
