"""How many messages a channel may still take: its prefetch count, shared by its queues."""

import threading
from typing import Protocol

# Without a prefetch count: how many messages may wait in this process for their delivery.
MOST_UNDELIVERED = 500


class Taker(Protocol):
    """A queue that needs credits to take messages."""

    def wake(self) -> None:
        """See what changed: there may be credits, or another queue wants those that are unused."""


class Credits:
    """The credits of one channel. Thread-safe.

    A credit is in the hands of a queue that looks for a message, then of a message that waits for
    its delivery, then of one that is not acknowledged. The channel's queues get credits in turn. A
    queue that waits for messages with a credit has to give it back when another one `wants` it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._limit = 0
        self._granted: dict[Taker, int] = {}
        self._waiting: dict[Taker, None] = {}
        self._undelivered = 0
        self._unacknowledged = 0

    @property
    def limit(self) -> int:
        """The prefetch count; 0 for none."""
        return self._limit

    @limit.setter
    def limit(self, count: int) -> None:
        with self._lock:
            self._limit = count
        self._wake(self._waiting)

    def take(self, taker: Taker, most: int) -> int:
        """Grant up to `most` credits; if there are none, let the taker wait, and wake the idle."""
        with self._lock:
            others = [other for other in self._waiting if other is not taker]
            first = next(iter(self._waiting), taker) is taker
            free = self._free()
            if free > 0 and (first or free > len(others)):
                self._waiting.pop(taker, None)
                granted = min(most, max(1, free - len(others)))
                self._granted[taker] = self._granted.get(taker, 0) + granted
                return granted
            self._waiting[taker] = None
            idle = [other for other in self._granted if other is not taker]
        self._wake(idle)
        return 0

    def wanted(self, taker: Taker) -> bool:
        """Whether another queue waits for a credit."""
        return any(other is not taker for other in tuple(self._waiting))

    def use(self, taker: Taker, used: int, *, keep: int = 0) -> None:
        """Turn `used` of the taker's credits into messages; take back the others but `keep`."""
        with self._lock:
            self._undelivered += used
            self._granted.pop(taker, None)
            if keep:
                self._granted[taker] = keep
        self._wake(self._waiting)

    def leave(self, taker: Taker) -> None:
        """Take all credits from a queue that stops."""
        with self._lock:
            self._granted.pop(taker, None)
            self._waiting.pop(taker, None)
        self._wake(self._waiting)

    def deliver(self, *, acknowledged: bool) -> None:
        """Note that a message was delivered, and whether that was its acknowledgement."""
        with self._lock:
            self._undelivered -= 1
            self._unacknowledged += not acknowledged
        self._wake(self._waiting)

    def drop(self) -> None:
        """Note that a message will not be delivered."""
        self.deliver(acknowledged=True)

    def get(self) -> None:
        """Note a message that was taken by `basic_get`, which needs no credit."""
        with self._lock:
            self._unacknowledged += 1

    def acknowledge(self) -> None:
        """Note that a message was acknowledged or rejected."""
        with self._lock:
            self._unacknowledged -= 1
        self._wake(self._waiting)

    def _free(self) -> int:
        held = self._undelivered + sum(self._granted.values())
        if self._limit:
            return self._limit - held - self._unacknowledged
        return MOST_UNDELIVERED - held

    def _wake(self, takers: "dict[Taker, None] | list[Taker]") -> None:
        for taker in tuple(takers):
            taker.wake()
