"""Figures of a history: how many calls were made, answered and concurrent."""

from typing import Any, ClassVar

import numpy as np

from harness.checkers import checkers
from harness.checkers.evidence.account import account
from harness.checkers.evidence.violations import conclude
from harness.claim import Claim
from harness.common.verdict import CheckResult
from harness.history.columns import (
    DONE,
    FAIL,
    INFO,
    OK,
    PUT,
    RELEASE,
    RESERVE,
    TAKE,
    History,
    Ints,
    Mask,
)

NAME = "stats"
_KINDS = {"put": PUT, "reserve": RESERVE, "take": TAKE, "done": DONE, "release": RELEASE}
_QUANTILES = {"p50_ms": 0.5, "p99_ms": 0.99, "max_ms": 1.0}


@checkers.register(NAME)
class Stats:
    """Each kind of call succeeded at least once; how many there were, and how many overlapped.

    O(n log n). These figures say how much the other verdicts are worth: a run in which no calls
    overlapped, none had an unknown outcome and no item came back shows little.

    Details:
        calls           by kind: items of calls that ended ok, fail, info, and that found nothing
                        (`empty`, counted in ok too); latency of the calls that were ok
        concurrency     the most calls that were outstanding at one moment
        overlapping     share of the calls that overlap another; both without unknown outcomes,
                        which overlap all that follows
        redelivered     deliveries beyond the first that were accounted for
        processes       how many clients, one after the other, made calls
        unmatched       answers without a call, and calls followed by another one of the same
                        process: the first count as begun at 0, the second as unknown
        truncated_lines lines cut short at the end of a file, as a killed client leaves them
    UNKNOWN: never-succeeded, if all calls of a kind failed or have unknown outcomes, unless the
    scenario bounds availability. Never INVALID.
    Source: Jepsen's checker of the same name, which fails such a history.
    """

    finds: ClassVar[frozenset[str]] = frozenset()

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Ask for at least one call."""
        return None if len(history) else "a call of a client"

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Count the calls of each kind, and measure their latency and concurrency."""
        kinds = {name: _kind(history, f) for name, f in _KINDS.items()}
        made = {name: figures for name, figures in kinds.items() if figures}
        barren = any(figures["ok"] == 0 for figures in made.values())
        doubts = ["never-succeeded"] if barren and not claim.availability else []
        answered = (history.outcome != INFO) & (history.part == 0)
        begin_ns = np.sort(history.invoke_ns[answered], kind="stable")
        end_ns = np.sort(history.complete_ns[answered], kind="stable")
        details = {
            "calls": made,
            "concurrency": _concurrency(begin_ns, end_ns),
            "overlapping": _overlapping(history, answered, begin_ns, end_ns),
            "redelivered": account(history).counts()["redelivered"],
            "processes": len(history.processes),
            "unmatched": history.unmatched,
            "truncated_lines": history.truncated_lines,
        }
        return conclude(NAME, history, [], doubts=doubts, details=details)


def _kind(history: History, f: int) -> dict[str, Any]:
    """Return the figures of one kind of call; none if none was made."""
    mine = history.f == f
    if not mine.any():
        return {}
    ok = mine & (history.outcome == OK)
    empty = ok & (history.value < 0) if f in (RESERVE, TAKE) else np.zeros_like(ok)
    counts = {
        "ok": int(ok.sum()),
        "fail": int((mine & (history.outcome == FAIL)).sum()),
        "info": int((mine & (history.outcome == INFO)).sum()),
        "empty": int(empty.sum()),
    }
    return counts | _latency_ms(history, ok & (history.part == 0))


def _latency_ms(history: History, calls: Mask) -> dict[str, float]:
    if not calls.any():
        return {}
    took_ms = (history.complete_ns[calls] - history.invoke_ns[calls]) / 1e6
    values = np.quantile(took_ms, list(_QUANTILES.values()))
    return {name: round(float(value), 3) for name, value in zip(_QUANTILES, values, strict=True)}


def _concurrency(begin_ns: Ints, end_ns: Ints) -> int:
    """Return the most calls outstanding at once; intervals are closed."""
    begun = np.arange(1, len(begin_ns) + 1)
    return int((begun - np.searchsorted(end_ns, begin_ns, side="left")).max(initial=0))


def _overlapping(history: History, calls: Mask, begin_ns: Ints, end_ns: Ints) -> float | None:
    """Return the share of calls that overlap another call."""
    if not len(begin_ns):
        return None
    # Calls that began by its end, minus calls that ended before it began: itself, and overlaps.
    begun = np.searchsorted(begin_ns, history.complete_ns[calls], side="right")
    ended = np.searchsorted(end_ns, history.invoke_ns[calls], side="left")
    return round(float((begun - ended > 1).mean()), 4)
