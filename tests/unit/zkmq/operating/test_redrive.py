"""Dead letters move to another queue: each is in one of the two queues at any zxid, and once."""

from collections import Counter
from collections.abc import Callable

import pytest

from worlds.memory.network import Fault, Request, no_faults
from worlds.memory.queues import Open, drained
from worlds.memory.store import World
from worlds.memory.zookeeper import Transaction
from worlds.sim.editions import NextQueue
from zkmq import (
    BadArgumentError,
    IncompatibleTreeError,
    NotAppliedError,
    OutcomeUnknownError,
    OutdatedClientError,
    Queue,
)
from zkmq.operating.changes import Changed
from zkmq.operating.put_aside import OtherQueue
from zkmq.putting.entry import Entry
from zkmq.tree import item_names, raw_copy
from zkmq.tree.compatibility.chartered_store import CharteredStore

SOURCE, TARGET = "/queue", "/other"
PAYLOADS = [b"a", b"b", b"c", b"d", b"e"]


@pytest.fixture
def target(world: World) -> Queue:
    """Give the queue to which items move, with segments of three items."""
    return Queue(world.client("target"), TARGET, janitor=False, segment_items=3)


def bury_all(queue: Queue, *entries: Entry) -> None:
    """Put items aside, in the order given."""
    queue.put_many(entries or [Entry(data=data) for data in PAYLOADS])
    while items := queue.reserve(50, sync=True).items:
        queue.bury(*items, reason="bad")


class OnePlace:
    """Looks at both trees after each transaction; `wrong` is where an item was not in one place."""

    def __init__(self, world: World, payloads: list[bytes]) -> None:
        self.wrong: list[str] = []
        self._world = world
        self._payloads = payloads
        world.leader.observers.append(self._look)

    def _look(self, transaction: Transaction) -> None:
        if any(b"redrive" in getattr(each, "data", b"") for each in transaction.effects):
            found = both(self._world)
            for payload in self._payloads:
                if sum(found[payload].values()) != 1:
                    self.wrong.append(f"{payload!r} at {transaction.zxid}: {found[payload]}")


def both(world: World) -> dict[bytes, Counter[str]]:
    """Where each payload is, in both queues."""
    nodes = {path: node.data for path, node in world.leader.tree.nodes.items()}
    found = {payload: Counter[str]() for payload in PAYLOADS}
    for root in (SOURCE, TARGET):
        places = raw_copy.decode(nodes, root)
        for place in ("items", "claims", "dead", "partial", "delayed"):
            for _, payload in getattr(places, place):
                found[payload][f"{root}/{place}"] += 1
    return found


def test_items_move_to_the_back_of_the_other_queue(
    world: World, queue: Queue, target: Queue
) -> None:
    """In their order, behind what waits there, as if they had never been anywhere else."""
    target.put(b"before")
    bury_all(queue, *(Entry(data=data, headers={"a": "b"}, ttr_s=60.0) for data in PAYLOADS[:4]))
    before, moved = world.leader.zxid, queue.redrive(TARGET, 2)
    assert moved.count == 2
    assert before < (moved.zxid or 0) <= world.leader.zxid
    assert queue.redrive(TARGET, 9).count == 2
    assert queue.redrive(TARGET, 9) == Changed(0, None)
    target.done(*target.reserve(1, sync=True).items)
    items = target.reserve(9, sync=True).items
    assert [item.data for item in items] == PAYLOADS[:4]
    assert {(item.delivery, item.headers["a"], item.header["ttr_s"]) for item in items} == {
        (1, "b", 60.0)
    }
    assert not any({"reason", "forgiven", "last_owner"} & item.header.keys() for item in items)
    assert "/other/ttr" in world.dump()  # so that janitors there look for overdue holds
    assert queue.stats().dead == 0


def test_items_are_chosen_by_id(queue: Queue, target: Queue) -> None:
    """Those that are not there, or not any more, are none."""
    bury_all(queue)
    names = [each.name for each in queue.peek(9, place="dead")]
    ids = [names[3], item_names.base(names[1]), "item-100-0000000000-0000009999"]
    assert queue.redrive(TARGET, ids=ids).count == 2
    assert drained(target) == [b"b", b"d"]
    assert queue.stats().dead == 3
    assert queue.redrive(TARGET, ids=[]).count == 0


