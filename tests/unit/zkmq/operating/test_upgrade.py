"""Old and new clients on one tree while zkmq itself is upgraded: nobody stops who need not."""

import json
from collections.abc import Callable

import pytest

from worlds.memory.faults import Strike
from worlds.memory.network import Fault, Request, no_faults
from worlds.memory.queues import Open, drained, janitor_of, places_of, swept
from worlds.memory.store import World
from worlds.sim.editions import NEW, OLD, READABLE, release
from zkmq import Queue
from zkmq.errors import (
    ClientsTooOldError,
    IncompatibleTreeError,
    OutcomeUnknownError,
    OutdatedClientError,
    PartlyPutError,
)
from zkmq.janitor.janitor_thread import JanitorThread
from zkmq.tree.compatibility import registrations
from zkmq.tree.compatibility.charter import Charter, Edition
from zkmq.tree.compatibility.registrations import clients
from zkmq.tree.item import Hold
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.store import Create, SetData

OpenAs = Callable[..., Queue]


@pytest.fixture
def opened_as(opened: Open) -> OpenAs:
    """Give a function that opens the queue as a client of a release."""

    def open_queue(edition: Edition, name: str, **settings: object) -> Queue:
        with release(edition):
            return opened(name, **settings)

    return open_queue


def waiting(world: World) -> list[bytes]:
    """Tell what waits, in order."""
    return [payload for _, payload in places_of(world).items]


def written_by(world: World, queue: Queue, after_zxid: int) -> list[str]:
    """Tell what a client changed after a zxid, but for the end of its session."""
    sessions = set(queue._store.sessions)  # type: ignore[attr-defined]
    return [
        effect.path
        for transaction in world.leader.log
        if transaction.zxid > after_zxid and transaction.session in sessions
        for effect in transaction.effects
    ]


def test_a_new_client_keeps_to_an_old_tree(opened_as: OpenAs) -> None:
    """It works beside old ones, and lists no feature that they do not know."""
    old, new = opened_as(OLD, "old"), opened_as(NEW, "new")
    old.put(b"1")
    new.put(b"2")
    assert drained(old) == [b"1", b"2"]
    assert new.charter.features == OLD.features
    assert new.charter.min_writer == OLD.min_writer


def test_a_rolling_upgrade_loses_nothing(opened_as: OpenAs, world: World) -> None:
    """Old clients are replaced one by one; the last one's going is what allows the new version."""
    old, older = opened_as(OLD, "old"), opened_as(OLD, "older")
    old.put_many([b"1", b"2", b"3"])
    (held,) = older.reserve().items
    new = opened_as(NEW, "new")
    new.put(b"4")
    with pytest.raises(ClientsTooOldError, match="2 older") as refused:
        new.upgrade()
    assert [client.split(" ")[0] for client in refused.value.clients] == [
        older.consumer_id,
        old.producer_id,
    ]
    older.close()
    assert held.hold is Hold.RETURNED
    old.close()
    assert new.upgrade() == new.charter
    assert new.charter.features == (*OLD.features, *NEW.features)
    newer = opened_as(NEW, "newer")
    newer.put(b"5")
    assert drained(new) == [b"1", b"2", b"3", b"4", b"5"]


def test_who_is_too_old_is_told_with_what_finds_it(opened_as: OpenAs) -> None:
    """The error names each with its version, and a consumer with host, process and label."""
    old, new = opened_as(OLD, "old", label="billing"), opened_as(NEW, "new")
    old.put(b"1")
    old.reserve()
    with pytest.raises(ClientsTooOldError) as refused:
        new.upgrade()
    consumer, producer = refused.value.clients
    assert f"version {OLD.version}" in consumer
    assert "label billing" in consumer
    assert "pid " in consumer
    assert "last write 20" in producer
    assert new.charter.min_writer == OLD.min_writer


def test_dead_clients_are_in_nobodys_way(opened_as: OpenAs, world: World) -> None:
    """A consumer whose session ended does not count; its items come back as ever."""
    old, new = opened_as(OLD, "old"), opened_as(NEW, "new")
    new.put(b"1")
    old.reserve()
    old._store.crash()  # type: ignore[attr-defined]
    world.scheduler.sleep(20)
    new.upgrade()
    janitor = janitor_of(world)
    swept(janitor, world)
    assert drained(new) == [b"1"]


