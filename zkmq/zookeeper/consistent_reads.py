"""One state out of single reads, for servers that cannot read several things at once."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from zkmq.zookeeper.store import ReadResult, Znode

ATTEMPTS = 50


class Seen(NamedTuple):
    """One answer: what was read and the server's state then; `stamp` changes with the names."""

    value: Znode | list[str] | None
    zxid: int | None
    stamp: int = 0


def one_state(read: Callable[[], Sequence[Seen]]) -> ReadResult:
    """Read until all answers hold together; at most 50 times, and then the View has no zxid.

    They do if the server was in one state throughout. Else they do if the next round finds the
    same again: every node and list with its stamps, and so unchanged at the end of the first.
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
    """Of what was missing twice, nobody knows whether it was there between."""
    return before.value is not None and before[::2] == after[::2]


def _last(seen: Sequence[Seen]) -> int:
    return max(each.zxid for each in seen if each.zxid is not None)
