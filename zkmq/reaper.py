"""Taking back what consumers hold that are dead, or that held it too long."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from zkmq import envelope, names
from zkmq.homes import Homes
from zkmq.loads import read_load, read_nodes
from zkmq.policy import Policy
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
    Read,
    Rejected,
    Store,
)
from zkmq.tree import Tree

CLAIMS_PER_MULTI = 200


@dataclass(frozen=True, slots=True)
class Returned:
    """Items that a consumer no longer holds because the janitor took them back.

    Attributes:
        consumer: who had held them.
        names: their names while they were held.
        data: their payloads, in the same order.
        to: "items", where they are available again, "partial" or "dead".
        zxid: when; None if the reply was lost, or another janitor did it at the same time.
    """

    consumer: str
    names: tuple[str, ...]
    data: tuple[bytes, ...]
    to: str
    zxid: int | None


OnReturned = Callable[[Returned], None]
Claims = Sequence[tuple[str, Node]]


class Reaper:
    """Moves claims back. Not thread-safe; two at once do no harm."""

    def __init__(self, store: Store, tree: Tree, on_returned: OnReturned | None) -> None:
        self._store = store
        self._tree = tree
        self._on_returned = on_returned
        self._homes = Homes(store, tree)
        # When each claim seen is over, by the servers' clock; None for those without a limit.
        self._due_ms: dict[str, float | None] = {}

    def reap(self, consumer: str, deadline_s: float) -> None:
        """Move all that a dead consumer held, some at a time, and then remove it.

        Raises:
            NoQuorumError: no answer before the deadline; what is done is done.
        """
        active = self._tree.active(consumer)
        unsure: Sequence[Returned] = ()
        while self._store.now() < deadline_s:
            policy, claims, more = self._claims_of(consumer, deadline_s)
            if policy is None:
                # Gone, by a write of ours whose reply was lost or by another janitor.
                self._report(unsure)
                return
            moves, returned = self._moves(consumer, policy, claims, deadline_s)
            # Only if it is not there can it be made: together they demand that it is dead.
            ops: list[Op] = [Create(active), Delete(active), *moves]
            if not more:
                ops += [
                    Delete(self._tree.claims(consumer)),
                    Delete(self._tree.consumer(consumer)),
                ]
            match self._store.commit(ops, deadline_s):
                case Committed(zxid):
                    self._report([replace(each, zxid=zxid) for each in returned])
                    unsure = ()
                case Rejected(0, Code.NODE_EXISTS):
                    return  # it lives
                case Rejected(index, code):
                    self._learn(ops[index], code, deadline_s)
                case Lost():
                    unsure = returned
                    if not self._store.wait_connected(deadline_s):
                        return

    def take_overdue(self, consumers: Sequence[str], now_ms: float, deadline_s: float) -> None:
        """Take back what living consumers have held longer than its time to run.

        Raises:
            NoQuorumError: no answer before the deadline; what is done is done.
        """
        paths = [self._tree.claims(consumer) for consumer in consumers]
        reads: list[Read] = [GetChildren(path) for path in paths]
        held = self._store.read_many(reads, deadline_s).results
        claims = {
            f"{path}/{name}": consumer
            for consumer, path, listed in zip(consumers, paths, held, strict=True)
            for name in (listed if isinstance(listed, list) else ())
        }
        self._due_ms = {path: due for path, due in self._due_ms.items() if path in claims}
        look = [path for path in claims if self._may_be_over(path, now_ms)]
        for path, node in self._read(look, deadline_s):
            header, _ = envelope.unwrap(node.data)
            ttr_s = header.get("ttr_s")
            self._due_ms[path] = None if ttr_s is None else node.mtime_ms + float(ttr_s) * 1000
            due_ms = self._due_ms[path]
            if due_ms is not None and due_ms <= now_ms:
                self._take(claims[path], path, node, deadline_s)

    def _may_be_over(self, path: str, now_ms: float) -> bool:
        due_ms = self._due_ms.get(path, -math.inf)  # not read yet
        return due_ms is not None and due_ms <= now_ms

    def _take(self, consumer: str, path: str, node: Node, deadline_s: float) -> None:
        """One claim; a `touch` or an end meanwhile changes its version, and it is left alone."""
        (registration,) = self._store.read_many(
            [GetData(self._tree.consumer(consumer))], deadline_s
        ).results
        if not isinstance(registration, Node):
            return
        claim = (path.rpartition("/")[2], node)
        while self._store.now() < deadline_s:
            ops, returned = self._moves(
                consumer, Policy.decode(registration.data), [claim], deadline_s
            )
            match self._store.commit(ops, deadline_s):
                case Committed(zxid):
                    self._report([replace(each, zxid=zxid) for each in returned])
                    return
                case Rejected(index, code) if self._homes.learn(ops[index], code):
                    continue
                case _:
                    self._due_ms.pop(path, None)  # look again in the next round
                    return

    def _learn(self, op: Op, code: Code, deadline_s: float) -> None:
        if not self._homes.learn(op, code):
            # What was read was stale: a claim more, or one less.
            self._store.sync(self._tree.consumers, deadline_s)

    def _claims_of(self, consumer: str, deadline_s: float) -> tuple[Policy | None, Claims, bool]:
        """Its policy, the first of its claims, and whether there are more; None if it is gone."""
        tree = self._tree
        reads: list[Read] = [GetData(tree.consumer(consumer)), GetChildren(tree.claims(consumer))]
        registration, children = self._store.read_many(reads, deadline_s).results
        if not isinstance(registration, Node):
            return None, [], False
        held = sorted(children) if isinstance(children, list) else []
        first = [
            tree.claim(consumer, name) for name in held[:CLAIMS_PER_MULTI] if names.parse(name)
        ]
        load, whole = read_load(self._store, first, deadline_s)
        claims = [(path.rpartition("/")[2], node) for path, node in load]
        return Policy.decode(registration.data), claims, len(held) > CLAIMS_PER_MULTI or not whole

    def _read(self, paths: Sequence[str], deadline_s: float) -> list[tuple[str, Node]]:
        items = [path for path in paths if names.parse(path.rpartition("/")[2])]
        return list(read_nodes(self._store, items, deadline_s))

    def _moves(
        self, consumer: str, policy: Policy, claims: Claims, deadline_s: float
    ) -> tuple[list[Op], list[Returned]]:
        """The operations that move claims to where the policy says."""
        ops: list[Op] = []
        by_place: dict[str, list[tuple[str, bytes]]] = {}
        home: list[tuple[str, bytes]] = []
        for name, node in claims:
            ops.append(Delete(self._tree.claim(consumer, name), node.version))
            header, payload = envelope.unwrap(node.data)
            place = policy.place_after_crash(header)
            by_place.setdefault(place, []).append((name, payload))
            if place == "items":
                home.append((name, node.data))
                continue
            header |= {"reason": "its consumer died or held it too long", "last_owner": consumer}
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
