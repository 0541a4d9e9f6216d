"""Which servers cannot have seen a write when it was acknowledged, and which lost it since."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.faults import faults as registered
from harness.history.columns import History
from harness.report.charts import spans

Why = Literal["wiped", "down", "frozen", "cut off"]
Fault = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Why one server had not seen a write when a later leader began to lead.

    Attributes:
        since_ns: when the fault that kept it away began.
        back_ns: when that fault was healed, if a server was seen to lead after that and before the
            later leader, so that it may have got the write then; None if it cannot have.
        fault: the row of results.json's `faults`.
    """

    node: int
    why: Why
    since_ns: int
    back_ns: int | None
    fault: Fault


def of_members(
    history: History,
    faults: Sequence[Fault],
    members: Iterable[int],
    *,
    written_ns: tuple[int, int],
    until_ns: int,
) -> list[Absence]:
    """Return who of a quorum had not seen a write, by the evidence of the faults that took effect.

    `written_ns` is the interval of the write's call, and the quorum was first seen at `until_ns`.
    A server that was cut off from the leader, down or frozen during all of the interval cannot
    have acknowledged the write; one whose disk was wiped since has lost it.
    """
    modes = spans.modes(history)
    leader = _leader(modes, written_ns[1])
    hit = [fault for fault in faults if fault["outcome"] == "installed"]
    found = [
        _absence(node, hit, leader=leader, modes=modes, written_ns=written_ns, until_ns=until_ns)
        for node in sorted(members)
    ]
    return [absence for absence in found if absence is not None]


def quorum_of(history: History, leader: int, at_ns: int) -> list[int]:
    """Return the leader and those that were seen to follow when it was first seen to lead."""
    following = {
        mode.node
        for mode in spans.modes(history)
        if mode.mode == "follower" and mode.begin_ns <= at_ns < mode.end_ns
    }
    return [leader, *sorted(following - {leader})]


def _absence(
    node: int,
    faults: Sequence[Fault],
    *,
    leader: int | None,
    modes: Sequence[spans.Mode],
    written_ns: tuple[int, int],
    until_ns: int,
) -> Absence | None:
    for fault in faults:
        why: Why | None = _why(fault, node, leader) if _in_force(fault, *written_ns) else None
        if _names(fault, "wiped", node) and written_ns[1] <= fault["inject_ns"] < until_ns:
            why = "wiped"
        if why is not None:
            since_ns, back_ns = fault["inject_ns"], _back_ns(fault, modes, until_ns)
            return Absence(node=node, why=why, since_ns=since_ns, back_ns=back_ns, fault=fault)
    return None


def _back_ns(fault: Fault, modes: Sequence[spans.Mode], until_ns: int) -> int | None:
    """Return when a fault was healed, if a node led between that and the later leader."""
    heal_ns: int | None = fault["heal_ns"]
    if heal_ns is None or heal_ns >= until_ns:
        return None
    led = any(m.mode == "leader" and m.end_ns > heal_ns and m.begin_ns < until_ns for m in modes)
    return heal_ns if led else None


def _why(fault: Fault, node: int, leader: int | None) -> Why | None:
    """Return how a fault in force keeps a node from the leader's writes; None if it does not."""
    if _names(fault, "killed", node):
        return "down"
    if _names(fault, "paused", node):
        return "frozen"
    return "cut off" if leader is not None and _cut(fault, node, leader) else None


def _cut(fault: Fault, node: int, leader: int) -> bool:
    kind, cut = fault["fault"], fault["evidence"].get("cut")
    if kind not in registered or registered[kind].slot != "cut" or not isinstance(cut, Mapping):
        return False  # links that lose some packets have such evidence, too
    return _lists(cut.get(str(node)), leader) or _lists(cut.get(str(leader)), node)


def _lists(peers: Any, node: int) -> bool:
    return isinstance(peers, list) and node in peers


def _names(fault: Fault, key: str, node: int) -> bool:
    """Tell whether the evidence lists this node under a key."""
    seen = fault["evidence"].get(key)
    return isinstance(seen, list) and any(
        isinstance(each, Mapping) and each.get("node") == node for each in seen
    )


def _in_force(fault: Fault, begin_ns: int, end_ns: int) -> bool:
    """Tell whether a fault had taken effect before an interval and was not healed within it."""
    installed_ns = fault["inject_ns"] + int(1_000_000 * fault["evidence"].get("took_ms", 0))
    heal_ns = fault["heal_ns"]
    return installed_ns <= begin_ns and (heal_ns is None or heal_ns >= end_ns)


def _leader(modes: Sequence[spans.Mode], at_ns: int) -> int | None:
    led = [mode for mode in modes if mode.mode == "leader" and mode.begin_ns <= at_ns]
    return max(led, key=lambda mode: mode.begin_ns).node if led else None
