"""A quorum and clients in memory: what faults ask for takes effect at once, or never (numb)."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from harness.common.harness_errors import UnsupportedError
from harness.common.server_states import NodeStatus
from harness.common.settings.quorum_config import Role, Software
from harness.target import Evidence, RoundTrips
from harness.target.disturbances import (
    Damage,
    DiskRule,
    Drops,
    FailpointRule,
    FileKind,
    Lateness,
    PowerLossModel,
    Shape,
)


class FakeLedger:
    """Remembers what is open."""

    def __init__(self) -> None:
        self.entries: dict[int, dict[str, Any]] = {}
        self.begun: list[dict[str, Any]] = []

    def begin(self, entry: Mapping[str, Any]) -> None:
        """Open an entry."""
        self.begun.append(dict(entry))
        self.entries[entry["id"]] = dict(entry)

    def end(self, id: int) -> None:
        """Close it."""
        self.entries.pop(id, None)


class FakeNode:
    """One server; `numb` ones obey in words only.

    A thread of it comes to every failpoint at once, unless it is `quiet`.
    """

    host = ""

    def __init__(self, id: int, *, numb: bool = False) -> None:
        self.id, self.numb = id, numb
        self.up, self.paused, self.full = True, False, False
        self.unreachable = False
        self.clock_s = 0.0
        self.starts = 1
        self.wipes = 0
        self.shape_now: Shape | None = None
        self.disk_rule: DiskRule | None = None
        self.failpoints: dict[str, FailpointRule] = {}
        self.quiet = False
        self.lines: list[bytes] = []

    @property
    def client_address(self) -> str:
        """Return an address that nobody listens on."""
        return f"127.0.0.1:{self.id}"

    @property
    def process(self) -> str:
        """Return what the engine says, which needs no network."""
        return "paused" if self.paused else "running" if self.up else "exited"

    def kill(self) -> Evidence:
        """Die."""
        return self._end(137)

    def stop(self) -> Evidence:
        """End in order."""
        return self._end(143)

    def start(self) -> Evidence:
        """Run again."""
        if not self.numb:
            self.up = True
            self.starts += 1
        return self._seen("running")

    def wipe(self) -> Evidence:
        """Lose the disk."""
        self.wipes += not self.numb
        return {"node": self.id, "wiped_kb": int(not self.numb), "left": ["myid"]}

    def pause(self) -> Evidence:
        """Freeze."""
        self._require_running("pause")
        self.paused = not self.numb
        return self._seen("paused")

    def resume(self) -> Evidence:
        """Go on."""
        self.paused = False
        return self._seen("running")

    def shape(self, shape: Shape | None) -> Evidence:
        """Slow down."""
        self.shape_now = None if self.numb else shape
        return {"node": self.id}

    def shaped(self) -> Evidence:
        """Tell what the shape did."""
        kind = "noqueue" if self.shape_now is None else "tbf"
        return {"node": self.id, "kind": kind, "held": int(self.shape_now is not None)}

    def set_clock(self, offset_s: float) -> Evidence:
        """Jump."""
        self.clock_s = 0.0 if self.numb else offset_s
        return {"node": self.id, "offset_s": self.clock_s}

    def strobe_clock(self, offset_s: float, period_s: float) -> Evidence:
        """Jump to and fro."""
        self.clock_s = 0.0 if self.numb else offset_s
        return {"node": self.id, "offset_s": offset_s, "seen_s": sorted({0.0, self.clock_s})}

    def fill_disk(self) -> Evidence:
        """Be full."""
        self.full = not self.numb
        return {"node": self.id, "write_failed": self.full}

    def free_disk(self) -> Evidence:
        """Have room."""
        self.full = False
        return {"node": self.id}

    def damage(self, file: FileKind, how: Damage, *, running: bool = False) -> Evidence:
        """Have another file than before."""
        return {"node": self.id, "changed": not self.numb}

    def break_disk(self, rule: DiskRule) -> Evidence:
        """Disturb the disk."""
        self.disk_rule = None if self.numb else rule
        return {"node": self.id}

    def disk_calls(self) -> Evidence:
        """Count one call that was hit."""
        return {"node": self.id, "injected": int(self.disk_rule is not None)}

    def mend_disk(self) -> Evidence:
        """Leave the disk alone."""
        seen, self.disk_rule = self.disk_calls(), None
        return seen

    def set_failpoint(self, name: str, rule: FailpointRule) -> Evidence:
        """Strike a thread."""
        if name in self.failpoints:
            raise UnsupportedError(f"node {self.id}: {rule.point} has a rule of another fault")
        if not self.numb:
            self.failpoints[name] = rule
        return self.failpoint_hits(name)

    def failpoint_hits(self, name: str) -> Evidence:
        """Count one thread, which a `halt` takes the server from."""
        rule = self.failpoints.get(name)
        struck = rule is not None and not self.quiet
        self.up = self.up and not (struck and rule is not None and rule.effect == "halt")
        return {"node": self.id, "in_force": rule is not None, "struck": int(struck)}

    def clear_failpoint(self, name: str) -> Evidence:
        """Let it go on."""
        seen = self.failpoint_hits(name)
        self.failpoints.pop(name, None)
        return seen

    def log(self) -> bytes:
        """Return what it wrote."""
        return b"\n".join(self.lines)

    def status(self, *, metrics: bool = False) -> NodeStatus:
        """Return its state, without a role."""
        mode = "paused" if self.paused else "follower" if self.up else "down"
        return NodeStatus(node=self.id, mode="silent" if self.unreachable else mode)

    def state(self) -> tuple[Any, ...]:
        """Return all that healing must bring back."""
        rules = tuple(self.failpoints)
        return self.up, self.paused, self.full, self.clock_s, self.shape_now, self.disk_rule, rules

    def _require_running(self, what: str) -> None:
        if not self.up:
            raise UnsupportedError(f"node {self.id}: {what}: expected a server that runs")

    def _end(self, status: int) -> Evidence:
        self._require_running("end")
        seen = self._seen("exited") | {"exit_code": 0 if self.numb else status}
        self.up = self.up and self.numb
        return seen

    def _seen(self, state: str) -> Evidence:
        return {"node": self.id, "state": state, "started_at": f"start {self.starts}"}


class FakeQuorum:
    """Five servers; the one with the highest id that runs leads."""

    def __init__(self, nodes: int = 5, *, numb: bool = False) -> None:
        self.numb = numb
        self._nodes = {id: FakeNode(id, numb=numb) for id in range(1, nodes + 1)}
        self.rules: dict[str, dict[int, Drops]] = {}
        self.late: dict[int, dict[int, Lateness]] = {}
        self.late_clients = False
        self.uncounted = set[str]()  # kinds of late packets of which there are none
        self.voters = set(self._nodes)
        self.releases = dict.fromkeys(self._nodes, "3.9.3")
        self.ledger = FakeLedger()
        self.slow_to_serve: set[int] = set()
        self.mute: set[int] = set()
        self.spoken: set[frozenset[int]] = set()

    @property
    def nodes(self) -> Mapping[int, FakeNode]:
        """Return the members by id."""
        return self._nodes

    @property
    def hosts(self) -> str:
        """Return nobody's addresses."""
        return ""

    def statuses(self, *, metrics: bool = False) -> Sequence[NodeStatus]:
        """Look at all."""
        running = {node.id for node in self._nodes.values() if node.up and not node.paused}
        serving = sorted(running - self.slow_to_serve)
        return [self._status(node, serving) for node in self._nodes.values()]

    def leader(self, *, within_s: float = 30) -> int:
        """Return who leads."""
        return next(s.node for s in self.statuses() if s.mode == "leader")

    def wait_ready(self, *, within_s: float = 60, nodes: Collection[int] | None = None) -> float:
        """Be ready."""
        return 0.0

    def drop(self, rule: str, drops: Mapping[int, Drops]) -> Evidence:
        """Replace the rule."""
        self.rules[rule] = dict(drops)
        return {"in_force_ms": 1}

    def speak(self, pairs: Collection[tuple[int, int]]) -> None:
        """Let even the mute lose a packet."""
        self.spoken |= {frozenset(pair) for pair in pairs}

    def dropped(self, rule: str) -> Mapping[int, Mapping[int, int]]:
        """Count one packet from each peer that is not silent, or none if nothing takes effect."""
        return {
            id: {
                peer: int(
                    not self.numb and ({id, peer} in self.spoken or not self.mute & {id, peer})
                )
                for peer in sorted(drops.deaf_to | drops.mute_to)
            }
            for id, drops in self.rules.get(rule, {}).items()
        }

    def delay_links(
        self, links: Mapping[int, Mapping[int, Lateness]], clients: Lateness | None = None
    ) -> None:
        """Be late."""
        self.late |= {} if self.numb else {id: dict(to) for id, to in links.items()}
        self.late_clients = clients is not None

    def delayed(self, nodes: Collection[int]) -> Mapping[int, Evidence]:
        """Count one packet of each kind that there is on each late link."""
        clients = ["clients"] if self.late_clients else []
        return {
            id: {
                kind: dict.fromkeys(
                    map(str, [*self.late[id], *clients]), int(kind not in self.uncounted)
                )
                for kind in ("late", "twice", "waited", "overtook")
            }
            for id in nodes
            if id in self.late
        }

    def end_delays(self, nodes: Collection[int]) -> None:
        """Be in time again."""
        self.late = {id: to for id, to in self.late.items() if id not in nodes}

    def round_trips(
        self, links: Mapping[int, Collection[int]], *, within_ms: int = 0
    ) -> RoundTrips:
        """Take a millisecond, and both delays; no answer from the mute."""
        return {
            str(id): {
                str(peer): [None if {id, peer} & self.mute else 1.0 + self._late_ms(id, peer)]
                for peer in peers
            }
            for id, peers in links.items()
        }

    def _late_ms(self, id: int, peer: int) -> int:
        ways = (self.late.get(id, {}).get(peer), self.late.get(peer, {}).get(id))
        return sum(way.delay_ms for way in ways if way is not None)

    def lose_power(self, nodes: Collection[int], model: PowerLossModel) -> Evidence:
        """Die, all of these."""
        killed = [self._nodes[id].kill() for id in nodes]
        for id in nodes:
            self._nodes[id].disk_rule = None
        operations = int(not self.numb)
        lost = [{"node": id, "model": model, "operations": operations} for id in nodes]
        return {"killed": killed, "lost": lost}

    def remove_member(self, node: int) -> Evidence:
        """Take a voter out."""
        self.voters -= set() if self.numb else {node}
        return {"node": node, "voters": sorted(self.voters)}

    def add_member(self, node: int, role: Role = "participant") -> Evidence:
        """Give it the role."""
        if not self.numb:
            self.voters = self.voters | {node} if role == "participant" else self.voters - {node}
        return {"node": node, "voters": sorted(self.voters)}

    def prepare(self, wanted: Software, say: Callable[[str], None]) -> None:
        """Need nothing."""

    def upgrade(self, node: int, wanted: Software) -> Evidence:
        """Change a release."""
        if not self.numb:
            self.releases[node] = str(wanted)
        return {"node": node, "release": str(wanted)}

    def supports(self, what: str) -> bool:
        """Support everything."""
        return True

    def logs(self) -> Iterator[tuple[int, bytes]]:
        """Give each log."""
        return ((id, node.log()) for id, node in self._nodes.items())

    def state(self) -> tuple[Any, ...]:
        """Return all that healing must bring back."""
        rules = {name: drops for name, drops in self.rules.items() if drops}
        nodes = tuple(n.state() for n in self._nodes.values())
        return nodes, rules, frozenset(self.voters), dict(self.late)

    def _status(self, node: FakeNode, serving: Sequence[int]) -> NodeStatus:
        seen = node.status()
        if seen.mode == "follower" and node.id in self.slow_to_serve:
            return NodeStatus(node=node.id, mode="looking")
        if node.id not in serving:
            return seen
        leads = node.id == max(serving)
        metrics = {"zk_version": f"{self.releases[node.id]}-fake"}
        if leads:
            metrics["zk_synced_followers"] = str(len(serving) - 1)
        mode = "leader" if leads else "follower" if node.id in self.voters else "observer"
        return NodeStatus(node=node.id, mode=mode, zxid=1, metrics=metrics)


