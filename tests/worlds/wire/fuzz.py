"""Real clients on real sockets under everything at once: one round, one seed, and its judgement.

    report = fuzz(Plan(seed=7))
    for violation in report.wrong:
        print(violation)

Processes of several threads each, with kazoo and zkmq as they are, share a queue on a ZooKeeper
in memory, each behind a proxy of its own. When the last step has ended nothing is struck any
more, and the janitors of those who stay have to do all their duties. Then everybody closes, and a
last client drains the queue.
"""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any

from worlds.crash_points.checks import LAST, Ended, Outcome, Reason, Violation
from worlds.sim.actors import PutCall
from worlds.sim.checks import judged
from worlds.wire.foreign import Vandal
from worlds.wire.judge import DUTIES_WITHIN_S, Testimony, WireLedger, late, undone
from worlds.wire.member import Member
from worlds.wire.plan import Plan, Strike, Trouble
from worlds.wire.process import ROOT, SEGMENT_ITEMS, claim_path
from worlds.wire.starvation import Starvation
from worlds.wire.zookeeper import Refusal, WireZooKeeper
from zkmq import Item, Queue
from zkmq.errors import NoQuorumError
from zkmq.janitor.janitor import Janitor
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.store import Op

AT_ONCE = 3
LOOK_S = 0.05
# The longest call, a put of twelve writes, takes 10 s.
HANGS_S = 30.0
DRAINED_WITHIN_S = 30.0
PATIENT_S = 40.0
# More than the duties may take: how much more, the report tells.
GIVES_UP_S = DUTIES_WITHIN_S + 6.0
QUOTA, THROTTLED = (-125, False), (-127, True)
REFUSED_RATE = 0.3


@dataclass
class Report:
    """What one round showed.

    Attributes:
        puts: how many items producers tried to put.
        calls: how many calls were timed.
        sessions: how many the processes had, one after the other.
        struck: the troubles that came.
        lost: how often each fault struck a request.
        outcomes: how the puts ended.
        late: by how much each call was late, without the time its process could not run, and
            which call; the latest first.
        duties_s: how long after the end of trouble the janitors' last duty was done, without the
            time for which the machine kept the servers from running.
    """

    seed: int
    puts: int = 0
    calls: int = 0
    sessions: int = 0
    struck: set[str] = field(default_factory=set)
    lost: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    late: list[tuple[float, str]] = field(default_factory=list)
    duties_s: float = 0.0
    wrong: list[Violation] = field(default_factory=list)


def fuzz(plan: Plan) -> Report:
    """Run one round and judge it."""
    with Starvation() as starvation:
        return Round(plan, starvation).run()


