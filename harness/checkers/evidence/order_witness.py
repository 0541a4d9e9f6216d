"""Explain a delivery or "empty" out of order: the items that prove it, and a sentence."""

from dataclasses import dataclass

import numpy as np

from harness.checkers.evidence.episodes import Episodes
from harness.checkers.evidence.hidden import Hidden
from harness.checkers.evidence.sweeps import Swept
from harness.checkers.evidence.violations import Violation, named
from harness.checkers.evidence.windows import chain
from harness.claim import Level
from harness.common.verdict import Finding
from harness.history.columns import History, Ints, Mask
from harness.history.record import Value

_EXAMINED = 30
_LINKS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepInput:
    """What a sweep judges: stays, calls that found nothing, and calls that may hide items.

    With `by_delivery`, the order of first deliveries tells the order of overlapping puts.
    `looked_ns` is the earliest time at which each stay's consumer can have looked at the queue.
    """

    stays: Episodes
    empty_rows: Ints
    empties: tuple[Ints, Ints]
    hidden: Hidden
    looked_ns: Ints
    by_delivery: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """A call in [first, last] while an item ahead was there; stay -1 for one that found none."""

    stay: int
    row: int
    first_ns: int
    last_ns: int


def explain(
    history: History, case: SweepInput, swept: Swept, level: Level
) -> tuple[list[Violation], list[Finding]]:
    """Return one violation for each blocking item, and all others.

    One bug makes many violations: a lost item blocks all that follow it.
    """
    questions = _questions(case, swept)
    by_blocker: dict[tuple[int | None, bool], Violation] = {}
    for question in _some(questions):
        links = _links(case, swept, level, question)
        kind = (int(case.stays.value[links[0]]) if links else None, question.stay < 0)
        violation = _violation(history, case, question, links)
        if kind not in by_blocker or len(violation.rows) < len(by_blocker[kind].rows):
            by_blocker[kind] = violation
    shown = sorted(by_blocker.values(), key=lambda v: len(v.rows))
    return shown, _others(history, case, questions, shown)


def _others(
    history: History, case: SweepInput, questions: list[_Question], shown: list[Violation]
) -> list[Finding]:
    """Return the questions beyond those shown; which order they violate, as far as is known."""
    told = {row for violation in shown for row in violation.rows[:1]}
    rest = [question for question in questions if question.row not in told]
    stays = [question.stay for question in rest if question.stay >= 0]
    values = named(history, case.stays.value[stays])
    orders = {violation.reason for violation in shown} - {"false-empty"}
    found = [
        Finding(reason=" or ".join(sorted(orders)), count=len(stays), values=tuple(values)),
        Finding(reason="false-empty", count=len(rest) - len(stays)),
    ]
    return [finding for finding in found if finding.count]


def _some(questions: list[_Question]) -> list[_Question]:
    """Return the first few deliveries and the first few empties, so that both are shown."""
    empty = [question for question in questions if question.stay < 0]
    other = [question for question in questions if question.stay >= 0]
    return other[:_EXAMINED] + empty[:_EXAMINED]


def _questions(case: SweepInput, swept: Swept) -> list[_Question]:
    stays = case.stays
    found = [
        _Question(
            stay=int(stay),
            row=int(stays.row[stay]),
            first_ns=int(case.looked_ns[stay]),
            last_ns=int(stays.surely_taken_ns[stay]),
        )
        for stay in np.flatnonzero(swept.bad)
    ]
    found += [
        _Question(
            stay=-1,
            row=int(case.empty_rows[call]),
            first_ns=int(case.empties[0][call]),
            last_ns=int(case.empties[1][call]),
        )
        for call in np.flatnonzero(swept.bad_empty)
    ]
    return sorted(found, key=lambda q: (q.last_ns - q.first_ns, q.row))


def _links(case: SweepInput, swept: Swept, level: Level, question: _Question) -> list[int]:
    """Return the stays that prove it, the best one first."""
    if level == "linearizable":
        return _chain(case, swept.taken_ns, question)
    stays = case.stays
    whole = _ahead(case, question.stay) & (stays.taken_ns > question.last_ns)
    if level == "stale":
        whole &= (stays.number == 0) & (stays.priority == stays.priority[question.stay])
    else:
        whole &= stays.surely_free_ns < question.first_ns
    sure = np.flatnonzero(whole & case.hidden.certain(stays))
    if len(sure):
        return [int(sure[np.argmin(stays.surely_free_ns[sure])])]
    # One more than calls of unknown outcome can have had.
    least = 1 + int(case.hidden.at_most(np.array([question.last_ns]))[0])
    blockers = np.flatnonzero(whole)
    order = np.argsort(stays.surely_free_ns[blockers], kind="stable")
    return [int(stay) for stay in blockers[order[:least]]]


