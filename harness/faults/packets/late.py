"""Late links: packets between nodes that arrive late, out of order, or twice."""

from abc import abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar, Protocol

from pydantic import AfterValidator, Field

from harness.common.harness_errors import TargetError
from harness.common.polling import wait_until
from harness.common.settings.setting_types import Milliseconds, Share
from harness.faults import BITES_WITHIN_S, Aim, Fault, description, faults
from harness.faults.description import Modes
from harness.faults.packets import grudges, late_evidence
from harness.target import Evidence, System, Target
from harness.target.disturbances import Lateness

Links = dict[int, dict[int, Lateness]]
"""How late what a node sends to a peer arrives: by sender, then by receiver."""


def _between_two(pair: list[str | int]) -> list[str | int]:
    if pair[0] == pair[1]:
        raise ValueError(f"expected two different nodes, got {pair[0]!r} twice")
    return pair


POLL_S = 0.1
Member = str | int
Pair = Annotated[list[Member], Field(min_length=2, max_length=2), AfterValidator(_between_two)]
Regions = Annotated[
    dict[str, Annotated[list[Member], Field(min_length=1)]], Field(min_length=2, max_length=9)
]


class Late(Fault, Protocol):
    """A fault of links. A subclass defines which links are late, and by how much.

    Clients use other links. They notice only that writes take longer to commit.
    """

    slot: ClassVar[str | None] = "late"

    @abstractmethod
    def links(self, nodes: Sequence[int], everyone: Collection[int]) -> Links:
        """Return the links that are late, and by how much, if `nodes` are the target."""

    def of_clients(self) -> Lateness | None:
        """Return the delay of what these nodes send to clients; None if there is none."""
        return None

    def inject(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Delay the links, and wait up to BITES_WITHIN_S until their round trips are longer.

        If no link answers before, none can show it later: then it is looked at once.
        """
        quorum, links = system.quorum, self.links(nodes, system.quorum.nodes)
        within_ms = 2 * max(
            each.delay_ms + each.jitter_ms for to in links.values() for each in to.values()
        )
        before = quorum.round_trips(links)
        quorum.delay_links(links, self.of_clients())
        wanted = {
            str(id): {str(p): asdict(late) for p, late in to.items()} for id, to in links.items()
        }
        return wait_until(
            lambda: {
                "links": wanted,
                "rtt_before_ms": before,
                "rtt_ms": quorum.round_trips(links, within_ms=within_ms),
                "packets": {str(id): seen for id, seen in quorum.delayed(links).items()},
            },
            self.bit,
            within_s=BITES_WITHIN_S if late_evidence.any_answer(before) else 0.0,
            every_s=POLL_S,
        )

    def bit(self, evidence: Evidence) -> bool:
        """Require longer round trips on each link that had any, and what else was asked for.

        A copy where some are sent, a packet that overtook another where some do not wait, and one
        to a client that waited.
        """
        links = evidence["links"]
        pairs = [(id, peer) for id, to in links.items() for peer in to]
        seen = [late_evidence.is_late(links, id, peer, evidence) for id, peer in pairs]
        packets = evidence.get("packets", {})
        wanted = [
            late_evidence.counted(
                packets, kind, [pair for pair in pairs if links[pair[0]][pair[1]].get(share)]
            )
            for share, kind in (("duplicate_percent", "twice"), ("reorder_percent", "overtook"))
        ]
        if self.of_clients() is not None:
            wanted.append(
                late_evidence.counted(packets, "waited", [(id, "clients") for id in links])
            )
        return any(seen) and False not in seen and all(wanted)

    def heal(self, system: System, nodes: Sequence[int]) -> Evidence:
        """Stop the delays; return how many packets were late.

        Raises:
            TargetError: a node still delays some.
        """
        senders = list(self.links(nodes, system.quorum.nodes))
        seen = {str(id): told for id, told in system.quorum.delayed(senders).items()}
        system.quorum.end_delays(senders)
        if left := system.quorum.delayed(senders):
            raise TargetError(f"late links: expected none, got some from nodes {sorted(left)}")
        return {"packets": seen}


@faults.register("latency")
@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(Late):
    """Delay what nodes send to the other nodes, with jitter, reordering and duplicates."""

    target: Aim = "leader"
    delay_ms: Milliseconds = 100
    """How late packets arrive."""
    jitter_ms: Milliseconds = 0
    """How much the delay varies, both ways. Packets overtake each other."""
    reorder_percent: Share = 0
    """The share of packets that are not late, and overtake those that wait."""
    duplicate_percent: Share = 0
    """The share of packets of which a copy arrives at once, too."""
    clients: bool = False
    """Whether answers to clients are as late as packets to other nodes."""

    @property
    def details(self) -> str:
        """Return the delay, and what else happens to packets."""
        return _told(_lateness(self), *(["clients too"] if self.clients else []))

    def links(self, nodes: Sequence[int], everyone: Collection[int]) -> Links:
        """Delay what these nodes send to all others."""
        return {id: {peer: _lateness(self) for peer in everyone if peer != id} for id in nodes}

    def of_clients(self) -> Lateness | None:
        """Return the same as for nodes, without copies."""
        return Lateness(delay_ms=self.delay_ms, jitter_ms=self.jitter_ms) if self.clients else None


@faults.register("link-latency")
@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLatency(Late):
    """Delay what one node sends to another, for each pair of a list; replies are not delayed.

    A pair holds `leader`, names of `bind` and numbers of nodes.
    """

    pairs: Annotated[list[Pair], Field(min_length=1, max_length=72)]
    """From the first to the second of each pair."""
    delay_ms: Milliseconds = 100
    """How late packets arrive."""
    jitter_ms: Milliseconds = 0
    """How much the delay varies, both ways. Packets overtake each other."""
    reorder_percent: Share = 0
    """The share of packets that are not late, and overtake those that wait."""
    duplicate_percent: Share = 0
    """The share of packets of which a copy arrives at once, too."""

    @property
    def target(self) -> Target:
        """Return all nodes of all pairs, each once."""
        return _each_once(self.pairs)

    @property
    def details(self) -> str:
        """Return the delay, and what else happens to packets."""
        return _told(_lateness(self))

    def whom(self, nodes: Sequence[int], modes: Modes) -> str:
        """Return the links: `1 to 3, 2 to 3`."""
        members = _members(self.pairs)
        if nodes and len(nodes) != len(members):
            return description.nodes(nodes, modes)
        known = dict(zip(members, nodes or members, strict=True))
        return ", ".join(f"{known[sender]} to {known[receiver]}" for sender, receiver in self.pairs)

    def links(self, nodes: Sequence[int], everyone: Collection[int]) -> Links:
        """Delay from the first to the second of each pair."""
        known = dict(zip(_members(self.pairs), nodes, strict=True))
        found: Links = {}
        for sender, receiver in self.pairs:
            found.setdefault(known[sender], {})[known[receiver]] = _lateness(self)
        return found


@faults.register("regions")
@dataclass(frozen=True, slots=True, kw_only=True)
class RegionLatency(Late):
    """Model regions: a round trip between two of them takes `rtt_ms`, half of it each way.

    A region holds `leader`, names of `bind` and numbers of nodes.
    """

    groups: Regions
    """The nodes of each region, by its name."""
    rtt_ms: Annotated[int, Field(ge=2, le=60_000)] = 80
    """How long a round trip between two regions takes."""
    jitter_ms: Milliseconds = 0
    """How much each way varies, more or less."""

    @property
    def target(self) -> Target:
        """Return the nodes of all regions."""
        return _each_once(list(self.groups.values()))

    @property
    def details(self) -> str:
        """Return the round trip between regions."""
        return f" {self.rtt_ms} ms between" + (f", ±{self.jitter_ms}," if self.jitter_ms else "")

    def whom(self, nodes: Sequence[int], modes: Modes) -> str:
        """Return the regions with their nodes."""
        members = _members(list(self.groups.values()))
        if nodes and len(nodes) != len(members):
            return description.nodes(nodes, modes)
        ids = iter(nodes or members)
        named = {
            name: ",".join(str(next(ids)) for _ in group) for name, group in self.groups.items()
        }
        return " | ".join(f"{name} {{{told}}}" for name, told in named.items())

    def links(self, nodes: Sequence[int], everyone: Collection[int]) -> Links:
        """Delay half of the round trip each way, between all nodes of different regions."""
        ids = iter(nodes)
        parts = [[next(ids) for _ in group] for group in self.groups.values()]
        late = Lateness(delay_ms=self.rtt_ms // 2, jitter_ms=self.jitter_ms)
        return {
            id: dict.fromkeys(sorted(drops.deaf_to), late)
            for id, drops in grudges.split(parts).items()
        }


def _lateness(fault: Latency | LinkLatency) -> Lateness:
    return Lateness(
        delay_ms=fault.delay_ms,
        jitter_ms=fault.jitter_ms,
        reorder_percent=fault.reorder_percent,
        duplicate_percent=fault.duplicate_percent,
    )


def _told(late: Lateness, *more: str) -> str:
    jitter = f" ±{late.jitter_ms}" if late.jitter_ms else ""
    shares = {"reordered": late.reorder_percent, "twice": late.duplicate_percent}
    parts = [*(f"{share} % {what}" for what, share in shares.items() if share), *more]
    return (
        f" {late.delay_ms} ms{jitter}" + "".join(f", {part}" for part in parts) + "," * bool(parts)
    )


def _members(groups: Sequence[Sequence[Member]]) -> list[Member]:
    """Return the members of all groups, each once, in order."""
    return list(dict.fromkeys(member for group in groups for member in group))


def _each_once(groups: Sequence[Sequence[Member]]) -> Target:
    return [m if isinstance(m, str) else {"node": m} for m in _members(groups)]
