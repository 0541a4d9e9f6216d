"""The share of the time in which calls succeeded, and the outage after each fault and heal."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from harness.checkers import checkers
from harness.checkers.evidence.outages import Outages, outages, put_outages
from harness.checkers.evidence.violations import Violation, conclude
from harness.claim import Claim
from harness.common.verdict import CheckResult
from harness.history.columns import OK, PUT, RESERVE, TAKE, History, Ints, derived

NAME = "availability"
WINDOW_NS = 100_000_000
AFTER_HEAL_NS = 30_000_000_000
OUTAGE_NS = 500_000_000  # a shorter one is a slow call


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultFigures:
    """What clients saw of one fault; outages are those of `harness.checkers.evidence.outages`.

    Attributes:
        unavailable_s: the longest outage between the injection and 30 s after the heal; None if
            no client called.
        after_inject_s, after_heal_s: the same up to the heal, and from the heal to the next
            injection, at most 30 s: how long calls took to succeed again.
        fraction: of 100 ms windows between injection and heal in which a success began that was
            over by the heal.
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
class PutOutage:
    """A time in which clients put and no put that began in it succeeded."""

    begin_ns: int
    length_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What clients saw of the whole run.

    Attributes:
        fraction: of 100 ms windows, from the first call to the last heal after it (the last call,
            without one), in which a put, reserve or take began that succeeded. None without calls.
        longest_gap_s: the longest outage in the same span.
        last_success_ns: when the last call began that succeeded; -1 without one.
        put_outages: those of half a second or more.
    """

    fraction: float | None
    longest_gap_s: float | None
    last_success_ns: int
    faults: tuple[FaultFigures, ...]
    put_outages: tuple[PutOutage, ...] = ()


@derived
def measure(history: History) -> Figures:
    """Measure availability. O(n log n)."""
    calls = history.is_one_of(PUT, RESERVE, TAKE)
    if not calls.any():
        return Figures(fraction=None, longest_gap_s=None, last_success_ns=-1, faults=())
    begun_ns = history.invoke_ns[calls]
    good = calls & (history.outcome == OK)
    successes = history.invoke_ns[good], history.complete_ns[good]
    seen, spans = outages(history), list(_faults(history))
    first_ns, last_call_ns = int(begun_ns.min()), int(begun_ns.max())
    heals_ns = [heal_ns for *_, heal_ns in spans if heal_ns and heal_ns > first_ns]
    last_ns = min(max(heals_ns, default=last_call_ns), last_call_ns)
    injected_ns = np.sort(np.array([inject_ns for *_, inject_ns, _ in spans], np.int64))
    faults = [_fault(span, successes, seen, injected_ns, last_call_ns) for span in spans]
    return Figures(
        fraction=_fraction(successes[0], first_ns, last_ns),
        longest_gap_s=_seconds(seen.longest_ns(first_ns, last_ns)),
        last_success_ns=seen.answered_ns,
        faults=tuple(faults),
        put_outages=tuple(
            PutOutage(begin_ns=begin_ns, length_s=round((end_ns - begin_ns) / 1e9, 6))
            for begin_ns, end_ns in put_outages(history).spans(OUTAGE_NS)
        ),
    )


@checkers.register(NAME)
class Availability:
    """Calls succeed for a share of the time, and again soon after each fault and heal.

    O(n log n). It only measures, unless the scenario sets bounds. Reasons:
        slow-recovery   an outage after a heal lasted longer than recovery_s, or one during the
                        fault, unless a bound for that fault says that calls may fail
        too-available, too-unavailable    the fraction during a named fault is out of its bounds
    UNKNOWN:
        nothing-succeeded   no call succeeded
        fault-not-seen      a bound names a fault that was never injected
        recovery-not-seen   recovery_s is set, and after a fault or heal no client called within
                            that time, or no call succeeded any more
    """

    finds: ClassVar[frozenset[str]] = frozenset(
        {"slow-recovery", "too-available", "too-unavailable"}
    )

    def unmet(self, history: History, claim: Claim) -> str | None:
        """Ask for at least one call."""
        return None if len(history) else "a call of a client"

    def check(self, history: History, claim: Claim) -> CheckResult:
        """Measure, and compare with the scenario's bounds."""
        figures = measure(history)
        violations = [*_slow(figures, claim), *_out_of_bounds(figures, claim)]
        details = asdict(figures)
        details["faults"] = list(details["faults"])
        details["put_outages"] = list(details["put_outages"])
        return conclude(
            NAME, history, violations, doubts=_doubts(history, figures, claim), details=details
        )


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


