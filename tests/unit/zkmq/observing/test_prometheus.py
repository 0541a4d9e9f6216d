"""What Prometheus scrapes: the counts and times of a client, and the depth of a queue."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from worlds.memory.network import Fault, no_faults
from worlds.memory.queues import Open
from worlds.memory.store import World
from zkmq.observing.observer import COUNTERS, HISTOGRAMS
from zkmq.observing.prometheus import PrometheusMetrics


@pytest.fixture
def registry() -> CollectorRegistry:
    """Give a registry of the test's own."""
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> PrometheusMetrics:
    """Give metrics in that registry."""
    return PrometheusMetrics(registry)


def test_counts_and_times_are_exported(
    opened: Open, registry: CollectorRegistry, metrics: PrometheusMetrics
) -> None:
    """By queue; two clients of one process count together."""
    for name in ("one", "two"):
        queue = opened(name, observer=metrics)
        queue.put_many([b"a", b"b"])
        queue.done(*queue.reserve(2, sync=True).items)
    value = registry.get_sample_value
    assert value("zkmq_items_put_total", {"queue": "/queue"}) == 4
    assert value("zkmq_items_done_total", {"queue": "/queue"}) == 4
    done = {"queue": "/queue", "call": "done", "outcome": "ok"}
    assert value("zkmq_call_seconds_count", done) == 2
    assert value("zkmq_hold_seconds_count", {"queue": "/queue", "end": "done"}) == 4


def test_every_name_can_be_counted(registry: CollectorRegistry, metrics: PrometheusMetrics) -> None:
    """With the labels that the queue gives."""
    for name in COUNTERS:
        metrics.count(
            name, 2, {"queue": "/q"} | ({"to": "dead"} if name == "items_returned" else {})
        )
    metrics.observe("call_seconds", 0.1, {"queue": "/q", "call": "put", "outcome": "ok"})
    metrics.observe("hold_seconds", 0.1, {"queue": "/q", "end": "done"})
    text = generate_latest(registry).decode()
    for name in COUNTERS:
        assert f"zkmq_{name}_total" in text
    for name in HISTOGRAMS:
        assert f"zkmq_{name}_bucket" in text


def test_the_depth_of_a_queue_is_looked_at_when_it_is_scraped(
    world: World, opened: Open, registry: CollectorRegistry, metrics: PrometheusMetrics
) -> None:
    """Until it is unwatched; one that does not answer is down, and the scrape goes on."""
    queue = opened(deadline_s=1.0)
    queue.put_many([b"a", b"b"], priority=7)
    queue.put(b"c", delay_s=60.0)
    queue.bury(*queue.reserve(sync=True).items, reason="bad")
    assert registry.get_sample_value("zkmq_up", {"queue": "/queue"}) is None
    metrics.watch(queue)

    def items(place: str, priority: str = "") -> float | None:
        labels = {"queue": "/queue", "place": place, "priority": priority}
        return registry.get_sample_value("zkmq_items", labels)

    assert (items("ready", "7"), items("delayed"), items("dead"), items("held")) == (1, 1, 1, 0)
    assert registry.get_sample_value("zkmq_up", {"queue": "/queue"}) == 1
    world.faults = lambda *_: Fault.LOSE_REQUEST
    assert registry.get_sample_value("zkmq_up", {"queue": "/queue"}) == 0
    assert items("ready", "7") is None
    world.faults = no_faults
    world.scheduler.sleep(5.0)
    assert items("ready", "7") == 1
    metrics.unwatch(queue)
    assert registry.get_sample_value("zkmq_up", {"queue": "/queue"}) is None
