"""Read several nodes at one state with single reads, for servers that lack a multi-read."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple

from zkmq.zookeeper.refusal import refusal
from zkmq.zookeeper.store import Code, Denied, Read, ReadResult, Znode

ATTEMPTS = 50


class Refusal(Enum):
    """Stands for the answer to a read that the node's ACL refused."""

    DENIED = "denied"


Value = Znode | list[str] | Refusal | None


class View(NamedTuple):
    """Answers to several reads, as the server gave them; else like `ReadResult`."""

    values: Sequence[Value]
    zxid: int | None

    def result(self, reads: Sequence[Read], denied: Denied | None) -> ReadResult:
        """The answers for the caller, with None for each refusal, which `denied` hears of.

        Raises:
            AccessDeniedError: a read was refused, and there is no `denied`.
        """
        results: list[Znode | list[str] | None] = []
        for read, value in zip(reads, self.values, strict=True):
            results.append(permitted(read.path, value, denied))
        return ReadResult(results, self.zxid)


def permitted(path: str, value: Value, denied: Denied | None) -> Znode | list[str] | None:
    """The answer for the caller: None for a refusal, which `denied` hears of.

    Raises:
        AccessDeniedError: the read was refused, and there is no `denied`.
    """
    if not isinstance(value, Refusal):
        return value
    if denied is None:
        raise refusal(path, "read", Code.NO_AUTH)
    denied(path)
    return None


class Seen(NamedTuple):
    """One answer, and the server's zxid then. `stamp` changes when the children change."""

    value: Value
    zxid: int | None
    stamp: int = 0


def one_state(read: Callable[[], Sequence[Seen]]) -> View:
    """Read until all answers hold at one state; after 50 attempts the result has no zxid.

    They hold at one state if the server's zxid was the same for all of them. They also do if the
    next attempt finds every node and list with the same stamps, so that nothing changed between.
    """
    before: list[Seen] = []
    for _ in range(ATTEMPTS):
        seen = list(read())
        zxids = {each.zxid for each in seen}
        if len(zxids) == 1 and None not in zxids:
            return View([each.value for each in seen], zxids.pop())
        if before and all(map(_unchanged, before, seen)):
            last = max(each.zxid for each in before if each.zxid is not None)
            return View([each.value for each in seen], last)
        before = seen
    return View([each.value for each in before], None)


def _unchanged(before: Seen, after: Seen) -> bool:
    """Whether an answer is the same. A node that was missing twice may have existed in between."""
    return before.value is not None and before[::2] == after[::2]
