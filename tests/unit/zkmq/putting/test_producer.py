"""Putting: exactly once, in order, in batches, across segments, delayed, deduplicated."""

import pytest

from worlds.memory.faults import Strike
from worlds.memory.network import Fault, Request, no_faults
from worlds.memory.queues import Open, drained, janitor_of, places_of, swept
from worlds.memory.store import World
from zkmq import Queue
from zkmq.errors import (
    AckUnknownError,
    BadArgumentError,
    NoQuorumError,
    OutcomeUnknownError,
    PartlyPutError,
)
from zkmq.putting.dedup import HOUR_MS
from zkmq.putting.entry import Entry
from zkmq.tree import item_names
from zkmq.tree.guards import Guard
from zkmq.tree.ticket import WORN
from zkmq.zookeeper.store import Delete, Reply

NUMBERS = [b"%03d" % number for number in range(40)]


def test_a_put_is_one_item_with_its_zxid(queue: Queue, world: World) -> None:
    """The result names the item and when it came."""
    put = queue.put(b"x", priority=7)
    assert put.name == "item-007-0000000000-0000000000"
    node = world.leader.tree.nodes[f"/queue/items/007/0000000000/{put.name}"]
    assert (node.czxid, put.attempts, put.duplicate) == (put.zxid, 1, False)


def test_one_put_is_one_write(queue: Queue, world: World) -> None:
    """With ticket and tail known, a put costs exactly one transaction."""
    queue.put(b"first")
    before = world.leader.zxid
    queue.put(b"second")
    assert world.leader.zxid == before + 1


@pytest.mark.parametrize("fault", list(Fault))
def test_a_struck_put_is_there_once(queue: Queue, world: World, fault: Fault) -> None:
    """Whatever happens to the request, the put that returned is in the queue exactly once."""
    queue.put(b"first")
    world.faults = Strike("put", fault)
    assert (queue.put(b"struck").attempts > 1) is (fault is not Fault.STALL)
    queue.put(b"last")
    assert drained(queue) == [b"first", b"struck", b"last"]


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("skip", range(8))
def test_a_struck_pipeline_keeps_its_order(
    queue: Queue, world: World, fault: Fault, skip: int
) -> None:
    """Many batches under way, one of them struck: all there, once, in order."""
    world.faults = Strike("put", fault, skip=skip)
    assert len(queue.put_many(NUMBERS, batch=2)) == len(NUMBERS)
    assert drained(queue) == NUMBERS


def test_puts_roll_from_segment_to_segment(queue: Queue, world: World) -> None:
    """A full segment is followed by the next; numbers start again, names never do."""
    puts = [queue.put(number) for number in NUMBERS[:8]]
    parsed = [item_names.parse(put.name or "") for put in puts]
    assert [each.segment for each in parsed if each] == [0, 0, 0, 1, 1, 1, 2, 2]
    assert len({put.name for put in puts}) == 8


def test_two_producers_share_the_tail(opened: Open) -> None:
    """A producer whose tail has moved on reads it again; order is that of the puts."""
    one, other = opened("one"), opened("other")
    for number in NUMBERS[:20]:
        (one if int(number) % 3 else other).put(number)
    assert drained(one) == NUMBERS[:20]


def test_a_put_many_takes_effect_batch_by_batch(queue: Queue, world: World) -> None:
    """The items of one batch come in one transaction, with consecutive names."""
    queue.put(b"warm", priority=9)
    puts = queue.put_many(NUMBERS[:4], batch=4)
    assert len({put.zxid for put in puts}) == 1
    assert [put.name for put in puts] == sorted(put.name or "" for put in puts)


@pytest.mark.parametrize("batch", [0, 501])
def test_a_batch_size_out_of_range(queue: Queue, batch: int) -> None:
    """The size of a batch is checked."""
    with pytest.raises(BadArgumentError, match="from 1 to 500"):
        queue.put_many([b"x"], batch=batch)


def test_put_many_of_nothing(queue: Queue) -> None:
    """No items, no error, nothing put."""
    assert queue.put_many([]) == []
    assert drained(queue) == []


def test_large_batches_are_cut_by_size(queue: Queue, world: World) -> None:
    """No write is larger than a request may be."""
    queue.put_many([b"x" * 100_000] * 7)
    assert (
        max(sum(len(effect.data) for effect in each.effects) for each in world.leader.log) < 300_000
    )
    assert len(drained(queue)) == 7


