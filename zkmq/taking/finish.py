"""What a consumer does with items it holds: done, release, touch or bury, each in one multi."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from zkmq import checks, events
from zkmq.errors import NoQuorumError
from zkmq.putting.delayed import Delayed
from zkmq.putting.tail_segments import TailSegments
from zkmq.taking.group_locks import GroupLocks
from zkmq.taking.holding import Registration
from zkmq.taking.membership import Membership
from zkmq.taking.return_places import ReturnPlaces
from zkmq.tree import envelope
from zkmq.tree.item import Hold, Item
from zkmq.tree.paths import QueueTree
from zkmq.tree.redelivery_policy import RedeliveryPolicy
from zkmq.tree.ticket import TookEffect
from zkmq.zookeeper.refusal import refusal
from zkmq.zookeeper.request_sizes import fitting_sizes
from zkmq.zookeeper.server_clock import ServerClock
from zkmq.zookeeper.store import Code, Create, Delete, Op, SetData, Store

MAX_REASON = 1000
RELEASED_AT_ONCE = 500
DONE = "done"
LAST_DELIVERY = "released after its last delivery"
Destinations = Callable[[Sequence[Item]], list[Op]]


@dataclass(frozen=True, slots=True)
class Done:
    """An operation on held items that took effect exactly once, at `zxid` if that is known."""

    zxid: int | None
    attempts: int
    # How many of the items became dead letters.
    dead: int = 0


class Finisher:
    """Ends or prolongs the holds of one consumer. Not thread-safe.

    Each method raises:
        NotHeldError: one of the items is not held; nothing took effect.
        AckUnknownError: the session ended with the operation in doubt.
        OutcomeUnknownError: no answer before the deadline.
    """

    def __init__(
        self,
        store: Store,
        tree: QueueTree,
        membership: Membership,
        clock: ServerClock,
        policy: RedeliveryPolicy,
        *,
        segment_items: int,
    ) -> None:
        self._store = store
        self._tree = tree
        self._membership = membership
        self._clock = clock
        self._policy = policy
        self._tails = TailSegments(store, tree, segment_items)
        self.return_places = ReturnPlaces(tree, self._tails)
        self._delayed = Delayed(store, tree)
        self.group_locks = GroupLocks(tree)

    def done(self, items: Sequence[Item], deadline_s: float) -> Done:
        """Acknowledge items: they are removed for ever."""
        return self._end(items, DONE, Hold.DONE, self._unlocks, deadline_s)

    def release(self, items: Sequence[Item], *, delay_s: float, to: str, deadline_s: float) -> Done:
        """Give items back. Those delivered `max_deliveries` times become dead letters."""

        def destinations(left: Sequence[Item]) -> list[Op]:
            dead = [item for item in left if self._policy.place(item.header) == "dead"]
            back = [item for item in left if item not in dead]
            ops: list[Op] = [self._grave(item, LAST_DELIVERY) for item in dead]
            if delay_s > 0:
                # The groups of those that come back later wait for them.
                ops += self._unlocks(dead)
                return ops + [self._later(item, delay_s, deadline_s) for item in back]
            ops += self._unlocks(left)
            contents = [(item.name, envelope.wrap(item.data, item.header)) for item in back]
            if to == "place":
                return ops + self.return_places.returns(contents, deadline_s)
            # Before the write, so that a failure here means that nothing was released.
            self._tails.roll_full(deadline_s)
            return ops + self._tails.appends(contents, deadline_s)

        request = f"release to {to} after {delay_s} s"
        ended = self._end(items, request, Hold.RETURNED, destinations, deadline_s)
        dead = [item for item in items if self._policy.place(item.header) == "dead"]
        return self._tell_dead(ended, dead, LAST_DELIVERY)

    def that_fit(self, items: Sequence[Item]) -> Sequence[Item]:
        """The first items that one `release` can give back; at least one."""
        return items[: max(1, fitting_sizes(map(self._size, items[:RELEASED_AT_ONCE])))]

    def bury(self, items: Sequence[Item], *, reason: str, deadline_s: float) -> Done:
        """Put items aside as dead letters."""
        checks.text("bury: reason", reason, MAX_REASON)
        ended = self._end(
            items,
            f"bury for {reason}",
            Hold.RETURNED,
            lambda left: [*(self._grave(item, reason) for item in left), *self._unlocks(left)],
            deadline_s,
        )
        return self._tell_dead(ended, items, reason)

    def touch(self, items: Sequence[Item], *, deadline_s: float) -> Done:
        """Start the time to run of the items again."""
        membership = self._membership
        membership.ready(deadline_s, items, "touch")
        ops = [
            SetData(
                membership.claim_path(item), envelope.wrap(item.data, item.header), item.version
            )
            for item in items
        ]

        versions = [item.version + 1 for item in items]
        began_s = self._store.now()

        def apply(_: Registration, __: int | None) -> None:
            for item, version in zip(items, versions, strict=True):
                item.version = version
                item.run_from(began_s)

        result = membership.commit("touch", ops, apply, deadline_s, count=len(items))
        if isinstance(result, TookEffect):
            return Done(result.zxid, result.attempts)
        raise membership.not_held(items[result.index])

    def _end(
        self,
        items: Sequence[Item],
        request: str,
        hold: Hold,
        destinations: Destinations,
        deadline_s: float,
    ) -> Done:
        """End holds, and put the items where `destinations` says, in one multi."""
        membership, label = self._membership, request.split(maxsplit=1)[0]
        membership.ready(deadline_s, items, request)
        earlier, items = ended_before(items, request)
        if earlier is not None and not items:
            return earlier

        def apply(registration: Registration, _: int | None) -> None:
            registration.remove(items, hold)

        attempts = 0
        while True:
            ops: list[Op] = [membership.unclaim(item) for item in items]
            ops += destinations(items)
            result = membership.commit(
                label, ops, apply, deadline_s, count=len(items), ended=items, request=request
            )
            attempts += result.attempts
            if isinstance(result, TookEffect):
                self._tails.note_created(result.created or ())
                return Done(result.zxid, attempts)
            op = ops[result.index]
            knows = (self.return_places, self._tails, self._delayed, self.group_locks)
            if result.code is Code.NOT_EMPTY:  # a foreign client made children of a held item
                raise refusal(op.path, label, result.code)
            if not any(each.learn(op, result.code) for each in knows):
                raise membership.not_held(items[min(result.index, len(items) - 1)])
            if self._store.now() >= deadline_s:
                raise NoQuorumError(f"{label}: refused until the deadline ({result.code.name})")

    def _unlocks(self, items: Sequence[Item]) -> list[Op]:
        return self.group_locks.unlocks(item.header for item in items)

    def _tell_dead(self, ended: Done, dead: Sequence[Item], reason: str) -> Done:
        """Log the dead letters among the items that were ended, and count them."""
        if not dead:
            return ended
        events.tell(
            events.ITEM_DEAD,
            self._tree.root,
            f"put aside as dead: {events.shown([item.name for item in dead])}: {reason}",
            consumer=dead[0].consumer,
            reason=reason,
            zxid=ended.zxid,
            **events.items_of([item.name for item in dead]),
        )
        return replace(ended, dead=len(dead))

    def _size(self, item: Item) -> int:
        """Estimate the bytes of a request that moves an item; all paths are about as long."""
        path, data = self._membership.claim_path(item), envelope.wrap(item.data, item.header)
        return self._store.weigh([Delete(path), Create(path, data)])

    def _grave(self, item: Item, reason: str) -> Create:
        header = item.header | {"reason": reason, "last_owner": item.consumer}
        path = self.return_places.next_path(self._tree.place("dead"), item.name)
        return Create(path, envelope.wrap(item.data, header))

    def _later(self, item: Item, delay_s: float, deadline_s: float) -> Create:
        recent = self._tree.active(item.consumer)
        now_ms = self._clock.now_ms(recent, deadline_s)
        header = item.header | {"delay_s": delay_s}
        bucket = self._delayed.bucket(now_ms, delay_s, deadline_s)
        path = self.return_places.next_path(bucket, item.name)
        return Create(path, envelope.wrap(item.data, header))


def ended_before(items: Sequence[Item], request: str) -> tuple[Done | None, list[Item]]:
    """The outcome of an earlier copy of a request in doubt, and the items it did not end."""
    settled = [item.settled_by(request) for item in items]
    ended = [each for each in settled if each is not None and each.took_effect]
    left = [item for item, each in zip(items, settled, strict=True) if each not in ended]
    return (Done(ended[0].zxid, 0) if ended else None), left
