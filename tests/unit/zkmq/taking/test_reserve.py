"""Taking items: order, batches, fused acknowledgement, races, tags, unknown outcomes."""

from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from worlds.memory.faults import Strike
from worlds.memory.network import Fault, Request, no_faults
from worlds.memory.queues import Open, drained, janitor_of, places_of, swept
from worlds.memory.store import World
from zkmq import Hold, Queue
from zkmq.errors import BadArgumentError, NoQuorumError, NotHeldError, OutcomeUnknownError
from zkmq.tree import envelope
from zkmq.tree.guards import Guard
from zkmq.tree.item import Item
from zkmq.zookeeper.store import Create, SetData

NUMBERS = [b"%03d" % number for number in range(12)]


def datas(items: tuple[Item, ...]) -> list[bytes]:
    """Tell the payloads."""
    return [item.data for item in items]


@dataclass
class Labels:
    """Write down the labels of writes with a ticket; lose all requests after one of them."""

    silent_after: str | None = None
    seen: list[str] = field(default_factory=list)

    def __call__(self, number: int, request: Request) -> Fault | None:
        """Tell what happens to a request."""
        if self.silent_after in self.seen:
            return Fault.LOSE_REQUEST
        first = request.ops[0] if request.ops else None
        if isinstance(first, SetData):
            self.seen.append(first.data.split()[0].decode())
        return None


def raced(opened: Open, queue: Queue) -> tuple[Queue, tuple[Item, ...]]:
    """Return a client that holds an item, and that knows a head which another has just taken."""
    slow, fast = opened("slow", order="strict"), opened("fast", order="strict")
    fast.reserve(1)  # registers, and knows nothing of what comes
    queue.put_many(NUMBERS)
    slow.reserve(1)
    first = slow.reserve(1).items  # reads one more ahead, since nothing disturbed it
    fast.reserve(1)
    return slow, first


def test_urgent_first_then_oldest(queue: Queue) -> None:
    """0 comes before 999, and within a priority the order is that of the puts."""
    for data, priority in ((b"c", 500), (b"d", 999), (b"a", 0), (b"b", 0)):
        queue.put(data, priority=priority)
    assert datas(queue.reserve(10).items) == [b"a", b"b", b"c", b"d"]


def test_an_item_tells_what_it_is(queue: Queue, world: World) -> None:
    """Delivery, fence, when it was put and whose it is, by the servers."""
    put = queue.put(b"x", priority=7)
    reservation = queue.reserve()
    (item,) = reservation.items
    assert (item.id, item.name, item.priority, item.delivery) == (put.name, put.name, 7, 1)
    assert item.put_zxid == put.zxid
    assert item.fence == reservation.zxid == world.leader.zxid
    assert item.consumer == queue.consumer_id
    assert item.hold is Hold.HELD


def test_a_claim_is_one_write_and_one_place(queue: Queue, world: World) -> None:
    """Claim and removal are one transaction: the item is never in two places, or in none."""
    queue.put_many(NUMBERS)
    queue.done(*queue.reserve(1).items)
    before = world.leader.zxid
    queue.reserve(2)
    assert world.leader.zxid == before + 1
    places = places_of(world)
    assert [data for _, data in places.claims] == NUMBERS[1:3]
    assert [data for _, data in places.items] == NUMBERS[3:]


@pytest.mark.parametrize("n", [0, 501, -1])
def test_how_many_is_checked(queue: Queue, n: int) -> None:
    """From 1 to 500 items at once."""
    with pytest.raises(BadArgumentError, match="from 1 to 500"):
        queue.reserve(n)


def test_batches_cross_segments(queue: Queue) -> None:
    """A batch takes from as many segments and priorities as it needs."""
    queue.put_many(NUMBERS, batch=3)
    queue.put(b"urgent", priority=1)
    assert datas(queue.reserve(9).items) == [b"urgent", *NUMBERS[:8]]
    # Within the age of a look a batch is of what that look knew, so it may be a shorter one.
    assert datas(queue.reserve(9, sync=True).items) == NUMBERS[8:]


def test_an_empty_queue_says_when_it_was_empty(queue: Queue, world: World) -> None:
    """Without items there is the state in which none were there, and nothing was written."""
    queue.put(b"x")
    queue.done(*queue.reserve().items)
    queue.reserve()  # removes what was drained
    before = world.leader.zxid
    empty = queue.reserve(sync=True)
    assert (empty.items, empty.zxid) == ((), None)
    assert empty.read_zxid == before == world.leader.zxid


def test_fused_is_one_write(queue: Queue, world: World) -> None:
    """Acknowledging some and taking others is one transaction."""
    queue.put_many(NUMBERS)
    first = queue.reserve(2).items
    before = world.leader.zxid
    fused = queue.reserve(2, done=first)
    assert world.leader.zxid == before + 1
    assert datas(fused.items) == NUMBERS[2:4]
    assert fused.done is not None
    assert fused.done.zxid == fused.zxid == before + 1
    assert {item.hold for item in first} == {Hold.DONE}


