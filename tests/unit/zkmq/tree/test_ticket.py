"""Tickets: at most once however often sent, and an outcome that can be asked for."""

from collections.abc import Sequence

import pytest

from worlds.memory.faults import Strike
from worlds.memory.network import Fault, no_faults
from worlds.memory.store import MemoryStore, World
from zkmq.doubt import Write
from zkmq.errors import (
    AccessDeniedError,
    AckUnknownError,
    ClosedError,
    IncompatibleTreeError,
    NoQuorumError,
    NotAppliedError,
    OutcomeUnknownError,
)
from zkmq.tree.ticket import LAST, WORN, Refused, Ticket, TicketGoneError, TookEffect
from zkmq.zookeeper.server_clock import ServerClock
from zkmq.zookeeper.store import Code, Create, Delete, Read, ReadResult, SetData, Znode

ITEM = [Create("/item-", b"x", sequence=True)]


@pytest.fixture
def store(world: World) -> MemoryStore:
    """Give a client of a tree with one ticket."""
    store = world.client()
    store.commit([Create("/ticket")], store.now() + 1)
    return store


@pytest.fixture
def ticket(store: MemoryStore) -> Ticket:
    """Give the ticket."""
    return Ticket(store, "/ticket", ServerClock(store, "/clock"))


def items(world: World) -> list[str]:
    """Tell what was made."""
    return sorted(path for path in world.dump() if path.startswith("/item-"))


def test_an_answered_operation_is_exact(ticket: Ticket, store: MemoryStore, world: World) -> None:
    """Without trouble: one attempt, the zxid, and what was made."""
    done = ticket.commit(Write("put"), ITEM, store.now() + 1)
    assert done == TookEffect(world.leader.zxid, ["/item-0000000001"], 1)
    assert ticket.in_doubt  # until the caller has entered it
    ticket.enter()
    assert (ticket.version, ticket.in_doubt) == (1, False)


def test_a_lost_request_is_sent_again(ticket: Ticket, store: MemoryStore, world: World) -> None:
    """A request that never arrived takes effect by its second copy."""
    world.faults = Strike("put", Fault.LOSE_REQUEST)
    done = ticket.commit(Write("put"), ITEM, store.now() + 9)
    assert isinstance(done, TookEffect)
    assert (done.created, done.attempts) == (["/item-0000000001"], 2)


def test_a_lost_reply_is_no_second_item(ticket: Ticket, store: MemoryStore, world: World) -> None:
    """The second copy finds the number used: one item, its zxid known, its name not."""
    world.faults = Strike("put", Fault.LOSE_REPLY)
    done = ticket.commit(Write("put"), ITEM, store.now() + 9)
    assert isinstance(done, TookEffect)
    assert (done.created, done.attempts) == (None, 2)
    assert len(items(world)) == 1
    (made,) = [t for t in world.leader.log if any(e.path == items(world)[0] for e in t.effects)]
    assert done.zxid == made.zxid


@pytest.mark.parametrize(
    "error", [ClosedError, NoQuorumError, AccessDeniedError, IncompatibleTreeError]
)
def test_what_took_effect_is_told_whatever_comes_then(
    ticket: Ticket,
    store: MemoryStore,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    error: type[NotAppliedError],
) -> None:
    """The zxid cannot be asked for: another thread closed the queue. The item is there."""

    def refused(path: str, deadline_s: float) -> None:
        raise error("sync")

    world.faults = Strike("put", Fault.LOSE_REPLY)
    monkeypatch.setattr(store, "sync", refused)
    assert ticket.commit(Write("put"), ITEM, store.now() + 9) == TookEffect(None, None, 2)
    assert len(items(world)) == 1


