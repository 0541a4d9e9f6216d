"""Workers on the ZooKeeper in memory, while leaders die, sessions end and processes are killed.

The worker is the product's own; its handlers are actors in virtual time. At the end a client that
meets no fault drains the queue, and what the handlers saw is compared with what the workers say
became of each job, and with the leader's log.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from worlds.memory.faults import Drawn
from worlds.memory.network import no_faults
from worlds.memory.store import MemoryStore, World
from worlds.rough_runs import ROOT, cut_all, keep_house, opened
from worlds.sim.ledger import Ledger
from worlds.sim.scheduler import Actor
from worlds.sim.simulation import seeded
from worlds.workers.actors import ActorThreads
from zkmq import Job, Outcome, Queue
from zkmq.errors import NoQuorumError, NotAppliedError, OutcomeUnknownError, ZkmqError
from zkmq.putting.entry import Entry
from zkmq.working import working
from zkmq.working.work_settings import WorkSettings
from zkmq.working.worker import GIVE_BACK_S, Worker

ITEMS = 40
POISON = b"poison"
MAX_DELIVERIES = 8
WORKS_FOR_S = 60.0
STOP_WITHIN_S = 4.0
DEADLINE_S = 5.0
# A call that met no answer ends after its deadline; then the worker sees that it is late.
SLACK_S = 0.5
FAILS = 0.1
OFTEN = 0.02


class HandlerError(Exception):
    """What a handler raises in a simulation."""


@dataclass(eq=False, slots=True)
class Ran:
    """One run of a handler on one delivery. `ended_s` is set if the handler returned."""

    job: Job
    worker: "SimWorker"
    ended_s: float | None = None


@dataclass(eq=False, slots=True)
class SimWorker:
    """One process: a session, a queue, a worker's loop, and its handlers."""

    name: str
    store: MemoryStore
    worker: Worker | None = None
    actors: list[Actor] = field(default_factory=list)
    was_killed: bool = False