def at_once(plans: Sequence[Plan]) -> list[Report]:
    """Run some rounds, three at a time: each spends its time on waiting."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(fuzz, plans))


class Round:
    """One round."""

    def __init__(self, plan: Plan, starvation: Starvation) -> None:
        self.plan = plan
        self._starvation = starvation
        self.server = WireZooKeeper(shortest_timeout_ms=0)
        self.ledger = WireLedger(
            self.server.leader, strict=plan.order == "strict", deadline_s=plan.deadline_s
        )
        self.heard = Testimony(starvation.since)
        self.drained: list[Item] = []
        self._crew = [
            Member(plan, index, self.heard, starvation) for index in range(plan.processes)
        ]
        self._vandal = Vandal(ROOT, plan.seed)
        self.ledger.blocked = self._vandal.blocked
        self._healed = threading.Event()
        self._struck: set[str] = set()
        self._refusing: set[int] = set()
        self._rng = Random(f"{plan.seed}-refusals")
        self.server.refuses = self._refuses

    def run(self) -> Report:
        """Run it and judge it; leaves no process and no thread behind."""
        report = Report(self.plan.seed)
        with ExitStack() as stack:
            stack.enter_context(self.server)
            self._connect().close()
            for member in self._crew:
                stack.enter_context(member.at_work(self.server.address))
            self._let_happen()
            report.duties_s = self._await_duties()
            for member in self._crew:
                self.heard.trouble += member.send_home()
            with self.server.leader_now() as leader:
                self._vandal.leave(leader)
            self._drain()
        return self._judged(report)

    def _let_happen(self) -> None:
        """Let the processes work, and strike, until all have had their last step."""
        strikes = [
            threading.Thread(target=self._strike, args=[strike]) for strike in self.plan.strikes()
        ]
        for thread in strikes:
            thread.start()
        ended, since_s = 0, time.monotonic()
        while any(member.busy for member in self._crew):
            if ended != (ended := len(self.heard.calls)):
                since_s = time.monotonic()
            if self._starvation.ran_s(since_s) > HANGS_S:
                self.heard.trouble.append(Violation(Reason.WEDGED, "no call ends any more"))
                for member in self._crew:
                    member.say_where()
                break
            time.sleep(LOOK_S)
        self._healed.set()
        for thread in strikes:
            thread.join()
        for member in self._crew:
            member.proxy.heal()

    def _strike(self, strike: Strike) -> None:
        while len(self.heard.calls) < strike.after_calls:
            if self._healed.wait(LOOK_S):
                return
        self._struck.add(strike.trouble.value)
        member = self._crew[strike.process]
        match strike.trouble:
            case Trouble.KILLS:
                member.kill()
            case Trouble.FOREIGN:
                with self.server.leader_now() as leader:
                    self._vandal.strike(leader)
            case Trouble.REFUSALS:
                self._refusing.add(strike.process)
                self._healed.wait(strike.length_s)
                self._refusing.discard(strike.process)
            case Trouble.OUTAGE:
                member.proxy.refusing = True
                member.proxy.cut()
                self._healed.wait(strike.length_s)
                member.proxy.refusing = False
            case Trouble.SILENT:
                member.proxy.hush()
                self._healed.wait(strike.length_s)
                member.proxy.speak()

    def _refuses(self, session: int, ops: Sequence[Op]) -> Refusal | None:
        for index in self._refusing:
            if session in self._crew[index].proxy.passwords and self._rng.random() < REFUSED_RATE:
                return self._rng.choice([QUOTA, THROTTLED])
        return None

    def _await_duties(self) -> float:
        """How long it takes until nothing is left for a janitor to do."""
        began_s = time.monotonic()
        while True:
            with self.server.leader_now() as leader:
                left = undone(leader, leader.now_ms())
            took_s = self._starvation.ran_s(began_s)
            if not left:
                return took_s
            if took_s > GIVES_UP_S:
                detail = f"{took_s:.0f} s after the end of trouble: {left}"
                self.heard.trouble.append(Violation(Reason.LEFT_BEHIND, detail))
                return took_s
            time.sleep(LOOK_S)

    def _drain(self) -> None:
        """Put one more item, and take all there is."""
        with self._connect(order="strict") as queue:
            call = PutCall((LAST,), time.monotonic())
            queue.put(LAST)
            call.outcome, call.ended_s = Outcome(Ended.OK), time.monotonic()
            self.heard.puts["last"] = call
            janitor = Janitor(
                queue._bound,
                QueueTree(ROOT),
                name="l",
                segment_items=SEGMENT_ITEMS,
                sweep_period_s=0.0,
            )
            began_s = time.monotonic()
            while self._elsewhere() and self._starvation.ran_s(began_s) < DRAINED_WITHIN_S:
                _step(janitor)
                queue.kick(1000)
                time.sleep(LOOK_S)
            self._take_all(queue)
            for _ in range(2):  # the first may find the office taken by one who has just left
                _step(janitor)

    def _connect(self, **settings: Any) -> Queue:
        """A client that nothing strikes, with time enough for a machine that others keep busy."""
        return Queue.connect(
            self.server.address,
            ROOT,
            connection={"session_timeout_s": PATIENT_S, "connect_timeout_s": PATIENT_S},
            deadline_s=PATIENT_S,
            janitor=False,
            segment_items=SEGMENT_ITEMS,
            **settings,
        )

    def _elsewhere(self) -> bool:
        """Whether anything is still held, delayed or put aside."""
        with self.server.leader_now():
            places = [path for paths in self.ledger.places.values() for path in paths]
        return not all(path.startswith(f"{ROOT}/items/") for path in places)

    def _take_all(self, queue: Queue) -> None:
        while items := queue.reserve(50, sync=True).items:
            self.drained += items
            queue.done(*items)
            self.heard.done.update((claim_path(each.consumer, each.name), each) for each in items)

    def _judged(self, report: Report) -> Report:
        clients = [SimpleNamespace(sessions=set(member.proxy.passwords)) for member in self._crew]
        world = SimpleNamespace(leader=self.server.leader, dump=self.server.dump, clients=clients)
        expired = {session for member in self._crew for session in member.proxy.expired}
        told = self.heard.told(self.ledger, expired)
        wrong = judged(told, self.ledger, world, self.drained)  # type: ignore[arg-type]
        report.wrong = [*wrong, *self.ledger.wrong]
        report.wrong += [Violation(Reason.UNTYPED, error) for error in self.server.errors]
        report.puts = sum(len(put.payloads) for put in self.heard.puts.values())
        report.calls = len(self.heard.calls)
        report.sessions = sum(len(member.proxy.passwords) for member in self._crew)
        report.struck = {*self._struck, *self.heard.struck}
        report.outcomes = Counter(put.outcome.ended.value for put in self.heard.puts.values())
        for member in self._crew:
            report.lost += Counter({str(f): n for f, n in member.drawn.counts.items()})
        if report.lost:
            report.struck.add(Trouble.LOST.value)
        report.late = sorted(map(late, self.heard.calls), reverse=True)
        return report


def _step(janitor: Janitor) -> None:
    """One step of the drain's janitor; what it could not do in time, the next does."""
    with suppress(NoQuorumError):
        janitor.step(time.monotonic() + PATIENT_S)