def test_no_answer_in_time_is_unknown_and_can_be_settled(queue: Queue, world: World) -> None:
    """A put cut off for longer than its deadline raises; resolve says that it took effect."""
    queue.put(b"first")
    world.faults = Strike("put", Fault.CUT)
    world.session_timeout_s = 40
    with pytest.raises(OutcomeUnknownError) as caught:
        queue.put(b"in doubt")
    assert not caught.value.definite
    world.scheduler.sleep(60)
    (settled,) = queue.resolve()
    assert settled.took_effect is True
    assert settled.zxid is not None
    assert drained(queue) == [b"first", b"in doubt"]


def test_an_unknown_put_is_settled_before_the_next(queue: Queue, world: World) -> None:
    """A put that never arrived is burnt by the next call: it never will arrive."""
    queue.put(b"first")
    world.faults = Strike("put", Fault.LOSE_REQUEST, times=10_000)
    with pytest.raises(OutcomeUnknownError):
        queue.put(b"burnt")
    world.faults = no_faults
    queue.put(b"last")
    assert [each.took_effect for each in queue.resolve()] == [False]
    assert drained(queue) == [b"first", b"last"]


def test_an_unknown_put_many_says_what_is_certain(queue: Queue, world: World) -> None:
    """`applied` has the first batches; the others are settled one by one, in order."""
    world.faults = Strike("put", Fault.LOSE_REQUEST, skip=12, times=10_000)
    with pytest.raises(OutcomeUnknownError) as caught:
        queue.put_many(NUMBERS, batch=2)
    certain = len(caught.value.applied)
    world.faults = no_faults
    settled = [each.took_effect for each in queue.resolve()]
    assert certain > 0
    assert settled == sorted(settled, reverse=True)
    assert drained(queue) == NUMBERS[: certain + 2 * sum(map(bool, settled))]


def test_a_put_behind_one_in_doubt_is_certainly_not_put(queue: Queue, world: World) -> None:
    """It was not sent; were it unknown as well, `resolve` would answer for the other put."""
    queue.put(b"first")
    world.faults = Strike("put", Fault.CUT)
    world.session_timeout_s = 60
    with pytest.raises(OutcomeUnknownError):
        queue.put(b"in doubt")
    with pytest.raises(NoQuorumError):
        queue.put(b"not sent")
    world.scheduler.sleep(60)
    assert [each.took_effect for each in queue.resolve()] == [True]
    assert drained(queue) == [b"first", b"in doubt"]


def test_answers_are_kept_when_the_next_is_missing(queue: Queue, world: World) -> None:
    """A resolve that gets no further than the first write does not lose what it learnt."""
    queue.put(b"first")
    world.faults = Strike("put", Fault.LOSE_REQUEST, times=10_000)
    with pytest.raises(OutcomeUnknownError):
        queue.put_many([b"a", b"b", b"c"], batch=1)
    world.faults = Strike("burnt", Fault.LOSE_REQUEST, skip=1, times=10_000)
    with pytest.raises(OutcomeUnknownError):
        queue.resolve()
    world.faults = no_faults
    assert [each.took_effect for each in queue.resolve()] == [False] * 3


def test_without_a_quorum_nothing_is_put(queue: Queue, world: World, opened: Open) -> None:
    """A first put that finds no server is certainly not put."""
    reader = opened("reader")
    queue._store.cut(500)  # type: ignore[attr-defined]
    with pytest.raises(NoQuorumError) as caught:
        queue.put(b"x")
    assert caught.value.definite
    world.scheduler.sleep(600)
    assert drained(reader) == []


def test_an_idle_producer_takes_a_new_ticket(queue: Queue, world: World) -> None:
    """A ticket that the janitor removed is replaced; nothing is lost or put twice."""
    queue.put(b"one")
    first = queue.producer_id
    janitor = janitor_of(world)
    world.scheduler.sleep(25 * 3600)
    swept(janitor, world)
    assert f"/queue/producers/{first}" not in world.leader.tree.nodes
    queue.put(b"two")
    assert queue.producer_id != first
    assert drained(queue) == [b"one", b"two"]


def test_a_ticket_removed_with_a_put_in_doubt(queue: Queue, world: World) -> None:
    """Then nothing can tell, and the error says so; the next put works."""
    queue.put(b"one")
    path = f"/queue/producers/{queue.producer_id}"

    class Removed(Strike):
        def __call__(self, number: int, request: object) -> Fault | None:
            fault = super().__call__(number, request)  # type: ignore[arg-type]
            if fault:
                world.leader.multi(1, [Delete(path)])
            return fault

    world.faults = Removed("put", Fault.LOSE_REQUEST)
    with pytest.raises(AckUnknownError):
        queue.put(b"two")
    assert [each.took_effect for each in queue.resolve()] == [None]
    queue.put(b"three")
    assert drained(queue) == [b"one", b"three"]


