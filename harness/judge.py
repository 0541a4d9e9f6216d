"""Judge a history: choose the checkers, run them, and merge their verdicts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.checkers import Checker
from harness.checkers import checkers as registered
from harness.checkers.availability import measure
from harness.checkers.evidence.account import account
from harness.checkers.evidence.episodes import put_twice
from harness.checkers.evidence.violations import SHOWN
from harness.claim import Claim, Course
from harness.common.verdict import CheckResult, Verdict, Witness
from harness.history.columns import History, went_back

# What a checker of order finds.
OF_ORDER = frozenset(
    {
        "fifo-order",
        "priority-order",
        "producer-order",
        "out-of-order",
        "false-empty",
        "window-exceeded",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict of all checkers on a history, and the figures beside it, JSON-ready.

    Attributes:
        not_run: checkers that were not asked for and that this history cannot serve, with what they
            need.
        counts: distinct values; `lost` is None where no drain was finished.
        availability: fraction and longest_gap_s.
        unavailable_s: by fault id, the longest gap between its injection and its heal + 30 s.
    """

    results: tuple[CheckResult, ...]
    not_run: tuple[Mapping[str, str], ...]
    counts: Mapping[str, int | None]
    availability: Mapping[str, float | None]
    unavailable_s: Mapping[int | str, float | None]

    @property
    def verdict(self) -> Verdict:
        """The verdict that dominates; UNKNOWN if nothing ran."""
        return Verdict.merge(result.verdict for result in self.results)


def judge(
    history: History,
    claim: Claim,
    checkers: Sequence[str] | None = None,
) -> Judgement:
    """Run the named checkers, or all our own whose needs are met, and merge what they say.

    A checker that raises gives UNKNOWN; so does a named one whose needs are not met. The history
    of a run, whose claim has a course, is always judged by the checkers that every valid run must
    pass. If lines are malformed or missing, calls of one process overlapped or are in another order
    by their times, or a value was put twice, every verdict becomes UNKNOWN: a missing line, another
    pairing or another order may explain what was found. So does that of each checker of order if
    items of groups were put under a claim of order.

    Raises:
        ScenarioError: no checker has one of these names.
    """
    results, not_run = [], []
    named = {*(checkers or ()), *_earned(claim.course)}
    for result in examine(history, claim, sorted({*(checkers or registered.builtin), *named})):
        if result.reasons == ("unmet",) and result.name not in named:
            not_run.append({"name": result.name, "needs": str(result.details["needs"])})
        else:
            results.append(result)
    figures = measure(history)
    return Judgement(
        results=tuple(results),
        not_run=tuple(not_run),
        counts=account(history, claim.put_aside).counts(),
        availability={"fraction": figures.fraction, "longest_gap_s": figures.longest_gap_s},
        unavailable_s={fault.id: fault.unavailable_s for fault in figures.faults},
    )


def examine(history: History, claim: Claim, names: Iterable[str]) -> Iterator[CheckResult]:
    """Yield each checker's result; UNKNOWN with reason "unmet" if it cannot judge this history."""
    for checker, name in [(registered[name](), name) for name in names]:
        of_order = claim.level != "unordered" and not checker.finds.isdisjoint(OF_ORDER)
        yield _doubted(_run(name, checker, history, claim), history, of_order=of_order)


def as_expected(
    judgement: Judgement, expect: Literal["valid", "invalid"], because: str | None
) -> bool:
    """Tell whether the verdict is the expected one, for the expected reason if one is given."""
    if judgement.verdict.word != expect:
        return False
    failing = (r for r in judgement.results if r.verdict is Verdict.INVALID)
    return because is None or any(because in result.reasons for result in failing)


def _earned(course: Course | None) -> tuple[str, ...]:
    """Return the checkers that every valid run must pass: it ended, lost nothing, was disturbed."""
    if course is None:
        return ()
    return (
        "completed",
        "total-queue",
        *(["faults-bit"] if course.faults else []),
    )


def _run(name: str, checker: Checker, history: History, claim: Claim) -> CheckResult:
    try:
        needs = checker.unmet(history, claim)
        if needs is None:
            return checker.check(history, claim)
    except Exception as error:  # noqa: BLE001 a defect in one checker must not hide the others
        told = f"{type(error).__name__}: {error}"
        return CheckResult(
            name=name,
            verdict=Verdict.UNKNOWN,
            reasons=("checker-failed",),
            details={"error": told},
            witnesses=(Witness(sentence=f"The checker failed: {told}."),),
        )
    return CheckResult(
        name=name,
        verdict=Verdict.UNKNOWN,
        reasons=("unmet",),
        details={"needs": needs},
        witnesses=(Witness(sentence=f"The checker needs {needs}."),),
    )


def _doubted(result: CheckResult, history: History, *, of_order: bool) -> CheckResult:
    """Make a verdict UNKNOWN if damaged or ambiguous lines may explain or hide something.

    So it is if items of groups, which keep no order among all, were judged by a claim `of_order`.
    """
    reasons, details = set(result.reasons), dict(result.details)
    if history.groups and of_order:
        reasons.add("order-beside-groups")
    if history.malformed_lines:
        reasons.add("malformed-lines")
        details["malformed_lines"] = history.malformed_lines
        details["malformed_at"] = history.malformed_at[:SHOWN]
    if history.gap_at is not None:
        reasons.add("missing-lines")
        details["missing_before_line"] = history.gap_at
    if history.overlapping:
        reasons.add("overlapping-calls")
        details["overlapping_calls"] = history.overlapping[:SHOWN]
    if twice := put_twice(history):
        reasons.add("put-twice")
        details["put_twice"] = twice[:SHOWN]
    if wrong := went_back(history):
        reasons.add("times-went-back")
        details["times_went_back"] = wrong[:SHOWN]
    if reasons == set(result.reasons) or result.verdict is Verdict.UNKNOWN:
        return result
    return replace(result, verdict=Verdict.UNKNOWN, reasons=tuple(sorted(reasons)), details=details)
