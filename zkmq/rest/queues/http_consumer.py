"""Consumers for HTTP clients. Each is a consumer of the queue with its own ZooKeeper session."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from zkmq import ConsumerLostError, Done, Hold, Item, NotHeldError, Queue, ZkmqError
from zkmq.rest.queues.idempotency import IdempotentAnswers
from zkmq.taking.reserve import Reservation

# Runs a blocking call in a thread.
Run = Callable[..., Awaitable[Any]]

_REMEMBERED = 10_000
_ANSWERS = 16
# How long one blocking reserve may last. A shutdown may have to wait for it.
_SLICE_S = 5.0


class RemoteConsumer:
    """One consumer, and what its client holds.

    A client may repeat an operation, because an answer can get lost; it gets the same answer.
    Clients name items by `name` (one delivery) or by `id`.
    """

    def __init__(self, id: str, queue: Queue, *, session_s: float, run: Run) -> None:
        self.id = id
        self.queue = queue
        self.session_s = session_s
        self.lost = False
        self.calls = 0
        self._shut = False
        self.expiry: asyncio.TimerHandle | None = None
        self.reserves: IdempotentAnswers[Reservation] = IdempotentAnswers(_ANSWERS)
        self._run = run
        self._held: dict[str, Item] = {}
        # The verb and zxid that ended each item that is not held any more, by name and by id.
        self._ended: OrderedDict[str, tuple[str, int | None]] = OrderedDict()

    async def reserve(
        self, n: int, *, wait_s: float, done: Sequence[str], sync: bool
    ) -> Reservation:
        """Take up to `n` items, waiting for the first; acknowledge others in the same write."""
        acked, _ = self._resolve("done", done)
        loop = asyncio.get_running_loop()
        until_s = loop.time() + wait_s
        done_at: Done | None = None
        while True:
            timeout_s = min(max(0.0, until_s - loop.time()), _SLICE_S)
            try:
                found: Reservation = await self._run(
                    self.queue.reserve, n, timeout_s=timeout_s, done=acked, sync=sync
                )
            except ZkmqError:
                self._note("done", [item for item in acked if item.hold is Hold.DONE], None)
                raise
            self._note("done", acked, found.done.zxid if found.done else None)
            done_at, acked = done_at or found.done, []
            # Forget the items whose time to run was over.
            self._held = {name: item for name, item in self._held.items() if item.hold is Hold.HELD}
            self._held.update((item.name, item) for item in found.items)
            if found.items or self._shut or loop.time() >= until_s:
                return replace(found, done=done_at)

    def shut(self) -> None:
        """Let a reserve that waits end after its slice: the gateway is shutting down."""
        self._shut = True

    async def end(self, verb: str, names: Sequence[str], **options: Any) -> int | None:
        """Do `done`, `release`, `bury` or `touch`, all or none; return the zxid if it is known."""
        items, zxid = self._resolve(verb, names)
        if not items:
            return zxid
        ended: Done = await self._run(getattr(self.queue, verb), *items, **options)
        if verb != "touch":
            self._note(verb, items, ended.zxid)
        return ended.zxid

    @contextmanager
    def in_call(self) -> Iterator[None]:
        """Count a running call. A consumer with a running call does not expire."""
        self.calls += 1
        try:
            yield
        finally:
            self.calls -= 1

    def _resolve(self, verb: str, names: Sequence[str]) -> tuple[list[Item], int | None]:
        """Find the named items; leave out those that the same verb ended before.

        Raises:
            NotHeldError: an item is not held.
        """
        items, zxid = [], None
        for name in dict.fromkeys(names):
            item = self._find(name)
            ended = self._ended.get(name)
            if item is not None:
                items.append(item)
            elif ended is not None and ended[0] == verb:
                zxid = ended[1]
            else:
                raise NotHeldError(f"{name}: expected an item held by {self.id}")
        return items, zxid

    def _find(self, name: str) -> Item | None:
        return self._held.get(name) or next(
            (item for item in self._held.values() if item.id == name), None
        )

    def _note(self, verb: str, items: Sequence[Item], zxid: int | None) -> None:
        for item in items:
            self._held.pop(item.name, None)
            self._ended[item.name] = self._ended[item.id] = verb, zxid
        while len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)


def gone(consumer: str) -> ConsumerLostError:
    """Return the error for a consumer that does not exist, or has ended."""
    return ConsumerLostError(f"{consumer}: expected a live consumer; its items go to others")
