"""One item by its id: found wherever it is, and deleted for ever, once."""

import pytest

from worlds.memory.faults import Strike
from worlds.memory.network import Fault, Request, no_faults
from worlds.memory.queues import Open, drained, janitor_of, places_of, swept
from worlds.memory.store import World
from zkmq import BadArgumentError, ItemHeldError, OutcomeUnknownError, Queue
from zkmq.operating.changes import Changed
from zkmq.tree.envelope import wrap
from zkmq.tree.ticket import Ticket
from zkmq.zookeeper.store import CheckVersion, Create, Delete

NOWHERE = "item-100-0000000000-0000000099"


def id_of(queue: Queue, data: bytes) -> str:
    """Put an item; its id."""
    name = queue.put(data).name
    assert name is not None
    return name


def place_of(queue: Queue, id: str) -> str | None:
    """Where the queue says that the item is."""
    found = queue.inspect(id)
    return None if found is None else found.place


def test_an_item_is_found_in_every_place(world: World, opened: Open, queue: Queue) -> None:
    """By the id that its put told, whatever its name is by now; and nowhere once it is done."""
    operator, id = opened("operator"), id_of(queue, b"a")
    assert place_of(operator, id) == "items"
    (item,) = queue.reserve(sync=True).items
    held = operator.inspect(id)
    assert held is not None
    assert (held.place, held.consumer, held.data) == ("held", queue.consumer_id, b"a")
    queue.release(item)
    found = operator.inspect(id)
    assert found is not None
    assert (found.place, found.name, found.deliveries) == ("items", f"{id}.001", 1)
    queue.release(*queue.reserve(sync=True).items, delay_s=60.0)
    delayed = operator.inspect(id)
    assert delayed is not None
    assert delayed.place == "delayed"
    assert abs((delayed.due_ms or 0) - world.clock_ms() - 60_000) < 1000
    world.scheduler.sleep(61.0)
    swept(janitor_of(world), world)
    assert place_of(operator, id) == "items"
    queue.bury(*queue.reserve(sync=True).items, reason="bad")
    dead = operator.inspect(f"{id}.001")  # any of its names
    assert dead is not None
    assert (dead.place, dead.reason) == ("dead", "bad")
    queue.kick(1)
    queue.done(*queue.reserve(sync=True).items)
    assert place_of(operator, id) is None


def test_an_item_is_found_after_its_segment_was_dropped_or_purged(queue: Queue) -> None:
    """It comes back to a segment of returns."""
    ids = [id_of(queue, data) for data in (b"a", b"b", b"c", b"d")]
    first, *rest = queue.reserve(4, sync=True).items
    queue.done(*rest)
    queue._store.sleep(1.0)
    queue.reserve(sync=True)  # a look drops what is drained
    queue.release(first)
    assert place_of(queue, ids[0]) == "items"
    (first,) = queue.reserve(sync=True).items
    queue.purge()
    assert place_of(queue, ids[0]) == "held"
    queue.release(first)
    assert place_of(queue, ids[0]) == "items"
    queue.purge()
    assert place_of(queue, ids[0]) is None


def test_what_an_id_may_be_is_checked(queue: Queue) -> None:
    """A path, or another text, is none."""
    for call in (queue.inspect, queue.delete):
        for id in ("", "a/b", "../dead", "item-1", 7):
            with pytest.raises(BadArgumentError, match="id: expected"):
                call(id)  # type: ignore[arg-type]


def test_a_flat_item_and_a_delayed_one_are_found_by_their_names(world: World, queue: Queue) -> None:
    """The original's layout, and what was never delivered."""
    flat = "item-007-0000000001"
    world.client("other").commit([Create(f"/queue/items/{flat}", b"flat")], 99.0)
    assert place_of(queue, flat) == "items"
    queue.put(b"later", delay_s=600.0)
    (later,) = queue.peek(place="delayed")
    assert place_of(queue, later.name) == "delayed"
    assert queue.delete(later.name).count == queue.delete(flat).count == 1
    assert places_of(world).delayed == places_of(world).items == []


def test_a_deleted_item_never_comes(world: World, opened: Open, queue: Queue) -> None:
    """From where it waits and where it was put aside; the others stay in their order."""
    ids = [id_of(queue, data) for data in (b"a", b"b", b"c", b"d")]
    operator = opened("operator")
    queue.bury(*queue.reserve(sync=True).items, reason="bad")
    assert operator.delete(ids[0]) == Changed(1, world.leader.zxid)
    assert operator.delete(ids[2]) == Changed(1, world.leader.zxid)
    assert operator.delete(ids[2]) == operator.delete(NOWHERE) == Changed(0, None)
    assert operator.kick(9).count == 0
    assert drained(queue) == [b"b", b"d"]