def test_where_items_cannot_go_is_told(world: World, queue: Queue, opened: Open) -> None:
    """Nothing moves: to no queue, to itself, or to one that is too new for this client."""
    bury_all(queue)
    for to, error in (
        ("/nothing", IncompatibleTreeError),
        (SOURCE, BadArgumentError),
        ("other", BadArgumentError),
    ):
        with pytest.raises(error):
            queue.redrive(to, 5)
    NextQueue(world.client("next"), TARGET, janitor=False)
    with pytest.raises(OutdatedClientError):
        queue.redrive(TARGET, 5)
    assert queue.stats().dead == 5


def test_a_raise_of_the_other_queue_holds_at_once(
    world: World, queue: Queue, target: Queue
) -> None:
    """No item goes to a queue that was raised while the request was on its way."""
    bury_all(queue)
    raised: list[bool] = []

    def strike(_: int, request: Request) -> None:
        if not raised and any(getattr(op, "data", b"")[:7] == b"redrive" for op in request.ops):
            raised.append(True)
            newer = NextQueue(world.client("next"), TARGET, janitor=False)
            newer.upgrade(force=True)

    world.faults = strike
    with pytest.raises(OutdatedClientError):
        queue.redrive(TARGET, 5)
    assert raised
    world.faults = no_faults
    assert queue.stats().dead == 5


def _requests(world: World, call: Callable[[], object]) -> int:
    before = world.requests
    call()
    return world.requests - before


def _told(world: World, operator: Queue, *, is_alive: bool) -> int | None:
    """How many items moved, by what the call and its error tell; None if nothing was told."""
    try:
        return operator.redrive(TARGET, 5).count
    except OutcomeUnknownError as error:
        if not is_alive:
            return None
        world.faults = no_faults
        settled = error.resolve()
        return sum(each.items for each in settled if each.took_effect)
    except NotAppliedError:
        return 0 if is_alive else None


@pytest.mark.parametrize("fault", [*Fault, "crash"], ids=str)
def test_any_fault_at_any_request_moves_each_item_once(fault: Fault | str) -> None:
    """Each item is in one place at each zxid, and what the call tells is what happened."""
    number, struck = 0, True
    while struck:
        struck = False
        number += 1
        world = World(seed=number)
        source = Queue(world.client("source"), SOURCE, janitor=False, segment_items=3)
        client = world.client("operator")
        operator = Queue(client, SOURCE, janitor=False, deadline_s=20.0)
        target = Queue(world.client("target"), TARGET, janitor=False, segment_items=3)
        bury_all(source)
        watch, first = OnePlace(world, PAYLOADS), world.requests

        def strike(count: int, request: Request) -> Fault | None:
            nonlocal struck
            if count - first != number or request.client != "operator":  # noqa: B023
                return None
            struck = True
            if isinstance(fault, Fault):
                return fault
            client.crash()  # noqa: B023
            return None

        world.faults = strike
        count = _told(world, operator, is_alive=fault != "crash")
        world.faults = no_faults
        world.scheduler.sleep(60.0)
        assert watch.wrong == []
        moved = [each for each in PAYLOADS if both(world)[each] == {f"{TARGET}/items": 1}]
        if count is not None:
            assert len(moved) == count, (number, fault)
        assert drained(target) == moved
    assert number > 8


def test_the_check_of_one_place_bites(
    world: World, queue: Queue, target: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: a redrive that only copies is found."""
    bury_all(queue)
    watch = OnePlace(world, PAYLOADS)
    commit = CharteredStore.commit
    monkeypatch.setattr(
        CharteredStore,
        "commit",
        lambda self, ops, deadline_s: commit(
            self, [op for op in ops if "/dead/" not in op.path], deadline_s
        ),
    )
    queue.redrive(TARGET, 1)
    assert watch.wrong


def test_the_check_of_the_other_charter_bites(
    world: World, queue: Queue, target: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: without that check, an item goes to a queue that is too new."""
    ops = OtherQueue.ops
    monkeypatch.setattr(OtherQueue, "ops", lambda *args: ops(*args)[1:])
    with pytest.raises((OutcomeUnknownError, AssertionError)):
        test_a_raise_of_the_other_queue_holds_at_once(world, queue, target)
    assert queue.stats().dead < 5
