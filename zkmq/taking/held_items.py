"""The items that one consumer holds, and those of them that its caller did not get yet."""

import threading
from collections.abc import Callable, Sequence

from zkmq.tree.item import Hold, Item

OnLost = Callable[[str, Sequence[Item]], None]


def ignore_lost(consumer: str, items: Sequence[Item]) -> None:
    """Do nothing: each item's `hold` says that it is lost."""


class HeldItems:
    """What one registration holds until it ends, and then never again. Thread-safe.

    `tell_lost` gets each lost item once.
    """

    def __init__(self, tell_lost: Callable[[Sequence[Item]], None]) -> None:
        self.held: dict[str, Item] = {}
        self.ended = False
        self._tell_lost = tell_lost
        # Held only for a moment, never across a call.
        self._lock = threading.Lock()

    def add(self, items: Sequence[Item]) -> None:
        """Hold these items. If the registration has ended by now, they are lost at once."""
        with self._lock:
            self.held.update((item.name, item) for item in items)
            ended = self.ended
        if ended:
            self.end()

    def remove(self, items: Sequence[Item], hold: Hold) -> None:
        """Hold these items no longer; `hold` is what became of them."""
        with self._lock:
            for item in items:
                item.hold = hold
                self.held.pop(item.name, None)

    def end(self) -> None:
        """End the registration: all items that it held are lost."""
        with self._lock:
            self.ended = True
            held = list(self.held.values())
        self.lose(held)

    def lose(self, items: Sequence[Item]) -> None:
        """Mark those of these items that are held as lost, and tell."""
        with self._lock:
            lost = [item for item in items if self.held.pop(item.name, None) is not None]
            for item in lost:
                item.hold = Hold.LOST
        if lost:
            self._tell_lost(lost)


class ArrivedItems:
    """Items that are held, but that the caller did not get yet, or may not have got. Thread-safe.

    A call that a signal's handler ended has no turn any more, so another may go on beside it.
    """

    def __init__(self) -> None:
        self.items: tuple[Item, ...] = ()
        # Held only for a moment, never across a call.
        self._lock = threading.Lock()

    def add(self, items: Sequence[Item]) -> None:
        """Add those of these items that are held and not here yet."""
        with self._lock:
            known = set(map(id, self.items))
            new = [item for item in items if id(item) not in known and item.hold is Hold.HELD]
            self.items = (*self.items, *new)

    def held(self) -> tuple[Item, ...]:
        """Forget those of them that are not held any more; return the others, for the caller."""
        with self._lock:
            self.items = tuple(item for item in self.items if item.hold is Hold.HELD)
            return self.items

    def remove(self, items: Sequence[Item]) -> None:
        """Remove items that the caller gets."""
        known = set(map(id, items))
        with self._lock:
            self.items = tuple(item for item in self.items if id(item) not in known)

    def clear(self) -> None:
        """Remove all: the registration that held them has ended."""
        with self._lock:
            self.items = ()
