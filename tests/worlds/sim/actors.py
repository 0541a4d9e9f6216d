"""What runs in a simulation: producers, consumers and janitors, each on a client of its own.

Each notes what its calls told it; nothing here looks at the tree.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from worlds.crash_points.checks import Ended, Outcome, Reason, Violation
from worlds.memory.store import MemoryStore, World
from worlds.sim.editions import NextQueue
from worlds.sim.ledger import Ledger
from worlds.sim.schedule import SEGMENT_ITEMS, OperateStep, PutStep, Schedule, TakeStep
from zkmq import Item, Queue
from zkmq.errors import (
    ClosedError,
    IncompatibleTreeError,
    NotAppliedError,
    OutcomeUnknownError,
    OutdatedClientError,
    PartlyPutError,
    ZkmqError,
)
from zkmq.janitor.janitor import Janitor
from zkmq.putting.entry import Entry
from zkmq.tree.item import Hold
from zkmq.tree.paths import QueueTree

ROOT = "/queue"
JANITOR_PERIOD_S = 2.0
# A call may take its deadline; then an answer that is known to come may be waited for.
SLACK_S = 1.0
LATER_S = 2.0
# Who drains the queue in the end.
LAST_CLIENT = "last"


@dataclass(slots=True)
class PutCall:
    """One put or put_many, and what its caller knows of it."""

    payloads: tuple[bytes, ...]
    began_s: float
    batch: int = 0
    delayed: bool = False
    dedup_id: str | None = None
    # Told that another item with the same id had been put.
    duplicate: bool = False
    outcome: Outcome = field(default_factory=lambda: Outcome(Ended.KILLED))
    ended_s: float = float("inf")


@dataclass(slots=True)
class Told:
    """What the clients of a simulation were told.

    Attributes:
        puts: every call that puts.
        done: items that were acknowledged, with the path of the claim, in that order.
        doubted: claims whose acknowledgement may have taken effect.
    """

    puts: list[PutCall] = field(default_factory=list)
    done: list[tuple[Item, str]] = field(default_factory=list)
    doubted: list[tuple[Item, str]] = field(default_factory=list)
    trouble: list[Violation] = field(default_factory=list)


@dataclass(slots=True)
class Client:
    """One simulated process: a session, and the queue on it."""

    name: str
    world: World
    ledger: Ledger
    told: Told
    schedule: Schedule
    store: MemoryStore = field(init=False)
    # Told that the tree has been raised, and is beyond this client.
    outdated: bool = False

    def __post_init__(self) -> None:
        self.store = self.world.client(self.name)

    def produce(self, steps: tuple[PutStep, ...]) -> None:
        """Put step by step; ask for what is unknown before going on."""
        queue = self.open()
        for number, step in enumerate(steps):
            self._put(queue, number, step)
            self.store.sleep(step.pause_s)
        self._close(queue)

    def consume(self, steps: tuple[TakeStep, ...]) -> None:
        """Take step by step, and return at the end what is still held."""
        queue = self.open(
            order=self.schedule.order,
            on_crash=self.schedule.on_crash,
            max_deliveries=self.schedule.max_deliveries,
        )
        later: list[Item] = []
        for step in steps:
            fused = [item for item in later if item.hold is Hold.HELD]
            later = self._take(queue, step, fused)
        held = [item for item in later if item.hold is Hold.HELD]
        if held:
            self.acknowledge(queue, held)
        self._close(queue)

    def keep_house(self) -> None:
        """Run a janitor until killed, as `JanitorThread` does."""
        with suppress(ClosedError):  # the simulation is over
            bound = self.open()._bound
            janitor = Janitor(bound, QueueTree(ROOT), name=self.name, segment_items=SEGMENT_ITEMS)
            while not self.outdated:
                with self._expected(f"{self.name}: step"):
                    janitor.step(self.store.now() + JANITOR_PERIOD_S * 5)
                janitor.wake.wait(self.store.now() + JANITOR_PERIOD_S)
            janitor.resign(self.store, self.store.now() + JANITOR_PERIOD_S)

    def operate(self, steps: tuple[OperateStep, ...]) -> None:
        """Do what operators do, step by step."""
        queue = self.open()
        calls: dict[str, Callable[[], object]] = {
            "kick": lambda: queue.kick(5),
            "unpark": lambda: queue.kick(5, place="partial"),
            "purge": queue.purge,
            "peek": lambda: queue.peek(3),
            "stats": queue.stats,
            "upgrade": lambda: queue.upgrade(force=True),
        }
        for step in steps:
            self.store.sleep(step.pause_s)
            with self._expected(f"{self.name}: {step.what}"):
                calls[step.what]()
        self._close(queue)

    def open(self, **settings: Any) -> Queue:
        """Open the queue, as often as it takes."""
        while True:
            with self._expected(f"{self.name}: open"):
                release = Queue if self.is_old else NextQueue
                return release(
                    self.store,
                    ROOT,
                    janitor=False,
                    segment_items=SEGMENT_ITEMS,
                    deadline_s=self.schedule.deadline_s,
                    close_store=True,
                    **settings,
                )

    def acknowledge(self, queue: Queue, items: list[Item]) -> None:
        """Acknowledge items and note what is known of it."""
        with self._acknowledging(items), self._expected(f"{self.name}: done"):
            queue.done(*items)

    def _put(self, queue: Queue, number: int, step: PutStep) -> None:
        payloads = tuple(f"{self.name}-{number}-{i}".encode() for i in range(step.count))
        if step.dedup_id is not None:
            payloads = payloads[:1]
        entries = [
            Entry(
                data=payload,
                priority=step.priority,
                delay_s=step.delay_s,
                ttr_s=step.ttr_s,
                dedup_id=step.dedup_id,
                group=step.group,
            )
            for payload in payloads
        ]
        batch = step.batch if step.batch < len(payloads) else 0
        delayed = bool(step.delay_s)
        call = PutCall(payloads, self.store.now(), batch, delayed, step.dedup_id)
        self.told.puts.append(call)
        ended, applied = Ended.OK, 0
        try:
            call.duplicate = queue.put_many(entries, batch=step.batch)[0].duplicate
        except (OutcomeUnknownError, PartlyPutError, NotAppliedError) as error:
            unknown = isinstance(error, OutcomeUnknownError)
            ended = Ended.UNKNOWN if unknown else Ended.FAIL
            applied = len(getattr(error, "applied", ()))
            self._demand_fitting(error)
        call.ended_s = self.store.now()
        took_s = call.ended_s - call.began_s
        # Known at once, and better when it was asked for.
        call.outcome = Outcome(ended, None, applied, (), took_s)
        # The deadline is for each answer.
        writes = -(-len(payloads) // step.batch)
        if took_s > self.schedule.deadline_s * writes + SLACK_S:
            self._note(Reason.WEDGED, f"{self.name}: a put took {took_s:.1f} s")
        if ended is Ended.UNKNOWN:
            call.outcome.settled = self._resolve(queue)

    def _resolve(self, queue: Queue) -> tuple[bool | None, ...]:
        while True:
            with self._expected(f"{self.name}: resolve"):
                return tuple(each.took_effect for each in queue.resolve())
            if self.outdated:
                return ()
            self.store.sleep(0.1)

    def _take(self, queue: Queue, step: TakeStep, fused: list[Item]) -> list[Item]:
        items: list[Item] = []
        with self._acknowledging(fused), self._expected(f"{self.name}: reserve"):
            items += self._reserve(queue, step, fused)
        self._hold(queue, step, items)
        held = [item for item in items if item.hold is Hold.HELD]
        if step.then == "fuse" or not held:
            return held
        if step.then == "done":
            self.acknowledge(queue, held)
            return []
        with self._expected(f"{self.name}: {step.then}"):
            if step.then == "bury":
                queue.bury(*held, reason="the simulation says so")
            else:
                queue.release(*held, delay_s=LATER_S if step.then == "later" else 0.0)
        return []

    def _hold(self, queue: Queue, step: TakeStep, items: list[Item]) -> None:
        if not step.touch:
            self.store.sleep(step.hold_s)
            return
        self.store.sleep(step.hold_s / 2)
        held = [item for item in items if item.hold is Hold.HELD]
        if held:
            with self._expected(f"{self.name}: touch"):
                queue.touch(*held)
        self.store.sleep(step.hold_s / 2)

    @contextmanager
    def _acknowledging(self, items: list[Item]) -> Iterator[None]:
        """Note what became of items that are being acknowledged, whatever the call raised."""
        claims = [(item, f"{ROOT}/consumers/{item.consumer}/item/{item.name}") for item in items]
        try:
            yield
        finally:
            for item, path in claims:
                told = self.told.done if item.hold is Hold.DONE else self.told.doubted
                told.append((item, path))

    def _reserve(self, queue: Queue, step: TakeStep, fused: list[Item]) -> tuple[Item, ...]:
        """Reserve; one that syncs is held to the order of what waited when it began."""
        session = self.store.session_id or 0
        if step.sync and not step.timeout_s and self.schedule.order == "strict":
            # A claim in doubt began before: the next call settles it.
            self.ledger.reserving.setdefault(session, self.world.leader.zxid)
        try:
            found = queue.reserve(step.n, timeout_s=step.timeout_s, done=fused, sync=step.sync)
        except NotAppliedError:
            self.ledger.reserving.pop(session, None)  # it takes nothing any more
            raise
        self.ledger.reserving.pop(session, None)
        return found.items

    @contextmanager
    def _expected(self, what: str) -> Iterator[None]:
        """Go on after errors that faults explain; note all others."""
        try:
            yield
        except ZkmqError as error:
            self._demand_fitting(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            self._note(Reason.UNTYPED, f"{what}: {error!r}")

    @property
    def is_old(self) -> bool:
        """Whether it is of this release, and not of the next."""
        return self.name not in self.schedule.new and self.name != LAST_CLIENT

    def _demand_fitting(self, error: ZkmqError) -> None:
        if isinstance(error, OutdatedClientError) and self.is_old and self.ledger.raised:
            self.outdated = True
        elif isinstance(error, IncompatibleTreeError):
            self._note(Reason.UNTYPED, f"{self.name}: {error!r} about a tree that is none but ours")

    def _close(self, queue: Queue) -> None:
        with self._expected(f"{self.name}: close"):
            queue.close()

    def _note(self, reason: Reason, detail: str) -> None:
        self.told.trouble.append(Violation(reason, detail))
