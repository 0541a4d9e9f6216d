"""A job: an item in the hands of a handler."""

import threading
from collections.abc import Callable
from enum import Enum
from types import TracebackType
from typing import Any, Self

from zkmq.tree.item import Item
from zkmq.tree.item_view import ItemView


class Outcome(Enum):
    """What became of a job.

    LOST: the session or the item's time to run ended first, so another consumer gets the item.
    UNKNOWN: the acknowledgement was in doubt when the session ended or the worker stopped. It may
        have taken effect. `Job.resolve` finds out.
    GIVEN_BACK: the worker stopped first. This delivery does not count towards `max_deliveries`.
    STILL_HELD: the servers did not accept its end. It goes back when the queue is closed.
    """

    DONE = "done"
    RETRIED = "retried"
    DEAD = "dead"
    LOST = "lost"
    UNKNOWN = "unknown"
    GIVEN_BACK = "given back"
    STILL_HELD = "still held"


End = Callable[["Job", BaseException | None], None]


class Job(ItemView):
    """One delivery of an item, in the hands of a handler.

    Use it as a context manager to end it before its handler returns: `with job:` acknowledges the
    item if the block succeeds, and brings it back later if the block raises an Exception, which
    does not leave the block. In another process, and in a handler there, `with job:` does nothing
    and `lost` is never set.

    Attributes:
        item: the delivery as `Queue.reserve` gives it.
        lost: set as soon as the item is not this worker's any more. Stop then: another consumer
            has the item, or gets it soon, and nothing that this job does is acknowledged.
        outcome: what became of it; None until that is known.
        settle: asks for the outcome of its last call that was in doubt; None if none was.
    """

    __slots__ = ("_end", "ended", "lost", "outcome", "settle")

    def __init__(self, item: Item, end: End | None = None) -> None:
        self.item = item
        self.lost = threading.Event()
        self.outcome: Outcome | None = None
        self.settle: Callable[[], Outcome] | None = None
        # Whether its end was decided: by its own block, or by its handler.
        self.ended = False
        self._end = end

    def resolve(self) -> Outcome | None:
        """Find out what became of a job in doubt, from any thread, and repeatedly.

        As `error.resolve()` of a call in doubt. A job stays UNKNOWN if it can never be known, since
        its session ended first; then `Queue.inspect(job.id)` tells whether the item is still there.
        Of a job that is not in doubt, returns its `outcome`.

        Raises:
            OutcomeUnknownError: still no answer before the deadline.
            ClosedError: the queue was closed before there was one.
        """
        if self.outcome is Outcome.UNKNOWN and self.settle is not None:
            self.outcome = self.settle()
        return self.outcome

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if self._end is None:
            return False
        self._end(self, error)
        return isinstance(error, Exception)

    def __reduce__(self) -> tuple[Any, ...]:
        return Job, (self.item,)

    def __repr__(self) -> str:
        state = self.outcome.value if self.outcome else "lost" if self.lost.is_set() else "held"
        return f"Job({self.id!r}, delivery={self.delivery}, {state})"
