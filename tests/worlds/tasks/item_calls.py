"""What tasks do with items besides `done` and `release`, and workers; each is looked at at once."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from random import Random
from typing import Any

from worlds.tasks.handed import Got, SimProcess
from zkmq.aio import (
    AsyncAckUnknownError,
    AsyncItem,
    AsyncOutcomeUnknownError,
    AsyncQueue,
    AsyncReservation,
)
from zkmq.errors import NoQuorumError, NotAppliedError, NotHeldError
from zkmq.tree.item import Hold


class BlockError(Exception):
    """What a block of `async with item:`, or a handler, raises."""


class ItemCalls:
    """The tasks' calls in one run: its seed, the leader, what is wrong, and what happened.

    A subclass has `_limited`, `_take` and `_settled`.
    """

    rng: Random
    world: Any
    trouble: list[str]
    tally: Any

    async def _touch(self, process: SimProcess, queue: AsyncQueue, got: Got) -> None:
        """Touch twice, and see that a touch that is told took effect now."""
        for _ in range(2):
            before = self._version(got)
            try:
                await self._limited(process, queue.touch(got.item))
            except TimeoutError:
                self.tally["touch cancelled"] += 1
            except (NotAppliedError, AsyncOutcomeUnknownError):
                return
            else:
                after = self._version(got)
                if before is not None and after is not None and after <= before:
                    self.trouble.append(f"{got.path}: told touched, and that is false")
                self.tally["touched"] += 1

    async def _bury(self, process: SimProcess, queue: AsyncQueue, got: Got) -> None:
        while True:
            try:
                await self._limited(process, queue.bury(got.item, reason="bad"))
            except TimeoutError:
                self.tally["bury cancelled"] += 1
            except NoQuorumError:
                pass
            except NotAppliedError:
                return
            except AsyncOutcomeUnknownError as error:
                (answer,) = await self._settled(error.resolve)
                if answer.took_effect is not False:
                    return
            else:
                if self._version(got) is not None and not process.was_killed:
                    self.trouble.append(f"{got.path}: told buried, and that is false")
                self.tally["buried"] += 1
                got.is_left = True
                return

    async def _reserve(
        self, process: SimProcess, queue: AsyncQueue, acks: list[Got], n: int, timeout_s: float
    ) -> AsyncReservation:
        """Reserve, and acknowledge in the same call what the last turn left for that."""
        if not acks:
            return await self._limited(process, queue.reserve(n, timeout_s=timeout_s))
        (got,) = acks
        got.asked, got.is_done = True, None
        done = [got.item]
        try:
            found: AsyncReservation = await self._limited(
                process, queue.reserve(n, timeout_s=timeout_s, done=done)
            )
        except (NotHeldError, AsyncAckUnknownError) as error:
            if isinstance(error, NotHeldError):
                self._judge_not_held(got)
            process.in_hand.discard(id(got.item.item))
            acks.clear()
            raise
        except (TimeoutError, AsyncOutcomeUnknownError, NotAppliedError):
            self.tally["done with a reserve again"] += 1
            raise
        self.tally["done with a reserve"] += 1
        got.is_left, got.is_done = True, found.done is not None
        process.in_hand.discard(id(got.item.item))
        acks.clear()
        return found

    def _judge_not_held(self, got: Got) -> None:
        """Who is told that an item is not held has not ended it by an earlier, same call."""
        if got.item.hold is Hold.DONE:
            self.trouble.append(f"{got.path}: told not held, and it was done by this task")

    async def _run_worker(self, process: SimProcess, queue: AsyncQueue) -> None:
        """Let workers run handlers, and cancel the workers at times."""

        async def handle(given: AsyncItem | list[AsyncItem]) -> None:
            items = given if isinstance(given, list) else [given]
            handed = [self._take(process, item) for item in items]
            try:
                await asyncio.sleep(self.rng.choice((0.0, 0.01, 0.5)))
                if self.rng.random() < 0.2:
                    raise BlockError
                for got in handed:
                    got.asked = True
            finally:
                for got in handed:
                    got.is_left = got.is_over = True
                    process.in_hand.discard(id(got.item.item))

        worker = queue.work(
            handle,
            concurrency=2,
            batch=self.rng.choice((None, 2)),
            retry_s=0.5,
            retry_most_s=2.0,
            idle_s=self.rng.choice((0.2, 2.0)),
            stop_on=(),
        )
        try:
            async with asyncio.timeout(self.rng.choice((None, 0.3, 2.0))):
                await worker
            self.tally["worker ended"] += 1
        except TimeoutError:
            self.tally["worker cancelled"] += 1

    async def _operate(self, process: SimProcess, queue: AsyncQueue) -> None:
        """Bring back what was buried."""
        while not process.was_killed:
            await asyncio.sleep(self.rng.uniform(0.5, 1.5))
            with suppress(NotAppliedError, AsyncOutcomeUnknownError, TimeoutError):
                kicked = await self._limited(process, queue.kick(5))
                self.tally["kicked"] += kicked.count

    def _version(self, got: Got) -> int | None:
        """The version of a claim on the leader; None if there is no such claim."""
        node = self.world.leader.tree.nodes.get(got.path)
        return None if node is None else node.version

    async def _limited(self, process: SimProcess, call: Awaitable[Any]) -> Any:
        raise NotImplementedError

    def _take(self, process: SimProcess, item: AsyncItem) -> Got:
        raise NotImplementedError

    async def _settled(self, resolve: Any) -> tuple[Any, ...]:
        raise NotImplementedError
