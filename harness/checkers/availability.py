"""How much of the time calls succeeded, and how soon again after each fault and each heal."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.checkers import Claim, checkers
from harness.checkers.findings import Violation, conclude
from harness.history import NEVER_NS, OK, PUT, RESERVE, TAKE, History, derived
from harness.verdict import CheckResult

NAME = "availability"
Ints = NDArray[np.int64]
WINDOW_NS = 100_000_000
AFTER_HEAL_NS = 30_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultFigures:
    """What clients saw of one fault.

    Attributes:
        unavailable_s: longest time without a beginning of a call that succeeded, between the
            injection and 30 s after the heal, as far as calls were made at all.
        after_inject_s, after_heal_s: until the first return of a success that began afterwards; a
            call begun before and answered later proves nothing. None if there was none.
        fraction: of 100 ms windows between injection and heal in which a success began.
    """

    id: int | str
    fault: str
    name: str | None
    inject_ns: int
    heal_ns: int | None
    unavailable_s: float | None
    after_inject_s: float | None
    after_heal_s: float | None
    fraction: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What clients saw of the whole run.

    Attributes:
        fraction: of 100 ms windows, from the first call to the last heal (the last call, without
            one), in which a put, reserve or take began that succeeded. None without calls.
        longest_gap_s: longest time between beginnings of successes in the same span.
    """

    fraction: float | None
    longest_gap_s: float | None
    last_call_ns: int
    faults: tuple[FaultFigures, ...]


@derived
def measure(history: History) -> Figures:
    """Measure availability. O(n log n)."""
    calls = np.isin(history.f, (PUT, RESERVE, TAKE))
    if not calls.any():
        return Figures(fraction=None, longest_gap_s=None, last_call_ns=0, faults=())
    begun_ns = np.sort(history.invoke_ns[calls])
    good = calls & (history.outcome == OK)
    order = np.argsort(history.invoke_ns[good], kind="stable")
    success_ns, return_ns = history.invoke_ns[good][order], history.complete_ns[good][order]
    spans = list(_faults(history))
    last_ns = max((heal_ns for *_, heal_ns in spans if heal_ns), default=int(begun_ns[-1]))
    first_ns, last_ns = int(begun_ns[0]), min(last_ns, int(begun_ns[-1]))
    faults = [_fault(span, success_ns, return_ns, int(begun_ns[-1])) for span in spans]
    return Figures(
        fraction=_fraction(success_ns, first_ns, last_ns),
        longest_gap_s=_longest_gap_s(success_ns, first_ns, last_ns),
        last_call_ns=int(begun_ns[-1]),
        faults=tuple(faults),
    )


@checkers.register(NAME)
class Availability:
    """Calls succeed for a share of the time, and again soon after each fault and heal.

    O(n log n). Without bounds in the scenario it only measures. Reasons:
        slow-recovery   the first success after a heal took longer than recovery_s, or that after
                        an injection, unless a bound for that fault says that calls may fail
        too-available, too-unavailable    the fraction during a named fault is out of its bounds
    UNKNOWN: nothing-succeeded, or fault-not-seen if a bound names a fault that was never injected.
    """

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Ask for at least one call."""
        return None if len(history) else "a call of a client"

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Measure, and compare with the scenario's bounds."""
        figures = measure(history)
        violations = [*_slow(figures, claim), *_out_of_bounds(figures, claim)]
        details = asdict(figures)
        details["faults"] = list(details["faults"])
        return conclude(NAME, history, violations, doubts=_doubts(figures, claim), details=details)


_Span = tuple[int | str, str, str | None, int, int | None]


def _faults(history: History) -> Iterator[_Span]:
    """Yield (id, fault, name, inject_ns, heal_ns) of each fault that was installed."""
    healed_ns: dict[Any, int] = {}
    injected = []
    for note in history.notes:
        value = note.value if isinstance(note.value, dict) else {}
        if value.get("phase") == "heal" and "id" in value:
            healed_ns.setdefault(value["id"], note.time_ns)
        elif value.get("phase") == "inject" and value.get("outcome") == "installed":
            injected.append((value.get("id", note.f), note, value.get("name")))
    for key, note, name in injected:
        yield key, note.f, name, note.time_ns, healed_ns.get(key)