def test_fused_on_an_empty_queue_acknowledges(queue: Queue) -> None:
    """The acknowledgement does not wait for items."""
    queue.put(b"x")
    found = queue.reserve(done=queue.reserve().items, timeout_s=100)
    assert (found.items, found.done is not None) == ((), True)
    assert queue.stats().held == 0


def test_fused_does_nothing_when_an_item_is_not_held(queue: Queue) -> None:
    """All or none: nothing is taken, and the others are still held."""
    queue.put_many(NUMBERS)
    gone, held = queue.reserve(2).items
    queue.done(gone)
    with pytest.raises(NotHeldError):
        queue.reserve(2, done=[gone, held])
    assert held.hold is Hold.HELD
    assert queue.stats().held == 1


def test_two_consumers_never_share(opened: Open, queue: Queue) -> None:
    """Whoever comes second takes what is left, though it had seen all."""
    queue.put_many(NUMBERS)
    one, other = opened("one"), opened("other")
    one.reserve(1)
    other.reserve(1)
    taken = [*drained(one), *drained(other)]
    assert sorted(taken) == NUMBERS[2:]


def test_a_lost_race_still_acknowledges(opened: Open, queue: Queue, world: World) -> None:
    """When another was faster, the acknowledgements go alone and the claim is tried again."""
    slow, first = raced(opened, queue)
    world.faults = labels = Labels()
    found = slow.reserve(1, done=first)
    assert labels.seen == ["reserve", "done", "reserve"]
    assert datas(found.items) == NUMBERS[3:4]
    assert found.done is not None
    assert {item.hold for item in first} == {Hold.DONE}


def test_what_returns_to_an_old_segment_is_seen(opened: Open, queue: Queue) -> None:
    """No consumer passes a segment for good while it exists."""
    queue.put_many(NUMBERS, batch=3)
    one, other = opened("one"), opened("other")
    (first, *_) = one.reserve(3).items
    assert datas(other.reserve(1).items) == NUMBERS[3:4]
    one.release(first)
    assert datas(other.reserve(1, sync=True).items) == NUMBERS[:1]


def test_drained_segments_go(queue: Queue, world: World) -> None:
    """Consumers remove the segments behind them; the tail stays."""
    queue.put_many(NUMBERS, batch=3)
    drained(queue)
    queue.reserve(sync=True)
    guard = Guard.decode(world.dump()["/queue/items/100"], 0)
    assert world.leader.tree.nodes["/queue/items/100"].children == {guard.tail_name}


def test_a_flat_item_of_the_original_is_taken(queue: Queue, opened: Open) -> None:
    """Items directly under items/ come first in their priority, payload as it is."""
    queue.put(b"new")
    client = queue._store
    client.commit([Create("/queue/items/item-100-", b"old", sequence=True)], client.now() + 1)
    assert datas(opened("other").reserve(2).items) == [b"old", b"new"]


@pytest.mark.parametrize("fault", list(Fault))
def test_a_struck_claim_loses_nothing(queue: Queue, world: World, fault: Fault) -> None:
    """Whatever happens to the request, every item is delivered; again only after an expiry."""
    janitor = janitor_of(world)
    queue.put_many(NUMBERS[:6])
    queue.done(*queue.reserve(1).items)
    world.faults = Strike("reserve", fault)
    seen: list[bytes] = []
    while len(set(seen)) < 5:
        with suppress(OutcomeUnknownError):
            items = queue.reserve(2).items
            seen += [each.data for each in items]
            if items:
                queue.done(*items)
        swept(janitor, world)
    assert sorted(seen) == NUMBERS[1:6]


def test_a_claim_of_unknown_outcome_comes_with_the_next(queue: Queue, world: World) -> None:
    """What turns out to be this consumer's is handed out by the next reserve."""
    world.session_timeout_s = 1000
    queue.put_many(NUMBERS[:4])
    queue.done(*queue.reserve(1).items)
    world.faults = Strike("reserve", Fault.LOSE_REPLY, times=10_000)
    with pytest.raises(OutcomeUnknownError):
        queue.reserve(2)
    world.faults = no_faults
    found = queue.reserve(1)
    assert datas(found.items) == NUMBERS[1:3]
    assert queue.done(*found.items).zxid


def test_without_a_quorum_nothing_is_taken(queue: Queue, world: World) -> None:
    """A reserve that cannot read is certainly without effect."""
    queue.put(b"x")
    queue._store.cut(50)
    with pytest.raises(NoQuorumError) as caught:
        queue.reserve()
    assert caught.value.definite


