"""The network between nodes: packets dropped by nft and slowed by tc, inside each sandbox.

A rule is a pair of chains in the table `inet nemesis`, each verdict with a counter: a rule that
counted no packet did not bite. One `nft -f` call takes a node from an old rule to a new one at
once; other tables stay as they are, since Docker's own name service lives there.
"""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cluster.cluster_errors import ClusterError
from cluster.engine.each import each
from harness.target import Drops, Evidence, Shape, UnsupportedError

if TYPE_CHECKING:
    from cluster.pods.pod import Pod

TABLE = "inet nemesis"
DEVICE = "eth0"
READS = 3  # a listing was seen to come back empty, with status 0, on a busy machine
_LIST = "nft -j list table inet nemesis 2>/dev/null || echo '{}'"
# A table without a rule goes too: whoever finds the table finds a fault.
_TIDY = "nft list table inet nemesis | grep -q chain || nft delete table inet nemesis"


class Network:
    """The rules of all nodes; keeps no state of its own, so any process can take them off."""

    def __init__(self, pods: Mapping[int, "Pod"]) -> None:
        self._pods = pods

    def drop(self, rule: str, drops: Mapping[int, Drops]) -> Evidence:
        """Put a rule in force on all nodes at once; see `harness.target.Quorum`."""
        began = time.monotonic()
        addresses = {id: pod.ip for id, pod in self._pods.items()}
        unwanted = Drops()

        def put(pod: "Pod") -> None:
            mine = drops.get(pod.id, unwanted)
            script = script_of(rule, mine, addresses)
            load = f"nft -f - <<'RULES'\n{script}RULES\n"
            command = f"{load}{_TIDY}" if mine == unwanted else f"{pod.lease.take()} && {load}"
            pod.run(["sh", "-c", command])

        each(self._pods.values(), put)
        return {"in_force_ms": round((time.monotonic() - began) * 1000)}

    def dropped(self, rule: str) -> dict[int, dict[int, int]]:
        """Return packets dropped by node that has the rule, and by the peer it lost them with.

        Raises:
            ClusterError: a lease was not renewed, so rules may have ended by themselves.
        """
        for pod in self._pods.values():
            pod.lease.check()
        seen = each(self._pods.values(), lambda pod: counted(listing(pod), rule))
        peers = {pod.ip: id for id, pod in self._pods.items()}
        return {
            id: {peers[address]: packets for address, packets in lost.items()}
            for id, lost in zip(self._pods, seen, strict=True)
            if lost
        }


def script_of(rule: str, drops: Drops, addresses: Mapping[int, str]) -> str:
    """Return the nft script that takes a node to `drops`, whatever the rule was before."""
    lines = [f"add table {TABLE}"]
    for way, peers, field in (("in", drops.deaf_to, "saddr"), ("out", drops.mute_to, "daddr")):
        chain = f"{TABLE} {rule}_{way}"
        hook = "input" if way == "in" else "output"
        lines.append(f"add chain {chain} {{ type filter hook {hook} priority -10; }}")
        lines.append(f"flush chain {chain}")
        # A rule for each peer: a counter of them all would not tell whom the cut has met.
        for peer in sorted(peers):
            match = f"ip {field} {addresses[peer]}"
            lines.append(f"add rule {chain} {match} {_chance(drops)}counter drop")
        if not peers:
            lines.append(f"delete chain {chain}")
    return "\n".join(lines) + "\n"


def listing(pod: "Pod") -> str:
    """Return a node's rules and their counters, as nft's JSON.

    Raises:
        ClusterError: nothing came back, which even a node without rules does not answer.
    """
    return _answer(pod, ["sh", "-c", _LIST], "nft list")


def _answer(pod: "Pod", command: list[str], what: str) -> str:
    for _ in range(READS):
        if told := pod.run(command).strip():
            return told
    raise ClusterError(f"node {pod.id}: {what}: expected JSON, got nothing {READS} times")


def counted(rules: str, rule: str) -> dict[str, int]:
    """Return the packets that a rule's chains dropped, by peer's address, from nft's JSON.

    Empty only if the node does not have the rule; one that dropped nothing yet counts zeros.
    """
    packets: Counter[str] = Counter()
    for entry in json.loads(rules).get("nftables", []):
        if entry.get("rule", {}).get("chain") in {f"{rule}_in", f"{rule}_out"}:
            found = {kind: value for part in entry["rule"]["expr"] for kind, value in part.items()}
            packets[_peer(entry["rule"]["expr"])] += found["counter"]["packets"]
    return dict(packets)


def _peer(expressions: Sequence[Mapping[str, Any]]) -> str:
    """Return the address that a rule is about: it is matched with the packet's own header."""
    matches = (part["match"] for part in expressions if "match" in part)
    return next(str(match["right"]) for match in matches if "payload" in match["left"])


def shape(pod: "Pod", shape: Shape | None) -> Evidence:
    """Slow down what leaves a node, or no more; see `harness.target.Node`."""
    if shape is None:
        pod.run(["sh", "-c", f"tc qdisc del dev {DEVICE} root 2>/dev/null || true"])
        return {"node": pod.id}
    command = f"tc qdisc replace dev {DEVICE} root {discipline(shape)}"
    try:
        pod.run(["sh", "-c", f"{pod.lease.take()} && {command}"])
    except ClusterError as error:
        if "qdisc kind is unknown" in str(error):
            raise UnsupportedError(f"node {pod.id}: this kernel has no {command}") from error
        raise
    return {"node": pod.id, "shape": discipline(shape)}


def shaped(pod: "Pod") -> Evidence:
    """Return what the shape let through and what it held back.

    Raises:
        ClusterError: tc did not name what the device has.
    """
    told = _answer(pod, ["tc", "-s", "-j", "qdisc", "show", "dev", DEVICE], "tc show")
    try:
        root = json.loads(told)[0]
        held = root["overlimits"] if root["kind"] == "tbf" else root["packets"]
        return {"node": pod.id, "kind": root["kind"], "packets": root["packets"], "held": held}
    except (ValueError, LookupError) as error:
        raise ClusterError(
            f"node {pod.id}: tc show: expected a queue with its counts, got {told!r}"
        ) from error


def discipline(shape: Shape) -> str:
    """Return tc's words for a shape."""
    if shape.delay_ms or shape.jitter_ms or shape.reorder_percent:
        words = f"netem delay {shape.delay_ms}ms {shape.jitter_ms}ms"
        words += f" reorder {shape.reorder_percent}%" if shape.reorder_percent else ""
        return words + (f" rate {shape.rate_kbit}kbit" if shape.rate_kbit else "")
    # The burst holds one full packet, and the queue a second of traffic: slow, not lossy.
    return f"tbf rate {shape.rate_kbit}kbit burst 2kb latency 1s"


def supports_netem(pod: "Pod") -> bool:
    """Try netem on the loopback device of a sandbox, where it hurts nobody."""
    words = "netem delay 0ms"
    told = pod.run(
        ["sh", "-c", f"tc qdisc add dev lo root {words} 2>&1 && tc qdisc del dev lo root || true"]
    )
    return "unknown" not in told


def _chance(drops: Drops) -> str:
    return (
        "" if drops.percent >= 100 else f"numgen random mod 10000 < {round(drops.percent * 100)} "
    )
