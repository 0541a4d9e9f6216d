"""After a crash point: heal, drain, ask, acknowledge, drain again, and say what was found."""

import time
from contextlib import suppress
from dataclasses import dataclass, field

from worlds.crash_points.checks import LAST, Found, Outcome, Reason, Violation
from worlds.crash_points.client import PATIENT_S, Client, SteeredStore
from worlds.crash_points.operation import Consumed, Operation, Other
from worlds.proxy.faults import Fault
from worlds.proxy.proxy import Proxy
from zkmq.errors import NoQuorumError, NotHeldError, OutcomeUnknownError, ZkmqError
from zkmq.janitor.janitor import Janitor
from zkmq.tree import raw_copy as trees
from zkmq.tree.item import Hold, Item
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.store import GetChildren, GetData, Read, Znode

# A call that is struck once and then healed has no reason to take so long; one that is wedged ends
# at its deadline, which is later. A server that stands still for ten seconds wedges none.
WEDGED_S = 15.0


@dataclass
class Epilogue:
    """Heals, drains, asks, finishes, and drains again."""

    operation: Operation
    outcome: Outcome
    other: Other
    proxy: Proxy
    client: Client | None
    trouble: list[Violation] = field(default_factory=list)
    drains: list[list[Consumed]] = field(default_factory=list)

    def run(self, store: SteeredStore) -> Found:
        """Do all of it, and say what was found."""
        self._judge_call()
        self.proxy.heal()
        if self.client is not None:
            self.client.store.heal()
        late = Fault.DEADLINE_LATE in self.proxy.faults
        if not late:
            self.proxy.release_held()
        self.operation.probe(self.other)
        self.other.put(LAST)
        janitor = Janitor(store, QueueTree(self.other.root), name="other", segment_items=1000)
        self._tidy_and_drain(janitor)
        if self.client is not None:
            self._finish(self.client)
        self.proxy.release_held()
        self.proxy.expire_all()
        self._tidy_and_drain(janitor)
        self.other.queue.close()
        return self._found(store)

    def _judge_call(self) -> None:
        error = self.outcome.error
        if error is not None and not isinstance(error, ZkmqError):
            self._note(Reason.UNTYPED, repr(error))
        if self.outcome.took_s > WEDGED_S:
            self._note(Reason.WEDGED, f"the call took {self.outcome.took_s:.1f} s")
        for trouble in self.proxy.errors:
            self._note(Reason.WEDGED, trouble)

    def _tidy_and_drain(self, janitor: Janitor) -> None:
        _step(janitor, time.monotonic() + PATIENT_S)
        while drained := self.other.consume(100):
            self.drains.append(drained)

    def _finish(self, client: Client) -> None:
        """Let the client ask, acknowledge what it believes to hold, and close."""
        try:
            if client.opened:
                self._ask()
                self.proxy.release_held()
                self._acknowledge(client, client.queue._consumer.membership.held)
                self._acknowledge(client, list(client.queue.reserve(100).items))
            client.close()
        except ZkmqError as error:
            self._note(Reason.WEDGED, f"after the call: {error!r}")

    def _ask(self) -> None:
        """Ask the call's own error for the outcome if it is unknown."""
        if isinstance(self.outcome.error, OutcomeUnknownError):
            answers = self.outcome.error.resolve()
            self.outcome.settled = tuple(each.took_effect for each in answers)

    def _acknowledge(self, client: Client, items: list[Item]) -> None:
        for item in [item for item in items if item.hold is Hold.HELD]:
            with suppress(NotHeldError):
                client.queue.done(item)
                self.other.consumed.append(self.other.account(item))

    def _found(self, store: SteeredStore) -> Found:
        other = self.other
        nodes = _read_tree(store, other.root)
        places = trees.decode(nodes, other.root)
        parent = f"{other.root}/consumers/"
        return Found(
            put=[*other.put_so_far, *self.operation.adds],
            names=other.names,
            consumed=other.consumed,
            drains=self.drains,
            places={
                place: [payload for _, payload in getattr(places, place)]
                for place in ("items", "claims", "partial", "dead", "delayed")
            },
            registrations=[path for path in nodes if path.rpartition("/")[0] + "/" == parent],
            journal=self.proxy.journal,
            expired=self.proxy.expired,
            root=other.root,
            trouble=self.trouble,
        )

    def _note(self, reason: Reason, detail: str) -> None:
        self.trouble.append(Violation(reason, detail))


def _step(janitor: Janitor, until_s: float) -> None:
    """Do a step; what a duty could not do in its time, the next step does, as in any queue."""
    while True:
        try:
            janitor.step(until_s)
        except NoQuorumError:
            if time.monotonic() > until_s:
                raise
        else:
            return


def _read_tree(store: SteeredStore, root: str) -> dict[str, bytes]:
    """Every node below the root; one request for each level."""
    nodes: dict[str, bytes] = {}
    level = [root]
    while level:
        reads: list[Read] = []
        for path in level:
            reads += [GetData(path), GetChildren(path)]
        answers = iter(store.read_many(reads, store.now() + PATIENT_S).results)
        below: list[str] = []
        for path in level:
            node, children = next(answers), next(answers)
            if isinstance(node, Znode) and isinstance(children, list):
                nodes[path] = node.data
                below += [f"{path}/{child}" for child in children]
        level = below
    return nodes
