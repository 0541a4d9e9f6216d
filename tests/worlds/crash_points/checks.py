"""What has to hold after a crash point, whatever was struck at: the queue's invariants.

Each violation has a reason, which is what a control expects:

    lost               certainly put, never done, and nowhere at the end
    duplicated         in two places, or consumed and still somewhere
    phantom            there although the call said that it certainly was not put
    owned-twice        consumed twice: two clients, or two deliveries, were told that it was theirs
    misplaced          in the queue although the call said it was done, put aside or purged, or
                       the other way round
    resolve-disagrees  not where the answer to an unknown outcome says
    ack-after-expiry   something of a consumer took effect after its session had ended
    delivery-count     delivered with another count than the number of claims so far
    reused-name        two items had the same name
    order              delivered out of the order of the puts
    taken-early        taken from a consumer that lives before its time to run was over
    outdated-write     written by a client that the tree's charter no longer allowed to
    left-behind        a claim, or a registration, that no client will ever end
    wedged             a call that did not end, or an outcome that cannot be asked for
    untyped            an error that is no ZkmqError
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from worlds.crash_points.operation import NOWHERE, QUEUE, Consumed, Operation, Places
from worlds.proxy.protocol import Opcode
from worlds.proxy.proxy import Exchange
from zkmq.tree import item_names

LAST = b"zz-last"


class Reason(Enum):
    """Why an outcome is wrong."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    PHANTOM = "phantom"
    OWNED_TWICE = "owned-twice"
    MISPLACED = "misplaced"
    RESOLVE = "resolve-disagrees"
    ACK_AFTER_EXPIRY = "ack-after-expiry"
    DELIVERY_COUNT = "delivery-count"
    REUSED_NAME = "reused-name"
    ORDER = "order"
    TAKEN_EARLY = "taken-early"
    OUTDATED = "outdated-write"
    LEFT_BEHIND = "left-behind"
    WEDGED = "wedged"
    UNTYPED = "untyped"


class Ended(Enum):
    """How a call ended, as far as its caller can tell."""

    OK = "ok"
    FAIL = "certainly not"
    UNKNOWN = "unknown"
    KILLED = "killed"


