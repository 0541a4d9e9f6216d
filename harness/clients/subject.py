"""The small queue protocol that workloads speak, and zkmq behind it.

Other queues can stand in for zkmq by implementing `Subject`; what they raise is mapped to fail
(certainly no effect) or info (unknown) by the attribute `definite`, and unmarked means unknown.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from harness.history.record import Value

Note = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What is known of a call that took effect."""

    zxid: int | None = None
    attempts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One delivered item: its value, how often it was delivered, and the subject's handle."""

    value: Value
    delivery: int | None = None
    handle: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved(Applied):
    """The answer to a reserve; `read_zxid` is where an empty one found nothing.

    `consumer` is who got the items, which may be lost again, and the name with them, by now.
    """

    items: Sequence[Taken] = ()
    consumer: str | None = None
    read_zxid: int | None = None
    window: int | None = None


class Subject(Protocol):
    """One client of a queue: one session, one registration.

    Attributes:
        takes: its reserve removes the item at once, so it is recorded as `take` and needs no done.
        most: how many items one reserve gives, whatever it is asked for; None if it may give all.
    """

    takes: ClassVar[bool]
    most: ClassVar[int | None]

    @property
    def session(self) -> str | None:
        """Return the session's id, for the history."""
        ...

    @property
    def consumer(self) -> str | None:
        """Return the consumer's name; None before the first reserve."""
        ...

    @property
    def producer(self) -> str | None:
        """Return the producer's name; None before the first put."""
        ...

    def put(self, value: Value, priority: int) -> Applied:
        """Put one item."""
        ...

    def reserve(self, n: int, timeout_s: float, *, sync: bool) -> Reserved:
        """Take up to n items into one's hand; waits up to `timeout_s` for the first."""
        ...

    def done(self, items: Sequence[Taken]) -> Applied:
        """Acknowledge items one holds."""
        ...

    def release(self, items: Sequence[Taken]) -> Applied:
        """Give items back to their old place."""
        ...

    def leftover(self) -> int:
        """Return how many items are held by others or are delayed, so may yet come back."""
        ...

    def close(self) -> None:
        """Give everything back and end the session."""
        ...

    @staticmethod
    def places(nodes: Mapping[str, bytes], root: str) -> dict[str, list[Value]]:
        """Sort a raw copy of the tree (absolute path -> data) into places, values in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectConfig:
    """How a worker reaches the queue.

    Attributes:
        kind: which subject (see `harness.clients.known_subjects`).
        hosts: connect string.
        gateway: its URL, for a subject that speaks HTTP.
        path: the queue's root znode.
        order: of a zkmq consumer, strict or relaxed.
        segment_items: how many items of zkmq share a segment; None leaves it to zkmq.
    """

    kind: str
    hosts: str
    gateway: str = ""
    path: str = "/queue"
    order: Literal["strict", "relaxed"] = "strict"
    segment_items: int | None = None
    session_timeout_s: float = 4.0
    deadline_s: float = 30.0


def value_of(data: bytes) -> Value:
    """Read an item's value back from its payload."""
    text = data.decode(errors="replace")
    return int(text) if text.lstrip("-").isdigit() else text


def silent_logger() -> logging.Logger:
    """Return a logger that prints nothing: a client under faults complains all the time."""
    logger = logging.getLogger("harness.silent")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger
