"""Accounting: every acknowledged item comes out, once, and nothing else does."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, ClassVar

import numpy as np

from harness.checkers import checkers
from harness.checkers.evidence.account import Account, account
from harness.checkers.evidence.notes import end_trees, last_drain, stands, still_there
from harness.checkers.evidence.violations import (
    SHOWN,
    Found,
    Proof,
    Violation,
    conclude,
    in_order,
    named,
    proved,
)
from harness.claim import Claim
from harness.common.verdict import CheckResult, Finding, Witness
from harness.history.columns import DONE, PUT, RESERVE, TAKE, History, Mask
from harness.history.record import Value

NAME = "total-queue"
_ROWS = 12
_VALUES = 5
_ENDED = {DONE: "acknowledged", TAKE: "taken"}


@checkers.register(NAME)
class TotalQueue:
    """Every acknowledged item is accounted for at the end, came out once, and nothing else did.

    After a finished drain, each acknowledged put must have been acknowledged by a `done` that
    succeeded or may have, or taken, or be in a place that the scenario allows (`put_aside`) on
    every server that was read. O(n). Reasons:
        lost            none of those, whether or not it was ever delivered
        duplicated      delivered again, though it was not given back and no session ended with it
        unexpected      delivered, never put in this run: invented, or left by another run
        phantom         delivered, though its put certainly failed
        left-after-done acknowledged by a consumer, or taken, and every server that was read
                        afterwards still has it
    UNKNOWN:
        nothing-acknowledged    such a history shows nothing
        few-acknowledged        less than `min_acknowledged` of the puts that were tried
        no-drain        items are not accounted for, and the queue was not drained
        put-after-drain acknowledged items that are not accounted for were put after it began
        drain-gave-up   the last drain stopped before the queue was empty and every hold was over
        maybe-taken     items are missing, and as many takes of unknown outcome may have them
        maybe-left      as `left-after-done`, but the subject has no `places`: what every server
                        still has may be something else with the item's value
    Details are sorted lists of values; `recovered` (outcome unknown, delivered) is no error.
    A reserve of unknown outcome excuses nothing, since a drain ends only when no item is held.
    Source: Jepsen's checker of the same name, which passes duplicates and an empty history.
    """

    finds: ClassVar[frozenset[str]] = frozenset(
        {"duplicated", "left-after-done", "lost", "phantom", "unexpected"}
    )

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Return None: any history can be counted."""
        return None

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Count, and name what is wrong."""
        books = account(history, claim.put_aside)
        left, left_others = _left_after_done(history)
        violations = [*_extra(history, books), *_invented(history, books), *_lost(history, books)]
        doubts = dict(_doubts(history, books, claim))
        result = conclude(
            NAME,
            history,
            [*violations, *left],
            doubts=[*doubts],
            details=_details(history, books),
            others=[*_undescribed(history, books), *left_others],
        )
        told = (Witness(sentence=sentence) for sentence in doubts.values())
        return replace(result, witnesses=(*result.witnesses, *told))


def _lost(history: History, books: Account) -> Iterator[Violation]:
    if not books.lost or books.missing is None:
        return
    doubt = f"; takes of unknown outcome can have at most {books.capacity} of the "
    doubt = f"{doubt}{int(books.missing.sum())} that are missing" if books.capacity else ""
    for number, value in _smallest(history, books.missing):
        said = f"Item {value!r} was {_fate(books, number)}, and {_where(history, number)}{doubt}."
        rows = [*_rows(history, number, range(5)), *books.takers[:3]]
        yield Violation.of("lost", said, rows, value)


def _fate(books: Account, number: int) -> str:
    if times := int(books.deliveries[number]):
        often = "delivered" if times == 1 else f"delivered {times} times"
        return f"acknowledged when it was put, {often}, never acknowledged by a consumer"
    return "acknowledged, was never delivered"


def _where(history: History, number: int) -> str:
    """Return where a lost item still is on the servers, out of every consumer's reach."""
    found = stands(history).get(number)
    if found is None:
        return "nothing is left of it after the drain"
    read = len(end_trees(history))
    places = (f"in {place} of {len(nodes)} of {read} servers" for place, nodes in found.items())
    return f"after the drain it stands {' and '.join(places)}"


def _extra(history: History, books: Account) -> Iterator[Violation]:
    for number, value in _smallest(history, books.extra > 0):
        times = int(books.deliveries[number])
        said = f"Item {value!r} was delivered {times} times, and at most "
        said += f"{times - int(books.extra[number])} can be explained: it was not given back, and "
        said += "no session ended with it."
        yield Violation.of("duplicated", said, _rows(history, number, range(5)), value)