@pytest.mark.parametrize(
    ("data", "version"),
    [
        (b"", 1),
        (b"put", 1),
        (b"put zkmq=2", 2),
        (b"burnt zkmq=12", 12),
        (json.dumps(registrations.about(3, host="h")).encode(), 3),
        (b'{"host": "h"}', 1),
        (b'{"zkmq": "x"}', 1),
        (b"[3]", 1),
        (b"\xff", 1),
    ],
)
def test_a_registration_tells_its_version(queue: Queue, data: bytes, version: int) -> None:
    """Whatever stands in the node; who says nothing is of the first version."""
    store = queue._store
    ops = [
        Create("/queue/producers/p", data),
        Create("/queue/consumers/c", data),
        Create("/queue/consumers/c/active", ephemeral=True),
    ]
    store.commit(ops, store.now() + 1)
    found = clients(store, QueueTree("/queue"), store.now() + 1)
    # A consumer's node holds JSON, or nothing that it would say.
    said = version if data.startswith(b"{") else 1
    assert [(each.id, each.version) for each in found] == [("c", said), ("p", version)]


def test_a_producer_takes_its_leave(opened: Open, world: World) -> None:
    """A closed client leaves no ticket behind that would hold an upgrade up for a day."""
    queue = opened()
    queue.put(b"1")
    assert world.leader.tree.nodes["/queue/producers"].children == {queue.producer_id}
    queue.close()
    world.scheduler.sleep(1)
    assert not world.leader.tree.nodes["/queue/producers"].children


def test_a_forced_upgrade_stops_old_clients(opened_as: OpenAs, world: World) -> None:
    """Whatever an old client calls ends with a typed error, and nothing of it takes effect."""
    old, new = opened_as(OLD, "old"), opened_as(READABLE, "new")
    old.put_many([b"1", b"2"])
    (held,) = old.reserve().items
    new.upgrade(force=True)
    zxid = world.leader.zxid
    calls: list[Callable[[], object]] = [
        lambda: old.put(b"3"),
        lambda: old.put_many([b"3"] * 9, batch=2),
        lambda: old.done(held),
        lambda: old.release(held),
        lambda: old.bury(held, reason="x"),
        lambda: old.touch(held),
        old.reserve,
        lambda: old.reserve(done=[held]),
        old.purge,
        lambda: old.upgrade(force=True),
    ]
    for call in calls:
        with pytest.raises(OutdatedClientError, match=f"version {NEW.version} or later") as error:
            call()
        assert error.value.definite
    assert old.resolve() == ()
    assert written_by(world, old, zxid) == []
    assert [peeked.data for peeked in old.peek(9)] == [b"2"]
    old.close()
    old._store.close()
    swept(janitor_of(world), world)
    assert drained(new) == [b"1", b"2"]


def test_old_clients_that_may_not_even_read_are_told(opened_as: OpenAs, world: World) -> None:
    """A look shows the new charter, and the looker ends instead of misreading."""
    old, new = opened_as(OLD, "old"), opened_as(NEW, "new")
    new.upgrade(force=True)
    for call in (old.peek, old.stats, lambda: old.peek(place="dead")):
        with pytest.raises(OutdatedClientError, match="to read this queue"):
            call()
    with pytest.raises(OutdatedClientError, match="to read this queue"):
        opened_as(OLD, "another")


def test_an_old_client_that_waits_is_told(opened_as: OpenAs, world: World) -> None:
    """A reserve that waits for items does not wait for ever for what it could not read."""
    old, new = opened_as(OLD, "old"), opened_as(NEW, "new")
    caught: list[OutdatedClientError] = []

    def wait() -> None:
        with pytest.raises(OutdatedClientError) as error:
            old.reserve(timeout_s=3600)
        caught.append(error.value)

    world.scheduler.spawn("waiter", wait)
    world.scheduler.sleep(1)
    new.upgrade(force=True)
    world.scheduler.sleep(10)
    assert caught


