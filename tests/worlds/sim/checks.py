"""What has to hold after a simulation: the invariants of the crash points, for many clients.

Every put is judged as the one operation of a crash point is. What that cannot see is judged here
and in the ledger: an order across clients, and what never may be at any zxid.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from worlds.crash_points.checks import (
    Ended,
    Found,
    Reason,
    Violation,
    acks_after_expiry,
    delivery_counts,
    left_behind,
    misplaced,
    order,
    reused_names,
)
from worlds.crash_points.operation import NOWHERE, Consumed, Operation, nothing
from worlds.memory.store import World
from worlds.sim.actors import ROOT, PutCall, Told
from worlds.sim.ledger import Ledger
from zkmq import Item
from zkmq.tree import item_names
from zkmq.tree import raw_copy as trees
from zkmq.tree.guards import Guard

SEEN = ("items", "claims", "partial", "dead", "delayed")


def judged(told: Told, ledger: Ledger, world: World, drained: Sequence[Item]) -> list[Violation]:
    """Everything that is wrong at the end."""
    found = _found(told, ledger, world)
    wrong = [*told.trouble, *left_behind(found), *reused_names(found)]
    wrong += delivery_counts(found.consumed)
    kept = [item for item in drained if _kept_its_place(item, ledger)]
    # An item that waits for its group is passed over.
    for group in {item.group for item in kept}:
        same = [item for item in kept if item.group == group]
        wrong += order([[_consumed(item, _claim(item), ledger) for item in same]])
    wrong += order([_as_put(ledger)])
    wrong += _later_behind(told.puts, ledger)
    wrong += _unkept_acks(told, ledger)
    wrong += _drained_segments(world)
    wrong += _put_under_one_id(told.puts, ledger)
    for client in world.clients:
        found.journal = ledger.journal(client.sessions)
        wrong += acks_after_expiry(found)
    forgotten = [Consumed(payload, repr(payload), 1, 1, None) for payload in ledger.purged]
    for call in told.puts:
        wrong += _misplaced(call, found, forgotten)
    return wrong


def _found(told: Told, ledger: Ledger, world: World) -> Found:
    """What a crash point would have found; an acknowledgement in doubt counts if it was one."""
    doubted = [(item, path) for item, path in told.doubted if path in ledger.acknowledged]
    nodes = world.dump()
    places = trees.decode(nodes, ROOT)
    return Found(
        put=[payload for call in told.puts for payload in call.payloads],
        names=[],
        consumed=[_consumed(item, path, ledger) for item, path in [*told.done, *doubted]],
        drains=[],
        places={place: [payload for _, payload in getattr(places, place)] for place in SEEN},
        registrations=[path for path in nodes if path.startswith(f"{ROOT}/consumers/consumer-")],
        journal=ledger.journal(),
        expired=world.leader.ended,
        root=ROOT,
    )


def _misplaced(call: PutCall, found: Found, forgotten: Sequence[Consumed]) -> list[Violation]:
    """Whether the items of one put are where its caller was told that they are.

    What a purge has forgotten is as gone as what was consumed.
    """
    own = set(call.payloads)
    operation = Operation(
        name="put",
        call=nothing,
        adds=call.payloads,
        before=dict.fromkeys(call.payloads, NOWHERE),
        after=dict.fromkeys(call.payloads, NOWHERE) if call.duplicate else {},
        write_size=call.batch,
    )
    about = Found(
        put=list(call.payloads),
        names=[],
        consumed=[each for each in [*found.consumed, *forgotten] if each.payload in own],
        drains=[],
        places={place: [p for p in found.places[place] if p in own] for place in found.places},
        registrations=[],
        journal=(),
        expired={},
        root=ROOT,
    )
    return misplaced(operation, call.outcome, about)


def _later_behind(puts: Sequence[PutCall], ledger: Ledger) -> Iterator[Violation]:
    """A put that began after another had returned is behind it; a delayed one is not held to it."""
    lanes: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for call in puts:
        names = sorted(ledger.first[each][0] for each in call.payloads if each in ledger.first)
        if names and not call.delayed and call.outcome.ended is Ended.OK:
            lanes[names[0][:8]] += [(call.began_s, call.ended_s, name) for name in names]
    for lane in lanes.values():
        for began_s, _, name in lane:
            before = max((other for _, ended_s, other in lane if ended_s < began_s), default="")
            if before > name:
                yield Violation(Reason.ORDER, f"{before} had returned before {name} began")


def _unkept_acks(told: Told, ledger: Ledger) -> Iterator[Violation]:
    """What a client was told it had acknowledged was ended by that very acknowledgement."""
    for item, path in told.done:
        if path not in ledger.acknowledged:
            yield Violation(Reason.MISPLACED, f"{item.id}: acknowledged, says its consumer")


def _put_under_one_id(puts: Sequence[PutCall], ledger: Ledger) -> Iterator[Violation]:
    """Of all that are put under one id one is in the queue, and a duplicate is one of that."""
    by_id: dict[str, list[PutCall]] = defaultdict(list)
    for call in puts:
        if call.dedup_id is not None:
            by_id[call.dedup_id].append(call)
    for dedup_id, calls in by_id.items():
        there = [payload for call in calls for payload in call.payloads if payload in ledger.places]
        if len(there) > 1:
            yield Violation(Reason.DUPLICATED, f"id {dedup_id}: {there} were put")
        if not there and any(call.duplicate for call in calls):
            yield Violation(Reason.LOST, f"id {dedup_id}: a duplicate of nothing")


def _drained_segments(world: World) -> Iterator[Violation]:
    """Of each priority the tail alone remains when all was delivered and swept."""
    parent = f"{ROOT}/items"
    nodes = world.leader.tree.nodes
    for priority in nodes[parent].children if parent in nodes else ():
        lane = nodes[f"{parent}/{priority}"]
        guard = Guard.decode(lane.data, lane.version)
        if set(lane.children) != {guard.tail_name}:
            detail = f"items/{priority}: expected {guard.tail_name}, got {sorted(lane.children)}"
            yield Violation(Reason.LEFT_BEHIND, detail)


def _as_put(ledger: Ledger) -> list[Consumed]:
    """Every item as if delivered by name, so that names are held to the order of the puts."""
    by_name = sorted((name, zxid, payload) for payload, (name, zxid) in ledger.first.items())
    return [Consumed(payload, name, 1, 1, zxid) for name, zxid, payload in by_name]


def _kept_its_place(item: Item, ledger: Ledger) -> bool:
    """Whether it still has its first name: who releases an item to the back renames it."""
    first = ledger.first.get(item.data)
    return first is not None and item.id == item_names.base(first[0])


def _consumed(item: Item, path: str, ledger: Ledger) -> Consumed:
    return Consumed(
        item.data, item.id, item.delivery, ledger.claim_count.get(path, 0), item.put_zxid
    )


def _claim(item: Item) -> str:
    return f"{ROOT}/consumers/{item.consumer}/item/{item.name}"
