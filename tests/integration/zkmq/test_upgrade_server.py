"""Clients of two releases on one real server, while the queue between them is upgraded."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from worlds.sim.editions import NEW, OLD, release
from zkmq import Queue
from zkmq.errors import ClientsTooOldError, OutdatedClientError
from zkmq.tree.compatibility.charter import Edition

pytestmark = pytest.mark.docker

EACH = 300
# A machine that stands still ends no session.
PATIENT_S = 60.0
PATIENT = {"session_timeout_s": PATIENT_S, "connect_timeout_s": PATIENT_S}
OpenAs = Callable[..., Queue]


@pytest.fixture
def opened_as(server: str, request: pytest.FixtureRequest) -> Iterator[OpenAs]:
    """Give a function that opens a queue of the test's own as a client of a release."""
    with ExitStack() as stack:

        def open_queue(edition: Edition, **settings: object) -> Queue:
            with release(edition):
                queue = Queue.connect(
                    server, f"/{request.node.name}", connection=PATIENT, **settings
                )
            return stack.enter_context(queue)

        yield open_queue


def produce(queue: Queue, name: str, may_leave: threading.Event) -> list[bytes]:
    """Put one by one, and leave when that is allowed."""
    values = [f"{name}-{number}".encode() for number in range(EACH)]
    with queue:
        for value in values:
            queue.put(value)
        assert may_leave.wait(PATIENT_S)
    return values


def consume(queue: Queue, until: threading.Event) -> list[bytes]:
    """Take and acknowledge until told to leave, or until nothing comes any more."""
    taken: list[bytes] = []
    with queue:
        while not until.is_set():
            if items := queue.reserve(7, timeout_s=0.2).items:
                queue.done(*items)
                taken += [item.data for item in items]
    return taken


def test_a_rolling_upgrade_under_load_loses_nothing(opened_as: OpenAs) -> None:
    """Old clients leave one by one, new ones come, the queue is upgraded; all the while it runs."""
    seen, old_leave, new_leave = (threading.Event() for _ in range(3))
    with ThreadPoolExecutor() as pool, ExitStack() as at_last:
        for leave in (seen, old_leave, new_leave):
            at_last.callback(leave.set)  # a test that fails waits for nobody
        old_takes = pool.submit(consume, opened_as(OLD), old_leave)
        puts = [pool.submit(produce, opened_as(OLD), f"old-{i}", seen) for i in range(2)]
        new = opened_as(NEW)
        while new.stats().producers < 2:
            time.sleep(0.01)
        with pytest.raises(ClientsTooOldError, match=f"version {NEW.version} or later"):
            new.upgrade()
        seen.set()
        new_takes = pool.submit(consume, opened_as(NEW), new_leave)
        puts.append(pool.submit(produce, opened_as(NEW), "new-0", seen))
        values = [value for put in puts[:2] for value in put.result()]
        old_leave.set()
        taken = old_takes.result()
        assert new.upgrade().features == (*OLD.features, *NEW.features)
        puts.append(pool.submit(produce, opened_as(NEW), "new-1", seen))
        values += [value for put in puts[2:] for value in put.result()]
        while new.stats().waiting.get(100) or new.stats().held:
            time.sleep(0.05)
        new_leave.set()
        taken += new_takes.result()
    assert sorted(taken) == sorted(values)
    assert len(values) == 4 * EACH


def test_a_forced_upgrade_under_load_is_exact(opened_as: OpenAs) -> None:
    """Old clients end with a typed error; what they had put, and only that, is delivered."""
    old, holder = opened_as(OLD), opened_as(OLD)
    put: list[bytes] = []
    old.put(b"held")
    (held,) = holder.reserve(sync=True).items

    def produce_until_stopped() -> None:
        for number in range(1_000_000):
            value = b"%d" % number
            old.put(value)
            put.append(value)

    with ThreadPoolExecutor() as pool:
        producing = pool.submit(produce_until_stopped)
        new = opened_as(NEW)
        while len(put) < EACH:
            time.sleep(0.01)
        new.upgrade(force=True)
        error = producing.exception(timeout=60)
    assert isinstance(error, OutdatedClientError)
    with pytest.raises(OutdatedClientError):
        holder.done(held)
    holder.close()
    taken: list[bytes] = []
    while len(taken) <= len(put) and (items := new.reserve(100, timeout_s=60).items):
        new.done(*items)
        taken += [item.data for item in items]
    assert sorted(taken) == sorted([b"held", *put])
