"""What one registration of a consumer holds, and for how long."""

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from zkmq.doubt import Doubt
from zkmq.tree.item import Hold, Item
from zkmq.tree.ticket import Ticket
from zkmq.zookeeper.store import Store

OnLost = Callable[[str, Sequence[Item]], None]
# How often to see whether items whose time to run is over are still held.
LOOK_AGAIN_S = 1.0
Apply = Callable[["Registration", int | None], None]


def ignore_lost(consumer: str, items: Sequence[Item]) -> None:
    """The items themselves say that they are lost."""


class Begun(NamedTuple):
    """An operation that was begun, and what to do if it turns out to have taken effect.

    `apply` may be called more than once, to the same effect.
    """

    doubt: Doubt
    apply: Apply
    claimed: Sequence[Item]


class Registration:
    """One consumer id: as long as one session, and then never again."""

    def __init__(
        self, store: Store, session: int | None, consumer: str, ticket: Ticket, on_lost: OnLost
    ) -> None:
        self.consumer = consumer
        self.session = session
        self.ticket = ticket
        self.held: dict[str, Item] = {}
        self.ended = False
        # When to see next whether items were taken back for their time to run.
        self.due_s = float("inf")
        self._store = store
        # The last operation; whether it is in doubt, the ticket says.
        self.begun: Begun | None = None
        self._on_lost = on_lost
        # Held only for a moment, never across a call to the store.
        self._lock = threading.Lock()

    def add(self, items: Sequence[Item]) -> None:
        """Take note of claimed items; if the session ended meanwhile, they are lost at once."""
        for item in items:
            item.run_from(self._store.now())
            self.due_s = min(self.due_s, item.due_s)
        with self._lock:
            self.held.update((item.name, item) for item in items)
            ended = self.ended
        if ended:
            self.end()

    def remove(self, items: Sequence[Item], hold: Hold) -> None:
        """Take note that items are no longer held, and why."""
        with self._lock:
            for item in items:
                item.hold = hold
                self.held.pop(item.name, None)

    def end(self) -> None:
        """The session is over: whatever was held now belongs to others; say so, once."""
        with self._lock:
            self.ended = True
            held = list(self.held.values())
        self.lose(held)

    def lose(self, items: Sequence[Item]) -> None:
        """These belong to others now; say so, once."""
        with self._lock:
            lost = [item for item in items if self.held.pop(item.name, None) is not None]
            for item in lost:
                item.hold = Hold.LOST
        if lost:
            self._on_lost(self.consumer, lost)

    def overdue(self) -> list[Item]:
        """What has been held for longer than its time to run."""
        now_s = self._store.now()
        if now_s < self.due_s:
            return []
        with self._lock:
            held = list(self.held.values())
        late = [item for item in held if item.due_s <= now_s]
        self.due_s = min((item.due_s for item in held if item.due_s > now_s), default=float("inf"))
        if late:
            self.due_s = min(self.due_s, now_s + LOOK_AGAIN_S)
        return late
