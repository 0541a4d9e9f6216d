"""Calls whose outcome is unknown: each error tells of its own call, whoever asks, and whenever."""

import pickle
import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

from worlds.memory.faults import Strike
from worlds.memory.network import Fault, no_faults
from worlds.memory.queues import Open, drained, janitor_of, places_of, swept
from worlds.memory.store import World
from zkmq import Hold, Item, Queue, Settled
from zkmq.errors import (
    AckUnknownError,
    ClosedError,
    NoQuorumError,
    NotHeldError,
    OutcomeUnknownError,
)
from zkmq.taking.finish import Done
from zkmq.tree.ticket import Ticket
from zkmq.zookeeper.store import Op, Reply

T = TypeVar("T")
ENDS: dict[str, Callable[[Queue, Item], Done]] = {
    "done": lambda queue, item: queue.done(item),
    "release": lambda queue, item: queue.release(item),
    "bury": lambda queue, item: queue.bury(item, reason="why not"),
}
each_end = pytest.mark.parametrize("end", ENDS)
each_fault = pytest.mark.parametrize(
    ("fault", "took_effect"), [(Fault.LOSE_REPLY, True), (Fault.LOSE_REQUEST, False)]
)


@pytest.fixture(autouse=True)
def sessions_outlive_calls(world: World) -> None:
    """Let no session end while a call of it is without an answer."""
    world.session_timeout_s = 1000


def on_another_thread(call: Callable[[], T]) -> T:
    """Do it there, and wait for it."""
    results: list[T] = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()
    thread.join()
    return results[0]


def unknown(
    world: World, label: str, fault: Fault, call: Callable[[], object]
) -> OutcomeUnknownError:
    """Make a call whose every copy meets a fault; the error it ends with."""
    world.faults = Strike(label, fault, times=10_000)
    with pytest.raises(OutcomeUnknownError) as caught:
        call()
    world.faults = no_faults
    return caught.value


def took(error: OutcomeUnknownError) -> list[bool | None]:
    """What an error says of each of its writes."""
    return [settled.took_effect for settled in error.resolve()]


@pytest.mark.parametrize("first", [Fault.LOSE_REPLY, Fault.LOSE_REQUEST])
@pytest.mark.parametrize("second", [Fault.LOSE_REPLY, Fault.LOSE_REQUEST])
def test_two_threads_in_doubt_are_each_told_their_own(
    queue: Queue, world: World, first: Fault, second: Fault
) -> None:
    """Two puts of one queue, both of unknown outcome, whichever is asked for by whom and when."""
    queue.put(b"before")
    one = on_another_thread(lambda: unknown(world, "put", first, lambda: queue.put(b"one")))
    two = unknown(world, "put", second, lambda: queue.put(b"two"))
    there = [fault is Fault.LOSE_REPLY for fault in (first, second)]
    assert [took(two), took(one)] == [[there[1]], [there[0]]]
    assert on_another_thread(lambda: took(two)) == [there[1]]
    assert queue.resolve() == ()  # it was told, by the error
    put = [data for data, it_is in zip((b"one", b"two"), there, strict=True) if it_is]
    assert drained(queue) == [b"before", *put]


def test_the_queue_answers_a_thread_for_its_own_last_put(queue: Queue, world: World) -> None:
    """So the documented recipe of older releases loses nothing, and puts nothing twice."""
    queue.put(b"before")
    answers: list[tuple[Settled, ...]] = []
    both = threading.Barrier(2)

    def worker() -> None:
        unknown(world, "put", Fault.LOSE_REQUEST, lambda: queue.put(b"one"))
        both.wait(60)
        both.wait(60)
        answers.append(queue.resolve())

    thread = threading.Thread(target=worker)
    thread.start()
    both.wait(60)
    assert queue.resolve() == ()
    unknown(world, "put", Fault.LOSE_REPLY, lambda: queue.put(b"two"))
    both.wait(60)
    thread.join(60)
    assert [settled.took_effect for settled in answers[0]] == [False]
    assert [settled.took_effect for settled in queue.resolve()] == [True]


@each_end
@each_fault
def test_an_end_in_doubt_says_what_it_did(
    queue: Queue, world: World, end: str, fault: Fault, *, took_effect: bool
) -> None:
    """And so it does when another call has settled it in between."""
    queue.put_many([b"x", b"y"])
    item, other = queue.reserve(2).items
    error = unknown(world, end, fault, lambda: ENDS[end](queue, item))
    queue.touch(other)
    (settled,) = error.resolve()
    assert (settled.label, settled.took_effect, settled.items) == (end, took_effect, 1)
    assert (settled.zxid is not None) is took_effect
    assert (item.hold is not Hold.HELD) is took_effect


