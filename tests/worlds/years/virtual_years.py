"""Years of use in virtual time: whether anything grows, from the first month to the last.

    months = list(Years(seed=1).months(60))
    assert grown(months) == []

One thread does what several clients do, on the in-memory ZooKeeper. Quiet time is left out: of
each hour a minute or so is played, with all that happens to a queue, and then the clock is set to
the next. So every hour's and every day's housekeeping is due as often as in real years, and only
the number of puts is less; segments are short, so that many come and go all the same.

One client, the elder, lives through all of it in one process, with one janitor and its caches;
the young are restarted, and die, every day. Sessions end, the servers' clocks jump, a release of
zkmq follows the other.
"""

import sys
from collections.abc import Callable, Iterator
from random import Random
from typing import TypeVar

from worlds.memory.queues import drained
from worlds.memory.store import MemoryStore, World
from worlds.years.growth import Costs, Month, looked_at
from zkmq import Queue
from zkmq.janitor.janitor import Janitor
from zkmq.putting.entry import Entry
from zkmq.tree.compatibility.charter import EDITION, Edition
from zkmq.tree.paths import QueueTree

ROOT = "/queue"
HOUR_S, DAY_S = 3600.0, 86_400.0
DAYS_A_MONTH = 30
SEGMENT_ITEMS = 2
DEADLINE_S = 30.0
RELEASE_DAYS = 90
WEEK_DAYS = 7
Answer = TypeVar("Answer")


class Client:
    """One process: a session, a queue, and a janitor of its own that is stepped by hand."""

    def __init__(self, years: "Years", name: str, edition: Edition) -> None:
        self.store: MemoryStore = years.world.client(name)
        self.edition = edition
        release = type("Release", (Queue,), {"edition": edition})
        self.queue: Queue = release(
            self.store, ROOT, janitor=False, segment_items=SEGMENT_ITEMS, order="strict",
            close_store=True,
        )  # fmt: skip
        self.janitor = Janitor(
            self.queue._bound, QueueTree(ROOT), name=name, segment_items=SEGMENT_ITEMS
        )


