"""Plain first-in-first-out, exact: a queue that knows put, take and "empty"."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.checkers import checkers
from harness.checkers.evidence.episodes import put_rows
from harness.checkers.evidence.hidden import hidden_holds
from harness.checkers.evidence.violations import (
    SHOWN,
    Found,
    Proof,
    Violation,
    conclude,
    joined,
    nothing_shown,
    proved,
)
from harness.checkers.evidence.windows import chain, covered_until
from harness.claim import Claim
from harness.common.verdict import CheckResult, Finding
from harness.history.columns import NEVER_NS, OK, PUT, RESERVE, TAKE, History, Ints
from harness.history.record import Value

NAME = "fifo"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stays:
    """Each item's put in [put, put_by] and take in [take, take_by], NEVER_NS where open."""

    value: Ints
    put: Ints
    put_by: Ints
    take: Ints
    take_by: Ints
    put_row: Ints
    take_row: Ints


@checkers.register(NAME)
class Fifo:
    """Items are taken in the order of their puts, and "empty" is said only of an empty queue.

    Exact in O(n log n): a history is VALID if and only if it is linearizable as a FIFO queue,
    where a call of unknown outcome takes effect at any time after its invocation, or never.
    For puts and takes of one priority; a batch counts as calls that overlap. Reasons:
        fifo-order      taken, though an item put before it was still there
        false-empty     found nothing, while at every moment of the call an item was there
        taken-early     taken before its put began
        taken-twice, never-put
    Source: the bad patterns VFresh, VRepet, VOrd and VWit of Henzinger, Sezgin and Vafeiadis
    (2013) and the proof in docs/checkers.md that pairing unknown takes in order is best.
    """

    finds: ClassVar[frozenset[str]] = frozenset(
        {"false-empty", "fifo-order", "never-put", "taken-early", "taken-twice"}
    )

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Ask for takes of one priority, and a claim of linearizability."""
        if claim.level != "linearizable":
            return "claim: linearizable"
        if (history.f == RESERVE).any() or not (history.f == TAKE).any():
            return "takes, and no reserves"
        if len(np.unique(history.priority[history.f == PUT])) > 1:
            return "one priority"
        return None

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Look for each bad pattern."""
        put_row, taken = put_rows(history), np.flatnonzero(history.is_(TAKE, OK))
        empty, taken = taken[history.value[taken] < 0], taken[history.value[taken] >= 0]
        stays = _stays(history, put_row, taken)
        violations, others = joined(
            [
                _alone(history, put_row, taken),
                _early(history, stays),
                (list(_overtaken(history, stays)), []),
                _false_empty(history, stays, empty),
            ]
        )
        unknown_takes = len(hidden_holds(history).begin)
        details = {"items": len(stays.value), "empty": len(empty), "unknown_takes": unknown_takes}
        return conclude(
            NAME,
            history,
            violations,
            doubts=nothing_shown(history),
            details=details,
            others=others,
        )


def _stays(history: History, put_row: Ints, taken: Ints) -> _Stays:
    first = np.full(len(put_row), -1, np.int64)
    first[history.value[taken[::-1]]] = taken[::-1]
    value = np.flatnonzero(put_row >= 0)
    answered = history.outcome[put_row[value]] == OK
    value = value[answered | (first[value] >= 0)]
    put, take_row = put_row[value], first[value]
    was_taken = take_row >= 0
    take = np.where(was_taken, history.invoke_ns[take_row], NEVER_NS)
    _pair(history, np.flatnonzero(~was_taken), history.complete_ns[put], take)
    return _Stays(
        value=value,
        put=history.invoke_ns[put],
        put_by=history.complete_ns[put],
        take=np.maximum(take, history.invoke_ns[put]),
        take_by=np.where(was_taken, history.complete_ns[take_row], NEVER_NS),
        put_row=put,
        take_row=take_row,
    )


def _pair(history: History, waiting: Ints, put_by: Ints, take: Ints) -> None:
    """Give the items that were not taken to the takes of unknown outcome, both in order."""
    unseen = hidden_holds(history)
    held = np.minimum(unseen.capacity, len(waiting))
    calls = np.sort(np.repeat(unseen.begin, held))[: len(waiting)]
    waiting = waiting[np.argsort(put_by[waiting], kind="stable")]
    take[waiting[: len(calls)]] = calls


def _alone(history: History, put_row: Ints, taken: Ints) -> Found:
    """Return takes that no order explains: of items never put, and of items taken before."""
    value = history.value[taken]
    rows = taken[put_row[value] < 0]
    order = np.argsort(value, kind="stable")
    again = np.flatnonzero(value[order][1:] == value[order][:-1])

    def never(item: Value, row: int) -> Proof:
        return f"Item {item!r} was taken, and it was never put.", [row]

    def twice(item: Value, at: int) -> Proof:
        return f"Item {item!r} was taken twice.", taken[order[at : at + 2]]

    return joined(
        [
            proved(history, "never-put", rows, history.value[rows], never),
            proved(history, "taken-twice", again, value[order[again]], twice),
        ]
    )


def _early(history: History, stays: _Stays) -> Found:
    places = np.flatnonzero(stays.take_by < stays.put)

    def prove(item: Value, at: int) -> Proof:
        said = f"Item {item!r} had been taken before its put began."
        return said, [stays.put_row[at], stays.take_row[at]]

    return proved(history, "taken-early", places, stays.value[places], prove)


def _overtaken(history: History, stays: _Stays) -> Iterator[Violation]:
    """Yield one violation for each item that was taken before its turn."""
    order = np.argsort(stays.put, kind="stable")
    earliest = np.minimum.accumulate(stays.take_by[order][::-1])[::-1]
    later = np.searchsorted(stays.put[order], stays.put_by, side="right")
    bound = np.append(earliest, [NEVER_NS])[later]
    blocked = np.flatnonzero(bound < stays.take)
    seen: set[int] = set()
    for place in blocked[np.argsort(stays.take_by[blocked] - stays.put[blocked], kind="stable")]:
        behind = order[later[place] :]
        hasty = int(behind[np.argmin(stays.take_by[behind])])
        if hasty not in seen:
            seen.add(hasty)
            yield _overtaking(history, stays, int(place), hasty)
        if len(seen) > SHOWN:
            return


def _overtaking(history: History, stays: _Stays, place: int, hasty: int) -> Violation:
    item, early = history.values[stays.value[place]], history.values[stays.value[hasty]]
    rows = [*stays.put_row[[place, hasty]], *stays.take_row[[hasty, place]]]
    said = f"Item {early!r} was taken before {item!r}, though {item!r}'s put had returned before "
    said += f"{early!r}'s began, and {item!r} was still in the queue."
    return Violation.of("fifo-order", said, rows, item, early)


def _false_empty(history: History, stays: _Stays, empty: Ints) -> Found:
    free_ns = covered_until(stays.put_by, stays.take, history.invoke_ns[empty])
    wrong = empty[free_ns > history.complete_ns[empty]]
    rest = len(wrong) - SHOWN
    others = [Finding(reason="false-empty", count=rest)] if rest > 0 else []
    return [_not_empty(history, stays, int(row)) for row in wrong[:SHOWN]], others


def _not_empty(history: History, stays: _Stays, row: int) -> Violation:
    links = chain(
        stays.put_by, stays.take, int(history.invoke_ns[row]), int(history.complete_ns[row])
    )
    items = [history.values[stays.value[link]] for link in links]
    rows = [each[link] for link in links for each in (stays.put_row, stays.take_row)]
    listed = ", then ".join(map(repr, items))
    said = f"A call found the queue empty, though all the while {listed} was in it."
    return Violation.of("false-empty", said, [row, *rows], *items)
