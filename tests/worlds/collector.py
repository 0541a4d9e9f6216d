"""An OpenTelemetry collector on loopback: it decodes what it gets, or fails as it is told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(slots=True)
class Got:
    """What the collector took, and how it answers.

    Attributes:
        status: of its answers; only what is answered with 200 counts as taken.
        released: requests hang until it is set.
    """

    url: str = ""
    status: int = 200
    released: threading.Event = field(default_factory=threading.Event)
    spans: list[Any] = field(default_factory=list)
    resources: list[dict[str, str]] = field(default_factory=list)
    points: dict[str, list[tuple[dict[str, str], Any]]] = field(default_factory=dict)
    asked: int = 0

    def named(self, name: str) -> list[Any]:
        """Return the spans of that name."""
        return [span for span in self.spans if span.name == name]

    def last(self, metric: str, **labels: str) -> Any:
        """Return the newest point of a metric with these labels."""
        return [point for about, point in self.points[metric] if about == labels][-1]


def told(attributes: Any) -> dict[str, str]:
    """Return a protobuf's attributes as text."""
    kinds = ("string_value", "int_value", "double_value", "bool_value")
    return {
        one.key: str(next(getattr(one.value, kind) for kind in kinds if one.value.HasField(kind)))
        for one in attributes
    }


@contextmanager
def collector(*, hangs: bool = False, status: int = 200) -> Iterator[Got]:
    """Run one on a free port while the context lasts."""
    got = Got(status=status)
    if not hangs:
        got.released.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.asked += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.released.wait(30)
            if got.status == 200:
                _take(got, self.path, body)
            self.send_response(got.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name there
            """Say nothing."""

        def handle(self) -> None:
            with suppress(ConnectionError):  # the client did not wait for the answer
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    got.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield got
    finally:
        got.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _take(got: Got, path: str, body: bytes) -> None:
    if path == "/v1/traces":
        for of in ExportTraceServiceRequest.FromString(body).resource_spans:
            got.resources.append(told(of.resource.attributes))
            got.spans += [span for scope in of.scope_spans for span in scope.spans]
        return
    assert path == "/v1/metrics"
    for of in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        for metric in (metric for scope in of.scope_metrics for metric in scope.metrics):
            kind = metric.WhichOneof("data")
            for point in getattr(metric, kind).data_points:
                got.points.setdefault(metric.name, []).append((told(point.attributes), point))
