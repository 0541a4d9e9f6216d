"""Spans go from the put of an item to its processing, through the item's own headers."""

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from worlds.memory.queues import Open
from worlds.memory.store import World
from zkmq import BadArgumentError, Job, Queue
from zkmq.observing.tracing import Tracing
from zkmq.putting.entry import MAX_HEADERS, Entry
from zkmq.taking.consumer import Consumer
from zkmq.working import working


class Spans:
    """A provider that keeps the spans that have ended."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def ended(self) -> list[ReadableSpan]:
        """The spans since the last call."""
        found = list(self._exporter.get_finished_spans())
        self._exporter.clear()
        return found


@pytest.fixture
def spans() -> Spans:
    """Give a place for spans."""
    return Spans()


@pytest.fixture
def tracing(spans: Spans) -> Tracing:
    """Give what makes spans there."""
    return Tracing(spans.provider)


@pytest.fixture
def traced(opened: Open, tracing: Tracing) -> Queue:
    """Give a queue whose puts and handlers have spans."""
    return opened(tracing=tracing)


def handled(queue: Queue, tracing: Tracing, n: int = 1, error: Exception | None = None) -> None:
    """Reserve items and let a handler run, as a worker does."""
    jobs = [Job(item) for item in queue.reserve(n, sync=True).items]

    def handler(_: object) -> None:
        if error is not None:
            raise error

    wrapped = tracing.handler(queue.path, handler)
    wrapped(jobs[0] if n == 1 else jobs)
    queue.done(*(job.item for job in jobs))


def context_of(span: ReadableSpan | None) -> trace.SpanContext:
    """The context of a span."""
    assert span is not None
    context = span.get_span_context()
    assert context is not None
    return context


def test_the_processing_is_a_child_of_the_put(
    spans: Spans, tracing: Tracing, traced: Queue, opened: Open
) -> None:
    """By another client, after a release, and in the trace of the caller of the put."""
    with trace.get_tracer("app", tracer_provider=spans.provider).start_as_current_span("request"):
        traced.put(b"a", headers={"tenant": "7"})
    send, request = spans.ended()
    other = opened("other")
    (item,) = other.reserve(sync=True).items
    assert (item.headers["tenant"], set(item.headers)) == ("7", {"tenant", "traceparent"})
    other.release(item)
    handled(other, tracing)
    (process,) = spans.ended()
    assert process.parent is not None
    assert process.parent.span_id == context_of(send).span_id
    assert context_of(process).trace_id == context_of(request).trace_id
    assert (send.kind, process.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert (send.name, process.name) == ("send /queue", "process /queue")
    assert dict(process.attributes or {}) == {
        "messaging.system": "zkmq",
        "messaging.destination.name": "/queue",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.message.id": item.id,
        "zkmq.delivery": 2,
    }


def test_a_batch_has_links_to_its_puts(spans: Spans, tracing: Tracing, traced: Queue) -> None:
    """Since it has several causes; an item without a context has no link."""
    traced.put_many([b"a", b"b"])
    traced.put(b"c")
    traced.put(b"d", headers={"traceparent": "nonsense"})
    first, second, _ = map(context_of, spans.ended())
    handled(traced, tracing, n=4)
    (process,) = spans.ended()
    assert process.parent is None
    links = [link.context.span_id for link in process.links]
    assert links == [first.span_id, first.span_id, second.span_id]


def test_an_error_is_in_the_span(spans: Spans, tracing: Tracing, traced: Queue) -> None:
    """Of a handler that raises, and of a put that is refused."""
    with pytest.raises(BadArgumentError):
        traced.put(b"a", priority=1000)
    (send,) = spans.ended()
    traced.put(b"a")
    spans.ended()
    with pytest.raises(ValueError, match="bad picture"):
        handled(traced, tracing, error=ValueError("bad picture"))
    (process,) = spans.ended()
    assert {send.status.status_code, process.status.status_code} == {StatusCode.ERROR}
    assert process.events[0].name == "exception"


def test_headers_without_room_stay_as_they_are(spans: Spans, traced: Queue) -> None:
    """A put is never refused for its trace; a context of the application's own stays."""
    full = {str(number): "x" for number in range(MAX_HEADERS)}
    own = {"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"}
    traced.put_many([Entry(data=b"a", headers=full), Entry(data=b"b", headers=own)])
    assert [item.headers for item in traced.reserve(2, sync=True).items] == [full, own]


def test_the_trace_goes_along_to_another_queue(
    world: World, spans: Spans, tracing: Tracing, traced: Queue
) -> None:
    """When a dead letter is redriven."""
    other = Queue(world.client("other"), "/other", janitor=False)
    traced.put(b"a")
    (send,) = spans.ended()
    traced.bury(*traced.reserve(sync=True).items, reason="bad")
    traced.redrive("/other")
    handled(other, tracing)
    (process,) = spans.ended()
    assert process.parent is not None
    assert process.parent.span_id == context_of(send).span_id


def test_a_worker_of_the_queue_makes_the_spans(
    spans: Spans, traced: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Queue.work` wraps the handler that it is given."""

    def work(
        consumer: Consumer, _: object, handler: Callable[[Job], None], *__: object, **___: Any
    ) -> None:
        found = consumer.reserve(1, timeout_s=0, done=[], sync=True)
        handler(Job(found.items[0]))

    monkeypatch.setattr(working, "work", work)
    traced.put(b"a")
    traced.work(lambda job: job.data)
    assert [span.name for span in spans.ended()] == ["send /queue", "process /queue"]


def test_a_handler_can_go_to_another_process(tracing: Tracing) -> None:
    """Without the provider, which belongs to this one."""
    copy = pickle.loads(pickle.dumps(tracing.handler("/queue", print)))  # noqa: S301 - our own
    assert copy._handler is print


def test_without_a_provider_nothing_is_added(opened: Open) -> None:
    """The API alone makes no spans, and so no headers."""
    queue = opened(tracing=Tracing())
    queue.put(b"a")
    assert queue.reserve(sync=True).items[0].headers == {}
