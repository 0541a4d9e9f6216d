"""Send spans and metrics to an OpenTelemetry collector, over HTTP; its failures are told once."""

import logging
import re
import socket
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

from harness.telemetry.run_spans import RunSpan, SpanPlace

BATCH = 512
MAX_WAITING = 20_000  # spans; older ones are dropped if a collector takes none
METRICS_EACH_S = 5.0
SCOPE = InstrumentationScope("harness")
_STATUS = re.compile(r"code: \d+, reason: .*")


class Trouble(logging.Handler):
    """Keeps with which status an export was refused, which the exporters only log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.status = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the newest status."""
        if (found := _STATUS.search(record.getMessage())) is not None:
            self.status = found[0]


class Collector:
    """One collector, as a run sees it.

    Args:
        url: its base; `/v1/traces` and `/v1/metrics` follow.
        about: the resource that all spans and metrics are of.
        epoch_ns: the date of the run clock's zero, in nanoseconds since 1970.
        timeout_s: how long one request may take, with the exporter's own second tries.
        complain: is called once, if the collector does not take what it is sent.
    """

    def __init__(
        self,
        url: str,
        about: dict[str, str],
        *,
        epoch_ns: int,
        timeout_s: float,
        complain: Callable[[str], None],
    ) -> None:
        base, parts = url.rstrip("/"), urlsplit(url)
        self._address = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        self._resource = Resource(dict(about))
        self._epoch_ns, self._complain, self._trouble = epoch_ns, complain, Trouble()
        logger = logging.getLogger("opentelemetry")
        logger.propagate = False
        logger.addHandler(self._trouble)
        self._timeout_s = timeout_s
        self._exporter = OTLPSpanExporter(f"{base}/v1/traces", timeout=timeout_s)
        self._waiting: deque[RunSpan] = deque(maxlen=MAX_WAITING)
        self._added = self.sent = 0
        self._complained = False
        metrics = _Metrics(f"{base}/v1/metrics", timeout=timeout_s)
        metrics.failed = self._failed
        reader = PeriodicExportingMetricReader(
            metrics,
            export_interval_millis=METRICS_EACH_S * 1000,
            export_timeout_millis=timeout_s * 1000,
        )
        self._meters = MeterProvider([reader], self._resource)
        self.meter = self._meters.get_meter("harness")

    @property
    def missing(self) -> int:
        """Return how many spans the collector has not taken."""
        return self._added - self.sent

    def add(self, span: RunSpan) -> None:
        """Note a span to send; the oldest is dropped if too many wait."""
        self._waiting.append(span)
        self._added += 1

    def send(self) -> bool:
        """Send what waits; False if the collector did not take a batch, which then waits on."""
        while self._waiting:
            batch = [self._waiting[place] for place in range(min(BATCH, len(self._waiting)))]
            taken = self._exporter.export([self._readable(span) for span in batch])
            if taken is not SpanExportResult.SUCCESS:
                self._failed()
                return False
            for _ in batch:
                self._waiting.popleft()
            self.sent += len(batch)
        return True

    def close(self) -> None:
        """Send the last metrics, and end the thread that sends them."""
        self._meters.shutdown(timeout_millis=self._timeout_s * 1000)
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _failed(self) -> None:
        if not self._complained:
            self._complained = True
            self._complain(self._why())

    def _why(self) -> str:
        """Return why nothing was taken, as a person would find out; the exporters do not tell."""
        try:
            socket.create_connection(self._address, self._timeout_s).close()
        except OSError as error:
            return str(error)
        return self._trouble.status or f"no answer within {self._timeout_s:g} s"

    def _readable(self, span: RunSpan) -> ReadableSpan:
        told = Status(StatusCode.UNSET if span.error is None else StatusCode.ERROR, span.error)
        return ReadableSpan(
            name=span.name,
            context=_context(span.place),
            parent=None if span.parent is None else _context(span.parent),
            resource=self._resource,
            attributes=span.attributes,
            status=told,
            start_time=self._epoch_ns + span.begin_ns,
            end_time=self._epoch_ns + span.end_ns,
            instrumentation_scope=SCOPE,
        )


class _Metrics(OTLPMetricExporter):
    """The exporter of metrics, which also says that it failed."""

    failed: Callable[[], None]

    def export(self, *args: Any, **kwargs: Any) -> MetricExportResult:
        result = super().export(*args, **kwargs)
        if result is not MetricExportResult.SUCCESS:
            self.failed()
        return result


def _context(place: SpanPlace) -> SpanContext:
    return SpanContext(place.trace, place.span, is_remote=False, trace_flags=TraceFlags(1))
