"""Groups: one item of a group at a time, in order; different groups side by side."""

import pytest

from worlds.memory.faults import Strike
from worlds.memory.network import Fault, no_faults
from worlds.memory.queues import Open, janitor_of, places_of, swept
from worlds.memory.store import World
from worlds.sim.editions import release
from zkmq import BadArgumentError, Item, OutcomeUnknownError, OutdatedClientError, Queue
from zkmq.putting.entry import Entry
from zkmq.taking import head_cache
from zkmq.taking.group_locks import lock_name
from zkmq.tree.compatibility.charter import GROUPS, Edition
from zkmq.zookeeper.store import Create, Delete

# The release before groups.
BEFORE = Edition(3, 1, 2, ("parked",))


def put(queue: Queue, *names: str, **options: object) -> None:
    """Put items, each named by its group and a number, as in g1; of "-" in none."""
    entries = [
        Entry(
            data=name.encode(),
            group=None if name[0] == "-" else name[0],
            **options,  # type: ignore[arg-type]
        )
        for name in names
    ]
    queue.put_many(entries, batch=1)


def take(queue: Queue, n: int = 9) -> list[Item]:
    """Reserve what can be had now."""
    return list(queue.reserve(n, sync=True).items)


def names(items: list[Item]) -> list[str]:
    """Their names."""
    return [item.data.decode() for item in items]


def locks(world: World) -> set[str]:
    """The locks that there are."""
    parent = "/queue/groups/"
    return {path[len(parent) :] for path in world.dump() if path.startswith(parent)}


def test_one_item_of_a_group_is_held_at_a_time(opened: Open, queue: Queue, world: World) -> None:
    """By all consumers together, in the order of the puts; the others go on."""
    put(queue, "g1", "g2", "-1", "h1", "g3", "h2", "-2")
    first, other = take(queue, 2), opened("other")
    assert names(first) == ["g1", "-1"]
    second = take(other)
    assert names(second) == ["h1", "-2"]
    assert locks(world) == {lock_name("g"), lock_name("h")}
    assert take(queue) == take(other) == []
    queue.done(*first)
    third = take(other)
    assert names(third) == ["g2"]
    other.done(*second, *third)
    assert names(take(queue)) == ["g3", "h2"]
    assert [item.group for item in queue.held] == ["g", "h"]


def test_an_item_that_comes_back_is_the_next_of_its_group(opened: Open, queue: Queue) -> None:
    """Given back by its consumer, at once or after a delay, or by a janitor."""
    put(queue, "g1", "g2")
    (item,) = take(queue)
    queue.release(item)
    assert names(take(opened("other"))) == ["g1"]


def test_a_group_waits_for_an_item_that_comes_back_later(
    world: World, opened: Open, queue: Queue
) -> None:
    """So a retry with backoff keeps the order; other groups do not wait."""
    put(queue, "g1", "g2", "h1")
    g1, h1 = take(queue)
    queue.release(g1, delay_s=30.0)
    assert take(opened("other")) == []
    assert locks(world) == {lock_name("g"), lock_name("h")}
    queue.done(h1)
    world.scheduler.sleep(31.0)
    swept(janitor_of(world), world)
    assert locks(world) == set()
    assert names(take(queue)) == ["g1"]


def test_a_dead_consumers_group_goes_on(world: World, opened: Open, queue: Queue) -> None:
    """With the same item, once a janitor has taken it back."""
    put(queue, "g1", "g2")
    dead = opened("dead")
    assert names(take(dead)) == ["g1"]
    world.clients[-1].crash()
    world.scheduler.sleep(30.0)
    assert take(queue) == []
    swept(janitor_of(world), world)
    assert locks(world) == set()
    (item,) = take(queue)
    assert (item.data, item.delivery) == (b"g1", 2)


@pytest.mark.parametrize("on_crash", ["partial", "dead"])
def test_an_item_put_aside_lets_its_group_go_on(
    world: World, opened: Open, queue: Queue, on_crash: str
) -> None:
    """Whether its consumer died, or buried it: a poisoned item stops no group."""
    put(queue, "g1", "g2")
    settings = {"on_crash": "partial"} if on_crash == "partial" else {"max_deliveries": 1}
    dead = opened("dead", **settings)
    take(dead)
    world.clients[-1].crash()
    world.scheduler.sleep(30.0)
    swept(janitor_of(world), world)
    (item,) = take(queue)
    assert item.data == b"g2"
    queue.bury(item, reason="bad")
    assert locks(world) == set()
    assert queue.stats().dead + queue.stats().partial == 2