def _fault(span: _Span, success_ns: Ints, return_ns: Ints, last_ns: int) -> FaultFigures:
    key, fault, name, inject_ns, heal_ns = span
    end_ns = last_ns if heal_ns is None else min(last_ns, heal_ns + AFTER_HEAL_NS)
    return FaultFigures(
        id=key,
        fault=fault,
        name=name,
        inject_ns=inject_ns,
        heal_ns=heal_ns,
        unavailable_s=_longest_gap_s(success_ns, inject_ns, end_ns),
        after_inject_s=_first_s(success_ns, return_ns, inject_ns),
        after_heal_s=None if heal_ns is None else _first_s(success_ns, return_ns, heal_ns),
        fraction=_fraction(success_ns, inject_ns, last_ns if heal_ns is None else heal_ns),
    )


def _fraction(success_ns: Ints, first_ns: int, last_ns: int) -> float | None:
    if last_ns < first_ns:
        return None
    inside = success_ns[(success_ns >= first_ns) & (success_ns <= last_ns)]
    windows = (last_ns - first_ns) // WINDOW_NS + 1
    return round(len(np.unique((inside - first_ns) // WINDOW_NS)) / windows, 6)


def _longest_gap_s(success_ns: Ints, first_ns: int, last_ns: int) -> float | None:
    if last_ns < first_ns:
        return None
    inside = success_ns[(success_ns >= first_ns) & (success_ns <= last_ns)]
    return _seconds(int(np.diff(np.concatenate([[first_ns], inside, [last_ns]])).max()))


def _first_s(success_ns: Ints, return_ns: Ints, after_ns: int) -> float | None:
    begun = return_ns[np.searchsorted(success_ns, after_ns, side="right") :]
    return _seconds(int(begun.min(initial=NEVER_NS)) - after_ns) if len(begun) else None


def _seconds(duration_ns: int) -> float:
    return round(duration_ns / 1e9, 6)


def _slow(figures: Figures, claim: Claim) -> Iterator[Violation]:
    """Yield the recoveries over the bound; one in which nobody called is not judged."""
    if claim.recovery_s is None:
        return
    for fault in figures.faults:
        moments = [("heal", fault.heal_ns, fault.after_heal_s)]
        if not any(limit.during in (fault.name, fault.fault) for limit in claim.availability):
            moments.append(("injection", fault.inject_ns, fault.after_inject_s))
        for what, at_ns, took_s in moments:
            called = at_ns is not None and at_ns < figures.last_call_ns
            if called and (took_s is None or took_s > claim.recovery_s):
                took = "nothing succeeded any more" if took_s is None else f"it took {took_s} s"
                sentence = (
                    f"After the {what} of {fault.fault} ({fault.id}) {took}; "
                    f"at most {claim.recovery_s} s were allowed."
                )
                yield Violation(reason="slow-recovery", sentence=sentence, rows=())


def _out_of_bounds(figures: Figures, claim: Claim) -> Iterator[Violation]:
    for limit in claim.availability:
        for fault in figures.faults:
            if limit.during not in (fault.name, fault.fault) or fault.fraction is None:
                continue
            reason = (
                "too-available"
                if fault.fraction > limit.max_fraction
                else "too-unavailable"
                if fault.fraction < limit.min_fraction
                else None
            )
            if reason:
                sentence = (
                    f"During {limit.during} calls succeeded in {fault.fraction:.1%} of the time; "
                    f"{limit.min_fraction:.1%} to {limit.max_fraction:.1%} were allowed."
                )
                yield Violation(reason=reason, sentence=sentence, rows=())


def _doubts(figures: Figures, claim: Claim) -> list[str]:
    seen = {name for fault in figures.faults for name in (fault.name, fault.fault)}
    doubts = [] if figures.fraction or claim.availability else ["nothing-succeeded"]
    return doubts + ["fault-not-seen" for limit in claim.availability if limit.during not in seen]
