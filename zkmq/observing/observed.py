"""The parts of a queue that tell an observer of their work, if there is one."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from zkmq.errors import OutcomeUnknownError, PartlyPutError
from zkmq.janitor.claim_returner import OnReturned, Returned
from zkmq.observing.observed_consumer import ObservedConsumer
from zkmq.observing.observer import Observer, Observing
from zkmq.putting.batches import Put
from zkmq.putting.entry import Entry
from zkmq.taking.consumer import Consumer
from zkmq.zookeeper.store import Store

if TYPE_CHECKING:
    from zkmq.observing.tracing import Tracing

PutCall = Callable[[Callable[[], list[Entry]]], list[Put]]


class Observed:
    """Wraps a queue's calls for its observer. Without one, nothing is wrapped.

    Attributes:
        on_returned: what to call with items that the janitor took back, for the observer and the
            application; None if neither wants to know.
    """

    def __init__(
        self,
        observer: Observer | None,
        store: Store,
        queue: str,
        on_returned: OnReturned | None,
        tracing: "Tracing | None" = None,
    ) -> None:
        self._queue = queue
        self._tracing = tracing
        self._observing = None if observer is None else Observing(observer, store, queue)
        self._on_returned = on_returned
        self.on_returned = on_returned if observer is None else self._returned

    def consumer(self, *arguments: Any, **settings: Any) -> Consumer:
        """Make the consumer of the queue."""
        if self._observing is None:
            return Consumer(*arguments, **settings)
        return ObservedConsumer(*arguments, observing=self._observing, **settings)

    def put(self, entries: Callable[[], list[Entry]], call: PutCall) -> list[Put]:
        """Put entries by `call`."""
        tracing = self._tracing
        if tracing is None:
            return self._counted(lambda: call(entries))
        with tracing.put(self._queue):
            return self._counted(lambda: call(lambda: [tracing.carrying(e) for e in entries()]))

    def handler(self, handler: Callable[[Any], object]) -> Callable[[Any], object]:
        """The handler of a worker."""
        return self._tracing.handler(self._queue, handler) if self._tracing else handler

    def elected(self) -> None:
        """Count an election of the janitor."""
        if self._observing is not None:
            self._observing.count("janitor_elections")

    def _counted(self, put: Callable[[], list[Put]]) -> list[Put]:
        if self._observing is None:
            return put()
        try:
            with self._observing.call("put"):
                puts = put()
        except (OutcomeUnknownError, PartlyPutError) as error:
            self._count_put(error.applied)
            raise
        self._count_put(puts)
        return puts

    def _count_put(self, puts: Sequence[object]) -> None:
        if self._observing is not None:
            count = sum(isinstance(put, Put) and not put.duplicate for put in puts)
            self._observing.count("items_put", count)

    def _returned(self, returned: Returned) -> None:
        if self._observing is not None:
            self._observing.count("items_returned", len(returned.names), to=returned.to)
        if self._on_returned is not None:
            self._on_returned(returned)