def test_what_a_consumer_holds_is_not_deleted(opened: Open, queue: Queue) -> None:
    """Nothing is changed: the consumer ends it as if nobody had asked."""
    id = id_of(queue, b"a")
    (item,) = queue.reserve(sync=True).items
    with pytest.raises(ItemHeldError, match="holds"):
        opened("operator").delete(id)
    queue.done(item)
    assert opened("later").delete(id).count == 0


def test_a_plain_rest_clients_claim_is_a_hold(world: World, queue: Queue) -> None:
    """As long as that client's session lives."""
    other = world.client("rest")
    tag = "consumer-rest"
    queue.put(b"b")
    name = f"/queue/items/100/{0:010d}/item-100-{0:010d}-{7:010d}"
    other.commit([Create(f"/queue/consumers/{tag}"), Create(name, wrap(b"a", {"owner": tag}))], 9.0)
    active = f"/queue/consumers/{tag}/active"
    other.commit([Create(active, ephemeral=True)], 9.0)
    id = name.rpartition("/")[2]
    assert place_of(queue, id) == "held"
    with pytest.raises(ItemHeldError):
        queue.delete(id)
    other.close()
    assert queue.delete(id).count == 1


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_REPLY])
def test_a_delete_whose_answer_is_lost_tells_the_truth(
    world: World, queue: Queue, fault: Fault
) -> None:
    """It deleted the item, once, whichever copy did."""
    id = id_of(queue, b"a")
    world.faults = Strike("delete", fault)
    assert queue.delete(id).count == 1
    assert places_of(world).items == []


def test_a_delete_that_lost_against_a_consumer_says_so(
    world: World, opened: Open, queue: Queue
) -> None:
    """Its first copy was lost, and the item was consumed before the second: it deleted nothing.

    Without a ticket, this looks exactly as if the first copy had deleted the item.
    """
    id = id_of(queue, b"a")
    other = opened("consumer")
    lost: list[bool] = []

    def strike(number: int, request: object) -> Fault | None:
        fault = Strike("delete", Fault.LOSE_REQUEST)(number, request)  # type: ignore[arg-type]
        if fault is None or lost:
            return None
        lost.append(True)
        world.faults = no_faults
        world.scheduler.spawn("consumer", lambda: other.done(*other.reserve(sync=True).items))
        return fault

    world.faults = strike
    assert queue.delete(id) == Changed(0, None)
    assert lost
    world.scheduler.join()


@pytest.mark.parametrize(
    ("fault", "took_effect"), [(Fault.LOSE_REPLY, True), (Fault.LOSE_REQUEST, False)]
)
def test_a_delete_in_doubt_is_settled_by_its_error(
    world: World, queue: Queue, fault: Fault, *, took_effect: bool
) -> None:
    """Whatever was called since, and as often as one asks."""
    world.session_timeout_s = 1000
    queue.deadline_s = 2.0
    id, other = id_of(queue, b"a"), id_of(queue, b"b")
    queue.delete(other)
    world.faults = Strike("delete", fault, times=10_000)
    with pytest.raises(OutcomeUnknownError) as caught:
        queue.delete(id)
    world.faults = no_faults
    queue.put(b"c")
    for _ in range(2):
        (settled,) = caught.value.resolve()
        assert (settled.label, settled.took_effect) == ("delete", took_effect)
    assert queue.delete(id).count == int(not took_effect)
    assert [data for _, data in places_of(world).items] == [b"c"]


def test_the_truth_of_a_delete_needs_its_ticket(
    world: World, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: a delete that uses up no number, and whose answer is lost, claims to have missed."""
    monkeypatch.setattr(
        Ticket, "_multi", lambda self, _label, ops, _version: [CheckVersion(self.path, -1), *ops]
    )
    id = id_of(queue, b"a")
    lost: list[Request] = []

    def strike(_: int, request: Request) -> Fault | None:
        if lost or not any(isinstance(op, Delete) for op in request.ops):
            return None
        lost.append(request)
        return Fault.LOSE_REPLY

    world.faults = strike
    assert queue.delete(id).count == 0
    assert places_of(world).items == []
