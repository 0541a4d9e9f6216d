"""What has to hold in a wire fuzz: by the server's log, by what clients were told, by the clock."""

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise

from worlds.crash_points.checks import Reason, Violation
from worlds.memory.zookeeper import Leader, Transaction
from worlds.sim.actors import PutCall, Told
from worlds.sim.ledger import CLAIMS, Ledger
from worlds.wire.foreign import is_foreign
from worlds.wire.plan import Trouble
from worlds.wire.process import ROOT, Called
from zkmq import Item
from zkmq.putting.delayed import due_ms
from zkmq.tree import envelope, item_names
from zkmq.tree.paths import ACTIVE

# Who passes over an item that has waited for longer than the deadline of a claim and this, did
# not merely look too early: the docs promise 50 ms.
STALE_S = 2.0
# No call is later than this, without the time for which the machine kept its process, or that of
# the servers, from running.
LATE_S = 0.5
DUTIES_WITHIN_S = 10.0


class WireLedger(Ledger):
    """The ledger, with the order of claims by the server's clock.

    `blocked` are the names of items that nobody can take.
    """

    def __init__(self, leader: Leader, *, strict: bool, deadline_s: float) -> None:
        super().__init__(leader, ROOT)
        self.is_foreign = is_foreign
        self.blocked: set[str] = set()
        # payload -> where it was held, one claim after the other
        self.owners: dict[bytes, list[str]] = {}
        # Claims that were taken from a dead consumer, and which session had been its.
        self.given_up: dict[str, int] = {}
        self._strict = strict
        self._stale_ms = (deadline_s + STALE_S) * 1000

    def _came(self, payload: bytes, place: str, path: str, transaction: Transaction) -> None:
        super()._came(payload, place, path, transaction)
        if place == CLAIMS:
            self.owners.setdefault(payload, []).append(path)

    def _judge_end(self, place: str, path: str, transaction: Transaction) -> None:
        active = f"{path.rpartition('/item/')[0]}/{ACTIVE}"
        if place == CLAIMS and active not in self._leader.tree.nodes:
            self.given_up[path] = self._held[path].session
        super()._judge_end(place, path, transaction)

    def _judge_order(self, name: str, transaction: Transaction) -> None:
        if not self._strict:
            return
        log = self._leader.log
        passed = [
            other
            for other, since in self.waiting.items()
            if other < name
            and other not in self.blocked
            and transaction.time_ms - log[since - 1].time_ms > self._stale_ms
        ]
        if passed:
            detail = f"{name} at zxid {transaction.zxid}, while {sorted(passed)} waited for seconds"
            self.wrong.append(Violation(Reason.ORDER, detail))


