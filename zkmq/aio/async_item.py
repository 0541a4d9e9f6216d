"""An item in the hands of a task."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from zkmq.aio.call import EndCall
from zkmq.errors import ConsumerLostError
from zkmq.tree.item import Hold, Item
from zkmq.tree.item_view import ItemView

# Ends the hold of an item after its block, by the error that ended the block. Returns whether that
# error stays in the block.
EndBlock = Callable[["AsyncItem", BaseException | None], Awaitable[bool]]


class AsyncItem(ItemView):
    """One delivery of an item.

    `async with item:` acknowledges the item if the block succeeds. If the block raises an
    Exception, the item comes back later, or is a dead letter after its last delivery, and the error
    goes on; in a turn of `consume`, or in a handler of `work`, it is logged and ends there. If the
    block's task is cancelled, the item goes back to its place at once, and the delivery does not
    count; the task does not wait for that.

    With `interrupt_lost` of the queue, the block is cancelled as soon as the item is lost, and
    `async with` raises a ConsumerLostError.

    Attributes:
        item: the delivery as `zkmq.Queue.reserve` gives it.
        lost: an event that is set as soon as the item is not this queue's any more, because the
            session or the item's time to run ended. Another consumer has it, or gets it soon.
    """

    __slots__ = ("__weakref__", "_blocks", "_end", "_interrupts", "lost", "unfinished")

    def __init__(self, item: Item, end: EndBlock, *, interrupts: bool) -> None:
        self.item = item
        self.lost = asyncio.Event()
        self._end = end
        self._interrupts = interrupts
        # The tasks in a block of it, and how many cancellations each had when it came there.
        self._blocks: dict[asyncio.Task[object], int] = {}
        # A call about it that was under way when its task was cancelled.
        self.unfinished: EndCall | None = None
        if item.hold is Hold.LOST:
            self.lost.set()

    @property
    def name(self) -> str:
        """The item's name, which changes with each return."""
        return self.item.name

    @property
    def hold(self) -> Hold:
        """Whether this queue still owns the item, and if not, why."""
        return self.item.hold

    def be_lost(self) -> None:
        """Tell the tasks that work on it, in the event loop."""
        if not self.lost.is_set():
            self.lost.set()
            for task in self._blocks:
                task.cancel()

    async def __aenter__(self) -> Self:
        task = asyncio.current_task() if self._interrupts else None
        if task is not None and task not in self._blocks:
            self._blocks[task] = task.cancelling()
            if self.lost.is_set():  # the block gets to its first await
                task.cancel()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        # Where garbage is collected, there is no task.
        task = None if not self._blocks or kind is GeneratorExit else asyncio.current_task()
        if task not in self._blocks or task is None:
            return await self._end(self, error)
        cancelled = self._blocks.pop(task)
        if not self.lost.is_set() or not await _was_only(task, cancelled, error):
            return await self._end(self, error)
        lost = self._lost_error()
        if await self._end(self, lost):
            return True
        raise lost from error

    def _lost_error(self) -> ConsumerLostError:
        return ConsumerLostError(
            f"{self.name}: expected an item held by this consumer; its session or its time to run "
            "has ended, and it goes to another"
        )

    def __repr__(self) -> str:
        return f"AsyncItem({self.id!r}, delivery={self.delivery}, {self.hold.value})"


async def _was_only(task: "asyncio.Task[object]", before: int, error: BaseException | None) -> bool:
    """Take back the cancellation of a block; whether it was cancelled for no other reason."""
    if task.uncancel() > before:
        return False
    if isinstance(error, asyncio.CancelledError):
        return True
    # Maybe it got to no await, and the cancellation would come at the next one.
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
    if task.cancelling() > before:
        raise asyncio.CancelledError
    return error is None