def test_a_client_that_may_only_read_may_look(opened_as: OpenAs, world: World) -> None:
    """It is told when it writes, not when it opens; nothing it sends reaches the servers."""
    new = opened_as(READABLE, "new")
    new.put_many([b"1", b"2"])
    old = opened_as(OLD, "old", label="looks")
    zxid = world.leader.zxid
    assert [peeked.data for peeked in old.peek(2)] == [b"1", b"2"]
    assert old.stats().waiting == {100: 2}
    with pytest.raises(OutdatedClientError, match="to write this queue"):
        old.put(b"3")
    with pytest.raises(OutdatedClientError, match="to write this queue"):
        old.reserve()
    old.close()
    assert written_by(world, old, zxid) == []


def test_the_janitor_of_an_old_client_ends(
    opened_as: OpenAs, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so once, and leaves its office to those who can do the work."""
    old, new = opened_as(OLD, "old"), opened_as(NEW, "new")
    janitor, other = janitor_of(world, store=old._bound), janitor_of(world)
    swept(janitor, world)
    new.upgrade(force=True)
    JanitorThread(janitor, old._store)._run()
    (record,) = caplog.records
    assert "stops" in record.getMessage()
    world.scheduler.sleep(0.1)
    swept(other, world)


def test_who_is_new_enough_goes_on_without_notice(opened_as: OpenAs) -> None:
    """A raise in the middle of everything costs a new client nothing but a look."""
    first, second = opened_as(NEW, "first"), opened_as(NEW, "second")
    first.put(b"1")
    (held,) = first.reserve().items
    second.upgrade()
    first.done(held)
    first.put_many([b"2", b"3", b"4", b"5"], batch=1)
    assert drained(first) == [b"2", b"3", b"4", b"5"]
    assert first.charter.features == NEW.features


def raise_midway(world: World, by: Queue, when_written: bytes) -> None:
    """Let the tree be raised when an item is on its way to the servers."""
    operator: list[object] = []

    def strike(number: int, request: Request) -> Fault | None:
        if any(getattr(op, "data", b"").endswith(when_written) for op in request.ops):
            operator.append(
                world.scheduler.spawn("operator", lambda: operator.append(by.upgrade(force=True)))
            )
            world.faults = no_faults
            return Fault.STALL
        return None

    world.faults = strike


@pytest.mark.parametrize("edition", [OLD, NEW], ids=["old", "new"])
def test_a_raise_amid_a_pipeline_is_exact(
    opened_as: OpenAs, world: World, edition: Edition
) -> None:
    """An old producer is told which items are put, and which not; a new one puts all, in order."""
    producer, operator = opened_as(edition, "producer"), opened_as(NEW, "operator")
    values = [b"%03d" % number for number in range(12)]
    raise_midway(world, operator, b"005")
    if edition is NEW:
        producer.put_many(values, batch=1)
        assert drained(operator) == values
        return
    with pytest.raises(PartlyPutError) as partly:
        producer.put_many(values, batch=1)
    assert isinstance(partly.value.__cause__, OutdatedClientError)
    assert len(partly.value.applied) == len(waiting(world)) < len(values)
    assert waiting(world) == values[: len(waiting(world))]


@pytest.mark.parametrize("fault", [Fault.LOSE_REPLY, Fault.LOSE_REQUEST])
def test_an_old_put_in_doubt_can_still_be_asked_for(
    opened_as: OpenAs, world: World, fault: Fault
) -> None:
    """The servers, who refuse its copies from then on, know whether one had taken effect."""
    old, new = opened_as(OLD, "old", deadline_s=5.0), opened_as(READABLE, "new")
    old.put(b"1")
    world.faults = Strike("put", fault, times=1000)
    with pytest.raises(OutcomeUnknownError):
        old.put(b"2")
    world.faults = no_faults
    new.upgrade(force=True)
    (settled,) = old.resolve()
    assert settled.took_effect is (fault is Fault.LOSE_REPLY)
    assert waiting(world) == ([b"1", b"2"] if settled.took_effect else [b"1"])
    assert not old._puts.producer._producer_ticket.current.in_doubt  # type: ignore[union-attr]


@pytest.mark.parametrize("fault", [Fault.LOSE_REPLY, Fault.LOSE_REQUEST, Fault.EXPIRE_AFTER])
def test_an_upgrade_whose_answer_is_lost_is_made_once(
    opened_as: OpenAs, world: World, fault: Fault
) -> None:
    """It looks, and asks again if need be."""
    new = opened_as(NEW, "new")
    with release(OLD):
        new._store.commit([SetData("/queue", Charter().encode(), -1)], new._store.now() + 1)

    def strike(number: int, request: Request) -> Fault | None:
        if any(isinstance(op, SetData) and op.path == "/queue" for op in request.ops):
            world.faults = no_faults
            return fault
        return None

    world.faults = strike
    assert new.upgrade().features == NEW.features
    assert world.leader.tree.nodes["/queue"].version == 2


def test_an_upgrade_without_an_answer_is_unknown(opened_as: OpenAs, world: World) -> None:
    """Nobody answers before the deadline: it may have been made."""
    opened_as(OLD, "old")
    new = opened_as(NEW, "new", deadline_s=1.0)

    def strike(number: int, request: Request) -> Fault | None:
        return Fault.CUT if any(op.path == "/queue" for op in request.ops) else None

    world.faults = strike
    with pytest.raises(OutcomeUnknownError, match="upgrade"):
        new.upgrade()


def test_an_upgrade_of_an_upgraded_tree_changes_nothing(opened_as: OpenAs, world: World) -> None:
    """It may be asked for again, by everybody."""
    new = opened_as(NEW, "new")
    before = world.leader.tree.nodes["/queue"].version
    assert new.upgrade() == new.upgrade(force=True)
    assert world.leader.tree.nodes["/queue"].version == before


def test_an_old_client_cannot_take_an_upgrade_back(opened_as: OpenAs, world: World) -> None:
    """A release that is behind the tree does not touch what it says."""
    old, new = opened_as(OLD, "old"), opened_as(READABLE, "new")
    new.upgrade(force=True)
    with pytest.raises(OutdatedClientError, match="upgrade with a newer release"):
        old.upgrade(force=True)


def test_what_a_release_does_not_know_is_kept(opened_as: OpenAs, world: World) -> None:
    """A key of another release, and the size of segments, survive an upgrade."""
    old = opened_as(OLD, "old")
    said = json.loads(world.dump()["/queue"]) | {"owner": "team-a"}
    old._store.commit([SetData("/queue", json.dumps(said).encode(), -1)], old._store.now() + 1)
    opened_as(NEW, "new").upgrade()
    now = json.loads(world.dump()["/queue"])
    assert (now["owner"], now["segment_items"], now["min_writer"]) == ("team-a", 3, NEW.version)


@pytest.mark.parametrize(
    "said",
    [
        {"min_reader": "two"},
        {"min_writer": None},
        {"min_writer": [1]},
        {"min_reader": 1.5},
        {"min_reader": True},
        {"segment_items": 0},
        {"features": "all"},
        {"features": [1]},
    ],
    ids=str,
)
def test_a_root_that_says_nonsense_is_incompatible(
    opened: Open, world: World, said: dict[str, object]
) -> None:
    """Not a ValueError: what was expected, what was found, and where."""
    opened().close()
    store = world.client()
    root = json.loads(world.dump()["/queue"]) | said
    store.commit([SetData("/queue", json.dumps(root).encode(), -1)], store.now() + 1)
    key = next(iter(said))
    with pytest.raises(IncompatibleTreeError, match=f"/queue: {key}: expected"):
        opened("another")


def test_the_charter_costs_no_request(queue: Queue, world: World) -> None:
    """A put is one request, a reserve three (look, read, claim), done one: as without it."""
    queue.put(b"1")
    queue.done(*queue.reserve(sync=True).items)
    world.scheduler.sleep(1)  # the last look is too old to be used
    before = world.requests
    queue.put(b"2")
    put = world.requests
    items = queue.reserve().items
    reserve = world.requests
    queue.done(*items)
    assert (put - before, reserve - put, world.requests - reserve) == (1, 3, 1)