@each_end
@each_fault
def test_an_end_asked_again_after_an_unknown_outcome_took_effect(
    queue: Queue, world: World, end: str, fault: Fault, *, took_effect: bool
) -> None:
    """It returns, with the zxid of the copy that did it, and nothing is done twice."""
    queue.put(b"x")
    (item,) = queue.reserve().items
    error = unknown(world, end, fault, lambda: ENDS[end](queue, item))
    before = world.leader.zxid
    again = ENDS[end](queue, item)
    (settled,) = error.resolve()
    assert settled.took_effect is took_effect
    assert again.zxid is not None
    assert again.zxid == settled.zxid if took_effect else again.zxid > before
    places = places_of(world)
    left = {"done": [], "release": places.items, "bury": places.dead}[end]
    assert [places.claims, len(left)] == [[], 0 if end == "done" else 1]


def test_only_the_same_request_counts_as_done_before(queue: Queue, world: World) -> None:
    """What was released is not done, nor released in another way."""
    queue.put(b"x")
    (item,) = queue.reserve().items
    unknown(world, "release", Fault.LOSE_REPLY, lambda: queue.release(item))
    for other in (lambda: queue.done(item), lambda: queue.release(item, delay_s=5)):
        with pytest.raises(NotHeldError, match="got one returned"):
            other()


def test_what_was_done_without_a_doubt_is_not_done_again(queue: Queue) -> None:
    """A program that acknowledges twice is told of its mistake."""
    queue.put(b"x")
    (item,) = queue.reserve().items
    queue.done(item)
    with pytest.raises(NotHeldError, match="got one done"):
        queue.done(item)


def test_a_done_of_some_more_items_does_the_others(queue: Queue, world: World) -> None:
    """Those that an earlier one in doubt has ended are left out."""
    queue.put_many([b"x", b"y"])
    one, other = queue.reserve(2).items
    unknown(world, "done", Fault.LOSE_REPLY, lambda: queue.done(one))
    assert queue.done(one, other).attempts == 1
    assert places_of(world).claims == []


@each_fault
def test_a_fused_reserve_asked_again_brings_its_items(
    queue: Queue, world: World, fault: Fault, *, took_effect: bool
) -> None:
    """The acknowledgement counts, whichever copy did it, and the claimed items come."""
    queue.put_many([b"x", b"y"])
    (item,) = queue.reserve(1).items
    error = unknown(world, "reserve", fault, lambda: queue.reserve(1, done=[item]))
    again = queue.reserve(1, done=[item])
    assert took(error) == [took_effect]
    assert [each.data for each in again.items] == [b"y"]
    assert again.done is not None
    assert again.done.zxid == again.zxid
    assert places_of(world).claims == [(100, b"y")]


def test_the_same_call_in_doubt_is_unknown_and_another_was_not_sent(
    opened: Open, world: World
) -> None:
    """While nobody answers, each error is true of its own call."""
    queue = opened(deadline_s=2.0)
    queue.put_many([b"x", b"y"])
    item, other = queue.reserve(2).items
    world.faults = Strike("done", Fault.CUT)
    with pytest.raises(OutcomeUnknownError) as first:
        queue.done(item)
    with pytest.raises(OutcomeUnknownError) as again:
        queue.done(item)
    assert again.value.doubt is first.value.doubt
    for call in (lambda: queue.done(other), lambda: queue.touch(item), queue.reserve):
        with pytest.raises(NoQuorumError, match="not sent, an earlier done is still in doubt"):
            call()
    with pytest.raises(OutcomeUnknownError) as still:
        first.value.resolve()
    world.scheduler.sleep(2000)
    assert took(still.value) == [None]
    with pytest.raises(AckUnknownError) as never:
        queue.done(item)
    assert [(each.label, each.items) for each in never.value.resolve()] == [("done", 1)]


@each_end
def test_after_the_session_nothing_can_tell(queue: Queue, world: World, end: str) -> None:
    """Its end leaves a call in doubt for ever, and the error says so at once."""
    queue.put(b"x")
    (item,) = queue.reserve().items
    world.faults = Strike(end, Fault.EXPIRE_AFTER)
    with pytest.raises(AckUnknownError) as caught:
        ENDS[end](queue, item)
    assert took(caught.value) == [None]


def test_a_handle_outlives_the_queue_if_it_has_its_answer(queue: Queue, world: World) -> None:
    """Once closed, a queue cannot ask any more, and says so; what it knew before stays true."""
    queue.put(b"before")
    known = unknown(world, "put", Fault.LOSE_REPLY, lambda: queue.put(b"one"))
    assert took(known) == [True]
    open_still = unknown(world, "put", Fault.LOSE_REPLY, lambda: queue.put(b"two"))
    queue.close()
    assert took(known) == [True]
    with pytest.raises(ClosedError):
        open_still.resolve()


