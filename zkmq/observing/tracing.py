"""OpenTelemetry spans from put to processing: `pip install 'zkmq[opentelemetry]'`.

The context of the put travels in the item's headers, as W3C trace context, so it survives
redeliveries, delays, and a redrive to another queue.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from zkmq.errors import BadArgumentError
from zkmq.putting.entry import Entry
from zkmq.tree.item import Item
from zkmq.tree.item_view import ItemView

SCOPE = "zkmq"
PROPAGATOR = TraceContextTextMapPropagator()


class Tracing:
    """Makes the spans of one queue or of several; `Queue(tracing=Tracing())`.

    `provider` is where spans go, by default the one that the application has set for the process.
    """

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        self._provider = provider

    @contextmanager
    def put(self, queue: str) -> Iterator[None]:
        """Make the span of a put, which its items then carry."""
        with self._tracer.start_as_current_span(
            f"send {queue}", kind=trace.SpanKind.PRODUCER, attributes=_about(queue, "send")
        ):
            yield

    def carrying(self, entry: Entry) -> Entry:
        """The entry with the current context in its headers.

        One that brings a `traceparent` of its own, or whose headers have no room, stays as it is.
        """
        carrier: dict[str, str] = {}
        PROPAGATOR.inject(carrier)
        if not carrier or "traceparent" in (entry.headers or {}):
            return entry
        try:
            return replace(entry, headers={**(entry.headers or {}), **carrier})
        except BadArgumentError:
            return entry

    @contextmanager
    def process(self, queue: str, *items: Item | ItemView) -> Iterator[None]:
        """Make the span of the processing of items, for code that reserves them itself.

        It is a child of the put's span. If there are several items, it has a link to each instead.
        An exception that leaves the block is recorded.
        """
        contexts = [PROPAGATOR.extract(dict(item.headers)) for item in items]
        about = _about(queue, "process")
        if len(items) == 1:
            about["messaging.message.id"] = items[0].id
            about["zkmq.delivery"] = items[0].delivery
        else:
            about["messaging.batch.message_count"] = len(items)
        with self._tracer.start_as_current_span(
            f"process {queue}",
            context=contexts[0] if len(contexts) == 1 else Context(),
            kind=trace.SpanKind.CONSUMER,
            attributes=about,
            links=_links(contexts) if len(contexts) > 1 else (),
        ):
            yield

    def handler(self, queue: str, handler: Callable[[Any], object]) -> "TracedHandler":
        """A worker's handler that runs in such a span."""
        return TracedHandler(self, queue, handler)

    @property
    def _tracer(self) -> trace.Tracer:
        return trace.get_tracer(SCOPE, tracer_provider=self._provider)


class TracedHandler:
    """A handler in a span; can be pickled for another process if the handler can.

    There, the spans go to the provider that the application has set in that process.
    """

    def __init__(self, tracing: Tracing, queue: str, handler: Callable[[Any], object]) -> None:
        self._tracing = tracing
        self._queue = queue
        self._handler = handler

    def __call__(self, jobs: Any) -> object:
        """Handle one job, or a list of them."""
        items = jobs if isinstance(jobs, list) else [jobs]
        with self._tracing.process(self._queue, *items):
            return self._handler(jobs)

    def __reduce__(self) -> tuple[Any, ...]:
        return TracedHandler, (Tracing(), self._queue, self._handler)


def _about(queue: str, what: str) -> dict[str, str | int]:
    """The attributes of OpenTelemetry's conventions for messaging."""
    return {
        "messaging.system": "zkmq",
        "messaging.destination.name": queue,
        "messaging.operation.name": what,
        "messaging.operation.type": what,
    }


def _links(contexts: Sequence[Context]) -> list[trace.Link]:
    spans = (trace.get_current_span(context).get_span_context() for context in contexts)
    return [trace.Link(span) for span in spans if span.is_valid]
