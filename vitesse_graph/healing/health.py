"""How well an integration is, from 0 to 100. Pure.

    health  = 100 × success × (1 - 0.25 × slowness - 0.15 × staleness)

`success`    the smaller of the runtime's own rate over its last records and the rate of its last
             run (1 - quarantined / fetched); 0 when the last run failed. A run that stopped itself
             at too many failures (`paused`) counts with the failed share it stopped at.
`slowness`   0 up to twice the usual p95, rising with its logarithm to 1 at forty times; 0 while
             nothing is known of what is usual, or while answers stay under a quarter of a second.
`staleness`  0 up to twice the interval that the schedule promises, rising in a straight line to 1
             at ten times; 0 without a schedule.

Under 60 therefore: four in ten records fail, or three in ten while answers take forty times as long.
Slowness and staleness alone never bring it under 60: there is nothing to repair.

    rolling = (3 × newest + 2 × one before + 1 × two before) / 6

over the last three observations that carry news. Asking more often makes nobody iller: a status
that says the same as the last one is no news.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from vitesse_graph.state.definition import RuntimeStatus, SyncReport

WINDOW = 3
_WEIGHTS = (3, 2, 1)
_SLOWNESS, _STALENESS = 0.25, 0.15
_QUICK_MS = 250.0
_FINE_FACTOR, _DEAD_FACTOR = 2.0, 40.0
_FRESH_INTERVALS, _STALE_INTERVALS = 2.0, 10.0
MIN_RUN_RECORDS = 5
"""A run of fewer records says nothing by its share of failures."""


def status_health(
    status: RuntimeStatus, *, usual_p95_ms: float | None = None, interval_seconds: float | None = None
) -> float:
    """The health that one status speaks of, 0..100."""
    success = min(_clamp(status.success_rate), _run_success(status.last_sync))
    slowness = _slowness(status.p95_latency_ms, usual_p95_ms)
    staleness = _staleness(status.lag_seconds, interval_seconds)
    return 100 * success * (1 - _SLOWNESS * slowness - _STALENESS * staleness)


def rolling_health(healths: Sequence[float]) -> float:
    """The weighted mean of the last three, newest last; 100 when there is none."""
    recent = list(reversed(healths[-WINDOW:]))
    if not recent:
        return 100.0
    weights = _WEIGHTS[: len(recent)]
    return sum(weight * health for weight, health in zip(weights, recent, strict=True)) / sum(weights)


def _clamp(share: float) -> float:
    return min(1.0, max(0.0, share))


def _run_success(report: SyncReport | None) -> float:
    if report is None:
        return 1.0
    if report.status == "failed":
        return 0.0
    if report.fetched < MIN_RUN_RECORDS:
        return 1.0
    return _clamp(1 - report.quarantined / report.fetched)


def _slowness(now_ms: float, usual_ms: float | None) -> float:
    if usual_ms is None or usual_ms <= 0 or now_ms <= _QUICK_MS:
        return 0.0
    factor = now_ms / usual_ms
    if factor <= _FINE_FACTOR:
        return 0.0
    return _clamp(math.log(factor / _FINE_FACTOR) / math.log(_DEAD_FACTOR / _FINE_FACTOR))


def _staleness(lag_seconds: float | None, interval_seconds: float | None) -> float:
    if lag_seconds is None or not interval_seconds:
        return 0.0
    late = lag_seconds / interval_seconds
    return _clamp((late - _FRESH_INTERVALS) / (_STALE_INTERVALS - _FRESH_INTERVALS))
