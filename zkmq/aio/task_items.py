"""The items that tasks hold, and how each of them ends."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from weakref import WeakValueDictionary

from zkmq import checks
from zkmq.aio.async_errors import AsyncOutcomeUnknownError
from zkmq.aio.async_item import AsyncItem
from zkmq.aio.bridged_queue import BridgedQueue
from zkmq.aio.call import EndCall
from zkmq.aio.taking_lane import Spare, TakingLane
from zkmq.aio.task_calls import TaskCalls
from zkmq.aio.threads import LoopThreads
from zkmq.errors import ZkmqError
from zkmq.taking.finish import DONE, Done
from zkmq.tree.item import Hold, Item
from zkmq.tree.redelivery_policy import counted_deliveries
from zkmq.working.ending import said
from zkmq.working.work_settings import WorkSettings

TOUCH = "touch"
# When the item of a failed block comes back: as that of a failed handler, by default.
RETRIES = WorkSettings()

log = logging.getLogger("zkmq.aio")


class TaskItems:
    """Knows each item that a task holds, tells it of its loss, and ends it.

    With `interrupts`, the block of `async with item:` is cancelled when the item is lost.
    """

    def __init__(
        self,
        queue: BridgedQueue,
        threads: LoopThreads,
        calls: TaskCalls,
        lane: TakingLane,
        require_open: Callable[[], None],
        *,
        interrupts: bool,
    ) -> None:
        self._queue = queue
        self._threads = threads
        self._calls = calls
        self._lane = lane
        self._require_open = require_open
        self._interrupts = interrupts
        self._items: WeakValueDictionary[int, AsyncItem] = WeakValueDictionary()
        queue.listen(self._tell_lost)

    async def end(
        self,
        act: Callable[..., Done],
        items: Sequence[AsyncItem],
        *key: object,
        goes_on: bool = False,
    ) -> Done:
        """End or prolong the hold of items by `act`; calls with the same `key` act alike.

        With `goes_on` it is sent even if the task is cancelled before, and if it fails then, the
        items go back.

        Raises:
            ZkmqError: as `act` raises.
            BadArgumentError: an item is not of an asyncio queue, or is given twice; or none is.
        """
        self._require_open()
        call = EndCall(self._calls.loop, held_by(items), act, *key, goes_on=goes_on)
        try:
            earlier = await self.earlier(items, key)
        except ZkmqError:
            raise
        except BaseException:
            if goes_on:
                call.answer.cancel()
                self._lane.hand_over(call)
                self._lane.leave_items(call)
            raise
        if earlier is not None:
            return earlier
        self._calls.hand_over(self._lane, call)
        return await self.answer_end(call, items)

    async def earlier(self, items: Sequence[AsyncItem], key: tuple[object, ...]) -> Done | None:
        """What the same call did, if it was left under way, or in doubt, and took effect.

        Raises:
            AsyncOutcomeUnknownError: it is still under way at the deadline.
        """
        wanted = [item.item for item in items]
        for item in items:
            before = item.unfinished
            if before is not None and before.key == key and before.items == wanted:
                outcome = await self._calls.outcome_of(before)
                if isinstance(outcome, Done):
                    return outcome
        return None

    async def answer_end(self, call: EndCall, items: Sequence[AsyncItem]) -> Done:
        """Wait for the outcome of a call; if the task does not get it, `earlier` knows of it."""
        try:
            return await self._calls.answer(self._lane, call)
        except AsyncOutcomeUnknownError:
            self.remember(call, items)
            raise
        except ZkmqError:
            raise
        except BaseException:
            if call.goes_on:
                self._lane.leave_items(call)
            elif not call.drop():
                self.remember(call, items)
            raise

    def remember(self, call: EndCall, items: Sequence[AsyncItem]) -> None:
        """Let `earlier` know of a call; but a touch is sent again, as it starts the time anew."""
        if call.label != TOUCH:
            for item in items:
                item.unfinished = call

    def item_of(self, item: Item) -> AsyncItem:
        """Return the one object that tasks have for a delivery."""
        known = self._items.get(id(item))
        if known is None:
            known = AsyncItem(item, self.end_block, interrupts=self._interrupts)
            self._items[id(item)] = known
        return known

    async def end_block(self, item: AsyncItem, error: BaseException | None) -> bool:
        """End an item after its `async with`; the error, if there is one, goes on.

        If the task is cancelled now, the end goes on. If it fails, the item goes back.
        """
        try:
            if error is None and item.hold in {Hold.HELD, Hold.LOST}:  # else the block ended it
                await self.end(self._queue.done, [item], DONE, goes_on=True)
            elif isinstance(error, Exception) and item.hold is Hold.HELD:
                await self._retry(item, error)
            elif error is not None:
                self._give_back(item)
        except Exception as trouble:
            self._give_back(item)
            if error is None:
                raise
            log.warning("%s: could not come back later, goes back now: %s", item.id, trouble)
        return False

    def _tell_lost(self, _: str, items: Sequence[Item]) -> None:
        """Tell the event loop that items are lost, from any thread."""
        self._threads.tell(self._lose, items)

    def _lose(self, items: Sequence[Item]) -> None:
        for item in items:
            known = self._items.get(id(item))
            if known is not None:
                known.be_lost()

    def _give_back(self, item: AsyncItem) -> None:
        """Let an item go to the next reserve, or to its place, unless it turns out to be ended."""
        self._lane.hand_over(Spare((item.item,)))

    async def _retry(self, item: AsyncItem, error: Exception) -> None:
        """Bring an item back later, or put it aside after its last delivery."""
        header, reason = item.item.header, said(error)
        if self._queue.policy.place(header) == "dead":
            act = partial(self._queue.bury, reason=reason)
            await self.end(act, [item], "bury", reason, goes_on=True)
            return
        delay_s = RETRIES.delay_s(counted_deliveries(header))
        act = partial(self._queue.release, delay_s=delay_s, to="place")
        await self.end(act, [item], "release", delay_s, "place", goes_on=True)


def held_by(items: Sequence[AsyncItem]) -> list[Item]:
    """Return the deliveries behind a task's items.

    Raises:
        BadArgumentError: one is not of an asyncio queue, or is there twice; or there is none.
    """
    checks.some_items(items, AsyncItem)
    return [item.item for item in items]
