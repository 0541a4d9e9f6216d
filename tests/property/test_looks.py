"""Order by zxid at the weaker claims, against their definition: any state a consumer may see."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from harness.checkers.ordering.window import Window
from harness.checkers.ordering.zxid import Zxid
from harness.claim import Claim
from harness.history.columns import History
from worlds.histories.oracle import NEVER, Op
from worlds.histories.random import as_events

RUNS = 400
ORDER = {"fifo-order", "priority-order"}


@dataclass(slots=True)
class Run:
    """Calls that obey ownership and take any available item, each at the zxid of its place."""

    rng: Random
    ops: list[Op] = field(default_factory=list)
    free: list[int] = field(default_factory=list)
    held: dict[int, int] = field(default_factory=dict)  # process by value
    ended: dict[int, int] = field(default_factory=dict)  # last end of a call by process
    consumers: list[int] = field(default_factory=lambda: [2, 3, 4])

    def steps(self, count: int) -> list[Op]:
        for step in range(1, count + 1):
            self.step(10 * step)
        return self.ops

    def step(self, at: int) -> None:
        choices = ["put", "put"] + ["reserve"] * 3 * bool(self.free)
        choices += ["done", "release", "release", "crash"] * bool(self.held)
        f = self.rng.choice(choices)
        if f == "put":
            self.free.append(at)
            self.add(f, at, process=self.rng.randrange(2), value=at)
        elif f == "reserve":
            value, process = self.rng.choice(self.free[:4]), self.rng.choice(self.consumers)
            self.free.remove(value)
            self.held[value] = process
            self.add(f, at, process=process, value=value)
        else:
            self.end(f, at, *self.rng.choice(list(self.held.items())))

    def end(self, f: str, at: int, value: int, process: int) -> None:
        crash = f == "crash"
        gone = [v for v, p in self.held.items() if (p == process if crash else v == value)]
        for each in gone:
            del self.held[each]
        self.free += gone if f != "done" else []
        if crash:
            self.consumers[self.consumers.index(process)] = at  # as good a number as any
        self.add(f, at, process=process, value=None if crash else value)

    def add(self, f: str, at: int, *, process: int, value: int | None) -> None:
        begin = max(self.ended.get(process, -1) + 1, at - self.rng.randrange(40), 0)
        self.ended[process] = end = at + self.rng.randrange(9)
        priority = self.rng.randrange(2) if f == "put" else 0
        op = Op(f=f, process=process, begin=begin, end=end, value=value, priority=priority, zxid=at)
        self.ops.append(op)


def passed_over(ops: Sequence[Op], *, called: bool) -> dict[int, int]:
    """Return, by the zxid of each delivery, the fewest items passed over in any state it may be of.

    Passed over is what was ahead, and available from that state until the delivery.
    """
    keys = {op.value: (op.priority, op.zxid) for op in ops if op.f == "put"}
    stays = list(_stays(ops))
    fewest = {}
    for value, free, taken, begin in stays:
        if taken == NEVER:
            continue
        over = [op.zxid or 0 for op in ops if op.end < begin]
        oldest = max([free, *over]) if called else free
        fewest[taken] = min(
            sum(
                keys[other] < keys[value] and since <= look and until > taken
                for other, since, until, _ in stays
            )
            for look in range(oldest, taken, 10)
        )
    return fewest


def _stays(ops: Sequence[Op]) -> Iterator[tuple[int, int, int, int]]:
    """Give value, zxids of coming and of delivery, and when the delivering call began."""
    free: dict[int, int] = {}
    held: dict[int, int] = {}
    for op in ops:
        zxid, value = op.zxid or 0, op.value or 0
        if op.f in ("put", "release"):
            free[value] = zxid
            held.pop(value, None)
        elif op.f == "reserve":
            yield value, free.pop(value), zxid, op.begin
            held[value] = op.process
        elif op.f == "done":
            del held[value]
        else:
            for back in [v for v, process in held.items() if process == op.process]:
                free[back] = zxid
                del held[back]
    yield from ((value, since, NEVER, 0) for value, since in free.items())


def history_of(ops: Sequence[Op], windows: dict[int, int]) -> History:
    """Return the history, with the windows of reserves by their zxid."""
    events: list[dict[str, Any]] = as_events(ops)
    for event in events:
        if event["f"] == "reserve" and event["type"] == "ok":
            event["window"] = windows[event["zxid"]]
    return History.from_events(events)


@pytest.mark.parametrize("called", [False, True], ids=["stale", "snapshot"])
def test_a_delivery_is_accused_if_and_only_if_no_state_explains_it(*, called: bool) -> None:
    """At least one item is passed over in each state that the claim allows."""
    accused = 0
    for seed in range(RUNS):
        ops = Run(Random(seed)).steps(14)
        fewest = passed_over(ops, called=called)
        given = history_of(ops, dict.fromkeys(fewest, 1))
        found = set(Zxid().check(given, Claim(level="snapshot" if called else "stale")).reasons)
        assert found <= ORDER, f"seed {seed}"
        assert bool(found) == any(fewest.values()), f"seed {seed}"
        accused += bool(found)
    assert RUNS // 10 < accused < RUNS - RUNS // 10


@pytest.mark.parametrize("called", [False, True], ids=["without sync", "with sync"])
def test_a_window_is_exceeded_if_and_only_if_it_is_in_each_state(*, called: bool) -> None:
    """As many items are passed over as the window is wide, or more."""
    accused = 0
    for seed in range(RUNS):
        rng = Random(seed)
        ops = Run(rng).steps(16)
        fewest = passed_over(ops, called=called)
        windows = {zxid: rng.randrange(1, 4) for zxid in fewest}
        result = Window().check(history_of(ops, windows), Claim(level="window", sync=called))
        exceeded = any(fewest[zxid] >= windows[zxid] for zxid in fewest)
        assert (result.reasons == ("window-exceeded",)) == exceeded, f"seed {seed}"
        accused += exceeded
    assert RUNS // 10 < accused < RUNS - RUNS // 10