def test_a_duplicate_id_is_put_once(opened: Open) -> None:
    """A second put with the same id puts nothing and says so, whoever does it."""
    one, other = opened("one"), opened("other")
    assert not one.put(b"x", dedup_id="a").duplicate
    assert other.put(b"x", dedup_id="a").duplicate
    assert not other.put(b"y", dedup_id="b").duplicate
    assert drained(one) == [b"x", b"y"]


def test_a_duplicate_id_within_one_batch(queue: Queue) -> None:
    """The first of a batch is put, its repetition is a duplicate, the others are put."""
    entries = [Entry(data=data, dedup_id=id_) for data, id_ in ((b"1", "a"), (b"2", "a"))]
    puts = queue.put_many([*entries, Entry(data=b"3", dedup_id="b"), b"4"])
    assert [put.duplicate for put in puts] == [False, True, False, False]
    assert drained(queue) == [b"1", b"3", b"4"]


def test_a_duplicate_in_a_batch_does_not_stop_the_others(queue: Queue) -> None:
    """A batch with an id that was used before puts everything else."""
    queue.put(b"old", dedup_id="a")
    puts = queue.put_many([b"1", Entry(data=b"2", dedup_id="a"), b"3"])
    assert [put.duplicate for put in puts] == [False, True, False]
    assert drained(queue) == [b"old", b"1", b"3"]


def test_an_id_is_known_across_the_turn_of_an_hour(queue: Queue, world: World) -> None:
    """Ids are kept by the hour, and yet refused for an hour after any moment."""
    world.scheduler.sleep((HOUR_MS - world.clock_ms() % HOUR_MS) / 1000 - 10)
    queue.put(b"x", dedup_id="a")
    world.scheduler.sleep(20)
    assert queue.put(b"x", dedup_id="a").duplicate
    world.scheduler.sleep(3500)
    assert queue.put(b"x", dedup_id="a").duplicate


def test_an_id_is_forgotten_hours_later(queue: Queue, world: World) -> None:
    """The janitor drops old ids, and then they may be used again."""
    queue.put(b"x", dedup_id="a")
    world.scheduler.sleep(5 * 3600)
    swept(janitor_of(world), world)
    assert not [path for path in world.dump() if path.startswith("/queue/dedup/")]
    assert not queue.put(b"x", dedup_id="a").duplicate


@pytest.mark.parametrize("fault", list(Fault))
def test_a_struck_put_with_an_id_is_no_duplicate_of_itself(
    queue: Queue, world: World, fault: Fault
) -> None:
    """A put that is sent again does not find its own id in the way."""
    queue.put(b"first")
    world.faults = Strike("put", fault)
    assert not queue.put(b"x", dedup_id="a").duplicate
    assert drained(queue) == [b"first", b"x"]


def test_a_delayed_item_comes_when_it_is_due(queue: Queue, world: World) -> None:
    """Nobody gets it before; then it comes at the back of its priority."""
    janitor = janitor_of(world)
    assert queue.put(b"later", delay_s=30).name is None
    queue.put(b"now")
    world.scheduler.sleep(29)
    swept(janitor, world)
    assert drained(queue) == [b"now"]
    queue.put(b"meanwhile")
    world.scheduler.sleep(2)
    swept(janitor, world)
    queue.put(b"after")
    assert drained(queue) == [b"meanwhile", b"later", b"after"]
    assert places_of(world).delayed == []


def test_delayed_items_keep_priority_and_the_order_of_their_times(
    queue: Queue, world: World
) -> None:
    """What is due earlier comes earlier; priorities as always."""
    janitor = janitor_of(world)
    for data, delay_s, priority in ((b"c", 20, 100), (b"b", 10, 100), (b"a", 30, 1)):
        queue.put(data, delay_s=delay_s, priority=priority)
    world.scheduler.sleep(40)
    swept(janitor, world)
    assert drained(queue) == [b"a", b"b", b"c"]


