"""The order in which consumers take: strict while there is one, relaxed from two on, by default."""

import json

import pytest

from worlds.memory.queues import Open
from worlds.memory.store import MemoryStore, World
from zkmq import Queue
from zkmq.taking.order import in_force

NUMBERS = [b"%03d" % number for number in range(200)]


def taken(queue: Queue, count: int) -> list[bytes]:
    """Take some, one after the other, as they come."""
    return [item.data for _ in range(count) for item in queue.reserve(sync=True).items]


def test_one_consumer_takes_in_strict_order(queue: Queue) -> None:
    """It is alone, so nothing has to be spread."""
    queue.put_many(NUMBERS)
    assert taken(queue, 20) == NUMBERS[:20]
    assert queue.reserve().window == 1
    assert queue.stats().order == "strict"


def test_from_two_consumers_on_each_takes_its_own(opened: Open) -> None:
    """From the look on that sees both: out of a window that it tells, and all is taken once."""
    one, other = opened("one"), opened("other")
    one.put_many(NUMBERS)
    first = [data for queue in (one, other, one, other) for data in taken(queue, 1)]
    assert one.reserve(sync=True).window > 1
    assert other.reserve(sync=True).window > 1
    assert one.stats().order == "relaxed"
    rest: list[bytes] = []
    while found := taken(one, 1) + taken(other, 1):
        rest += found
    assert len(first + rest) == len(set(first + rest)) == len(NUMBERS) - 2
    assert sorted(rest) != rest


def test_when_the_other_has_left_the_order_is_strict_again(opened: Open) -> None:
    """The next look that is read after that sees it."""
    one, other = opened("one"), opened("other")
    one.put_many(NUMBERS)
    for queue in (one, other, one, other):
        taken(queue, 1)
    other.close()
    waiting = [each.data for each in one.peek(200)]
    assert taken(one, 20) == waiting[:20]
    assert one.reserve(sync=True).window == 1
    assert one.stats().order == "strict"


def test_a_dead_consumer_has_no_share(opened: Open, world: World) -> None:
    """Its registration is still there, and yet the only one that lives takes the head."""
    one, other = opened("one"), opened("other")
    one.put_many(NUMBERS)
    for queue in (one, other, one):
        taken(queue, 1)
    store = other._store
    assert isinstance(store, MemoryStore)
    store.crash()
    world.scheduler.sleep(20)
    assert one.stats().consumers == 2
    waiting = [each.data for each in one.peek(200)]
    assert taken(one, 20) == waiting[:20]


@pytest.mark.parametrize(("order", "in_order"), [("strict", True), ("relaxed", False)])
def test_what_was_asked_for_holds_with_any_number(
    opened: Open, order: str, *, in_order: bool
) -> None:
    """Strict is strict beside others."""
    one, other = opened("one", order=order), opened("other", order=order)
    one.put_many(NUMBERS)
    found = [data for _ in range(30) for queue in (one, other) for data in taken(queue, 1)]
    assert (found == NUMBERS[:60]) is in_order
    assert one.stats().order == order


def test_counting_consumers_costs_no_request(opened: Open, world: World) -> None:
    """The count comes with the look."""
    asked: dict[str, int] = {}
    for order in ("strict", "auto"):
        queue = opened(order, path=f"/{order}", order=order)
        queue.put_many(NUMBERS)
        queue.reserve()
        before = world.requests
        taken(queue, 10)
        asked[order] = world.requests - before
    assert asked["auto"] == asked["strict"]


@pytest.mark.parametrize(
    ("said", "order"),
    [
        ([], None),
        (["auto"], "strict"),
        (["auto", "auto"], "relaxed"),
        (["strict", "strict"], "strict"),
        (["relaxed"], "relaxed"),
        (["auto", "relaxed"], "relaxed"),
        (["auto", "strict"], "mixed"),
        ([None], "strict"),
        (["no such order"], "strict"),
    ],
)
def test_stats_say_which_order_is_in_force(said: list[str | None], order: str | None) -> None:
    """By what each registration says; those of older releases say nothing, and are strict."""
    assert (
        in_force([json.dumps({"order": each} if each else {}).encode() for each in said]) == order
    )


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_registration_that_nobody_can_read_is_strict(data: bytes) -> None:
    """As those of the original and of plain REST clients."""
    assert in_force([data]) == "strict"
