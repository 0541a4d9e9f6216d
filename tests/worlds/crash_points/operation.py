"""What a row of the table of operations says, and the other client that its hooks work with."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from worlds.crash_points.client import PATIENT_S, Client
from zkmq.janitor.claim_returner import ClaimReturner
from zkmq.janitor.reaper import Reaper
from zkmq.queue import Queue
from zkmq.tree.item import Item
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.store import Delete, Store

QUEUE, DEAD, PARTIAL, DELAYED, NOWHERE = "queue", "dead", "partial", "delayed", "nowhere"
Places = Mapping[bytes, str]


@dataclass(frozen=True, slots=True)
class Consumed:
    """An item that somebody took and acknowledged.

    `claims` is how often it had been claimed by then, by the server's account.
    """

    payload: bytes
    id: str
    delivery: int
    claims: int
    put_zxid: int | None


class Other:
    """Another client of the same queue, on a connection of its own that nothing strikes at."""

    def __init__(self, store: Store, root: str, *, segment_items: int) -> None:
        self.queue = Queue(store, root, janitor=False, segment_items=segment_items)
        self.root = root
        self.names: list[str] = []
        self.put_so_far: list[bytes] = []
        self.claims: Counter[str] = Counter()
        self.consumed: list[Consumed] = []
        # Claims by the client under test, by item; the trial sets it.
        self.claims_elsewhere: Callable[[], Counter[str]] = Counter
        self._store = store
        self._dead: str | None = None

    def put(self, *payloads: bytes, **options: Any) -> None:
        """Put."""
        for payload in payloads:
            put = self.queue.put(payload, **options)
            if put.duplicate:
                continue
            self.put_so_far.append(payload)
            if put.name is not None:
                self.names.append(put.name)

    def take(self, n: int) -> tuple[Item, ...]:
        """Hold up to `n` items."""
        items = self.queue.reserve(n, sync=True).items
        self.claims.update(item.id for item in items)
        return items

    def consume(self, n: int) -> list[Consumed]:
        """Take up to `n` items and acknowledge them."""
        items = self.take(n)
        if items:
            self.queue.done(*items)
        consumed = [self.account(item) for item in items]
        self.consumed += consumed
        return consumed

    def account(self, item: Item) -> Consumed:
        """What is to be known about a consumed item."""
        claims = self.claims[item.id] + self.claims_elsewhere()[item.id]
        return Consumed(item.data, item.id, item.delivery, claims, item.put_zxid)

    def take_and_return(self) -> None:
        """What others do while a request is on its way: hold the first item and return it."""
        items = self.take(1)
        if items:
            self.queue.release(*items)

    def die_holding(self, n: int) -> None:
        """Hold items in a registration whose session is over, as far as the tree can tell."""
        self.take(n)
        registration = self.queue._consumer.membership._registration
        assert registration is not None
        self._dead = registration.consumer
        self._store.commit([Delete(registration.ticket.path)], self._store.now() + PATIENT_S)
        registration.end()

    def reap(self) -> None:
        """Do what a second janitor would: take back what the dead one held."""
        assert self._dead is not None
        tree = QueueTree(self.root)
        returner = ClaimReturner(self._store, tree, None)
        Reaper(self._store, tree, returner).reap(self._dead, self._store.now() + PATIENT_S)


def nothing(_: Any) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One row.

    Attributes:
        call: what is struck at.
        prepare: what the other client does first.
        ready: what the client itself does first.
        meanwhile: what the other client does while a request of the call is held.
        probe: what the other client does after the call.
        adds: payloads that `ready` and `call` put, in order.
        before: where payloads are if the call took no effect; unnamed ones are in the queue.
        after: the same if it took effect.
        write_size: the call puts `adds` in several writes of so many, in order; 0: in one.
        renames: items get new names, so that deliveries and order cannot be told by name.
        settings: of the client's queue.
        segment_items: of the tree.
    """

    name: str
    call: Callable[[Client], Any]
    prepare: Callable[[Other], Any] = nothing
    ready: Callable[[Client], Any] = nothing
    meanwhile: Callable[[Other], Any] = Other.take_and_return
    probe: Callable[[Other], Any] = nothing
    adds: tuple[bytes, ...] = ()
    before: Places = field(default_factory=dict)
    after: Places = field(default_factory=dict)
    write_size: int = 0
    renames: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    segment_items: int = 1000