def test_no_time_to_look_is_not_an_empty_queue(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reserve that loses a race, or its session, until its time is over saw no empty queue."""
    queue.put(b"x")
    reserver, store = queue._consumer.reserver, queue._store

    def lose_slowly(n: int, done: object, extra: object, deadline_s: float) -> None:
        store.sleep(deadline_s / 3 - store.now() / 3 + 0.1)

    with monkeypatch.context() as patched:
        patched.setattr(reserver, "_attempt", lose_slowly)
        found = queue.reserve(sync=True)
    assert (found.items, found.read_zxid, found.looked) == ((), None, False)
    assert datas(queue.reserve(sync=True).items) == [b"x"]


def test_no_quorum_after_the_acknowledgement_is_not_an_empty_queue(
    opened: Open, queue: Queue, world: World
) -> None:
    """A reserve tells what it acknowledged, and that it did not get to look for more."""
    slow, first = raced(opened, queue)
    labels = Labels(silent_after="done")
    world.faults = labels
    found = slow.reserve(1, done=first)
    assert labels.seen == ["reserve", "done"]
    assert (found.items, found.looked) == ((), False)
    assert found.done is not None
    assert {item.hold for item in first} == {Hold.DONE}


def test_a_look_that_found_nothing_was_a_look(queue: Queue) -> None:
    """An empty queue, a paused one and one whose items are held were looked at."""
    assert queue.reserve().looked
    queue.put(b"x")
    queue.pause("a test")
    assert queue.reserve(sync=True).looked


def test_a_tagged_item_is_left_alone_while_its_owner_lives(queue: Queue, world: World) -> None:
    """A REST client's claim in place holds as long as its session."""
    put = queue.put(b"x")
    queue.put(b"y")
    owner = queue
    owner.reserve(2)
    for item in owner._consumer.membership.held:
        owner.release(item)
    path = f"/queue/items/100/0000000000/{put.name}.001"
    tag = envelope.wrap(b"x", {"deliveries": 1, "owner": owner.consumer_id})
    world.leader.multi(1, [SetData(path, tag, -1)])
    other = Queue(world.client("other"), janitor=False)
    assert datas(other.reserve(2).items) == [b"y"]
    owner.close()
    assert datas(other.reserve(2).items) == [b"x"]


def test_a_batch_is_cut_to_what_one_request_carries(queue: Queue) -> None:
    """Large items come in several claims, none lost."""
    queue.put_many([b"%d" % n * 400_000 for n in range(5)])
    sizes = []
    while items := queue.reserve(5).items:
        sizes.append(len(items))
        queue.done(*items)
    assert sizes == [2, 2, 1]


def test_relaxed_order_says_its_window(opened: Open, queue: Queue) -> None:
    """Alone, the window is what was asked for; with others it grows with their number."""
    queue.put_many(NUMBERS)
    one = opened("one", order="relaxed")
    assert one.reserve(2).window == 2
    other = opened("other", order="relaxed")
    other.reserve(1)
    one._store.sleep(2)
    found = one.reserve(2)
    assert found.window > 2
    assert len(found.items) == 2


def test_relaxed_consumers_take_everything(opened: Open, queue: Queue) -> None:
    """No share is left behind, even that of a consumer that takes nothing."""
    queue.put_many(NUMBERS)
    consumers = [opened(f"c{n}", order="relaxed") for n in range(3)]
    first = [consumer.reserve(1).items for consumer in consumers]
    assert all(first)
    consumers[0]._store.sleep(2)
    rest = drained(consumers[0])
    assert sorted([*rest, *(item.data for items in first for item in items)]) == NUMBERS


def test_what_a_look_did_not_read_is_not_passed_over(opened: Open) -> None:
    """Items of a lesser priority, read because they were once next, do not come before those."""
    producer, consumer = opened("producer"), opened("consumer")
    producer.put(b"urgent 0", priority=1)
    producer.put(b"later", priority=2)
    consumer.release(*consumer.reserve(2, sync=True).items)
    producer.put_many([b"urgent 1", b"urgent 2", b"urgent 3"], priority=1, batch=1)
    taken = [consumer.reserve(2, sync=True), *(consumer.reserve(2) for _ in range(3))]
    payloads = [item.data for found in taken for item in found.items]
    assert payloads == [b"urgent 0", b"urgent 1", b"urgent 2", b"urgent 3", b"later"]


def test_a_reserve_looks_again_rather_than_bring_too_few(opened: Open) -> None:
    """Of four that wait the last look left one; the others came since: all four are brought."""
    consumer, producer = opened("consumer"), opened("producer")
    producer.put_many([b"1", b"2"])
    assert len(consumer.reserve(1, sync=True).items) == 1
    producer.put_many([b"3", b"4", b"5"])
    assert [item.data for item in consumer.reserve(9).items] == [b"2", b"3", b"4", b"5"]
