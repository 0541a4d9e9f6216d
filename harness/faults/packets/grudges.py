"""Which packets each node loses in a partition; pure functions.

A grudge, Jepsen's word, says for each node whose packets it drops.
Source: jepsen.nemesis (complete-grudge, bridge, majorities-ring).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from harness.target.disturbances import Drops


def split(parts: Sequence[Collection[int]]) -> dict[int, Drops]:
    """Cut every part from every other; a node that is in no part hears everybody."""
    everyone = frozenset(id for part in parts for id in part)
    return _both_ways({id: everyone - frozenset(part) for part in parts for id in part})


def together(nodes: Collection[int], everyone: Collection[int]) -> dict[int, Drops]:
    """Cut `nodes`, which still hear each other, from all the others."""
    return split([nodes, [id for id in everyone if id not in nodes]])


def isolate(nodes: Collection[int], everyone: Collection[int]) -> dict[int, Drops]:
    """Leave each of `nodes` alone; the others still hear each other."""
    rest = [id for id in everyone if id not in nodes]
    return split([*([id] for id in nodes), rest])


def ring(order: Sequence[int]) -> dict[int, Drops]:
    """Let each node hear only its neighbours: with itself a majority, for each node another one."""
    n = len(order)
    reach = -(-(n // 2) // 2)  # to each side, so that itself and both sides are a majority
    grudge = {}
    for place, id in enumerate(order):
        near = {order[(place + step) % n] for step in range(-reach, reach + 1)}
        grudge[id] = frozenset(order) - near
    return _both_ways(grudge)


def bridge(middle: int, everyone: Collection[int]) -> dict[int, Drops]:
    """Cut all but `middle` into two halves; it hears both, and both hear it."""
    others = sorted(id for id in everyone if id != middle)
    half = len(others) // 2
    return split([others[:half], others[half:]])


def one_way(nodes: Collection[int], everyone: Collection[int], *, deaf: bool) -> dict[int, Drops]:
    """Let each of `nodes` speak and not hear (`deaf`), or hear and not speak."""
    cut = {}
    for id in nodes:
        others = frozenset(everyone) - {id}
        cut[id] = Drops(deaf_to=others) if deaf else Drops(mute_to=others)
    return cut


def sides(drops: Mapping[int, Drops]) -> list[list[int]]:
    """Return the nodes that lose the same packets together, in the order of the grudge."""
    parts: dict[frozenset[int], list[int]] = {}
    for id, lost in drops.items():
        parts.setdefault(lost.deaf_to, []).append(id)
    return list(parts.values())


def hurt(drops: Mapping[int, Drops], everyone: Collection[int]) -> set[int]:
    """Return the nodes that cannot exchange with a majority, themselves included, both ways."""
    majority = len(everyone) // 2 + 1
    return {
        id for id in everyone if sum(_exchange(drops, id, other) for other in everyone) < majority
    }


def _exchange(drops: Mapping[int, Drops], one: int, other: int) -> bool:
    return one == other or not (
        _lost(drops, sender=one, receiver=other) or _lost(drops, sender=other, receiver=one)
    )


def _lost(drops: Mapping[int, Drops], *, sender: int, receiver: int) -> bool:
    nothing = Drops()
    return (
        sender in drops.get(receiver, nothing).deaf_to
        or receiver in drops.get(sender, nothing).mute_to
    )


def _both_ways(grudge: Mapping[int, Iterable[int]]) -> dict[int, Drops]:
    sides = {id: frozenset(others) for id, others in grudge.items()}
    return {id: Drops(deaf_to=s, mute_to=s) for id, s in sides.items() if s}