def _chain(case: SweepInput, tight_ns: Ints, question: _Question) -> list[int]:
    """Return windows that cover the call, and those that show why one of them was tightened."""
    links: list[int] = []
    pending = [(question.stay, question.first_ns, question.last_ns)]
    while pending and len(links) < _LINKS:
        stay, first_ns, last_ns = pending.pop(0)
        for link in _cover(case, tight_ns, stay, (first_ns, last_ns)):
            if link not in links:
                links.append(link)
                raw_ns = int(case.stays.taken_ns[link])
                if tight_ns[link] > raw_ns:
                    pending.append((link, raw_ns, int(tight_ns[link]) - 1))
    return links


def _cover(case: SweepInput, tight_ns: Ints, stay: int, span: tuple[int, int]) -> list[int]:
    """Return the fewest windows that cover the span with items ahead of this stay."""
    stays, hidden = case.stays, case.hidden
    ahead = _ahead(case, stay) & (stays.surely_free_ns < tight_ns)
    certain = np.flatnonzero(ahead & hidden.certain(stays))
    links = chain(stays.surely_free_ns[certain], tight_ns[certain], *span)
    if links and max(int(tight_ns[certain[link]]) for link in links) > span[1]:
        return [int(certain[link]) for link in links]
    overlap = (hidden.begin <= span[1]) & (hidden.until >= span[0])
    layers = 1 + int(hidden.capacity[overlap].sum())
    possible = np.flatnonzero(ahead)
    links = chain(stays.surely_free_ns[possible], tight_ns[possible], *span, layers=layers)
    return [int(possible[link]) for link in links]


def _ahead(case: SweepInput, stay: int) -> Mask:
    """Return the stays surely ahead of one; of an "empty", all."""
    stays = case.stays
    if stay < 0:
        return np.ones(len(stays), np.bool_)
    same = stays.priority == stays.priority[stay]
    earlier = stays.surely_key_ns < stays.key_ns[stay]
    first_of = np.flatnonzero((stays.number == 0) & (stays.value == stays.value[stay]))
    if case.by_delivery and len(first_of):
        earlier |= _delivered_before(stays, int(stays.taken_ns[first_of[0]]))
    mask: Mask = (stays.priority < stays.priority[stay]) | (same & earlier)
    return mask


def _delivered_before(stays: Episodes, at_ns: int) -> Mask:
    """Return the stays of items whose first delivery had surely happened before."""
    early = stays.value[(stays.number == 0) & (stays.surely_taken_ns < at_ns)]
    return np.isin(stays.value, early)


def _violation(
    history: History, case: SweepInput, question: _Question, links: list[int]
) -> Violation:
    stays = case.stays
    involved = links if question.stay < 0 else [question.stay, *links]
    pairs = [(int(stays.put_row[stay]), int(stays.row[stay])) for stay in involved]
    rows = dict.fromkeys([question.row, *(row for pair in pairs for row in pair)])
    values = dict.fromkeys(history.values[stays.value[stay]] for stay in involved)
    blockers = [history.values[stays.value[link]] for link in links]
    if question.stay < 0:
        said = f"A call found the queue empty, though all the while {_any(blockers)} was available."
        return Violation.of("false-empty", said, rows, *values)
    urgent = bool(links) and stays.priority[links[0]] < stays.priority[question.stay]
    said = f"Item {next(iter(values))!r} was delivered before {_any(blockers)}, though "
    said += f"{_why(history, stays, question.stay, links)}."
    return Violation.of("priority-order" if urgent else "fifo-order", said, rows, *values)


def _why(history: History, stays: Episodes, stay: int, links: list[int]) -> str:
    if len(links) != 1:
        return "at every moment of the call an item ahead of it was available"
    link, value = links[0], history.values[stays.value[links[0]]]
    if stays.priority[link] < stays.priority[stay]:
        return (
            f"{value!r} is more urgent ({stays.priority[link]} before {stays.priority[stay]}) "
            "and was available all the while"
        )
    if stays.number[link]:
        return f"{value!r} had come back to its place ahead of it and was available all the while"
    own = history.values[stays.value[stay]]
    if history.by_zxid:
        return f"{value!r} was put at a smaller zxid and was still in the queue"
    return (
        f"{value!r}'s put had returned before {own!r}'s began, and {value!r} was still in the queue"
    )


def _any(values: list[Value]) -> str:
    names = [repr(value) for value in dict.fromkeys(values)]
    if len(names) > 1:
        return f"one of {', '.join(names[:-1])} and {names[-1]}"
    return names[0] if names else "another item"
