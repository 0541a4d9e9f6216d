"""Threads that share a client: each ends at its own deadline, and sees a close at once."""

import gc
import threading
import time
from collections.abc import Iterator
from itertools import count
from unittest import mock

import pytest

from worlds.interrupts import HAS_MORE_PLACES, JobTimeoutError, interrupted, warm_up
from worlds.memory.queues import Open
from worlds.memory.store import World
from worlds.wire.zookeeper import WireZooKeeper
from zkmq import ClosedError, NoQuorumError, Queue
from zkmq.zookeeper.call_lock import FAIR_AFTER_S, HAND_OVER_S, CallLock, _Call
from zkmq.zookeeper.signals import Changes

pytestmark = pytest.mark.medium

SOON_S = 60.0


@pytest.fixture
def shared() -> Iterator[tuple[WireZooKeeper, Queue]]:
    """Give a server and a queue on it, for many threads."""
    with WireZooKeeper() as server, Queue.connect(server.address, "/q", janitor=False) as queue:
        yield server, queue


class Threads:
    """Threads that call, and what became of their calls."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []

    def call(self, call: object) -> None:
        """Call on a thread of its own."""

        def run() -> None:
            try:
                call()  # type: ignore[operator]
            except Exception as error:  # noqa: BLE001 - it is handed to the test
                self.errors.append(error)

        self._threads.append(threading.Thread(target=run, daemon=True))
        self._threads[-1].start()

    def await_errors(self, count: int) -> None:
        """Wait until so many have failed."""
        until_s = time.monotonic() + SOON_S
        while len(self.errors) < count:
            assert time.monotonic() < until_s, self.errors
            time.sleep(0.01)

    def join(self) -> None:
        """Wait for all of them."""
        until_s = time.monotonic() + SOON_S
        for thread in self._threads:
            thread.join(until_s - time.monotonic())
        assert not any(thread.is_alive() for thread in self._threads)


@pytest.mark.parametrize("what", ["put", "reserve"])
def test_waiting_for_another_call_counts(shared: tuple[WireZooKeeper, Queue], what: str) -> None:
    """Of many calls that wait for one that hangs, none takes longer than it may."""
    server, queue = shared
    queue.put(b"a")
    queue.reserve(sync=True)
    call = queue.reserve if what == "reserve" else lambda: queue.put(b"b")
    lock = queue._consumer._lock if what == "reserve" else queue._puts.lock
    server.silent = True
    queue.deadline_s = 10 * SOON_S
    threads = Threads()
    threads.call(call)
    until_s = time.monotonic() + SOON_S
    while not lock.is_held and time.monotonic() < until_s:
        time.sleep(0.01)
    queue.deadline_s = 0.4
    for _ in range(23):  # none may wait for the one that hangs
        threads.call(call)
    threads.await_errors(23)
    queue.close()  # ends the one that hangs
    threads.join()
    told = [str(error) for error in threads.errors if isinstance(error, NoQuorumError)]
    assert len(threads.errors) == 24
    assert sum("not sent: another call holds the client" in text for text in told) == 23


def test_a_close_ends_the_calls_of_other_threads(shared: tuple[WireZooKeeper, Queue]) -> None:
    """Those that wait for an item, for their turn to wait, or for an answer."""
    server, queue = shared
    waiting, putting = Threads(), Threads()
    for _ in range(2):
        waiting.call(lambda: queue.reserve(timeout_s=600))
    until_s = time.monotonic() + SOON_S
    while not any("/q/waiting/" in path for path in server.dump()):
        assert time.monotonic() < until_s
        time.sleep(0.005)
    server.silent = True
    putting.call(lambda: queue.put(b"a"))
    queue._deadline_s = 600.0
    queue.close()
    for threads in (waiting, putting):
        threads.join()
    assert [type(error) for error in waiting.errors] == [ClosedError, ClosedError]
    assert len(putting.errors) == 1


def test_a_waiter_sees_a_close_at_once(world: World, opened: Open) -> None:
    """It does not go on until it would have looked again."""
    queue = opened()
    ended_s: list[float] = []

    def wait() -> None:
        with pytest.raises(ClosedError):
            queue.reserve(timeout_s=600)
        ended_s.append(world.scheduler.now_s)

    world.scheduler.spawn("waiter", wait)
    world.scheduler.sleep(1.0)
    closed_s = world.scheduler.now_s
    queue.close()
    world.scheduler.sleep(1.0)
    assert ended_s
    assert ended_s[0] - closed_s < 0.2


def test_a_thread_that_has_its_turn_may_call_again() -> None:
    """As a `lost` callback does; the turn is free when the outer call ends."""
    turn = CallLock(time.monotonic)
    threads = Threads()

    def inner() -> None:
        turn.run(0.0, lambda: None)
        threads.call(lambda: turn.run(0.0, lambda: None))
        threads.join()

    turn.run(0.0, inner)
    assert isinstance(threads.errors[0], NoQuorumError)
    turn.run(0.0, lambda: None)
    threads.call(lambda: turn.run(0.0, lambda: None))
    threads.join()
    assert len(threads.errors) == 1


def test_a_call_that_could_not_leave_keeps_the_lock_for_its_thread_alone() -> None:
    """Until its exception is forgotten; even then nobody comes beside a later call of the thread.

    Two handlers raised, the second one while the call was leaving.
    """
    turn = CallLock(time.monotonic)
    error = died_in_its_turn(turn)
    kept = [error]
    del error
    threads = Threads()
    threads.call(lambda: turn.run(0.0, lambda: None))
    threads.join()
    assert isinstance(threads.errors.pop(), NoQuorumError)

    def later() -> None:
        kept.clear()
        gc.collect()
        threads.call(lambda: turn.run(0.0, lambda: None))
        threads.join()

    turn.run(0.0, later)
    assert isinstance(threads.errors.pop(), NoQuorumError)
    threads.call(lambda: turn.run(0.0, lambda: None))
    threads.join()
    assert not threads.errors


def died_in_its_turn(turn: CallLock) -> BaseException:
    """Call, and let both attempts to leave fail."""
    with mock.patch.object(CallLock, "_leave", side_effect=JobTimeoutError):
        try:
            turn.run(0.0, lambda: None)
        except JobTimeoutError as error:
            return error
    pytest.fail("it could leave")


def test_a_handler_that_raises_anywhere_leaves_the_lock_free() -> None:
    """For other threads, while the exception is still known."""
    for place in count(1):
        warm_up(lambda: CallLock(time.monotonic).run(0.0, lambda: None))
        turn, ran = CallLock(time.monotonic), []
        error = interrupted(place, lambda: turn.run(0.0, lambda: ran.append(1)))  # noqa: B023
        if error is None:
            break
        threads = Threads()
        threads.call(lambda: turn.run(0.0, lambda: None))  # noqa: B023
        threads.join()
        assert not threads.errors, f"interrupted at {error}"
    assert place > (20 if HAS_MORE_PLACES else 15)


class Clock:
    """A clock that a test sets."""

    now_s = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now_s


def call_of(thread: int) -> _Call:
    """Return a call of a thread that is not there."""
    call = _Call()
    call.thread = thread
    return call


def test_a_thread_that_calls_again_at_once_does_not_keep_the_others_out() -> None:
    """It may for a moment; then the lock is free only for the one that has waited for longest."""
    clock = Clock()
    lock = CallLock(clock)
    first, second = call_of(1), call_of(2)
    busy = call_of(9)
    assert lock._take(busy)
    assert not lock._take(first)
    assert not lock._take(second)
    lock._leave(busy)
    assert lock._take(busy)
    clock.now_s += 2 * FAIR_AFTER_S
    assert lock._take(call_of(9))  # within the call that holds it
    gc.collect()
    lock._leave(busy)
    for waiting in (first, second):
        assert not lock._take(busy)
        assert lock._take(waiting)
        lock._leave(waiting)
    assert lock._take(busy)


def test_a_waiter_that_does_not_come_blocks_the_others_for_a_moment_only() -> None:
    """As when two handlers ended it, so that it could not leave, and its exception is kept."""
    clock = Clock()
    lock = CallLock(clock)
    ghost, holder = call_of(1), call_of(2)
    assert lock._take(holder)
    assert not lock._take(ghost)
    lock._leave(holder)
    clock.now_s += 2 * FAIR_AFTER_S
    other = call_of(3)
    assert not lock._take(other)
    clock.now_s += 2 * HAND_OVER_S
    for _ in range(3):  # and once only
        assert lock._take(other)
        lock._leave(other)
        clock.now_s += 2 * FAIR_AFTER_S
    assert lock._take(other)
    assert not lock._take(ghost)  # it lives after all, and lines up again
    lock._leave(other)
    clock.now_s += 2 * FAIR_AFTER_S
    assert not lock._take(other)
    assert lock._take(ghost)


def test_a_waiter_that_is_interrupted_anywhere_blocks_nobody() -> None:
    """Whatever it was doing, and while its exception is still known."""
    for place in count(1):
        clock = Clock()
        warm_up(lambda: CallLock(time.monotonic).run_if_free(0.0, lambda: None))
        turn, holder = CallLock(clock), call_of(1)
        assert turn._take(holder)
        with mock.patch.object(Changes, "wait_for", lambda _, changed, __: changed()):
            error = interrupted(place, lambda: turn.run_if_free(1.0, lambda: None))  # noqa: B023
        if error is None:
            break
        turn._leave(holder)
        clock.now_s += 2 * FAIR_AFTER_S
        other = call_of(2)
        if not turn._take(other):
            clock.now_s += 2 * HAND_OVER_S
            assert turn._take(other), f"interrupted at {error}"
    assert place > 20
