"""The network between nodes: packets dropped by nft and slowed by tc, inside each sandbox.

A rule is a pair of chains in the table `inet nemesis`. Each verdict has a counter: a rule that
counted no packet did not bite. One `nft -f` call takes a node from an old rule to a new one
atomically. Other tables stay as they are, since Docker's own name service lives there.
"""

import json
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from cluster.cluster_errors import ClusterError
from cluster.engine.each import each
from cluster.pods.sandbox import CLIENTS_DEVICE, DEVICE, TABLE, UNSHAPE, Sandbox
from harness.common.harness_errors import UnsupportedError
from harness.target import Evidence
from harness.target.disturbances import Drops, Shape

_LIST = "nft -j list table inet nemesis 2>/dev/null || echo '{}'"
# A table without a rule goes too: a table that is there means that a fault is in force.
_TIDY = "nft list table inet nemesis | grep -q chain || nft delete table inet nemesis"


def drop(sandboxes: Mapping[int, Sandbox], rule: str, drops: Mapping[int, Drops]) -> Evidence:
    """Put a rule in force on all nodes at once; see `harness.target.Quorum`."""
    began = time.monotonic()
    addresses = {id: sandbox.ip for id, sandbox in sandboxes.items()}
    nothing = Drops()

    def put(sandbox: Sandbox) -> None:
        mine = drops.get(sandbox.id, nothing)
        script = script_of(rule, mine, addresses)
        load = f"nft -f - <<'RULES'\n{script}RULES\n"
        command = f"{load}{_TIDY}" if mine == nothing else f"{sandbox.lease.take()} && {load}"
        sandbox.repeat(["sh", "-c", command])

    each(sandboxes.values(), put)
    return {"in_force_ms": round((time.monotonic() - began) * 1000)}


def speak(sandboxes: Mapping[int, Sandbox], pairs: Collection[tuple[int, int]]) -> None:
    """Send a datagram that nobody listens for, from one node to another, for each pair."""

    def send(id: int) -> None:
        peers = [sandboxes[peer].ip for sender, peer in sorted(pairs) if sender == id]
        # A rule of the sender's own refuses it, and has counted it.
        script = 'for peer; do echo > "/dev/udp/$peer/9" || true; done'
        sandboxes[id].run(["bash", "-c", script, "speak", *peers])

    each(sorted({sender for sender, _ in pairs}), send)


def dropped(sandboxes: Mapping[int, Sandbox], rule: str) -> dict[int, dict[int, int]]:
    """Return packets dropped, by node that has the rule and by the peer it lost them with.

    Raises:
        ClusterError: a lease was not renewed, so rules may have ended by themselves.
    """
    for sandbox in sandboxes.values():
        sandbox.lease.check()
    seen = each(sandboxes.values(), lambda sandbox: counted(listing(sandbox), rule))
    peers = {sandbox.ip: id for id, sandbox in sandboxes.items()}
    return {
        id: {peers[address]: packets for address, packets in lost.items()}
        for id, lost in zip(sandboxes, seen, strict=True)
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
        # A rule for each peer: one counter for all would not tell which of them lost packets.
        for peer in sorted(peers):
            match = f"ip {field} {addresses[peer]}"
            lines.append(f"add rule {chain} {match} {_chance(drops)}counter drop")
        if not peers:
            lines.append(f"delete chain {chain}")
    return "\n".join(lines) + "\n"


def listing(sandbox: Sandbox) -> str:
    """Return a node's rules and their counters, as nft's JSON; `{}` if it has none."""
    return sandbox.ask(["sh", "-c", _LIST], "nft list")


def counted(rules: str, rule: str) -> dict[str, int]:
    """Return the packets that a rule's chains dropped, by peer's address, from nft's JSON.

    Empty only if the node does not have the rule; one that dropped nothing yet counts zeros.

    Raises:
        ClusterError: it is not JSON, but a part of it.
    """
    packets: Counter[str] = Counter()
    try:
        entries = json.loads(rules).get("nftables", [])
    except (ValueError, AttributeError) as error:
        raise ClusterError(f"nft list: expected rules as JSON, got {rules[:200]!r}") from error
    for entry in entries:
        if entry.get("rule", {}).get("chain") in {f"{rule}_in", f"{rule}_out"}:
            found = {kind: value for part in entry["rule"]["expr"] for kind, value in part.items()}
            packets[_peer(entry["rule"]["expr"])] += found["counter"]["packets"]
    return dict(packets)


def _peer(expressions: Sequence[Mapping[str, Any]]) -> str:
    """Return the address that a rule is about: it is matched with the packet's own header."""
    matches = (part["match"] for part in expressions if "match" in part)
    return next(str(match["right"]) for match in matches if "payload" in match["left"])


def shape(sandbox: Sandbox, shape: Shape | None) -> Evidence:
    """Slow down what leaves a node, or stop that (None); see `harness.target.Node`.

    Raises:
        ClusterError: a lease was not renewed, so the last shape may have ended by itself.
    """
    if shape is None:
        sandbox.repeat(["sh", "-c", f"{UNSHAPE}; true"])
        sandbox.lease.check()
        return {"node": sandbox.id}
    command = f"tc qdisc replace dev {DEVICE} root {discipline(shape)}"
    to_clients = command.replace(DEVICE, CLIENTS_DEVICE)
    also = f"{{ [ ! -e /sys/class/net/{CLIENTS_DEVICE} ] || {to_clients}; }}"
    try:
        sandbox.repeat(["sh", "-c", f"{sandbox.lease.take()} && {command} && {also}"])
    except ClusterError as error:
        if "qdisc kind is unknown" in str(error):
            raise UnsupportedError(f"node {sandbox.id}: this kernel has no {command}") from error
        raise
    return {"node": sandbox.id, "shape": discipline(shape)}


def shaped(sandbox: Sandbox) -> Evidence:
    """Return how many packets the shape let through and held back; `clients` is a second device.

    Raises:
        ClusterError: the answer of tc is not a queue with its counts.
    """
    told = sandbox.ask(["tc", "-s", "-j", "qdisc", "show"], "tc show")
    try:
        roots = {root["dev"]: _counts(root) for root in json.loads(told) if root.get("root")}
        seen = {"node": sandbox.id, **roots[DEVICE]}
    except (ValueError, LookupError, TypeError) as error:
        raise ClusterError(
            f"node {sandbox.id}: tc show: expected a queue with its counts, got {told!r}"
        ) from error
    return seen | ({"clients": roots[CLIENTS_DEVICE]} if CLIENTS_DEVICE in roots else {})


def _counts(queue: Mapping[str, Any]) -> Evidence:
    return {"kind": queue["kind"], "packets": queue["packets"], "held": queue["overlimits"]}


def discipline(shape: Shape) -> str:
    """Return tc's words for a shape."""
    # The burst holds one full packet, and the queue a second of traffic: slow, not lossy.
    return f"tbf rate {shape.rate_kbit}kbit burst 2kb latency 1s"


def supports_netem(sandbox: Sandbox) -> bool:
    """Try netem on the loopback device of a sandbox, which no server uses."""
    script = "tc qdisc add dev lo root netem delay 0ms 2>&1 && tc qdisc del dev lo root; echo tried"
    return "unknown" not in sandbox.ask(["sh", "-c", script], "tc add")


def _chance(drops: Drops) -> str:
    return (
        "" if drops.percent >= 100 else f"numgen random mod 10000 < {round(drops.percent * 100)} "
    )