class FakeClients:
    """Three clients of one workload."""

    def __init__(self, *, numb: bool = False) -> None:
        self.numb = numb
        self.states = {0: "running", 1: "running", 2: "running"}
        self.cuts: dict[int, Collection[int]] = {}
        self.idle: set[int] = set()
        self.connected = {0: 1, 1: 2, 2: 2}  # each client's node

    def running(self, workload: str) -> Sequence[int]:
        """Return those alive."""
        return [id for id, state in self.states.items() if state != "dead"]

    def crash(self, client: int) -> Evidence:
        """Die."""
        self.states[client] = "running" if self.numb else "dead"
        return {"client": client, "exit_code": 0 if self.numb else -9}

    def pause(self, client: int) -> Evidence:
        """Stop."""
        self.states[client] = "running" if self.numb else "paused"
        return {"client": client, "state": "S" if self.numb else "T"}

    def resume(self, client: int) -> Evidence:
        """Go on."""
        self.states[client] = "running"
        return {"client": client, "state": "S"}

    def connections(self, client: int, nodes: Collection[int]) -> int:
        """Count the one connection, if it is to one of these."""
        return int(self.connected[client] in nodes)

    def cut(self, client: int, nodes: Collection[int]) -> Evidence:
        """Hear nothing from these."""
        self.cuts[client] = nodes
        connections = self.connections(client, nodes)
        return {"client": client, "nodes": sorted(nodes), "held": 0, "connections": connections}

    def mend(self, client: int, nodes: Collection[int]) -> Evidence:
        """Hear these again."""
        left = set(self.cuts.pop(client, ())) - set(nodes)
        self.cuts |= {client: left} if left else {}
        return {"client": client, "held": 1}

    def held(self, client: int) -> int:
        """Count one held message, or none if nothing takes effect."""
        return int(client in self.cuts and client not in self.idle and not self.numb)

    def state(self) -> tuple[Any, ...]:
        """Return all that healing must bring back."""
        return tuple(self.states.items()), dict(self.cuts)


