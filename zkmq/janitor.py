"""Tidying up after others: what dead consumers held goes back, or where their policy says.

One janitor is elected; two at once do no harm, since every step is one multi that demands what
it relies on.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zkmq import envelope, names
from zkmq.homes import Homes
from zkmq.store import (
    Code,
    Committed,
    Create,
    Delete,
    GetChildren,
    GetData,
    Lost,
    Node,
    Op,
    Rejected,
    Signal,
    Store,
)
from zkmq.tree import Tree

CLAIMS_PER_MULTI = 200


@dataclass(frozen=True, slots=True)
class Returned:
    """Items of a dead consumer that were made available again, or put aside.

    Attributes:
        consumer: who had held them.
        names: their names while they were held.
        data: their payloads, in the same order.
        to: "items", "partial" or "dead".
        zxid: when; None if the reply was lost, or another janitor did it at the same time.
    """

    consumer: str
    names: tuple[str, ...]
    data: tuple[bytes, ...]
    to: str
    zxid: int | None


OnReturned = Callable[[Returned], None]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a consumer wants to be done with its items when it dies."""

    on_crash: str = "requeue"
    max_deliveries: int | None = None

    @classmethod
    def decode(cls, data: bytes) -> "Policy":
        """Read it from a registration; the original's registrations have none."""
        try:
            value = json.loads(data or b"{}")
        except ValueError:
            value = {}
        known: dict[str, Any] = value if isinstance(value, dict) else {}
        return cls(known.get("on_crash", "requeue"), known.get("max_deliveries"))

    def place(self, header: envelope.Header) -> str:
        """Where an item with this header goes."""
        if self.max_deliveries and header.get("deliveries", 0) >= self.max_deliveries:
            return "dead"
        return "partial" if self.on_crash == "partial" else "items"


class Janitor:
    """One client's janitor. Not thread-safe; shares nothing with the queue but the store."""

    def __init__(
        self, store: Store, tree: Tree, *, name: str, on_returned: OnReturned | None = None
    ) -> None:
        self._store = store
        self._tree = tree
        self._name = name
        self._on_returned = on_returned
        self._homes = Homes(store, tree)
        self._elected_in: int | None = None
        self._watched: set[str] = set()
        self.wake: Signal = store.signal()

    def step(self, deadline_s: float) -> bool:
        """Do all there is to do now, if this janitor is the elected one; tell whether it is.

        Raises:
            NoQuorumError: no answer before the deadline; what is done is done.
        """
        if not self._elect(deadline_s):
            return False
        consumers = self._store.list(self._tree.consumers, deadline_s, self.wake.set) or []
        for consumer in sorted(consumers):
            if not self._alive(consumer, deadline_s):
                self._reap(consumer, deadline_s)
        self._watched &= set(consumers)
        return True

    def _elect(self, deadline_s: float) -> bool:
        session = self._store.session_id
        if session is not None and self._elected_in == session:
            return True
        lock = Create(self._tree.lock, self._name.encode(), ephemeral=True)
        match self._store.commit([lock], deadline_s):
            case Committed():
                self._elected_in = session
                return True
            case _:
                # Ours from a lost reply, or another's: either way its session's end frees it.
                self._store.exists(self._tree.lock, deadline_s, self.wake.set)
                return False

    def _alive(self, consumer: str, deadline_s: float) -> bool:
        """Whether its session lives; that it once was, and is not any more, is final."""
        path = self._tree.active(consumer)
        if consumer in self._watched:
            (node,) = self._store.read_many([GetData(path)], deadline_s).results
            return node is not None
        self._watched.add(consumer)
        return self._store.exists(path, deadline_s, self.wake.set) is not None

    def _reap(self, consumer: str, deadline_s: float) -> None:
        """Move what a dead consumer held, some at a time, and then remove it."""
        unsure: list[Returned] = []
        while self._store.now() < deadline_s:
            policy, claims, more = self._claims_of(consumer, deadline_s)
            if policy is None:
                # Gone, by a multi of ours whose reply was lost or by another janitor.
                self._report(unsure)
                return
            ops, returned = self._moves(consumer, policy, claims, deadline_s)
            if not more:
                ops += [
                    Delete(self._tree.claims(consumer)),
                    Delete(self._tree.consumer(consumer)),
                ]
            match self._store.commit(ops, deadline_s):
                case Committed(zxid):
                    self._report([replace(each, zxid=zxid) for each in returned])
                    unsure = []
                case Rejected(0, Code.NODE_EXISTS):
                    return  # it lives
                case Rejected(index, code):
                    if not self._homes.learn(ops[index], code):
                        self._store.sync(self._tree.consumers, deadline_s)
                case Lost():
                    unsure = returned
                    if not self._store.wait_connected(deadline_s):
                        return

    def _claims_of(
        self, consumer: str, deadline_s: float
    ) -> tuple[Policy | None, list[tuple[str, Node]], bool]:
        """Its policy, the first of its claims, and whether there are more; None if it is gone."""
        tree = self._tree
        view = self._store.read_many(
            [GetData(tree.consumer(consumer)), GetChildren(tree.claims(consumer))], deadline_s
        )
        registration, children = view.results
        if not isinstance(registration, Node):
            return None, [], False
        held = sorted(children) if isinstance(children, list) else []
        first = held[:CLAIMS_PER_MULTI]
        nodes = self._store.read_many(
            [GetData(tree.claim(consumer, name)) for name in first], deadline_s
        ).results
        claims = [
            (name, node)
            for name, node in zip(first, nodes, strict=True)
            if isinstance(node, Node) and names.parse(name)
        ]
        return Policy.decode(registration.data), claims, len(held) > len(first)

    def _moves(
        self,
        consumer: str,
        policy: Policy,
        claims: Sequence[tuple[str, Node]],
        deadline_s: float,
    ) -> tuple[list[Op], list[Returned]]:
        active = self._tree.active(consumer)
        # Only if it is not there can it be made: together they demand that it is dead.
        ops: list[Op] = [Create(active), Delete(active)]
        by_place: dict[str, list[tuple[str, bytes]]] = {}
        home: list[tuple[str, bytes]] = []
        for name, node in claims:
            ops.append(Delete(self._tree.claim(consumer, name), node.version))
            header, payload = envelope.unwrap(node.data)
            place = policy.place(header)
            by_place.setdefault(place, []).append((name, payload))
            if place == "items":
                home.append((name, node.data))
                continue
            header |= {"reason": f"consumer died after {header.get('deliveries', 1)} deliveries"}
            header |= {"owner": consumer}
            path = f"{self._tree.place(place)}/{names.next_generation(name)}"
            ops.append(Create(path, envelope.wrap(payload, header)))
        ops += self._homes.returns(home, deadline_s)
        returned = [
            Returned(consumer, tuple(n for n, _ in moved), tuple(d for _, d in moved), place, None)
            for place, moved in by_place.items()
        ]
        return ops, returned

    def _report(self, returned: Sequence[Returned]) -> None:
        if self._on_returned is not None:
            for each in returned:
                self._on_returned(each)
