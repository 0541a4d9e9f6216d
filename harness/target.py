"""What the harness asks of a quorum, so that faults and workloads never see Docker."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.errors import TargetError

__all__ = ["Evidence", "Node", "NodeStatus", "Quorum", "TargetError"]

Evidence = dict[str, Any]
"""What was observed of a fault, JSON-ready; it goes into the history and results.json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """One look at one server.

    Attributes:
        node: the server's id, from 1.
        mode: `leader`, `follower`, `observer` or `standalone` for a serving one; `looking`: it
            answers and does not serve; `silent`: running, no answer in time; `paused`; `down`.
        zxid: the last one it has seen; None unless it serves.
        metrics: what `mntr` says, where it was asked for.
    """

    node: int
    mode: str
    zxid: int | None = None
    metrics: Mapping[str, str] | None = None

    @property
    def serving(self) -> bool:
        """Tell whether clients get answers from it."""
        return self.mode in {"leader", "follower", "observer", "standalone"}


class Node(Protocol):
    """One member of the quorum: a server with an address and a disk that outlive it."""

    id: int

    @property
    def client_address(self) -> str:
        """Return `127.0.0.1:port`, the same for the node's whole life."""
        ...

    def kill(self) -> Evidence:
        """End the server with SIGKILL and wait until it is gone."""
        ...

    def start(self) -> Evidence:
        """Start the server that is down; does not wait until it serves."""
        ...

    def wipe(self) -> Evidence:
        """Delete the database of a server that is down; its id stays."""
        ...

    def pause(self) -> Evidence:
        """Freeze the server: its sockets stay open, nothing answers."""
        ...

    def resume(self) -> Evidence:
        """Let a paused server go on."""
        ...

    def status(self, *, metrics: bool = False) -> NodeStatus:
        """Look at the server once; never blocks longer than about a second."""
        ...


class Quorum(Protocol):
    """The ensemble."""

    @property
    def nodes(self) -> Mapping[int, Node]:
        """Return the members by id."""
        ...

    @property
    def hosts(self) -> str:
        """Return the connect string that clients use, all members, comma separated."""
        ...

    def statuses(self, *, metrics: bool = False) -> Sequence[NodeStatus]:
        """Look at all servers at once, in order of id."""
        ...

    def leader(self, *, within_s: float = 10) -> int:
        """Return the id of the one that leads now.

        Raises:
            TargetError: for `within_s` nobody, or more than one, said so.
        """
        ...

    def wait_ready(self, *, within_s: float = 60, nodes: Collection[int] | None = None) -> float:
        """Wait until `nodes` (all) serve and one leads; return the seconds it took.

        Raises:
            TargetError: it did not come to that in time; says what each node was last seen as.
        """
        ...

    def logs(self) -> Iterator[tuple[int, bytes]]:
        """Give each server's log, whole."""
        ...
