"""The interface of a queue under test, and the settings of its clients.

Any queue can be tested that implements `Subject`: docs/your-own-queue.md. An exception with
`definite = True` means that the call certainly had no effect (`fail`); any other one means that
its outcome is unknown (`info`).
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Final, Literal, Protocol

from pydantic import Field

from harness.clients import payload
from harness.common.settings.registry import Registry
from harness.common.settings.setting_types import MAX_SECONDS, Positive, Strict
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


class CannotReleaseError(Exception):
    """The queue has no way to give an item back; nothing was changed."""

    definite = True


class NoGroupsError(Exception):
    """The queue has no groups; nothing was put."""

    definite = True


class Subject(Protocol):
    """One client of a queue: one session, one registration. Used by one thread.

    A class is made with `(config: SubjectConfig, note: Note)`. That connects, and must not change
    the queue: it is tried again if it raises a definite error or one of the connection.
    `put`, `reserve`, `done`, `leftover` and `close` have to be there; with `takes` the third and
    fourth are not called. Each call must end within `deadline_s`, a reserve `timeout_s` later.

    Attributes:
        takes: its reserve removes the item at once, so it is recorded as `take` and needs no done.
        most: how many items one reserve gives at most; None if there is no limit.
    """

    takes: ClassVar[bool] = False
    most: ClassVar[int | None] = None

    @property
    def session(self) -> str | None:
        """Return the session's id, for the history."""
        return None

    @property
    def consumer(self) -> str | None:
        """Return the consumer's name; None before the first reserve."""
        return None

    @property
    def producer(self) -> str | None:
        """Return the producer's name; None before the first put."""
        return None

    def put(self, value: Value, priority: int) -> Applied:
        """Put an item; returning means that it was acknowledged."""
        ...

    def put_in_group(self, value: Value, priority: int, group: str) -> Applied:
        """Put an item of which consumers hold one of the group at a time; only for `groups`."""
        raise NoGroupsError(f"{type(self).__name__} has no groups")

    def reserve(self, n: int, timeout_s: float, *, sync: bool) -> Reserved:
        """Take up to n items and hold them; wait up to `timeout_s` for the first.

        An empty answer means that there was no item to take. With `sync` that must be so at some
        moment between call and answer, not on a server that lags: the drain believes it.
        """
        ...

    def done(self, items: Sequence[Taken]) -> Applied:
        """Acknowledge items that this client holds."""
        ...

    def release(self, items: Sequence[Taken]) -> Applied:
        """Give items back to their old place; only `check-all: {release_every}` asks for that."""
        raise CannotReleaseError(f"{type(self).__name__} cannot give items back")

    def leftover(self) -> int:
        """Return how many items anybody holds, or are delayed, and so may yet become available.

        The drain ends when this is 0 and a later `reserve` with `sync` finds nothing.
        """
        ...

    def close(self) -> None:
        """Give everything back and end the session, so that nothing of it happens afterwards."""
        ...

    @staticmethod
    def places(nodes: Mapping[str, bytes], root: str) -> dict[str, list[Value]]:  # noqa: ARG004
        """Sort a raw copy of the tree (absolute path -> data) into places, values in order.

        Here: each znode with data counts as an item that waits.
        """
        return {"items": [value_of(nodes[path]) for path in sorted(nodes) if nodes[path]]}


subjects: Final[Registry[Subject]] = Registry("subject", "harness.clients")


class QueueSettings(Strict):
    """The keys of a scenario that say how its clients use the queue."""

    order: Literal["strict", "relaxed"] = "strict"
    """Of zkmq's consumers: `relaxed` lets many of them work side by side."""
    segment_items: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Items per segment of zkmq over `kazoo`; with few, producers roll to the next one often. None
    leaves it to zkmq.
    """
    session_timeout_s: Annotated[float, Field(ge=1, le=MAX_SECONDS)] = 4.0
    """Of the clients' ZooKeeper sessions."""
    deadline_s: Positive = 30.0
    """How long each call of a client may take."""


class SubjectConfig(QueueSettings):
    """How a worker reaches the queue.

    Attributes:
        kind: the subject's name, or `module:Class`.
        folders: where the module is looked for, if no installed one has its name.
        where: the place in the scenario that names the subject, for errors; empty for none.
        hosts: connect string.
        gateway: its URL, for clients that speak HTTP; empty for ZooKeeper's own protocol.
        path: the queue's root znode.
    """

    kind: str
    folders: list[str] = Field(default=[])
    where: str = ""
    hosts: str
    gateway: str = ""
    path: str = "/queue"


def value_of(data: bytes) -> Value:
    """Read an item's value back from its payload, without what pads it."""
    return payload.plain(data.decode(errors="replace"))


def silent_logger() -> logging.Logger:
    """Return a logger that prints nothing: under faults kazoo logs without end."""
    logger = logging.getLogger("harness.silent")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger
