"""Items of one group are held one at a time, in the order of their puts."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from harness.checkers import checkers
from harness.checkers.evidence.episodes import put_rows
from harness.checkers.evidence.holds import Holds, holds
from harness.checkers.evidence.violations import Violation, conclude, nothing_shown
from harness.claim import Claim
from harness.common.verdict import CheckResult
from harness.history.columns import DONE, FAIL, NEVER_NS, OK, RELEASE, History, Ints, Mask

NAME = "groups"


class _Put(NamedTuple):
    """An acknowledged put of a group: when it was surely there, and until when it surely stayed."""

    there_ns: int
    stayed_ns: int
    value: int


@checkers.register(NAME)
class Groups:
    """The items of a group are held one at a time, in the order of their puts.

    Needs no clock but that of the history, and no claim of order. O(n log n). Reasons:
        group-overlap   two items of a group were surely held at the same moment
        group-order     an item was delivered while an earlier one of its group and priority, put
                        before its own put began, was surely in the queue
    Sound. It cannot see holds of unknown calls, and takes no item for earlier that was put with a
    delay, or whose done it does not know: `total-queue` says what became of that one.
    """

    finds: ClassVar[frozenset[str]] = frozenset({"group-overlap", "group-order"})

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Ask for puts with groups."""
        return None if history.groups else "puts with a group"

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Compare the holds of each group."""
        held = holds(history)
        over_ns, stayed_ns = _over_ns(held), _stayed_ns(history, held)
        by_group: dict[str | int, list[int]] = {}
        for place, value in enumerate(held.value.tolist()):
            if value in history.groups:
                by_group.setdefault(history.groups[value], []).append(place)
        violations = [
            violation
            for group, places in by_group.items()
            for violation in (
                *_overlaps(history, held, over_ns, group, places),
                *_disorder(history, held, stayed_ns, group, places),
            )
        ]
        details = {"groups": len(by_group), "holds": sum(map(len, by_group.values()))}
        return conclude(NAME, history, violations, doubts=nothing_shown(history), details=details)


def _over_ns(held: Holds) -> Ints:
    """Return until when each hold surely lasted: what ended it, or may have, had not begun.

    A take ends as it begins, since it removes its item at once.
    """
    first_ns = np.full(len(held.row), NEVER_NS, np.int64)
    known = held.endings.hold >= 0
    np.minimum.at(first_ns, held.endings.hold[known], held.endings.begin_ns[known])
    return np.where(_takes(held), held.begin_ns, np.minimum(first_ns, held.over_ns))


def _stayed_ns(history: History, held: Holds) -> Ints:
    """Return, by value, until when each item was surely in its place in the queue; 0: not known.

    A release to another place moves it there. Without a done it is not known when it left.
    """
    left = (history.f == DONE) | ((history.f == RELEASE) & (history.to != 0))
    rows = np.flatnonzero(left & (history.outcome != FAIL) & (history.value >= 0))
    first_ns = np.full(len(history.values) + 1, NEVER_NS, np.int64)
    np.minimum.at(first_ns, history.value[rows], history.invoke_ns[rows])
    taken = _takes(held)
    np.minimum.at(first_ns, held.value[taken], held.begin_ns[taken])
    away = ~held.endings.back & (held.endings.row < 0) & (held.endings.hold >= 0)
    first_ns[held.value[held.endings.hold[away]]] = 0
    return np.where(first_ns == NEVER_NS, 0, first_ns)


def _takes(held: Holds) -> Mask:
    """The holds that no call had to end: a take is final."""
    acked = np.zeros(len(held.row), np.bool_)
    known = held.endings.hold >= 0
    acked[held.endings.hold[known]] = True
    mask: Mask = held.done & ~acked
    return mask


def _overlaps(
    history: History, held: Holds, over_ns: Ints, group: str | int, places: Sequence[int]
) -> Iterator[Violation]:
    """Give each hold that surely lasted when one of another item of the group had surely begun."""
    sure = [place for place in places if over_ns[place] > held.held_ns[place]]
    longest: list[int] = []  # the two holds of different items that last longest so far
    for place in sorted(sure, key=lambda place: int(held.held_ns[place])):
        for other in longest:
            if held.value[other] != held.value[place] and over_ns[other] > held.held_ns[place]:
                yield _overlap(history, held, group, other, place)
                break
        best: dict[int, int] = {}
        for each in sorted([*longest, place], key=lambda each: -int(over_ns[each])):
            best.setdefault(int(held.value[each]), each)
        longest = list(best.values())[:2]


def _disorder(
    history: History, held: Holds, stayed_ns: Ints, group: str | int, places: Sequence[int]
) -> Iterator[Violation]:
    """Give each delivery of an item while an earlier one of its group surely was in the queue."""
    put = put_rows(history)
    for priority in np.unique(history.priority[put[held.value[places]]]).tolist():
        mine = [
            place
            for place in places
            if put[held.value[place]] >= 0 and history.priority[put[held.value[place]]] == priority
        ]
        earlier = sorted(
            _Put(int(history.complete_ns[row]), int(stayed_ns[value]), value)
            for value in {int(held.value[place]) for place in mine}
            if history.outcome[row := put[value]] == OK and history.to[row] == 0
        )
        there_ns = [each.there_ns for each in earlier]
        last = list(_last_to_stay(earlier))
        for place in mine:
            began_ns = int(history.invoke_ns[put[held.value[place]]])
            before = int(np.searchsorted(there_ns, began_ns)) - 1
            if before >= 0 and last[before].stayed_ns > held.held_ns[place]:
                yield _out_of_order(history, held, group, place, last[before].value)


def _last_to_stay(puts: Sequence[_Put]) -> Iterator[_Put]:
    """Give, for each put in order of time, which of those up to it stays in the queue longest."""
    longest: _Put | None = None
    for put in puts:
        longest = put if longest is None or put.stayed_ns > longest.stayed_ns else longest
        yield longest


def _overlap(history: History, held: Holds, group: str | int, first: int, second: int) -> Violation:
    values = [history.values[held.value[place]] for place in (first, second)]
    who = [history.processes[held.process[place]] for place in (first, second)]
    said = f"Process {who[1]!r} got item {values[1]!r} of group {group!r}, while process "
    said += f"{who[0]!r} held item {values[0]!r} of it."
    rows = [put_rows(history)[held.value[first]], held.row[first], held.row[second]]
    return Violation.of("group-overlap", said, rows, *values)


def _out_of_order(
    history: History, held: Holds, group: str | int, place: int, earlier: int
) -> Violation:
    late, early = history.values[held.value[place]], history.values[earlier]
    acts = np.flatnonzero((history.value == earlier) & (history.outcome != FAIL))
    done = acts[history.invoke_ns[acts] > held.held_ns[place]]
    said = f"Item {late!r} of group {group!r} was delivered, while item {early!r} of it, "
    said += "which was put before, was not done."
    rows = [*put_rows(history)[[earlier, held.value[place]]], held.row[place], *done[:1]]
    return Violation.of("group-order", said, rows, late, early)
