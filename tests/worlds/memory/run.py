"""A whole run without servers: the real clients and checkers, and zkmq on a ZooKeeper in memory.

Time is the simulation's: whenever a client waits, the janitor sweeps. As a program it judges the
rough runs of the seeds from FIRST to before LAST: `python -m worlds.memory.run FIRST LAST`.
"""

import hashlib
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from harness import results
from harness.clients import end_state
from harness.clients.client import Client
from harness.clients.subject import Note
from harness.clients.zkmq_subjects import ZkmqSubject
from harness.common.server_states import ServerTree
from harness.common.verdict import Verdict
from harness.history import record
from harness.history.columns import History
from harness.history.record import ENDED, PHASE, RECOVERED, Event, HistoryWriter
from harness.judge import Judgement
from harness.scenario import loading as scenarios
from harness.scenario import plan
from harness.scenario.schema import Scenario
from harness.workloads.check_all import CheckAll
from harness.workloads.drain import Drain
from harness.workloads.put_all import PutAll
from worlds.memory.faults import Drawn
from worlds.memory.network import no_faults
from worlds.memory.queues import janitor_of, swept
from worlds.memory.store import MemoryStore, World
from zkmq import NoQuorumError, Queue
from zkmq.janitor.janitor import Janitor

SERVERS = 5
PUTS = 24
ROUGH = "description: d\nclaim: stale\nworkload: [{put-all: {}}, {check-all: {}}]\n"
NS_PER_S = 1_000_000_000


class WorldClock:
    """The run's clock, by the simulation; with a janitor, that sweeps whenever somebody sleeps."""

    def __init__(self, world: World, janitor: Janitor | None = None) -> None:
        self._world, self._janitor = world, janitor

    def now_ns(self) -> int:
        """Return the nanoseconds since the run's start."""
        return int(self.now_s() * NS_PER_S)

    def now_s(self) -> float:
        """Return the seconds since the run's start."""
        return self._world.scheduler.now_s

    def sleep_until_s(self, when_s: float) -> None:
        """Let the simulation go on until then."""
        self._world.scheduler.sleep(max(0.0, when_s - self.now_s()))
        if self._janitor is not None:
            swept(self._janitor, self._world)


class MemorySubject(ZkmqSubject):
    """zkmq on a store in memory."""

    takes: ClassVar[bool] = False

    def __init__(self, store: MemoryStore, note: Note) -> None:
        self._note, self._memory = note, store
        self._queue = Queue(
            store, order="strict", janitor=False, lost=self._on_lost, close_store=True
        )

    def crash(self) -> None:
        """Die with all that is held; the session ends by its time-out."""
        self._memory.crash()


Act = Callable[[Client, list[MemorySubject]], None]


@dataclass(slots=True)
class MemoryRun:
    """What the clients of a run do, and what is recorded of it.

    Attributes:
        puts_over: whether the consumers may end once they find nothing.
    """

    folder: Path
    world: World
    clock: WorldClock
    clients: int = 0
    puts_over: bool = False

    def client(self, act: Act) -> None:
        """Let one client, in a file of its own, do something; it closes at the end."""
        number, subjects = self.clients, list[MemorySubject]()
        self.clients += 1

        def connect(note: Note) -> MemorySubject:
            store = self.world.client(f"client-{number}-{len(subjects)}")
            subjects.append(MemorySubject(store, note))
            return subjects[-1]

        with HistoryWriter(self.folder / f"parts/{number:02d}.jsonl") as history:
            client = Client(
                connect=connect,
                history=history,
                clock=self.clock,  # type: ignore[arg-type]  # all that a client uses of it
                process=number,
                report=lambda _: None,
                puts_over=lambda: self.puts_over,
            )
            act(client, subjects)
            client.close()

    def judged(self, scenario: Scenario) -> tuple[Judgement, History]:
        """Mark the run's end, merge its parts, and judge it by its scenario."""
        record.merge(self.folder / "parts", self.folder / "history.jsonl")
        history = History.load(self.folder / "history.jsonl")
        return results.judge_run(history, scenario, plan.make(scenario)), history

    def note(self, *notes: tuple[str, Mapping[str, Any]]) -> None:
        """Append notes of the harness."""
        with HistoryWriter(self.folder / "parts/harness.jsonl") as history:
            for f, value in notes:
                at_ns = self.clock.now_ns()
                history.append(
                    Event(time_ns=at_ns, process="harness", type="info", f=f, value=value)
                )

    def end(self) -> None:
        """Look at every server, after a sync as the harness does, and mark the end."""
        trees = end_state.of_trees("zkmq", self._trees())
        logs = end_state.of_logs(((node, b"") for node in range(1, SERVERS + 1)), [], [])
        self.note(*((f, {"when": "drained", **value}) for f, value in [*trees, *logs]))
        self.note((ENDED, {}))

    def _trees(self) -> Iterator[ServerTree]:
        for node, follower in enumerate(self.world.followers, start=1):
            follower.catch_up(self.world.leader.tree.zxid)
            data = {path: one.data for path, one in follower.tree.nodes.items()}
            digest = hashlib.sha256(repr(sorted(data.items())).encode()).hexdigest()
            yield ServerTree(node=node, data=data, digest=digest, settled=True)


