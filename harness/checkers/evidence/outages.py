"""Outages: from the start of a call to the first success of a call that began no earlier."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.checkers.evidence.notes import ends
from harness.history.columns import INFO, OK, PUT, RESERVE, TAKE, History, Ints, Mask, derived


@dataclass(frozen=True, slots=True, kw_only=True)
class Outages:
    """For each call, how long it took until some call that began no earlier had succeeded.

    A success that had begun earlier ends no outage, as it may have been served before the fault.
    A call in which its client died counts as not made, since no client waited for the answer.

    Attributes:
        begin_ns: a call began, whatever came of it.
        end_ns: the first return of a success that began no earlier; it never falls.
        seen_ns: the last moment at which anything is known of a call; where nothing succeeded any
            more, `end_ns` is this.
        answered_ns: the last beginning of a success; -1 without one.
    """

    begin_ns: Ints
    end_ns: Ints
    seen_ns: int
    answered_ns: int

    def spans(self, at_least_ns: int) -> list[tuple[int, int]]:
        """Return the outages of that length or more, each from its first call to its end. O(n)."""
        long = self.end_ns - self.begin_ns >= at_least_ns
        found: list[tuple[int, int]] = []
        for begin_ns, end_ns in zip(
            self.begin_ns[long].tolist(), self.end_ns[long].tolist(), strict=True
        ):
            if found and begin_ns <= found[-1][1]:
                found[-1] = found[-1][0], end_ns
            else:
                found.append((begin_ns, end_ns))
        return found

    def longest_ns(self, first_ns: int, last_ns: int) -> int | None:
        """Return the longest outage that overlaps the span, from the span's beginning on. O(n).

        The part after the span counts, the part before it does not. None if no call was made or
        waiting in the span.
        """
        first = int(np.searchsorted(self.begin_ns, first_ns, side="left"))
        past = int(np.searchsorted(self.begin_ns, last_ns, side="right"))
        waits_ns = (self.end_ns - self.begin_ns)[first:past]
        longest_ns = int(waits_ns.max(initial=-1))
        if first and self.end_ns[first - 1] > first_ns:
            longest_ns = max(longest_ns, int(self.end_ns[first - 1]) - first_ns)
        return None if longest_ns < 0 else longest_ns


@derived
def outages(history: History) -> Outages:
    """Return the outages of puts, reserves and takes. O(n log n)."""
    return _outages(history, (PUT, RESERVE, TAKE))


@derived
def put_outages(history: History) -> Outages:
    """Return the outages of puts, which a look at an empty queue does not end. O(n log n)."""
    return _outages(history, (PUT,))


def _outages(history: History, kinds: Sequence[int]) -> Outages:
    calls = history.is_one_of(*kinds)
    good = calls & (history.outcome == OK)
    asking = np.flatnonzero(calls & ~_died_in(history))
    begin_ns = history.invoke_ns[asking]
    known_ns = history.complete_ns[calls & (history.outcome != INFO)]
    seen_ns = int(max(known_ns.max(initial=0), history.invoke_ns[calls].max(initial=0)))
    order = np.argsort(history.invoke_ns[good], kind="stable")
    success_ns, return_ns = history.invoke_ns[good][order], history.complete_ns[good][order]
    soonest_ns = np.append(np.minimum.accumulate(return_ns[::-1])[::-1], [seen_ns])
    begin_ns = np.sort(begin_ns, kind="stable")
    return Outages(
        begin_ns=begin_ns,
        end_ns=soonest_ns[np.searchsorted(success_ns, begin_ns, side="left")],
        seen_ns=seen_ns,
        answered_ns=int(success_ns.max(initial=-1)),
    )


def _died_in(history: History) -> Mask:
    """Return the calls of unknown outcome in which their client was killed."""
    mask: Mask = (history.outcome == INFO) & ends(history).killed[history.process]
    return mask
