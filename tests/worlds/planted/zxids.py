"""Histories and queues with one fault each that their zxids show, and sound ones."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from harness.claim import Level
from harness.history.columns import History
from worlds.histories.by_hand import ended, history, note, op, queue_run, returned
from worlds.histories.random import Mix, as_history, simulate
from worlds.planted import queues
from worlds.planted.script import served

Lines = list[dict[str, Any]]
WHOLE = (0, 99)  # calls this long all overlap: only zxids order them


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A history, its claim, and the checker and reason that it must be found for."""

    checker: str = "zxid"
    reason: str
    history: Callable[[], History]
    claim: Level = "linearizable"


def put(value: int, zxid: int | None, span: tuple[int, int] = WHOLE, **more: Any) -> Lines:
    """Return a put by a process of its own."""
    return op("put", value, *span, process=f"put {value}", zxid=zxid, **more)


def got(value: int, zxid: int | None, by: int, span: tuple[int, int] = WHOLE, **more: Any) -> Lines:
    """Return a reserve."""
    return op("reserve", value, *span, process=by, consumer=f"c{by}", zxid=zxid, **more)


def tree(node: int, *items: int) -> Lines:
    """Return what one server has at the end."""
    places = {"items": list(items)}
    return note("tree", 200, node=node, reachable=True, digest=str(places), places=places)


def later_put_smaller_zxid() -> History:
    """A put that began after another had returned took effect before it."""
    return history(put(1, 20, (0, 5)), put(2, 10, (6, 9)))


def read_of_the_past() -> History:
    """A reserve found nothing in a state from before it began; then there was something."""
    empty = op("reserve", None, 6, 9, process=9, consumer="c9", read_zxid=9)
    return history(put(1, 10, (0, 5)), empty)


def swapped_while_all_overlap() -> History:
    """Two items are delivered in the wrong order by calls that all overlap."""
    return history(put(1, 10), put(2, 20), got(2, 30, 1), got(1, 40, 2))


def returned_too_late() -> History:
    """A dead one's item is delivered before the write that gave it back."""
    dead = ended(1, 12, alive_until_ns=12) + returned(1, 60, 1, zxid=50)
    return history(put(1, 10, (0, 5)), got(1, 20, 1, (6, 9)), dead, got(1, 40, 2, (20, 99)))


def counted_twice_as_first() -> History:
    """A redelivery says that it is the first."""
    first = got(1, 20, 1, (6, 9), delivery=1)
    back = op("release", 1, 10, 12, process=1, consumer="c1", zxid=30)
    return history(put(1, 10, (0, 5)), first, back, got(1, 40, 2, (13, 15), delivery=1))


def unknown(by: int, at: int, *, n: int = 1, over_at: int | None = None) -> Lines:
    """Return a reserve that got no answer, and when its session's items were surely back."""
    asked = op("reserve", None, at, at + 1, process=by, outcome="info", consumer=f"c{by}", n=n)
    end = ended(by, at + 1, alive_until_ns=at, why="in-doubt")
    return asked + end + (returned(by, over_at) if over_at is not None else [])


def newest_first(*, zxids: bool) -> History:
    """A queue that is last in, first out, behind one reserve that may have one item."""
    calls = [*range(1, 6), *range(5, 0, -1)]
    lines = unknown(9, 1)
    for place, value in enumerate(calls):
        at, zxid = 10 + 10 * place, 10 + place if zxids else None
        make = put if place < 5 else got
        who = {} if place < 5 else {"by": 1}
        lines += make(value, zxid, span=(at, at + 2), **who)
        if place >= 5:
            lines += op("done", value, at + 3, at + 4, process=1, consumer="c1")
    return history(lines)


def empty_behind_an_unknown_reserve() -> History:
    """A queue finds nothing in two items, of which one reserve may have one."""
    puts = put(1, 10, (0, 2)) + put(2, 11, (3, 5))
    nothing = op("reserve", None, 20, 22, process=1, consumer="c1", read_zxid=12)
    return history(puts, unknown(9, 6), nothing)


def counted_by_twos() -> History:
    """A queue counts each delivery twice, behind a reserve whose session was over before."""
    first = got(1, 20, 1, (20, 21), delivery=1)
    back = op("release", 1, 22, 23, process=1, consumer="c1", zxid=30)
    again = got(1, 40, 2, (24, 25), delivery=3)
    return history(unknown(9, 1, over_at=5), put(1, 10, (10, 12)), first, back, again)


def beyond_its_window_and_one() -> History:
    """A consumer that looks at two items takes the fourth; a reserve may have one of the others."""
    puts = [put(n, 10 * n, (10 * n, 10 * n + 5)) for n in (1, 2, 3, 4)]
    return history(*puts, unknown(9, 50), got(4, 100, 1, (100, 105), window=2))


def taken_from_the_living(*, zxids: bool) -> History:
    """A reaper returns what a living consumer holds, and says so; the fence refuses the owner."""

    def at(zxid: int) -> int | None:
        return zxid if zxids else None

    told = note("returned", 20, consumer="c1", values=[1], to="items", zxid=at(30), dead=True)
    refused = op("done", 1, 30, 33, process=1, consumer="c1", outcome="fail")
    return history(
        put(1, at(10), (0, 5)),
        put(2, at(11), (6, 8)),
        got(1, at(20), 1, (10, 15), delivery=1),
        told,
        got(1, at(40), 2, (25, 28), delivery=2),
        op("done", 1, 30, 32, process=2, consumer="c2", zxid=at(41)),
        refused,
        got(2, at(50), 1, (40, 45), delivery=1),
        op("done", 2, 46, 48, process=1, consumer="c1", zxid=at(51)),
        ended(1, 60, why="closed"),
    )


