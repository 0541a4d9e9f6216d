"""The leader's log as the truth: where every item is at each zxid, and what may never be.

Judged at every zxid, so that a state which heals again is seen as well: an item that was put is
in one place, until it is acknowledged, and then nowhere for ever; a reserve that saw all that
was committed before it began takes nothing while an item before it waits.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from worlds.crash_points.checks import Reason, Violation
from worlds.memory.zookeeper import (
    Changed,
    Created,
    Deleted,
    Effect,
    Leader,
    Transaction,
    parent_of,
)
from worlds.proxy.protocol import Opcode, Operation, Reply, Request
from worlds.proxy.proxy import Exchange
from zkmq.tree import envelope, item_names
from zkmq.tree.compatibility.charter import EDITION, Charter
from zkmq.tree.guards import Guard

ITEMS, CLAIMS = "items", "claims"


@dataclass(slots=True)
class _Held:
    """A claim: by which session, and since when its time runs."""

    session: int
    since_ms: int
    ttr_s: float | None


class Ledger:
    """Follows the log of one queue. Payloads have to differ."""

    def __init__(self, leader: Leader, root: str, *, max_deliveries: int | None = None) -> None:
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
        # payload -> the zxid of the purge that forgot it, unless it was claimed all the same
        self.purged: dict[bytes, int] = {}
        # When the tree was raised beyond old clients, and whose sessions are theirs.
        self.raised: int | None = None
        self.is_old: Callable[[int], bool] = lambda _: False
        # What is no item of the queue's, wherever it stands.
        self.is_foreign: Callable[[bytes], bool] = lambda _: False
        self._held: dict[str, _Held] = {}
        # name -> the group of an item that waits, and of those that an operator brought back
        self._group: dict[str, str] = {}
        self._kicked: set[str] = set()
        # group -> the paths of its items that are held, or that come back after a delay
        self._busy: dict[str, set[str]] = {}
        self._max_deliveries = max_deliveries
        self._root = root
        self._claims: Counter[bytes] = Counter()
        self._exchanges: list[Exchange | None] = []
        self._leader = leader
        leader.observers.append(self._follow)

    def journal(self, sessions: Iterable[int] | None = None) -> list[Exchange]:
        """The writes of some sessions, or of all, as a proxy would have seen them."""
        log = self._leader.log
        for transaction in log[len(self._exchanges) :]:
            self._exchanges.append(_exchange(transaction) if transaction.effects else None)
        chosen = None if sessions is None else set(sessions)
        return [
            exchange
            for exchange in self._exchanges
            if exchange is not None and (chosen is None or exchange.session in chosen)
        ]

    def _follow(self, transaction: Transaction) -> None:
        self._judge_writer(transaction)
        touched: dict[bytes, list[Effect]] = {}
        # What a claim takes is no more in its way.
        for effect in sorted(transaction.effects, key=lambda each: not isinstance(each, Deleted)):
            place = self._place(effect.path)
            if place is not None and self.is_foreign(effect.data):
                continue
            if isinstance(effect, Changed):
                self._changed(place, effect, transaction)
                continue
            if place is None:
                continue
            header, payload = envelope.unwrap(effect.data)
            if group := header.get("group"):
                self._follow_group(group, place, effect, transaction)
            touched.setdefault(payload, []).append(effect)
            if isinstance(effect, Created):
                self._came(payload, place, effect.path, transaction)
                self._judge_place(place, header, effect.path, transaction)
            else:
                self._went(payload, place, effect.path)
                self._judge_end(place, effect.path, transaction)
        for payload, effects in touched.items():
            self._judge(payload, effects, transaction)

    def _follow_group(
        self, group: str, place: str, effect: Effect, transaction: Transaction
    ) -> None:
        """One item of a group at a time is held or comes back; none passes an earlier one."""
        name = effect.path.rpartition("/")[2]
        busy = self._busy.setdefault(group, set())
        if isinstance(effect, Deleted):
            busy.discard(effect.path)
            self._group.pop(name, None)
            return
        if place == ITEMS:
            self._group[name] = group
            gone = [each.path for each in transaction.effects if isinstance(each, Deleted)]
            if any(self._place(path) in {"dead", "partial"} for path in gone):
                self._kicked.add(name)
        elif place == CLAIMS or (place == "delayed" and name.startswith("item-")):
            busy.add(effect.path)
        detail = f"group {group}: {effect.path} at zxid {transaction.zxid}"
        if len(busy) > 1:
            self.wrong.append(Violation(Reason.OWNED_TWICE, f"{detail}: {sorted(busy)}"))
        if place == CLAIMS:
            same = [each for each, other in self._group.items() if other == group]
            passed = [each for each in same if each[:8] == name[:8] and each < name]
            if before := sorted(set(passed) - self._kicked):
                self.wrong.append(Violation(Reason.ORDER, f"{detail}, before {before}"))

    def _came(self, payload: bytes, place: str, path: str, transaction: Transaction) -> None:
        name = path.rpartition("/")[2]
        self.places.setdefault(payload, set()).add(path)
        if place == ITEMS:
            self.waiting[name] = transaction.zxid
            self.first.setdefault(payload, (name, transaction.zxid))
        elif place == CLAIMS:
            self._claims[payload] += 1
            self.claim_count[path] = self._claims[payload]
            self._judge_order(name, transaction)
            self._judge_purged(payload, name, transaction)

    def _went(self, payload: bytes, place: str, path: str) -> None:
        self.places[payload].discard(path)
        if place == ITEMS:
            name = path.rpartition("/")[2]
            self.waiting.pop(name, None)
            self._group.pop(name, None)

    def _changed(self, place: str | None, effect: Changed, transaction: Transaction) -> None:
        """A touch, a purge, or a raise; or nothing that matters here."""
        if place == CLAIMS:
            self._held[effect.path].since_ms = transaction.time_ms
        elif parent_of(effect.path) == f"{self._root}/items":
            guard = Guard.decode(effect.data, 0)
            if guard.purged >= 0:
                self._purge(
                    f"{effect.path}/", item_names.segment_name(guard.purged), transaction.zxid
                )
        elif effect.path == self._root and self.raised is None:
            charter = Charter.decode(self._root, effect.data)
            self.raised = transaction.zxid if charter.min_writer > EDITION.version else None

    def _purge(self, lane: str, last: str, zxid: int) -> None:
        """Forget what waits in a lane, up to the last segment."""
        for payload, paths in self.places.items():
            for path in [path for path in paths if path.startswith(lane)]:
                if path[len(lane) :].partition("/")[0] <= last:
                    self._went(payload, ITEMS, path)
                    self.purged[payload] = zxid

    def _judge(self, payload: bytes, effects: Sequence[Effect], transaction: Transaction) -> None:
        paths = self.places[payload]
        held = [path for path in paths if self._place(path) == CLAIMS]
        where = f"{payload!r} after zxid {transaction.zxid}: {sorted(paths)}"
        if len(paths) > 1:
            reason = Reason.OWNED_TWICE if len(held) > 1 else Reason.DUPLICATED
            self.wrong.append(Violation(reason, where))
        elif not paths and payload not in self.purged:
            if not all(self._place(effect.path) == CLAIMS for effect in effects):
                self.wrong.append(Violation(Reason.LOST, f"{where}; nobody acknowledged it"))
            self.acknowledged.update(effect.path for effect in effects)

    def _judge_writer(self, transaction: Transaction) -> None:
        """Nothing of an old client takes effect after the raise.

        But for the end of its session, and of its office, if it was the elected janitor.
        """
        session = transaction.session
        if self.raised is None or session not in self._leader.sessions or not self.is_old(session):
            return
        lock = f"{self._root}/gc-lock"
        for effect in transaction.effects:
            if not (isinstance(effect, Deleted) and effect.path == lock):
                detail = f"{effect} at zxid {transaction.zxid}, raised at {self.raised}"
                self.wrong.append(Violation(Reason.OUTDATED, detail))

    def _judge_place(
        self, place: str, header: envelope.Header, path: str, transaction: Transaction
    ) -> None:
        """What was delivered too often is not available; a claim is noted, for its time to run."""
        if place == CLAIMS:
            ttr_s = header.get("ttr_s")
            self._held[path] = _Held(transaction.session, transaction.time_ms, ttr_s)
        often = int(header.get("deliveries", 0)) - int(header.get("forgiven", 0))
        if place == ITEMS and self._max_deliveries and often >= self._max_deliveries:
            detail = f"{path} at zxid {transaction.zxid}: delivered {often} times, and available"
            self.wrong.append(Violation(Reason.MISPLACED, detail))

    def _judge_end(self, place: str, path: str, transaction: Transaction) -> None:
        """Only its own consumer ends a hold, or the end of that consumer, or of its time."""
        if place != CLAIMS:
            return
        held = self._held.pop(path)
        active = f"{path.rpartition('/item/')[0]}/active"
        if transaction.session == held.session or active not in self._leader.tree.nodes:
            return
        ran_ms = transaction.time_ms - held.since_ms
        if held.ttr_s is None or ran_ms < held.ttr_s * 1000:
            detail = f"{path} at zxid {transaction.zxid}: after {ran_ms} ms of {held.ttr_s} s"
            self.wrong.append(Violation(Reason.TAKEN_EARLY, detail))

    def _judge_purged(self, payload: bytes, name: str, transaction: Transaction) -> None:
        """Who looked before the purge may still take an item; who looks after it may not."""
        purged = self.purged.pop(payload, None)
        began = self.reserving.get(transaction.session)
        if purged is not None and began is not None and began >= purged:
            detail = f"{name} at zxid {transaction.zxid}: purged at {purged}, and taken"
            self.wrong.append(Violation(Reason.MISPLACED, detail))

    def _judge_order(self, name: str, transaction: Transaction) -> None:
        began = self.reserving.get(transaction.session)
        if began is None:
            return
        # One that has a group may have to wait for another of its group.
        passed = [
            other
            for other, since in self.waiting.items()
            if other < name and since <= began and other not in self._group
        ]
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
