"""Which nodes a role or a bound name means, given the servers' states: pure functions."""

import re
from collections.abc import Collection, Mapping, Sequence
from random import Random

from harness.common.harness_errors import expected_one_of, likely, listed
from harness.common.server_states import NodeStatus
from harness.common.settings.quorum_config import QuorumConfig
from harness.target import Target

ROLES = (
    "leader",
    "follower",
    "followers",
    "observer",
    "observers",
    "any",
    "minority",
    "half",
    "majority",
    "all",
)
_BINDINGS = {
    "leader": "the node that leads",
    "a follower": "any follower not bound yet",
    "the follower with the highest id": "",
    "the follower with the lowest id": "",
    "an observer": "any observer not bound yet",
    "any": "any node not bound yet",
}
_NODE = re.compile(r"^node (\d+)$")


def complaint_of_target(
    target: Target, cluster: QuorumConfig, bound: Mapping[str, str], *, alone: bool = False
) -> str | None:
    """Return what is wrong with a scenario's target; None if nothing is.

    `alone`: it has to mean one node, such as the one whose host is meant.
    """
    if isinstance(target, list):
        return _complaint_of_list(target, cluster, bound)
    if isinstance(target, dict):
        id = target.get("node")
        right = set(target) == {"node"} and isinstance(id, int) and id in cluster.each
        return None if right else f"expected {{node: 1..{cluster.size}}}, got {target!r}"
    known = [*ROLES, *bound]
    if target not in known:
        return expected_one_of(known, target)
    if target in bound:
        return None
    if alone and size_of_role(target, cluster) > 1:
        return f"expected a target that means one node, whose host is meant, got {target!r}"
    return _complaint_of_role(target, cluster)


def complaint_of_binding(role: str, cluster: QuorumConfig) -> str | None:
    """Return what is wrong with an entry of `bind`; None if nothing is."""
    if named := _NODE.match(role):
        right = int(named[1]) in cluster.each
        return None if right else f"expected a node of 1..{cluster.size}, got {role!r}"
    if role in _BINDINGS:
        return _complaint_of_role(role, cluster)
    return expected_one_of([*_BINDINGS, "node N"], role)


def only_one(role: str) -> bool:
    """Tell whether at most one name of `bind` can have this role."""
    return role == "leader" or _NODE.match(role) is not None


def _complaint_of_role(role: str, cluster: QuorumConfig) -> str | None:
    """Return a complaint about a role that no node of this cluster can have."""
    if "observer" in role:
        told = f"expected an observer among the nodes (`{{role: observer}}`) for {role!r}, got none"
        return None if cluster.observers else told
    if cluster.size == 1 and ("leader" in role or "follower" in role):
        return f"expected any or node 1, since a single node has no role, got {role!r}"
    if size_of_role(role, cluster) == 0:
        return f"expected a target that means a node among {cluster.size} nodes, got {role!r}"
    return None


def resolve(
    target: Target,
    statuses: Sequence[NodeStatus],
    bound: Mapping[str, int],
    rng: Random,
    observers: Collection[int] = (),
) -> list[int]:
    """Return the ids of the nodes that a target means now; empty if no node has the role.

    `rng` draws a `follower`, `any`, `minority`, `half` or `majority` from the nodes that qualify,
    and the order of `all`. A list keeps its order; if two of its members mean the same node, the
    result is empty. Only `any`, `all` and their own roles mean `observers`.
    """
    if isinstance(target, list):
        found = [id for one in target for id in resolve(one, statuses, bound, rng, observers)]
        return found if len(set(found)) == len(target) else []
    if isinstance(target, dict):
        return [target["node"]]
    if target in bound:
        return [bound[target]]
    return _of_role(target, statuses, observers, rng)


def _of_role(
    role: str, statuses: Sequence[NodeStatus], observers: Collection[int], rng: Random
) -> list[int]:
    everyone = [s.node for s in statuses]
    serving = [s.node for s in statuses if s.serving]
    voting = [id for id in serving if id not in observers]
    leaders = [s.node for s in statuses if s.mode == "leader"]
    followers = [id for id in voting if id not in leaders]
    watching = [id for id in serving if id in observers]
    if role == "leader":
        return leaders if len(leaders) == 1 else []
    if role in {"followers", "observers"}:
        return followers if role == "followers" else watching
    if role == "all":
        return rng.sample(everyone, len(everyone))
    pool = {"follower": followers, "observer": watching, "any": serving}.get(role, voting)
    size = _size(role, len(everyone) - len(observers))
    return sorted(rng.sample(pool, size)) if len(pool) >= size else []


def size_of_role(role: str, cluster: QuorumConfig) -> int:
    """Return how many nodes of a cluster a role means."""
    if role == "all":
        return cluster.size
    return len(cluster.observers) if role == "observers" else _size(role, len(cluster.voters))


def _size(role: str, voters: int) -> int:
    """Return how many of so many voters a role means; 1 if it means one node."""
    most = (voters - 1) // 2
    sizes = {"minority": most, "half": voters // 2, "majority": voters - most}
    return (sizes | {"followers": voters - 1}).get(role, 1)


def bind(
    wanted: Mapping[str, str],
    statuses: Sequence[NodeStatus],
    rng: Random,
    observers: Collection[int] = (),
) -> dict[str, int]:
    """Return a distinct node for each name of `bind`; `a follower` and `any` choose last.

    Raises:
        ValueError: no node is left for a name.
    """
    order = sorted(wanted, key=lambda name: (wanted[name] in {"a follower", "any"}, name))
    bound: dict[str, int] = {}
    for name in order:
        free = [s for s in statuses if s.serving and s.node not in bound.values()]
        bound[name] = _bind_one(name, wanted[name], free, observers, rng)
    return {name: bound[name] for name in wanted}


def _bind_one(
    name: str, role: str, free: Sequence[NodeStatus], observers: Collection[int], rng: Random
) -> int:
    leaders = [s.node for s in free if s.mode == "leader"]
    others = sorted(s.node for s in free if s.mode != "leader")
    followers = [id for id in others if id not in observers]
    named = _NODE.match(role)
    pool = {
        "leader": leaders,
        "a follower": followers,
        "the follower with the highest id": followers[-1:],
        "the follower with the lowest id": followers[:1],
        "an observer": [id for id in others if id in observers],
        "any": sorted(leaders + others),
    }.get(role, [int(named[1])] if named else [])
    if not pool:
        raise ValueError(f"bind.{name}: expected {role}, got no node left that is one")
    return rng.choice(pool)


def _complaint_of_list(
    targets: Sequence[str | dict[str, int]], cluster: QuorumConfig, bound: Mapping[str, str]
) -> str | None:
    """Require that each member of a list means one node, and that none is named twice."""
    for target in targets:
        if (complaint := complaint_of_target(target, cluster, bound)) is not None:
            return complaint
        if isinstance(target, str) and target not in ("leader", *bound):
            known = ["leader", *bound]
            told = f"{listed(known)}, got {target!r}{likely(known, target)}"
            return f"expected a number or one of {told}"
        if targets.count(target) > 1:
            return f"expected each node once, got {target!r} twice"
    return None