def test_an_overdue_item_lets_its_group_go_on(world: World, queue: Queue) -> None:
    """Its consumer lives, and its time to run was over."""
    put(queue, "g1", "g2", ttr_s=5.0)
    take(queue)
    world.scheduler.sleep(10.0)
    swept(janitor_of(world), world)
    assert locks(world) == set()
    assert names(take(queue)) == ["g1"]


def test_an_acknowledgement_takes_the_next_of_its_group(queue: Queue) -> None:
    """In one write, as a worker does all the time."""
    put(queue, *(f"g{number}" for number in range(6)))
    done: list[Item] = []
    seen = []
    while items := list(queue.reserve(4, done=done, sync=True).items):
        assert len(items) == 1
        seen += names(items)
        done = items
    assert seen == [f"g{number}" for number in range(6)]


def test_many_blocked_items_hide_no_other(world: World, queue: Queue) -> None:
    """A consumer looks past them, over several segments, without reading each in turn."""
    put(queue, *(f"g{number}" for number in range(200)), "h1", "-1")
    assert names(take(queue, 1)) == ["g0"]
    before = world.requests
    assert names([*take(queue), *take(queue)]) == ["h1", "-1"]
    assert world.requests - before < 150  # segments have three items here
    assert queue.reserve(sync=True).read_zxid is None  # it was not empty