def _invented(history: History, books: Account) -> Iterator[Violation]:
    for number, value in _smallest(history, books.unexpected):
        said = f"Item {value!r} was delivered, and this run never put it."
        yield Violation.of("unexpected", said, _rows(history, number, (RESERVE, TAKE)), value)
    for number, value in _smallest(history, books.phantom):
        said = f"Item {value!r} was delivered, though its put certainly failed."
        yield Violation.of("phantom", said, _rows(history, number, (PUT, RESERVE, TAKE)), value)


def _left_after_done(history: History) -> Found:
    rows, _ = still_there(history)

    def prove(item: Value, row: int) -> Proof:
        ended = _ENDED[int(history.f[row])]
        return f"Item {item!r} was {ended}, and every server that was read has it at the end.", [
            row
        ]

    return proved(history, "left-after-done", rows, history.value[rows], prove)


def _smallest(history: History, mask: Mask) -> list[tuple[int, Value]]:
    """Return the numbers and values of the smallest items, as many as a result shows."""
    numbers = np.flatnonzero(mask)
    by_value = {history.values[number]: int(number) for number in numbers}
    return [(by_value[value], value) for value in in_order(by_value)[:SHOWN]]


def _rows(history: History, number: int, kinds: Container[int]) -> tuple[int, ...]:
    rows = np.flatnonzero(history.value == number).tolist()
    return tuple(islice((row for row in rows if history.f[row] in kinds), _ROWS))


def _undescribed(history: History, books: Account) -> Iterator[Finding]:
    masks = {
        "duplicated": books.extra > 0,
        "unexpected": books.unexpected,
        "phantom": books.phantom,
    }
    if books.lost and books.missing is not None:
        masks["lost"] = books.missing
    for reason, mask in masks.items():
        values = named(history, np.flatnonzero(mask))[SHOWN:]
        if values:
            yield Finding(reason=reason, count=len(values), values=tuple(values))


def _doubts(history: History, books: Account, claim: Claim) -> Iterator[tuple[str, str]]:
    """Yield each reason for UNKNOWN with a sentence."""
    tried, got = int(books.attempted.sum()), int(books.acknowledged.sum())
    if not got:
        yield "nothing-acknowledged", f"None of {tried} puts was acknowledged: it shows nothing."
    elif got < claim.min_acknowledged * tried:
        wanted = f"at least {claim.min_acknowledged:.0%} are wanted (min_acknowledged)"
        yield "few-acknowledged", f"Only {got} of {tried} puts were acknowledged; {wanted}."
    drain = last_drain(history)
    if drain is not None and not drain.complete:
        why = f": {drain.why}" if drain.why else ""
        yield "drain-gave-up", f"The drain did not come to its end{why}{_left(history)}."
    elif drain is None and books.owed.any():
        told = f"Acknowledged items that are not accounted for: {int(books.owed.sum())}"
        yield "no-drain", f"{told}; the queue was not drained."
    if books.late.any():
        told = f"Acknowledged items that are not accounted for: {int(books.late.sum())}"
        yield "put-after-drain", f"{told}; they were put after the last drain began."
    _, rows = still_there(history)
    if len(rows):
        told = f"which had ended: {_few(history, history.value[rows])}"
        yield "maybe-left", f"Every server still has values of items {told}; no `places` tell why."
    if books.missing is not None and books.missing.any() and not books.lost:
        told = f"Items that are missing: {int(books.missing.sum())}"
        yield "maybe-taken", f"{told}; takes of unknown outcome may have removed them."


def _left(history: History) -> str:
    """Describe what was left on the servers when a drain gave up: counts and values by place."""
    places: dict[str, list[int]] = {}
    for number, found in stands(history).items():
        for place in found:
            places.setdefault(place, []).append(number)
    told = [f"{len(n)} in {place} ({_few(history, n)})" for place, n in sorted(places.items())]
    return f"; what the servers still have: {', '.join(told)}" if told else ""


def _few(history: History, numbers: Iterable[int]) -> str:
    values = named(history, numbers)
    return ", ".join(map(str, values[:_VALUES])) + (", ..." if len(values) > _VALUES else "")


def _details(history: History, books: Account) -> dict[str, Any]:
    masks = {
        "missing": books.missing,
        "owed": books.owed,
        "duplicated": books.extra > 0,
        "unexpected": books.unexpected,
        "phantom": books.phantom,
        "recovered": books.recovered,
    }
    return {
        name: None if mask is None else named(history, np.flatnonzero(mask))
        for name, mask in masks.items()
    } | {"unknown_calls": len(books.takers), "unknown_capacity": books.capacity}
