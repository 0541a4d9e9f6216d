"""All that a run is about, as faults and workloads see it: the quorum, its clients, the gateway."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.common.server_states import NodeStatus, ServerTree, SessionEnds
from harness.common.settings.quorum_config import Role, Software
from harness.target.disturbances import Drops, Lateness, PowerLossModel
from harness.target.node import Evidence, Node

RoundTrips = Mapping[str, Mapping[str, Sequence[float | None]]]
"""Milliseconds of each round, by sender and receiver; None where no answer came in time."""

Target = str | dict[str, int] | list[str | dict[str, int]]
"""A role, a name of `bind`, `{node: 3}`, or a list of those, one node each."""


class Ledger(Protocol):
    """The undo ledger: faults in force, noted on disk before they are injected."""

    def begin(self, entry: Mapping[str, Any]) -> None:
        """Note an injection by its `id`, before it is done, with all that its undoing needs."""
        ...

    def end(self, id: int) -> None:
        """Note that the injection is undone, or never took place."""
        ...


class Quorum(Protocol):
    """The ensemble under test: its servers, the network between them, and its voters."""

    @property
    def ledger(self) -> Ledger:
        """Return the undo ledger of this quorum."""
        ...

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

    def leader(self, *, within_s: float = 30) -> int:
        """Return the id of the one that leads now.

        Raises:
            TargetError: for `within_s` no server, or more than one, said so.
        """
        ...

    def wait_ready(self, *, within_s: float = 60, nodes: Collection[int] | None = None) -> float:
        """Wait until `nodes` (all) serve and one leads; return the seconds it took.

        Raises:
            TargetError: that took longer; says what each node was last seen as.
        """
        ...

    def drop(self, rule: str, drops: Mapping[int, Drops]) -> Evidence:
        """Put the rule of that name in force on all nodes, in place of the one that was.

        Each node goes from the old rule to the new one atomically; a node that `drops` leaves out
        then has none. Return `in_force_ms`, until that was so on every node.
        """
        ...

    def speak(self, pairs: Collection[tuple[int, int]]) -> None:
        """Send a datagram that nobody listens for, from one node to another, for each pair."""
        ...

    def dropped(self, rule: str) -> Mapping[int, Mapping[int, int]]:
        """Return how many packets the rule has dropped, by node that has it and by its peer."""
        ...

    def delay_links(
        self, links: Mapping[int, Mapping[int, Lateness]], clients: Lateness | None = None
    ) -> None:
        """Let what these nodes send to these peers be late, in place of what was before.

        `clients` is for what they send to clients; None leaves that path alone.

        Raises:
            UnsupportedError: the kernel cannot do it; nothing is late.
        """
        ...

    def delayed(self, nodes: Collection[int]) -> Mapping[int, Evidence]:
        """Return how many packets were late, by node with delays, kind, and peer or `clients`.

        The kinds: `late`, sent `twice`, let go after they `waited`, and, of those that did not
        wait, `overtook` one that did.
        """
        ...

    def end_delays(self, nodes: Collection[int]) -> None:
        """Let what these nodes send go at once; doing it twice is fine."""
        ...

    def round_trips(
        self, links: Mapping[int, Collection[int]], *, within_ms: int = 0
    ) -> RoundTrips:
        """Measure how long nodes take to reach peers and get an answer, which may be so late."""
        ...

    def lose_power(self, nodes: Collection[int], model: PowerLossModel) -> Evidence:
        """Kill these servers at once, and take back what was not made durable before.

        Return `killed` as by `Node.kill`, and `lost`: for each node the `operations` noted since
        its disk was new, and how many `writes`, `bytes` and `names` were taken back.

        Raises:
            UnsupportedError: a server does not run under the disk shim; nothing was done.
            TargetError: what was lost can't be taken back; the servers are down.
        """
        ...

    def remove_member(self, node: int) -> Evidence:
        """Take a voter out of the ensemble by reconfiguration; return the `voters` left.

        Raises:
            UnsupportedError: the ensemble was not started for that (`reconfig: true`).
        """
        ...

    def add_member(self, node: int, role: Role = "participant") -> Evidence:
        """Give a server that role; doing it twice is fine. Same return, same errors."""
        ...

    def prepare(self, wanted: Software, say: Callable[[str], None]) -> None:
        """Have at hand what `upgrade` will start; tells `say` what takes long.

        Raises:
            UnmetError: only another release is to be had.
        """
        ...

    def upgrade(self, node: int, wanted: Software) -> Evidence:
        """Put another server in the place of one that is down; does not start it.

        Disk and address stay. Return its `release`.
        """
        ...

    def supports(self, what: str) -> bool:
        """Tell whether the machine can do what a scenario `requires`, such as `nfqueue`."""
        ...

    def logs(self) -> Iterator[tuple[int, bytes]]:
        """Give each server's log, whole."""
        ...

    def trees(self, root: str) -> Sequence[ServerTree]:
        """Read the znodes under `root` from each server by itself, after a sync.

        Servers that differ are read again, until they agree or no longer change.
        """
        ...

    def session_ends(self) -> Sequence[SessionEnds]:
        """Read from each server's transaction log when which session ended."""
        ...

    def versions(self) -> Mapping[str, Any]:
        """Return `zookeeper` (each server's release), `images` and the `engine`."""
        ...

    @property
    def timings_s(self) -> Mapping[str, float]:
        """Return how many seconds the steps of its start took."""
        ...


class Clients(Protocol):
    """The client processes of a run, by number."""

    def running(self, workload: str) -> Sequence[int]:
        """Return the clients of a workload that run now (`any`: all), in order."""
        ...

    def crash(self, client: int) -> Evidence:
        """End a client with SIGKILL and wait until it is gone."""
        ...

    def pause(self, client: int) -> Evidence:
        """Freeze a client with SIGSTOP."""
        ...

    def resume(self, client: int) -> Evidence:
        """Let it go on with SIGCONT; a client that has ended is fine."""
        ...

    def connections(self, client: int, nodes: Collection[int]) -> int:
        """Return how many connections a client has open to these nodes; 0 without a forwarder."""
        ...

    def cut(self, client: int, nodes: Collection[int]) -> Evidence:
        """Hold back all between it and these nodes; refuse nothing, so it sees silence.

        Return `held` as it was, and how many `connections` to these nodes were open.

        Raises:
            UnsupportedError: it does not connect through a forwarder.
        """
        ...

    def mend(self, client: int, nodes: Collection[int]) -> Evidence:
        """Let everything through again between it and these nodes."""
        ...

    def held(self, client: int) -> int:
        """Return how many messages and connections cuts have held back so far."""
        ...


class Gateway(Protocol):
    """What clients reach the quorum through, in a run with `transport: rest`."""

    def kill(self) -> Evidence:
        """End it with SIGKILL; return its `exit_code`, and whether its address still `answers`."""
        ...

    def start(self) -> Evidence:
        """Start it at the same address and wait until it answers; doing it twice is fine."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """All that faults can hurt: servers, clients, and the gateway between them if there is one.

    Attributes:
        chosen: the clients that one injection is about, by number. Fixed before it is injected, so
            that its heal is about the same ones, even if others have ended.
    """

    quorum: Quorum
    clients: Clients
    gateway: Gateway | None = None
    chosen: Sequence[int] = ()

    def members(self, nodes: Sequence[int]) -> list[Node]:
        """Return these servers."""
        return [self.quorum.nodes[id] for id in nodes]