def test_a_server_that_lags_is_asked_again(
    ticket: Ticket, store: MemoryStore, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In spite of a sync it may not have seen the ticket used: its later answer counts."""
    world.faults = Strike("put", Fault.LOSE_REPLY)
    read_many, lags = store.read_many, iter([True, True])

    def lagging(reads: Sequence[Read], deadline_s: float) -> ReadResult:
        view = read_many(reads, deadline_s)
        (node,) = view.results
        assert isinstance(node, Znode)
        return ReadResult([node._replace(version=0)], view.zxid) if next(lags, False) else view

    monkeypatch.setattr(store, "read_many", lagging)
    done = ticket.commit(Write("put"), ITEM, store.now() + 9)
    (made,) = [t for t in world.leader.log if any(e.path in items(world) for e in t.effects)]
    assert isinstance(done, TookEffect)
    assert done.zxid == made.zxid
    assert not next(lags, False)


def test_a_refusal_says_which_operation(ticket: Ticket, store: MemoryStore) -> None:
    """The index counts after the ticket, and the number stays free."""
    refused = ticket.commit(Write("put"), [*ITEM, Delete("/nothing")], store.now() + 1)
    assert refused == Refused(1, Code.NO_NODE, 1)
    ticket.enter(used=False)
    assert (ticket.version, ticket.in_doubt) == (0, False)


def test_a_ticket_that_is_gone_before_the_first_send(ticket: Ticket, store: MemoryStore) -> None:
    """Nothing can have taken effect: certainly not."""
    store.commit([Delete("/ticket")], store.now() + 1)
    with pytest.raises(TicketGoneError):
        ticket.commit(Write("put"), ITEM, store.now() + 1)


def test_a_ticket_that_goes_with_a_copy_in_doubt(ticket: Ticket, store: MemoryStore) -> None:
    """Then nothing can tell whether that copy took effect."""
    store.commit([Delete("/ticket")], store.now() + 1)
    with pytest.raises(AckUnknownError) as caught:
        ticket.commit(Write("put"), ITEM, store.now() + 1, unsure=True)
    assert not caught.value.definite


def test_a_ticket_somebody_else_wrote(ticket: Ticket, store: MemoryStore) -> None:
    """A first send that finds the number used is an error, not a success."""
    store.commit([SetData("/ticket", b"", 0)], store.now() + 1)
    with pytest.raises(IncompatibleTreeError, match="which only this client writes"):
        ticket.commit(Write("put"), ITEM, store.now() + 1)


@pytest.mark.parametrize(
    ("fault", "took_effect"), [(Fault.LOSE_REQUEST, False), (Fault.LOSE_REPLY, True)]
)
def test_settle_tells_what_became_of_it(
    ticket: Ticket, store: MemoryStore, world: World, fault: Fault, *, took_effect: bool
) -> None:
    """An operation given up is settled: it took effect, or it never will."""
    world.faults = Strike("put", fault, times=99)
    with pytest.raises(OutcomeUnknownError):
        ticket.commit(Write("put"), ITEM, store.now() + 0.5)
    assert ticket.in_doubt
    outcome = ticket.settle(store.now() + 9)
    assert outcome.used
    assert ticket.settle(store.now() + 9) == outcome  # also if asked again before it is entered
    ticket.enter(used=outcome.used)
    assert outcome.took_effect is took_effect
    assert (outcome.zxid is not None) is took_effect
    world.scheduler.sleep(30)
    assert len(items(world)) == int(took_effect)
    assert not ticket.in_doubt


def test_settle_survives_a_lost_answer(ticket: Ticket, store: MemoryStore, world: World) -> None:
    """A burn whose own reply was lost is not taken for the operation."""
    world.faults = Strike("put", Fault.LOSE_REQUEST, times=99)
    with pytest.raises(OutcomeUnknownError):
        ticket.commit(Write("put"), ITEM, store.now() + 0.5)
    world.faults = Strike("burnt", Fault.LOSE_REPLY)
    outcome = ticket.settle(store.now() + 9)
    assert (outcome.took_effect, outcome.used) == (False, True)


def test_settle_of_a_ticket_that_is_gone(ticket: Ticket, store: MemoryStore) -> None:
    """Nobody can tell any more, and it says so."""
    ticket.be_in_doubt([Write("put")])
    store.commit([Delete("/ticket")], store.now() + 1)
    assert ticket.settle(store.now() + 1).took_effect is None


@pytest.mark.parametrize(
    ("burn", "took_effect"), [(Fault.LOSE_REPLY, None), (None, True)], ids=["twice", "once"]
)
def test_settle_of_a_ticket_that_goes_before_it_is_read(
    ticket: Ticket,
    store: MemoryStore,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    burn: Fault | None,
    *,
    took_effect: bool | None,
) -> None:
    """If an earlier burn may have used the number, nothing tells any more what did."""
    world.faults = Strike("put", Fault.LOSE_REQUEST if burn else Fault.LOSE_REPLY, times=99)
    with pytest.raises(OutcomeUnknownError):
        ticket.commit(Write("put"), ITEM, store.now() + 0.5)
    if burn:
        world.faults = Strike("burnt", burn, times=99)
        with pytest.raises(OutcomeUnknownError):
            ticket.settle(store.now() + 0.5)
    world.faults = no_faults
    janitor, sync = world.client("janitor"), store.sync

    def synced(path: str, deadline_s: float) -> None:
        janitor.commit([Delete("/ticket")], store.now() + 1)
        sync(path, deadline_s)

    monkeypatch.setattr(store, "sync", synced)
    assert ticket.settle(store.now() + 9).took_effect is took_effect
    assert len(items(world)) == int(took_effect or False)


def test_settle_without_an_answer_can_be_asked_again(
    ticket: Ticket, store: MemoryStore, world: World
) -> None:
    """The doubt stays until somebody answers."""
    ticket.be_in_doubt([Write("put")])
    store.cut(5)
    with pytest.raises(OutcomeUnknownError):
        ticket.settle(store.now() + 1)
    assert ticket.in_doubt
    assert ticket.settle(store.now() + 9).took_effect is False


def test_a_ticket_wears_out_long_before_its_numbers_do(
    ticket: Ticket, store: MemoryStore, world: World
) -> None:
    """Versions are int32: from 2^30 on a new ticket is due, and the last number is never used."""
    for version, worn in ((WORN - 1, False), (WORN, True)):
        ticket.version = version
        assert ticket.worn is worn
    world.leader.tree.nodes["/ticket"].version = ticket.version = LAST - 1
    assert isinstance(ticket.commit(Write("put"), ITEM, store.now() + 1), TookEffect)
    ticket.enter()
    with pytest.raises(TicketGoneError):
        ticket.commit(Write("put"), ITEM, store.now() + 1)
    assert world.leader.tree.nodes["/ticket"].version == LAST == 2**31 - 1
