"""The interface of a queue under test, and the settings of its clients.

Any queue can be tested that implements `Subject`. An exception with `definite = True` means that
the call certainly had no effect (`fail`); any other one means that nobody knows (`info`).
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import Field

from harness.common.setting_types import MAX_SECONDS, Positive, Strict
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
    """The answer to a reserve; `read_zxid` is the state in which an empty one found nothing.

    `consumer` is the registration that got the items, even if it has been lost since.
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
        """Put an item; returning means that it was acknowledged."""
        ...

    def reserve(self, n: int, timeout_s: float, *, sync: bool) -> Reserved:
        """Take up to n items and hold them; wait up to `timeout_s` for the first."""
        ...

    def done(self, items: Sequence[Taken]) -> Applied:
        """Acknowledge items that this client holds."""
        ...

    def release(self, items: Sequence[Taken]) -> Applied:
        """Give items back to their old place."""
        ...

    def leftover(self) -> int:
        """Return how many items somebody holds, or are delayed, and so may yet become available."""
        ...

    def close(self) -> None:
        """Give everything back and end the session."""
        ...

    @staticmethod
    def places(nodes: Mapping[str, bytes], root: str) -> dict[str, list[Value]]:
        """Sort a raw copy of the tree (absolute path -> data) into places, values in order."""
        ...


class QueueSettings(Strict):
    """The keys of a scenario that say how its clients use the queue.

    Attributes:
        order: of a zkmq consumer, strict or relaxed.
        segment_items: how many items of zkmq share a segment; None leaves it to zkmq.
    """

    order: Literal["strict", "relaxed"] = "strict"
    segment_items: Annotated[int, Field(ge=1, le=10_000)] | None = None
    session_timeout_s: Annotated[float, Field(ge=1, le=MAX_SECONDS)] = 4.0
    deadline_s: Positive = 30.0


class SubjectConfig(QueueSettings):
    """How a worker reaches the queue.

    Attributes:
        kind: which subject (see `harness.clients.known_subjects`).
        hosts: connect string.
        gateway: its URL, for a subject that speaks HTTP.
        path: the queue's root znode.
    """

    kind: str
    hosts: str
    gateway: str = ""
    path: str = "/queue"


def value_of(data: bytes) -> Value:
    """Read an item's value back from its payload."""
    text = data.decode(errors="replace")
    return int(text) if text.lstrip("-").isdigit() else text


def silent_logger() -> logging.Logger:
    """Return a logger that prints nothing: under faults kazoo logs without end."""
    logger = logging.getLogger("harness.silent")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger
