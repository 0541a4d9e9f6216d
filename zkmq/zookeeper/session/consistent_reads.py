"""Read several nodes at one state with single reads, for servers that lack a multi-read."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from zkmq.zookeeper.store import ReadResult, Znode

ATTEMPTS = 50


class Seen(NamedTuple):
    """One answer, and the server's zxid then. `stamp` changes when the children change."""

    value: Znode | list[str] | None
    zxid: int | None
    stamp: int = 0


def one_state(read: Callable[[], Sequence[Seen]]) -> ReadResult:
    """Read until all answers hold at one state; after 50 attempts the result has no zxid.

    They hold at one state if the server's zxid was the same for all of them. They also do if the
    next attempt finds every node and list with the same stamps, so that nothing changed between.
    """
    before: list[Seen] = []
    for _ in range(ATTEMPTS):
        seen = list(read())
        zxids = {each.zxid for each in seen}
        if len(zxids) == 1 and None not in zxids:
            return ReadResult([each.value for each in seen], zxids.pop())
        if before and all(map(_unchanged, before, seen)):
            return ReadResult([each.value for each in seen], _last(before))
        before = seen
    return ReadResult([each.value for each in before], None)


def _unchanged(before: Seen, after: Seen) -> bool:
    """Whether an answer is the same. A node that was missing twice may have existed in between."""
    return before.value is not None and before[::2] == after[::2]


def _last(seen: Sequence[Seen]) -> int:
    return max(each.zxid for each in seen if each.zxid is not None)
