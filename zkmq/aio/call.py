"""One call of a task: what it asks of a lane, and the future in which the task waits."""

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from zkmq.putting.batches import Put
from zkmq.putting.entry import Entry
from zkmq.taking.finish import Done
from zkmq.taking.reserve import MAX_BATCH, Reservation
from zkmq.tree.item import Item

T = TypeVar("T")


class Call(Generic[T]):
    """A call from the moment it is made until its outcome is known.

    Its lane begins it, on a thread, or its task drops it before, in the event loop: whoever is
    first. A call that was begun has an outcome, which is kept also if the task waits no more.

    Attributes:
        answer: what the task awaits.
        outcome: the result, or the error; None until it is known.
        timer: ends the call at its deadline.
        is_answered: whether the outcome is in `answer`. If the task is cancelled at that moment, it
            does not get it.
    """

    # How many items it puts, takes at once, or ends.
    count = 1

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.answer: asyncio.Future[T] = loop.create_future()
        self.outcome: T | BaseException | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.is_answered = False
        self._is_begun = self._is_dropped = False
        # Taken once, and never given back.
        self._first = threading.Lock()
        self._curious: list[asyncio.Future[None]] = []

    def begin(self) -> bool:
        """Take the call up, or go on with it; False if it was dropped."""
        if not self._is_begun:
            self._is_begun = self._first.acquire(blocking=False)
        return self._is_begun

    def drop(self) -> bool:
        """Make sure that nothing is sent for this call; False if it was begun."""
        if not self._is_dropped:
            self._is_dropped = self._first.acquire(blocking=False)
        return self._is_dropped

    def deliver(self, outcome: T | BaseException) -> bool:
        """Give the outcome to the task, in the event loop; False if it waits no more."""
        self.outcome = outcome
        for each in self._curious:
            if not each.done():
                each.set_result(None)
        if self.answer.done():
            return False
        self.is_answered = True
        if isinstance(outcome, BaseException):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)
        return True

    def end_timer(self) -> None:
        """Let the deadline do nothing any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    async def known(self, within_s: float) -> T | BaseException | None:
        """Wait for the outcome, and return it, also an error; None if it does not come in time."""
        if self.outcome is None:
            came: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._curious.append(came)
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await came
        return self.outcome


class PutCall(Call[list[Put]]):
    """Entries to put, in order."""

    def __init__(self, loop: asyncio.AbstractEventLoop, entries: Sequence[Entry]) -> None:
        super().__init__(loop)
        self.entries = entries
        self.count = len(entries)


class ReserveCall(Call[Reservation]):
    """Up to `n` items to take, waiting until `until_s` on the store's clock."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, n: int, *, until_s: float, sync: bool
    ) -> None:
        super().__init__(loop)
        self.n = n
        self.until_s = until_s
        self.sync = sync


class EndCall(Call[Done]):
    """Items whose hold ends, or is prolonged, by `act`.

    Calls with the same `key` act alike. It begins with the name of the operation. With `goes_on`
    the call is sent whatever becomes of its task.

    Attributes:
        is_left: whether no task has the items any more, so that they go back if the call fails.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        items: Sequence[Item],
        act: Callable[..., Done],
        *key: Hashable,
        goes_on: bool = False,
    ) -> None:
        super().__init__(loop)
        self.items = items
        self.count = len(items)
        self.act = act
        self.key = key
        self.goes_on = goes_on
        self.is_left = False
        if goes_on:
            self.begin()

    @property
    def label(self) -> str:
        """The name of the operation."""
        return str(self.key[0])


def groups_of(calls: Sequence[EndCall]) -> tuple[list[list[EndCall]], list[EndCall]]:
    """Put calls together that act alike; return those that have to wait for others.

    A call waits for one about the same item. A group has at most MAX_BATCH items, unless one call
    has more. A call that repeats one in doubt goes with those that were in that doubt: only they
    can learn what became of it.
    """
    groups: dict[object, list[EndCall]] = {}
    later: list[EndCall] = []
    seen: set[int] = set()
    for call in calls:
        mine = {id(item) for item in call.items}
        group = groups.setdefault((call.key, call.items[0].in_doubt), [])
        full = group and sum(len(each.items) for each in group) + len(mine) > MAX_BATCH
        if full or not seen.isdisjoint(mine):
            later.append(call)
        else:
            group.append(call)
        seen |= mine
    return [group for group in groups.values() if group], later
