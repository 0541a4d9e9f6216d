"""What has to hold in a wire fuzz: by the server's log, by what clients were told, by the clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from worlds.crash_points.checks import Reason, Violation
from worlds.memory.zookeeper import Leader, Transaction
from worlds.sim.actors import PutCall, Told
from worlds.sim.ledger import Ledger
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
# A call that takes longer than it may by this hangs. What it takes on a machine of one's own is
# for the figures to say.
HANGS_S = 6.0
DUTIES_WITHIN_S = 10.0


class WireLedger(Ledger):
    """The ledger, with the order of claims by the server's clock.

    `blocked` are the names of items that nobody can take.
    """

    def __init__(self, leader: Leader, *, strict: bool, deadline_s: float) -> None:
        super().__init__(leader, ROOT)
        self.is_foreign = is_foreign
        self.blocked: set[str] = set()
        self._strict = strict
        self._stale_ms = (deadline_s + STALE_S) * 1000

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
    """What the processes said, in the order in which it came."""

    puts: dict[str, PutCall] = field(default_factory=dict)
    done: dict[str, Item] = field(default_factory=dict)
    doubted: dict[str, Item] = field(default_factory=dict)
    denied: dict[str, Item] = field(default_factory=dict)
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
            case "done" | "doubted" | "denied" as what, dict(claims):
                ours = {path: each for path, each in claims.items() if not is_foreign(each.data)}
                getattr(self, what).update(ours)
            case "undone", list(paths):
                for path in paths:
                    self.doubted.pop(path, None)
            case "called", Called() as called:
                self.calls.append(called)
            case "trouble", Reason() as reason, str(detail):
                self.trouble.append(Violation(reason, detail))
            case "struck", Trouble() as trouble:
                self.struck.add(trouble.value)
            case "idle", *_:
                self.idle.add(process)
            case "bye", *_:
                self.ended.add(process)

    def told(self, ledger: Ledger) -> Told:
        """The same for the judges of the simulation."""
        done = [(item, path) for path, item in self.done.items()]
        doubted = [(item, path) for path, item in self.doubted.items() if path not in self.done]
        return Told([*self.puts.values()], done, doubted, [*self.trouble, *self._hanging(ledger)])

    def _hanging(self, ledger: Ledger) -> list[Violation]:
        wrong = [
            Violation(Reason.WEDGED, f"{call.what} took {call.took_s:.1f} s of {call.allowed_s} s")
            for call in self.calls
            if late(call)[0] > HANGS_S
        ]
        wrong += [
            Violation(Reason.MISPLACED, f"{path}: acknowledged, and told that it was not held")
            for path in self.denied
            if path in ledger.acknowledged and path not in self.done
        ]
        return wrong


def late(call: Called) -> tuple[float, str]:
    """By how much a call was late, without the time for which its process could not run."""
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
