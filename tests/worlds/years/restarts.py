"""Years of restarts of the real client: kazoo's connection and zkmq's threads, on real sockets.

What virtual time leaves out: sessions that are opened and closed in one process, queues that come
and go on a session that stays, and a session that ends while it is used. A day is some
milliseconds here; nothing waits for time to pass.
"""

import time
from collections.abc import Iterator
from contextlib import suppress

from worlds.wire.zookeeper import WireZooKeeper
from worlds.years.growth import Costs, Month, looked_at, threads
from zkmq import Queue
from zkmq.errors import ZkmqError
from zkmq.zookeeper.session.kazoo_store import KazooStore

ROOT = "/queue"
WEEK_DAYS = 7
SETTLED_WITHIN_S = 10.0


class Restarts:
    """One process that lives for years, on a server of its own."""

    def __init__(self, server: WireZooKeeper) -> None:
        self._server = server
        self._store = KazooStore.connect(server.address)
        self._elder = Queue(self._store, ROOT, segment_items=2, order="strict", janitor=False)
        self._day = 0
        self._puts = 0
        self._threads = 0  # after the first month
        self._costs = Costs()

    def months(self, count: int, *, days: int = 30) -> Iterator[Month]:
        """Live so many months of some days, and look at the end of each."""
        for number in range(1, count + 1):
            self._costs = Costs()
            for _ in range(days):
                self._live_a_day()
            with self._server.leader_now() as leader:
                nodes = [path for path in leader.tree.nodes if path.startswith(f"{ROOT}/")]
            self._let_threads_end()
            yield looked_at(number, nodes, self._costs, self._puts, [self._elder])

    def close(self) -> None:
        """End the session that stayed."""
        self._elder.close()
        self._store.close()

    def _let_threads_end(self) -> None:
        """Wait for threads that are ending, which is a matter of the machine; not for a leak."""
        self._threads = self._threads or threads()
        until_s = time.monotonic() + SETTLED_WITHIN_S
        while threads() > self._threads and time.monotonic() < until_s:
            time.sleep(0.01)

    def _live_a_day(self) -> None:
        self._day += 1
        with Queue.connect(self._server.address, ROOT, janitor=self._day % 2 == 0) as young:
            self._use(young)
        with Queue(self._store, ROOT) as guest:
            self._use(guest)
        self._use(self._elder)
        if self._day % WEEK_DAYS == 0 and self._store.session_id is not None:
            self._server.expire(self._store.session_id)
            self._use(self._elder)
        with self._server.leader_now() as leader:
            leader.trim()

    def _use(self, queue: Queue) -> None:
        """Put, take and acknowledge, however long a session that has just ended is in the way."""
        until_s = time.monotonic() + SETTLED_WITHIN_S
        while time.monotonic() < until_s:
            with suppress(ZkmqError):
                queue.put(b"%d" % self._day)
                self._puts += 1
                queue.done(*queue.reserve(10, sync=True).items)
                return
        raise AssertionError(f"day {self._day}: no put and no done in {SETTLED_WITHIN_S} s")