@dataclass(slots=True)
class Outcome:
    """How the call ended, and what could be learnt later.

    Attributes:
        applied: of a stepwise call that failed or is unknown, how many writes are certain.
        settled: the answers to "did it take effect?"; () if there was nothing to ask.
    """

    ended: Ended
    error: BaseException | None = None
    applied: int = 0
    settled: tuple[bool | None, ...] = ()
    took_s: float = 0.0

    def __str__(self) -> str:
        """For people."""
        asked = f", asked: {self.settled}" if self.settled else ""
        return f"{self.ended.value}{f' ({self.error!r})' if self.error else ''}{asked}"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong."""

    reason: Reason
    detail: str

    def __str__(self) -> str:
        """For people."""
        return f"{self.reason.value}: {self.detail}"


@dataclass(slots=True)
class Found:
    """Everything seen after the crash point, until nothing moved any more."""

    put: list[bytes]
    names: list[str]
    consumed: list[Consumed]
    drains: list[list[Consumed]]
    places: dict[str, list[bytes]]
    registrations: list[str]
    journal: Sequence[Exchange]
    expired: Mapping[int, int]
    root: str
    trouble: list[Violation] = field(default_factory=list)


def violations(operation: Operation, outcome: Outcome, found: Found) -> list[Violation]:
    """Everything that is wrong."""
    wrong = [*found.trouble, *misplaced(operation, outcome, found), *left_behind(found)]
    wrong += acks_after_expiry(found)
    wrong += reused_names(found)
    if not operation.renames:
        wrong += delivery_counts(found.consumed)
        wrong += order(found.drains)
    return wrong


def alternatives(operation: Operation, outcome: Outcome) -> list[Places]:
    """Where payloads may be, given what the caller was told; unnamed ones are in the queue."""
    before, after = operation.before, operation.after
    if operation.write_size and outcome.ended is not Ended.OK:
        return list(_steps(operation, outcome))
    told = outcome.settled[-1] if outcome.settled else None
    match outcome.ended:
        case Ended.OK:
            return [after]
        case Ended.FAIL:
            return [before]
        case _ if told is None:
            return [before, after]
        case _:
            return [after] if told else [before]


def _steps(operation: Operation, outcome: Outcome) -> Iterator[Places]:
    """A call of several writes: some of them, from the first on, took effect."""
    least, most = outcome.applied, len(operation.adds)
    if outcome.ended is Ended.FAIL:
        most = least
    if outcome.settled and None not in outcome.settled:
        least = most = least + operation.write_size * sum(map(bool, outcome.settled))
    for count in range(least, most + 1):
        yield dict.fromkeys(operation.adds[count:], NOWHERE)


def misplaced(operation: Operation, outcome: Outcome, found: Found) -> list[Violation]:
    """Compare with each alternative; the one that fits best tells what is wrong."""
    where = _where(found)
    each = [_misfits(found, where, places, outcome) for places in alternatives(operation, outcome)]
    return min(each, key=len)


def _where(found: Found) -> dict[bytes, Counter[str]]:
    where: dict[bytes, Counter[str]] = {}
    for each in found.consumed:
        where.setdefault(each.payload, Counter())[QUEUE] += 1
    for place, payloads in found.places.items():
        for payload in payloads:
            where.setdefault(payload, Counter())[place] += 1
    return where


def _misfits(
    found: Found, where: Mapping[bytes, Counter[str]], places: Places, outcome: Outcome
) -> list[Violation]:
    wrong = []
    for payload in [*dict.fromkeys(found.put), *(set(where) - set(found.put))]:
        allowed = places.get(payload, QUEUE).split(" or ")
        seen = where.get(payload, Counter())
        if seen.total() > 1:
            twice = Reason.OWNED_TWICE if _consumed_twice(found, payload) else Reason.DUPLICATED
            wrong.append(Violation(twice, f"{payload!r}: {dict(seen)}"))
        elif (place := next(iter(seen), NOWHERE)) not in allowed:
            reason = _misplaced(place, allowed, outcome)
            wrong.append(Violation(reason, f"{payload!r}: expected {allowed}, got {place}"))
    return wrong


def _misplaced(place: str, allowed: Sequence[str], outcome: Outcome) -> Reason:
    if outcome.settled and outcome.settled[-1] is not None:
        return Reason.RESOLVE
    if place == NOWHERE:
        return Reason.LOST
    if allowed == [NOWHERE] and outcome.ended is Ended.FAIL:
        return Reason.PHANTOM
    return Reason.MISPLACED


def _consumed_twice(found: Found, payload: bytes) -> bool:
    """Whether one item was consumed twice, and not two items with the same payload once each."""
    ids = [each.id for each in found.consumed if each.payload == payload]
    return len(ids) > len(set(ids))


def left_behind(found: Found) -> Iterator[Violation]:
    """Nothing is held, waits, or is registered when all was drained and closed."""
    for place in ("items", "claims"):
        for payload in found.places.get(place, ()):
            yield Violation(Reason.LEFT_BEHIND, f"{payload!r} in {place} after the last drain")
    for consumer in found.registrations:
        yield Violation(Reason.LEFT_BEHIND, f"{consumer} is still registered")


def acks_after_expiry(found: Found) -> Iterator[Violation]:
    """No write about a consumer commits after the session that registered it has ended.

    But for another registration under the same name, by a late copy: it holds nothing.
    """
    sessions: dict[str, int] = {}
    for zxid, exchange in _multis(found.journal):
        operations = exchange.request.operations
        about = {_consumer(each.path, found.root) for each in operations} - {None}
        made = {_consumer(each.path, found.root) for each in operations if each.ephemeral}
        sessions |= {consumer: exchange.session for consumer in made if consumer}
        for consumer in about - made:
            ended = found.expired.get(sessions.get(consumer or "", 0))
            if ended is not None and zxid > ended:
                yield Violation(Reason.ACK_AFTER_EXPIRY, str(exchange))


def _multis(journal: Iterable[Exchange]) -> list[tuple[int, Exchange]]:
    """The multis that the server carried out, in the order in which it did."""
    carried_out = [
        (exchange.reply.zxid, exchange)
        for exchange in journal
        if exchange.reply is not None
        and exchange.applied
        and exchange.request.opcode is Opcode.MULTI
    ]
    return sorted(carried_out, key=lambda each: each[0])


def _consumer(path: str, root: str) -> str | None:
    parent = f"{root}/consumers/"
    return path[len(parent) :].split("/", maxsplit=1)[0] if path.startswith(parent) else None


def claims_by_item(journal: Iterable[Exchange], root: str) -> Counter[str]:
    """How often each item was claimed, by the server's answers."""
    claims: Counter[str] = Counter()
    for _, exchange in _multis(journal):
        for operation in exchange.request.operations:
            parent, _, name = operation.path.rpartition("/")
            if operation.opcode is Opcode.CREATE and parent.startswith(f"{root}/consumers/"):
                claims[item_names.base(name)] += 1
    return claims


def reused_names(found: Found) -> Iterator[Violation]:
    """No item of the queue is ever made under a name that another had."""
    created = list(found.names)
    for exchange in found.journal:
        if exchange.applied and exchange.reply is not None:
            paths = exchange.reply.created
            created += [
                path.rpartition("/")[2] for path in paths if path.startswith(f"{found.root}/items/")
            ]
    counts = Counter(name for name in created if item_names.parse(name))
    for name, count in counts.items():
        if count > 1:
            yield Violation(Reason.REUSED_NAME, f"{name} was made {count} times")


def delivery_counts(consumed: Iterable[Consumed]) -> Iterator[Violation]:
    """A delivery's number is that of the claim it came with."""
    for each in consumed:
        if each.delivery != each.claims:
            detail = f"{each.id}: claimed {each.claims} times, delivered as {each.delivery}."
            yield Violation(Reason.DELIVERY_COUNT, detail)


def order(drains: Iterable[Sequence[Consumed]]) -> Iterator[Violation]:
    """Within a priority items come in the order of their puts."""
    for drain in drains:
        lanes: dict[str, list[Consumed]] = {}
        for each in drain:
            lanes.setdefault(each.id[:8], []).append(each)
        for lane in lanes.values():
            if lane != sorted(lane, key=lambda each: (each.put_zxid or 0, each.id)):
                detail = ", ".join(f"{each.payload!r}@{each.put_zxid}" for each in lane)
                yield Violation(Reason.ORDER, detail)
