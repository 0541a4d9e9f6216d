"""The queue on an in-memory ZooKeeper: many clients, faults, virtual time, one seed.

    for violation in simulate(Schedule(seed=7)):
        print(violation)

The code of the queue is the one that runs on a real quorum; only what it takes from outside is
given by the simulation: the store with its clock, and random numbers. After the schedule nothing
is struck any more, sessions of the dead end, a client that nobody struck puts one more item and
drains the queue, and all that was told and seen is judged.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from types import SimpleNamespace
from unittest import mock

from worlds.crash_points.checks import LAST, Ended, Outcome, Reason, Violation
from worlds.memory.network import Fault, Request, no_faults
from worlds.memory.store import World
from worlds.sim.actors import LAST_CLIENT, ROOT, Client, PutCall, Told
from worlds.sim.checks import judged
from worlds.sim.ledger import Ledger
from worlds.sim.schedule import SEGMENT_ITEMS, Kind, Schedule
from worlds.sim.scheduler import STARTS_AT_S, Actor, DeadlockError
from zkmq import Item, Queue
from zkmq.errors import ZkmqError
from zkmq.janitor.janitor import Janitor
from zkmq.putting.dedup import HOUR_MS
from zkmq.taking import reserve
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.store import Create, Delete, Store

# Virtual. The longest of schedules has ended by then, if nothing hangs.
ENDS_WITHIN_S = 600.0
DRAINED_WITHIN_S = 30.0
# Thirty times what most schedules take: who needs more goes round in circles.
MAX_EVENTS = 30_000
SOME_HOUR = 472_223


def simulate(schedule: Schedule) -> list[Violation]:
    """Run one schedule and judge it, at every zxid and at its end."""
    simulation = Simulation(schedule)
    return [*simulation.run(), *simulation.ledger.wrong]


class Simulation:
    """One run. `drained` is what the last client got, in order."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.world = World(
            schedule.seed,
            faults=self._struck,
            lag_s=schedule.lag_s,
            max_events=MAX_EVENTS,
            start_ms=_start_ms(schedule.hour_in_s),
        )
        self.ledger = Ledger(self.world.leader, ROOT, max_deliveries=schedule.max_deliveries)
        self.ledger.is_old = self._is_old
        self.told = Told()
        self.drained: list[Item] = []
        self._clients: dict[str, Client] = {}
        self._actors: dict[str, Actor] = {}
        self._requests: Counter[tuple[str, Kind]] = Counter()
        self._strikes = {(s.client, s.kind, s.number): s.what for s in schedule.strikes}

    @property
    def unstruck(self) -> list[tuple[str, Kind, int]]:
        """The strikes for which no request came: client, kind, number."""
        return list(self._strikes)

    def run(self) -> list[Violation]:
        """Run it, judge it at its end, and leave no thread behind; `ledger` judged every zxid."""
        with seeded(self.world.rng):
            try:
                self._start()
                self._await_end()
                self.world.faults = no_faults
                self._drain()
            except (DeadlockError, ZkmqError) as error:
                self.told.trouble.append(Violation(Reason.WEDGED, repr(error)))
            finally:
                self.world.scheduler.stop()
        return judged(self.told, self.ledger, self.world, self.drained)

    def _is_old(self, session: int) -> bool:
        return any(
            client.is_old and session in client.store.sessions for client in self._clients.values()
        )

    def _start(self) -> None:
        if self.schedule.new:
            # The tree is one of this release, whoever is the first to come.
            Client("maker", self.world, self.ledger, self.told, self.schedule).open().close()
        for index, puts in enumerate(self.schedule.producers):
            self._spawn(f"producer-{index}", lambda client, steps=puts: client.produce(steps))
        for index, takes in enumerate(self.schedule.consumers):
            self._spawn(f"consumer-{index}", lambda client, steps=takes: client.consume(steps))
        for index in range(self.schedule.janitors):
            self._spawn(f"janitor-{index}", Client.keep_house)
        if operator := self.schedule.operator:
            self._spawn("operator-0", lambda client: client.operate(operator))

    def _spawn(self, name: str, body: Callable[[Client], None]) -> None:
        client = Client(name, self.world, self.ledger, self.told, self.schedule)
        self._clients[name] = client
        self._actors[name] = self.world.scheduler.spawn(name, lambda: body(client))

    def _await_end(self) -> None:
        """Wait for producers and consumers; janitors would go on for ever."""
        scheduler = self.world.scheduler
        until_s = scheduler.now_s + ENDS_WITHIN_S
        working = [actor for name, actor in self._actors.items() if not name.startswith("janitor")]
        while not all(actor.finished for actor in working):
            if scheduler.now_s > until_s:
                stuck = [actor.name for actor in working if not actor.finished]
                raise DeadlockError(f"still running after {ENDS_WITHIN_S} s: {stuck}")
            scheduler.sleep(0.5)
        for actor in self._actors.values():
            if actor.error is not None:
                self.told.trouble.append(Violation(Reason.UNTYPED, repr(actor.error)))

    def _drain(self) -> None:
        """Let sessions of the dead end, put one more item, and take all there is."""
        self.world.scheduler.sleep(self.world.session_timeout_s * 2)
        last = Client(LAST_CLIENT, self.world, self.ledger, self.told, self.schedule)
        queue = last.open()
        call = PutCall((LAST,), last.store.now())
        self.told.puts.append(call)
        queue.put(LAST)
        call.outcome, call.ended_s = Outcome(Ended.OK), last.store.now()
        until_s = last.store.now() + DRAINED_WITHIN_S
        for janitor in self._sweeping(queue._bound, until_s):
            while not janitor.step(until_s):
                last.store.sleep(1.0)  # a server that lags still shows the one before
            queue.kick(1000)
            queue.kick(1000, place="partial")
            self._take_all(last, queue)
        queue.close()

    def _take_all(self, last: Client, queue: Queue) -> None:
        while items := list(queue.reserve(50, sync=True).items):
            self.drained += items
            last.acknowledge(queue, items)

    def _sweeping(self, store: Store, until_s: float) -> Iterator[Janitor]:
        """The janitor of the last client, until nothing is left to be delivered.

        Others may hold the office until their sessions end: they are told to go.
        """
        for name, client in self._clients.items():
            if name.startswith("janitor"):
                self.world.scheduler.kill(self._actors[name])
                client.store.close()
        janitor = Janitor(
            store, QueueTree(ROOT), name="last", segment_items=SEGMENT_ITEMS, sweep_period_s=0.0
        )
        while store.now() < until_s:
            yield janitor
            if not any(self.ledger.places.values()):
                yield janitor
                return
            store.sleep(1.0)

    def _struck(self, number: int, request: Request) -> Fault | None:
        """Tell what happens to a request."""
        name, kind = request.client, _kind(request)
        self._requests[name, kind] += 1
        what = self._strikes.pop((name, kind, self._requests[name, kind]), None)
        if what == "kill":
            self.world.scheduler.after(self.world.latency_s(), lambda: self._kill(name))
            return None
        return what

    def _kill(self, name: str) -> None:
        self._clients[name].store.crash()
        self.world.scheduler.kill(self._actors[name])


def _start_ms(hour_in_s: float) -> int:
    """When the servers' clock starts, for an hour to begin so much later."""
    return int(SOME_HOUR * HOUR_MS - (STARTS_AT_S + hour_in_s) * 1000)


def _kind(request: Request) -> Kind:
    if not request.ops:
        return "read"
    for op in request.ops:
        match op:
            case Create(path, _, False, True) if path.startswith(f"{ROOT}/items/"):
                return "append"
            case Create(path) if "/item/" in path:
                return "claim"
    ends = any(isinstance(op, Delete) and "/item/" in op.path for op in request.ops)
    return "unclaim" if ends else "write"


@contextmanager
def seeded(rng: Random) -> Iterator[None]:
    """Give the queue's own random numbers a seed."""

    def token_hex(nbytes: int) -> str:
        return f"{rng.getrandbits(8 * nbytes):0{2 * nbytes}x}"

    with (
        mock.patch.object(secrets, "token_hex", token_hex),
        mock.patch.object(reserve, "random", SimpleNamespace(Random=lambda: rng)),
    ):
        yield
