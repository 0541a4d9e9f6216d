"""Threads that share a client: each ends at its own deadline, and sees a close at once."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import Any

import pytest

from worlds.memory.queues import Open
from worlds.memory.store import World
from worlds.wire.zookeeper import WireZooKeeper
from zkmq import ClosedError, NoQuorumError, Queue
from zkmq.zookeeper.call_lock import CallLock

SOON_S = 8.0


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

    def join(self) -> None:
        """Wait for all of them."""
        until_s = time.monotonic() + SOON_S
        for thread in self._threads:
            thread.join(until_s - time.monotonic())
        assert not any(thread.is_alive() for thread in self._threads)


class RangError(Exception):
    """What a signal's handler raises."""


def rings_as_a_condition_is_entered(frame: FrameType, _: str, __: object) -> Any:
    """Trace so that it raises where a condition has its lock, and its `with` not yet."""
    if frame.f_code is not threading.Condition.__enter__.__code__:
        return None

    def at(_: FrameType, event: str, __: object) -> Any:
        if event == "return":
            raise RangError
        return at

    return at


@pytest.mark.parametrize("what", ["call", "send", "connected"])
def test_a_signal_in_the_middle_of_taking_a_lock_leaves_it_free(
    shared: tuple[WireZooKeeper, Queue], what: str
) -> None:
    """Other threads go on, though a handler raised between the taking and the note of it."""
    _, queue = shared
    lock = CallLock(time.monotonic)

    def take() -> None:
        with lock.take(time.monotonic() + SOON_S):
            pass

    calls = {
        "call": take,
        "send": lambda: queue._store.submit([]),
        "connected": lambda: queue._store.wait_connected(time.monotonic()),
    }
    before = sys.gettrace()
    sys.settrace(rings_as_a_condition_is_entered)
    try:
        with suppress(RangError):
            calls[what]()
    finally:
        sys.settrace(before)
    threads = Threads()
    threads.call(calls[what])
    threads.join()
    assert not threads.errors


@pytest.mark.parametrize("what", ["put", "reserve"])
def test_waiting_for_another_call_counts(shared: tuple[WireZooKeeper, Queue], what: str) -> None:
    """Of many calls that wait for one that hangs, none takes longer than it may."""
    server, queue = shared
    queue.put(b"a")
    queue.reserve(sync=True)
    call = queue.reserve if what == "reserve" else lambda: queue.put(b"b")
    lock = queue._consumer._lock if what == "reserve" else queue._producing
    server.silent = True
    queue.deadline_s = SOON_S / 2
    threads = Threads()
    threads.call(call)
    until_s = time.monotonic() + SOON_S
    while lock._holder is None and time.monotonic() < until_s:
        time.sleep(0.01)
    queue.deadline_s = 0.4
    for _ in range(23):  # one after the other they would take longer than the test
        threads.call(call)
    threads.join()
    told = [str(error) for error in threads.errors if isinstance(error, NoQuorumError)]
    assert len(threads.errors) == 24
    assert sum("not sent: another call holds the client" in text for text in told) == 23


def test_a_close_ends_the_calls_of_other_threads(shared: tuple[WireZooKeeper, Queue]) -> None:
    """Those that wait for an item, for their turn to wait, or for an answer."""
    server, queue = shared
    threads = Threads()
    for _ in range(2):
        threads.call(lambda: queue.reserve(timeout_s=600))
    until_s = time.monotonic() + SOON_S
    while not any("/q/waiting/" in path for path in server.dump()):
        assert time.monotonic() < until_s
        time.sleep(0.005)
    server.silent = True
    threads.call(lambda: queue.put(b"a"))
    queue._deadline_s = 600.0
    queue.close()
    threads.join()
    assert all(isinstance(error, ClosedError) for error in threads.errors[:2])
    assert len(threads.errors) == 3


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
    with turn.take(0.0):
        with turn.take(0.0):
            pass
        threads = Threads()
        threads.call(turn.take(0.0).__enter__)
        threads.join()
        assert isinstance(threads.errors[0], NoQuorumError)
    with turn.take(0.0):
        pass


def test_a_call_that_died_in_the_middle_of_taking_its_turn_does_not_hold_it() -> None:
    """An exception that came between having the turn and beginning the call leaves it free."""
    turn = CallLock(time.monotonic)
    turn.take(0.0).__enter__()  # and nobody leaves: the call is gone with its frame
    threads = Threads()
    threads.call(turn.take(time.monotonic() + SOON_S).__enter__)
    threads.join()
    assert not threads.errors