class FakeGateway:
    """A gateway that answers while it is up."""

    def __init__(self, *, numb: bool = False) -> None:
        self.numb, self.up = numb, True

    def kill(self) -> Evidence:
        """Die."""
        self.up = self.numb
        return {"exit_code": 0 if self.numb else -9, "answers": self.up}

    def start(self) -> Evidence:
        """Live."""
        self.up = True
        return {"answers": True}

    def state(self) -> tuple[Any, ...]:
        """Return all that healing must bring back."""
        return (self.up,)


class UnableNode(FakeNode):
    """A node that can do nothing of what needs a special machine."""

    def pause(self) -> Evidence:
        """Refuse."""
        raise UnsupportedError(f"node {self.id}: no control groups")

    def shape(self, shape: Shape | None) -> Evidence:
        """Refuse."""
        raise UnsupportedError(f"node {self.id}: no such discipline")

    def set_clock(self, offset_s: float) -> Evidence:
        """Refuse."""
        raise UnsupportedError(f"node {self.id}: no clock of its own")

    def strobe_clock(self, offset_s: float, period_s: float) -> Evidence:
        """Refuse."""
        return self.set_clock(offset_s)

    def fill_disk(self) -> Evidence:
        """Refuse."""
        raise UnsupportedError(f"node {self.id}: no disk of its own")

    def damage(self, file: FileKind, how: Damage, *, running: bool = False) -> Evidence:
        """Refuse."""
        raise UnsupportedError(f"node {self.id}: no such file")

    def break_disk(self, rule: DiskRule) -> Evidence:
        """Refuse."""
        raise UnsupportedError(f"node {self.id}: no shim")

    def set_failpoint(self, name: str, rule: FailpointRule) -> Evidence:
        """Refuse."""
        raise UnsupportedError(f"node {self.id}: no agent")
