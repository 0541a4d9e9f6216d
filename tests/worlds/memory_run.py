"""A whole run without servers: the real clients and checkers, and zkmq on a ZooKeeper in memory.

Time is the simulation's: whenever a client waits, the janitor sweeps.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from harness import plan, record, results
from harness.history import History
from harness.judge import Judgement
from harness.record import ENDED, PHASE, RECOVERED, Event, HistoryWriter
from harness.schema import Scenario
from harness.workloads import end_state
from harness.workloads.check_all import CheckAll
from harness.workloads.client import Client
from harness.workloads.drain import Drain
from harness.workloads.put_all import PutAll
from harness.workloads.subject import Note
from harness.workloads.subjects import ZkmqSubject
from worlds.memory_queues import janitor_of, swept
from worlds.memory_store import MemoryStore, World
from zkmq import Queue
from zkmq.tree import Tree

SERVERS = 5
NS_PER_S = 1_000_000_000


class WorldClock:
    """The run's clock, by the simulation; the janitor sweeps while somebody sleeps."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._janitor = janitor_of(world)

    def now_ns(self) -> int:
        """Return the nanoseconds since the run's start."""
        return int(self.now_s() * NS_PER_S)

    def now_s(self) -> float:
        """Return the seconds since the run's start."""
        return self._world.scheduler.now_s

    def sleep_until_s(self, when_s: float) -> None:
        """Let the simulation go on until then."""
        self._world.scheduler.sleep(max(0.0, when_s - self.now_s()))
        swept(self._janitor, self._world)


class MemorySubject(ZkmqSubject):
    """zkmq on a store in memory."""

    takes: ClassVar[bool] = False

    def __init__(self, store: MemoryStore, note: Note) -> None:
        self._note, self._deadline_s, self._relaxed = note, 30.0, False
        self._memory = store
        self._store = store  # type: ignore[assignment]  # the part of it that `leftover` uses
        self._tree = Tree("/queue")
        self._queue = Queue(store, janitor=False, lost=self._on_lost, close_store=True)

    def crash(self) -> None:
        """Die with all that is held; the session ends by its time-out."""
        self._memory.crash()


@dataclass(slots=True)
class MemoryRun:
    """What the clients of a run do, one after the other, and what is recorded of it."""

    folder: Path
    world: World
    clock: WorldClock
    clients: int = 0

    @classmethod
    def begin(cls, folder: Path) -> "MemoryRun":
        """Start the servers."""
        world = World(seed=1, followers=SERVERS)
        return cls(folder, world, WorldClock(world))

    def client(self, act: Callable[[Client, list[MemorySubject]], None]) -> None:
        """Let one client, in a file of its own, do something; it closes at the end."""
        subjects: list[MemorySubject] = []

        def connect(note: Note) -> MemorySubject:
            store = self.world.client(f"client-{self.clients}-{len(subjects)}")
            subjects.append(MemorySubject(store, note))
            return subjects[-1]

        with HistoryWriter(self.folder / f"parts/{self.clients:02d}.jsonl") as history:
            client = Client(
                connect=connect,
                history=history,
                clock=self.clock,  # type: ignore[arg-type]  # what a client uses of a clock
                process=self.clients,
                report=lambda _: None,
                puts_over=lambda: True,
            )
            act(client, subjects)
            client.close()
        self.clients += 1

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
        """Look at every server, and mark the end."""
        trees = end_state.of_trees("zkmq", self._trees())
        logs = end_state.of_logs(((node, b"") for node in range(1, SERVERS + 1)), [], [])
        self.note(*((f, {"when": "drained", **value}) for f, value in [*trees, *logs]))
        self.note((ENDED, {}))

    def _trees(self) -> Iterator["ServerTree"]:
        for node, follower in enumerate(self.world.followers, start=1):
            yield ServerTree(node, {path: one.data for path, one in follower.tree.nodes.items()})


@dataclass(frozen=True, slots=True)
class ServerTree:
    """One server's nodes; see `harness.workloads.end_state.RawTree`."""

    node: int
    data: dict[str, bytes] | None
    zxid: int | None = None
    error: str | None = None
    settled: bool = True

    @property
    def digest(self) -> str:
        """Return a digest of all of it."""
        return hashlib.sha256(repr(sorted((self.data or {}).items())).encode()).hexdigest()


def consumer_crash(folder: Path, scenario: Scenario) -> tuple[Judgement, History]:
    """Run scenarios/seed/consumer-crash.yaml: put, die with an item in hand, take all, drain."""
    run = MemoryRun.begin(folder)

    def die(client: Client, subjects: list[MemorySubject]) -> None:
        client.reserve(1, 5.0)
        subjects[-1].crash()

    run.client(lambda client, _: PutAll(count=20).run(client, 0))
    run.client(die)
    run.client(lambda client, _: CheckAll(sync=True).run(client, 0))
    run.note((PHASE, {"number": 0, "event": "end"}), (RECOVERED, {"took_s": 0.0, "lost": []}))
    run.client(lambda client, _: Drain().run(client, 0))
    run.end()
    return run.judged(scenario)
