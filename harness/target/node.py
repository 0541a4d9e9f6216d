"""One server of the quorum as faults see it: what they may do to it, and what they observe."""

from typing import Any, Protocol

from harness.common.server_states import NodeStatus
from harness.target.disturbances import Damage, DiskRule, FailpointRule, FileKind, Shape

Evidence = dict[str, Any]
"""What was observed of a fault, as JSON values; it goes into the history and results.json."""

DOWN = frozenset({"created", "exited"})
"""The engine's words for a server whose process is not there; a paused one is."""


class Node(Protocol):
    """One member of the quorum: a server with an address and a disk that outlive it."""

    id: int
    host: str
    """The name of the engine of its machine; empty if all nodes are on one."""

    @property
    def process(self) -> str:
        """Return the engine's word for the server's process; the network is not asked.

        `created`, `running`, `paused` or `exited`, whether or not the server can be reached.
        """
        ...

    @property
    def client_address(self) -> str:
        """Return `127.0.0.1:port`, the same for the node's whole life."""
        ...

    def kill(self) -> Evidence:
        """End the server with SIGKILL and wait until it is gone."""
        ...

    def stop(self) -> Evidence:
        """End the server with SIGTERM, as an orderly restart does, and wait until it is gone."""
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

    def shape(self, shape: Shape | None) -> Evidence:
        """Slow down what leaves the node; None takes the last shape off. Doing it twice is fine.

        Raises:
            UnsupportedError: the kernel cannot do it.
        """
        ...

    def shaped(self) -> Evidence:
        """Return what the shape did so far: `packets`, and `held`, how many had to wait."""
        ...

    def set_clock(self, offset_s: float) -> Evidence:
        """Move the server's wall clock; return `offset_s` as the server now sees it.

        Raises:
            UnsupportedError: the server shares the machine's clock.
        """
        ...

    def strobe_clock(self, offset_s: float, period_s: float) -> Evidence:
        """Jump between both times every half period until `set_clock`; returns the same."""
        ...

    def fill_disk(self) -> Evidence:
        """Leave no byte free on the disk; return `free_kb` and whether a `write_failed`.

        Raises:
            UnsupportedError: the disk is not one of limited size of the node's own.
        """
        ...

    def free_disk(self) -> Evidence:
        """Remove what `fill_disk` wrote; doing it twice is fine."""
        ...

    def damage(self, file: FileKind, how: Damage, *, running: bool = False) -> Evidence:
        """Damage the newest file of a kind, of a server that is down; return what `changed`.

        With `running` it has to run, and goes on with the file.

        Raises:
            UnsupportedError: the server is not so, or has nothing that can be damaged so.
        """
        ...

    def break_disk(self, rule: DiskRule) -> Evidence:
        """Put a rule in force on the server's calls to its disk; returns at once.

        Raises:
            UnsupportedError: the server does not run under the disk shim, or a rule is in force.
        """
        ...

    def disk_calls(self) -> Evidence:
        """Return how many calls the rule has `matched` and `injected`, and the first file `hit`."""
        ...

    def mend_disk(self) -> Evidence:
        """Take the rule off; return `disk_calls` as they were. Doing it twice is fine."""
        ...

    def set_failpoint(self, name: str, rule: FailpointRule) -> Evidence:
        """Put the rule of that name in force; of a server that is down, from its start on.

        Raises:
            UnsupportedError: the server does not run under the agent, it has no such point, or a
                rule of that name is in force.
        """
        ...

    def failpoint_hits(self, name: str) -> Evidence:
        """Return how many threads the rule has `counted` and `struck`, and the `first` it struck.

        The first one has `thread`, `at_ms` since 1970, and `held_ms` once it went on. A rule that
        is not in force has counted none.
        """
        ...

    def clear_failpoint(self, name: str) -> Evidence:
        """Take the rule off, so that whom it holds goes on; return its hits. Twice is fine."""
        ...

    def log(self) -> bytes:
        """Return all that the servers of this node have written."""
        ...

    def status(self, *, metrics: bool = False) -> NodeStatus:
        """Look at the server once; never blocks longer than about a second."""
        ...
