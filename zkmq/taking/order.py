"""The order in which consumers take: "strict", or "relaxed", each its share of the first items.

In relaxed order, a hash of an item's name gives each item of the window to one of the live
consumers, so that claims seldom collide. A consumer claims its own items first, in order. If it
sees none of its own, it claims any item of the window, so that the share of a slow or dead consumer
is not left behind.
"""

import zlib
from collections.abc import Sequence
from typing import Literal

from zkmq.tree import item_names
from zkmq.tree.json_object import decode_object
from zkmq.tree.paths import QueueTree
from zkmq.zookeeper.store import GetData, Store, unread

Order = Literal["auto", "strict", "relaxed"]
ORDERS: tuple[Order, ...] = ("auto", "strict", "relaxed")
# The key in a registration. Older releases, which took in strict order, do not write it.
KEY = "order"
UNSAID = "strict"
READ_AGAIN_S = 1.0
WINDOW_PER_CONSUMER = 16
# A dead consumer's registration stays until a janitor removes it. With more registrations than
# this, dead ones get a share too, since looking at each would cost too much.
MOST_LOOKED_AT = 32


class RelaxedOrder:
    """One consumer's list of live consumers, which decides its share. Not thread-safe."""

    def __init__(self, store: Store, tree: QueueTree) -> None:
        self._store = store
        self._tree = tree
        self._known_s = float("-inf")
        self._consumers: list[str] = []

    def window(self, n: int, me: str, deadline_s: float) -> int:
        """The number of first items to choose from. A single consumer takes the first `n`."""
        if self._store.now() - self._known_s > READ_AGAIN_S or me not in self._consumers:
            listed = self._store.list(self._tree.consumers, deadline_s) or []
            self._consumers = self._live(sorted(filter(item_names.is_consumer, listed)), deadline_s)
            self._known_s = self._store.now()
        others = len(self._consumers)
        return n if others <= 1 else WINDOW_PER_CONSUMER * n * others

    def _live(self, consumers: list[str], deadline_s: float) -> list[str]:
        """The consumers whose session lives; all of them if there are too many to look at."""
        if len(consumers) > MOST_LOOKED_AT:
            return consumers
        reads = [GetData(self._tree.active(consumer)) for consumer in consumers]
        # The node of one that may not be read is foreign, and takes no share.
        nodes = self._store.read_many(reads, deadline_s, denied=unread).results
        return [each for each, node in zip(consumers, nodes, strict=True) if node is not None]

    def own(self, items: Sequence[str], me: str) -> list[str]:
        """The items that are this consumer's share, in order."""
        count = len(self._consumers)
        if count <= 1 or me not in self._consumers:
            return list(items)
        rank = self._consumers.index(me)
        return [name for name in items if zlib.crc32(name.encode()) % count == rank]


def in_force(registrations: Sequence[bytes]) -> str | None:
    """The order in which the consumers of these registrations take now.

    "mixed" if their settings differ, None if there is no consumer.
    """
    automatic = "strict" if len(registrations) == 1 else "relaxed"
    orders = {_said(each) for each in registrations}
    orders = {automatic if order == "auto" else order for order in orders}
    return "mixed" if len(orders) > 1 else next(iter(orders), None)


def _said(registration: bytes) -> str:
    said = (decode_object(registration) or {}).get(KEY)
    return said if said in ORDERS else UNSAID
