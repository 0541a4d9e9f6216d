"""A signal's handler may raise anywhere in what a real session does in the calling thread.

Afterwards the connection lives, and all threads of the process get their answers.
"""

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import TypeVar

import pytest

from worlds.interrupts import SESSION, interrupted, warm_up
from worlds.wire.zookeeper import WireZooKeeper
from zkmq import Item, Queue
from zkmq import queue as queue_module
from zkmq.errors import ZkmqError
from zkmq.zookeeper.session import kazoo_session
from zkmq.zookeeper.signals import Changes, Latch, ThreadSignal

pytestmark = pytest.mark.medium

DEADLINE_S = 60.0
HANGS_S = 60.0
STRIDE = 4
Answer = TypeVar("Answer")
Calls = dict[str, Callable[[Queue, Sequence[Item]], object]]

CALLS: Calls = {
    "put": lambda queue, _: queue.put(b"x"),
    "put_many": lambda queue, _: queue.put_many([b"1", b"2"], batch=1),
    "reserve": lambda queue, _: queue.reserve(),
    "waiting reserve": lambda queue, _: queue.reserve(timeout_s=0.02),
    "done": lambda queue, held: queue.done(*held),
    "release": lambda queue, held: queue.release(*held),
}


@pytest.fixture(scope="module")
def server() -> Iterator[WireZooKeeper]:
    """Give a server for all of them."""
    with WireZooKeeper() as one:
        yield one


def elsewhere(call: Callable[[], Answer]) -> Answer:
    """Call on another thread."""
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(call())
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(HANGS_S)
    assert not thread.is_alive(), "the call hangs"
    if errors:
        raise errors[0]
    return answers[0]


def all_of(queue: Queue) -> list[bytes]:
    """Take all there is, in order."""
    found = iter(lambda: queue.reserve(9, sync=True).items, ())
    return [item.data for items in found for item in items]


@contextmanager
def opened(server: WireZooKeeper, name: str, place: int) -> Iterator[tuple[Queue, Sequence[Item]]]:
    """Open a queue of its own for one call, and give what the call takes."""
    path = f"/{name}-{place}".replace(" ", "-")
    with Queue.connect(server.address, path, deadline_s=DEADLINE_S) as queue:
        queue.put(b"a")
        held = queue.reserve().items
        if not name.startswith("waiting reserve"):
            queue.put(b"b")
        yield queue, held


@pytest.mark.parametrize("name", CALLS)
def test_other_threads_go_on(server: WireZooKeeper, name: str) -> None:
    """They put and take while the exception is still known, on the same session."""

    def call_once() -> None:
        with opened(server, f"{name} {secrets.token_hex(4)}", 0) as given:
            CALLS[name](*given)

    for place in count(1, STRIDE):
        warm_up(call_once, SESSION)
        with opened(server, name, place) as (queue, held):
            error = interrupted(place, lambda: CALLS[name](queue, held), SESSION)
            if error is None:
                break
            print("interrupted at", error)
            session = queue.session_id
            elsewhere(lambda: queue.put(b"y"))
            assert elsewhere(lambda: all_of(queue))[-1:] == [b"y"]
            elsewhere(lambda: queue.put(b"z"))
            found = elsewhere(lambda: queue.reserve(9, timeout_s=DEADLINE_S))
            assert [item.data for item in found.items] == [b"z"]
            assert queue.session_id == session
    assert place > 50


def test_an_interrupted_close_ends_the_session(
    server: WireZooKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, and not when it expires: what it held goes to others."""
    # A busy machine may need longer than a close waits for a server.
    monkeypatch.setattr(queue_module, "CLOSED_WITHIN_S", HANGS_S)
    monkeypatch.setattr(kazoo_session, "CLOSED_WITHIN_S", HANGS_S)
    for place in count(1, STRIDE):
        warm_up(lambda: Queue.connect(server.address, "/close-0").close(), SESSION)
        queue = Queue.connect(server.address, f"/close-{place}", deadline_s=DEADLINE_S)
        queue.put(b"a")
        queue.reserve()
        session = queue.session_id
        error = interrupted(place, queue.close, SESSION)
        if error is None:
            break
        print("interrupted at", error)
        queue.close()
        with server.leader_now() as leader:
            assert session not in leader.sessions
        with pytest.raises(ZkmqError):
            queue.put(b"b")
    assert place > 50


def test_whoever_sets_a_signal_never_waits() -> None:
    """Wherever a handler has raised in a wait for it, and the next wait works."""
    for place in count(1):
        signal, latch, changes = ThreadSignal(), Latch(), Changes()

        def wait() -> None:
            signal.wait(0.0)  # noqa: B023
            latch.wait(0.0)  # noqa: B023
            changes.wait_for(lambda: False, 0.001)  # noqa: B023

        warm_up(wait, SESSION)
        error = interrupted(place, wait, SESSION)
        if error is None:
            break
        for call in (signal.set, latch.set, changes.tell):
            elsewhere(call)
        assert signal.wait(0.0), f"interrupted at {error}"
        assert latch.wait(0.0)
        assert not signal.wait(0.0)
    assert place > 20
