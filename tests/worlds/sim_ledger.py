"""The leader's log as the truth: where every item is at each zxid, and what may never be.

Judged at every zxid, so that a state which heals again is seen as well: an item that was put is
in one place, until it is acknowledged, and then nowhere for ever; a reserve that saw all that
was committed before it began takes nothing while an item before it waits.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from worlds.crash_points_checks import Reason, Violation
from worlds.memory_zookeeper import Changed, Created, Deleted, Effect, Leader, Transaction
from worlds.proxy import Exchange
from worlds.proxy_protocol import Opcode, Operation, Reply, Request
from zkmq import envelope, names

ITEMS, CLAIMS = "items", "claims"


class Ledger:
    """Follows the log of one queue. Payloads have to differ."""

    def __init__(self, leader: Leader, root: str) -> None:
        self.wrong: list[Violation] = []
        # payload -> the paths where it is
        self.places: dict[bytes, set[str]] = {}
        # name -> the zxid from which on it has been waiting
        self.waiting: dict[str, int] = {}
        # payload -> (name, zxid) of its first place in the queue
        self.first: dict[bytes, tuple[str, int]] = {}
        # The path of a claim -> how often its item had been claimed by then.
        self.claim_count: dict[str, int] = {}
        # The claims that their own consumer ended for good.
        self.acknowledged: set[str] = set()
        # session -> the zxid at which its reserve began, if that must see all before it
        self.reserving: dict[int, int] = {}
        self._root = root
        self._claims: Counter[str] = Counter()
        self._leader = leader
        leader.observers.append(self._follow)

    def journal(self, sessions: Iterable[int] | None = None) -> list[Exchange]:
        """The writes of some sessions, or of all, as a proxy would have seen them."""
        chosen = None if sessions is None else set(sessions)
        return [
            _exchange(transaction)
            for transaction in self._leader.log
            if transaction.effects and (chosen is None or transaction.session in chosen)
        ]

    def _follow(self, transaction: Transaction) -> None:
        touched: dict[bytes, list[Effect]] = {}
        # What a claim takes is no more in its way.
        for effect in sorted(transaction.effects, key=lambda each: not isinstance(each, Deleted)):
            place = self._place(effect.path)
            if place is None or isinstance(effect, Changed):
                continue
            payload = envelope.unwrap(effect.data)[1]
            touched.setdefault(payload, []).append(effect)
            if isinstance(effect, Created):
                self._came(payload, place, effect.path, transaction)
            else:
                self._went(payload, place, effect.path)
        for payload, effects in touched.items():
            self._judge(payload, effects, transaction)

    def _came(self, payload: bytes, place: str, path: str, transaction: Transaction) -> None:
        name = path.rpartition("/")[2]
        self.places.setdefault(payload, set()).add(path)
        if place == ITEMS:
            self.waiting[name] = transaction.zxid
            self.first.setdefault(payload, (name, transaction.zxid))
        elif place == CLAIMS:
            self._claims[names.base(name)] += 1
            self.claim_count[path] = self._claims[names.base(name)]
            self._judge_order(name, transaction)

    def _went(self, payload: bytes, place: str, path: str) -> None:
        self.places[payload].discard(path)
        if place == ITEMS:
            self.waiting.pop(path.rpartition("/")[2], None)

    def _judge(self, payload: bytes, effects: Sequence[Effect], transaction: Transaction) -> None:
        paths = self.places[payload]
        held = [path for path in paths if self._place(path) == CLAIMS]
        where = f"{payload!r} after zxid {transaction.zxid}: {sorted(paths)}"
        if len(paths) > 1:
            reason = Reason.OWNED_TWICE if len(held) > 1 else Reason.DUPLICATED
            self.wrong.append(Violation(reason, where))
        elif not paths:
            if not all(self._place(effect.path) == CLAIMS for effect in effects):
                self.wrong.append(Violation(Reason.LOST, f"{where}; nobody acknowledged it"))
            self.acknowledged.update(effect.path for effect in effects)

    def _judge_order(self, name: str, transaction: Transaction) -> None:
        began = self.reserving.get(transaction.session)
        if began is None:
            return
        passed = [other for other, since in self.waiting.items() if other < name and since <= began]
        if passed:
            detail = f"{name} at zxid {transaction.zxid}, while {passed} had waited since {began}"
            self.wrong.append(Violation(Reason.ORDER, detail))

    def _place(self, path: str) -> str | None:
        if not path.startswith(f"{self._root}/"):
            return None
        match path[len(self._root) + 1 :].split("/"):
            case ["items", _, _, _]:
                return ITEMS
            case ["consumers", _, "item", _]:
                return CLAIMS
            case ["delayed" | "partial" | "dead" as place, *_, name] if "-" in name:
                return place
            case _:
                return None


def _exchange(transaction: Transaction) -> Exchange:
    operations: list[Operation] = []
    created: list[str] = []
    for effect in transaction.effects:
        match effect:
            case Created(path, _, owner):
                operations.append(Operation(Opcode.CREATE, path, bool(owner)))
                created.append(path)
            case Deleted(path):
                operations.append(Operation(Opcode.DELETE, path))
            case Changed(path):
                operations.append(Operation(Opcode.SET_DATA, path))
    request = Request(0, Opcode.MULTI, tuple(operations))
    return Exchange(0, transaction.session, request, Reply(0, transaction.zxid, 0, tuple(created)))