def die(client: Client, subjects: list[MemorySubject]) -> None:
    """Take an item, if there is one, and die with it."""
    while not client.reserve(1, 5.0) and not client.puts_over():
        pass
    subjects[-1].crash()


def consumer_crash(folder: Path, scenario: Scenario) -> tuple[Judgement, History]:
    """Run scenarios/seed/consumer-crash.yaml: put, die with an item in hand, take all, drain."""
    world = World(seed=1, followers=SERVERS)
    run = MemoryRun(folder, world, WorldClock(world, janitor_of(world)), puts_over=True)
    run.client(lambda client, _: PutAll(count=20).run(client, 0))
    run.client(die)
    run.client(lambda client, _: CheckAll(sync=True).run(client, 0))
    return _ended(run, scenario)


def rough(folder: Path, scenario: Scenario, seed: int) -> tuple[Judgement, History]:
    """Run two producers beside three consumers, of which one dies, while requests meet faults."""
    rng = Random(seed)
    world = World(seed, followers=SERVERS, lag_s=0.05, faults=Drawn(rng, rng.choice((0.0, 0.1))))
    run = MemoryRun(folder, world, WorldClock(world))

    def put(client: Client, number: int) -> None:
        PutAll(count=PUTS, clients=2, rate_hz=5.0).run(client, number)

    def take(client: Client, number: int) -> None:
        batch, again = rng.choice((1, 3)), rng.choice((None, 3))
        CheckAll(clients=2, rate_hz=10.0, batch=batch, release_every=again).run(client, number)

    acts: list[Act] = [lambda c, _, n=n: put(c, n) for n in range(2)]  # type: ignore[misc]
    takers: list[Act] = [lambda c, _, n=n: take(c, n) for n in range(2)]  # type: ignore[misc]
    actors = [
        world.scheduler.spawn(f"actor-{place}", lambda act=act: run.client(act))  # type: ignore[misc]
        for place, act in enumerate([*acts, die, *takers])
    ]
    try:
        janitor = janitor_of(world)
        while not all(actor.finished for actor in actors):
            world.scheduler.sleep(0.5)
            with suppress(NoQuorumError):  # what met a fault is done in the next step
                janitor.step(world.scheduler.now_s + 5)
            run.puts_over = all(actor.finished for actor in actors[:2])
        world.scheduler.join()
        world.faults = no_faults
        run.clock = WorldClock(world, janitor)
        return _ended(run, scenario)
    finally:
        world.scheduler.stop()


def _ended(run: MemoryRun, scenario: Scenario) -> tuple[Judgement, History]:
    run.note((PHASE, {"number": 0, "event": "end"}), (RECOVERED, {"took_s": 0.0, "lost": []}))
    run.client(lambda client, _: Drain().run(client, 0))
    run.end()
    return run.judged(scenario)


def main(first: int, last: int) -> int:
    """Judge the rough runs of these seeds; print each accused one, and the tally."""
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "rough.yaml"
        file.write_text(ROUGH)
        wanted = scenarios.load(file)
        for seed in range(first, last):
            judgement, _ = rough(Path(place) / str(seed), wanted, seed)
            tally[judgement.verdict.word] += 1
            for result in judgement.results:
                if result.verdict is Verdict.INVALID:
                    print(f"seed {seed}: {result.name}: {', '.join(result.reasons)}", flush=True)
    print(f"{last - first} runs: {dict(tally)}")
    return int(tally["invalid"] > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
