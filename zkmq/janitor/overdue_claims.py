"""Take items back that live consumers hold longer than their time to run."""

import math
from collections.abc import Iterable, Sequence

from zkmq.janitor.claim_returner import ClaimReturner
from zkmq.tree import envelope, item_names
from zkmq.tree.paths import QueueTree, last_part
from zkmq.tree.redelivery_policy import RedeliveryPolicy
from zkmq.zookeeper.request_sizes import read_nodes
from zkmq.zookeeper.store import Code, Committed, GetChildren, GetData, Read, Rejected, Store, Znode

LISTS_AT_ONCE = 100
# Why a claim is refused that its consumer touched or ended since the read.
ENDED = frozenset({Code.NO_NODE, Code.BAD_VERSION})


class OverdueClaims:
    """Finds and takes back overdue claims, for one janitor. Not thread-safe; two do no harm."""

    def __init__(self, store: Store, tree: QueueTree, returner: ClaimReturner) -> None:
        self._store = store
        self._tree = tree
        self._returner = returner
        self._skips = returner.skips
        # When the time to run of each claim ends, by the servers' clock; None if it has none.
        self._due_ms: dict[str, dict[str, float | None]] = {}

    def take_back(
        self, consumers: Sequence[str], now_ms: float, deadline_s: float, until_s: float = math.inf
    ) -> int:
        """Take back items that live consumers hold longer than their time to run.

        Returns how many of the consumers, from the first on, it looked at before `until_s`; at
        least one.
        """
        looked = 0
        while looked < len(consumers):
            part = consumers[looked : looked + LISTS_AT_ONCE]
            reads: list[Read] = [GetChildren(self._tree.claims(consumer)) for consumer in part]
            held = self._store.read_many(reads, deadline_s, denied=self._skips.deny).results
            for consumer, listed in zip(part, held, strict=True):
                claims = listed if isinstance(listed, list) else []
                self._take_back_of(consumer, claims, now_ms, deadline_s)
                looked += 1
                if self._store.now() >= min(until_s, deadline_s):
                    return looked
        return looked

    def forget_others(self, consumers: Iterable[str]) -> None:
        """Forget the claims of all consumers but these."""
        known = set(consumers)
        self._due_ms = {each: due for each, due in self._due_ms.items() if each in known}

    def _take_back_of(
        self, consumer: str, listed: Sequence[str], now_ms: float, deadline_s: float
    ) -> None:
        parent = self._tree.claims(consumer)
        paths = [f"{parent}/{name}" for name in listed if item_names.parse(name)]
        known = self._due_ms.get(consumer, {})
        due = self._due_ms[consumer] = {path: known[path] for path in paths if path in known}
        look = [path for path in paths if _may_be_over(due, path, now_ms)]
        for path, node in self._read(
            [path for path in look if path not in self._skips], deadline_s
        ):
            header, _ = envelope.unwrap(node.data)
            ttr_s = header.get("ttr_s")
            over_ms = None if ttr_s is None else node.mtime_ms + ttr_s * 1000
            due[path] = over_ms
            if over_ms is not None and over_ms <= now_ms:
                self._take(consumer, path, node, deadline_s)
                due.pop(path, None)  # if it was neither taken back nor touched, read it again

    def _take(self, consumer: str, path: str, node: Znode, deadline_s: float) -> None:
        """Take back one claim, unless its consumer touched or ended it since the read."""
        (registration,) = self._store.read_many(
            [GetData(self._tree.consumer(consumer))], deadline_s, denied=self._skips.deny
        ).results
        if not isinstance(registration, Znode):
            return
        claim = (last_part(path), node)
        policy = RedeliveryPolicy.decode(registration.data)
        if not self._returner.fits(path, node, policy, deadline_s):
            return
        while self._store.now() < deadline_s:
            ops, returned = self._returner.moves(consumer, policy, [claim], deadline_s)
            match self._store.commit(ops, deadline_s):
                case Committed(zxid):
                    self._returner.report(returned, zxid)
                    return
                case Rejected(index, code) if self._returner.learn(ops[index], code):
                    continue
                case Rejected(index, code, number) if index or code not in ENDED:
                    self._skips.refused(path, ops[index].path, code, number)
            return

    def _read(self, paths: Sequence[str], deadline_s: float) -> Iterable[tuple[str, Znode]]:
        return read_nodes(self._store, paths, deadline_s, denied=self._skips.deny)


def _may_be_over(due: dict[str, float | None], path: str, now_ms: float) -> bool:
    over_ms = due.get(path, -math.inf)  # not read yet
    return over_ms is not None and over_ms <= now_ms
