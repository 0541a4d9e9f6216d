"""The seam between the queue's protocol and ZooKeeper: what the core asks of a session.

The core uses nothing else, starts no thread and reads no other clock, so the same code runs on
`zkmq.zookeeper.kazoo_store` and in a simulation with virtual time. Paths are absolute.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

# What a server takes of one request, unless its `jute.maxbuffer` says otherwise.
MAX_REQUEST_BYTES = 1_048_575


class Create(NamedTuple):
    """Make a node; with `sequence`, the server appends ten digits to the path."""

    path: str
    data: bytes = b""
    ephemeral: bool = False
    sequence: bool = False


class Delete(NamedTuple):
    """Remove a childless node of that version; -1 is any version."""

    path: str
    version: int = -1


class SetData(NamedTuple):
    """Replace a node's data if it has that version, which grows by one; -1 is any version."""

    path: str
    data: bytes
    version: int


class CheckVersion(NamedTuple):
    """Demand that a node exists with that version."""

    path: str
    version: int


Op = Create | Delete | SetData | CheckVersion


class Code(Enum):
    """Why a server refused an operation of a multi."""

    NO_NODE = -101
    NO_AUTH = -102
    BAD_VERSION = -103
    NODE_EXISTS = -110
    NOT_EMPTY = -111
    OTHER = 0


@dataclass(frozen=True, slots=True)
class Committed:
    """The multi took effect at `zxid`, all of it.

    `created` has the path of each Create and None for each other operation, in order. `mtime_ms`
    is the server's wall clock, known if the multi had a SetData.
    """

    zxid: int
    created: Sequence[str | None]
    mtime_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The multi took no effect, because operation `index` (from 0) could not.

    `number` is ZooKeeper's own for the reason. It tells more where the code is OTHER; `index` is
    0 then if the server refused the request as such, without a look at its operations.
    """

    index: int
    code: Code
    number: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer: the multi may have taken effect, may yet, or never will.

    Not `sent`, because there was no connection, it certainly never will.
    """

    reason: str
    sent: bool = True


Reply = Committed | Rejected | Lost


class GetData(NamedTuple):
    """Read a node's data and stat."""

    path: str


class GetChildren(NamedTuple):
    """Read the names of a node's children."""

    path: str


Read = GetData | GetChildren


class Znode(NamedTuple):
    """A node as read: its data and the part of its stat that the queue uses."""

    data: bytes
    version: int
    czxid: int
    mzxid: int
    ctime_ms: int
    mtime_ms: int
    children: int
    owner: int


class ReadResult(NamedTuple):
    """Answers to several reads, in their order: a Node, a list of names, or None for no such node.

    `zxid` is the state in which all of them hold together; None if the server could not read
    them at one point.
    """

    results: Sequence[Znode | list[str] | None]
    zxid: int | None


class Pending(Protocol):
    """A multi that was sent, or is about to be."""

    def reply(self, deadline_s: float) -> Reply:
        """Wait for the answer until `deadline_s` on the store's clock; then it is Lost."""


class Signal(Protocol):
    """What a watch sets and a waiter waits for."""

    def set(self) -> None:
        """Wake the waiter, now or when it comes to wait."""

    def wait(self, until_s: float) -> bool:
        """Wait until set, or until `until_s` on the store's clock; clear, and tell which."""


Watcher = Callable[[], None]


class Store(Protocol):
    """One client of ZooKeeper, which has one session at a time.

    A deadline is a point on `now()`. Reads repeat until answered; past the deadline they raise
    NoQuorumError. Writes are sent once: whether to send again is for the protocol to decide.
    Multis submitted one after the other reach the server in that order, while one session lasts.
    Every call may raise ClosedError.
    """

    @property
    def session_id(self) -> int | None:
        """The session the next request would use; None while there is none."""

    def submit(self, ops: Sequence[Op]) -> Pending:
        """Send a multi without waiting for its answer."""

    def weigh(self, ops: Sequence[Op]) -> int:
        """How many bytes the request of a multi has; servers take `MAX_REQUEST_BYTES`."""

    def commit(self, ops: Sequence[Op], deadline_s: float) -> Reply:
        """Send a multi once and wait for its answer."""

    def wait_connected(self, deadline_s: float) -> bool:
        """Wait until requests can be sent; False if that took too long."""

    def list(self, path: str, deadline_s: float, watch: Watcher | None = None) -> list[str] | None:
        """Children of a node, in no order; None if there is no such node.

        `watch` is called once: when a child comes or goes, or the connection does.
        """

    def exists(self, path: str, deadline_s: float, watch: Watcher | None = None) -> Znode | None:
        """A node's stat, with empty data; `watch` is called once, also when a node appears."""

    def read_many(self, reads: Sequence[Read], deadline_s: float) -> ReadResult:
        """Several reads in one request."""

    def sync(self, path: str, deadline_s: float) -> None:
        """Make later reads see all that the leader had committed; not proof against a split."""

    def signal(self) -> Signal:
        """Make a signal."""

    def now(self) -> float:
        """Seconds on a monotonic clock."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""

    def on_session_lost(self, callback: Callable[[int], None]) -> Callable[[], None]:
        """Call with the session's id when it has ended, or may have.

        It is never used again from then on, and closed if a server still has it: what it held is
        free soon, whether or not this client ever asks again.
        Returns what ends that: a store outlives the queues that use it.
        """

    def close(self) -> None:
        """End the session; its ephemeral nodes go."""
