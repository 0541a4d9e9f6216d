"""A consumer that holds an item while its server falls silent for longer than its session lives."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from worlds.wire.starvation import Starvation
from worlds.wire.zookeeper import WireZooKeeper
from zkmq import Item, Queue

GRANTED_MS = 4000  # `lost` comes a tenth of it before the end, also on a busy machine
WITHIN_S = 60.0  # it takes four
# A machine that keeps the process from running for longer than a tenth of the session decides.
MARGIN_S = 0.2


@dataclass(frozen=True, slots=True)
class Silenced:
    """The consumer after its session has ended, and whether it had been told `lost` by then.

    It says nothing if the machine kept the process from running (`starved`).
    """

    queue: Queue
    item: Item
    told_in_time: bool
    starved: bool


@contextmanager
def silenced(meanwhile: Callable[[Queue], object] | None = None) -> Iterator[Silenced]:
    """Let the session of a consumer end by silence; call `meanwhile` again and again until then.

    It asks for a session of 20 s and gets one of 4 s. The server answers nothing any more.
    """
    told, over, in_time = threading.Event(), threading.Event(), []
    with (
        Starvation() as starvation,
        WireZooKeeper(longest_timeout_ms=GRANTED_MS) as server,
        Queue.connect(
            server.address,
            "/q",
            connection={"session_timeout_s": 20.0},
            janitor=False,
            lost=lambda _, items: told.set() if items else None,
        ) as queue,
    ):
        queue.put(b"a")
        (item,) = queue.reserve(sync=True).items
        session = queue.session_id
        assert queue._store.timeout_s == GRANTED_MS / 1000  # type: ignore[attr-defined]

        def observe(_: object) -> None:
            if session not in server.leader.sessions and not over.is_set():
                in_time.append(told.is_set())
                over.set()

        with server.leader_now() as leader:
            leader.observers.append(observe)
        queue._deadline_s = 0.05
        server.silent, since_s = True, time.monotonic()
        while meanwhile is not None and not over.is_set():
            meanwhile(queue)
        assert over.wait(WITHIN_S)
        yield Silenced(queue, item, in_time[0], starvation.since(since_s) > MARGIN_S)