def test_an_error_travels_between_processes_without_its_handle(queue: Queue, world: World) -> None:
    """Only the client whose call it was can ask; elsewhere nothing can tell."""
    queue.put(b"before")
    error = unknown(world, "put", Fault.LOSE_REPLY, lambda: queue.put(b"one"))
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (str(copy), copy.doubtful) == (str(error), error.doubtful)
    assert took(copy) == [None]


def test_ctrl_c_while_a_put_is_sent_again_leaves_one_doubt(
    queue: Queue, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first copy was refused for a new tail; what became of the second can be asked for."""
    queue.put_many([b"1", b"2"])
    other = Queue(world.client("other"), janitor=False)
    other.put_many([b"3", b"4", b"5", b"6"], batch=1)

    def interrupted(self: Ticket, label: str, multi: list[Op], *_: object, **__: object) -> Reply:
        self._store.submit(multi)
        raise KeyboardInterrupt

    monkeypatch.setattr(Ticket, "_send", interrupted)
    with pytest.raises(KeyboardInterrupt):
        queue.put(b"7")
    monkeypatch.undo()
    assert [settled.took_effect for settled in queue.resolve()] == [True]
    assert drained(other) == [b"%d" % number for number in range(1, 8)]


@pytest.mark.parametrize("raised", [TimeoutError, KeyboardInterrupt])
def test_whatever_ends_a_wait_leaves_a_doubt(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException]
) -> None:
    """The handler of a signal may raise any exception; the next call settles what was sent."""
    queue.put_many([b"1", b"2"])
    one, two = queue.reserve(2).items

    def interrupted(self: Ticket, label: str, multi: list[Op], *_: object, **__: object) -> Reply:
        self._store.submit(multi)
        raise raised("the time is over")

    monkeypatch.setattr(Ticket, "_send", interrupted)
    with pytest.raises(raised):
        queue.done(one)
    monkeypatch.undo()
    queue.done(two)
    assert one.hold is Hold.DONE
    assert queue.done(one).attempts == 0


@pytest.mark.parametrize("arrived", [True, False])
def test_a_claim_in_doubt_tells_of_the_acknowledgement_before_it(
    opened: Open, queue: Queue, world: World, *, arrived: bool
) -> None:
    """The acknowledgement went in a write of its own, since the fused one lost its race."""
    slow, fast = opened("slow", order="strict"), opened("fast", order="strict")
    fast.reserve(1)
    queue.put_many([b"a", b"b", b"c", b"d"])
    slow.reserve(1)
    (item,) = slow.reserve(1).items  # knows the next one, too
    fast.reserve(1, sync=True)
    fault = Fault.LOSE_REPLY if arrived else Fault.LOSE_REQUEST
    world.faults = Strike("reserve", fault, times=10_000, skip=1)
    with pytest.raises(OutcomeUnknownError) as caught:
        slow.reserve(1, done=[item])
    world.faults = no_faults
    assert item.hold is Hold.DONE
    done, claim = caught.value.resolve()
    assert (done.label, done.took_effect, done.items) == ("done", True, 1)
    assert done.zxid is not None
    assert (claim.label, claim.took_effect) == ("reserve", arrived)
    assert caught.value.resolve() == (done, claim)


def test_what_a_call_in_doubt_claimed_was_not_delivered(opened: Open, world: World) -> None:
    """If the queue is closed before a caller got it, it is no dead letter, but waits again."""
    queue = opened("client", max_deliveries=1)
    queue.put_many([b"got", b"not got"])
    queue.reserve()
    unknown(world, "reserve", Fault.LOSE_REPLY, lambda: queue.reserve(sync=True))
    queue.close()
    places = places_of(world)
    assert (places.dead, places.items) == ([(100, b"got")], [(100, b"not got")])


def test_what_was_taken_back_meanwhile_is_not_handed_out(
    opened: Open, queue: Queue, world: World
) -> None:
    """The time to run of what a call in doubt claimed began at its claim."""
    queue.put(b"x", ttr_s=30)
    unknown(world, "reserve", Fault.LOSE_REPLY, queue.reserve)
    world.scheduler.sleep(1)
    swept(janitor_of(world), world)
    assert opened("other").reserve(sync=True).items
    assert queue.reserve().items == ()
    assert queue.held == ()


def test_a_place_that_cannot_be_left_hides_no_claim(queue: Queue, world: World) -> None:
    """Another thread has closed the session at this moment. What took effect is told."""
    queue.put_many([b"x", b"y"])
    (item,) = queue.reserve().items
    line, left = queue._consumer._line, []

    def leave(*, done: bool) -> None:
        left.append(done)
        raise ClosedError("closed")

    line.leave = leave  # type: ignore[method-assign]
    found = queue.reserve(done=[item])
    assert ([each.data for each in found.items], item.hold) == ([b"y"], Hold.DONE)
    assert left
