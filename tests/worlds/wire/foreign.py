"""Nodes that are no queue's, put anywhere in its tree: whoever reaches the servers can do it."""

from collections.abc import Callable
from random import Random

from worlds.memory.zookeeper import Leader
from zkmq.zookeeper.store import Create, Delete

MARK = b"foreign"
HOUR, MINUTE = "0000472222", "0028333333"


def is_foreign(data: bytes) -> bool:
    """Whether a node is one of these, also after a client has moved it."""
    return MARK in data


class Vandal:
    """Creates such nodes under one queue's root, and removes them in the end."""

    def __init__(self, root: str, seed: int) -> None:
        self._root = root
        self._rng = Random(f"{seed}-foreign")
        self._serial = 0
        # Items that no client can move any more, because something stands below them.
        self.blocked: set[str] = set()

    def strike(self, leader: Leader) -> None:
        """Create a few."""
        session = leader.open_session()
        kinds = [self._plain, self._below_an_item, self._unreadable_item, self._in_a_bucket]
        for kind in self._rng.choices(kinds, k=3):
            kind(leader, session)

    def leave(self, leader: Leader) -> None:
        """Remove all of them, and let the queue go on."""
        session = leader.open_session()
        nodes = leader.tree.nodes
        marked = [path for path, node in nodes.items() if is_foreign(node.data)]
        for path in sorted(marked, key=len, reverse=True):
            for below in sorted([p for p in nodes if p.startswith(f"{path}/")], reverse=True):
                leader.multi(session, [Delete(below)])
            leader.multi(session, [Delete(path)])
        self.blocked.clear()

    def _plain(self, leader: Leader, session: int) -> None:
        path = self._rng.choice(
            [
                "items/5", "items/\u00b2", "items/note", "items/100/note", "consumers/5",
                "consumers/note", "delayed/note", "delayed/\u00b2", "dedup/note", "dedup/5",
                "waiting/note", "waiting/0000000000/note", "producers/note", "dead/note",
                "partial/note", "ttr/note",
            ]
        )  # fmt: skip
        self._create(leader, session, path, MARK)

    def _below_an_item(self, leader: Leader, session: int) -> None:
        """A child of an item that waits: the servers will not delete it."""
        item = self._any(leader, lambda parts: parts[0] == "items" and len(parts) == 4)
        if item is not None:
            self.blocked.add(item.rpartition("/")[2])
            self._create(leader, session, f"{item}/note", MARK)

    def _unreadable_item(self, leader: Leader, session: int) -> None:
        segment = self._any(leader, lambda parts: parts[0] == "items" and len(parts) == 3)
        if segment is None:
            return
        lane, number = segment.split("/")[1:]
        self._serial += 1
        name = self._rng.choice([f"item-{lane}-{number}-{10**9 + self._serial:010d}", "note"])
        header = self._rng.choice(
            [
                b'ZKMQ1 {"deliveries":"two"}\n', b'ZKMQ1 {"ttr_s":"soon"}\n',
                b'ZKMQ1 {"deliveries":[]}\n', b"ZKMQ1 {broken\n", b"",
                b'ZKMQ1 {"owner":7,"put_zxid":"x"}\n',
            ]
        )  # fmt: skip
        self._create(leader, session, f"{segment}/{name}", header + MARK + b"%d" % self._serial)

    def _in_a_bucket(self, leader: Leader, session: int) -> None:
        self._serial += 1
        header = self._rng.choice([b'ZKMQ1 {"delay_s":"x"}\n', b'ZKMQ1 {"priority":"high"}\n', b""])
        bucket, name = self._rng.choice(
            [(f"delayed/{MINUTE}", "d-100-note"), (f"dedup/{HOUR}", "")]
        )
        self._create(leader, session, bucket, MARK)
        self._create(leader, session, f"{bucket}/{name}{self._serial}", header + MARK)

    def _any(self, leader: Leader, wanted: Callable[[list[str]], bool]) -> str | None:
        prefix = f"{self._root}/"
        paths = [
            path[len(prefix) :]
            for path, node in leader.tree.nodes.items()
            if path.startswith(prefix) and not is_foreign(node.data)
        ]
        fitting = sorted(path for path in paths if wanted(path.split("/")))
        return self._rng.choice(fitting) if fitting else None

    def _create(self, leader: Leader, session: int, path: str, data: bytes) -> None:
        leader.multi(session, [Create(f"{self._root}/{path}", data)])
