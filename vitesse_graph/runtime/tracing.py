"""OpenTelemetry traces, when an endpoint is configured and the SDK is installed; else nothing at all.

`OTEL_EXPORTER_OTLP_ENDPOINT` (and the other standard variables) say where traces go. One span for a
run, with a span for each chunk that is planned and each that is committed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_log = logging.getLogger(__name__)


class Tracing:
    """Spans, or no spans. Attributes are counts and names, never values of records."""

    def __init__(self) -> None:
        self._provider: Any = None
        self._tracer: Any = None

    def start(self, integration_id: str) -> None:
        """Begins to export, where that is asked for. Without the SDK it says so once and goes on."""
        if not any(
            os.environ.get(name)
            for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        ):
            return
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            _log.warning(
                "traces are asked for, but opentelemetry-sdk and its OTLP exporter are not installed"
            )
            return
        name = os.environ.get("OTEL_SERVICE_NAME", "vitesse-runtime")
        resource = Resource.create({"service.name": name, "vitesse.integration_id": integration_id})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("vitesse_graph.runtime")

    def stop(self) -> None:
        """Sends what is left. Blocks for a few seconds at most."""
        if self._provider is not None:
            self._provider.force_flush(5000)
            self._provider.shutdown()
            self._provider = self._tracer = None

    @contextmanager
    def span(self, name: str, **attributes: Any) -> Iterator[None]:
        """A span around a block; its parent is the span around it."""
        if self._tracer is None:
            yield
            return
        with self._tracer.start_as_current_span(name, attributes=attributes):
            yield
