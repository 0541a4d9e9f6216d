"""Hand a consumer over to another process, which then ends what the first process reserved.

A hold belongs to a session, not to a process. After its client is gone, a session lives for its
timeout. Within that time, a process that knows the session's id and password can take it over. The
session fence works as always: once the session has ended on the servers, nothing takes effect.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Self

from zkmq.errors import BadArgumentError, ConsumerLostError
from zkmq.taking.finish import Finisher
from zkmq.taking.held_items import ignore_lost
from zkmq.taking.membership import Membership
from zkmq.tree import envelope
from zkmq.tree.compatibility.open_tree import open_tree
from zkmq.tree.item import Item
from zkmq.tree.item_names import parse
from zkmq.tree.paths import QueueTree
from zkmq.tree.redelivery_policy import RedeliveryPolicy
from zkmq.zookeeper.server_clock import ServerClock
from zkmq.zookeeper.store import GetChildren, GetData, Read, Store, Znode


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What another process needs to take over a consumer. Keep it as secret as a password."""

    session: int
    password: bytes = field(repr=False)
    path: str
    consumer: str

    def encode(self) -> str:
        """Encode the handover as one line of JSON."""
        return json.dumps(asdict(self) | {"password": self.password.hex()})

    @classmethod
    def decode(cls, text: str, where: str) -> Self:
        """Decode what `encode` wrote; `where` is for the error.

        Raises:
            BadArgumentError: the text is something else.
        """
        try:
            value = json.loads(text)
            return cls(
                session=int(value["session"]),
                password=bytes.fromhex(value["password"]),
                path=str(value["path"]),
                consumer=str(value["consumer"]),
            )
        except (ValueError, TypeError, KeyError) as error:
            # Do not show the text or the cause's message: they may contain the password.
            raise BadArgumentError(
                f"{where}: expected what `zkmq reserve --hold` wrote, got something else"
            ) from error


class Holder:
    """A consumer that was taken over, and the items it holds. Not thread-safe.

    `store` is the session of the handover, taken up by this process.

    Raises:
        ConsumerLostError: the session has ended; its items go to other consumers.
    """

    def __init__(self, store: Store, handover: Handover, deadline_s: float) -> None:
        tree, consumer = QueueTree(handover.path), handover.consumer
        # This syncs, since the server may not know yet what the first process did.
        store = bound = open_tree(store, tree, deadline_s)
        clock = ServerClock(store, tree.place("dedup"))
        reads: list[Read] = [GetData(tree.active(consumer)), GetData(tree.consumer(consumer))]
        reads.append(GetChildren(tree.claims(consumer)))
        active, about, names = store.read_many(reads, deadline_s).results
        if not isinstance(active, Znode) or active.owner != store.session_id:
            raise ConsumerLostError(
                f"{consumer}: expected its session still alive, got one that has ended; "
                "its items go to other consumers"
            )
        label = about.data if isinstance(about, Znode) else b""
        listed = sorted(filter(parse, names)) if isinstance(names, list) else []
        claims = [tree.claim(consumer, name) for name in listed]
        nodes = store.read_many([GetData(path) for path in claims], deadline_s).results
        held = [(name, node) for name, node in zip(listed, nodes, strict=True)]
        self.items: Sequence[Item] = [
            _item(consumer, name, node) for name, node in held if isinstance(node, Znode)
        ]
        self._membership = Membership(
            store,
            tree,
            clock,
            label=label.decode(errors="replace"),
            on_lost=ignore_lost,
            ask=lambda _: self._membership.settle(deadline_s),
        )
        self._membership.adopt(consumer, active.version, self.items)
        self.finisher = Finisher(
            store,
            tree,
            self._membership,
            clock,
            RedeliveryPolicy.decode(label),
            segment_items=bound.charter.segment_items,
        )

    def leave(self, deadline_s: float) -> None:
        """Remove the registration, once it holds nothing."""
        self._membership.leave(deadline_s)


def _item(consumer: str, name: str, node: Znode) -> Item:
    header, data = envelope.unwrap(node.data)
    return Item(
        data=data,
        name=name,
        consumer=consumer,
        delivery=header.get("deliveries", 1),
        fence=node.czxid,
        put_zxid=header.get("put_zxid"),
        header=header,
        version=node.version,
    )
