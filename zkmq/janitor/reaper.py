"""Take back what dead consumers hold, and remove their registrations."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from zkmq.janitor.claim_returner import ClaimReturner, Claims, Returned
from zkmq.tree import item_names
from zkmq.tree.paths import QueueTree, last_part
from zkmq.tree.redelivery_policy import RedeliveryPolicy
from zkmq.zookeeper.request_sizes import read_load
from zkmq.zookeeper.store import (
    Code,
    Committed,
    Create,
    Delete,
    GetChildren,
    GetData,
    Lost,
    Op,
    Read,
    Rejected,
    Store,
    Znode,
)

CLAIMS_PER_MULTI = 200
# After this many refusals of the same operation, a stale read is no longer the likely cause.
MAX_REFUSALS = 3


@dataclass(slots=True)
class _Hold:
    """The claims of a dead consumer that the next write can move."""

    policy: RedeliveryPolicy
    claims: Claims
    # Whether more claims follow, and whether there are nodes that cannot be moved.
    more: bool
    blocked: bool
    has_place: bool


@dataclass(slots=True)
class _Refusals:
    """How often the same operation was refused in a row."""

    last: tuple[str, Code] | None = None
    count: int = 0

    def note(self, path: str, code: Code) -> int:
        self.count = self.count + 1 if self.last == (path, code) else 1
        self.last = (path, code)
        return self.count


class Reaper:
    """Takes back the claims of dead consumers, for one janitor. Not thread-safe; two do no harm."""

    def __init__(self, store: Store, tree: QueueTree, returner: ClaimReturner) -> None:
        self._store = store
        self._tree = tree
        self._returner = returner
        self._skips = returner.skips

    def reap(self, consumer: str, deadline_s: float, until_s: float = math.inf) -> bool:
        """Move what a dead consumer held, and then remove it; False if there is more to do.

        Begins nothing after `until_s`.
        """
        unsure: Sequence[Returned] = ()
        refusals = _Refusals()
        while True:
            hold = self._hold_of(consumer, deadline_s)
            if hold is None:
                # Removed by our write whose reply was lost, or by another janitor; or unreadable.
                if self._tree.consumer(consumer) not in self._skips:
                    self._returner.report(unsure)
                return True
            closing = not hold.more and not hold.blocked and refusals.count < MAX_REFUSALS
            if not (hold.claims or hold.more or closing):
                self._skips.add(self._tree.consumer(consumer), "it has nodes that cannot be moved")
                return True
            ops, returned = self._reaping(consumer, hold, closing=closing, deadline_s=deadline_s)
            reply = self._store.commit(ops, deadline_s)
            if isinstance(reply, Committed):
                self._returner.report(returned, reply.zxid)
                unsure = ()
            elif isinstance(reply, Lost):
                unsure = returned
                if not self._store.wait_connected(deadline_s):
                    return False
            elif reply == Rejected(0, Code.NODE_EXISTS) or not (
                self._leave_alone(consumer, hold, ops, reply)
                or self._learn(consumer, ops[reply.index], reply, refusals, deadline_s)
            ):
                return True  # the consumer lives, or it cannot be reaped
            if self._store.now() >= min(until_s, deadline_s):
                return False

    def _learn(
        self, consumer: str, op: Op, reply: Rejected, refusals: _Refusals, deadline_s: float
    ) -> bool:
        """Learn from a refusal; False if this consumer cannot be reaped."""
        code = reply.code
        if self._returner.learn(op, code):
            return True
        if code is Code.NOT_EMPTY and item_names.parse(last_part(op.path)):
            self._skips.add(op.path, "it has children")
            return True
        if refusals.note(op.path, code) > MAX_REFUSALS:
            self._skips.refused(self._tree.consumer(consumer), op.path, code, reply.number)
            return False
        # The read was stale: there is one claim more, or one less.
        self._store.sync(self._tree.consumers, deadline_s)
        return True

    def _leave_alone(self, consumer: str, hold: _Hold, ops: Sequence[Op], reply: Rejected) -> bool:
        """Leave alone the claims that an ACL keeps from their places; False if there are none."""
        if reply.code is not Code.NO_AUTH:
            return False
        op = ops[reply.index]
        ids = self._returner.held_up(op, ops)
        names = [name for name, _ in hold.claims if item_names.base(name) in ids]
        for name in names:
            path = self._tree.claim(consumer, name)
            self._skips.refused(path, op.path, reply.code, reply.number)
        return bool(names)

    def _hold_of(self, consumer: str, deadline_s: float) -> _Hold | None:
        """Read the first claims, as many as one write can move; None if the consumer is gone."""
        parent = self._tree.claims(consumer)
        reads: list[Read] = [GetData(self._tree.consumer(consumer)), GetChildren(parent)]
        denied = self._skips.deny
        registration, children = self._store.read_many(reads, deadline_s, denied=denied).results
        if not isinstance(registration, Znode):
            return None
        if parent in self._skips:
            self._skips.add(self._tree.consumer(consumer), "what it holds may not be read")
            return None
        listed = children if isinstance(children, list) else []
        ours = self._skips.without_foreign(parent, listed, item_names.parse)
        free = [path for name in ours if (path := f"{parent}/{name}") not in self._skips]
        first = free[:CLAIMS_PER_MULTI]
        load, whole = read_load(self._store, first, deadline_s, denied=denied)
        policy = RedeliveryPolicy.decode(registration.data)
        claims = [
            (last_part(path), node)
            for path, node in load
            if self._returner.fits(path, node, policy, deadline_s)
        ]
        return _Hold(
            policy=policy,
            claims=claims,
            more=len(free) > CLAIMS_PER_MULTI or not whole,
            blocked=len(free) < len(listed) or any(path in self._skips for path in first),
            has_place=isinstance(children, list),
        )

    def _reaping(
        self, consumer: str, hold: _Hold, *, closing: bool, deadline_s: float
    ) -> tuple[list[Op], list[Returned]]:
        """The operations that move the claims, and with `closing` remove the registration."""
        active = self._tree.active(consumer)
        moves, returned = self._returner.moves(consumer, hold.policy, hold.claims, deadline_s)
        # Creating and deleting `active` fails if it exists, that is, if the consumer lives. So does
        # the deletion of the registration, which alone is possible at a full quota.
        fence: list[Op] = [Create(active), Delete(active)] if moves or not closing else []
        ops: list[Op] = [*fence, *moves]
        if closing:
            ops += [Delete(self._tree.claims(consumer))] if hold.has_place else []
            ops.append(Delete(self._tree.consumer(consumer)))
        return ops, returned