def _fault(
    span: _Span, successes: tuple[Ints, Ints], seen: Outages, injected_ns: Ints, last_ns: int
) -> FaultFigures:
    key, fault, name, inject_ns, heal_ns = span
    until_ns = last_ns if heal_ns is None else heal_ns
    within = successes[0][successes[1] <= until_ns]
    return FaultFigures(
        id=key,
        fault=fault,
        name=name,
        inject_ns=inject_ns,
        heal_ns=heal_ns,
        unavailable_s=_seconds(seen.longest_ns(inject_ns, until_ns + AFTER_HEAL_NS)),
        after_inject_s=_seconds(seen.longest_ns(inject_ns, until_ns)),
        after_heal_s=None if heal_ns is None else _after_heal_s(seen, injected_ns, heal_ns),
        fraction=_fraction(within, inject_ns, until_ns),
    )


def _after_heal_s(seen: Outages, injected_ns: Ints, heal_ns: int) -> float | None:
    """Return the longest outage after a heal and before the next injection."""
    later_ns = injected_ns[injected_ns > heal_ns].min(initial=heal_ns + AFTER_HEAL_NS)
    return _seconds(seen.longest_ns(heal_ns, int(later_ns) - 1))


def _fraction(success_ns: Ints, first_ns: int, last_ns: int) -> float | None:
    if last_ns < first_ns:
        return None
    inside = success_ns[(success_ns >= first_ns) & (success_ns <= last_ns)]
    windows = (last_ns - first_ns) // WINDOW_NS + 1
    return round(len(np.unique((inside - first_ns) // WINDOW_NS)) / windows, 6)


def _seconds(duration_ns: int | None) -> float | None:
    return None if duration_ns is None else round(duration_ns / 1e9, 6)


def _moments(fault: FaultFigures, claim: Claim) -> Iterator[tuple[str, int, float | None]]:
    """Yield (what, when, longest outage since) of each event that recovery_s counts from."""
    if fault.heal_ns is not None:
        yield "heal", fault.heal_ns, fault.after_heal_s
    bound = claim.availability
    if bound is None or bound.during not in (fault.name, fault.fault):
        yield "injection", fault.inject_ns, fault.after_inject_s


def _slow(figures: Figures, claim: Claim) -> Iterator[Violation]:
    """Yield a violation for each outage longer than recovery_s."""
    if claim.recovery_s is None:
        return
    for fault in figures.faults:
        for what, _, took_s in _moments(fault, claim):
            if took_s is not None and took_s > claim.recovery_s:
                said = f"After the {what} of {fault.fault} ({fault.id}) no call that began "
                said += f"succeeded for {took_s} s; at most {claim.recovery_s} s were allowed."
                yield Violation.of("slow-recovery", said, ())


def _untested(history: History, figures: Figures, claim: Claim) -> bool:
    """Tell whether some fault or heal was followed by no call, or by no success, in time."""
    if claim.recovery_s is None:
        return False
    seen, bound_ns = outages(history), round(claim.recovery_s * 1e9)
    moments = [at_ns for fault in figures.faults for _, at_ns, _ in _moments(fault, claim)]
    unasked = any(seen.longest_ns(at_ns, at_ns + bound_ns) is None for at_ns in moments)
    return unasked or figures.last_success_ns < max(moments, default=-1)


def _out_of_bounds(figures: Figures, claim: Claim) -> Iterator[Violation]:
    if (bound := claim.availability) is None:
        return
    for fault in figures.faults:
        if bound.during not in (fault.name, fault.fault) or fault.fraction is None:
            continue
        if not bound.min_fraction <= fault.fraction <= bound.max_fraction:
            more = fault.fraction > bound.max_fraction
            said = f"During {bound.during} calls succeeded in {fault.fraction:.1%} of the time; "
            said += f"{bound.min_fraction:.1%} to {bound.max_fraction:.1%} were allowed."
            yield Violation.of("too-available" if more else "too-unavailable", said, ())


def _doubts(history: History, figures: Figures, claim: Claim) -> list[str]:
    seen = {name for fault in figures.faults for name in (fault.name, fault.fault)}
    bound = claim.availability
    doubts = [] if figures.fraction or bound else ["nothing-succeeded"]
    doubts += ["recovery-not-seen"] * _untested(history, figures, claim)
    return doubts + ["fault-not-seen"] * (bound is not None and bound.during not in seen)
