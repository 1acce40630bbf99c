"""Which failures of a step are worth another attempt at once.

LangGraph's own rule retries neither 429 nor time-outs and knows nothing of our errors, so the
table is ours. What is not listed (bad input, our own faults) fails the step at once.
"""

from __future__ import annotations

import aiohttp
import httpx
import psycopg
from langgraph.types import RetryPolicy

from vitesse_graph.errors import UpstreamError, VitesseError

TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_TRANSIENT_TYPES: tuple[type[BaseException], ...] = (
    TimeoutError,
    ConnectionError,
    httpx.TransportError,
    aiohttp.ClientConnectionError,
    aiohttp.ServerTimeoutError,
    psycopg.OperationalError,
)


def retry_on(error: BaseException) -> bool:
    """Whether the same attempt may well succeed a moment later."""
    if isinstance(error, UpstreamError):
        return error.is_transient
    if isinstance(error, VitesseError):
        return False
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in TRANSIENT_STATUSES
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status in TRANSIENT_STATUSES
    return isinstance(error, _TRANSIENT_TYPES)


STEP_RETRY = RetryPolicy(
    initial_interval=0.5, backoff_factor=2.0, max_interval=8.0, max_attempts=3, jitter=True, retry_on=retry_on
)
