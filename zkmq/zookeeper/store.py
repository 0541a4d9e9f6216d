"""The interface between the queue's protocol and ZooKeeper.

The protocol uses nothing else, starts no thread and reads no other clock. So the same code runs on
`zkmq.zookeeper.session.kazoo_store` and in a simulation with virtual time. Paths are absolute.

A function of zkmq that has a `deadline_s` raises NoQuorumError if there was no answer by
then, unless it says something else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

# The longest request that a server accepts, unless its `jute.maxbuffer` says otherwise.
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
    """Fail the multi unless the node exists with that version."""

    path: str
    version: int


Op = Create | Delete | SetData | CheckVersion


class Code(Enum):
    """The reason for which a server refused an operation of a multi."""

    NO_NODE = -101
    NO_AUTH = -102
    BAD_VERSION = -103
    NODE_EXISTS = -110
    NOT_EMPTY = -111
    OTHER = 0


@dataclass(frozen=True, slots=True)
class Committed:
    """The whole multi took effect at `zxid`.

    `created` has the path of each Create and None for each other operation, in order. `mtime_ms`
    is the server's wall clock; None if the multi had no SetData.
    """

    zxid: int
    created: Sequence[str | None]
    mtime_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The multi took no effect, because operation `index` (from 0) could not.

    `number` is ZooKeeper's error number, which says more if the code is OTHER. In that case `index`
    is also 0 if the server refused the request as a whole.
    """

    index: int
    code: Code
    number: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer: the multi may have taken effect, may yet, or never will.

    If it was not `sent`, because there was no connection, it certainly never takes effect.
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
    """A node as read: its data and the part of its stat that the queue uses.

    `child_changes` counts the creations and deletions of children (`cversion`).
    """

    data: bytes
    version: int
    czxid: int
    mzxid: int
    ctime_ms: int
    mtime_ms: int
    children: int
    owner: int
    child_changes: int = 0


class ReadResult(NamedTuple):
    """Answers to several reads, in their order: a Node, a list of names, or None for no such node.

    None also stands for a node whose ACL refused the read, if the caller gave `denied`.

    `zxid` is the state in which all of them hold together; None if the server could not read
    them at one point.
    """

    results: Sequence[Znode | list[str] | None]
    zxid: int | None


class Pending(Protocol):
    """A multi that was sent and is not answered yet."""

    def reply(self, deadline_s: float) -> Reply:
        """Wait for the answer until `deadline_s` on the store's clock; then it is Lost."""


class Signal(Protocol):
    """An event that a watch sets and one waiter waits for."""

    def set(self) -> None:
        """Wake the waiter, now or at its next wait."""

    def wait(self, until_s: float) -> bool:
        """Wait until set, or until `until_s` on the store's clock; clear, and return which."""


Watcher = Callable[[], None]
# Called with the path of a node whose ACL lets this client not read it.
Denied = Callable[[str], None]


def unread(path: str) -> None:
    """Do without a node that may not be read: for callers to which it says nothing."""


def is_there(store: "Store", path: str, deadline_s: float, denied: Denied = unread) -> bool:
    """Whether a node exists. One that may not be read does, and `denied` is called with it."""
    refused: list[str] = []
    if store.exists(path, deadline_s, denied=refused.append) is not None:
        return True
    for each in refused:
        denied(each)
    return bool(refused)


class Store(Protocol):
    """One client of ZooKeeper, which has one session at a time.

    A deadline is a point on `now()`. The store repeats reads until they are answered; after the
    deadline they raise NoQuorumError. It sends writes once; the protocol decides whether to resend.
    Multis reach the server in the order of the calls, as long as one session lasts. Every call may
    raise ClosedError.
    """

    @property
    def session_id(self) -> int | None:
        """The session that the next request would use; None while there is none."""

    def submit(self, ops: Sequence[Op]) -> Pending:
        """Send a multi without waiting for its answer."""

    def weigh(self, ops: Sequence[Op]) -> int:
        """The length of a multi's request in bytes. Servers accept `MAX_REQUEST_BYTES`."""

    def commit(self, ops: Sequence[Op], deadline_s: float) -> Reply:
        """Send a multi once and wait for its answer."""

    def wait_connected(self, deadline_s: float) -> bool:
        """Wait until requests can be sent; False if that took too long."""

    def list(
        self,
        path: str,
        deadline_s: float,
        watch: Watcher | None = None,
        *,
        denied: Denied | None = None,
    ) -> list[str] | None:
        """The children of a node, in no order; None if there is no such node.

        `watch` is called once: when a child comes or goes, or the connection does. If the node's
        ACL refuses the read, no watch is armed, and `denied` is called; the answer is None then.
        Without `denied`, that raises AccessDeniedError.
        """

    def exists(
        self,
        path: str,
        deadline_s: float,
        watch: Watcher | None = None,
        *,
        denied: Denied | None = None,
    ) -> Znode | None:
        """A node's stat, with empty data; `watch` is called once, also when a node appears.

        From 3.8.4 and 3.9.2 on, servers refuse it for a node whose ACL refuses the read, as a
        `list`: such a node does exist. `is_there` asks for no more than that.
        """

    def read_many(
        self, reads: Sequence[Read], deadline_s: float, *, denied: Denied | None = None
    ) -> ReadResult:
        """Read several nodes in one request, and so at one state.

        A caller that can do without a node whose ACL refuses the read gives `denied`. It is called
        for each such read, and the answer is None then. Without it, that raises AccessDeniedError.
        """

    def sync(self, path: str, deadline_s: float) -> None:
        """Make later reads see what the leader had committed. Not guaranteed during a partition."""

    def signal(self) -> Signal:
        """Make a signal for one waiter."""

    def now(self) -> float:
        """Seconds on a monotonic clock."""

    def sleep(self, seconds: float) -> None:
        """Sleep on the store's clock."""

    def on_session_lost(self, callback: Callable[[int], None]) -> Callable[[], None]:
        """Call `callback` with the id of a session that has ended, or may have.

        From then on the store never uses that session, and closes it if a server still has it. So
        what it held is free soon. Returns a function that ends the callbacks, since a store may
        outlive the queues that use it.
        """

    def close(self, deadline_s: float | None = None) -> None:
        """End the session, and with it its ephemeral nodes.

        Waits for the servers until the deadline, and one second at most.
        """
