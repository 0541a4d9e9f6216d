"""Which nodes a role or a bound name means, given the servers' states: pure functions."""

import re
from collections.abc import Mapping, Sequence
from random import Random

from harness.common.harness_errors import expected_one_of, likely, listed
from harness.common.server_states import NodeStatus
from harness.target import Target

ROLES = ("leader", "follower", "followers", "any", "minority", "half", "majority", "all")
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
    if isinstance(target, list):
        return _complaint_of_list(target, nodes, bound)
    if isinstance(target, dict):
        id = target.get("node")
        right = set(target) == {"node"} and isinstance(id, int) and 1 <= id <= nodes
        return None if right else f"expected {{node: 1..{nodes}}}, got {target!r}"
    known = [*ROLES, *bound]
    if target not in known:
        return expected_one_of(known, target)
    return None if target in bound else _complaint_of_role(target, nodes)


def complaint_of_binding(role: str, nodes: int) -> str | None:
    """Return what is wrong with an entry of `bind`; None if nothing is."""
    if named := _NODE.match(role):
        right = 1 <= int(named[1]) <= nodes
        return None if right else f"expected a node of 1..{nodes}, got {role!r}"
    if role in _BINDINGS:
        return _complaint_of_role(role, nodes)
    return expected_one_of([*_BINDINGS, "node N"], role)


def only_one(role: str) -> bool:
    """Tell whether at most one name of `bind` can have this role."""
    return role == "leader" or _NODE.match(role) is not None


def _complaint_of_role(role: str, nodes: int) -> str | None:
    """Return a complaint about a role that no node of so small a cluster can have."""
    if nodes == 1 and ("leader" in role or "follower" in role):
        return f"expected any or node 1, since a single node has no role, got {role!r}"
    if size_of_role(role, nodes) == 0:
        return f"expected a target that means a node among {nodes} nodes, got {role!r}"
    return None


def resolve(
    target: Target, statuses: Sequence[NodeStatus], bound: Mapping[str, int], rng: Random
) -> list[int]:
    """Return the ids of the nodes that a target means now; empty if no node has the role.

    `rng` draws a `follower`, `any`, `minority`, `half` or `majority` from the nodes that qualify,
    and the order of `all`. A list keeps its order; if two of its members mean the same node, the
    result is empty.
    """
    if isinstance(target, list):
        found = [id for one in target for id in resolve(one, statuses, bound, rng)]
        return found if len(set(found)) == len(target) else []
    if isinstance(target, dict):
        return [target["node"]]
    if target in bound:
        return [bound[target]]
    return _of_role(target, statuses, rng)


def _of_role(role: str, statuses: Sequence[NodeStatus], rng: Random) -> list[int]:
    everyone = [s.node for s in statuses]
    serving = [s.node for s in statuses if s.serving]
    leaders = [s.node for s in statuses if s.mode == "leader"]
    followers = [id for id in serving if id not in leaders]
    if role == "leader":
        return leaders if len(leaders) == 1 else []
    if role == "followers":
        return followers
    if role == "all":
        return rng.sample(everyone, len(everyone))
    pool = followers if role == "follower" else serving
    size = size_of_role(role, len(everyone))
    return sorted(rng.sample(pool, size)) if len(pool) >= size else []


def size_of_role(role: str, nodes: int) -> int:
    """Return how many of `nodes` a role means."""
    most = (nodes - 1) // 2
    sizes = {"minority": most, "half": nodes // 2, "majority": nodes - most}
    sizes |= {"followers": nodes - 1, "all": nodes}
    return sizes.get(role, 1)


def bind(wanted: Mapping[str, str], statuses: Sequence[NodeStatus], rng: Random) -> dict[str, int]:
    """Return a distinct node for each name of `bind`; leader and numbered nodes choose first.

    Raises:
        ValueError: no node is left for a name.
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


def _complaint_of_list(
    targets: Sequence[str | dict[str, int]], nodes: int, bound: Mapping[str, str]
) -> str | None:
    """Require that each member of a list means one node, and that none is named twice."""
    for target in targets:
        if (complaint := complaint_of_target(target, nodes, bound)) is not None:
            return complaint
        if isinstance(target, str) and target not in ("leader", *bound):
            known = ["leader", *bound]
            told = f"{listed(known)}, got {target!r}{likely(known, target)}"
            return f"expected a number or one of {told}"
        if targets.count(target) > 1:
            return f"expected each node once, got {target!r} twice"
    return None