class RoughWork:
    """One run from one seed: `run` it, then ask for `wrong`."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.world = World(seed, followers=3, lag_s=0.05, faults=Drawn(self.rng, OFTEN))
        self.ledger = Ledger(self.world.leader, ROOT, max_deliveries=MAX_DELIVERIES)
        self.ran: list[Ran] = []
        self.workers: list[SimWorker] = []
        self.put: set[bytes] = set()
        self.drained: list[tuple[bytes, int]] = []
        self.dead: dict[bytes, str | None] = {}
        self.trouble: list[str] = []

    def run(self) -> None:
        """Put, work under faults, stop, drain."""
        with seeded(self.world.rng):
            self._run()

    def _run(self) -> None:
        scheduler = self.world.scheduler
        try:
            # The queue is there before the first fault.
            faults, self.world.faults = self.world.faults, no_faults
            self._open(self.world.client("maker")).close()
            self.world.faults = faults
            scheduler.spawn("producer", self._produce)
            scheduler.spawn("janitor", lambda: keep_house(self.world, self._open))
            for number in range(3):
                self._spawn_worker(f"worker-{number}")
            self._strike()
            self._stop_workers()
            self._drain()
        finally:
            scheduler.stop()

    @property
    def wrong(self) -> Iterator[str]:
        """What must not be."""
        yield from self.trouble
        yield from map(str, self.ledger.wrong)
        handled = {ran.job.data for ran in self.ran if ran.ended_s is not None}
        left = {data for data, _ in self.drained} | set(self.dead)
        for data in sorted(self.put - handled - left):
            yield f"{data!r}: lost: it was put, no handler finished it, and it is gone"
        for ran in self.ran:
            yield from self._judge(ran)
        for data in sorted(set(self.dead) & self.put - {POISON}):
            reason = self.dead[data] or ""
            if "HandlerError" not in reason and "deliver" not in reason:
                yield f"{data!r}: dead without a cause: {reason!r}"

    @property
    def tally(self) -> Counter[str]:
        """How often what happened, to tell a rough run from an idle one."""
        lived = [ran.job.outcome for ran in self.ran if not ran.worker.was_killed]
        told = Counter(outcome.name for outcome in lived if outcome is not None)
        told["killed"] = len(self.ran) - len(lived)
        told["finished"] = sum(ran.ended_s is not None for ran in self.ran)
        return told

    def _judge(self, ran: Ran) -> Iterator[str]:
        """A duplicate needs an excuse: the worker died, or says that the item was not its own."""
        job, data = ran.job, ran.job.data
        later = [
            delivery
            for other, delivery in [(r.job.data, r.job.delivery) for r in self.ran] + self.drained
            if other == data and delivery > job.delivery
        ]
        if job.outcome is Outcome.DONE and ran.ended_s is None:
            yield f"{job}: acknowledged, but its handler did not finish"
        if job.outcome is Outcome.DONE and later:
            yield f"{job}: duplicate: done, and delivered again ({later})"
        if job.outcome is None and not ran.worker.was_killed:
            yield f"{job}: without an outcome, though its worker lived"
        if job.outcome is Outcome.RETRIED and ran.ended_s is not None:
            yield f"{job}: its handler finished, and it was tried again"

    def _open(self, store: MemoryStore) -> Queue:
        return opened(Queue, store, deadline_s=DEADLINE_S, max_deliveries=MAX_DELIVERIES)

    def _produce(self) -> None:
        store = self.world.client("producer")
        queue = self._open(store)
        for number in range(ITEMS):
            data = POISON if number == 0 else b"item-%03d" % number
            ttr_s = self.rng.choice((None, 3.0))
            while not self._is_put(queue, Entry(data=data, ttr_s=ttr_s)):
                store.sleep(0.1)
            self.put.add(data)
            store.sleep(self.rng.choice((0.0, 0.1, 1.0)))

    def _is_put(self, queue: Queue, entry: Entry) -> bool:
        try:
            queue.put_many([entry])
        except NotAppliedError:
            return False
        except OutcomeUnknownError as error:
            while True:
                with suppress(OutcomeUnknownError, NoQuorumError):
                    return bool(error.resolve()[0].took_effect)
        return True

    def _spawn_worker(self, name: str) -> None:
        process = SimWorker(name, self.world.client(name))
        self.workers.append(process)
        process.actors.append(self.world.scheduler.spawn(name, lambda: self._work(process)))

    def _work(self, process: SimWorker) -> None:
        queue, rng = self._open(process.store), self.rng
        settings = WorkSettings(
            concurrency=rng.choice((1, 3)),
            prefetch=rng.choice((None, 0, 4)),
            batch=rng.choice((None, 3)),
            rate_hz=rng.choice((None, 5.0)),
            retry_s=0.5,
            retry_most_s=4.0,
            stop_within_s=STOP_WITHIN_S,
        )
        threads = ActorThreads(self.world.scheduler, process.name, settings.concurrency)
        process.actors += threads.actors
        call = working._call_many if settings.batch else working._call_one

        def handle(jobs: list[Job] | Job) -> None:
            self._handle(process, [jobs] if isinstance(jobs, Job) else jobs)

        process.worker = Worker(
            queue._consumer,
            process.store,
            settings,
            lambda jobs: threads.submit(call, handle, jobs),
            rng=Random(rng.random()),
        )
        try:
            process.worker.run()
        except ZkmqError as error:
            if not process.was_killed:
                self.trouble.append(f"{process.name}: its loop ended with {error!r}")
        with suppress(ZkmqError):
            queue.close()

    def _handle(self, process: SimWorker, jobs: list[Job]) -> None:
        began = [Ran(job, process) for job in jobs]
        self.ran += began
        process.store.sleep(self.rng.choice((0.0, 0.0, 0.02, 0.5, 2.0, 8.0)))
        if any(job.data == POISON for job in jobs) or self.rng.random() < FAILS:
            raise HandlerError(jobs[0].data.decode())
        for ran in began:
            ran.ended_s = process.store.now()

    def _strike(self) -> None:
        """Let the leader die now and then, sessions end, and workers be killed and replaced."""
        scheduler, rng = self.world.scheduler, self.rng
        ends_s = scheduler.now_s + WORKS_FOR_S
        while scheduler.now_s < ends_s:
            scheduler.sleep(rng.uniform(1.0, 6.0))
            victims = [each for each in self.workers if not each.was_killed]
            match rng.choice(("leader", "leader", "session", "kill", "outage")):
                case "leader":
                    cut_all(self.world, rng.uniform(0.2, 2.0))
                case "outage":
                    cut_all(self.world, self.world.session_timeout_s * rng.uniform(0.5, 1.5))
                case "session":
                    rng.choice(victims).store.expire()
                case "kill":
                    victim = rng.choice(victims)
                    self._kill(victim)
                    self._spawn_worker(f"{victim.name}+")

    def _kill(self, process: SimWorker) -> None:
        process.was_killed = True
        process.store.crash()
        for actor in process.actors:
            self.world.scheduler.kill(actor)

    def _stop_workers(self) -> None:
        """Stop all that live, some in an outage; each has to end in time."""
        scheduler = self.world.scheduler
        alive = [each for each in self.workers if not each.was_killed]
        while any(each.worker is None for each in alive):  # one that was just made
            scheduler.sleep(0.5)
        if self.rng.random() < 0.3:
            cut_all(self.world, 20.0)
        loops = [each.worker for each in alive if each.worker is not None]
        began_s = scheduler.now_s
        for loop in loops:
            loop.stop()
        # One call that was under way, and one last call, may each use up their deadline.
        until_s = began_s + STOP_WITHIN_S + GIVE_BACK_S + 2 * DEADLINE_S + SLACK_S
        while not all(loop.is_over for loop in loops):
            if scheduler.now_s > until_s:
                self.trouble.append("a worker did not stop in time")
                break
            scheduler.sleep(0.1)
        self.world.faults = no_faults

    def _drain(self) -> None:
        """Let what is held come back, and take all."""
        scheduler = self.world.scheduler
        scheduler.sleep(self.world.session_timeout_s * 4)
        store = self.world.client("last")
        queue = self._open(store)
        while items := queue.reserve(50, timeout_s=1.0, sync=True).items:
            self.drained += [(item.data, item.delivery) for item in items]
            queue.done(*items)
        self.dead = {each.data: each.reason for each in queue.peek(100, place="dead")}
        stats = queue.stats()
        # The last client holds nothing, and no worker lives.
        if stats.held or stats.delayed:
            self.trouble.append(f"left behind: {stats.held} held, {stats.delayed} delayed")
        queue.close()
