"""A consumer whose calls are counted and measured."""

from collections.abc import Callable, Sequence
from typing import Any

from zkmq.observing.observer import Observing
from zkmq.taking.consumer import Consumer, GiveUp, never
from zkmq.taking.finish import Done
from zkmq.taking.reserve import Reservation
from zkmq.tree.item import Item


class ObservedConsumer(Consumer):
    """Counts what becomes of items, for `observing`. The rest is that of `Consumer`.

    A call in doubt is not counted when it is settled later; but an item that it claimed is counted
    when the next reserve returns it.
    """

    def __init__(self, *arguments: Any, observing: Observing, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._observing = observing
        # When each item that is held was handed out, by name.
        self._taken_s: dict[str, float] = {}
        self.lost_listeners.append(self._count_lost)

    def reserve(
        self, n: int, *, timeout_s: float, done: Sequence[Item], sync: bool, give_up: GiveUp = never
    ) -> Reservation:
        """Reserve, and count the items. The time includes the wait for the first one."""
        with self._observing.call("reserve"):
            found = super().reserve(n, timeout_s=timeout_s, done=done, sync=sync, give_up=give_up)
        if found.done is not None:
            self._ended("items_done", "done", done)
        self._observing.count("items_taken", len(found.items))
        now_s = self._observing.now()
        self._taken_s.update((item.name, now_s) for item in found.items)
        return found

    def done(self, items: Sequence[Item]) -> Done:
        """Acknowledge, and count the items."""
        return self._measured("done", items, lambda: super(ObservedConsumer, self).done(items))

    def release(self, items: Sequence[Item], *, delay_s: float, to: str) -> Done:
        """Give back, and count the items."""
        return self._measured(
            "release",
            items,
            lambda: super(ObservedConsumer, self).release(items, delay_s=delay_s, to=to),
        )

    def touch(self, items: Sequence[Item]) -> Done:
        """Touch, and measure the call."""
        with self._observing.call("touch"):
            return super().touch(items)

    def bury(self, items: Sequence[Item], *, reason: str) -> Done:
        """Put aside, and count the items."""
        return self._measured(
            "bury", items, lambda: super(ObservedConsumer, self).bury(items, reason=reason)
        )

    def _measured(self, label: str, items: Sequence[Item], call: Callable[[], Done]) -> Done:
        with self._observing.call(label):
            ended = call()
        self._observing.count("items_dead", ended.dead)
        counter = "items_done" if label == "done" else "items_released"
        self._ended(counter, label, items, but=ended.dead)
        return ended

    def _ended(self, counter: str, label: str, items: Sequence[Item], *, but: int = 0) -> None:
        self._observing.count(counter, len(items) - but)
        now_s = self._observing.now()
        for item in items:
            taken_s = self._taken_s.pop(item.name, None)
            if taken_s is not None:
                self._observing.observe("hold_seconds", now_s - taken_s, end=label)

    def _session_ended(self, session: int) -> None:
        self._observing.count("sessions_lost")
        super()._session_ended(session)

    def _count_lost(self, _: str, items: Sequence[Item]) -> None:
        self._observing.count("items_lost", len(items))
        for item in items:
            self._taken_s.pop(item.name, None)