def done_and_still_there() -> History:
    """An acknowledged item stands in the trees of all servers."""
    done = op("done", 1, 10, 12, process=1, consumer="c1", zxid=30)
    return history(put(1, 10, (0, 5)), got(1, 20, 1, (6, 9)), done, tree(1, 1), tree(2, 1))


def mostly_unknown_places() -> History:
    """Of five puts one knows its zxid."""
    others = [op("put", n, 10 * n, 10 * n + 5, process=n) for n in range(2, 6)]
    return history(put(1, 10, (0, 5)), *others)


def beyond_its_window() -> History:
    """A consumer that looks at two items takes the third."""
    puts = [put(n, 10 * n, (10 * n, 10 * n + 5)) for n in (1, 2, 3)]
    return history(*puts, got(3, 100, 1, (100, 105), window=2))


def windows_not_told() -> History:
    """Most deliveries of a relaxed run lack their window."""
    puts = [put(n, 10 * n, (10 * n, 10 * n + 5)) for n in (1, 2, 3)]
    return history(
        *puts,
        got(1, 100, 1, (100, 105), window=4),
        got(2, 110, 2, (110, 115)),
        got(3, 120, 3, (120, 125)),
    )


def one_write_of_two_producers() -> History:
    """Two producers' items share a zxid, as a gateway's group commit has it, in either order."""
    return history(put(1, 10), put(2, 10), got(2, 30, 1), got(1, 40, 2))


def random_with_zxids() -> History:
    """A random run of a correct queue."""
    return as_history(simulate(Random(5), Mix(release=0.2, crash=0.1, zxids=True)))


def _queue(kind: type[queues.Correct], reason: str) -> Case:
    return Case(reason=reason, history=lambda: served(kind()))


CASES: dict[str, Case] = {
    "began later, smaller zxid": Case(reason="real-time", history=later_put_smaller_zxid),
    "read of the past": Case(reason="real-time", history=read_of_the_past),
    "swapped while all overlap": Case(reason="fifo-order", history=swapped_while_all_overlap),
    "delivered before its return": Case(reason="double-ownership", history=returned_too_late),
    "counted twice as first": Case(reason="delivery-count", history=counted_twice_as_first),
    "done and still there": Case(
        checker="total-queue", reason="left-after-done", history=done_and_still_there
    ),
    "last in, first out, and one unknown reserve": Case(
        checker="priority-fifo",
        reason="fifo-order",
        history=lambda: newest_first(zxids=False),
        claim="stale",
    ),
    "the same with a fresh look": Case(
        checker="priority-fifo",
        reason="fifo-order",
        history=lambda: newest_first(zxids=False),
        claim="snapshot",
    ),
    "the same by zxid": Case(
        reason="fifo-order", history=lambda: newest_first(zxids=True), claim="stale"
    ),
    "empty, and one unknown reserve": Case(
        reason="false-empty", history=empty_behind_an_unknown_reserve, claim="stale"
    ),
    "the same in time": Case(
        checker="priority-fifo",
        reason="false-empty",
        history=empty_behind_an_unknown_reserve,
        claim="snapshot",
    ),
    "counted by twos": Case(reason="delivery-count", history=counted_by_twos),
    "beyond its window and one": Case(
        checker="window",
        reason="window-exceeded",
        history=beyond_its_window_and_one,
        claim="window",
    ),
    "taken from the living": Case(
        checker="ownership",
        reason="taken-from-the-living",
        history=lambda: taken_from_the_living(zxids=False),
        claim="stale",
    ),
    "the same, and zxids tell": Case(
        reason="taken-from-the-living",
        history=lambda: taken_from_the_living(zxids=True),
        claim="stale",
    ),
    "mostly unknown places": Case(reason="few-zxids", history=mostly_unknown_places),
    "beyond its window": Case(
        checker="window", reason="window-exceeded", history=beyond_its_window, claim="window"
    ),
    "windows not told": Case(
        checker="window", reason="few-windows", history=windows_not_told, claim="window"
    ),
    "last in, first out, by zxid": _queue(queues.LastInFirstOut, "fifo-order"),
    "priorities are ignored, by zxid": _queue(queues.NoPriorities, "priority-order"),
    "empty while the head is held, by zxid": _queue(queues.EmptyWhileHeld, "false-empty"),
    "not empty at the start, by zxid": _queue(queues.Leftover, "never-put"),
    "an election undoes done, by zxid": _queue(queues.DoneUndone, "redelivered-after-done"),
    "steals from the living, by zxid": _queue(queues.StealsFromTheLiving, "double-ownership"),
    "done without a fence, by zxid": _queue(queues.NoFence, "success-after-expiry"),
    "done of another's item, by zxid": _queue(queues.NoFence, "stale-ack"),
    "anybody may acknowledge, by zxid": _queue(queues.AnybodyAcks, "ack-without-hold"),
    "done succeeds twice, by zxid": _queue(queues.AcksTwice, "double-ack"),
}

SOUND: dict[str, Callable[[], History]] = {
    "one write of two producers": one_write_of_two_producers,
    "random runs with zxids": random_with_zxids,
    "no zxids": lambda: queue_run(3),
}