class Years:
    """One queue and those who use it, from the first day on; of each hour so many `plays`."""

    def __init__(self, seed: int = 1, *, plays: int = 1) -> None:
        self._plays = plays
        self.rng = Random(seed)
        self.world = World(seed, followers=1, max_events=sys.maxsize)
        self.day = 0
        self.puts = 0
        self._serial = 0
        self._costs = Costs()
        self._release = EDITION
        self.elder = Client(self, "elder", EDITION)
        self.young = [self._born(), self._born()]

    def months(self, count: int, *, days: int = DAYS_A_MONTH) -> Iterator[Month]:
        """Live so many months of some days, and look at the end of each."""
        for number in range(1, count + 1):
            self._costs = Costs()
            for _ in range(days):
                self._live_a_day()
            self._tidy_up()
            nodes = [path for path in self.world.leader.tree.nodes if path.startswith(f"{ROOT}/")]
            elder = [self.elder.queue, self.elder.janitor]
            yield looked_at(number, nodes, self._costs, self.puts, elder)

    def _live_a_day(self) -> None:
        for hour in range(24):
            self._live_an_hour(hour)
        self.day += 1
        self._restart()
        if self.day % WEEK_DAYS == 0:
            self._live_a_weekend()
        self._roll_releases()
        self._forget()

    def _live_an_hour(self, hour: int) -> None:
        began_s = self.world.scheduler.now_s
        for _ in range(self._plays):
            self._put(self.rng.choice([self.elder, *self.young]))
            self._take(self.rng.choice([self.elder, *self.young]))
            self.world.scheduler.sleep(self.rng.choice([1.0, 70.0]))
            self._step_janitors()
        if hour == 12:
            self.elder.queue.stats()
            self.elder.queue.peek(3)
            self.elder.queue.kick(10)
        self.world.scheduler.sleep(max(0.0, HOUR_S - (self.world.scheduler.now_s - began_s)))

    # What happens within an hour

    def _put(self, client: Client) -> None:
        rng = self.rng
        entries = [
            Entry(
                data=self._payload(),
                priority=rng.choice([100, 100, 100, 50, 200]),
                delay_s=rng.choice([0, 0, 0, 0, 30, HOUR_S, DAY_S]),
                ttr_s=rng.choice([None, None, None, 60]),
                dedup_id=rng.choice([None, f"id-{self.day}-{rng.randrange(20)}"]),
            )
            for _ in range(rng.choice([1, 1, 2]))
        ]
        for entry in entries:
            self._timed("put", lambda each=entry: client.queue.put_many([each]))  # type: ignore[misc]
        self.puts += len(entries)

    def _take(self, client: Client) -> None:
        rng, queue = self.rng, client.queue
        items = self._timed("reserve", lambda: queue.reserve(2)).items
        if not items:
            queue.reserve(2, timeout_s=1.0)  # in the line, so that it moves on as well
            return
        what = rng.choice(["done"] * 8 + ["release", "later", "bury", "touch", "keep"])
        match what:
            case "release":
                queue.release(*items)
            case "later":
                queue.release(*items, delay_s=60.0)
            case "bury":
                queue.bury(*items, reason="nobody wants it")
            case "touch":
                queue.touch(*items)
                queue.done(*items)
            case "keep":
                pass  # its time to run, or its client's life, ends
            case _:
                self._timed("done", lambda: queue.done(*items))

    def _step_janitors(self) -> None:
        for client in (self.elder, *self.young):
            self._timed("janitor", lambda each=client: self._step(each))  # type: ignore[misc]

    def _step(self, client: Client) -> None:
        # A lag of the elected one's replies is no defect of the queue's.
        client.janitor.step(client.store.now() + DEADLINE_S)

    # What happens in days and weeks

    def _restart(self) -> None:
        """One of the young leaves, or dies with what it holds, and another comes."""
        old = self.young.pop(0)
        if self.rng.random() < 0.5:
            old.queue.close()
        else:
            old.queue.reserve(2)
            old.store.crash()
        self.world.clients.remove(old.store)
        self.young.append(self._born())

    def _live_a_weekend(self) -> None:
        """The elder's session ends, the servers' clocks jump, and somebody empties a priority."""
        self.elder.queue.reserve(1)
        self.elder.store.expire()
        self.world.scheduler.sleep(1.0)
        self.world.set_clock(self.rng.choice([-7200, -5, 5, 7200]))
        self.elder.queue.purge(200)

    def _roll_releases(self) -> None:
        """Every few months a release: the young come with it, and somebody raises the tree."""
        if self.day % RELEASE_DAYS == 0:
            version = self._release.version + 1
            self._release = Edition(version, 1, 1, (f"feature-{version % 2}",))
        elif self.day % RELEASE_DAYS == 4:
            self.young[-1].queue.upgrade()

    def _born(self) -> Client:
        return Client(self, f"young-{self.day}", self._release)

    def _forget(self) -> None:
        """Forget what the simulation itself would pile up."""
        self.world.leader.trim()
        for client in (self.elder, *self.young):
            del client.store.sessions[:-1]

    def _tidy_up(self) -> None:
        """Bring back what was put aside, and take all that waits."""
        for _ in range(3):
            self._step_janitors()
            self.elder.queue.kick(1000)
            drained(self.elder.queue)
        self.world.scheduler.sleep(DEADLINE_S * 2)  # no deadline is waited for any more
        self._forget()

    def _timed(self, what: str, act: Callable[[], Answer]) -> Answer:
        requests, began_s = self.world.requests, self.world.scheduler.now_s
        answer = act()
        took_s = self.world.scheduler.now_s - began_s
        self._costs.note(what, self.world.requests - requests, took_s)
        return answer

    def _payload(self) -> bytes:
        self._serial += 1
        return b"%d" % self._serial
