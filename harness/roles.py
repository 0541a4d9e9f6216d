"""Who is meant by `leader`, `minority` or a bound name: pure functions of the servers' states."""

import re
from collections.abc import Mapping, Sequence
from random import Random

from harness.target import NodeStatus

Target = str | dict[str, int]
ROLES = ("leader", "follower", "followers", "any", "minority", "majority")
_BINDINGS = {
    "leader": "the node that leads",
    "a follower": "any follower not bound yet",
    "the follower with the highest id": "",
    "the follower with the lowest id": "",
    "any": "any node not bound yet",
}
_NODE = re.compile(r"^node (\d+)$")


def complaint_of_target(target: Target, nodes: int, bound: Mapping[str, str]) -> str | None:
    """Return what is wrong with a scenario's target; None if nothing is."""
    if isinstance(target, dict):
        id = target.get("node")
        right = set(target) == {"node"} and isinstance(id, int) and 1 <= id <= nodes
        return None if right else f"expected {{node: 1..{nodes}}}, got {target!r}"
    known = [*ROLES, *bound]
    return None if target in known else f"expected one of {', '.join(known)}, got {target!r}"


def complaint_of_binding(role: str) -> str | None:
    """Return what is wrong with an entry of `bind`; None if nothing is."""
    if role in _BINDINGS or _NODE.match(role):
        return None
    return f"expected one of {', '.join(_BINDINGS)}, node N, got {role!r}"


def resolve(
    target: Target, statuses: Sequence[NodeStatus], bound: Mapping[str, int], rng: Random
) -> list[int]:
    """Return the ids that a target means now, in order; empty if nobody has the role.

    A `follower`, `any`, `minority` or `majority` is drawn with `rng` from those that qualify.
    """
    if isinstance(target, dict):
        return [target["node"]]
    if target in bound:
        return [bound[target]]
    serving = [s.node for s in statuses if s.serving]
    leaders = [s.node for s in statuses if s.mode == "leader"]
    followers = [id for id in serving if id not in leaders]
    most = (len(statuses) - 1) // 2
    if target == "leader":
        return leaders if len(leaders) == 1 else []
    if target == "followers":
        return followers
    pool, size = {
        "follower": (followers, 1),
        "any": (serving, 1),
        "minority": (serving, most),
        "majority": (serving, len(statuses) - most),
    }[target]
    return sorted(rng.sample(pool, size)) if len(pool) >= size else []


def bind(wanted: Mapping[str, str], statuses: Sequence[NodeStatus], rng: Random) -> dict[str, int]:
    """Return distinct nodes for the names of `bind`, the leader's and named nodes' first.

    Raises:
        ValueError: nobody is left for a name.
    """
    order = sorted(wanted, key=lambda name: (wanted[name] in {"a follower", "any"}, name))
    bound: dict[str, int] = {}
    for name in order:
        free = [s for s in statuses if s.serving and s.node not in bound.values()]
        bound[name] = _bind_one(name, wanted[name], free, rng)
    return {name: bound[name] for name in wanted}


def _bind_one(name: str, role: str, free: Sequence[NodeStatus], rng: Random) -> int:
    leaders = [s.node for s in free if s.mode == "leader"]
    followers = sorted(s.node for s in free if s.mode != "leader")
    named = _NODE.match(role)
    pool = {
        "leader": leaders,
        "a follower": followers,
        "the follower with the highest id": followers[-1:],
        "the follower with the lowest id": followers[:1],
        "any": sorted(leaders + followers),
    }.get(role, [int(named[1])] if named else [])
    if not pool:
        raise ValueError(f"bind.{name}: expected {role}, got no node left that is one")
    return rng.choice(pool)