def test_how_far_a_consumer_looks_is_limited(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past so many blocked items, it finds nothing, until some are done."""
    monkeypatch.setattr(head_cache, "MAX_PASSED", 10)
    put(queue, *(f"g{number}" for number in range(40)), "h1")
    (held,) = take(queue, 1)
    assert take(queue) == []
    queue.done(held)
    assert names(take(queue)) == ["g1"]


def test_a_waiting_consumer_is_woken_when_a_group_is_free(
    world: World, opened: Open, queue: Queue
) -> None:
    """At once, and not when it would look again anyhow."""
    put(queue, "g1", "g2")
    (held,) = take(queue)

    def hold() -> None:
        world.scheduler.sleep(10.5)
        queue.done(held)

    holder = world.scheduler.spawn("holder", hold)
    other = opened("other")
    began_s = world.scheduler.now_s
    assert names(list(other.reserve(timeout_s=60.0).items)) == ["g2"]
    assert 10.4 < world.scheduler.now_s - began_s < 11.5
    assert holder.finished
    world.scheduler.join()


def test_priorities_come_before_the_order_within_a_group(queue: Queue) -> None:
    """As everywhere: the more urgent item of a group is its first."""
    put(queue, "g1")
    put(queue, "g2", priority=5)
    assert names(take(queue)) == ["g2"]


@pytest.mark.parametrize("order", ["strict", "relaxed", "auto"])
def test_any_order_setting_keeps_groups(opened: Open, order: str) -> None:
    """Consumers of a queue with groups take from its head, whatever their setting is."""
    one, two = opened("one", order=order), opened("two", order=order)
    put(one, *(f"{group}{number}" for number in range(5) for group in "abcd"))
    seen: list[str] = []
    while items := [*take(one, 1), *take(two, 2)]:
        groups = [item.group for item in items]
        assert len(set(groups)) == len(groups)
        seen += names(items)
        for queue in (one, two):
            if queue.held:
                queue.done(*queue.held)
    for group in "abcd":
        own = [name for name in seen if name[0] == group]
        assert own == sorted(own)
    assert len(seen) == 20


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_REPLY])
def test_a_claim_in_doubt_holds_its_group_once(world: World, queue: Queue, fault: Fault) -> None:
    """The next reserve returns what was claimed, and the lock is that of the claim."""
    world.session_timeout_s = 1000
    put(queue, "g1", "g2")
    queue.deadline_s = 2.0
    queue.reserve(sync=True, done=take(queue))  # registers
    queue.release(*queue.held)
    world.faults = Strike("reserve", fault, times=10_000)
    with pytest.raises(OutcomeUnknownError):
        queue.reserve(sync=True)
    world.faults = no_faults
    (item,) = take(queue)
    assert (item.data, locks(world)) == (b"g2", {lock_name("g")})
    queue.done(item)
    assert locks(world) == set()


def test_a_delayed_item_of_a_group_can_be_deleted(world: World, queue: Queue) -> None:
    """And its group goes on; so it does if the item was never delivered."""
    put(queue, "g1", "g2")
    (item,) = take(queue)
    queue.release(item, delay_s=600.0)
    assert queue.delete(item.id).count == 1
    assert locks(world) == set()
    assert names(take(queue)) == ["g2"]
    put(queue, "h1", delay_s=600.0)
    (later,) = queue.peek(place="delayed")
    assert queue.delete(later.name).count == 1


def test_a_lock_that_somebody_deleted_stops_nothing(world: World, queue: Queue) -> None:
    """Neither the end of the hold, nor the next claims."""
    put(queue, "g1", "g2", "g3")
    foreign = world.client("foreign")
    (item,) = take(queue)
    foreign.commit([Delete(f"/queue/groups/{lock_name('g')}")], world.scheduler.now_s + 9)
    queue.done(item)
    (item,) = take(queue)
    foreign.commit([Delete(f"/queue/groups/{lock_name('g')}")], world.scheduler.now_s + 9)
    (third,) = queue.reserve(done=[item], sync=True).items
    queue.release(third, delay_s=1.0)
    foreign.commit([Delete(f"/queue/groups/{lock_name('g')}")], world.scheduler.now_s + 9)
    world.scheduler.sleep(5.0)
    swept(janitor_of(world), world)
    (third,) = take(queue)
    assert third.data == b"g3"
    foreign.commit([Create("/queue/groups/foreign")], world.scheduler.now_s + 9)
    queue.done(third)
    assert locks(world) == {"foreign"}


def test_a_place_of_locks_that_somebody_deleted_is_made_again(world: World, queue: Queue) -> None:
    """Items of groups are taken all the same, one at a time."""
    put(queue, "g1", "g2")
    world.client("foreign").commit([Delete("/queue/groups")], world.scheduler.now_s + 9)
    assert names(take(queue) or take(queue)) == ["g1"]
    assert locks(world) == {lock_name("g")}


def test_a_queue_without_groups_pays_nothing(world: World, queue: Queue) -> None:
    """No lock, no place of locks; and an item that came before the first group has none."""
    queue.put(b"a")
    assert "/queue/groups" not in world.dump()
    (item,) = take(queue)
    assert item.group is None
    queue.release(item)
    put(queue, "g1")
    assert names(take(queue)) == ["a", "g1"]


def test_what_a_group_may_be_is_checked(queue: Queue) -> None:
    """A text that UTF-8 can hold, of up to 1,000 characters."""
    for group in ("", "x" * 1001, "\udcff", 7):
        with pytest.raises(BadArgumentError, match="put: group: expected"):
            queue.put(b"a", group=group)  # type: ignore[arg-type]
    queue.put(b"a", group="\n/ä" * 300)
    assert take(queue)[0].group == "\n/ä" * 300


def test_a_tree_of_an_older_release_takes_groups_after_an_upgrade(
    world: World, opened: Open
) -> None:
    """Before it, a put is refused, since an older consumer would take any item at any time."""
    with release(BEFORE):
        old = opened("old")
    old.put(b"a")
    new = opened("new")
    with pytest.raises(BadArgumentError, match="zkmq upgrade"):
        new.put(b"b", group="g")
    assert [item.data for item in take(new)] == [b"a"]
    new.upgrade(force=True)
    assert GROUPS in new.charter.features
    put(new, "g1", "g2")
    with pytest.raises(OutdatedClientError):
        old.reserve(sync=True)
    new.done(*new.held)
    assert names(take(new)) == ["g1"]


def test_dead_letters_keep_their_group_in_another_queue(
    world: World, opened: Open, queue: Queue
) -> None:
    """After a redrive; one of an older release is refused."""
    put(queue, "g1", "g2")
    for _ in range(2):
        queue.bury(*take(queue), reason="bad")
    with release(BEFORE):
        Queue(world.client("old"), "/old", janitor=False)
    with pytest.raises(BadArgumentError, match="older release"):
        queue.redrive("/old", 9)
    other = Queue(world.client("other"), "/other", janitor=False)
    assert queue.redrive("/other", 9).count == 2
    assert names(take(other)) == ["g1"]
    assert places_of(world).dead == []