@dataclass
class Testimony:
    """What the processes said, in the order in which it came.

    Attributes:
        lost_since: the seconds since a moment in which the servers' process got no processor.
    """

    lost_since: Callable[[float], float] = lambda _: 0.0
    puts: dict[str, PutCall] = field(default_factory=dict)
    done: dict[str, Item] = field(default_factory=dict)
    # By thread: what one certainly did not acknowledge, another may have, at the same place.
    doubted: dict[tuple[str, str], Item] = field(default_factory=dict)
    denied: dict[str, Item] = field(default_factory=dict)
    # Claim -> who got it, and when that reserve began and ended.
    took: dict[str, tuple[int, float, float]] = field(default_factory=dict)
    # Claim -> when its consumer was told that it is lost.
    lost: dict[str, float] = field(default_factory=dict)
    # Who closed its queue, and when.
    left: list[tuple[int, float]] = field(default_factory=list)
    killed: set[int] = field(default_factory=set)
    calls: list[Called] = field(default_factory=list)
    trouble: list[Violation] = field(default_factory=list)
    struck: set[str] = field(default_factory=set)
    idle: set[int] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)

    def hear(self, process: int, message: tuple[object, ...]) -> None:
        """Take note of one message."""
        match message:
            case "put", str(call), PutCall() as put:
                self.puts[call] = put
            case "done" | "denied" as what, dict(claims):
                getattr(self, what).update(_ours(claims))
            case "doubted", str(thread), dict(claims):
                self.doubted |= {(thread, path): each for path, each in _ours(claims).items()}
            case "undone", str(thread), list(paths):
                for path in paths:
                    self.doubted.pop((thread, path), None)
            case "took", list(paths), float(began_s), float(ended_s):
                self.took |= dict.fromkeys(paths, (process, began_s, ended_s))
            case "lost", list(paths), float(at_s):
                self.lost = dict.fromkeys(paths, at_s) | self.lost
            case "called", Called() as called:
                lost_s = called.starved_s + self.lost_since(time.monotonic() - called.took_s)
                self.calls.append(replace(called, starved_s=lost_s))
            case _:
                self._hear_of(process, message)

    def _hear_of(self, process: int, message: tuple[object, ...]) -> None:
        """Take note of what happened to a process."""
        match message:
            case "leaving", float(at_s):
                self.left.append((process, at_s))
            case "trouble", Reason() as reason, str(detail):
                self.trouble.append(Violation(reason, detail))
            case "struck", Trouble() as trouble:
                self.struck.add(trouble.value)
            case "idle", *_:
                self.idle.add(process)
            case "bye", *_:
                self.ended.add(process)

    def told(self, ledger: WireLedger, expired: Collection[int]) -> Told:
        """The same for the judges of the simulation; `expired` sessions ended without warning."""
        done = [(item, path) for path, item in self.done.items()]
        maybe = {path: item for (_, path), item in self.doubted.items() if path not in self.done}
        doubted = [(item, path) for path, item in maybe.items()]
        wrong = [*self.trouble, *self._late(), *self._denied(ledger)]
        wrong += self._untold(ledger, expired)
        return Told([*self.puts.values()], done, doubted, wrong)

    def _late(self) -> Iterator[Violation]:
        for call in self.calls:
            late_s, what = late(call)
            if late_s > LATE_S:
                yield Violation(Reason.WEDGED, f"{what}: {late_s:.2f} s late")

    def _denied(self, ledger: Ledger) -> Iterator[Violation]:
        for path in self.denied:
            if path in ledger.acknowledged and path not in self.done:
                detail = f"{path}: acknowledged, and told that it was not held"
                yield Violation(Reason.MISPLACED, detail)

    def _untold(self, ledger: WireLedger, expired: Collection[int]) -> Iterator[Violation]:
        """An owner is told that an item is lost before another has it.

        But for those who had died or left by then, and whose session ended without a time-out.
        """
        for before, after in chain.from_iterable(map(pairwise, ledger.owners.values())):
            session = ledger.given_up.get(before)
            if session is None or session in expired or not {before, after} <= self.took.keys():
                continue
            process, since_s, _ = self.took[before]
            _, _, taken_s = self.took[after]
            left = any(who == process and since_s <= at_s <= taken_s for who, at_s in self.left)
            told_s = self.lost.get(before, math.inf)
            if process not in self.killed and not left and told_s > taken_s:
                detail = f"{before}: lost was told {told_s - taken_s:.2f} s after {after} was got"
                yield Violation(Reason.OWNED_TWICE, detail)


def _ours(claims: Mapping[str, Item]) -> dict[str, Item]:
    return {path: item for path, item in claims.items() if not is_foreign(item.data)}


def late(call: Called) -> tuple[float, str]:
    """By how much a call was late, without the time for which it or the servers could not run."""
    what = f"{call.what}: {call.took_s:.2f} s of {call.allowed_s:.2f} s, {call.error or 'ok'}"
    return max(0.0, call.took_s - call.allowed_s - call.starved_s), what


def undone(leader: Leader, now_ms: float) -> list[str]:
    """The duties that a janitor has not done yet, for people."""
    nodes = leader.tree.nodes
    found = []
    for consumer in nodes[f"{ROOT}/consumers"].children:
        path = f"{ROOT}/consumers/{consumer}"
        if consumer.startswith("consumer-") and not is_foreign(nodes[path].data):
            if ACTIVE not in nodes[path].children:
                found.append(f"{consumer} is dead")
            found += _overdue(nodes, f"{path}/item", now_ms)
    for minute in nodes[f"{ROOT}/delayed"].children:
        bucket = f"{ROOT}/delayed/{minute}"
        for child in nodes[bucket].children:
            node = nodes[f"{bucket}/{child}"]
            if not is_foreign(node.data) and due_ms(node.view()) < now_ms:
                found.append(f"{child} is due")
    return found


def _overdue(nodes: Mapping[str, object], claims: str, now_ms: float) -> list[str]:
    found = []
    held = nodes.get(claims)
    for name in held.children if held else ():  # type: ignore[attr-defined]
        node = nodes[f"{claims}/{name}"]
        ttr_s = envelope.unwrap(node.data)[0].get("ttr_s")  # type: ignore[attr-defined]
        if item_names.parse(name) and ttr_s and node.mtime_ms + ttr_s * 1000 < now_ms:  # type: ignore[attr-defined]
            found.append(f"{name} is held too long")
    return found
