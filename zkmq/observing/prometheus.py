"""Metrics for Prometheus, by its own client library: `pip install 'zkmq[prometheus]'`.

metrics = PrometheusMetrics()
queue = Queue.connect("localhost:2181", "/jobs", observer=metrics)
metrics.watch(queue)
prometheus_client.start_http_server(9100, addr="127.0.0.1")
"""

import logging
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from zkmq.errors import ZkmqError
from zkmq.observing.observer import COUNTERS, HISTOGRAMS

if TYPE_CHECKING:
    from zkmq.operating.operator_queue import OperatorQueue

log = logging.getLogger("zkmq.observing")

COUNTER_LABELS = {"items_returned": ("queue", "to")}
HISTOGRAM_LABELS = {
    "call_seconds": ("queue", "call", "outcome"),
    "hold_seconds": ("queue", "end"),
}
# From a read of one server to a call that waits for an election.
CALL_BUCKETS_S = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
# Handlers run for longer than calls.
HOLD_BUCKETS_S = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
BUCKETS_S = {"call_seconds": CALL_BUCKETS_S, "hold_seconds": HOLD_BUCKETS_S}
PLACES = ("held", "delayed", "partial", "dead")


class PrometheusMetrics(Collector):
    """An observer for any number of queues, and the depths of the queues that it watches.

    The names begin with `zkmq_`; counters end in `_total`.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._counters = {
            name: Counter(
                f"zkmq_{name}", text, COUNTER_LABELS.get(name, ("queue",)), registry=registry
            )
            for name, text in COUNTERS.items()
        }
        self._histograms = {
            name: Histogram(
                f"zkmq_{name}",
                text,
                HISTOGRAM_LABELS[name],
                registry=registry,
                buckets=BUCKETS_S[name],
            )
            for name, text in HISTOGRAMS.items()
        }
        self._lock = threading.Lock()
        self._queues: list[OperatorQueue] = []
        registry.register(self)

    def count(self, name: str, by: int, labels: dict[str, str]) -> None:
        """Add to a counter."""
        self._counters[name].labels(**labels).inc(by)

    def observe(self, name: str, seconds: float, labels: dict[str, str]) -> None:
        """Add a measured time to a histogram."""
        self._histograms[name].labels(**labels).observe(seconds)

    def watch(self, queue: "OperatorQueue") -> None:
        """Also tell how many items this queue has, and how old the oldest is, at every scrape.

        A scrape then makes a few requests, and takes as long as the queue's deadline if no server
        answers. Watch a queue from one client, not from each. `unwatch` it before you close it.
        """
        with self._lock:
            self._queues.append(queue)

    def unwatch(self, queue: "OperatorQueue") -> None:
        """Tell nothing more of this queue's items."""
        with self._lock:
            self._queues = [each for each in self._queues if each is not queue]

    def describe(self) -> list[GaugeMetricFamily]:
        """Name the gauges without a look, when they are registered."""
        return list(_gauges())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Look at each queue. One that cannot be looked at has `zkmq_up` 0 and nothing else."""
        items, oldest, clients, up = _gauges()
        with self._lock:
            queues = list(self._queues)
        for queue in queues:
            try:
                counted = queue.stats()
            except ZkmqError as error:
                log.warning("%s: not counted for Prometheus: %s", queue.path, error)
                up.add_metric([queue.path], 0)
                continue
            up.add_metric([queue.path], 1)
            for priority, count in sorted(counted.waiting.items()):
                items.add_metric([queue.path, "ready", str(priority)], count)
            for place in PLACES:
                items.add_metric([queue.path, place, ""], getattr(counted, place))
            oldest.add_metric([queue.path], counted.oldest_s or 0)
            clients.add_metric([queue.path, "consumer"], counted.consumers)
            clients.add_metric([queue.path, "producer"], counted.producers)
        yield from (items, oldest, clients, up)


def _gauges() -> tuple[GaugeMetricFamily, ...]:
    return (
        GaugeMetricFamily("zkmq_items", "Items by place.", labels=("queue", "place", "priority")),
        GaugeMetricFamily(
            "zkmq_oldest_item_seconds",
            "How long the oldest of the first waiting items has waited; 0 if none waits.",
            labels=("queue",),
        ),
        GaugeMetricFamily("zkmq_clients", "Registered clients.", labels=("queue", "kind")),
        GaugeMetricFamily("zkmq_up", "Whether the queue could be counted.", labels=("queue",)),
    )