def test_partly_put_says_how_much(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was put before the trouble stays put, and the rest certainly is not."""
    queue.put(b"first")

    def refused(priority: int, deadline_s: float) -> Guard:
        raise NoQuorumError(str(priority))

    monkeypatch.setattr(queue._puts.producer._pipeline._tails, "_read", refused)
    with pytest.raises(PartlyPutError, match="1 of 2 are put") as caught:
        queue.put_many([b"second", Entry(data=b"third", priority=200)], batch=1)
    assert len(caught.value.applied) == 1
    assert drained(queue) == [b"first", b"second"]


def test_the_ticket_counts_every_put(queue: Queue, world: World) -> None:
    """One number of the ticket for each write, none for what was refused."""
    queue.put(b"1")
    queue.put_many([b"2", b"3"])
    ticket = world.leader.tree.nodes[f"/queue/producers/{queue.producer_id}"]
    assert ticket.version == 2


def test_a_worn_ticket_is_replaced(queue: Queue, world: World) -> None:
    """Long before its numbers are used up, and between two calls."""
    queue.put(b"1")
    worn = queue.producer_id
    world.leader.tree.nodes[f"/queue/producers/{worn}"].version = WORN - 1
    ticket = queue._puts.producer._producer_ticket.current
    assert ticket is not None
    ticket.version = WORN - 1
    queue.put_many([b"2", b"3"], batch=1)
    assert queue.producer_id == worn
    queue.put(b"4")
    assert queue.producer_id != worn
    assert drained(queue) == [b"1", b"2", b"3", b"4"]


def test_a_long_put_many_goes_on_as_long_as_answers_come(opened: Open, world: World) -> None:
    """The deadline is for each answer: a million items in one call do not run out of time."""
    queue = opened(deadline_s=0.05)
    started_s = world.scheduler.now_s
    assert len(queue.put_many(NUMBERS * 10, batch=1)) == 400
    assert world.scheduler.now_s - started_s > 4 * 0.05
    assert drained(opened("another")) == NUMBERS * 10


def cut_after(world: World, queue: Queue, written: bytes) -> None:
    """Let the client be cut off for good by the write that carries an item."""

    def strike(number: int, request: Request) -> Fault | None:
        if any(getattr(op, "data", b"").endswith(written) for op in request.ops):
            world.faults = no_faults
            world.scheduler.after(0.004, lambda: queue._store.cut(1000))  # type: ignore[attr-defined]
        return None

    world.faults = strike


def test_an_unknown_put_many_says_what_is_put_in_doubt_and_not(opened: Open, world: World) -> None:
    """In that order, in numbers and in words; and each write in doubt is settled with its size."""
    queue, other = opened(deadline_s=5.0), opened("other")
    queue.put(b"first")
    cut_after(world, queue, b"005")
    with pytest.raises(OutcomeUnknownError) as unknown:
        queue.put_many(NUMBERS, batch=2)
    error = unknown.value
    applied = len(error.applied)
    assert 0 < applied < len(NUMBERS) - error.doubtful
    rest = len(NUMBERS) - applied - error.doubtful
    assert f"of 40 items the first {applied} are put" in str(error)
    assert f"the next {error.doubtful} in doubt" in str(error)
    assert f"the last {rest} certainly not" in str(error)
    assert "after 0 attempts" not in str(error)
    world.scheduler.sleep(1000)
    settled = queue.resolve()
    assert [each.items for each in settled] == [2] * (error.doubtful // 2)
    put = applied + sum(each.items for each in settled if each.took_effect)
    assert drained(other) == [b"first", *NUMBERS[:put]]


def test_when_the_ticket_is_gone_each_write_in_doubt_has_an_answer(
    opened: Open, world: World
) -> None:
    """One for each, that nobody can tell, however many there were."""
    queue, other = opened(deadline_s=5.0), opened("other")
    queue.put(b"first")
    ticket = f"/queue/producers/{queue.producer_id}"
    cut_after(world, queue, b"005")
    with pytest.raises(OutcomeUnknownError) as unknown:
        queue.put_many(NUMBERS, batch=2)
    other._store.commit([Delete(ticket)], other._store.now() + 1)
    world.scheduler.sleep(1000)
    settled = queue.resolve()
    assert len(settled) > 1
    assert {each.took_effect for each in settled} == {None}
    assert sum(each.items for each in settled) == unknown.value.doubtful
    queue.put(b"again")


class Interrupted:
    """What was sent, while somebody presses Ctrl-C."""

    def reply(self, deadline_s: float) -> Reply:
        """Never return."""
        raise KeyboardInterrupt


def test_ctrl_c_leaves_a_put_in_doubt(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost or put twice: each write on its way can be asked for, and the next works."""
    queue.put(b"1")
    submit = queue._bound.submit
    monkeypatch.setattr(queue._bound, "submit", lambda ops: submit(ops) and Interrupted())
    with pytest.raises(KeyboardInterrupt):
        queue.put_many([b"2", b"3", b"4"], batch=1)
    monkeypatch.undo()
    queue.put(b"5")
    assert [each.took_effect for each in queue.resolve()] == [True, True, True]
    assert drained(queue) == [b"1", b"2", b"3", b"4", b"5"]
