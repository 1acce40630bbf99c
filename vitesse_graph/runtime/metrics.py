"""What the runtime counts: for Prometheus, and for the health that `/status` shows."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client import Counter as PrometheusCounter

from vitesse_graph.runtime.plan import Work

_WINDOW = 1000
_BUCKETS = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000)


class Metrics:
    """Counters since the start, and a window over the last thousand records for the health."""

    def __init__(self, integration_id: str) -> None:
        self.registry = CollectorRegistry()
        labels = ["integration"]
        self._id = integration_id
        self._records = PrometheusCounter(
            "vitesse_records", "Records by outcome", [*labels, "outcome"], registry=self.registry
        )
        self._errors = PrometheusCounter(
            "vitesse_record_errors",
            "Quarantined records by reason",
            [*labels, "code"],
            registry=self.registry,
        )
        self._runs = PrometheusCounter(
            "vitesse_sync_runs", "Sync runs by end", [*labels, "status"], registry=self.registry
        )
        self._latency = Histogram(
            "vitesse_request_milliseconds",
            "Time of one call",
            [*labels, "side"],
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self._gauges: dict[str, Gauge] = {}
        self._recent: deque[bool] = deque(maxlen=_WINDOW)
        self._codes: deque[str] = deque(maxlen=_WINDOW)
        self._latencies: deque[float] = deque(maxlen=_WINDOW)

    def committed(self, counts: dict[str, int], works: list[Work]) -> None:
        """A chunk was committed."""
        for outcome, count in counts.items():
            if count and outcome != "fetched":
                self._records.labels(self._id, outcome).inc(count)
        for work in works[-_WINDOW:]:
            if work.outcome == "quarantined":
                if work.is_known_refusal:
                    continue
                self._recent.append(False)
                self._codes.append(work.code or "refused")
                self._errors.labels(self._id, work.code or "refused").inc()
            elif work.outcome in ("written", "unchanged", "deleted"):
                self._recent.append(True)

    def answered(self, side: str, latencies_ms: list[float]) -> None:
        """Calls to one side that ended since the last time."""
        self._latencies.extend(latencies_ms[-_WINDOW:])
        observe = self._latency.labels(self._id, side).observe
        for latency in latencies_ms:
            observe(latency)

    def ended(self, status: str) -> None:
        """A run ended."""
        self._runs.labels(self._id, status).inc()

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A value that is read when asked for."""
        gauge = self._gauges.setdefault(name, Gauge(name, text, ["integration"], registry=self.registry))
        gauge.labels(self._id).set_function(value)

    @property
    def success_rate(self) -> float:
        """Share of the last records that did not fail; 1 before the first."""
        return sum(self._recent) / len(self._recent) if self._recent else 1.0

    @property
    def p95_latency_ms(self) -> float:
        """95th percentile over the last calls; 0 before the first."""
        if not self._latencies:
            return 0.0
        ordered = sorted(self._latencies)
        return round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 2)

    @property
    def error_distribution(self) -> dict[str, int]:
        """Reasons among the last failures."""
        return dict(Counter(self._codes))

    def text(self) -> bytes:
        """The exposition that Prometheus reads."""
        return generate_latest(self.registry)


def health_of(success_rate: float, p95_ms: float, *, is_held: bool, has_failed: bool, is_open: bool) -> float:
    """0–100: the success rate, less what else is wrong; 0 while runs are held."""
    if is_held:
        return 0.0
    health = 100.0 * success_rate
    health -= 30.0 if has_failed else 0.0
    health -= 20.0 if is_open else 0.0
    health -= 10.0 if p95_ms > 5000.0 else 0.0
    return round(max(0.0, health), 1)
