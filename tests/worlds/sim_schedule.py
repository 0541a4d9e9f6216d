"""What a simulation is given: who does what, and what strikes whom. Hypothesis draws it."""

from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

from worlds.memory_store import Fault

SEGMENT_ITEMS = 2


@dataclass(frozen=True, slots=True)
class PutStep:
    """Put so many items, up to `batch` in one write, and pause."""

    count: int = 1
    batch: int = 500
    priority: int = 100
    delay_s: float = 0.0
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class TakeStep:
    """Reserve, hold for a while, and then: acknowledge, now or with the next reserve, or return."""

    n: int = 1
    timeout_s: float = 0.0
    sync: bool = False
    hold_s: float = 0.0
    then: Literal["done", "fuse", "release", "later"] = "done"


@dataclass(frozen=True, slots=True)
class Strike:
    """What meets a client's n-th request of a kind, counted from 1."""

    client: str
    kind: Literal["read", "write"]
    number: int
    what: Fault | Literal["kill"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One simulated run.

    Attributes:
        seed: decides latencies, ids, and how far behind each follower is.
        producers: what each producer does; the clients are `producer-0` and so on.
        consumers: the same of each consumer.
        janitors: how many clients run one; one at a time is elected.
        strikes: each strikes once, if its client gets so far.
        lag_s: how far the followers, which are read from, may be behind the leader.
        deadline_s: of every call.
        order: of every consumer.
    """

    seed: int = 0
    producers: tuple[tuple[PutStep, ...], ...] = ((PutStep(),),)
    consumers: tuple[tuple[TakeStep, ...], ...] = ((TakeStep(timeout_s=1.0),),)
    janitors: int = 1
    strikes: tuple[Strike, ...] = ()
    lag_s: float = 0.0
    deadline_s: float = 30.0
    order: Literal["strict", "relaxed"] = "strict"


PUTS = st.builds(
    PutStep,
    count=st.integers(1, 6),
    batch=st.sampled_from([1, 2, 500]),
    priority=st.sampled_from([100, 100, 100, 50]),
    delay_s=st.sampled_from([0.0, 0.0, 0.0, 2.0]),
    pause_s=st.sampled_from([0.0, 0.0, 0.01, 1.0]),
)
# A session ends after 10 s: who holds for longer and is cut off has lost what it holds.
TAKES = st.builds(
    TakeStep,
    n=st.integers(1, 4),
    timeout_s=st.sampled_from([4.0, 4.0, 0.5, 0.0]),
    sync=st.booleans(),
    hold_s=st.sampled_from([0.0, 0.0, 0.02, 1.0, 12.0]),
    then=st.sampled_from(["done", "done", "done", "release", "fuse", "later"]),
)


@st.composite
def schedules(draw: st.DrawFn, *, most_strikes: int = 6) -> Schedule:
    """Draw up to three producers and consumers, no janitor to two, and strikes at any of them."""
    producers = draw(st.lists(st.lists(PUTS, min_size=1, max_size=4), min_size=1, max_size=3))
    consumers = draw(st.lists(st.lists(TAKES, min_size=1, max_size=5), min_size=1, max_size=3))
    janitors = draw(st.integers(0, 2))
    clients = [f"producer-{index}" for index in range(len(producers))]
    clients += [f"consumer-{index}" for index in range(len(consumers))]
    clients += [f"janitor-{index}" for index in range(janitors)]
    strikes = st.builds(
        Strike,
        client=st.sampled_from(clients),
        kind=st.sampled_from(["write", "write", "write", "read"]),
        number=st.integers(1, 12),
        what=st.sampled_from([*Fault, "kill"]),
    )
    return Schedule(
        seed=draw(st.integers(0, 999)),
        producers=tuple(map(tuple, producers)),
        consumers=tuple(map(tuple, consumers)),
        janitors=janitors,
        strikes=tuple(draw(st.lists(strikes, max_size=most_strikes))),
        lag_s=draw(st.sampled_from([0.0, 0.05, 1.0])),
        deadline_s=draw(st.sampled_from([30.0, 5.0, 0.5])),
        order=draw(st.sampled_from(["strict", "relaxed"])),
    )
