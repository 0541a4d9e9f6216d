"""One client whose calls a signal's handler ends anywhere, on a network that loses requests.

    wrong = interrupted_client(seed=7)

It puts, takes, ends and resolves at random. It notes what its calls told it, as an application
would. In the end another client takes all there is, and every item has to be where it was told.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from random import Random
from typing import Any

from worlds.interrupts import JobTimeoutError, interrupted
from worlds.memory.faults import Drawn
from worlds.memory.network import Fault
from worlds.memory.queues import drained, janitor_of, swept
from worlds.memory.store import World
from zkmq import Item, Queue
from zkmq.errors import AckUnknownError, OutcomeUnknownError, PartlyPutError, ZkmqError
from zkmq.tree.item import Hold

STEPS = 25
SEGMENT_ITEMS = 4
DEADLINE_S = 1.5
INTERRUPTED = 0.4
LOSS_RATE = 0.06
# Longer than any request is on its way.
CALM_S = 10.0
# About as many places as a long call has.
PLACES = 700
ASKED_AGAIN = 60
# Sessions do not end: what is in doubt then may stay so for ever, which other tests are about.
LOSSES = (Fault.LOSE_REQUEST, Fault.LOSE_REPLY, Fault.STALL)


class InterruptedClient:
    """The client, and what it knows."""

    def __init__(self, seed: int) -> None:
        self.wrong: list[str] = []
        self._rng = Random(seed)
        self._world = World(seed, session_timeout_s=1000.0)
        self._queue = Queue(
            self._world.client(), janitor=False, segment_items=SEGMENT_ITEMS, deadline_s=DEADLINE_S
        )
        self._held: list[Item] = []
        # Whether an item was certainly put; None if that is not known.
        self._put: dict[bytes, bool | None] = {}
        self._acked: set[bytes] = set()
        self._maybe_acked: set[bytes] = set()
        self._delivered: list[bytes] = []
        self._kept: list[JobTimeoutError] = []

    def run(self) -> list[str]:
        """Do it all; return what is wrong, described for people."""
        self._world.faults = Drawn(self._rng, LOSS_RATE, LOSSES)
        for _ in range(STEPS):
            self._rng.choice([self._put_some, self._put_some, self._take, self._take, self._end])()
        self._world.faults = lambda *_: None
        self._world.scheduler.sleep(CALM_S)
        self._take_the_rest()
        self._queue.close()
        return [*self.wrong, *self._misplaced()]

    def _take_the_rest(self) -> None:
        """Take all there is: then the client holds nothing of which its application has no word."""
        self._queue.deadline_s = 60.0
        while items := self._queue.reserve(100, sync=True).items:
            self._held += items
        self._note_ended()
        unknown = {item.name for item in self._queue._consumer.membership.held}
        unknown -= {item.name for item in self._held}
        self.wrong += [f"{name}: held, and nobody was told" for name in sorted(unknown)]

    def _call(self, call: Callable[[], Any]) -> Any:
        """Call; maybe interrupt it. None if it was."""
        if self._rng.random() > INTERRUPTED:
            return call()
        answers: list[Any] = []
        place = int(PLACES ** self._rng.random())
        error = interrupted(place, lambda: answers.append(call()))
        if error is None:
            return answers[0]
        self._kept = [error]
        queue = self._queue
        if queue._puts.lock.is_held or queue._consumer._lock.is_held:
            self.wrong.append(f"a lock is held after {error}")
        raise error

    def _put_some(self) -> None:
        count, batch = self._rng.choice([1, 2, 6]), self._rng.choice([1, 2])
        values = [b"%d" % (len(self._put) + number) for number in range(count)]
        self._put |= dict.fromkeys(values)
        told: Sequence[bool | None]
        try:
            self._call(lambda: self._queue.put_many(values, batch=batch))
            told = [True] * count
        except JobTimeoutError as error:
            told = self._resolved(self._queue.resolve)
            if told and None in told:
                self.wrong.append(f"never known, after {error}")
        except OutcomeUnknownError as error:
            told = [*[True] * len(error.applied), *self._resolved(error.resolve)]
        except PartlyPutError as error:
            told = [True] * len(error.applied)
        except ZkmqError:
            told = []
        # What was not told of was not sent.
        self._put |= dict(zip(values, [*told, *[False] * count], strict=False))

    def _resolved(self, resolve: Callable[[], Any]) -> list[bool | None]:
        """Ask for the outcomes until they are told, also if that is interrupted in turn."""
        for _ in range(ASKED_AGAIN):
            with suppress(OutcomeUnknownError, JobTimeoutError):
                settled = self._call(resolve)
                return [each.took_effect for each in settled for _ in range(each.items)]
        self.wrong.append("not settled")
        return []

    def _take(self) -> None:
        n = self._rng.randint(1, 4)
        fused = self._held if self._rng.random() < 0.4 else []
        sync = self._rng.random() < 0.5
        found = None
        with self._ending(fused):
            found = self._call(lambda: self._queue.reserve(n, done=fused, sync=sync)).items
        for item in found or ():
            if item.data in self._delivered:
                self.wrong.append(f"{item.data!r}: delivered twice")
            self._delivered.append(item.data)
            self._held.append(item)

    def _end(self) -> None:
        if not self._held:
            return
        items = self._held
        end = self._rng.choice(["done", "done", "release", "touch"])
        with self._ending(items if end == "done" else []):
            self._call(lambda: getattr(self._queue, end)(*items))
        self._note_ended()

    def _ending(self, items: Sequence[Item]) -> "_Ending":
        return _Ending(self, items)

    def note(self, items: Sequence[Item], error: BaseException | None) -> None:
        """Note what became of items that a call was to acknowledge."""
        if error is not None and not getattr(error, "definite", False):
            self._maybe_acked.update(item.data for item in items)
            if isinstance(error, AckUnknownError):
                self.wrong.append(f"never known: {error}")
        self._note_ended()

    def _note_ended(self) -> None:
        for item in self._held:
            if item.hold is Hold.DONE:
                self._acked.add(item.data)
            elif item.hold is not Hold.HELD:
                self._delivered.remove(item.data)  # it comes again
        self._held = [item for item in self._held if item.hold is Hold.HELD]

    def _misplaced(self) -> Iterator[str]:
        """Compare what is left with what was told."""
        swept(janitor_of(self._world), self._world, 3)
        other = Queue(self._world.client("other"), janitor=False, deadline_s=60.0)
        left = drained(other)
        for value, put in self._put.items():
            there = left.count(value)
            if there > 1:
                yield f"{value!r}: {there} times"
            if put is False and (there or value in self._acked):
                yield f"{value!r}: certainly not put, and it is there"
            if value in self._acked and there:
                yield f"{value!r}: acknowledged, and it is there"
            if put and not there and value not in self._acked | self._maybe_acked:
                yield f"{value!r}: certainly put, and lost"


class _Ending:
    """A block that may raise what a client expects, after which it notes what became of items."""

    def __init__(self, client: InterruptedClient, items: Sequence[Item]) -> None:
        self._client = client
        self._items = list(items)

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        self._client.note(self._items, error)
        return isinstance(error, JobTimeoutError | ZkmqError)


def interrupted_client(seed: int) -> list[str]:
    """Run one client; return what is wrong."""
    return InterruptedClient(seed).run()
