"""A server that refuses the credentials is told as such, whatever was asked of it."""

from collections.abc import Callable, Sequence

import pytest

from worlds.memory.network import Fault, Request
from worlds.memory.queues import places_of
from worlds.memory.store import MemoryStore, World
from zkmq import AccessDeniedError, OutcomeUnknownError, Queue, ServerRefusedError
from zkmq.zookeeper.refusal import refusal
from zkmq.zookeeper.store import (
    Code,
    Create,
    Delete,
    Lost,
    Op,
    Pending,
    Rejected,
    Reply,
    SetData,
)


class Answered:
    """A multi whose answer is there already."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def reply(self, deadline_s: float) -> Reply:
        return self._reply


class Denied(MemoryStore):
    """A client that may not write below some paths."""

    denied: tuple[str, ...] = ()

    def submit(self, ops: Sequence[Op]) -> Pending:
        for index, op in enumerate(ops):
            if op.path.startswith(self.denied) and self.denied:
                return Answered(Rejected(index, Code.NO_AUTH))
        return super().submit(ops)


@pytest.fixture
def client(world: World) -> Denied:
    """Give a client that may do everything so far."""
    store = Denied(world, "denied")
    world.clients.append(store)
    return store


@pytest.fixture
def denied(client: Denied) -> Queue:
    """Give the queue of that client."""
    return Queue(client, janitor=False, segment_items=3, deadline_s=5.0)


CALLS: dict[str, tuple[str, Callable[[Queue], object]]] = {
    "ticket": ("/queue/producers", lambda queue: queue.put(b"a")),
    "priority": ("/queue/items", lambda queue: queue.put(b"a")),
    "segment": ("/queue/items/100/", lambda queue: queue.put(b"a")),
    "ttr": ("/queue/ttr", lambda queue: queue.put(b"a", ttr_s=5)),
    "delayed": ("/queue/delayed", lambda queue: queue.put(b"a", delay_s=5)),
    "dedup": ("/queue/dedup", lambda queue: queue.put(b"a", dedup_id="a")),
    "register": ("/queue/consumers", lambda queue: queue.reserve()),
    "kick": ("/queue/dead", lambda queue: queue.kick(1)),
    "purge": ("/queue/items/007", lambda queue: queue.purge(7)),
    "purge-flat": ("/queue/items/item-007", lambda queue: queue.purge(7)),
}


@pytest.mark.parametrize(("path", "call"), CALLS.values(), ids=CALLS)
def test_a_refusal_is_access_denied(
    denied: Queue,
    client: Denied,
    queue: Queue,
    world: World,
    *,
    path: str,
    call: Callable[[Queue], object],
) -> None:
    """The error is AccessDeniedError, certainly without effect, and names the credentials."""
    queue.put(b"seven", priority=7)
    queue.put(b"dead", priority=1)
    queue.bury(*queue.reserve(1, sync=True).items, reason="bad")
    if path == "/queue/items/item-007":  # else it would be purged before the refusal
        client.commit([Create(f"{path}-0000000001", b"flat")], client.now() + 5)
    client.denied = (path,)
    before = places_of(world)
    with pytest.raises(AccessDeniedError, match="credentials"):
        call(denied)
    assert places_of(world) == before


def test_a_pipelined_put_that_is_refused_is_access_denied(denied: Queue, client: Denied) -> None:
    """A refusal met by a write on its way is told as one by a write alone."""
    denied.put(b"before")
    client.denied = ("/queue/items/100/",)
    with pytest.raises(AccessDeniedError, match="credentials"):
        denied.put_many([b"a", b"b"], batch=1)


def test_a_purge_refused_half_way_does_not_claim_to_have_done_nothing(
    denied: Queue, client: Denied, queue: Queue, world: World
) -> None:
    """Priority 1 is purged and 2 is not: the error is no promise that nothing took effect."""
    queue.put(b"one", priority=1)
    queue.put(b"two", priority=2)
    client.denied = ("/queue/items/002",)
    with pytest.raises(OutcomeUnknownError, match="1 of 2 priorities"):
        denied.purge()
    assert places_of(world).items == [(2, b"two")]


def test_flat_items_are_purged_though_an_answer_is_lost(world: World, denied: Queue) -> None:
    """A deletion whose answer was lost is asked for again."""
    client = world.clients[-1]
    client.commit([Create("/queue/items/item-007-0000000001", b"flat")], client.now() + 5)
    lost = []

    def lose_the_first_deletion(_: int, request: Request) -> Fault | None:
        if lost or not any(isinstance(op, Delete) for op in request.ops):
            return None
        lost.append(request)
        return Fault.LOSE_REQUEST

    world.faults = lose_the_first_deletion
    denied.purge(7)
    assert lost
    assert places_of(world).items == []


def test_servers_that_demand_sasl_are_told_as_such() -> None:
    """It is about credentials, not about a rule with a number."""
    refused = refusal("/q", "create", Code.OTHER, -124)
    assert isinstance(refused, AccessDeniedError)
    assert "authenticate by SASL" in str(refused)


class DeniedAgain(Denied):
    """A client whose put is carried out and not answered, and whose later copies are denied."""

    def submit(self, ops: Sequence[Op]) -> Pending:
        if not (isinstance(ops[0], SetData) and ops[0].data.startswith(b"put")):
            return super().submit(ops)
        if self.denied:
            return Answered(Rejected(0, Code.NO_AUTH))
        self.denied = ("/nothing",)
        super().submit(ops).reply(self.now() + 1)
        return Answered(Lost("the connection broke"))


def test_a_later_copy_that_is_denied_tells_nothing_of_the_first(world: World) -> None:
    """It reached a server that knows no identity of this client: the put is in the queue."""
    client = DeniedAgain(world, "denied")
    queue = Queue(client, janitor=False, segment_items=3, deadline_s=5.0)
    with pytest.raises(OutcomeUnknownError, match="a copy was in doubt"):
        queue.put(b"a")
    assert places_of(world).items == [(100, b"a")]


class NoPlaces(MemoryStore):
    """A client to which the servers give no place in the line, by their quota."""

    refused = 0

    def submit(self, ops: Sequence[Op]) -> Pending:
        if isinstance(ops[0], Create) and ops[0].sequence and ops[0].ephemeral:
            self.refused += 1
            self.sleep(0.001)
            return Answered(Rejected(0, Code.OTHER, -125))
        return super().submit(ops)


def test_a_place_in_the_line_that_is_refused_is_told_at_once(world: World) -> None:
    """And is not asked for again and again."""
    client = NoPlaces(world, "refused")
    queue = Queue(client, janitor=False, deadline_s=5.0)
    with pytest.raises(ServerRefusedError, match="QuotaExceeded"):
        queue.reserve(timeout_s=60)
    assert client.refused == 1
