"""The items of one producer reach any one consumer in the order of their puts."""

from typing import ClassVar

import numpy as np

from harness.checkers import checkers
from harness.checkers.evidence.episodes import Episodes, episodes
from harness.checkers.evidence.holds import holds
from harness.checkers.evidence.notes import ends
from harness.checkers.evidence.violations import (
    SHOWN,
    Violation,
    beyond_shown,
    conclude,
    nothing_shown,
)
from harness.claim import Claim
from harness.common.verdict import CheckResult
from harness.history.columns import INFO, NEVER_NS, OK, History, Ints
from harness.history.pairing import small

NAME = "producer-order"


@checkers.register(NAME)
class ProducerOrder:
    """Acknowledged puts of one process reach each consumer in order, within a priority.

    First deliveries only, where it is certain which was the first. O(n log n). Needs the order of
    each process's own calls and no common clock. Deliveries after the end of a session that may
    have held items unseen are left out: an item may have been delayed by it. A call that returns
    several items gives them in order. Sound; what it cannot see is order between producers, and
    between consumers. Reason:
        producer-order
    """

    finds: ClassVar[frozenset[str]] = frozenset({"producer-order"})

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Ask for a claim that orders first deliveries."""
        if claim.level in ("window", "unordered"):
            return "claim: linearizable, snapshot or stale"
        return None

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Compare each delivery with those before it of the same producer and consumer."""
        put, delivered = _pairs(history)
        columns = (history.priority[put], history.process[put], history.process[delivered])
        keys = [small(column) for column in columns]
        order = np.lexsort((delivered, *keys))
        put, delivered = put[order], delivered[order]
        group = np.ones(len(put), np.int64)
        for key in (key[order] for key in keys):
            group[1:] &= key[1:] == key[:-1]
        number = np.cumsum(1 - group) if len(group) else group
        latest = np.maximum.accumulate(number * (len(history) + 1) + put)
        place = np.flatnonzero(number * (len(history) + 1) + put < latest)
        blockers = latest[place] - number[place] * (len(history) + 1)
        pairs = list(zip(place[:SHOWN], blockers[:SHOWN], strict=True))
        violations = [_violation(history, put[p], delivered[p], int(b)) for p, b in pairs]
        details = {"compared": len(put), "groups": int(number[-1]) + 1 if len(number) else 0}
        others = beyond_shown("producer-order", history, history.value[put[place]])
        return conclude(
            NAME, history, violations, doubts=nothing_shown(history), details=details, others=others
        )


def _pairs(history: History) -> tuple[Ints, Ints]:
    """Return the rows of acknowledged puts, and of their first deliveries."""
    stays = episodes(history)
    stays = stays.where(stays.number == 0)
    put, row, held_ns = stays.put_row, _first_rows(history, stays), stays.surely_taken_ns
    sure = (row >= 0) & (history.outcome[put] == OK) & (history.to[put] == 0)
    sure &= held_ns < _delayed_from_ns(history)
    return put[sure], row[sure]


def _first_rows(history: History, stays: Episodes) -> Ints:
    """Return the row of each item's first delivery; -1 where another one may have been it."""
    held = holds(history)
    by_ns = np.full(len(history.values) + 1, -1, np.int64)
    by_ns[stays.value] = stays.surely_taken_ns
    early = held.begin_ns <= by_ns[held.value]
    first = np.full(len(by_ns), -1, np.int64)
    first[held.value[early]] = held.row[early]
    alone = np.bincount(held.value[early], minlength=len(by_ns)) == 1
    return np.where(alone, first, -1)[stays.value]


def _delayed_from_ns(history: History) -> int:
    """Return when the first session ended that may have held items without a record."""
    unseen = history.process[history.got(INFO)]
    return int(ends(history).alive_ns[unseen].min(initial=NEVER_NS))


def _violation(history: History, put: int, delivered: int, later_put: int) -> Violation:
    value, early = history.values[history.value[put]], history.values[history.value[later_put]]
    mine = history.got(OK) & (history.value == history.value[later_put])
    other = np.flatnonzero(mine & (history.process == history.process[delivered]))[0]
    producer = history.processes[history.process[put]]
    said = f"Process {producer!r} put {value!r} before {early!r}, and one consumer received "
    rows = [put, later_put, other, delivered]
    return Violation.of("producer-order", f"{said}{early!r} first.", rows, value, early)
