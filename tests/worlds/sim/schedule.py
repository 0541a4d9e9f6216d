"""What a simulation is given: who does what, and what strikes whom. Hypothesis draws it."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from hypothesis import strategies as st

from worlds.memory.network import Fault

SEGMENT_ITEMS = 2


@dataclass(frozen=True, slots=True)
class PutStep:
    """Put so many items, up to `batch` in one write, and pause.

    With `dedup_id`, one item: of all that are put with that id, one is in the queue.
    """

    count: int = 1
    batch: int = 500
    priority: int = 100
    delay_s: float = 0.0
    pause_s: float = 0.0
    ttr_s: float | None = None
    dedup_id: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class TakeStep:
    """Reserve, hold for a while, and then: acknowledge, now or with the next reserve, or return.

    With `touch`, the items' time to run starts anew after half of the while.
    """

    n: int = 1
    timeout_s: float = 0.0
    sync: bool = False
    hold_s: float = 0.0
    then: Literal["done", "fuse", "release", "later", "bury"] = "done"
    touch: bool = False


@dataclass(frozen=True, slots=True)
class OperateStep:
    """What an operator does, and the pause before it; "upgrade" is forced."""

    what: Literal["kick", "unpark", "purge", "peek", "stats", "upgrade"] = "kick"
    pause_s: float = 0.0


# A multi that puts into the queue, takes from it, or ends what was taken; any other; a read.
Kind = Literal["append", "claim", "unclaim", "write", "read"]
KINDS: dict[str, tuple[Kind, ...]] = {
    "producer": ("append", "append", "write", "read"),
    "consumer": ("claim", "unclaim", "unclaim", "write", "read"),
    "janitor": ("unclaim", "append", "write", "read"),
    "operator": ("write", "read"),
}


@dataclass(frozen=True, slots=True)
class Strike:
    """What meets a client's n-th request of a kind, counted from 1."""

    client: str
    kind: Kind
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
        operator: what an operator does meanwhile.
        strikes: each strikes once, if its client gets so far.
        lag_s: how far the followers, which are read from, may be behind the leader.
        deadline_s: of every call.
        order: of every consumer.
        on_crash: of every consumer.
        max_deliveries: of every consumer.
        new: the clients of the next release; all others are of this one.
        hour_in_s: how long after the start an hour of the servers begins.
    """

    seed: int = 0
    producers: tuple[tuple[PutStep, ...], ...] = ((PutStep(),),)
    consumers: tuple[tuple[TakeStep, ...], ...] = ((TakeStep(timeout_s=1.0),),)
    janitors: int = 1
    operator: tuple[OperateStep, ...] = ()
    strikes: tuple[Strike, ...] = ()
    lag_s: float = 0.0
    deadline_s: float = 30.0
    order: Literal["auto", "strict", "relaxed"] = "strict"
    on_crash: Literal["requeue", "partial"] = "requeue"
    max_deliveries: int | None = None
    new: tuple[str, ...] = ()
    hour_in_s: float = 1800.0


PUTS = st.builds(
    PutStep,
    count=st.integers(1, 6),
    batch=st.sampled_from([1, 2, 500]),
    priority=st.sampled_from([100, 100, 100, 50]),
    delay_s=st.sampled_from([0.0, 0.0, 0.0, 2.0]),
    pause_s=st.sampled_from([0.0, 0.0, 0.01, 1.0]),
    ttr_s=st.sampled_from([None, None, None, 3.0]),
    dedup_id=st.sampled_from([None, None, None, "a", "b"]),
    group=st.sampled_from([None, None, "g", "h"]),
)
# A session ends after 10 s: who holds for longer and is cut off has lost what it holds.
TAKES = st.builds(
    TakeStep,
    n=st.integers(1, 4),
    timeout_s=st.sampled_from([4.0, 4.0, 0.5, 0.0]),
    sync=st.booleans(),
    hold_s=st.sampled_from([0.0, 0.0, 0.02, 1.0, 12.0]),
    then=st.sampled_from(["done", "done", "done", "release", "fuse", "later", "bury"]),
    touch=st.booleans(),
)
OPERATES = st.builds(
    OperateStep,
    what=st.sampled_from(["kick", "kick", "unpark", "purge", "peek", "stats", "upgrade"]),
    pause_s=st.sampled_from([0.0, 0.02, 1.0, 5.0]),
)
# Producers that roll the tail again and again, consumers that keep up, and give some back.
CROWD = Schedule(
    producers=(
        (PutStep(4, batch=1), PutStep(3, batch=1, pause_s=1.0), PutStep(2)),
        (PutStep(6, batch=1, pause_s=0.01), PutStep(6, batch=1), PutStep(2)),
    ),
    consumers=(
        (TakeStep(4, timeout_s=4.0), TakeStep(2, timeout_s=4.0, then="release")) * 3,
        (TakeStep(4, timeout_s=4.0), TakeStep(1, timeout_s=0.5, sync=True)) * 3,
    ),
    deadline_s=5.0,
)

# Two groups, and items of none between them: consumers that give back, at once and later.
GROUPED = Schedule(
    producers=(
        (PutStep(3, batch=1, group="g"), PutStep(2), PutStep(3, group="h", pause_s=1.0)),
        (PutStep(3, group="g", pause_s=0.01), PutStep(2, batch=1, group="h"), PutStep(1)),
    ),
    consumers=(
        (
            TakeStep(4, timeout_s=4.0, then="fuse"),
            TakeStep(2, timeout_s=4.0, then="release"),
            TakeStep(2, timeout_s=4.0, then="later"),
        )
        * 2,
        (
            TakeStep(2, timeout_s=4.0, hold_s=0.02),
            TakeStep(1, timeout_s=4.0, sync=True, then="fuse"),
            TakeStep(3, timeout_s=4.0, hold_s=1.0, then="release"),
        )
        * 2,
        (TakeStep(2, timeout_s=4.0, then="release"), TakeStep(3, timeout_s=4.0)) * 3,
    ),
    deadline_s=5.0,
)


@st.composite
def schedules(draw: st.DrawFn, *, most_strikes: int = 6) -> Schedule:
    """Draw up to three producers and consumers, two janitors, an operator, strikes at any."""
    producers = draw(st.lists(st.lists(PUTS, min_size=1, max_size=4), min_size=1, max_size=3))
    consumers = draw(st.lists(st.lists(TAKES, min_size=1, max_size=6), min_size=1, max_size=3))
    janitors = draw(st.integers(0, 2))
    operator = draw(st.lists(OPERATES, max_size=3))
    clients = _clients(len(producers), len(consumers), janitors, bool(operator))
    return Schedule(
        seed=draw(st.integers(0, 999)),
        producers=tuple(map(tuple, producers)),
        consumers=tuple(map(tuple, consumers)),
        janitors=janitors,
        operator=tuple(operator),
        strikes=draw(_strikes(clients, most_strikes)),
        lag_s=draw(st.sampled_from([0.0, 0.05, 1.0])),
        deadline_s=draw(st.sampled_from([30.0, 5.0, 0.5])),
        order=draw(st.sampled_from(["strict", "relaxed", "auto"])),
        on_crash=draw(st.sampled_from(["requeue", "requeue", "partial"])),
        max_deliveries=draw(st.sampled_from([None, None, 2])),
        new=tuple(draw(st.lists(st.sampled_from(clients), unique=True))),
        hour_in_s=draw(st.sampled_from([1800.0, 1.0])),
    )


@st.composite
def struck(draw: st.DrawFn, crowd: Schedule, *, most_strikes: int = 4) -> Schedule:
    """Draw strikes at a given crowd, how many janitors there are, and the seed."""
    janitors = draw(st.integers(0, 2))
    clients = _clients(len(crowd.producers), len(crowd.consumers), janitors, bool(crowd.operator))
    strikes = draw(_strikes(clients, most_strikes))
    return replace(crowd, seed=draw(st.integers(0, 999)), janitors=janitors, strikes=strikes)


def _clients(producers: int, consumers: int, janitors: int, operator: bool) -> tuple[str, ...]:  # noqa: FBT001
    crew = {
        "producer": producers,
        "consumer": consumers,
        "janitor": janitors,
        "operator": int(operator),
    }
    return tuple(f"{role}-{index}" for role, count in crew.items() for index in range(count))


@cache
def _strikes(clients: tuple[str, ...], most: int) -> st.SearchStrategy[tuple[Strike, ...]]:
    """Strikes at any of the clients; cached, because making a strategy takes long."""
    each = [
        st.builds(
            Strike,
            client=st.just(client),
            kind=st.sampled_from(KINDS[client.partition("-")[0]]),
            number=st.integers(1, 6),
            what=st.sampled_from([*Fault, "kill"]),
        )
        for client in clients
    ]
    return st.lists(st.one_of(each), max_size=most).map(tuple)
